/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/base/wire.h"
#include "broker/core/acl.h"
#include "broker/core/position.h"
#include "broker/core/producer.h"
#include "broker/core/retain.h"
#include "broker/core/rules.h"
#include "broker/core/session_int.h"
#include "broker/core/stream_int.h"
#include "broker/record/builder.h"
#include "tests/lib/core_rig.h"

static struct rig rig;
static struct rig_client *a, *b;
static bool present;

static void open_clients(void)
{
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
}

static void setup_on(bool is_durable)
{
    rig_open(&rig, is_durable);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    open_clients();
}

static void setup(void)
{
    setup_on(false);
}

static void setup_durable(void)
{
    setup_on(true);
}

static void teardown(void)
{
    clock_unset_for_test();
    rig_client_close(a);
    rig_client_close(b);
    rig_close(&rig);
    MEM_FREE(a);
    MEM_FREE(b);
}

static void restart_by(void (*reopen)(struct rig *rig))
{
    rig_client_close(a);
    rig_client_close(b);
    reopen(&rig);
    open_clients();
}

static void restart(void)
{
    restart_by(rig_reopen);
}

START_TEST(live_messages_reach_matching_sessions_at_the_lower_qos)
{
    struct session *s = rig_session(&rig, b, "s", true, 0, &present);

    rig_subscribe(s, "a/+", 1, 0);
    ck_assert_int_eq(rig_publish(&rig, a, "a/b", "one", 0, 0), RC_OK);
    ck_assert_int_eq(rig_publish(&rig, a, "a/b", "two", 2, 0), RC_OK);
    ck_assert_int_eq(rig_publish(&rig, a, "c", "three", 1, 0), RC_NO_ROUTE);
    ck_assert_uint_eq(b->count, 2);
    ck_assert_uint_eq(b->seen[0].qos, 0);
    ck_assert_uint_eq(b->seen[1].qos, 1);
    ck_assert_str_eq(b->seen[1].address, "a/b");
    session_detach(&s);
}
END_TEST

START_TEST(overlapping_subscriptions_give_one_delivery_with_all_identifiers)
{
    struct session *s = rig_session(&rig, b, "s", true, 0, &present);

    rig_subscribe(s, "a/#", 0, 7);
    rig_subscribe(s, "a/b", 1, 9);
    ck_assert_int_eq(rig_publish(&rig, a, "a/b", "x", 1, 0), RC_OK);
    ck_assert_uint_eq(b->count, 1);
    ck_assert_uint_eq(b->seen[0].id_count, 2);
    ck_assert_uint_eq(b->seen[0].qos, 1);
    session_detach(&s);
}
END_TEST

START_TEST(without_credit_messages_wait_as_references_in_order)
{
    struct session *s = rig_session(&rig, b, "s", true, 0, &present);
    char value[16];

    b->credit = 2;
    rig_subscribe(s, "#", 1, 0);
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(value, sizeof(value), "m%u", i);
        ck_assert_int_eq(rig_publish(&rig, a, i % 2 == 0 ? "x/1" : "y/2", value, 1, 0), RC_OK);
        if (i % 100 == 0)
            rig_settle(&rig);
    }
    ck_assert_uint_eq(b->count, 2);
    ck_assert_uint_eq(session_owed_count(s), 498);
    b->credit = RIG_SEEN_MAX;
    session_ready(s);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 500);
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(value, sizeof(value), "m%u", i);
        ck_assert_str_eq(b->seen[i].value, value);
    }
    ck_assert_uint_eq(session_owed_count(s), 0);
    session_detach(&s);
}
END_TEST

START_TEST(persistent_session_is_owed_what_came_while_it_was_away)
{
    struct session *s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);

    ck_assert(!present);
    rig_subscribe(s, "t", 1, 0);
    session_detach(&s);
    rig_client_close(b);
    ck_assert_int_eq(rig_publish(&rig, a, "t", "q0", 0, 0), RC_OK);
    ck_assert_int_eq(rig_publish(&rig, a, "t", "q1", 1, 0), RC_OK);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
    s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);
    ck_assert(present);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 1);
    ck_assert_str_eq(b->seen[0].value, "q1");
    ck_assert_int_eq(session_settle(s, b->seen[0].handle, OUTCOME_ACCEPT), RC_OK);
    ck_assert_int_eq(session_settle(s, b->seen[0].handle, OUTCOME_ACCEPT), RC_NOT_FOUND);
    session_detach(&s);
}
END_TEST

START_TEST(unsettled_is_sent_again_after_a_new_connection)
{
    struct session *s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);

    rig_subscribe(s, "t", 1, 0);
    ck_assert_int_eq(rig_publish(&rig, a, "t", "one", 1, 0), RC_OK);
    ck_assert_int_eq(rig_publish(&rig, a, "t", "two", 1, 0), RC_OK);
    ck_assert_uint_eq(b->count, 2);
    ck_assert_int_eq(session_settle(s, b->seen[0].handle, OUTCOME_ACCEPT), RC_OK);
    session_detach(&s);
    s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 3);
    ck_assert_str_eq(b->seen[2].value, "two");
    ck_assert(b->seen[2].is_redelivered);
    session_detach(&s);
}
END_TEST

