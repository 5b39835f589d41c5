/* SPDX-License-Identifier: Apache-2.0 */
/* A group is a session that nobody connects to: it owes itself what its filter matches, as
 * references, and hands each to a member when that member has credit. From then on the reference is
 * the member's session's, so that the member goes on with it after a reconnect, and nobody else
 * gets it. What has QoS 1 and is not settled goes back to the front of the group when the session
 * ends, or stays away longer than the grace (MQTT 5 4.8.2). */
#include "broker/core/share.h"

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/core/filter.h"
#include "broker/core/stream_int.h"

/* What comes back is numbered downwards from the group's first reference. */
#define SHARE_FIRST_NUMBER (UINT64_C(1) << 40)

/* ---- a group's key: a control character, which no client's id can hold, and its text; a long one
 * has two hashes instead ---- */

enum { KEY_TEXT = 0, KEY_HASH = 1 };

struct share_key {
    uint8_t bytes[SESSION_ID_MAX_BYTES];
    size_t len;
};

static void key_of(struct slice text, struct share_key *key)
{
    if (text.len < sizeof(key->bytes)) {
        key->bytes[0] = KEY_TEXT;
        memcpy(key->bytes + 1, text.at, text.len);
        key->len = 1 + text.len;
        return;
    }
    key->bytes[0] = KEY_HASH;
    put_u64(key->bytes + 1, hash_checksum(text, 1));
    put_u64(key->bytes + 9, hash_checksum(text, 2));
    key->len = 17;
}

bool share_is_key(struct slice id)
{
    return id.len > 0 && id.at[0] <= KEY_HASH;
}

/* ---- groups ---- */

void share_make(struct session *group)
{
    ASSERT(group->share == NULL && references_is_empty(&group->references));
    group->share = mem_new(struct share);
    list_init(&group->share->members);
    list_init(&group->share->takers);
    references_start(&group->references, SHARE_FIRST_NUMBER);
    group->next = SHARE_FIRST_NUMBER;
    count_add(COUNT_CORE_SESSIONS, -1);
    count_add(COUNT_CORE_SHARES, 1);
}

void share_free(struct session *group)
{
    if (group->share == NULL)
        return;
    while (!list_is_empty(&group->share->members)) {
        struct share_member *member =
            LIST_FIRST(&group->share->members, struct share_member, of_group);

        link_remove(&member->of_group);
        link_remove_if(&member->of_takers);
        member->group = NULL;
    }
    MEM_FREE(group->share);
    count_add(COUNT_CORE_SESSIONS, 1); /* which session_free() takes off again */
    count_add(COUNT_CORE_SHARES, -1);
}

/* Recorded while one of its members outlives its connection. */
static void group_keep(struct session *group)
{
    bool is_kept = group->share->kept_count > 0;

    if (is_kept == session_is_durable(group) || group->core->is_loading || group->core->is_ending)
        return;
    if (is_kept) {
        group->expiry_ms = SESSION_NEVER_EXPIRES;
        session_record(group);
        references_record_all(group);
    } else {
        session_forget_recorded(group);
        group->expiry_ms = 0;
    }
}

/* The group of that text, made when there is none, with its demand among the topics. */
static enum rc group_of(struct core *core, const struct subscription_spec *spec,
                        struct session **ret)
{
    struct subscription_spec demand = {
        .filter = spec->filter, .text = spec->text, .qos = 2, .is_retain_as_published = true
    };
    struct subscription *s;
    struct map_node *node;
    struct share_key key;
    struct session *group;
    enum rc rc = RC_OK;

