/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/rules.h"

#include "broker/base/list.h"
#include "broker/base/map.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/filter.h"

struct rule {
    struct link link;
    struct rule_spec spec; /* its texts are behind this struct */
    uint8_t texts[];
};

/* The rules of one user, one role, the anonymous, or everybody. */
struct party {
    struct map_node by_name; /* in users or roles */
    struct list rules;
    uint8_t name[];
};

struct rules {
    struct party *anyone; /* owned, like the others */
    struct party *anonymous;
    struct map users;
    struct map roles;
    size_t count;
    bool has_patterns; /* mosquitto's */
};

/* ---- building ---- */

static struct party *party_new(struct slice name)
{
    struct party *party = mem_zeroed(sizeof(*party) + name.len);

    list_init(&party->rules);
    if (name.len > 0)
        memcpy(party->name, name.at, name.len);
    return party;
}

static void party_free(struct party *party)
{
    while (!list_is_empty(&party->rules)) {
        struct rule *rule = LIST_FIRST(&party->rules, struct rule, link);

        link_remove(&rule->link);
        mem_free(rule);
    }
    mem_free(party);
}

struct rules *rules_new(void)
{
    struct rules *rules = mem_new(struct rules);

    rules->anyone = party_new(SLICE(""));
    rules->anonymous = party_new(SLICE(""));
    map_init(&rules->users);
    map_init(&rules->roles);
    return rules;
}

static void free_parties(struct map *map)
{
    struct map_node *node;

    while ((node = map_any(map)) != NULL) {
        map_remove(map, node);
        party_free(CONTAINER_OF(node, struct party, by_name));
    }
    map_done(map);
}

void rules_free(struct rules **ref)
{
    struct rules *rules = *ref;

    *ref = NULL;
    if (rules == NULL)
        return;
    party_free(rules->anyone);
    party_free(rules->anonymous);
    free_parties(&rules->users);
    free_parties(&rules->roles);
    mem_free(rules);
}

static struct party *find_party(const struct map *map, struct slice name)
{
    struct map_node *node = map_get(map, name);

    return node == NULL ? NULL : CONTAINER_OF(node, struct party, by_name);
}

static struct party *named_party(struct map *map, struct slice name)
{
    struct party *party = find_party(map, name);

    if (party != NULL)
        return party;
    party = party_new(name);
    map_add(map, slice_of(party->name, name.len), &party->by_name);
    return party;
}

static struct party *party_of(struct rules *rules, const struct rule_spec *spec)
{
    switch (spec->who) {
    case RULE_ANYONE:
        break;
    case RULE_ANONYMOUS:
        return rules->anonymous;
    case RULE_USER:
        return named_party(&rules->users, spec->name);
    case RULE_ROLE:
        return named_party(&rules->roles, spec->name);
    }
    return rules->anyone;
}

static bool is_filter(struct slice pattern)
{
    struct filter *filter = NULL;
    bool is = filter_from_mqtt(pattern, &filter) == RC_OK;

    filter_free(&filter);
    return is;
}

enum rc rules_add(struct rules *rules, const struct rule_spec *spec)
{
    struct rule *rule;

    if (spec->shape == RULE_FILTER && !is_filter(spec->pattern))
        return RC_INVALID;
    if (rules->count >= RULES_MAX)
        return RC_LIMIT;
    rule = mem_zeroed(sizeof(*rule) + spec->pattern.len);
    rule->spec = *spec;
    rule->spec.name = SLICE_NONE; /* its party has it */
    if (spec->pattern.len > 0)
        memcpy(rule->texts, spec->pattern.at, spec->pattern.len);
    rule->spec.pattern = slice_of(rule->texts, spec->pattern.len);
    list_append(&party_of(rules, spec)->rules, &rule->link);
    rules->count++;
    rules->has_patterns = rules->has_patterns || spec->rank == RULE_SECOND;
    return RC_OK;
}

size_t rules_count(const struct rules *rules)
{
    return rules->count;
}

/* ---- asking ---- */

enum question_kind { ABOUT_NAME, ABOUT_FILTER, ABOUT_STREAM };

struct question {
    const struct subject *subject;
    enum operation operation;
    enum resource resource;
    struct slice name; /* or a filter: for a stream, that of all that is in it */
    enum question_kind kind;
    struct slice stream;
};