START_TEST(a_second_client_takes_the_session_over)
{
    struct session *s = rig_session(&rig, a, "s", false, 1000, &present);
    struct session *t = rig_session(&rig, b, "s", false, 1000, &present);

    ck_assert(present);
    ck_assert(a->is_taken_over);
    ck_assert_ptr_eq(s, t);
    session_detach(&t);
}
END_TEST

static void rule_by_id(struct rig_client *client, const char *id)
{
    client_enter(client->client, "ruled", NULL);
    ck_assert_int_eq(client_login(client->client, SLICE_NONE, SLICE_NONE), RC_OK);
    client_set_id(client->client, slice_str(id));
}

/* One text of the id serves both while they belong together. */
START_TEST(a_client_keeps_its_id_when_its_session_goes_to_another)
{
    struct access_config config = { .anonymous = ANONYMOUS_YES };
    struct text errors = { 0 };
    struct session *of_a, *of_b;

    ck_assert_int_eq(
        rules_read("rules", SLICE("pattern readwrite home/%c/#\n"), &config.rules, &errors), RC_OK);
    access_set(rig.core, "ruled", &config);
    rule_by_id(a, "mine");
    rule_by_id(b, "mine");
    of_a = rig_session(&rig, a, "mine", true, 0, &present);
    ck_assert_int_eq(authorise(a->client, OPERATION_PUBLISH, RESOURCE_TOPIC, SLICE("home/mine/1")),
                     RC_OK);
    of_b = rig_session(&rig, b, "mine", true, 0, &present); /* which frees that of a */
    ck_assert(a->is_taken_over);
    (void)of_a;
    ck_assert_int_eq(authorise(a->client, OPERATION_PUBLISH, RESOURCE_TOPIC, SLICE("home/mine/2")),
                     RC_OK);
    ck_assert_int_eq(authorise(a->client, OPERATION_PUBLISH, RESOURCE_TOPIC, SLICE("home/other/2")),
                     RC_REFUSED);
    session_detach(&of_b);
    ck_assert_int_eq(authorise(b->client, OPERATION_PUBLISH, RESOURCE_TOPIC, SLICE("home/mine/3")),
                     RC_OK);
    text_done(&errors);
}
END_TEST

#define IDLE_CLIENTS 512u
/* With its place in the map of sessions; protocol and connection have the rest of 1,500. */
#define IDLE_BYTES_MAX 460u

START_TEST(an_idle_client_with_its_session_takes_few_bytes)
{
    static const struct client_ops ops = { .protocol = "idle" };
    static struct client *clients[IDLE_CLIENTS];
    static struct session *sessions[IDLE_CLIENTS];
    uint64_t before = mem_in_use_bytes();
    char id[16];

    for (unsigned i = 0; i < IDLE_CLIENTS; i++) {
        struct session_spec spec = { .id = SLICE_NONE, .is_clean_start = true };

        (void)snprintf(id, sizeof(id), "idle-%u", i);
        spec.id = slice_str(id);
        clients[i] = client_open(rig.core, &ops, NULL, true);
        client_enter(clients[i], "idle", NULL);
        ck_assert_int_eq(client_login(clients[i], SLICE_NONE, SLICE_NONE), RC_OK);
        client_set_id(clients[i], spec.id);
        ck_assert_int_eq(session_open(clients[i], &spec, &sessions[i], &present), RC_OK);
        session_ready(sessions[i]);
    }
    rig_settle(&rig);
    ck_assert_uint_lt(mem_in_use_bytes() - before, IDLE_CLIENTS * IDLE_BYTES_MAX);
    for (unsigned i = 0; i < IDLE_CLIENTS; i++) {
        session_detach(&sessions[i]);
        client_close(&clients[i]);
    }
}
END_TEST

START_TEST(what_a_session_needed_once_goes_when_it_rests)
{
    struct session *s = rig_session(&rig, b, "s", true, 0, &present);

    ck_assert_int_eq(rig_publish(&rig, a, "r/1", "kept", 0, MESSAGE_RETAIN), RC_NO_ROUTE);
    rig_subscribe(s, "r/#", 1, 0);
    ck_assert_ptr_nonnull(s->extra); /* a retained message is to come */
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 1);
    ck_assert_ptr_null(s->extra);
    session_note_put(s, 7, SLICE("note"));
    ck_assert_int_eq(rig_publish(&rig, a, "r/2", "live", 1, 0), RC_OK);
    rig_settle(&rig);
    ck_assert(slice_equal_str(session_note_get(s, 7), "note"));
    session_detach(&s);
}
END_TEST