    key_of(spec->text, &key);
    node = map_get(&core->sessions, slice_of(key.bytes, key.len));
    if (node != NULL) {
        group = CONTAINER_OF(node, struct session, by_id);
    } else {
        group = session_new(core, slice_of(key.bytes, key.len), SLICE_NONE,
                            core->is_loading ? 0 : core_number(core));
        share_make(group);
    }
    if (group->subscriptions.count == 0)
        rc = subscription_add(group, &demand, &s);
    if (rc == RC_OK) {
        *ret = group;
        s = CONTAINER_OF(map_any(&group->subscriptions), struct subscription, by_text);
        s->qos = demand.qos;
        s->is_retain_as_published = true;
    } else if (list_is_empty(&group->share->members)) {
        session_end(group);
    }
    return rc;
}

void share_settle(struct session *group)
{
    if (list_is_empty(&group->share->members)) {
        session_end(group);
        return;
    }
    if (group->number == 0)
        group->number = core_number(group->core);
    group_keep(group);
}

/* ---- membership ---- */

static struct shares *shares_of(struct session *session)
{
    if (session->shares == NULL) {
        session->shares = mem_new(struct shares);
        list_init(&session->shares->starved);
    }
    return session->shares;
}

static enum rc reserve_slot(struct shares *shares, uint16_t *slot)
{
    struct share_member **slots;
    size_t wanted = *slot, room = shares->room;

    if (wanted == 0)
        for (wanted = 1; wanted <= room && shares->slots[wanted - 1] != NULL;)
            wanted++;
    if (wanted > SESSION_SHARES_MAX)
        return RC_LIMIT;
    while (room < wanted)
        room = room == 0 ? 4 : room * 2;
    if (room > shares->room) {
        slots = mem_zeroed_array(room, sizeof(*slots));
        if (shares->room > 0)
            memcpy(slots, shares->slots, shares->room * sizeof(*slots));
        mem_free(shares->slots);
        shares->slots = slots;
        shares->room = room;
    }
    *slot = (uint16_t)wanted;
    return shares->slots[wanted - 1] == NULL ? RC_OK : RC_CORRUPT;
}

enum rc share_join(struct subscription *s, const struct subscription_spec *spec)
{
    struct session *session = s->session, *group = NULL;
    struct shares *shares = shares_of(session);
    struct share_member *member;
    uint16_t slot = spec->slot;
    enum rc rc = reserve_slot(shares, &slot);

    if (rc == RC_OK)
        rc = group_of(session->core, spec, &group);
    if (rc != RC_OK)
        return rc;
    member = mem_new(struct share_member);
    *member = (struct share_member){ .subscription = s, .group = group, .slot = slot };
    member->filter_at = spec->filter_at;
    member->is_kept = session_is_durable(session);
    member->is_attached = session->client != NULL;
    list_append(&group->share->members, &member->of_group);
    list_append(&group->share->takers, &member->of_takers);
    group->share->kept_count += member->is_kept;
    group->share->attached_count += member->is_attached;
    group->is_ready = true;
    shares->slots[slot - 1] = member;
    shares->count++;
    s->member = member;
    group_keep(group);
    session_wake(group);
    return RC_OK;
}

/* QoS 0 is for who is there. */
static void forget_unpinned(struct session *group)
{
    if (group->share->attached_count == 0)
        references_detach(group);
}

void share_leave(struct subscription *s)
{
    struct share_member *member = s->member;
    struct session *session = s->session, *group;
    struct core *core = session->core;

    if (member == NULL)
        return;
    group = member->group;
    s->member = NULL;
    if (!session->is_ending && !core->is_ending)
        references_unshare(session, member->slot);
    session->shares->slots[member->slot - 1] = NULL;
    session->shares->count--;
    if (group != NULL) {
        link_remove(&member->of_group);
        link_remove(&member->of_takers);
        group->share->kept_count -= member->is_kept;
        group->share->attached_count -= member->is_attached;
    }
    mem_free(member);
    if (group == NULL || core->is_ending)
        return;
    if (list_is_empty(&group->share->members)) {
        session_end(group);
    } else {
        forget_unpinned(group);
        group_keep(group);
    }
}

/* ---- giving ---- */

