/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/kafka/kafka_group.h"

#include "broker/base/mem.h"
#include "broker/base/random.h"
#include "broker/base/text.h"
#include "protocols/kafka/kafka_group_int.h"
#include "protocols/kafka/kafka_listener.h"

static struct kafka_group *group_of(struct map_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct kafka_group, node);
}

void kafka_groups_init(struct kafka_groups *groups, struct loop *loop,
                       const struct kafka_config *config)
{
    map_init(&groups->map);
    groups->loop = loop;
    groups->config = config;
}

void kafka_groups_done(struct kafka_groups *groups)
{
    struct kafka_group *group;

    while ((group = group_of(map_any(&groups->map))) != NULL) {
        group->state = KAFKA_GROUP_EMPTY;
        while (!list_is_empty(&group->members))
            kafka_member_free(LIST_FIRST(&group->members, struct kafka_member, link));
        while (!list_is_empty(&group->pending))
            kafka_member_free(LIST_FIRST(&group->pending, struct kafka_member, link));
        kafka_group_release(group);
    }
    map_done(&groups->map);
}

struct kafka_group *kafka_group_find(const struct kafka_groups *groups, struct slice name)
{
    return group_of(map_get(&groups->map, name));
}

static struct kafka_member *find_in(const struct list *list, struct slice id)
{
    LIST_EACH (link, list) {
        struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);

        if (slice_equal(member->id, id))
            return member;
    }
    return NULL;
}

struct kafka_member *kafka_group_member(const struct kafka_group *group, struct slice id)
{
    return find_in(&group->members, id);
}

static struct kafka_member *find_instance(const struct kafka_group *group, struct slice instance)
{
    LIST_EACH (link, &group->members) {
        struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);

        if (member->instance_id.at != NULL && slice_equal(member->instance_id, instance))
            return member;
    }
    return NULL;
}

const char *kafka_group_state_name(enum kafka_group_state state)
{
    static const char *const names[] = {
        [KAFKA_GROUP_EMPTY] = "Empty",
        [KAFKA_GROUP_PREPARING] = "PreparingRebalance",
        [KAFKA_GROUP_COMPLETING] = "CompletingRebalance",
        [KAFKA_GROUP_STABLE] = "Stable",
    };

    return names[state];
}

const struct kafka_group_protocol *kafka_member_protocol(const struct kafka_member *member,
                                                         struct slice name)
{
    for (unsigned i = 0; i < member->protocol_count; i++) {
        if (slice_equal(member->protocols[i].name, name))
            return &member->protocols[i];
    }
    return NULL;
}

struct slice kafka_member_metadata(const struct kafka_member *member)
{
    const struct kafka_group_protocol *protocol =
        member->group->protocol_name.at == NULL
            ? NULL
            : kafka_member_protocol(member, member->group->protocol_name);

    return protocol == NULL ? SLICE("") : protocol->metadata;
}

/* ---- joining ---- */

static void fail_join(const struct kafka_join *join, enum kafka_error error, struct slice member_id)
{
    struct kafka_join_answer answer = { .error = error,
                                        .generation = -1,
                                        .protocol_name = SLICE(""),
                                        .leader = SLICE(""),
                                        .member_id = member_id };

    join->on_done(join->arg, &answer);
}

static bool is_supported_by_all(const struct kafka_group *group, struct slice name)
{
    LIST_EACH (link, &group->members) {
        if (kafka_member_protocol(CONTAINER_OF(link, struct kafka_member, link), name) == NULL)
            return false;
    }
    return true;
}

static bool fits(const struct kafka_group *group, const struct kafka_join *join)
{
    if (join->protocol_count == 0 || join->protocol_type.len == 0)
        return false;
    if (group->member_count == 0)
        return true;
    if (!slice_equal(group->protocol_type, join->protocol_type))
        return false;
    for (unsigned i = 0; i < join->protocol_count; i++) {
        if (is_supported_by_all(group, join->protocols[i].name))
            return true;
    }
    return false;
}

/* What the generation under way is, for a member that joined it and asks again. */
static void answer_current(const struct kafka_join *join, const struct kafka_member *member,
                           bool skip)
{
    const struct kafka_group *group = member->group;
    struct kafka_join_answer answer = {
        .generation = group->generation,
        .protocol_type = group->protocol_type,
        .protocol_name = group->protocol_name,
        .leader = group->leader == NULL ? SLICE("") : group->leader->id,
        .member_id = member->id,
        .members_of = group->leader == member ? group : NULL,
        .skip_assignment = skip,
    };

    join->on_done(join->arg, &answer);
}

