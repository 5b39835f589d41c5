/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/filter.h"

#include "broker/base/mem.h"
#include "broker/base/utf8.h"

struct token {
    uint32_t at; /* where its level begins in the text */
    uint16_t len;
    uint8_t kind;
};

/* One allocation: the struct, its tokens, then the text that literal tokens point into. */
struct filter {
    size_t bytes; /* of the whole allocation */
    size_t text_len;
    uint16_t token_count;
    bool is_literal;
    bool hides_dollar;
    struct token tokens[];
};

/* A filter in the making. */
struct maker {
    struct text text; /* the literal levels, joined by '/' as in an address */
    size_t token_count;
    size_t wildcard_count;
    enum rc rc; /* the first failure */
    struct token tokens[NAME_MAX_LEVELS];
};

static void make_push(struct maker *m, struct token token)
{
    if (m->token_count >= NAME_MAX_LEVELS) {
        m->rc = m->rc == RC_OK ? RC_LIMIT : m->rc;
        return;
    }
    m->tokens[m->token_count++] = token;
}

static void make_literal(struct maker *m, struct slice level)
{
    struct token token = { .kind = FILTER_LITERAL, .len = (uint16_t)level.len };

    ASSERT(level.len <= NAME_MAX_BYTES);
    if (m->token_count > 0)
        text_add_byte(&m->text, '/');
    token.at = (uint32_t)m->text.len;
    text_add(&m->text, level);
    make_push(m, token);
}

/* `#.*` asks for the same as `*.#`, and `#.#` as `#`. */
static void make_wildcard(struct maker *m, enum filter_kind kind)
{
    bool after_many = m->token_count > 0 && m->tokens[m->token_count - 1].kind == FILTER_MANY;

    m->wildcard_count++;
    if (kind == FILTER_MANY && after_many)
        return;
    if (after_many)
        m->tokens[m->token_count - 1].kind = FILTER_ONE;
    make_push(m, (struct token){ .kind = after_many ? FILTER_MANY : (uint8_t)kind });
}

static enum rc make_filter(struct maker *m, struct filter **ret)
{
    size_t tokens_bytes = m->token_count * sizeof(struct token);
    struct filter *filter;
    size_t bytes;

    if (m->text.bad)
        m->rc = RC_MEMORY;
    if (m->rc == RC_OK && m->text.len > NAME_MAX_BYTES)
        m->rc = RC_TOO_LARGE;
    if (m->rc != RC_OK)
        return m->rc;
    bytes = sizeof(*filter) + tokens_bytes + m->text.len;
    filter = mem_try(bytes);
    if (filter == NULL)
        return RC_MEMORY;
    *filter = (struct filter){
        .bytes = bytes,
        .text_len = m->text.len,
        .token_count = (uint16_t)m->token_count,
        .is_literal = m->wildcard_count == 0,
    };
    memcpy(filter->tokens, m->tokens, tokens_bytes);
    if (m->text.len > 0)
        memcpy(filter->tokens + m->token_count, m->text.at, m->text.len);
    *ret = filter;
    return RC_OK;
}

static const uint8_t *text_of(const struct filter *filter)
{
    return (const uint8_t *)(filter->tokens + filter->token_count);
}

/* Takes one level off; `*more` says whether a separator followed it. */
static struct slice take_level(struct slice *s, const char *separators, bool *more)
{
    size_t len = 0;
    struct slice level;

    while (len < s->len && s->at[len] != separators[0] && s->at[len] != separators[1])
        len++;
    level = slice_of(s->at, len);
    *more = len < s->len;
    *s = slice_after(*s, len + 1);
    return level;
}

static bool has_wildcard(struct slice level)
{
    return level.len > 0 &&
           (memchr(level.at, '+', level.len) != NULL || memchr(level.at, '#', level.len) != NULL);
}

enum rc filter_from_mqtt(struct slice text, struct filter **ret)
{
    struct maker m = { 0 };
    bool more = true;
    enum rc rc;

    if (text.len > NAME_MAX_BYTES)
        return RC_TOO_LARGE;
    if (text.len == 0 || !utf8_is_valid(text) || memchr(text.at, 0, text.len) != NULL)
        return RC_MALFORMED;
    while (more && m.rc == RC_OK) {
        struct slice level = take_level(&text, "//", &more);

        if (slice_equal_str(level, "+"))
            make_wildcard(&m, FILTER_ONE);
        else if (slice_equal_str(level, "#") && !more)
            make_wildcard(&m, FILTER_MANY);
        else if (has_wildcard(level))
            m.rc = RC_MALFORMED;
        else
            make_literal(&m, level);
    }
    rc = make_filter(&m, ret);
    if (rc == RC_OK)
        (*ret)->hides_dollar = (*ret)->tokens[0].kind != FILTER_LITERAL;
    text_done(&m.text);
    return rc;
}