/* What was sent to it before comes first, and in its order. */
static bool can_take(const struct session *session)
{
    return session->client != NULL && session_is_direct(session);
}

static enum rc hand(struct share_member *member, struct message *message,
                    const struct placed *placed, uint8_t qos, bool is_retained)
{
    const struct subscription *s = member->subscription;
    struct session *session = s->session;
    struct delivery delivery = { .message = message,
                                 .subscription_ids = &s->id,
                                 .subscription_id_count = s->id != 0,
                                 .qos = granted_qos(session->core, s->qos, qos),
                                 .is_retained = is_retained && s->is_retain_as_published };
    enum rc rc;

    if (delivery.qos > 0 && placed->partition != NULL) {
        struct reference as = { .qos = delivery.qos & 3u,
                                .size = reference_size(message->body.len) & 63u,
                                .state = REFERENCE_SENT,
                                .share = member->slot,
                                .flags = delivery.is_retained ? REFERENCE_RETAIN : 0 };
        uint64_t number = reference_add(session, placed, &as);

        session->next = number + 1;
        delivery.handle = number + 1;
    }
    rc = session->client->ops->on_session_delivery(session->client->session, &delivery);
    if (rc == RC_OK) {
        count_add(COUNT_CORE_DELIVERED, 1);
        return RC_OK;
    }
    session->is_ready = false;
    if (delivery.handle != 0)
        reference_take_back(session);
    return rc;
}

/* In turn. Who cannot take it is not asked again before it has credit. */
static enum rc give(struct session *group, struct message *message, const struct placed *placed,
                    uint8_t qos, bool is_retained)
{
    struct share *share = group->share;
    struct share_member *member;

    while ((member = LIST_FIRST(&share->takers, struct share_member, of_takers)) != NULL) {
        struct session *session = member->subscription->session;

        link_remove(&member->of_takers);
        if (can_take(session) && hand(member, message, placed, qos, is_retained) == RC_OK) {
            list_append(&share->takers, &member->of_takers);
            return RC_OK;
        }
        list_append(&session->shares->starved, &member->of_takers);
    }
    group->is_ready = false;
    return RC_AGAIN;
}

void share_offer(struct session *group, struct message *message, const struct placed *placed)
{
    bool is_retained = (message->flags & MESSAGE_RETAIN) != 0;
    uint8_t qos = granted_qos(group->core, 2, message->qos);

    if (session_is_direct(group) && give(group, message, placed, qos, is_retained) == RC_OK)
        return;
    if (qos == 0 && group->share->attached_count == 0)
        return;
    reference_owe(group, placed, message, qos, is_retained ? REFERENCE_RETAIN : 0);
}

enum rc share_send(struct session *group, uint64_t number, struct message *message)
{
    const struct reference *r = reference_at(group, number);
    struct placed placed = { partition_of_log(group->core, r->log), r->offset };
    enum rc rc = give(group, message, &placed, r->qos, (r->flags & REFERENCE_RETAIN) != 0);

    if (rc != RC_OK)
        return rc;
    group->next = number + 1;
    reference_settle(group, number);
    return RC_OK;
}

/* ---- members come and go ---- */

static void set_attached(struct session *session, bool is_attached)
{
    struct shares *shares = session->shares;

    for (size_t i = 0; i < shares->room; i++) {
        struct share_member *member = shares->slots[i];

        if (member == NULL || member->is_attached == is_attached)
            continue;
        member->is_attached = is_attached;
        member->group->share->attached_count += is_attached ? 1 : SIZE_MAX;
        forget_unpinned(member->group);
    }
}

void shares_attach(struct session *session)
{
    if (session->shares == NULL)
        return;
    deadline_stop(&session->core->deadlines, &session->shares->grace);
    set_attached(session, true);
}

struct collecting {
    struct ring numbers; /* of uint64_t: what is unsettled of QoS 1 */
};

