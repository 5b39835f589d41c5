/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a rule's pattern fits a name or a filter: level by level, no memory, no way back. */
#include "broker/core/rules.h"

/* ---- levels ---- */

struct levels {
    struct slice rest;
    bool is_over;
};

static struct levels levels_of(struct slice s)
{
    return (struct levels){ s, false };
}

static bool next_level(struct levels *levels, struct slice *ret)
{
    const uint8_t *end;

    if (levels->is_over)
        return false;
    end = levels->rest.len == 0 ? NULL : memchr(levels->rest.at, '/', levels->rest.len);
    levels->is_over = end == NULL;
    *ret =
        slice_of(levels->rest.at, end == NULL ? levels->rest.len : (size_t)(end - levels->rest.at));
    levels->rest = slice_after(levels->rest, ret->len + 1);
    return true;
}

static bool is_one(struct slice level)
{
    return level.len == 1 && level.at[0] == '+';
}

static bool is_many(struct slice level)
{
    return level.len == 1 && level.at[0] == '#';
}

static bool begins_with_dollar(struct slice s)
{
    return s.len > 0 && s.at[0] == '$';
}

/* ---- substitution ---- */

bool rule_value_is_safe(struct slice value)
{
    if (slice_is_none(value) || value.len == 0)
        return false;
    return memchr(value.at, '+', value.len) == NULL && memchr(value.at, '#', value.len) == NULL &&
           memchr(value.at, '/', value.len) == NULL && memchr(value.at, 0, value.len) == NULL;
}

/* What stands for the two bytes at the begin of `at`; false: they stand for themselves. */
static bool value_of(struct slice at, const struct subject *subject, struct slice *ret)
{
    if (at.len < 2 || at.at[0] != '%' || (at.at[1] != 'u' && at.at[1] != 'c'))
        return false;
    *ret = at.at[1] == 'u' ? subject->user : subject->client_id;
    return true;
}

enum values { VALUES_GOOD, VALUES_UNSAFE, VALUES_OF_OTHERS };

/* Whether every value that the pattern needs is there and safe. mosquitto's patterns about a name
 * are not about those who have none, whatever they would deny. */
static enum values check_values(const struct rule_spec *rule, const struct subject *subject)
{
    enum values worst = VALUES_GOOD;
    struct slice value;

    for (size_t i = 0; rule->is_substituted && i + 1 < rule->pattern.len; i++) {
        if (!value_of(slice_after(rule->pattern, i), subject, &value) || rule_value_is_safe(value))
            continue;
        if (slice_is_none(value) && rule->rank == RULE_SECOND)
            return VALUES_OF_OTHERS;
        worst = VALUES_UNSAFE;
    }
    return worst;
}

static bool level_is(const struct rule_spec *rule, const struct subject *subject,
                     struct slice pattern, struct slice level)
{
    struct slice value;

    if (!rule->is_substituted)
        return slice_equal(pattern, level);
    while (pattern.len > 0) {
        if (value_of(pattern, subject, &value)) {
            if (!slice_starts(level, value))
                return false;
            pattern = slice_after(pattern, 2);
            level = slice_after(level, value.len);
        } else {
            if (level.len == 0 || level.at[0] != pattern.at[0])
                return false;
            pattern = slice_after(pattern, 1);
            level = slice_after(level, 1);
        }
    }
    return level.len == 0;
}

/* ---- a name ---- */

static bool filter_fits(const struct rule_spec *rule, const struct subject *subject,
                        struct slice name)
{
    struct levels pattern = levels_of(rule->pattern), levels = levels_of(name);
    struct slice wanted, level;

    while (next_level(&pattern, &wanted)) {
        if (is_many(wanted))
            return true;
        if (!next_level(&levels, &level))
            return false;
        if (!is_one(wanted) && !level_is(rule, subject, wanted, level))
            return false;
    }
    return levels.is_over;
}

bool rule_fits(const struct rule_spec *rule, const struct subject *subject, enum resource resource,
               struct slice name)
{
    enum values values;

