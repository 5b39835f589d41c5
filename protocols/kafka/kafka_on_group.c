/* SPDX-License-Identifier: Apache-2.0 */
/* The classic group protocol on the wire: joining, syncing, leaving, and looking at groups. */
#include "broker/base/counters.h"
#include "broker/core/position.h"
#include "broker/net/conn.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_map.h"
#include "protocols/kafka/kafka_messages.h"

#define JOIN_VERSION_WITH_KNOWN_ID 4 /* KIP-394 */
#define JOIN_VERSION_WITH_SKIP     9 /* KIP-814 */
#define LEAVE_VERSION_OF_MEMBERS   3
#define VERSION_SAYING_NOT_FOUND   6 /* DescribeGroups */

/* ---- JoinGroup ---- */

static struct slice group_of(const struct kafka_request *request)
{
    const struct slice *group = request->state;

    return *group;
}

static void on_wait_cancel(struct kafka_request *request)
{
    kafka_group_forget(&request->kafka->groups, group_of(request), request);
}

/* Remembers which group it waits in, should the connection end first. */
static bool set_waiting(struct kafka_request *request, struct slice group)
{
    struct slice *kept = kafka_arena_take(&request->arena, sizeof(*kept));

    if (kept == NULL)
        return false;
    *kept = group;
    request->state = kept;
    request->on_cancel = on_wait_cancel;
    return true;
}

static void fill_members(struct kafka_request *request, const struct kafka_group *group,
                         struct kafka_join_group_response *r)
{
    r->members = KAFKA_ARRAY(&request->arena, kafka_join_group_member_result, group->member_count);
    if (r->members == NULL)
        return;
    LIST_EACH (link, &group->members) {
        const struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);
        struct kafka_join_group_member_result *to = &r->members[r->members_count++];

        to->member_id = kafka_arena_copy(&request->arena, member->id);
        to->metadata = kafka_arena_copy(&request->arena, kafka_member_metadata(member));
        if (member->instance_id.at != NULL)
            to->group_instance_id = kafka_arena_copy(&request->arena, member->instance_id);
    }
}

static struct slice copy_text(struct kafka_request *request, struct slice text)
{
    return text.at == NULL ? SLICE_NONE : kafka_arena_copy(&request->arena, text);
}

static void on_joined(void *arg, const struct kafka_join_answer *answer)
{
    struct kafka_request *request = arg;
    struct kafka_join_group_response *r = KAFKA_RESPONSE(request, join_group);

    if (r != NULL) {
        r->error_code = (int16_t)answer->error;
        r->generation_id = answer->generation;
        r->protocol_type = copy_text(request, answer->protocol_type);
        r->protocol_name = copy_text(request, answer->protocol_name);
        r->leader = copy_text(request, answer->leader);
        r->member_id = copy_text(request, answer->member_id);
        r->skip_assignment = answer->skip_assignment;
        if (answer->members_of != NULL)
            fill_members(request, answer->members_of, r);
    }
    count_add(COUNT_KAFKA_ERRORS, answer->error != KAFKA_ERROR_NONE);
    kafka_answer(request);
}

static void refuse_join(struct kafka_request *request, enum kafka_error error,
                        struct slice member_id)
{
    struct kafka_join_answer answer = { .error = error,
                                        .generation = -1,
                                        .protocol_name = SLICE(""),
                                        .leader = SLICE(""),
                                        .member_id = member_id };

    on_joined(request, &answer);
}