/* Takes the rules of a text as those of the listener "ruled". */
static void rule_anew(const char *text)
{
    struct access_config config = { .anonymous = ANONYMOUS_YES, .trusts_names = true };
    struct text errors = { 0 };

    ck_assert_int_eq(rules_read("rules", slice_str(text), &config.rules, &errors), RC_OK);
    access_set(rig.core, "ruled", &config);
    text_done(&errors);
}

START_TEST(who_published_is_asked_about_again_by_the_rules_of_now)
{
    struct text of_user = { 0 }, of_nobody = { 0 };

    rule_anew("topic write free\nuser u\ntopic write u\npattern write c/%c\n");
    rule_by_id(a, "id");
    client_source(a->client, &of_nobody);
    client_enter(b->client, "ruled", NULL);
    ck_assert_int_eq(client_login(b->client, SLICE("u"), SLICE_NONE), RC_OK);
    client_set_id(b->client, SLICE("id"));
    client_source(b->client, &of_user);
    ck_assert(source_may_publish(rig.core, text_slice(&of_nobody), SLICE("free")));
    ck_assert(!source_may_publish(rig.core, text_slice(&of_nobody), SLICE("u")));
    ck_assert(source_may_publish(rig.core, text_slice(&of_nobody), SLICE("c/id")));
    ck_assert(!source_may_publish(rig.core, text_slice(&of_nobody), SLICE("c/other")));
    ck_assert(source_may_publish(rig.core, text_slice(&of_user), SLICE("u")));
    rule_anew("user u\ntopic write else\n");
    ck_assert(!source_may_publish(rig.core, text_slice(&of_nobody), SLICE("free")));
    ck_assert(!source_may_publish(rig.core, text_slice(&of_user), SLICE("u")));
    ck_assert(source_may_publish(rig.core, text_slice(&of_user), SLICE("else")));
    ck_assert(source_may_publish(rig.core, SLICE_NONE, SLICE("u"))); /* nobody is known */
    ck_assert(!source_may_publish(rig.core, SLICE("gone\0u\0id"), SLICE("else")));
    text_done(&of_user);
    text_done(&of_nobody);
}
END_TEST

START_TEST(clean_start_forgets_and_expiry_ends)
{
    struct session *s;

    clock_set_for_test(1000000000, 5000);
    s = rig_session(&rig, b, "s", false, 2000, &present);
    rig_subscribe(s, "t", 1, 0);
    session_detach(&s);
    clock_set_for_test(2000000000, 6000);
    rig_settle(&rig);
    s = rig_session(&rig, b, "s", false, 2000, &present);
    ck_assert(present);
    session_detach(&s);
    clock_set_for_test(4500000000, 8500);
    rig_settle(&rig);
    s = rig_session(&rig, b, "s", false, 2000, &present);
    ck_assert(!present);
    session_detach(&s);
    s = rig_session(&rig, b, "s", true, 0, &present);
    ck_assert(!present);
    session_detach(&s);
}
END_TEST

START_TEST(retained_is_given_to_new_subscriptions_and_empty_removes_it)
{
    struct session *s = rig_session(&rig, b, "s", true, 0, &present);

    ck_assert_int_eq(rig_publish(&rig, a, "r/1", "old", 1, MESSAGE_RETAIN), RC_NO_ROUTE);
    ck_assert_int_eq(rig_publish(&rig, a, "r/1", "new", 1, MESSAGE_RETAIN), RC_NO_ROUTE);
    ck_assert_int_eq(rig_publish(&rig, a, "r/2", "two", 0, MESSAGE_RETAIN), RC_NO_ROUTE);
    ck_assert_int_eq(rig_publish(&rig, a, "r/2", "", 0, MESSAGE_RETAIN), RC_NO_ROUTE);
    ck_assert_uint_eq(retain_count(rig.core), 1);
    rig_subscribe(s, "r/#", 1, 3);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 1);
    ck_assert_str_eq(b->seen[0].value, "new");
    ck_assert(b->seen[0].is_retained);
    ck_assert_uint_eq(b->seen[0].first_id, 3);
    ck_assert_int_eq(rig_publish(&rig, a, "r/1", "live", 1, MESSAGE_RETAIN), RC_OK);
    ck_assert_uint_eq(b->count, 2);
    ck_assert(!b->seen[1].is_retained);
    session_detach(&s);
}
END_TEST

static struct message *will_message(void)
{
    struct message_spec spec = { .address = SLICE("will"), .value = SLICE("gone"), .qos = 1 };

    return message_new(&spec);
}

/* Ten messages for a session that is away and may be owed four. */
static struct session *overflow(enum session_overflow what, enum rc wanted)
{
    struct core_config config = CORE_CONFIG_DEFAULT;
    struct session *s;
    char value[16];

