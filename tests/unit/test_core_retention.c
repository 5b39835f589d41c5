/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "broker/core/owed.h"
#include "broker/core/policy.h"
#include "broker/core/retain.h"
#include "broker/core/session_int.h"
#include "broker/core/stream_int.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

#define START_NS  UINT64_C(1000000000000)
#define START_MS  INT64_C(1700000000000)
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

static struct rig rig;
static struct rig_client *a, *b;
static bool present;
static int64_t passed_ms;
static int64_t wrong_ms; /* how far the wall clock is ahead */

static void open_clients(void)
{
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
}

static void setup_as(bool is_durable, const struct core_config *config)
{
    passed_ms = wrong_ms = 0;
    clock_set_for_test(START_NS, START_MS);
    rig_open_as(&rig, is_durable, config);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    open_clients();
}

static void setup(void)
{
    const struct core_config config = CORE_CONFIG_DEFAULT;

    setup_as(false, &config);
}

static void setup_durable(void)
{
    const struct core_config config = CORE_CONFIG_DEFAULT;

    setup_as(true, &config);
}

static void teardown(void)
{
    rig_client_close(a);
    rig_client_close(b);
    rig_close(&rig);
    clock_unset_for_test();
    MEM_FREE(a);
    MEM_FREE(b);
}

static void restart(void)
{
    rig_client_close(a);
    rig_client_close(b);
    rig_reopen(&rig);
    open_clients();
}

/* Lets time pass in steps, as a loop would that is called at its deadlines. */
static void pass(int64_t ms)
{
    int64_t until_ms = passed_ms + ms;

    while (passed_ms < until_ms) {
        int64_t step_ms = ms / 64 > 1000 ? ms / 64 : 1000;

        passed_ms = until_ms - passed_ms < step_ms ? until_ms : passed_ms + step_ms;
        clock_set_for_test(START_NS + (uint64_t)passed_ms * 1000000,
                           START_MS + passed_ms + wrong_ms);
        core_turn_end(rig.core); /* the turn's wall clock is read anew */
        rig_settle(&rig);
    }
}

static struct partition *partition(const char *name)
{
    struct stream *stream = stream_find(rig.core, slice_str(name));

    ck_assert_ptr_nonnull(stream);
    return stream_partition(stream, 0);
}

static uint64_t held(const char *name)
{
    return partition_end(partition(name)) - partition_start(partition(name));
}

static void publish(const char *address, unsigned count)
{
    static char body[1001];

    memset(body, 'x', 1000);
    for (unsigned i = 0; i < count; i++) {
        enum rc rc = rig_publish(&rig, a, address, body, 1, MESSAGE_PERSISTENT);

        ck_assert(rc == RC_OK || rc == RC_NO_ROUTE);
        if (i % 64 == 63)
            rig_settle(&rig);
    }
    rig_settle(&rig);
}

static void set_policy(const char *name, int64_t retention_ms, int64_t retention_bytes)
{
    const struct stream_policy policy = { retention_ms, retention_bytes, POLICY_OPEN };

    stream_set_policy(stream_find(rig.core, slice_str(name)), &policy);
    rig_settle(&rig);
}

START_TEST(records_go_when_their_time_is_over_and_not_before)
{
    publish("s", 10);
    pass(3 * DAY_MS);
    publish("s", 5);
    pass(3 * DAY_MS + 23 * HOUR_MS);
    ck_assert_uint_eq(held("s"), 15);
    pass(2 * HOUR_MS);
    ck_assert_uint_eq(held("s"), 5);
    pass(3 * DAY_MS + 2 * HOUR_MS);
    ck_assert_uint_eq(held("s"), 0);
    publish("s", 1);
    pass(7 * DAY_MS + 2 * HOUR_MS);
    ck_assert_uint_eq(held("s"), 0);
}
END_TEST