enum rc filter_from_amqp(struct slice key, enum name_dots dots, struct filter **ret)
{
    /* With RabbitMQ's swap a slash is a dot, and so ends a word. */
    const char *separators = dots == NAME_DOTS_RABBITMQ ? "./" : "..";
    struct maker m = { 0 };
    struct text scratch = { 0 };
    bool more = key.len > 0;
    enum rc rc;

    if (key.len > NAME_MAX_BYTES)
        return RC_TOO_LARGE;
    while (more && m.rc == RC_OK) {
        struct slice word = take_level(&key, separators, &more);
        struct slice level = SLICE_NONE;

        if (slice_equal_str(word, "*")) {
            make_wildcard(&m, FILTER_ONE);
        } else if (slice_equal_str(word, "#")) {
            make_wildcard(&m, FILTER_MANY);
        } else {
            m.rc = name_from_amqp_key(word, dots, &scratch, &level);
            if (m.rc == RC_OK && level.len > NAME_MAX_BYTES)
                m.rc = RC_TOO_LARGE;
            if (m.rc == RC_OK)
                make_literal(&m, level);
        }
    }
    rc = make_filter(&m, ret);
    text_done(&scratch);
    text_done(&m.text);
    return rc;
}

enum rc filter_from_address(struct slice address, struct filter **ret)
{
    struct maker m = { 0 };
    bool more = address.len > 0;
    enum rc rc = name_check(address);

    if (rc != RC_OK)
        return rc;
    while (more)
        make_literal(&m, take_level(&address, "//", &more));
    rc = make_filter(&m, ret);
    text_done(&m.text);
    return rc;
}

enum rc filter_copy(const struct filter *filter, struct filter **ret)
{
    struct filter *copy = mem_try(filter->bytes);

    if (copy == NULL)
        return RC_MEMORY;
    memcpy(copy, filter, filter->bytes);
    *ret = copy;
    return RC_OK;
}

void filter_free(struct filter **filter)
{
    MEM_FREE(*filter);
}

size_t filter_token_count(const struct filter *filter)
{
    return filter->token_count;
}

struct filter_token filter_token(const struct filter *filter, size_t index)
{
    const struct token *token = &filter->tokens[index];

    ASSERT(index < filter->token_count);
    if (token->kind != FILTER_LITERAL)
        return (struct filter_token){ (enum filter_kind)token->kind, SLICE_NONE };
    return (struct filter_token){ FILTER_LITERAL,
                                  slice_of(text_of(filter) + token->at, token->len) };
}

bool filter_is_literal(const struct filter *filter)
{
    return filter->is_literal;
}

struct slice filter_address(const struct filter *filter)
{
    return filter->is_literal ? slice_of(text_of(filter), filter->text_len) : SLICE_NONE;
}

bool filter_hides_dollar(const struct filter *filter)
{
    return filter->hides_dollar;
}

bool filter_equal(const struct filter *a, const struct filter *b)
{
    if (a->token_count != b->token_count || a->hides_dollar != b->hides_dollar)
        return false;
    for (size_t i = 0; i < a->token_count; i++) {
        struct filter_token x = filter_token(a, i), y = filter_token(b, i);

        if (x.kind != y.kind || !slice_equal(x.level, y.level))
            return false;
    }
    return true;
}

/* reached[i]: the levels so far can be taken by the first i tokens. A many may take none. */
static void skip_many(const struct filter *filter, bool *reached)
{
    for (size_t i = 0; i < filter->token_count; i++)
        reached[i + 1] |= reached[i] && filter->tokens[i].kind == FILTER_MANY;
}

bool filter_matches(const struct filter *filter, struct slice address)
{
    bool reached[NAME_MAX_LEVELS + 1] = { true };
    bool more = address.len > 0;

    if (filter->hides_dollar && address.len > 0 && address.at[0] == '$')
        return false;
    skip_many(filter, reached);
    while (more) {
        struct slice level = take_level(&address, "//", &more);

        /* From the last token to the first, so that one level advances each state once. */
        for (size_t i = filter->token_count; i-- > 0;) {
            struct filter_token token = filter_token(filter, i);
            bool takes = token.kind != FILTER_LITERAL || slice_equal(token.level, level);

            if (i + 1 == filter->token_count)
                reached[i + 1] = false;
            if (reached[i] && takes)
                reached[i + 1] = true;
            reached[i] = reached[i] && token.kind == FILTER_MANY;
        }
        if (filter->token_count == 0)
            reached[0] = false;
        skip_many(filter, reached);
    }
    return reached[filter->token_count];
}