void kafka_on_join_group(struct kafka_request *request, const void *body)
{
    const struct kafka_join_group_request *asked = body;
    enum kafka_error error = kafka_may_use_group(request, OPERATION_GROUP_USE, asked->group_id);
    struct kafka_group_protocol *protocols =
        kafka_arena_take(&request->arena, asked->protocols_count * sizeof(*protocols));
    struct kafka_join join = {
        .group = asked->group_id,
        .member_id = asked->member_id,
        .instance_id = asked->group_instance_id,
        .client_id = request->header.client_id,
        .client_host = slice_str(conn_peer(request->conn)),
        .protocol_type = asked->protocol_type,
        .protocols = protocols,
        .protocol_count = asked->protocols_count,
        .session_timeout_ms = asked->session_timeout_ms,
        .rebalance_timeout_ms = asked->rebalance_timeout_ms,
        .needs_known_id = request->header.version >= JOIN_VERSION_WITH_KNOWN_ID,
        .knows_skip = request->header.version >= JOIN_VERSION_WITH_SKIP,
        .on_done = on_joined,
        .arg = request,
    };

    if (error == KAFKA_ERROR_NONE && (protocols == NULL || !set_waiting(request, asked->group_id)))
        error = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    if (error != KAFKA_ERROR_NONE) {
        refuse_join(request, error, asked->member_id);
        return;
    }
    for (uint32_t i = 0; i < asked->protocols_count; i++)
        protocols[i] =
            (struct kafka_group_protocol){ asked->protocols[i].name, asked->protocols[i].metadata };
    kafka_group_join(&request->kafka->groups, &join);
}

/* ---- SyncGroup ---- */

static void on_synced(void *arg, const struct kafka_sync_answer *answer)
{
    struct kafka_request *request = arg;
    struct kafka_sync_group_response *r = KAFKA_RESPONSE(request, sync_group);

    if (r != NULL) {
        r->error_code = (int16_t)answer->error;
        r->protocol_type = copy_text(request, answer->protocol_type);
        r->protocol_name = copy_text(request, answer->protocol_name);
        r->assignment = copy_text(request, answer->assignment);
    }
    count_add(COUNT_KAFKA_ERRORS, answer->error != KAFKA_ERROR_NONE);
    kafka_answer(request);
}

void kafka_on_sync_group(struct kafka_request *request, const void *body)
{
    const struct kafka_sync_group_request *asked = body;
    enum kafka_error error = kafka_may_use_group(request, OPERATION_GROUP_USE, asked->group_id);
    struct kafka_assignment *assignments =
        kafka_arena_take(&request->arena, asked->assignments_count * sizeof(*assignments));
    struct kafka_sync sync = {
        .group = asked->group_id,
        .member_id = asked->member_id,
        .instance_id = asked->group_instance_id,
        .generation = asked->generation_id,
        .protocol_type = asked->protocol_type,
        .protocol_name = asked->protocol_name,
        .assignments = assignments,
        .assignment_count = asked->assignments_count,
        .on_done = on_synced,
        .arg = request,
    };

    if (error == KAFKA_ERROR_NONE &&
        (assignments == NULL || !set_waiting(request, asked->group_id)))
        error = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    if (error != KAFKA_ERROR_NONE) {
        struct kafka_sync_answer answer = { .error = error, .assignment = SLICE("") };

        on_synced(request, &answer);
        return;
    }
    for (uint32_t i = 0; i < asked->assignments_count; i++)
        assignments[i] = (struct kafka_assignment){ asked->assignments[i].member_id,
                                                    asked->assignments[i].assignment };
    kafka_group_sync(&request->kafka->groups, &sync);
}

/* ---- Heartbeat, LeaveGroup ---- */

void kafka_on_heartbeat(struct kafka_request *request, const void *body)
{
    const struct kafka_heartbeat_request *asked = body;
    struct kafka_heartbeat_response *r = KAFKA_RESPONSE(request, heartbeat);
    enum kafka_error error = kafka_may_use_group(request, OPERATION_GROUP_USE, asked->group_id);

    if (error == KAFKA_ERROR_NONE)
        error = kafka_group_heartbeat(&request->kafka->groups, asked->group_id, asked->member_id,
                                      asked->group_instance_id, asked->generation_id);
    if (r != NULL)
        r->error_code = (int16_t)error;
    kafka_answer(request);
}

