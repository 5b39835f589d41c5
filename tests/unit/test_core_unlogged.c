/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/core/compaction.h"
#include "broker/core/policy.h"
#include "broker/core/retain.h"
#include "broker/core/session_int.h"
#include "broker/core/stream_int.h"
#include "broker/record/builder.h"
#include "broker/record/record.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

#define KEPT_BYTES 20000 /* of each stream of these tests */

static struct rig rig;
static struct rig_client *a, *b;
static bool present;
static const struct policy_rule rules[] = {
    { { (const uint8_t *)"m*", 2 }, { POLICY_OPEN, POLICY_OPEN, POLICY_UNLOGGED } },
};

static void open_clients(void)
{
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
}

static void setup_as(bool is_durable, unsigned rule_count)
{
    struct core_config config = CORE_CONFIG_DEFAULT;

    config.rules = rules;
    config.rule_count = rule_count;
    config.unlogged_bytes = KEPT_BYTES;
    rig_open_as(&rig, is_durable, &config);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    open_clients();
}

static void setup(void)
{
    setup_as(false, 1);
}

static void setup_durable(void)
{
    setup_as(true, 1);
}

static void setup_without_rules(void)
{
    setup_as(true, 0);
}

static void teardown(void)
{
    rig_client_close(a);
    rig_client_close(b);
    rig_close(&rig);
    MEM_FREE(a);
    MEM_FREE(b);
}

static void restart(bool is_in_order)
{
    rig_client_close(a);
    rig_client_close(b);
    if (is_in_order)
        rig_reopen(&rig);
    else
        rig_reopen_after_crash(&rig);
    open_clients();
}

static struct stream *stream(const char *name)
{
    struct stream *found = stream_find(rig.core, slice_str(name));

    ck_assert_ptr_nonnull(found);
    return found;
}

static struct partition *partition(const char *name)
{
    return stream_partition(stream(name), 0);
}

static uint64_t held(const char *name)
{
    return partition_end(partition(name)) - partition_start(partition(name));
}

static bool is_unlogged(const char *name)
{
    return stream_effective_policy(stream(name))->durability == POLICY_UNLOGGED;
}

/* Values "0", "1" ... with so many bytes behind. */
static void publish(const char *address, unsigned count, unsigned padding)
{
    static char body[2001];

    for (unsigned i = 0; i < count; i++) {
        enum rc rc;

        (void)snprintf(body, sizeof(body), "%u%*s", i, (int)padding, "");
        rc = rig_publish(&rig, a, address, body, 1, MESSAGE_PERSISTENT);
        ck_assert(rc == RC_OK || rc == RC_NO_ROUTE);
        if (i % 64 == 63)
            rig_settle(&rig);
    }
    rig_settle(&rig);
}

static struct session *away(const char *filter)
{
    struct session *s = rig_session(&rig, b, "away", true, UINT32_MAX, &present);

    rig_subscribe(s, filter, 1, 0);
    session_detach(&s);
    return s;
}

static void come_back(unsigned count)
{
    struct session *s = rig_session(&rig, b, "away", false, UINT32_MAX, &present);

    ck_assert(present);
    session_ready(s);
    if (count > 0)
        rig_settle_until(&rig, &b->count, count);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, count);
    for (unsigned i = 0; i < b->count; i++)
        ck_assert_int_eq(session_settle(s, b->seen[i].handle, OUTCOME_ACCEPT), RC_OK);
    ck_assert_uint_eq(session_owed_count(s), 0);
    session_detach(&s);
}

