/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/random.h"
#include "broker/base/text.h"
#include "protocols/kafka/kafka_group_int.h"
#include "protocols/kafka/kafka_listener.h"

void kafka_slice_set(struct slice *owned, struct slice from)
{
    uint8_t *at = NULL;

    if (from.at != NULL) {
        at = mem_get(from.len + 1);
        if (from.len > 0)
            memcpy(at, from.at, from.len);
    }
    mem_free((void *)(uintptr_t)owned->at);
    *owned = slice_of(at, from.at == NULL ? 0 : from.len);
}

static void slice_drop(struct slice *owned)
{
    kafka_slice_set(owned, SLICE_NONE);
}

/* ---- groups ---- */

static void on_timer(void *arg);
static void on_session_timeout(void *arg);

struct kafka_group *kafka_group_new(struct kafka_groups *groups, struct slice name)
{
    struct kafka_group *group = mem_new(struct kafka_group);

    group->groups = groups;
    kafka_slice_set(&group->name, name);
    list_init(&group->members);
    list_init(&group->pending);
    timer_init(&group->timer, groups->loop, on_timer, group);
    map_add(&groups->map, group->name, &group->node);
    return group;
}

void kafka_group_release(struct kafka_group *group)
{
    ASSERT(list_is_empty(&group->members) && list_is_empty(&group->pending));
    timer_done(&group->timer);
    map_remove(&group->groups->map, &group->node);
    slice_drop(&group->name);
    slice_drop(&group->protocol_type);
    mem_free(group);
}

void kafka_group_release_if_empty(struct kafka_group *group)
{
    if (!group->is_inside && group->member_count == 0 && group->pending_count == 0)
        kafka_group_release(group);
}

void kafka_group_set_type(struct kafka_group *group, struct slice protocol_type)
{
    if (group->member_count == 0)
        kafka_slice_set(&group->protocol_type, protocol_type);
}

/* ---- members ---- */

void kafka_member_rename(struct kafka_member *member)
{
    struct slice prefix = member->instance_id.at != NULL ? member->instance_id : member->client_id;
    struct text id = { 0 };
    uint64_t bits[2] = { random_u64(), random_u64() };

    text_add(&id, prefix);
    text_format(&id, "-%08x-%04x-4%03x-%04x-%012llx", (unsigned)(bits[0] >> 32),
                (unsigned)(bits[0] >> 16 & 0xffff), (unsigned)(bits[0] & 0xfff),
                (unsigned)(0x8000 | (bits[1] >> 48 & 0x3fff)),
                (unsigned long long)(bits[1] & 0xffffffffffff));
    kafka_slice_set(&member->id, text_slice(&id));
    text_done(&id);
}

struct kafka_member *kafka_member_new(struct kafka_group *group, const struct kafka_join *join)
{
    struct kafka_member *member = mem_new(struct kafka_member);

    member->group = group;
    kafka_slice_set(&member->instance_id, join->instance_id);
    kafka_slice_set(&member->client_id, join->client_id.at == NULL ? SLICE("") : join->client_id);
    kafka_slice_set(&member->client_host, join->client_host);
    kafka_slice_set(&member->assignment, SLICE(""));
    kafka_member_rename(member);
    timer_init(&member->timer, group->groups->loop, on_session_timeout, member);
    return member;
}

/* Which list it is in. */
static bool is_pending(const struct kafka_member *member)
{
    return member->protocols == NULL;
}

static void unlink_member(struct kafka_member *member)
{
    if (!link_is_linked(&member->link))
        return;
    link_remove(&member->link);
    if (is_pending(member))
        member->group->pending_count--;
    else
        member->group->member_count--;
}

void kafka_member_free(struct kafka_member *member)
{
    struct kafka_group *group = member->group;

    unlink_member(member);
    if (group->leader == member) {
        group->leader = NULL;
        group->protocol_name = SLICE_NONE; /* its memory goes */
    }
    timer_done(&member->timer);
    slice_drop(&member->id);
    slice_drop(&member->instance_id);
    slice_drop(&member->client_id);
    slice_drop(&member->client_host);
    slice_drop(&member->assignment);
    mem_free(member->protocols);
    mem_free(member);
}

void kafka_member_set_pending(struct kafka_member *member, uint32_t session_timeout_ms)
{
    member->session_timeout_ms = session_timeout_ms;
    list_append(&member->group->pending, &member->link);
    member->group->pending_count++;
    timer_start(&member->timer, session_timeout_ms);
}

void kafka_member_set_active(struct kafka_member *member)
{
    if (link_is_linked(&member->link)) {
        link_remove(&member->link);
        member->group->pending_count--;
    }
    list_append(&member->group->members, &member->link);
    member->group->member_count++;
}