/* It will be in the next generation and waits to hear of it. */
static void wait_for_join(struct kafka_member *member, const struct kafka_join *join)
{
    kafka_member_answer_join(member, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    kafka_member_answer_sync(member, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    timer_stop(&member->timer);
    member->is_joined = true;
    member->on_join = join->on_done;
    member->arg = join->arg;
}

static void rejoin(struct kafka_member *member, const struct kafka_join *join)
{
    struct kafka_group *group = member->group;

    wait_for_join(member, join);
    if (group->state == KAFKA_GROUP_PREPARING)
        kafka_group_try_complete(group);
    else
        kafka_group_rebalance(group);
}

static bool is_same(const struct kafka_member *member, const struct kafka_join *join)
{
    if (member->protocol_count != join->protocol_count)
        return false;
    for (unsigned i = 0; i < join->protocol_count; i++) {
        if (!slice_equal(member->protocols[i].name, join->protocols[i].name) ||
            !slice_equal(member->protocols[i].metadata, join->protocols[i].metadata))
            return false;
    }
    return true;
}

/* A static member came back under a new id: the old one is fenced (KIP-345). Nothing else changes
 * for the group when it says of itself what it said before. */
static void join_as_instance(struct kafka_group *group, struct kafka_member *old,
                             const struct kafka_join *join)
{
    const struct kafka_group_protocol *chosen = kafka_member_protocol(old, group->protocol_name);
    struct slice before = chosen == NULL ? SLICE_NONE : chosen->metadata, now = SLICE_NONE;
    bool is_unchanged;

    kafka_member_answer_join(old, KAFKA_ERROR_FENCED_INSTANCE_ID);
    kafka_member_answer_sync(old, KAFKA_ERROR_FENCED_INSTANCE_ID);
    for (unsigned i = 0; i < join->protocol_count; i++) {
        if (slice_equal(join->protocols[i].name, group->protocol_name))
            now = join->protocols[i].metadata;
    }
    is_unchanged = before.at != NULL && now.at != NULL && slice_equal(before, now);
    kafka_member_rename(old);
    if (!kafka_member_update(old, join)) {
        fail_join(join, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, SLICE(""));
        return;
    }
    if (group->state == KAFKA_GROUP_STABLE && is_unchanged) {
        kafka_member_alive(old);
        answer_current(join, old, join->knows_skip && group->leader == old);
        return;
    }
    rejoin(old, join);
}

static void join_new(struct kafka_group *group, const struct kafka_join *join)
{
    struct kafka_member *member =
        join->instance_id.at == NULL ? NULL : find_instance(group, join->instance_id);

    if (member != NULL) {
        join_as_instance(group, member, join);
        return;
    }
    if (group->member_count + group->pending_count >= KAFKA_GROUP_MEMBERS_MAX) {
        fail_join(join, KAFKA_ERROR_GROUP_MAX_SIZE_REACHED, SLICE(""));
        return;
    }
    member = kafka_member_new(group, join);
    if (join->needs_known_id && join->instance_id.at == NULL) {
        kafka_member_set_pending(member, (uint32_t)join->session_timeout_ms);
        fail_join(join, KAFKA_ERROR_MEMBER_ID_REQUIRED, member->id);
        return;
    }
    if (!kafka_member_update(member, join)) {
        kafka_member_free(member);
        fail_join(join, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, SLICE(""));
        return;
    }
    kafka_member_set_active(member);
    rejoin(member, join);
}

static void join_known(struct kafka_group *group, const struct kafka_join *join)
{
    struct kafka_member *member = kafka_group_member(group, join->member_id);
    bool was_same;

    if (member == NULL && (member = find_in(&group->pending, join->member_id)) != NULL) {
        if (!kafka_member_update(member, join)) {
            fail_join(join, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, join->member_id);
            return;
        }
        kafka_member_set_active(member);
        rejoin(member, join);
        return;
    }
    if (join->instance_id.at != NULL) {
        struct kafka_member *owner = find_instance(group, join->instance_id);

        if (owner != NULL && owner != member) {
            fail_join(join, KAFKA_ERROR_FENCED_INSTANCE_ID, join->member_id);
            return;
        }
    }
    if (member == NULL) {
        fail_join(join, KAFKA_ERROR_UNKNOWN_MEMBER_ID, join->member_id);
        return;
    }
    was_same = is_same(member, join);
    /* Its answer to the join of this generation got lost. */
    if (group->state == KAFKA_GROUP_COMPLETING && was_same) {
        kafka_member_alive(member);
        answer_current(join, member, false);
        return;
    }
    /* A follower that asks without need; a leader does so when it wants a rebalance. */
    if (group->state == KAFKA_GROUP_STABLE && was_same && group->leader != member) {
        kafka_member_alive(member);
        answer_current(join, member, false);
        return;
    }
    if (!kafka_member_update(member, join)) {
        fail_join(join, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, join->member_id);
        return;
    }
    rejoin(member, join);
}

static enum kafka_error check_join(const struct kafka_groups *groups, const struct kafka_join *join)
{
    size_t bytes = 0;

    if (join->group.len == 0 || join->group.len > KAFKA_MEMBER_TEXT_MAX_BYTES)
        return KAFKA_ERROR_INVALID_GROUP_ID;
    if (join->session_timeout_ms < (int64_t)groups->config->session_timeout_min_ms ||
        join->session_timeout_ms > (int64_t)groups->config->session_timeout_max_ms)
        return KAFKA_ERROR_INVALID_SESSION_TIMEOUT;
    if (join->protocol_count > KAFKA_MEMBER_PROTOCOLS_MAX)
        return KAFKA_ERROR_INVALID_REQUEST;
    for (unsigned i = 0; i < join->protocol_count; i++)
        bytes += join->protocols[i].name.len + join->protocols[i].metadata.len;
    if (bytes > KAFKA_MEMBER_METADATA_MAX_BYTES ||
        join->instance_id.len > KAFKA_MEMBER_TEXT_MAX_BYTES ||
        join->client_id.len > KAFKA_MEMBER_TEXT_MAX_BYTES)
        return KAFKA_ERROR_INVALID_REQUEST;
    return KAFKA_ERROR_NONE;
}

void kafka_group_join(struct kafka_groups *groups, const struct kafka_join *join)
{
    struct kafka_group *group = kafka_group_find(groups, join->group);
    enum kafka_error error = check_join(groups, join);

    if (error == KAFKA_ERROR_NONE && group == NULL) {
        if (join->member_id.len > 0)
            error = KAFKA_ERROR_UNKNOWN_MEMBER_ID;
        else if (groups->map.count >= KAFKA_GROUPS_MAX)
            error = KAFKA_ERROR_GROUP_MAX_SIZE_REACHED;
        else
            group = kafka_group_new(groups, join->group);
    }
    if (error == KAFKA_ERROR_NONE && !fits(group, join))
        error = KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL;
    if (error != KAFKA_ERROR_NONE) {
        fail_join(join, error, join->member_id);
    } else {
        kafka_group_set_type(group, join->protocol_type);
        if (join->member_id.len == 0)
            join_new(group, join);
        else
            join_known(group, join);
        /* The call may have ended the group. */
        group = kafka_group_find(groups, join->group);
    }
    if (group != NULL)
        kafka_group_release_if_empty(group);
}

/* ---- being a member ---- */

/* RC of a request that names a member: none when it is one, of this generation. */
static enum kafka_error check_member(struct kafka_group *group, struct slice member_id,
                                     struct slice instance_id, int32_t generation,
                                     struct kafka_member **ret)
{
    struct kafka_member *member;

    if (group == NULL)
        return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    if (instance_id.at != NULL) {
        member = find_instance(group, instance_id);
        if (member == NULL)
            return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
        if (!slice_equal(member->id, member_id))
            return KAFKA_ERROR_FENCED_INSTANCE_ID;
    }
    member = kafka_group_member(group, member_id);
    if (member == NULL)
        return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    if (generation != group->generation)
        return KAFKA_ERROR_ILLEGAL_GENERATION;
    *ret = member;
    return KAFKA_ERROR_NONE;
}

static void fail_sync(const struct kafka_sync *sync, enum kafka_error error)
{
    struct kafka_sync_answer answer = { .error = error, .assignment = SLICE("") };

    sync->on_done(sync->arg, &answer);
}

static void assign(struct kafka_group *group, const struct kafka_sync *sync)
{
    for (unsigned i = 0; i < sync->assignment_count; i++) {
        struct kafka_member *member = kafka_group_member(group, sync->assignments[i].member_id);

        if (member != NULL)
            kafka_slice_set(&member->assignment, sync->assignments[i].assignment);
    }
    group->state = KAFKA_GROUP_STABLE;
    LIST_EACH (link, &group->members) {
        kafka_member_answer_sync(CONTAINER_OF(link, struct kafka_member, link), KAFKA_ERROR_NONE);
    }
}

void kafka_group_sync(struct kafka_groups *groups, const struct kafka_sync *sync)
{
    struct kafka_group *group = kafka_group_find(groups, sync->group);
    struct kafka_member *member = NULL;
    enum kafka_error error =
        check_member(group, sync->member_id, sync->instance_id, sync->generation, &member);

    if (error == KAFKA_ERROR_NONE && ((sync->protocol_type.at != NULL &&
                                       !slice_equal(sync->protocol_type, group->protocol_type)) ||
                                      (sync->protocol_name.at != NULL &&
                                       !slice_equal(sync->protocol_name, group->protocol_name))))
        error = KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL;
    if (error == KAFKA_ERROR_NONE && group->state == KAFKA_GROUP_PREPARING)
        error = KAFKA_ERROR_REBALANCE_IN_PROGRESS;
    for (unsigned i = 0; i < sync->assignment_count; i++) {
        if (sync->assignments[i].assignment.len > KAFKA_MEMBER_METADATA_MAX_BYTES)
            error = KAFKA_ERROR_INVALID_REQUEST;
    }
    if (error != KAFKA_ERROR_NONE) {
        fail_sync(sync, error);
        return;
    }
    kafka_member_answer_sync(member, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    member->is_synced = true;
    member->on_sync = sync->on_done;
    member->arg = sync->arg;
    timer_stop(&member->timer);
    if (group->state == KAFKA_GROUP_STABLE)
        kafka_member_answer_sync(member, KAFKA_ERROR_NONE);
    else if (group->leader == member)
        assign(group, sync);
}

void kafka_group_forget(struct kafka_groups *groups, struct slice name, const void *arg)
{
    struct kafka_group *group = kafka_group_find(groups, name);

    if (group == NULL)
        return;
    LIST_EACH (link, &group->members) {
        struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);

        if ((member->on_join == NULL && member->on_sync == NULL) || member->arg != arg)
            continue;
        member->on_join = NULL;
        member->on_sync = NULL;
        kafka_member_alive(member);
        return;
    }
}

enum kafka_error kafka_group_heartbeat(struct kafka_groups *groups, struct slice name,
                                       struct slice member_id, struct slice instance_id,
                                       int32_t generation)
{
    struct kafka_group *group = kafka_group_find(groups, name);
    struct kafka_member *member = NULL;
    enum kafka_error error = check_member(group, member_id, instance_id, generation, &member);

    if (error != KAFKA_ERROR_NONE)
        return error;
    if (member->on_join == NULL && member->on_sync == NULL)
        kafka_member_alive(member);
    return group->state == KAFKA_GROUP_PREPARING ? KAFKA_ERROR_REBALANCE_IN_PROGRESS
                                                 : KAFKA_ERROR_NONE;
}

enum kafka_error kafka_group_leave(struct kafka_groups *groups, struct slice name,
                                   struct slice member_id, struct slice instance_id)
{
    struct kafka_group *group = kafka_group_find(groups, name);
    struct kafka_member *member;

    if (group == NULL)
        return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    member = find_in(&group->pending, member_id);
    if (member != NULL) {
        kafka_group_remove(member);
        return KAFKA_ERROR_NONE;
    }
    if (instance_id.at != NULL) {
        member = find_instance(group, instance_id);
        if (member != NULL && member_id.len > 0 && !slice_equal(member->id, member_id))
            return KAFKA_ERROR_FENCED_INSTANCE_ID;
    } else {
        member = kafka_group_member(group, member_id);
    }
    if (member == NULL)
        return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    kafka_group_remove(member);
    return KAFKA_ERROR_NONE;
}

enum kafka_error kafka_group_check_commit(struct kafka_groups *groups, struct slice name,
                                          struct slice member_id, struct slice instance_id,
                                          int32_t generation)
{
    struct kafka_group *group = kafka_group_find(groups, name);
    struct kafka_member *member = NULL;
    enum kafka_error error;

    if (name.len == 0)
        return KAFKA_ERROR_INVALID_GROUP_ID;
    if (generation < 0 && member_id.len == 0 && instance_id.at == NULL)
        return group == NULL || group->member_count == 0 ? KAFKA_ERROR_NONE
                                                         : KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    if (group == NULL)
        return generation < 0 ? KAFKA_ERROR_NONE : KAFKA_ERROR_GROUP_ID_NOT_FOUND;
    error = check_member(group, member_id, instance_id, generation, &member);
    if (error != KAFKA_ERROR_NONE)
        return error;
    if (group->state == KAFKA_GROUP_COMPLETING)
        return KAFKA_ERROR_REBALANCE_IN_PROGRESS;
    if (member->on_join == NULL && member->on_sync == NULL)
        kafka_member_alive(member);
    return KAFKA_ERROR_NONE;
}