/* Everything that readers of the log find, as "value offset" of the first and the last. */
static unsigned read_all(const char *name, uint64_t *ret_first, uint64_t *ret_last)
{
    struct partition *p = partition(name);
    uint64_t offset = partition_start(p);
    unsigned count = 0;

    while (offset < partition_durable_end(p)) {
        struct log_pieces pieces;

        ck_assert_int_eq(partition_read_cached(p, offset, 1000, &pieces), RC_OK);
        ck_assert_uint_gt(pieces.count, 0);
        for (unsigned i = 0; i < pieces.count; i++) {
            struct text inflated = { 0 };
            struct record_reader reader;
            struct record record;

            ck_assert_int_eq(
                record_reader_open(pieces.at[i].bytes, 1 << 20, &inflated, &reader, NULL, NULL),
                RC_OK);
            while (record_next(&reader, &record) == RC_OK) {
                if (count++ == 0)
                    *ret_first = record.offset;
                else
                    ck_assert_uint_eq(record.offset, *ret_last + 1);
                *ret_last = record.offset;
            }
            text_done(&inflated);
        }
        offset = pieces.at[pieces.count - 1].next_offset;
        log_pieces_done(&pieces);
    }
    return count;
}

static void append_batch(const char *name, unsigned count)
{
    struct batch_builder builder;
    struct append_result result;
    struct block *block;

    batch_builder_init(&builder, 0, 0);
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(
            batch_builder_add(&builder, 1700000000000, SLICE_NONE, SLICE("batch"), 0, SLICE_NONE),
            RC_OK);
    batch_builder_seal(&builder, 0, &block);
    ck_assert_int_eq(partition_append(partition(name), a->client, block_slice(block),
                                      DURABILITY_ALWAYS, &result),
                     RC_OK);
    ck_assert_uint_eq(result.base_offset + count, partition_end(partition(name)));
    block_unref(&block);
    rig_settle(&rig);
}

static void pass_minute(unsigned minutes)
{
    static uint64_t start_ns;
    static int64_t start_ms;

    if (minutes == 0) {
        start_ns = clock_monotonic_ns();
        start_ms = clock_wall_ms();
    }
    clock_set_for_test(start_ns + minutes * UINT64_C(60000000000),
                       start_ms + minutes * INT64_C(60000));
    core_turn_end(rig.core); /* the turn's wall clock is read anew */
    rig_settle(&rig);
}

START_TEST(nothing_of_it_reaches_the_store)
{
    uint64_t start, end;

    publish("m/x", 100, 10);
    append_batch("m", 5);
    ck_assert(is_unlogged("m"));
    ck_assert_uint_eq(partition_durable_end(partition("m")), 105);
    ck_assert_int_eq(log_range(rig.store, partition("m")->log, &start, &end), RC_NOT_FOUND);
}
END_TEST

START_TEST(a_publisher_is_confirmed_at_the_end_of_the_turn)
{
    publish("m/x", 1, 0); /* the stream is recorded by now */
    ck_assert_int_eq(rig_publish(&rig, a, "m/x", "v", 1, MESSAGE_PERSISTENT), RC_NO_ROUTE);
    client_await(a->client, 7);
    core_turn_end(rig.core);
    ck_assert_uint_eq(a->durable_count, 1);
}
END_TEST

START_TEST(readers_find_messages_and_batches_in_their_order)
{
    uint64_t first = 0, last = 0;

    publish("m/x", 30, 50);
    append_batch("m", 4);
    publish("m/x", 3, 5);
    append_batch("m", 2);
    for (uint64_t at = 0; at < 39; at++) { /* at least one record, however little is asked for */
        struct log_pieces pieces;

        ck_assert_int_eq(partition_read_cached(partition("m"), at, 0, &pieces), RC_OK);
        ck_assert_uint_eq(pieces.count, 1);
        ck_assert_uint_gt(pieces.at[0].next_offset, at);
        log_pieces_done(&pieces);
    }
    ck_assert_uint_eq(read_all("m", &first, &last), 39);
    ck_assert_uint_eq(first, 0);
    ck_assert_uint_eq(last, 38);
}
END_TEST

START_TEST(a_stream_keeps_its_bytes_and_offsets_go_on)
{
    uint64_t first = 0, last = 0;

    publish("m", 200, 1000);
    ck_assert_uint_le(partition_bytes(partition("m")), KEPT_BYTES);
    ck_assert_uint_ge(held("m"), KEPT_BYTES / 1300);
    ck_assert_uint_eq(partition_end(partition("m")), 200);
    ck_assert_uint_eq(read_all("m", &first, &last), held("m"));
    ck_assert_uint_eq(last, 199);
}
END_TEST

