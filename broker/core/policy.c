/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/policy.h"

#include "broker/base/text.h"
#include "broker/base/wire.h"
#include "broker/core/core.h"
#include "storage/log.h"

const char *const policy_durability_names[] = { "memory", "interval", "always", "none", NULL };

#define DURABILITY_OPEN_BYTE 0xffu
_Static_assert(POLICY_UNLOGGED == DURABILITY_ALWAYS + 1, "as it stands in the catalogue");

bool policy_is_open(const struct stream_policy *p)
{
    return p->retention_ms == POLICY_OPEN && p->retention_bytes == POLICY_OPEN &&
           p->durability == POLICY_OPEN;
}

bool policy_is_equal(const struct stream_policy *a, const struct stream_policy *b)
{
    return a->retention_ms == b->retention_ms && a->retention_bytes == b->retention_bytes &&
           a->durability == b->durability;
}

static int64_t first_said(int64_t own, int64_t other)
{
    return own != POLICY_OPEN ? own : other;
}

/* What holds when `own` is asked before `other`. */
static void policy_over(const struct stream_policy *own, const struct stream_policy *other,
                        struct stream_policy *ret)
{
    *ret = (struct stream_policy){
        .retention_ms = first_said(own->retention_ms, other->retention_ms),
        .retention_bytes = first_said(own->retention_bytes, other->retention_bytes),
        .durability = first_said(own->durability, other->durability),
    };
}

static bool is_matched(const struct policy_rule *rule, struct slice name)
{
    struct slice p = rule->pattern;

    if (p.len == 0 || p.at[p.len - 1] != '*')
        return slice_equal(p, name);
    return name.len >= p.len - 1 && memcmp(name.at, p.at, p.len - 1) == 0;
}

static const struct policy_rule *rule_of(const struct core_config *config, struct slice name)
{
    for (unsigned i = 0; i < config->rule_count; i++) {
        if (is_matched(&config->rules[i], name))
            return &config->rules[i];
    }
    return NULL;
}

/* What a partition keeps of which nobody has said how much. */
static int64_t default_bytes(const struct core_config *config, const struct policy_subject *subject,
                             bool is_unlogged)
{
    uint64_t bytes = is_unlogged ? config->unlogged_bytes : config->retention_bytes;

    if (bytes == 0 || (!is_unlogged && !subject->is_implicit))
        return POLICY_UNLIMITED;
    return (int64_t)(bytes / subject->partition_count);
}

void policy_effective(const struct core *core, const struct policy_subject *subject,
                      const struct stream_policy *own, struct stream_policy *ret)
{
    const struct core_config *config = core_config(core);
    const struct policy_rule *rule = rule_of(config, subject->name);
    struct stream_policy said = *own;
    struct stream_policy all = { POLICY_UNLIMITED, POLICY_UNLIMITED, config->durability };

    if (rule != NULL)
        policy_over(own, &rule->policy, &said);
    said.durability = first_said(said.durability, config->durability);
    if (said.durability == POLICY_UNLOGGED && subject->is_logged)
        said.durability = DURABILITY_MEMORY;
    if (config->retention_ms > 0)
        all.retention_ms = (int64_t)config->retention_ms;
    all.retention_bytes = default_bytes(config, subject, said.durability == POLICY_UNLOGGED);
    policy_over(&said, &all, ret);
}

void policy_write(struct text *to, const struct stream_policy *p)
{
    text_add_u64(to, (uint64_t)p->retention_ms);
    text_add_u64(to, (uint64_t)p->retention_bytes);
    text_add_byte(to, p->durability == POLICY_OPEN ? DURABILITY_OPEN_BYTE : (uint8_t)p->durability);
}

enum rc policy_read(struct rd *from, struct stream_policy *ret)
{
    struct stream_policy p = { .retention_ms = rd_i64(from) };
    unsigned durability;

    p.retention_bytes = rd_i64(from);
    durability = rd_u8(from);
    p.durability = durability == DURABILITY_OPEN_BYTE ? POLICY_OPEN : (int64_t)durability;
    if (from->bad || (p.retention_ms < POLICY_UNLIMITED && p.retention_ms != POLICY_OPEN) ||
        (p.retention_bytes < POLICY_UNLIMITED && p.retention_bytes != POLICY_OPEN) ||
        (p.durability != POLICY_OPEN && p.durability > POLICY_UNLOGGED))
        return RC_CORRUPT;
    *ret = p;
    return RC_OK;
}