static struct kafka_group_protocol *copy_protocols(const struct kafka_join *join)
{
    size_t bytes = join->protocol_count * sizeof(struct kafka_group_protocol);
    struct kafka_group_protocol *protocols;
    uint8_t *at;

    for (unsigned i = 0; i < join->protocol_count; i++)
        bytes += join->protocols[i].name.len + join->protocols[i].metadata.len;
    protocols = mem_try(bytes);
    if (protocols == NULL)
        return NULL;
    at = (uint8_t *)(protocols + join->protocol_count);
    for (unsigned i = 0; i < join->protocol_count; i++) {
        struct slice name = join->protocols[i].name, metadata = join->protocols[i].metadata;

        if (name.len > 0)
            memcpy(at, name.at, name.len);
        protocols[i].name = slice_of(at, name.len);
        at += name.len;
        if (metadata.len > 0)
            memcpy(at, metadata.at, metadata.len);
        protocols[i].metadata = slice_of(at, metadata.len);
        at += metadata.len;
    }
    return protocols;
}

bool kafka_member_update(struct kafka_member *member, const struct kafka_join *join)
{
    struct kafka_group_protocol *protocols = copy_protocols(join);
    struct kafka_group *group = member->group;

    if (protocols == NULL)
        return false;
    if (group->leader == member && group->protocol_name.at != NULL) {
        struct slice chosen = group->protocol_name;

        group->protocol_name = SLICE_NONE;
        for (unsigned i = 0; i < join->protocol_count; i++) {
            if (slice_equal(protocols[i].name, chosen))
                group->protocol_name = protocols[i].name;
        }
    }
    mem_free(member->protocols);
    member->protocols = protocols;
    member->protocol_count = join->protocol_count;
    member->session_timeout_ms = (uint32_t)join->session_timeout_ms;
    member->rebalance_timeout_ms = join->rebalance_timeout_ms > 0
                                       ? (uint32_t)join->rebalance_timeout_ms
                                       : (uint32_t)join->session_timeout_ms;
    return true;
}

void kafka_member_alive(struct kafka_member *member)
{
    timer_start(&member->timer, member->session_timeout_ms);
}

void kafka_member_answer_join(struct kafka_member *member, enum kafka_error error)
{
    const struct kafka_group *group = member->group;
    kafka_join_fn *on_join = member->on_join;
    struct kafka_join_answer answer = { .error = error,
                                        .generation = -1,
                                        .protocol_name = SLICE(""),
                                        .leader = SLICE(""),
                                        .member_id = member->id };

    if (on_join == NULL)
        return;
    member->on_join = NULL;
    if (error == KAFKA_ERROR_NONE) {
        answer.generation = group->generation;
        answer.protocol_type = group->protocol_type;
        answer.protocol_name = group->protocol_name;
        answer.leader = group->leader->id;
        answer.members_of = group->leader == member ? group : NULL;
    }
    on_join(member->arg, &answer);
}

void kafka_member_answer_sync(struct kafka_member *member, enum kafka_error error)
{
    const struct kafka_group *group = member->group;
    kafka_sync_fn *on_sync = member->on_sync;
    struct kafka_sync_answer answer = { .error = error, .assignment = SLICE("") };

    if (on_sync == NULL)
        return;
    member->on_sync = NULL;
    if (error == KAFKA_ERROR_NONE) {
        answer.protocol_type = group->protocol_type;
        answer.protocol_name = group->protocol_name;
        answer.assignment = member->assignment;
    }
    on_sync(member->arg, &answer);
    kafka_member_alive(member);
}

/* ---- generations ---- */

/* The longest that any member wants to be waited for. */
static uint32_t rebalance_timeout_ms(const struct kafka_group *group)
{
    uint32_t most = 0;

    LIST_EACH (link, &group->members) {
        struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);

        if (member->rebalance_timeout_ms > most)
            most = member->rebalance_timeout_ms;
    }
    return most;
}

void kafka_group_rebalance(struct kafka_group *group)
{
    bool was_empty = group->state == KAFKA_GROUP_EMPTY;
    unsigned delay_ms = group->groups->config->initial_rebalance_delay_ms;

    LIST_EACH (link, &group->members) {
        struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);

        kafka_member_answer_sync(member, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
        kafka_slice_set(&member->assignment, SLICE(""));
        member->is_synced = false;
    }
    group->state = KAFKA_GROUP_PREPARING;
    group->is_held = was_empty && delay_ms > 0;
    timer_start(&group->timer, group->is_held ? delay_ms : rebalance_timeout_ms(group));
    kafka_group_try_complete(group);
}

static bool is_known_to_all(const struct kafka_group *group, struct slice name)
{
    LIST_EACH (link, &group->members) {
        const struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);

        if (kafka_member_protocol(member, name) == NULL)
            return false;
    }
    return true;
}