    teardown();
    config.session_max_messages = 4;
    config.session_overflow = what;
    rig_open_as(&rig, false, &config);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    open_clients();
    s = rig_session(&rig, b, "s", false, 3600000, &present);
    rig_subscribe(s, "t", 1, 0);
    session_detach(&s);
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(value, sizeof(value), "m%u", i);
        ck_assert_int_eq(rig_publish(&rig, a, "t", value, 1, 0), i < 4 ? RC_OK : wanted);
    }
    rig_settle(&rig);
    s = rig_session(&rig, b, "s", false, 3600000, &present);
    rig_settle(&rig);
    return s;
}

START_TEST(a_full_session_drops_the_oldest_or_the_newest_or_refuses)
{
    static const struct {
        enum session_overflow what;
        enum rc rc;
        const char *first;
        int dropped;
    } cases[] = { { OVERFLOW_DROP_OLDEST, RC_OK, "m6", 6 },
                  { OVERFLOW_DROP_NEWEST, RC_OK, "m0", 6 },
                  { OVERFLOW_REJECT, RC_LIMIT, "m0", 0 } };
    int64_t dropped = count_get(COUNT_CORE_DROPPED);
    struct session *s = overflow(cases[_i].what, cases[_i].rc);

    ck_assert(present);
    ck_assert_uint_eq(b->count, 4);
    ck_assert_str_eq(b->seen[0].value, cases[_i].first);
    ck_assert_int_eq(count_get(COUNT_CORE_DROPPED) - dropped, cases[_i].dropped);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(session_settle(s, b->seen[i].handle, OUTCOME_ACCEPT), RC_OK);
    ck_assert_int_eq(rig_publish(&rig, a, "t", "again", 1, 0), RC_OK);
    ck_assert_uint_eq(b->count, 5);
    session_detach(&s);
}
END_TEST

START_TEST(what_may_wait_for_a_session_is_limited_in_bytes_too)
{
    enum session_overflow whats[] = { OVERFLOW_DROP_OLDEST, OVERFLOW_DROP_NEWEST, OVERFLOW_REJECT };
    struct core_config config = CORE_CONFIG_DEFAULT;
    int64_t dropped = count_get(COUNT_CORE_DROPPED);
    char large[1001] = { 0 };
    struct session *s;

    teardown();
    memset(large, 'l', sizeof(large) - 1);
    config.session_max_bytes = 1500;
    config.session_overflow = whats[_i];
    rig_open_as(&rig, true, &config);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    open_clients();
    s = rig_session(&rig, b, "s", false, 3600000, &present);
    rig_subscribe(s, "t/#", 1, 0);
    session_detach(&s);
    ck_assert_int_eq(rig_publish(&rig, a, "t/0", "m0", 1, 0), RC_OK);
    ck_assert_int_eq(rig_publish(&rig, a, "t/1", "m1", 1, 0), RC_OK);
    ck_assert_int_eq(rig_publish(&rig, a, "t/2", large, 1, 0), RC_OK);
    rig_settle(&rig);
    ck_assert_int_eq(count_get(COUNT_CORE_OWED), 3);
    ck_assert_int_ge(count_get(COUNT_CORE_OWED_BYTES), 1000);
    restart(); /* it is known again how much that is */
    rig_settle(&rig);
    ck_assert_int_eq(count_get(COUNT_CORE_OWED), 3);
    /* with one more there is too much, whichever goes */
    large[980] = '\0';
    ck_assert_int_eq(rig_publish(&rig, a, "t/3", large, 1, 0), _i == 2 ? RC_LIMIT : RC_OK);
    ck_assert_int_eq(count_get(COUNT_CORE_DROPPED) - dropped, _i == 0 ? 3 : _i == 1 ? 1 : 0);
    ck_assert_int_eq(rig_publish(&rig, a, "t/4", "m4", 1, 0), RC_OK); /* that has room */
    s = rig_session(&rig, b, "s", false, 3600000, &present);
    rig_settle_until(&rig, &b->count, _i == 0 ? 2 : 4);
    ck_assert_uint_eq(b->count, _i == 0 ? 2 : 4);
    if (_i > 0)
        ck_assert_str_eq(b->seen[0].value, "m0");
    for (unsigned i = 0; i < b->count; i++)
        ck_assert_int_eq(session_settle(s, b->seen[i].handle, OUTCOME_ACCEPT), RC_OK);
    rig_settle(&rig);
    ck_assert_int_eq(count_get(COUNT_CORE_OWED), 0);
    ck_assert_int_eq(count_get(COUNT_CORE_OWED_BYTES), 0);
    session_detach(&s);
}
END_TEST

START_TEST(there_are_no_more_sessions_than_may_be)
{
    struct core_config config = CORE_CONFIG_DEFAULT;
    struct session_spec spec = { .id = SLICE("third"), .expiry_ms = 1000 };
    struct session *s, *t, *more;

    teardown();
    config.sessions_max = 2;
    rig_open_as(&rig, false, &config);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    open_clients();
    s = rig_session(&rig, a, "s", false, 3600000, &present);
    t = rig_session(&rig, b, "t", false, 3600000, &present);
    session_detach(&s);
    ck_assert_int_eq(session_open(a->client, &spec, &more, &present), RC_LIMIT);
    s = rig_session(&rig, a, "s", false, 3600000, &present); /* one that is there is no more */
    session_detach(&s);
    s = rig_session(&rig, a, "s", true, 0, &present); /* nor one in another's place */
    session_detach(&s);
    ck_assert_int_eq(session_open(a->client, &spec, &more, &present), RC_OK);
    session_detach(&more);
    session_detach(&t);
}
END_TEST