START_TEST(who_reads_it_as_a_log_finds_more_for_a_minute)
{
    struct log_pieces pieces;

    publish("m", 100, 1000);
    ck_assert_uint_le(partition_bytes(partition("m")), KEPT_BYTES);
    ck_assert_int_eq(partition_read_cached(partition("m"), 100, 1000, &pieces), RC_OK);
    ck_assert_uint_eq(pieces.count, 0);
    pass_minute(0);
    publish("m", 100, 1000);
    ck_assert_uint_ge(held("m"), 100);
    pass_minute(1);
    pass_minute(2);
    publish("m", 1, 1000);
    ck_assert_uint_le(partition_bytes(partition("m")), KEPT_BYTES);
    clock_unset_for_test();
}
END_TEST

START_TEST(all_streams_together_are_bounded_and_the_idle_one_loses)
{
    int64_t before = count_get(COUNT_CORE_UNLOGGED_EVICTED);

    rig_client_close(a);
    rig_client_close(b);
    rig.config.unlogged_total_bytes = 30000;
    rig_reopen(&rig);
    open_clients();
    publish("m1", 15, 1000);
    publish("m2", 10, 1000);
    ck_assert_uint_eq(held("m1"), 15);
    publish("m3", 15, 1000);
    ck_assert_uint_lt(held("m1"), 15);
    ck_assert_uint_eq(held("m3"), 15);
    ck_assert_uint_le((uint64_t)count_get(COUNT_CORE_UNLOGGED_BYTES), 30000);
    ck_assert_uint_eq((uint64_t)(count_get(COUNT_CORE_UNLOGGED_EVICTED) - before),
                      15 - held("m1") + 10 - held("m2"));
}
END_TEST

START_TEST(an_absent_session_gets_what_is_still_there_and_the_rest_is_counted)
{
    int64_t before = count_get(COUNT_CORE_DROPPED);

    (void)away("m");
    publish("m", 10, 10);
    come_back(10);
    ck_assert_int_eq(count_get(COUNT_CORE_DROPPED), before);
    b->count = 0;
    publish("m", 2000, 1000);
    ck_assert_uint_gt(partition_bytes(partition("m")), KEPT_BYTES * 63);
    ck_assert_uint_le(partition_bytes(partition("m")), KEPT_BYTES * 64);
    come_back((unsigned)held("m"));
    ck_assert_int_eq(count_get(COUNT_CORE_DROPPED) - before, (int64_t)(2000 - held("m")));
    ck_assert_str_eq(b->seen[b->count - 1].address, "m");
    (void)rig_publish(&rig, a, "m", "nobody waits", 0, 0);
    ck_assert_uint_le(partition_bytes(partition("m")), KEPT_BYTES);
}
END_TEST

START_TEST(a_slow_reader_of_qos_0_finds_more_than_is_kept_for_nobody)
{
    struct session *s = rig_session(&rig, b, "slow", true, 0, &present);

    rig_subscribe(s, "m", 0, 0);
    session_ready(s);
    b->credit = 1;
    publish("m", 100, 1000);
    ck_assert_uint_eq(held("m"), 100);
    ck_assert_uint_eq(b->count, 1);
    b->credit = RIG_SEEN_MAX;
    session_ready(s);
    rig_settle_until(&rig, &b->count, 100);
    ck_assert_uint_eq(b->count, 100);
    publish("m", 1, 1000);
    ck_assert_uint_le(partition_bytes(partition("m")), KEPT_BYTES);
    b->credit = 0;
    publish("m", 100, 1000);
    session_detach(&s); /* what it waited for is nobody's now */
    publish("m", 1, 1000);
    ck_assert_uint_le(partition_bytes(partition("m")), KEPT_BYTES);
}
END_TEST

