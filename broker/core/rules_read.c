/* SPDX-License-Identifier: Apache-2.0 */
/* Files of rules: mosquitto's lines and our own. */
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/lines.h"
#include "broker/core/rules.h"

struct reader {
    struct rules *rules;
    struct slice user;   /* of mosquitto's `topic` lines; NONE: the anonymous */
    unsigned kinds_told; /* RESOURCE_BIT()s of which a line of ours speaks */
    bool has_own;        /* some line is ours */
};

static struct slice take_word(struct slice *rest)
{
    size_t len = 0;
    struct slice word;

    while (len < rest->len && rest->at[len] != ' ' && rest->at[len] != '\t')
        len++;
    word = slice_of(rest->at, len);
    *rest = lines_trim(slice_after(*rest, len));
    return word;
}

static const char *add(struct reader *r, const struct rule_spec *spec)
{
    switch ((int)rules_add(r->rules, spec)) {
    case RC_OK:
        return NULL;
    case RC_INVALID:
        return "not a topic filter: + and a last # must be whole levels";
    default:
        return "more than 100000 rules";
    }
}

/* ---- mosquitto's lines ---- */

#define READING (OPERATION_BIT(OPERATION_CONSUME) | OPERATION_BIT(OPERATION_DESCRIBE))
/* What is published to need not exist before. */
#define WRITING                                                           \
    (OPERATION_BIT(OPERATION_PUBLISH) | OPERATION_BIT(OPERATION_CREATE) | \
     OPERATION_BIT(OPERATION_DESCRIBE))

static const struct access_word {
    const char *word;
    unsigned operations;
    bool is_deny;
} access_words[] = {
    { "read", READING, false },
    { "write", WRITING, false },
    { "readwrite", READING | WRITING, false },
    { "deny", OPERATIONS_ALL, true },
};

/* "read a/b", "a/b": without a word it is readwrite, and one word alone is the filter. */
static const char *read_access(struct slice rest, struct rule_spec *spec)
{
    struct slice filter = rest, word = take_word(&filter);

    if (word.len == 0)
        return "no topic";
    spec->operations = READING | WRITING;
    spec->pattern = word;
    if (filter.len == 0)
        return NULL;
    for (size_t i = 0; i < sizeof(access_words) / sizeof(access_words[0]); i++) {
        if (!slice_equal_str(word, access_words[i].word))
            continue;
        spec->operations = access_words[i].operations;
        spec->is_deny = access_words[i].is_deny;
        spec->pattern = filter;
        return NULL;
    }
    return "expected read, write, readwrite or deny before the topic";
}

static const char *on_topic(struct reader *r, struct slice rest)
{
    struct rule_spec spec = { .who = slice_is_none(r->user) ? RULE_ANONYMOUS : RULE_USER,
                              .name = r->user,
                              .resources =
                                  RESOURCE_BIT(RESOURCE_TOPIC) | RESOURCE_BIT(RESOURCE_QUEUE),
                              .shape = RULE_FILTER,
                              .rank = RULE_FIRST };
    const char *wrong = read_access(rest, &spec);

    return wrong != NULL ? wrong : add(r, &spec);
}

static const char *on_pattern(struct reader *r, struct slice rest)
{
    struct rule_spec spec = { .who = RULE_ANYONE,
                              .is_substituted = true,
                              .resources =
                                  RESOURCE_BIT(RESOURCE_TOPIC) | RESOURCE_BIT(RESOURCE_QUEUE),
                              .shape = RULE_FILTER,
                              .rank = RULE_SECOND };
    const char *wrong = read_access(rest, &spec);

    return wrong != NULL ? wrong : add(r, &spec);
}

static const char *on_user(struct reader *r, struct slice rest)
{
    if (rest.len == 0)
        return "no user";
    r->user = rest;
    return NULL;
}

/* ---- our own ---- */

static const char *const operation_words[OPERATION_COUNT] = {
    [OPERATION_PUBLISH] = "publish",     [OPERATION_CONSUME] = "consume",
    [OPERATION_CREATE] = "create",       [OPERATION_DELETE] = "delete",
    [OPERATION_ALTER] = "alter",         [OPERATION_DESCRIBE] = "describe",
    [OPERATION_GROUP_USE] = "group-use", [OPERATION_ADMIN] = "admin",
};

static const char *const resource_words[RESOURCE_COUNT] = {
    [RESOURCE_TOPIC] = "topic", [RESOURCE_QUEUE] = "queue",     [RESOURCE_EXCHANGE] = "exchange",
    [RESOURCE_GROUP] = "group", [RESOURCE_SESSION] = "session", [RESOURCE_BROKER] = "broker",
};

/* A list of words, or "all"; 0: one of them is none. */
static unsigned read_set(struct slice list, const char *const *words, unsigned count)
{
    struct slice one;
    unsigned set = 0;

    if (slice_equal_str(list, "all"))
        return (1u << count) - 1;
    while (slice_next_listed(&list, &one)) {
        unsigned i = 0;

        while (i < count && !slice_equal_str(one, words[i]))
            i++;
        if (i == count)
            return 0;
        set |= 1u << i;
    }
    return set;
}

static const char *read_who(struct slice word, struct rule_spec *spec)
{
    if (slice_equal_str(word, "anyone"))
        return NULL;
    if (slice_equal_str(word, "anonymous")) {
        spec->who = RULE_ANONYMOUS;
        return NULL;
    }
    spec->who = slice_starts(word, SLICE("role:")) ? RULE_ROLE : RULE_USER;
    spec->name = slice_after(word, 5); /* of "user:" and "role:" */
    if (spec->name.len == 0 || (spec->who == RULE_USER && !slice_starts(word, SLICE("user:"))))
        return "who: expected user:NAME, role:NAME, anonymous or anyone";
    return NULL;
}