enum verdict { VERDICT_NONE, VERDICT_ALLOW, VERDICT_DENY };

static bool fits(const struct rule_spec *rule, const struct question *q)
{
    switch (q->kind) {
    case ABOUT_NAME:
        return rule_fits(rule, q->subject, q->resource, q->name);
    case ABOUT_FILTER:
        return rule->is_deny ? rule_covers(rule, q->subject, q->name)
                             : rule_touches(rule, q->subject, q->name);
    case ABOUT_STREAM:
        break;
    }
    if (rule->is_deny)
        return rule_touches(rule, q->subject, q->name);
    return (rule->shape == RULE_LITERAL && slice_equal(rule->pattern, q->stream)) ||
           rule_covers(rule, q->subject, q->name);
}

static enum verdict ask_party(const struct party *party, const struct question *q,
                              enum rule_rank rank, enum verdict before)
{
    enum verdict verdict = before;

    if (party == NULL || verdict == VERDICT_DENY)
        return verdict;
    LIST_EACH (k, &party->rules) {
        const struct rule_spec *rule = &CONTAINER_OF(k, struct rule, link)->spec;

        if (rule->rank != rank || (rule->operations & OPERATION_BIT(q->operation)) == 0 ||
            (rule->resources & RESOURCE_BIT(q->resource)) == 0 ||
            (!rule->is_deny && verdict == VERDICT_ALLOW) || !fits(rule, q))
            continue;
        if (rule->is_deny)
            return VERDICT_DENY;
        verdict = VERDICT_ALLOW;
    }
    return verdict;
}

/* mosquitto's answer to a name made to be more than a name: its patterns deny such a client all. */
static bool is_dangerous(const struct rules *rules, const struct subject *s, enum rule_rank rank)
{
    struct slice values[] = { s->user, s->client_id };

    if (rank != RULE_SECOND || !rules->has_patterns)
        return false;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (values[i].len > 0 && (memchr(values[i].at, '+', values[i].len) != NULL ||
                                  memchr(values[i].at, '#', values[i].len) != NULL))
            return true;
    }
    return false;
}

static enum verdict ask_rank(const struct rules *rules, const struct question *q,
                             enum rule_rank rank)
{
    struct slice roles = q->subject->roles, role;
    enum verdict verdict = VERDICT_NONE;

    if ((q->resource == RESOURCE_TOPIC || q->resource == RESOURCE_QUEUE) &&
        is_dangerous(rules, q->subject, rank))
        return VERDICT_DENY;
    verdict =
        ask_party(slice_is_none(q->subject->user) ? rules->anonymous
                                                  : find_party(&rules->users, q->subject->user),
                  q, rank, verdict);
    while (slice_next_listed(&roles, &role))
        verdict = ask_party(find_party(&rules->roles, role), q, rank, verdict);
    return ask_party(rules->anyone, q, rank, verdict);
}

static bool ask(const struct rules *rules, const struct question *q)
{
    for (unsigned rank = 0; rank < RULE_RANKS; rank++) {
        enum verdict verdict = ask_rank(rules, q, (enum rule_rank)rank);

        if (verdict != VERDICT_NONE)
            return verdict == VERDICT_ALLOW;
    }
    return false;
}

bool rules_allow(const struct rules *rules, const struct subject *subject, enum operation operation,
                 enum resource resource, struct slice name)
{
    const struct question q = { subject, operation, resource, name, ABOUT_NAME, SLICE_NONE };

    return ask(rules, &q);
}

bool rules_allow_filter(const struct rules *rules, const struct subject *subject,
                        enum operation operation, struct slice filter)
{
    const struct question q = {
        subject, operation, RESOURCE_TOPIC, filter, ABOUT_FILTER, SLICE_NONE
    };

    return ask(rules, &q);
}

bool rules_allow_whole(const struct rules *rules, const struct subject *subject,
                       enum operation operation, enum resource resource, struct slice stream)
{
    struct question q = { .subject = subject,
                          .operation = operation,
                          .resource = resource,
                          .kind = ABOUT_STREAM,
                          .stream = stream };
    struct text filter = { 0 };
    bool is_allowed;

    text_add(&filter, stream);
    text_add(&filter, SLICE("/#"));
    q.name = text_slice(&filter);
    is_allowed = !filter.bad && ask(rules, &q);
    text_done(&filter);
    return is_allowed;
}