START_TEST(a_stream_keeps_records_by_its_own_time)
{
    publish("s", 10);
    set_policy("s", MINUTE_MS, POLICY_OPEN);
    pass(MINUTE_MS / 2);
    ck_assert_uint_eq(held("s"), 10);
    pass(MINUTE_MS);
    ck_assert_uint_eq(held("s"), 0);
    set_policy("s", POLICY_UNLIMITED, POLICY_OPEN);
    publish("s", 10);
    pass(400 * DAY_MS);
    ck_assert_uint_eq(held("s"), 10);
}
END_TEST

START_TEST(a_stream_outgrows_its_bytes_by_a_part_only)
{
    publish("s", 1);
    set_policy("s", POLICY_UNLIMITED, 100000);
    publish("s", 2000);
    ck_assert_uint_le(partition_bytes(partition("s")), 100000 + 100000 / 8 + 64 * 1100);
    ck_assert_uint_ge(held("s"), 50);
}
END_TEST

/* Small ones behind large ones, and the other way round: it is their bytes that count. */
START_TEST(what_is_within_the_byte_limit_stays_whatever_lies_before_it)
{
    static char body[100001];
    const bool is_large_first = _i % 2 == 0;

    if (_i / 2 == 1) {
        const struct core_config config = CORE_CONFIG_DEFAULT;

        teardown();
        setup_as(true, &config);
    }
    memset(body, 'x', 100000);
    for (unsigned i = 0; i < 20 && is_large_first; i++)
        ck_assert_int_ge(rig_publish(&rig, a, "s", body, 1, MESSAGE_PERSISTENT), RC_OK);
    rig_settle(&rig);
    publish("s", 1000);
    for (unsigned i = 0; i < 20 && !is_large_first; i++)
        ck_assert_int_ge(rig_publish(&rig, a, "s", body, 1, MESSAGE_PERSISTENT), RC_OK);
    rig_settle(&rig);
    set_policy("s", POLICY_UNLIMITED, 1000000);
    pass(MINUTE_MS);
    ck_assert_uint_ge(partition_bytes(partition("s")), 1000000);
    ck_assert_uint_le(partition_bytes(partition("s")), 1000000 + 110000);
}
END_TEST

START_TEST(a_smaller_limit_takes_effect_at_once)
{
    publish("s", 1000);
    ck_assert_uint_eq(held("s"), 1000);
    set_policy("s", POLICY_OPEN, 200000);
    rig_settle(&rig);
    ck_assert_uint_le(held("s"), 260);
    ck_assert_uint_ge(held("s"), 100);
}
END_TEST

START_TEST(what_an_absent_session_is_owed_stays_over_restarts_until_it_took_it)
{
    struct session *s = rig_session(&rig, b, "away", true, UINT32_MAX, &present);

    rig_subscribe(s, "s", 1, 0);
    session_detach(&s);
    publish("s", 300);
    publish("s", 10);
    pass(9 * DAY_MS);
    ck_assert_uint_eq(held("s"), 310);
    restart();
    pass(DAY_MS);
    ck_assert_uint_eq(held("s"), 310);
    set_policy("s", 1, 1000); /* however little is to be kept */
    pass(MINUTE_MS);
    ck_assert_uint_eq(held("s"), 310);
    s = rig_session(&rig, b, "away", false, UINT32_MAX, &present);
    ck_assert(present);
    session_ready(s);
    rig_settle_until(&rig, &b->count, 310);
    ck_assert_uint_eq(held("s"), 310);
    for (unsigned i = 0; i < b->count; i++)
        ck_assert_int_eq(session_settle(s, b->seen[i].handle, OUTCOME_ACCEPT), RC_OK);
    pass(MINUTE_MS);
    ck_assert_uint_eq(held("s"), 0);
    session_detach(&s);
}
END_TEST

START_TEST(a_session_that_ends_lets_go_of_what_it_was_owed)
{
    struct session *s = rig_session(&rig, b, "away", true, 1000, &present);

    rig_subscribe(s, "s", 1, 0);
    session_detach(&s);
    publish("s", 10);
    set_policy("s", 2000, POLICY_OPEN);
    pass(MINUTE_MS);
    ck_assert_uint_eq(held("s"), 0);
}
END_TEST