    switch (rule->shape) {
    case RULE_EVERYTHING:
        return true;
    case RULE_LITERAL:
        return slice_equal(rule->pattern, name);
    case RULE_PREFIX:
        return slice_starts(name, rule->pattern);
    case RULE_FILTER:
        break;
    }
    /* 4.7.2-1: the broker's own topics are not everybody's because all others are */
    if (resource == RESOURCE_TOPIC && begins_with_dollar(name) &&
        !begins_with_dollar(rule->pattern))
        return false;
    values = check_values(rule, subject);
    if (values != VALUES_GOOD)
        return values == VALUES_UNSAFE && rule->is_deny;
    return filter_fits(rule, subject, name);
}

/* ---- a filter ---- */

/* What is the same in all names that the filter matches, from their begin on. */
static struct slice literal_head(struct slice filter)
{
    struct levels levels = levels_of(filter);
    struct slice level;

    while (next_level(&levels, &level)) {
        if (is_one(level) || is_many(level))
            return slice_of(filter.at, (size_t)(level.at - filter.at));
    }
    return filter;
}

static bool heads_agree(struct slice a, struct slice b)
{
    size_t shared = a.len < b.len ? a.len : b.len;

    return shared == 0 || memcmp(a.at, b.at, shared) == 0;
}

static bool filters_touch(const struct rule_spec *rule, const struct subject *subject,
                          struct slice filter)
{
    struct levels pattern = levels_of(rule->pattern), levels = levels_of(filter);
    struct slice mine, other;
    bool has_mine = next_level(&pattern, &mine), has_other = next_level(&levels, &other);

    while (has_mine && has_other) {
        if (is_many(mine) || is_many(other))
            return true;
        if (!is_one(mine) && !is_one(other) && !level_is(rule, subject, mine, other))
            return false;
        has_mine = next_level(&pattern, &mine);
        has_other = next_level(&levels, &other);
    }
    if (has_mine)
        return is_many(mine);
    return !has_other || is_many(other);
}

static bool filter_covers(const struct rule_spec *rule, const struct subject *subject,
                          struct slice filter)
{
    struct levels pattern = levels_of(rule->pattern), levels = levels_of(filter);
    struct slice mine, other;

    while (next_level(&pattern, &mine)) {
        if (is_many(mine))
            return true;
        if (!next_level(&levels, &other) || is_many(other))
            return false;
        if (!is_one(mine) && (is_one(other) || !level_is(rule, subject, mine, other)))
            return false;
    }
    return levels.is_over;
}

bool rule_touches(const struct rule_spec *rule, const struct subject *subject, struct slice filter)
{
    const struct rule_spec plain = { .pattern = filter };
    enum values values;

    switch (rule->shape) {
    case RULE_EVERYTHING:
        return true;
    case RULE_LITERAL:
        return filter_fits(&plain, subject, rule->pattern);
    case RULE_PREFIX:
        return heads_agree(literal_head(filter), rule->pattern);
    case RULE_FILTER:
        break;
    }
    if (begins_with_dollar(filter) != begins_with_dollar(rule->pattern))
        return false;
    values = check_values(rule, subject);
    if (values != VALUES_GOOD)
        return values == VALUES_UNSAFE && rule->is_deny;
    return filters_touch(rule, subject, filter);
}

bool rule_covers(const struct rule_spec *rule, const struct subject *subject, struct slice filter)
{
    enum values values;

    switch (rule->shape) {
    case RULE_EVERYTHING:
        return true;
    case RULE_LITERAL:
        return slice_equal(rule->pattern, filter);
    case RULE_PREFIX:
        return slice_starts(literal_head(filter), rule->pattern);
    case RULE_FILTER:
        break;
    }
    if (begins_with_dollar(filter) && !begins_with_dollar(rule->pattern))
        return false;
    values = check_values(rule, subject);
    if (values != VALUES_GOOD)
        return values == VALUES_UNSAFE && rule->is_deny;
    return filter_covers(rule, subject, filter);
}
