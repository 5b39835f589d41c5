/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/policy.h"

#include "broker/base/text.h"
#include "broker/base/wire.h"
#include "broker/core/core.h"
#include "storage/log.h"

const char *const policy_durability_names[] = { "memory", "interval", "always", NULL };

#define DURABILITY_OPEN_BYTE 0xffu

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

void policy_over(const struct stream_policy *own, const struct stream_policy *other,
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

void policy_default(const struct core *core, struct slice stream_name, bool is_implicit,
                    unsigned partition_count, struct stream_policy *ret)
{
    const struct core_config *config = core_config(core);
    struct stream_policy all = { POLICY_UNLIMITED, POLICY_UNLIMITED, (int64_t)config->durability };

    if (config->retention_ms > 0)
        all.retention_ms = (int64_t)config->retention_ms;
    if (config->retention_bytes > 0 && is_implicit)
        all.retention_bytes = (int64_t)(config->retention_bytes / partition_count);
    for (unsigned i = 0; i < config->rule_count; i++) {
        if (!is_matched(&config->rules[i], stream_name))
            continue;
        policy_over(&config->rules[i].policy, &all, ret);
        return;
    }
    *ret = all;
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
        (p.durability != POLICY_OPEN && p.durability > (int64_t)DURABILITY_ALWAYS))
        return RC_CORRUPT;
    *ret = p;
    return RC_OK;
}