START_TEST(what_a_queue_did_not_settle_stays_over_restarts_and_the_rest_goes_in_time)
{
    struct queue *queue = rig_queue(&rig, a, "q", true);

    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "x"), RC_OK);
    rig_settle(&rig);
    for (unsigned i = 0; i < 12; i++)
        rig_get(b, queue, true);
    rig_settle(&rig);
    pass(8 * MINUTE_MS);
    ck_assert_uint_eq(held("q"), 20); /* readable for ten minutes more */
    restart();
    pass(8 * DAY_MS);
    ck_assert_uint_eq(held("q"), 8);
    ck_assert_uint_eq(queue_ready_count(queue_find(rig.core, SLICE("q"))), 8);
    set_policy("q", 1, 1);
    pass(MINUTE_MS);
    ck_assert_uint_eq(held("q"), 8);
}
END_TEST

static void settle(unsigned seen, struct queue *queue)
{
    ck_assert_int_eq(
        queue_settle(b->client, queue_number(queue), b->seen[seen].handle, OUTCOME_ACCEPT), RC_OK);
    rig_settle(&rig);
}

/* Who looks for more passes what was settled before the restart: that is to be kept as well. */
START_TEST(what_was_settled_out_of_order_stays_so_over_restarts)
{
    struct queue *queue = rig_queue(&rig, a, "q", true);

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "x"), RC_OK);
    rig_settle(&rig);
    for (unsigned i = 0; i < 3; i++)
        rig_get(b, queue, false);
    rig_settle(&rig);
    settle(1, queue);
    settle(2, queue);
    restart();
    queue = queue_find(rig.core, SLICE("q"));
    ck_assert_uint_eq(queue_ready_count(queue), 1);
    rig_get(b, queue, false);
    rig_settle_until(&rig, &b->count, 1);
    settle(0, queue);
    rig_get(b, queue, false); /* there is none */
    rig_settle(&rig);
    restart();
    ck_assert_uint_eq(queue_ready_count(queue_find(rig.core, SLICE("q"))), 0);
}
END_TEST

START_TEST(a_long_log_is_let_go_in_steps)
{
    uint64_t before;

    publish("s", 1);
    stream_set_policy(stream_find(rig.core, SLICE("s")),
                      &(struct stream_policy){ POLICY_UNLIMITED, POLICY_OPEN, POLICY_OPEN });
    for (unsigned i = 0; i < 60000; i++) {
        (void)rig_publish(&rig, a, "s", "v", 1, MESSAGE_PERSISTENT);
        if (i % 1000 == 0)
            rig_settle(&rig);
    }
    rig_settle(&rig);
    set_policy("s", 1, POLICY_OPEN);
    passed_ms += 1000;
    for (unsigned steps = 0; held("s") > 0; steps++) {
        before = held("s");
        passed_ms += 2;
        clock_set_for_test(START_NS + (uint64_t)passed_ms * 1000000, START_MS + passed_ms);
        core_turn_end(rig.core);
        core_poll(rig.core);
        core_turn_end(rig.core);
        ck_assert_uint_le(before - held("s"), 16384);
        ck_assert_uint_lt(steps, 10);
    }
}
END_TEST

/* Runs of pseudo-random numbers, the same each time. */
static unsigned rolled(uint64_t *state, unsigned below)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)((*state >> 33) % below);
}

static void check_pins(void)
{
    for (struct stream *s = stream_next(rig.core, NULL); s != NULL; s = stream_next(rig.core, s)) {
        struct partition *p = stream_partition(s, 0);
        uint64_t asked = references_floor(rig.core, p->log), counted = partition_owed_floor(p);

        if (asked == UINT64_MAX)
            ck_assert_uint_eq(counted, UINT64_MAX);
        else
            ck_assert_uint_eq(counted, asked / OWED_RUN * OWED_RUN);
    }
}