/* The first protocol of a member that all know gets its vote; the most votes win. */
static void choose_protocol(struct kafka_group *group)
{
    struct slice common[KAFKA_MEMBER_PROTOCOLS_MAX];
    unsigned votes[KAFKA_MEMBER_PROTOCOLS_MAX] = { 0 };
    unsigned count = 0, best = 0;

    for (unsigned i = 0; i < group->leader->protocol_count; i++) {
        if (is_known_to_all(group, group->leader->protocols[i].name))
            common[count++] = group->leader->protocols[i].name;
    }
    ASSERT(count > 0); /* joins that leave no common protocol are refused */
    LIST_EACH (link, &group->members) {
        const struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);
        bool has_voted = false;

        for (unsigned i = 0; i < member->protocol_count && !has_voted; i++) {
            for (unsigned k = 0; k < count && !has_voted; k++) {
                has_voted = slice_equal(member->protocols[i].name, common[k]);
                votes[k] += has_voted ? 1 : 0;
            }
        }
    }
    for (unsigned k = 1; k < count; k++) {
        if (votes[k] > votes[best])
            best = k;
    }
    group->protocol_name = common[best];
}

/* Static members are kept until their session ends, others must have joined. */
static void drop_absent(struct kafka_group *group)
{
    LIST_EACH_SAFE (link, &group->members) {
        struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);

        if (!member->is_joined && member->instance_id.at == NULL)
            kafka_member_free(member);
    }
}

static struct kafka_member *first_joined(const struct kafka_group *group)
{
    LIST_EACH (link, &group->members) {
        struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);

        if (member->is_joined)
            return member;
    }
    return NULL;
}

static void complete(struct kafka_group *group)
{
    drop_absent(group);
    group->is_held = false;
    timer_stop(&group->timer);
    if (group->member_count == 0) {
        group->state = KAFKA_GROUP_EMPTY;
        return;
    }
    if (group->leader == NULL || !group->leader->is_joined)
        group->leader = first_joined(group);
    if (group->leader == NULL) { /* only static members, all away: wait for them */
        group->leader = LIST_FIRST(&group->members, struct kafka_member, link);
        timer_start(&group->timer, rebalance_timeout_ms(group));
        return;
    }
    group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
    choose_protocol(group);
    group->state = KAFKA_GROUP_COMPLETING;
    log_event(LOG_DEBUG, "kafka.group", "group=%s generation=%d members=%u",
              log_quote(group->name.at, group->name.len), group->generation, group->member_count);
    timer_start(&group->timer, rebalance_timeout_ms(group));
    LIST_EACH (link, &group->members) {
        struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);

        if (member->is_joined)
            kafka_member_alive(member);
        member->is_joined = false;
        member->is_synced = false;
        kafka_member_answer_join(member, KAFKA_ERROR_NONE);
    }
}

void kafka_group_try_complete(struct kafka_group *group)
{
    if (group->state != KAFKA_GROUP_PREPARING || group->is_held || group->pending_count > 0)
        return;
    LIST_EACH (link, &group->members) {
        if (!CONTAINER_OF(link, struct kafka_member, link)->is_joined)
            return;
    }
    complete(group);
}

/* Who did not ask for its assignment in time is gone; static members have their session. */
static void drop_unsynced(struct kafka_group *group)
{
    bool is_changed = false;

    LIST_EACH_SAFE (link, &group->members) {
        struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);

        if (!member->is_synced && member->instance_id.at == NULL) {
            kafka_member_free(member);
            is_changed = true;
        }
    }
    if (is_changed)
        kafka_group_rebalance(group);
}

static void on_timer(void *arg)
{
    struct kafka_group *group = arg;

    if (group->state == KAFKA_GROUP_PREPARING)
        complete(group);
    else
        drop_unsynced(group);
    kafka_group_release_if_empty(group);
}

void kafka_group_remove(struct kafka_member *member)
{
    struct kafka_group *group = member->group;
    bool was_pending = is_pending(member);

    group->is_inside = true;
    kafka_member_answer_join(member, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    kafka_member_answer_sync(member, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    kafka_member_free(member);
    if (was_pending || group->state == KAFKA_GROUP_PREPARING)
        kafka_group_try_complete(group);
    else if (group->state != KAFKA_GROUP_EMPTY)
        kafka_group_rebalance(group);
    group->is_inside = false;
    kafka_group_release_if_empty(group);
}

static void on_session_timeout(void *arg)
{
    struct kafka_member *member = arg;

    log_event(LOG_INFO, "kafka.member_expired", "group=%s member=%s",
              log_quote(member->group->name.at, member->group->name.len),
              log_quote(member->id.at, member->id.len));
    kafka_group_remove(member);
}