START_TEST(a_full_session_ends_where_that_is_the_rule)
{
    int64_t ended = count_get(COUNT_CORE_SESSIONS_OVERFLOWED);
    struct session *s = overflow(OVERFLOW_END, RC_OK);

    ck_assert(!present);
    ck_assert_uint_eq(b->count, 0);
    ck_assert_int_eq(count_get(COUNT_CORE_SESSIONS_OVERFLOWED) - ended, 1);
    session_detach(&s);
}
END_TEST

static void retain(unsigned first, unsigned count, const char *value)
{
    char address[32];

    for (unsigned i = first; i < first + count; i++) {
        (void)snprintf(address, sizeof(address), "r/%03u/x", i);
        (void)rig_publish(&rig, a, address, value, 1, MESSAGE_RETAIN);
    }
}

START_TEST(retained_messages_come_as_credit_allows_and_none_twice)
{
    struct session *s = rig_session(&rig, b, "s", false, 3600000, &present);

    retain(0, 300, "old");
    retain(500, 200, "other");
    b->credit = 100;
    rig_subscribe(s, "r/+/x", 1, 8);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 100);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(session_settle(s, b->seen[i].handle, OUTCOME_ACCEPT), RC_OK);
    ck_assert_int_eq(session_settle(s, b->seen[0].handle, OUTCOME_ACCEPT), RC_NOT_FOUND);
    retain(250, 1, ""); /* gone before its turn */
    retain(260, 1, "new");
    session_detach(&s); /* what it is still to get, it gets when it is back */
    b->credit = RIG_SEEN_MAX;
    s = rig_session(&rig, b, "s", false, 3600000, &present);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 500);
    ck_assert_str_eq(b->seen[0].address, "r/000/x");
    ck_assert_uint_eq(b->seen[0].first_id, 8);
    ck_assert(b->seen[497].is_retained);
    ck_assert_str_eq(b->seen[497].address, "r/699/x");
    ck_assert_str_eq(b->seen[498].value, ""); /* these came while it waited, and go behind */
    ck_assert_str_eq(b->seen[499].value, "new");
    ck_assert(!b->seen[499].is_retained);
    rig_subscribe(s, "r/+/x", 1, 0);
    ck_assert_int_eq(session_unsubscribe(s, SLICE("r/+/x")), RC_OK);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 500);
    session_detach(&s);
}
END_TEST

START_TEST(retained_messages_have_limits)
{
    struct core_config config = CORE_CONFIG_DEFAULT;

    teardown();
    config.retained_max = 3;
    config.retained_max_bytes = 100;
    config.retained_expiry_ms = 5000;
    rig_open_as(&rig, false, &config);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    open_clients();
    clock_set_for_test(1000000, 1000);
    retain(0, 3, "x");
    ck_assert_int_eq(rig_publish(&rig, a, "r/9", "x", 1, MESSAGE_RETAIN), RC_LIMIT);
    ck_assert_int_eq(rig_publish(&rig, a, "r/9", "x", 1, 0), RC_NO_ROUTE);
    ck_assert_uint_eq(retain_count(rig.core), 3);
    retain(0, 3, "y"); /* one that is there may be replaced, */
    ck_assert_int_eq(rig_publish(&rig, a, "r/001/x",
                                 "but not by what takes more than one hundred bytes with the rest"
                                 " of them, as this here does with its text",
                                 1, MESSAGE_RETAIN),
                     RC_LIMIT);
    retain(1, 1, ""); /* or taken away */
    ck_assert_int_eq(rig_publish(&rig, a, "r/9", "x", 1, MESSAGE_RETAIN), RC_NO_ROUTE);
    clock_set_for_test(7000000000, 7000);
    rig_settle(&rig);
    ck_assert_uint_eq(retain_count(rig.core), 0);
    ck_assert_int_eq(count_get(COUNT_CORE_RETAINED_BYTES), 0);
}
END_TEST

START_TEST(will_is_published_after_its_delay_or_not_at_all)
{
    struct session *watcher = rig_session(&rig, b, "w", true, 0, &present);
    struct session *s = rig_session(&rig, a, "s", false, 60000, &present);
    struct message *will = will_message();

    clock_set_for_test(1000000000, 5000);
    rig_subscribe(watcher, "will", 1, 0);
    session_will_set(s, &will, 1000);
    session_detach(&s);
    clock_set_for_test(1500000000, 5500);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 0);
    s = rig_session(&rig, a, "s", false, 60000, &present);
    clock_set_for_test(3000000000, 7000);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 0);
    will = will_message();
    session_will_set(s, &will, 0);
    session_detach(&s);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 1);
    ck_assert_str_eq(b->seen[0].value, "gone");
    session_detach(&watcher);
}
END_TEST