START_TEST(what_is_counted_as_owed_is_what_the_sessions_say)
{
    static const char *const names[] = { "one", "two", "three" };
    struct session *sessions[3] = { NULL };
    uint64_t state = 7;
    char value[8];

    for (unsigned step = 0; step < 1500; step++) {
        unsigned who = rolled(&state, 3);

        switch (rolled(&state, 8)) {
        case 0:
            if (sessions[who] == NULL) {
                sessions[who] = rig_session(&rig, b, names[who], rolled(&state, 6) == 0,
                                            rolled(&state, 4) == 0 ? 0 : UINT32_MAX, &present);
                rig_subscribe(sessions[who], who == 0 ? "#" : "a/#", 1 + who % 2, 0);
                session_ready(sessions[who]);
            }
            break;
        case 1:
            if (sessions[who] != NULL)
                session_detach(&sessions[who]);
            break;
        case 2:
            b->credit = rolled(&state, 50);
            break;
        case 3:
            for (unsigned i = 0; i < b->count && sessions[who] != NULL; i++) {
                enum rc rc = session_settle(sessions[who], b->seen[i].handle, OUTCOME_ACCEPT);

                ck_assert(rc == RC_OK || rc == RC_NOT_FOUND); /* it may be another one's */
            }
            b->count = 0;
            break;
        default:
            (void)snprintf(value, sizeof(value), "%u", step % 1000);
            for (unsigned i = rolled(&state, 40); i > 0; i--)
                (void)rig_publish(&rig, a, rolled(&state, 2) == 0 ? "a/x" : "b", value,
                                  rolled(&state, 3), MESSAGE_PERSISTENT);
        }
        rig_settle(&rig);
        check_pins();
        if (step % 250 != 249)
            continue;
        for (unsigned i = 0; i < 3; i++)
            if (sessions[i] != NULL)
                session_detach(&sessions[i]);
        restart();
        check_pins();
    }
    for (unsigned i = 0; i < 3; i++)
        if (sessions[i] != NULL)
            session_detach(&sessions[i]);
}
END_TEST

START_TEST(what_is_taken_and_not_settled_stays)
{
    struct queue *queue = rig_queue(&rig, a, "q", true);

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "x"), RC_OK);
    rig_settle(&rig);
    rig_get(b, queue, false);
    rig_get(b, queue, true);
    pass(HOUR_MS);
    ck_assert_uint_eq(held("q"), 3);
    ck_assert_int_eq(
        queue_settle(b->client, queue_number(queue), b->seen[0].handle, OUTCOME_ACCEPT), RC_OK);
    pass(HOUR_MS);
    ck_assert_uint_eq(held("q"), 1);
}
END_TEST

START_TEST(what_a_queue_has_consumed_is_bounded_in_bytes)
{
    struct core_config config = CORE_CONFIG_DEFAULT;
    static char body[100001];
    struct queue *queue;

    teardown();
    config.consumed_retention_bytes = 1000000;
    setup_as(false, &config);
    queue = rig_queue(&rig, a, "q", true);
    memset(body, 'x', 100000);
    for (unsigned i = 0; i < 60; i++)
        ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", body), RC_OK);
    rig_settle(&rig);
    for (unsigned i = 0; i < 40; i++)
        rig_get(b, queue, true);
    pass(MINUTE_MS);
    ck_assert_uint_ge(held("q"), 20 + 8);
    ck_assert_uint_le(held("q"), 20 + 11);
    ck_assert_uint_eq(queue_ready_count(queue), 20);
}
END_TEST

START_TEST(what_a_queue_has_consumed_goes_in_time_when_the_clock_is_set_back)
{
    struct queue *queue = rig_queue(&rig, a, "q", true);

    wrong_ms = 100 * DAY_MS;
    pass(MINUTE_MS);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "x"), RC_OK);
    rig_settle(&rig);
    for (unsigned i = 0; i < 20; i++)
        rig_get(b, queue, true);
    rig_settle(&rig);
    pass(MINUTE_MS);
    wrong_ms = 0;
    pass(8 * MINUTE_MS);
    ck_assert_uint_eq(held("q"), 20);
    pass(MINUTE_MS * 3);
    ck_assert_uint_eq(held("q"), 0);
}
END_TEST