static void collect(void *arg, uint64_t number, struct reference *r)
{
    struct collecting *collecting = arg;

    if (r->share != 0 && r->state != REFERENCE_SETTLED && r->qos == 1)
        *(uint64_t *)ring_push(&collecting->numbers) = number;
}

/* What a group gains is recorded before it is known to be the session's no more. */
static void record_groups(struct session *session)
{
    for (size_t i = 0; i < session->shares->room; i++) {
        const struct share_member *member = session->shares->slots[i];

        if (member != NULL && member->group != NULL && link_is_linked(&member->group->dirty))
            references_record(member->group);
    }
}

void shares_give_back(struct session *session)
{
    struct collecting collecting = { { 0 } };

    if (session->shares == NULL || session->shares->open_count == 0)
        return;
    ring_init(&collecting.numbers, sizeof(uint64_t));
    references_each(&session->references, NULL, collect, &collecting);
    for (size_t i = collecting.numbers.count; i-- > 0;) {
        uint64_t number = *(uint64_t *)ring_at(&collecting.numbers, i);
        struct reference *r = reference_at(session, number);
        struct share_member *member = session->shares->slots[r->share - 1];

        if (member == NULL || member->group == NULL)
            continue;
        reference_prepend(member->group, r);
        reference_settle(session, number);
        session_wake(member->group);
    }
    ring_done(&collecting.numbers);
    references_pack(&session->references);
    record_groups(session);
}

static void on_grace_over(void *arg)
{
    struct session *session = arg;

    shares_give_back(session);
    core_wake(session->core);
}

static void start_grace(struct session *session)
{
    struct core *core = session->core;

    if (session->shares->open_count == 0)
        return;
    deadline_start(&core->deadlines, &session->shares->grace,
                   clock_monotonic_ns() + core->config.share_grace_ms * NS_PER_MS, on_grace_over,
                   session);
}

void shares_detach(struct session *session)
{
    if (session->shares == NULL)
        return;
    set_attached(session, false);
    start_grace(session);
}

void shares_loaded(struct session *session)
{
    if (session->shares != NULL)
        start_grace(session);
}

void shares_feed(struct session *session)
{
    struct shares *shares = session->shares;
    struct share_member *member;

    if (shares == NULL || !can_take(session))
        return;
    while ((member = LIST_FIRST(&shares->starved, struct share_member, of_takers)) != NULL) {
        link_remove(&member->of_takers);
        list_append(&member->group->share->takers, &member->of_takers);
        member->group->is_ready = true;
        session_wake(member->group);
    }
}

void shares_keep(struct session *session)
{
    struct shares *shares = session->shares;
    bool is_kept = session_is_durable(session);

    for (size_t i = 0; shares != NULL && i < shares->room; i++) {
        struct share_member *member = shares->slots[i];

        if (member == NULL || member->is_kept == is_kept)
            continue;
        member->is_kept = is_kept;
        member->group->share->kept_count += is_kept ? 1 : SIZE_MAX;
        group_keep(member->group);
    }
}

void shares_free(struct session *session)
{
    if (session->shares == NULL)
        return;
    ASSERT(session->shares->count == 0);
    deadline_stop(&session->core->deadlines, &session->shares->grace);
    mem_free(session->shares->slots);
    MEM_FREE(session->shares);
}

void shares_each(struct session *session, subscription_visit_fn *visit)
{
    if (session->shares == NULL)
        return;
    for (size_t i = 0; i < session->shares->room; i++) {
        const struct share_member *member = session->shares->slots[i];

        if (member != NULL)
            visit(member->subscription);
    }
}

const struct subscription *shares_subscription(const struct session *session, uint16_t slot)
{
    const struct share_member *member =
        session->shares == NULL || slot == 0 || slot > session->shares->room
            ? NULL
            : session->shares->slots[slot - 1];

    return member == NULL ? NULL : member->subscription;
}