START_TEST(mqtt_publish_enters_the_queue_of_its_stream_and_bound_queues)
{
    struct queue *own = rig_queue(&rig, a, "orders", true);
    struct queue *bound = rig_queue(&rig, a, "copy", true);

    rig_bind(&rig, a, "amq.topic", "copy", "orders.#");
    ck_assert_int_eq(rig_publish(&rig, a, "orders/eu/new", "x", 1, 0), RC_OK);
    rig_settle(&rig);
    ck_assert_uint_eq(queue_ready_count(own), 1);
    ck_assert_uint_eq(queue_ready_count(bound), 1);
    rig_get(b, bound, true);
    rig_settle(&rig);
    ck_assert_str_eq(b->seen[0].address, "orders/eu/new");
}
END_TEST

/* ---- verbatim batches ---- */

static struct block *batch_of(unsigned count, int64_t producer, int32_t sequence)
{
    struct batch_builder builder;
    struct block *block = NULL;
    char value[16];

    batch_builder_init(&builder, 0, 0);
    batch_builder_set_producer(&builder, producer, 0, sequence, 0);
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(value, sizeof(value), "k%u", i);
        ck_assert_int_eq(batch_builder_add(&builder, 1000 + (int64_t)i, SLICE("key"),
                                           slice_str(value), 0, SLICE("")),
                         RC_OK);
    }
    batch_builder_seal(&builder, 0, &block);
    batch_builder_done(&builder);
    return block;
}

static struct stream *stream_named(const char *name)
{
    struct stream_spec spec = { .name = slice_str(name), .partition_count = 1 };
    struct stream *stream = NULL;

    ck_assert_int_eq(stream_create(rig.core, a->client, &spec, &stream), RC_OK);
    return stream;
}

static enum rc append(struct stream *stream, struct block *block, struct append_result *result)
{
    return partition_append(stream_partition(stream, 0), a->client, block_slice(block),
                            DURABILITY_ALWAYS, result);
}

START_TEST(batches_reach_queue_session_and_reader_alike)
{
    struct queue *q = rig_queue(&rig, a, "k", true);
    struct session *s = rig_session(&rig, b, "s", true, 0, &present);
    struct partition *p = stream_partition(queue_stream(q), 0);
    struct block *block = batch_of(3, -1, -1);
    struct append_result result;
    struct log_pieces pieces;

    rig_subscribe(s, "k/key", 1, 0);
    ck_assert_int_eq(append(queue_stream(q), block, &result), RC_OK);
    ck_assert_uint_eq(b->count, 3);
    ck_assert_str_eq(b->seen[2].value, "k2");
    ck_assert_str_eq(b->seen[2].address, "k/key");
    ck_assert_uint_eq(partition_durable_end(p), 0);
    ck_assert_int_eq(partition_read_cached(p, 0, 1000, &pieces), RC_OK);
    ck_assert_uint_eq(pieces.count, 0);
    rig_settle(&rig);
    ck_assert_uint_eq(partition_durable_end(p), 3);
    ck_assert_int_eq(partition_read_cached(p, 0, 1000, &pieces), RC_OK);
    ck_assert_uint_eq(pieces.count, 1);
    ck_assert_uint_eq(pieces.bytes, block->len);
    log_pieces_done(&pieces);
    ck_assert_uint_eq(queue_ready_count(q), 3);
    rig_get(b, q, true);
    rig_settle(&rig);
    ck_assert_str_eq(b->seen[3].value, "k0");
    block_unref(&block);
    session_detach(&s);
}
END_TEST

START_TEST(producer_sequences_are_checked)
{
    struct stream *stream = stream_named("p");
    struct block *first = batch_of(2, 5, 0), *next = batch_of(1, 5, 2), *gap = batch_of(1, 5, 9);
    struct append_result result;

    ck_assert_int_eq(append(stream, first, &result), RC_OK);
    ck_assert_int_eq(append(stream, first, &result), RC_DUPLICATE);
    ck_assert_uint_eq(result.base_offset, 0);
    ck_assert_int_eq(append(stream, gap, &result), RC_SEQUENCE);
    ck_assert_int_eq(append(stream, next, &result), RC_OK);
    ck_assert_uint_eq(result.base_offset, 2);
    block_unref(&first);
    block_unref(&next);
    block_unref(&gap);
}
END_TEST

static uint64_t found_offset;
static enum rc found_rc;

static void on_found(void *arg, enum rc rc, uint64_t offset, int64_t timestamp_ms)
{
    (void)arg;
    (void)timestamp_ms;
    found_rc = rc;
    found_offset = offset;
}