START_TEST(a_purge_moves_the_start_at_once)
{
    struct queue *queue = rig_queue(&rig, a, "q", true);
    uint64_t purged;

    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "x"), RC_OK);
    rig_settle(&rig);
    rig_get(b, queue, false);
    rig_settle(&rig);
    ck_assert_int_eq(queue_purge(a->client, queue, &purged), RC_OK);
    ck_assert_uint_eq(purged, 19);
    rig_settle(&rig);
    ck_assert_uint_eq(held("q"), 20); /* the first is taken */
    ck_assert_int_eq(
        queue_settle(b->client, queue_number(queue), b->seen[0].handle, OUTCOME_ACCEPT), RC_OK);
    pass(MINUTE_MS);
    ck_assert_uint_eq(held("q"), 0);
    ck_assert_uint_eq(partition_start(partition("q")), 20);
}
END_TEST

START_TEST(nobody_deletes_what_a_session_is_owed)
{
    struct session *s = rig_session(&rig, b, "away", true, UINT32_MAX, &present);

    rig_subscribe(s, "s/two", 1, 0);
    session_detach(&s);
    publish("s/one", 5);
    publish("s/two", 1);
    publish("s/one", 5);
    ck_assert_int_eq(partition_trim(partition("s"), a->client, 6), RC_IN_USE);
    ck_assert_int_eq(partition_trim(partition("s"), a->client, 5), RC_OK);
    ck_assert_uint_eq(held("s"), 6);
    s = rig_session(&rig, b, "away", true, 0, &present);
    session_detach(&s);
    ck_assert_int_eq(partition_trim(partition("s"), a->client, 12), RC_RANGE);
    ck_assert_int_eq(partition_trim(partition("s"), a->client, 11), RC_OK);
    ck_assert_uint_eq(held("s"), 0);
}
END_TEST

START_TEST(qos_0_that_waits_for_a_slow_client_is_not_owed)
{
    struct session *s = rig_session(&rig, b, "slow", true, 0, &present);

    rig_subscribe(s, "s", 0, 0);
    b->credit = 0;
    publish("s", 10);
    ck_assert_int_eq(partition_trim(partition("s"), a->client, 10), RC_OK);
    session_detach(&s);
}
END_TEST

START_TEST(more_logs_than_one_turn_looks_at_are_all_looked_at)
{
    char name[16];

    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(name, sizeof(name), "s%u", i);
        publish(name, 1);
    }
    pass(7 * DAY_MS - HOUR_MS);
    for (unsigned i = 0; i < 4; i++)
        pass(HOUR_MS);
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(name, sizeof(name), "s%u", i);
        ck_assert_uint_eq(held(name), 0);
    }
}
END_TEST

START_TEST(nothing_is_due_when_nothing_can_expire)
{
    struct core_config config = CORE_CONFIG_DEFAULT;

    teardown();
    config.retention_ms = 0;
    setup_as(false, &config);
    publish("s", 10);
    ck_assert_uint_eq(core_next_deadline_ns(rig.core), UINT64_MAX);
}
END_TEST

START_TEST(a_policy_outlives_a_restart)
{
    const struct stream_policy wanted = { 5, 7000, DURABILITY_INTERVAL };
    const struct stream_policy *got;

    publish("s", 1);
    publish("t", 1);
    stream_set_config(stream_find(rig.core, SLICE("s")), SLICE("kept=too\n"));
    stream_set_policy(stream_find(rig.core, SLICE("s")), &wanted);
    restart();
    got = stream_policy(stream_find(rig.core, SLICE("s")));
    ck_assert_int_eq(got->retention_ms, 5);
    ck_assert_int_eq(got->retention_bytes, 7000);
    ck_assert_int_eq(got->durability, DURABILITY_INTERVAL);
    ck_assert(slice_equal(stream_config(stream_find(rig.core, SLICE("s"))), SLICE("kept=too\n")));
    ck_assert(policy_is_open(stream_policy(stream_find(rig.core, SLICE("t")))));
}
END_TEST