START_TEST(what_a_session_is_owed_when_it_becomes_logged_stays_owed)
{
    static const struct stream_policy logged = { 1, POLICY_OPEN, DURABILITY_ALWAYS };

    (void)away("m");
    publish("m", 300, 1000);
    stream_set_policy(stream("m"), &logged);
    rig_settle(&rig);
    ck_assert(!is_unlogged("m"));
    publish("m", 10, 1000);
    ck_assert_uint_lt(partition_owed_floor(partition("m")), 300);
    come_back((unsigned)held("m"));
    ck_assert_uint_eq(b->count, 310 - partition_start(partition("m")));
    ck_assert_uint_eq(partition_owed_floor(partition("m")), UINT64_MAX);
}
END_TEST

START_TEST(after_an_orderly_stop_it_is_empty_and_offsets_go_on_without_a_gap)
{
    publish("m", 10, 10);
    restart(true);
    ck_assert(is_unlogged("m"));
    ck_assert_uint_eq(held("m"), 0);
    ck_assert_uint_eq(partition_end(partition("m")), 10);
    publish("m", 1, 10);
    ck_assert_uint_eq(partition_end(partition("m")), 11);
    restart(true);
    ck_assert_uint_eq(partition_end(partition("m")), 11);
}
END_TEST

START_TEST(after_a_kill_no_offset_is_given_twice)
{
    publish("m", 10, 10);
    restart(false);
    ck_assert_uint_eq(held("m"), 0);
    ck_assert_uint_ge(partition_end(partition("m")), 10);
    publish("m", 5, 10);
    ck_assert_uint_eq(held("m"), 5);
    restart(true);
    restart(false);
    ck_assert_uint_eq(held("m"), 0);
}
END_TEST

START_TEST(what_a_session_was_owed_before_a_restart_is_counted_as_lost)
{
    int64_t before = count_get(COUNT_CORE_DROPPED);

    (void)away("m");
    publish("m", 10, 10);
    restart(true);
    publish("m", 2, 10);
    come_back(2);
    ck_assert_int_eq(count_get(COUNT_CORE_DROPPED) - before, 10);
}
END_TEST

START_TEST(each_partition_goes_on_by_itself)
{
    struct stream_spec spec = { .name = SLICE("m"), .partition_count = 3 };
    struct stream *made;
    uint64_t ends[5], all = 0;

    ck_assert_int_eq(stream_create(rig.core, a->client, &spec, &made), RC_OK);
    publish("m/a", 5, 10);
    ck_assert_int_eq(stream_grow(made, 5), RC_OK);
    publish("m/b", 7, 10);
    publish("m/d", 9, 10);
    for (unsigned i = 0; i < 5; i++)
        all += ends[i] = partition_end(stream_partition(made, i));
    ck_assert_uint_eq(all, 21);
    restart(true);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(partition_end(stream_partition(stream("m"), i)), ends[i]);
    publish("m/a", 1, 10);
    restart(false);
    for (unsigned i = 0; i < 5; i++) {
        const struct partition *p = stream_partition(stream("m"), i);

        ck_assert_uint_ge(partition_end(p), ends[i]);
        ck_assert_uint_eq(partition_start(p), partition_end(p));
    }
}
END_TEST

START_TEST(a_queue_on_it_has_it_logged_with_all_that_it_kept)
{
    uint64_t first;

    publish("m", 100, 1000);
    append_batch("m", 3);
    first = partition_start(partition("m"));
    (void)rig_queue(&rig, a, "m", true);
    rig_settle(&rig);
    ck_assert(!is_unlogged("m"));
    ck_assert_int_eq(rig_publish(&rig, a, "m", "v", 1, MESSAGE_PERSISTENT), RC_OK);
    rig_settle(&rig);
    ck_assert_uint_eq(partition_start(partition("m")), first);
    ck_assert_uint_eq(partition_durable_end(partition("m")), 104);
    restart(false);
    ck_assert(!is_unlogged("m"));
    ck_assert_uint_eq(partition_start(partition("m")), first);
    ck_assert_uint_eq(partition_end(partition("m")), 104);
}
END_TEST