/* %u and %c are whole levels or nothing at all: then no name can be made to be another. */
static bool has_whole_values(struct slice filter, bool *ret_any)
{
    *ret_any = false;
    for (size_t i = 0; i + 1 < filter.len; i++) {
        bool is_value = filter.at[i] == '%' && (filter.at[i + 1] == 'u' || filter.at[i + 1] == 'c');

        if (!is_value)
            continue;
        if ((i > 0 && filter.at[i - 1] != '/') || (i + 2 < filter.len && filter.at[i + 2] != '/'))
            return false;
        *ret_any = true;
    }
    return true;
}

static const struct {
    const char *prefix;
    enum rule_shape shape;
} shapes[] = {
    { "literal:", RULE_LITERAL },
    { "prefix:", RULE_PREFIX },
    { "filter:", RULE_FILTER },
};

static const char *read_pattern(struct slice text, struct rule_spec *spec)
{
    if (slice_equal_str(text, "*"))
        return NULL;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct slice prefix = slice_str(shapes[i].prefix);

        if (!slice_starts(text, prefix) || text.len == prefix.len)
            continue;
        spec->shape = shapes[i].shape;
        spec->pattern = slice_after(text, prefix.len);
        if (spec->shape == RULE_FILTER && !has_whole_values(spec->pattern, &spec->is_substituted))
            return "%u and %c must be whole levels";
        return NULL;
    }
    return "pattern: expected literal:NAME, prefix:BEGIN, filter:FILTER or *";
}

static const char *on_rule(struct reader *r, struct slice rest, bool is_deny)
{
    struct rule_spec spec = { .is_deny = is_deny, .who = RULE_ANYONE, .rank = RULE_FIRST };
    const char *wrong = read_who(take_word(&rest), &spec);

    if (wrong != NULL)
        return wrong;
    spec.operations = read_set(take_word(&rest), operation_words, OPERATION_COUNT);
    if (spec.operations == 0)
        return "operations: expected publish, consume, create, delete, alter, describe, "
               "group-use, admin, with commas between, or all";
    spec.resources = read_set(take_word(&rest), resource_words, RESOURCE_COUNT);
    if (spec.resources == 0)
        return "kinds: expected topic, queue, exchange, group, session, broker, with commas "
               "between, or all";
    wrong = read_pattern(rest, &spec);
    if (wrong != NULL)
        return wrong;
    r->has_own = true;
    r->kinds_told |= spec.resources;
    return add(r, &spec);
}

static const char *on_allow(struct reader *r, struct slice rest)
{
    return on_rule(r, rest, false);
}

static const char *on_deny(struct reader *r, struct slice rest)
{
    return on_rule(r, rest, true);
}

static const struct {
    const char *word;
    const char *(*read)(struct reader *r, struct slice rest);
} words[] = {
    { "topic", on_topic }, { "pattern", on_pattern }, { "user", on_user },
    { "allow", on_allow }, { "deny", on_deny },
};

static const char *read_line(struct reader *r, struct slice line)
{
    struct slice word = take_word(&line);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_equal_str(word, words[i].word))
            return words[i].read(r, line);
    }
    return "expected user, topic, pattern, allow or deny";
}

/* ---- the file ---- */

/* mosquitto's files know of topics alone: who may connect has a session, and a group to share by.
 * A file of our own that speaks of a kind says all that holds of it. */
static enum rc add_defaults(struct reader *r)
{
    const struct rule_spec rows[] = {
        { .operations = OPERATION_BIT(OPERATION_CONSUME),
          .resources = RESOURCE_BIT(RESOURCE_SESSION) },
        { .operations = OPERATION_BIT(OPERATION_GROUP_USE) | OPERATION_BIT(OPERATION_DESCRIBE),
          .resources = RESOURCE_BIT(RESOURCE_GROUP) },
        { .operations = OPERATION_BIT(OPERATION_DESCRIBE),
          .resources = RESOURCE_BIT(RESOURCE_BROKER) },
    };

    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rule_spec spec = rows[i];
        bool is_open = i == 0 ? (r->kinds_told & spec.resources) == 0 : !r->has_own;

        spec.rank = RULE_LAST;
        if (is_open)
            rc = rules_add(r->rules, &spec);
    }
    return rc;
}

enum rc rules_read(const char *file, struct slice text, struct rules **ret, struct text *errors)
{
    struct reader r = { .rules = rules_new() };
    struct lines lines = lines_of(text);
    struct slice line;

    while (lines.errors < RULES_ERRORS_MAX && lines_next(&lines, &line)) {
        const char *wrong = read_line(&r, line);

        if (wrong != NULL)
            lines_complain(&lines, file, wrong, errors);
    }
    if (lines.errors == 0 && add_defaults(&r) != RC_OK)
        lines_complain(&lines, file, "more than 100000 rules", errors);
    if (lines.errors > 0) {
        rules_free(&r.rules);
        return RC_INVALID;
    }
    *ret = r.rules;
    return RC_OK;
}

enum rc rules_load(const char *file, struct rules **ret, struct text *errors)
{
    struct text text = { 0 };
    enum rc rc = lines_load(file, RULES_FILE_MAX_BYTES, &text, errors);

    if (rc == RC_OK)
        rc = rules_read(file, text_slice(&text), ret, errors);
    text_done(&text);
    return rc;
}