START_TEST(the_first_rule_that_matches_says_what_the_stream_leaves_open)
{
    static const struct policy_rule rules[] = {
        { { (const uint8_t *)"logs", 4 }, { 1000, POLICY_OPEN, POLICY_OPEN } },
        { { (const uint8_t *)"lo*", 3 }, { 2000, 3000, DURABILITY_MEMORY } },
        { { (const uint8_t *)"*", 1 }, { POLICY_OPEN, 9, POLICY_OPEN } },
    };
    struct core_config config = CORE_CONFIG_DEFAULT;
    const struct stream_policy *got;

    teardown();
    config.rules = rules;
    config.rule_count = 3;
    setup_as(false, &config);
    publish("logs", 1);
    publish("lo", 1);
    publish("other", 1);
    got = stream_effective_policy(stream_find(rig.core, SLICE("logs")));
    ck_assert_int_eq(got->retention_ms, 1000);
    ck_assert_int_eq(got->retention_bytes, 1 << 30);
    ck_assert_int_eq(got->durability, DURABILITY_ALWAYS);
    set_policy("lo", POLICY_UNLIMITED, POLICY_OPEN);
    got = stream_effective_policy(stream_find(rig.core, SLICE("lo")));
    ck_assert_int_eq(got->retention_ms, POLICY_UNLIMITED);
    ck_assert_int_eq(got->retention_bytes, 3000);
    ck_assert_int_eq(got->durability, DURABILITY_MEMORY);
    got = stream_effective_policy(stream_find(rig.core, SLICE("other")));
    ck_assert_int_eq(got->retention_ms, 7 * DAY_MS);
    ck_assert_int_eq(got->retention_bytes, 9);
}
END_TEST

START_TEST(a_retained_message_goes_when_it_expires)
{
    struct message_spec spec = { .address = SLICE("r"),
                                 .value = SLICE("v"),
                                 .timestamp_ms = START_MS,
                                 .expires_at_ms = START_MS + MINUTE_MS,
                                 .qos = 1,
                                 .flags = MESSAGE_RETAIN | MESSAGE_PERSISTENT };
    struct message *message = message_new(&spec);

    ck_assert_int_eq(publish_address(a->client, &message), RC_NO_ROUTE);
    spec.expires_at_ms = 0;
    spec.address = SLICE("for/ever");
    message = message_new(&spec);
    ck_assert_int_eq(publish_address(a->client, &message), RC_NO_ROUTE);
    rig_settle(&rig);
    restart();
    pass(MINUTE_MS - 1000);
    ck_assert_uint_eq(retain_count(rig.core), 2);
    pass(2000);
    ck_assert_uint_eq(retain_count(rig.core), 1);
    restart();
    ck_assert_uint_eq(retain_count(rig.core), 1);
}
END_TEST

START_TEST(memory_confirms_at_once_and_the_rest_waits_for_its_commit)
{
    struct stream_policy policy = { POLICY_OPEN, POLICY_OPEN, DURABILITY_MEMORY };

    publish("s", 1);
    publish("t", 1);
    stream_set_policy(stream_find(rig.core, SLICE("s")), &policy);
    rig_settle(&rig);
    (void)rig_publish(&rig, a, "s", "v", 1, MESSAGE_PERSISTENT);
    client_await(a->client, 1);
    core_turn_end(rig.core);
    ck_assert_uint_eq(a->durable_count, 1);
    (void)rig_publish(&rig, a, "s", "v", 1, MESSAGE_PERSISTENT);
    (void)rig_publish(&rig, a, "t", "v", 1, MESSAGE_PERSISTENT);
    client_await(a->client, 2);
    core_turn_end(rig.core); /* nobody has polled the store: nothing can be durable yet */
    ck_assert_uint_eq(a->durable_count, 1);
    rig_settle(&rig);
    ck_assert_uint_eq(a->durable_count, 2);
    ck_assert_uint_eq(a->durable[1], 2);
}
END_TEST