START_TEST(a_compacted_stream_is_logged)
{
    const struct stream_compaction compaction = { .delete_retention_ms = 1000 };

    publish("m", 5, 10);
    ck_assert_int_eq(stream_set_compaction(stream("m"), &compaction), RC_OK);
    rig_settle(&rig);
    ck_assert(!is_unlogged("m"));
    ck_assert(!stream_can_be_unlogged(stream("m")));
    restart(false);
    ck_assert_uint_eq(partition_end(partition("m")), 5);
}
END_TEST

START_TEST(records_that_are_logged_are_not_taken_by_a_rule)
{
    publish("m", 10, 10);
    ck_assert(!is_unlogged("m"));
    rig.config.rule_count = 1;
    restart(true);
    ck_assert(!is_unlogged("m"));
    ck_assert_uint_eq(held("m"), 10);
    ck_assert_int_eq(partition_trim(partition("m"), a->client, 10), RC_OK);
    rig_settle(&rig);
    restart(true);
    ck_assert(is_unlogged("m"));
    ck_assert_uint_eq(partition_start(partition("m")), 10);
    publish("m", 3, 10);
    ck_assert_uint_eq(held("m"), 3);
    rig.config.rule_count = 0;
    restart(true);
    ck_assert(!is_unlogged("m"));
    ck_assert_uint_eq(partition_end(partition("m")), 13);
    publish("m", 3, 10);
    restart(false);
    ck_assert_uint_eq(partition_start(partition("m")), 13);
    ck_assert_uint_eq(partition_end(partition("m")), 16);
}
END_TEST

START_TEST(records_go_with_their_time)
{
    static const struct stream_policy policy = { 60000, POLICY_OPEN, POLICY_OPEN };

    publish("m", 10, 10);
    stream_set_policy(stream("m"), &policy);
    pass_minute(0);
    ck_assert_uint_eq(held("m"), 10);
    pass_minute(1);
    pass_minute(2);
    ck_assert_uint_eq(held("m"), 0);
    clock_unset_for_test();
    publish("m", 1, 10);
    ck_assert_uint_eq(partition_end(partition("m")), 11);
}
END_TEST

static Suite *unlogged_suite(void)
{
    Suite *suite = suite_create("core_unlogged");
    TCase *memory = tcase_create("memory"), *durable = tcase_create("durable");
    TCase *later = tcase_create("later");

    tcase_add_checked_fixture(memory, setup, teardown);
    tcase_add_test(memory, a_publisher_is_confirmed_at_the_end_of_the_turn);
    tcase_add_test(memory, readers_find_messages_and_batches_in_their_order);
    tcase_add_test(memory, a_stream_keeps_its_bytes_and_offsets_go_on);
    tcase_add_test(memory, an_absent_session_gets_what_is_still_there_and_the_rest_is_counted);
    tcase_add_test(memory, a_slow_reader_of_qos_0_finds_more_than_is_kept_for_nobody);
    tcase_add_test(memory, who_reads_it_as_a_log_finds_more_for_a_minute);
    tcase_add_test(memory, records_go_with_their_time);
    suite_add_tcase(suite, memory);
    tcase_add_checked_fixture(durable, setup_durable, teardown);
    tcase_add_test(durable, nothing_of_it_reaches_the_store);
    tcase_add_test(durable, all_streams_together_are_bounded_and_the_idle_one_loses);
    tcase_add_test(durable, after_an_orderly_stop_it_is_empty_and_offsets_go_on_without_a_gap);
    tcase_add_test(durable, after_a_kill_no_offset_is_given_twice);
    tcase_add_test(durable, what_a_session_was_owed_before_a_restart_is_counted_as_lost);
    tcase_add_test(durable, a_queue_on_it_has_it_logged_with_all_that_it_kept);
    tcase_add_test(durable, what_a_session_is_owed_when_it_becomes_logged_stays_owed);
    tcase_add_test(durable, each_partition_goes_on_by_itself);
    tcase_add_test(durable, a_compacted_stream_is_logged);
    suite_add_tcase(suite, durable);
    tcase_add_checked_fixture(later, setup_without_rules, teardown);
    tcase_add_test(later, records_that_are_logged_are_not_taken_by_a_rule);
    suite_add_tcase(suite, later);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(unlogged_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