START_TEST(time_search_finds_the_record_not_the_batch)
{
    struct stream *stream = stream_named("p");
    struct block *block = batch_of(5, -1, -1);
    struct append_result result;

    ck_assert_int_eq(append(stream, block, &result), RC_OK);
    rig_settle(&rig);
    ck_assert_ptr_null(partition_find_time(stream_partition(stream, 0), 1003, on_found, NULL));
    ck_assert_int_eq(found_rc, RC_OK);
    ck_assert_uint_eq(found_offset, 3);
    ck_assert_ptr_null(partition_find_time(stream_partition(stream, 0), 9999, on_found, NULL));
    ck_assert_int_eq(found_rc, RC_NOT_FOUND);
    block_unref(&block);
}
END_TEST

/* ---- restarts ---- */

START_TEST(session_subscriptions_and_what_it_is_owed_survive_a_restart)
{
    struct session *s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);
    char value[16];

    rig_subscribe(s, "t/#", 1, 4);
    session_note_put(s, 17, SLICE("pubrec"));
    session_note_put(s, 3, SLICE("three"));
    session_note_delete(s, 3);
    b->credit = 1;
    for (unsigned i = 0; i < 700; i++) {
        (void)snprintf(value, sizeof(value), "m%u", i);
        ck_assert_int_eq(rig_publish(&rig, a, "t/x", value, 1, 0), RC_OK);
        rig_settle(&rig);
    }
    session_detach(&s);
    restart();
    ck_assert_int_eq(rig_publish(&rig, a, "t/y", "late", 1, 0), RC_OK);
    s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);
    ck_assert(present);
    ck_assert(slice_equal_str(session_note_get(s, 17), "pubrec"));
    ck_assert(slice_is_none(session_note_get(s, 3)));
    rig_settle_until(&rig, &b->count, 701);
    ck_assert_uint_eq(b->count, 701);
    ck_assert_str_eq(b->seen[0].value, "m0");
    ck_assert(b->seen[0].is_redelivered);
    ck_assert(!b->seen[1].is_redelivered);
    ck_assert_str_eq(b->seen[699].value, "m699");
    ck_assert_str_eq(b->seen[700].value, "late");
    ck_assert_uint_eq(b->seen[700].first_id, 4);
    for (unsigned i = 0; i < 701; i++)
        ck_assert_int_eq(session_settle(s, b->seen[i].handle, OUTCOME_ACCEPT), RC_OK);
    rig_settle(&rig);
    session_detach(&s);
    restart();
    s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 0);
    session_detach(&s);
}
END_TEST

static void publish_to_s(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        ck_assert_int_eq(rig_publish(&rig, a, "t/x", "m", 1, 0), RC_OK);
    rig_settle(&rig);
}

START_TEST(after_a_crash_what_was_owed_counts_as_sent_for_good)
{
    struct session *s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);

    rig_subscribe(s, "t/#", 1, 0);
    session_detach(&s);
    publish_to_s(0, 2);
    restart_by(rig_reopen_after_crash);
    publish_to_s(2, 3);
    restart();
    s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);
    rig_settle_until(&rig, &b->count, 3);
    ck_assert(b->seen[0].is_redelivered);
    ck_assert(b->seen[1].is_redelivered);
    ck_assert(!b->seen[2].is_redelivered);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(session_settle(s, b->seen[i].handle, OUTCOME_ACCEPT), RC_OK);
    rig_settle(&rig);
    session_detach(&s);
    restart();
    publish_to_s(3, 4);
    s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);
    rig_settle_until(&rig, &b->count, 1);
    ck_assert(!b->seen[0].is_redelivered);
    session_detach(&s);
}
END_TEST

START_TEST(retained_positions_and_producers_survive_a_restart)
{
    struct block *first = batch_of(2, 5, 0);
    struct append_result result;
    struct position position = { 42, -1, 1234, SLICE("meta") };
    uint64_t before = producer_new_id(rig.core);

    ck_assert_int_eq(rig_publish(&rig, a, "r/1", "kept", 1, MESSAGE_RETAIN), RC_NO_ROUTE);
    ck_assert_int_eq(position_set(rig.core, SLICE("g"), SLICE("s"), 3, &position), RC_OK);
    ck_assert_int_eq(append(stream_named("p"), first, &result), RC_OK);
    rig_settle(&rig);
    restart();
    ck_assert_ptr_nonnull(retain_get(rig.core, SLICE("r/1")));
    ck_assert_int_eq(position_get(rig.core, SLICE("g"), SLICE("s"), 3, &position), RC_OK);
    ck_assert_uint_eq(position.offset, 42);
    ck_assert(slice_equal_str(position.metadata, "meta"));
    ck_assert_int_eq(append(stream_find(rig.core, SLICE("p")), first, &result), RC_DUPLICATE);
    ck_assert_uint_gt(producer_new_id(rig.core), before);
    block_unref(&first);
}
END_TEST