START_TEST(the_lowest_run_that_is_owed_is_the_floor)
{
    struct owed owed;

    owed_init(&owed);
    ck_assert_uint_eq(owed_floor(&owed), UINT64_MAX);
    owed_add(&owed, 5 * OWED_RUN + 3);
    owed_add(&owed, 9 * OWED_RUN);
    owed_add(&owed, 2 * OWED_RUN + 1); /* sessions load in any order */
    owed_add(&owed, 2 * OWED_RUN + 1);
    ck_assert_uint_eq(owed_floor(&owed), 2 * OWED_RUN);
    owed_drop(&owed, 2 * OWED_RUN + 1);
    ck_assert_uint_eq(owed_floor(&owed), 2 * OWED_RUN);
    owed_drop(&owed, 2 * OWED_RUN + 1);
    ck_assert_uint_eq(owed_floor(&owed), 5 * OWED_RUN);
    owed_drop(&owed, 9 * OWED_RUN);
    owed_drop(&owed, 5 * OWED_RUN + 3);
    ck_assert_uint_eq(owed_floor(&owed), UINT64_MAX);
    owed_add(&owed, 1);
    ck_assert_uint_eq(owed_floor(&owed), 0);
    owed_done(&owed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core_retention");
    TCase *memory = tcase_create("memory"), *durable = tcase_create("durable");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(memory, setup, teardown);
    tcase_set_timeout(memory, 60);
    tcase_add_test(memory, records_go_when_their_time_is_over_and_not_before);
    tcase_add_test(memory, a_stream_keeps_records_by_its_own_time);
    tcase_add_test(memory, a_stream_outgrows_its_bytes_by_a_part_only);
    tcase_add_loop_test(memory, what_is_within_the_byte_limit_stays_whatever_lies_before_it, 0, 4);
    tcase_add_test(memory, a_smaller_limit_takes_effect_at_once);
    tcase_add_test(memory, a_session_that_ends_lets_go_of_what_it_was_owed);
    tcase_add_test(memory, what_is_taken_and_not_settled_stays);
    tcase_add_test(memory, a_long_log_is_let_go_in_steps);
    tcase_add_test(memory, what_a_queue_has_consumed_is_bounded_in_bytes);
    tcase_add_test(memory, what_a_queue_has_consumed_goes_in_time_when_the_clock_is_set_back);
    tcase_add_test(memory, a_purge_moves_the_start_at_once);
    tcase_add_test(memory, nobody_deletes_what_a_session_is_owed);
    tcase_add_test(memory, qos_0_that_waits_for_a_slow_client_is_not_owed);
    tcase_add_test(memory, more_logs_than_one_turn_looks_at_are_all_looked_at);
    tcase_add_test(memory, nothing_is_due_when_nothing_can_expire);
    tcase_add_test(memory, the_first_rule_that_matches_says_what_the_stream_leaves_open);
    tcase_add_test(memory, the_lowest_run_that_is_owed_is_the_floor);
    tcase_add_checked_fixture(durable, setup_durable, teardown);
    tcase_set_timeout(durable, 60);
    tcase_add_test(durable, what_an_absent_session_is_owed_stays_over_restarts_until_it_took_it);
    tcase_add_test(durable,
                   what_a_queue_did_not_settle_stays_over_restarts_and_the_rest_goes_in_time);
    tcase_add_test(durable, what_was_settled_out_of_order_stays_so_over_restarts);
    tcase_add_test(durable, what_is_counted_as_owed_is_what_the_sessions_say);
    tcase_add_test(durable, a_policy_outlives_a_restart);
    tcase_add_test(durable, a_retained_message_goes_when_it_expires);
    tcase_add_test(durable, memory_confirms_at_once_and_the_rest_waits_for_its_commit);
    suite_add_tcase(suite, memory);
    suite_add_tcase(suite, durable);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