void kafka_on_leave_group(struct kafka_request *request, const void *body)
{
    const struct kafka_leave_group_request *asked = body;
    struct kafka_leave_group_response *r = KAFKA_RESPONSE(request, leave_group);
    enum kafka_error error = kafka_may_use_group(request, OPERATION_GROUP_USE, asked->group_id);
    struct kafka_groups *groups = &request->kafka->groups;

    if (error == KAFKA_ERROR_NONE && request->header.version < LEAVE_VERSION_OF_MEMBERS) {
        error = kafka_group_leave(groups, asked->group_id, asked->member_id, SLICE_NONE);
    } else if (error == KAFKA_ERROR_NONE && r != NULL) {
        r->members =
            KAFKA_ARRAY(&request->arena, kafka_leave_group_member_result, asked->members_count);
        for (uint32_t i = 0; i < asked->members_count && r->members != NULL; i++) {
            const struct kafka_leave_group_member *member = &asked->members[i];

            r->members[i].member_id = member->member_id;
            r->members[i].group_instance_id = member->group_instance_id;
            r->members[i].error_code = (int16_t)kafka_group_leave(
                groups, asked->group_id, member->member_id, member->group_instance_id);
            r->members_count++;
        }
    }
    if (r != NULL)
        r->error_code = (int16_t)error;
    kafka_answer(request);
}

/* ---- DescribeGroups, ListGroups, DeleteGroups ---- */

static void see_position(void *arg, struct slice stream, uint32_t partition,
                         const struct position *position)
{
    bool *has_some = arg;

    (void)stream;
    (void)partition;
    (void)position;
    *has_some = true;
}

static bool has_positions(struct kafka_request *request, struct slice group)
{
    bool has_some = false;

    position_each(request->kafka->core, group, see_position, &has_some);
    return has_some;
}

static void describe_members(struct kafka_request *request, const struct kafka_group *group,
                             struct kafka_describe_groups_group_result *to)
{
    to->protocol_type = copy_text(request, group->protocol_type);
    if (group->state == KAFKA_GROUP_STABLE || group->state == KAFKA_GROUP_COMPLETING)
        to->protocol_data = copy_text(request, group->protocol_name);
    to->members =
        KAFKA_ARRAY(&request->arena, kafka_describe_groups_member_result, group->member_count);
    if (to->members == NULL)
        return;
    LIST_EACH (link, &group->members) {
        const struct kafka_member *member = CONTAINER_OF(link, struct kafka_member, link);
        struct kafka_describe_groups_member_result *m = &to->members[to->members_count++];

        m->member_id = copy_text(request, member->id);
        m->group_instance_id = copy_text(request, member->instance_id);
        m->client_id = copy_text(request, member->client_id);
        m->client_host = copy_text(request, member->client_host);
        if (group->state == KAFKA_GROUP_STABLE) {
            m->member_metadata = copy_text(request, kafka_member_metadata(member));
            m->member_assignment = copy_text(request, member->assignment);
        }
    }
}

void kafka_on_describe_groups(struct kafka_request *request, const void *body)
{
    const struct kafka_describe_groups_request *asked = body;
    struct kafka_describe_groups_response *r = KAFKA_RESPONSE(request, describe_groups);

    if (r != NULL)
        r->groups =
            KAFKA_ARRAY(&request->arena, kafka_describe_groups_group_result, asked->groups_count);
    for (uint32_t i = 0; r != NULL && r->groups != NULL && i < asked->groups_count; i++) {
        struct slice name = asked->groups[i];
        struct kafka_describe_groups_group_result *to = &r->groups[i];
        const struct kafka_group *group = kafka_group_find(&request->kafka->groups, name);

        r->groups_count++;
        to->group_id = name;
        to->error_code = (int16_t)kafka_may_use_group(request, OPERATION_DESCRIBE, name);
        if (to->error_code != KAFKA_ERROR_NONE)
            continue;
        if (group != NULL) {
            to->group_state = slice_str(kafka_group_state_name(group->state));
            describe_members(request, group, to);
        } else if (has_positions(request, name)) {
            to->group_state = slice_str(kafka_group_state_name(KAFKA_GROUP_EMPTY));
        } else {
            to->group_state = SLICE("Dead");
            if (request->header.version >= VERSION_SAYING_NOT_FOUND) {
                to->error_code = KAFKA_ERROR_GROUP_ID_NOT_FOUND;
                to->error_message = SLICE("There is no such group.");
            }
        }
        if (asked->include_authorized_operations)
            to->authorized_operations = kafka_authorized_operations(request, RESOURCE_GROUP, name);
    }
    kafka_answer(request);
}