/* What it is owed as it lay in the catalogue before it was packed: in place of the new record. */
static void record_as_before(const struct session *session, uint64_t log)
{
    static const uint8_t offsets[] = { 0, 2 };
    uint8_t key[17] = { 0 };
    struct text value = { 0 };

    put_u64(key, session->number);
    key[16] = 1;
    (void)meta_delete(rig.store, META_REFERENCES, slice_of(key, 17), DURABILITY_ALWAYS);
    for (size_t i = 0; i < sizeof(offsets); i++) {
        text_add_byte(&value, offsets[i]); /* its place in the chunk */
        text_add_u32(&value, (uint32_t)log);
        text_add_u64(&value, offsets[i]);
        text_add_byte(&value, 1);
        text_add_byte(&value, 0);
    }
    (void)meta_put(rig.store, META_REFERENCES, slice_of(key, 16), text_slice(&value),
                   DURABILITY_ALWAYS);
    store_submit(rig.store);
    ck_assert_int_eq(store_flush(rig.store), RC_OK);
    text_done(&value);
}

START_TEST(references_recorded_before_they_were_packed_are_read_and_replaced)
{
    struct session *s = rig_session(&rig, b, "s", true, SESSION_NEVER_EXPIRES, &present);
    uint32_t log;

    rig_subscribe(s, "t/#", 1, 0);
    b->credit = 0;
    publish_to_s(0, 3);
    rig_settle(&rig);
    log = stream_partition(stream_find(rig.core, SLICE("t")), 0)->log;
    record_as_before(s, log);
    session_detach(&s);
    restart();
    s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);
    rig_settle_until(&rig, &b->count, 2);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(session_settle(s, b->seen[i].handle, OUTCOME_ACCEPT), RC_OK);
    rig_settle(&rig);
    session_detach(&s);
    restart();
    s = rig_session(&rig, b, "s", false, SESSION_NEVER_EXPIRES, &present);
    rig_settle(&rig);
    ck_assert_uint_eq(session_owed_count(s), 0);
    session_detach(&s);
}
END_TEST

static void add_tests(TCase *plain, TCase *durable)
{
    tcase_add_test(plain, live_messages_reach_matching_sessions_at_the_lower_qos);
    tcase_add_test(plain, overlapping_subscriptions_give_one_delivery_with_all_identifiers);
    tcase_add_test(plain, without_credit_messages_wait_as_references_in_order);
    tcase_add_test(plain, persistent_session_is_owed_what_came_while_it_was_away);
    tcase_add_test(plain, unsettled_is_sent_again_after_a_new_connection);
    tcase_add_test(plain, a_second_client_takes_the_session_over);
    tcase_add_test(plain, a_client_keeps_its_id_when_its_session_goes_to_another);
    tcase_add_test(plain, an_idle_client_with_its_session_takes_few_bytes);
    tcase_add_test(plain, what_a_session_needed_once_goes_when_it_rests);
    tcase_add_test(plain, who_published_is_asked_about_again_by_the_rules_of_now);
    tcase_add_test(plain, clean_start_forgets_and_expiry_ends);
    tcase_add_test(plain, retained_is_given_to_new_subscriptions_and_empty_removes_it);
    tcase_add_test(plain, retained_messages_come_as_credit_allows_and_none_twice);
    tcase_add_test(plain, retained_messages_have_limits);
    tcase_add_loop_test(plain, a_full_session_drops_the_oldest_or_the_newest_or_refuses, 0, 3);
    tcase_add_test(plain, a_full_session_ends_where_that_is_the_rule);
    tcase_add_loop_test(plain, what_may_wait_for_a_session_is_limited_in_bytes_too, 0, 3);
    tcase_add_test(plain, there_are_no_more_sessions_than_may_be);
    tcase_add_test(plain, will_is_published_after_its_delay_or_not_at_all);
    tcase_add_test(plain, mqtt_publish_enters_the_queue_of_its_stream_and_bound_queues);
    tcase_add_test(plain, batches_reach_queue_session_and_reader_alike);
    tcase_add_test(plain, producer_sequences_are_checked);
    tcase_add_test(plain, time_search_finds_the_record_not_the_batch);
    tcase_add_test(durable, session_subscriptions_and_what_it_is_owed_survive_a_restart);
    tcase_add_test(durable, after_a_crash_what_was_owed_counts_as_sent_for_good);
    tcase_add_test(durable, references_recorded_before_they_were_packed_are_read_and_replaced);
    tcase_add_test(durable, retained_positions_and_producers_survive_a_restart);
}

int main(void)
{
    Suite *suite = suite_create("core sessions and streams");
    TCase *plain = tcase_create("memory");
    TCase *durable = tcase_create("durable");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(plain, setup, teardown);
    tcase_add_checked_fixture(durable, setup_durable, teardown);
    tcase_set_timeout(durable, 60);
    add_tests(plain, durable);
    suite_add_tcase(suite, plain);
    suite_add_tcase(suite, durable);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