struct listing {
    struct kafka_request *request;
    const struct kafka_list_groups_request *asked;
    struct kafka_list_groups_response *r;
    size_t room;
};

static bool equal_ignoring_case(struct slice a, struct slice b)
{
    for (size_t i = 0; i < a.len && a.len == b.len; i++) {
        if ((a.at[i] | 0x20) != (b.at[i] | 0x20)) /* letters only: states and types */
            return false;
    }
    return a.len == b.len;
}

static bool passes(const struct slice *filter, uint32_t count, struct slice value)
{
    for (uint32_t i = 0; i < count; i++) {
        if (equal_ignoring_case(filter[i], value))
            return true;
    }
    return count == 0;
}

static void list_group(struct listing *listing, struct slice name, struct slice type,
                       enum kafka_group_state state)
{
    struct kafka_request *request = listing->request;
    const struct kafka_list_groups_request *asked = listing->asked;
    struct slice state_name = slice_str(kafka_group_state_name(state));
    struct kafka_list_groups_group_result *to;

    if (listing->r->groups_count == listing->room ||
        !passes(asked->states_filter, asked->states_filter_count, state_name) ||
        !passes(asked->types_filter, asked->types_filter_count, SLICE("classic")) ||
        !may_use(request->client, OPERATION_DESCRIBE, RESOURCE_GROUP, name))
        return;
    to = &listing->r->groups[listing->r->groups_count++];
    to->group_id = copy_text(request, name);
    to->protocol_type = copy_text(request, type);
    to->group_state = state_name;
    to->group_type = SLICE("classic");
}

static void count_group(void *arg, struct slice group)
{
    size_t *count = arg;

    (void)group;
    (*count)++;
}

static void list_empty_group(void *arg, struct slice group)
{
    struct listing *listing = arg;

    if (kafka_group_find(&listing->request->kafka->groups, group) == NULL)
        list_group(listing, group, SLICE(""), KAFKA_GROUP_EMPTY);
}

void kafka_on_list_groups(struct kafka_request *request, const void *body)
{
    struct kafka_groups *groups = &request->kafka->groups;
    struct listing listing = { .request = request,
                               .asked = body,
                               .r = KAFKA_RESPONSE(request, list_groups),
                               .room = groups->map.count };

    position_each_group(request->kafka->core, count_group, &listing.room);
    if (listing.r != NULL)
        listing.r->groups =
            KAFKA_ARRAY(&request->arena, kafka_list_groups_group_result, listing.room);
    if (listing.r != NULL && listing.r->groups != NULL) {
        MAP_EACH (node, &groups->map) {
            const struct kafka_group *group = CONTAINER_OF(node, struct kafka_group, node);

            list_group(&listing, group->name, group->protocol_type, group->state);
        }
        position_each_group(request->kafka->core, list_empty_group, &listing);
    }
    kafka_answer(request);
}

static enum kafka_error delete_group(struct kafka_request *request, struct slice name)
{
    enum kafka_error error = kafka_may_use_group(request, OPERATION_DELETE, name);

    if (error != KAFKA_ERROR_NONE)
        return error;
    if (kafka_group_find(&request->kafka->groups, name) != NULL)
        return KAFKA_ERROR_NON_EMPTY_GROUP;
    if (!has_positions(request, name))
        return KAFKA_ERROR_GROUP_ID_NOT_FOUND;
    position_delete_group(request->kafka->core, name);
    return KAFKA_ERROR_NONE;
}

void kafka_on_delete_groups(struct kafka_request *request, const void *body)
{
    const struct kafka_delete_groups_request *asked = body;
    struct kafka_delete_groups_response *r = KAFKA_RESPONSE(request, delete_groups);

    if (r != NULL)
        r->results =
            KAFKA_ARRAY(&request->arena, kafka_delete_groups_result, asked->group_names_count);
    for (uint32_t i = 0; r != NULL && r->results != NULL && i < asked->group_names_count; i++) {
        r->results[i].group_id = asked->group_names[i];
        r->results[i].error_code = (int16_t)delete_group(request, asked->group_names[i]);
        r->results_count++;
    }
    kafka_answer_durable(request);
}
