/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/record/builder.h"
#include "tests/lib/kafka_rig.h"
#include "tests/lib/suite.h"

static struct kafka_rig rig;
static struct conn conns[2];
static struct text request, answer;
static struct kafka_arena arena;

static void set_up(void)
{
    log_set_threshold(LOG_ERROR);
    kafka_rig_start(&rig);
    kafka_rig_open(&conns[0], &rig);
    kafka_rig_open(&conns[1], &rig);
    kafka_arena_init(&arena);
}

static void tear_down(void)
{
    kafka_rig_close(&conns[0]);
    kafka_rig_close(&conns[1]);
    kafka_rig_stop(&rig);
    kafka_arena_done(&arena);
    text_done(&request);
    text_done(&answer);
    ck_assert_uint_eq(net_rig_timers(), 0);
}

static void send(struct conn *conn, int16_t key, int16_t version, int32_t correlation,
                 const void *body)
{
    text_clear(&request);
    kafka_rig_request(&request, key, version, correlation, body);
    (void)kafka_rig_feed(conn, text_slice(&request));
}

static bool receive(struct conn *conn, int16_t key, int16_t version, int32_t correlation, void *ret)
{
    return kafka_rig_answer(conn, key, version, correlation, &answer, &arena, ret);
}

static void make_topic(const char *name)
{
    struct kafka_metadata_topic topic = { .name = slice_str(name) };
    struct kafka_metadata_request body = { .topics = &topic,
                                           .topics_count = 1,
                                           .allow_auto_topic_creation = true };
    struct kafka_metadata_response ret;

    send(&conns[0], KAFKA_METADATA, 4, 1, &body);
    ck_assert(receive(&conns[0], KAFKA_METADATA, 4, 1, &ret));
    ck_assert_int_eq(ret.topics[0].error_code, 0);
}

static struct block *batch_of(const char *value)
{
    struct batch_builder builder;
    struct block *block;

    batch_builder_init(&builder, 0, 0);
    ck_assert_int_eq(batch_builder_add(&builder, 1000, SLICE_NONE, slice_str(value), 0, SLICE("")),
                     RC_OK);
    batch_builder_seal(&builder, 0, &block);
    batch_builder_done(&builder);
    return block;
}

static void add_produce(struct text *to, int32_t correlation, const char *topic, const char *value)
{
    struct block *block = batch_of(value);
    struct kafka_produce_partition partition = { .records = { .bytes = block_slice(block) } };
    struct kafka_produce_topic of_topic = { .name = slice_str(topic),
                                            .partition_data = &partition,
                                            .partition_data_count = 1 };
    struct kafka_produce_request body = {
        .acks = -1, .timeout_ms = 1000, .topic_data = &of_topic, .topic_data_count = 1
    };

    kafka_rig_request(to, KAFKA_PRODUCE, 7, correlation, &body);
    block_unref(&block);
}

static void add_fetch(struct text *to, int32_t correlation, const char *topic, int64_t offset,
                      int32_t max_wait_ms)
{
    struct kafka_fetch_partition partition = { .current_leader_epoch = -1,
                                               .fetch_offset = offset,
                                               .partition_max_bytes = 1 << 20 };
    struct kafka_fetch_topic of_topic = { .topic = slice_str(topic),
                                          .partitions = &partition,
                                          .partitions_count = 1 };
    struct kafka_fetch_request body = { .replica_id = -1,
                                        .max_wait_ms = max_wait_ms,
                                        .min_bytes = 1,
                                        .max_bytes = 1 << 20,
                                        .session_epoch = -1,
                                        .topics = &of_topic,
                                        .topics_count = 1 };

    kafka_rig_request(to, KAFKA_FETCH, 11, correlation, &body);
}

static size_t fetched_bytes(struct conn *conn, int32_t correlation)
{
    struct kafka_fetch_response ret;

    ck_assert(receive(conn, KAFKA_FETCH, 11, correlation, &ret));
    ck_assert_int_eq(ret.responses[0].partitions[0].error_code, 0);
    return ret.responses[0].partitions[0].records.bytes.len;
}

START_TEST(requests_cut_into_single_bytes_are_answered_alike)
{
    struct kafka_produce_response ret;
    struct text bytes = { 0 };

    make_topic("t");
    for (int32_t i = 0; i < 3; i++)
        add_produce(&bytes, i, "t", "value");
    for (size_t i = 0; i < bytes.len; i++)
        ck_assert(kafka_rig_feed(&conns[0], slice_of(bytes.at + i, 1)));
    for (int32_t i = 0; i < 3; i++) {
        ck_assert(receive(&conns[0], KAFKA_PRODUCE, 7, i, &ret));
        ck_assert_int_eq(ret.responses[0].partition_responses[0].base_offset, i);
    }
    text_done(&bytes);
}
END_TEST

START_TEST(nothing_is_acknowledged_before_it_is_durable)
{
    struct kafka_produce_response ret;
    struct text bytes = { 0 };

    make_topic("t");
    add_produce(&bytes, 1, "t", "value");
    add_fetch(&bytes, 2, "t", 0, 0);
    ck_assert(kafka_rig_feed_unsettled(&conns[0], text_slice(&bytes)));
    ck_assert_uint_eq(conns[0].out.len, 0);
    kafka_rig_settle(&rig);
    ck_assert(receive(&conns[0], KAFKA_PRODUCE, 7, 1, &ret));
    /* The fetch was handled before the record was durable, and does not see it. */
    ck_assert_uint_eq(fetched_bytes(&conns[0], 2), 0);
    text_done(&bytes);
}
END_TEST

START_TEST(produces_in_flight_are_limited_and_all_answered)
{
    struct kafka_produce_response ret;
    struct text bytes = { 0 };

    make_topic("t");
    for (int32_t i = 0; i < 100; i++)
        add_produce(&bytes, i, "t", "value");
    ck_assert(kafka_rig_feed_unsettled(&conns[0], text_slice(&bytes)));
    ck_assert_uint_ne(conns[0].paused, 0);
    ck_assert_uint_gt(conns[0].in.len, bytes.len / 2);
    ck_assert(kafka_rig_feed(&conns[0], SLICE("")));
    for (int32_t i = 0; i < 100; i++)
        ck_assert(receive(&conns[0], KAFKA_PRODUCE, 7, i, &ret));
    ck_assert_uint_eq(conns[0].paused, 0);
    text_done(&bytes);
}
END_TEST

START_TEST(a_produce_that_the_disk_does_not_follow_is_timed_out)
{
    struct kafka_produce_response ret;
    struct text bytes = { 0 };

    make_topic("t");
    add_produce(&bytes, 1, "t", "value");
    ck_assert(kafka_rig_feed_unsettled(&conns[0], text_slice(&bytes)));
    net_rig_pass(999, NULL, NULL);
    ck_assert_uint_eq(conns[0].out.len, 0);
    net_rig_pass(2, NULL, NULL);
    ck_assert(receive(&conns[0], KAFKA_PRODUCE, 7, 1, &ret));
    ck_assert_int_eq(ret.responses[0].partition_responses[0].error_code, 7);
    /* What comes of it later is nobody's answer. */
    kafka_rig_settle(&rig);
    ck_assert_uint_eq(conns[0].out.len, 0);
    text_done(&bytes);
}
END_TEST

START_TEST(records_are_sent_from_where_they_lie)
{
    struct text bytes = { 0 };

    make_topic("t");
    add_produce(&bytes, 1, "t", "value");
    ck_assert(kafka_rig_feed(&conns[0], text_slice(&bytes)));
    text_clear(&bytes);
    add_fetch(&bytes, 2, "t", 0, 0);
    ck_assert(kafka_rig_feed(&conns[1], text_slice(&bytes)));
    ck_assert_uint_gt(conns[1].block_bytes, 0);
    ck_assert_uint_eq(fetched_bytes(&conns[1], 2), conns[1].block_bytes);
    text_done(&bytes);
}
END_TEST

START_TEST(a_fetch_waits_for_its_time_and_no_longer)
{
    struct text bytes = { 0 };

    make_topic("t");
    add_fetch(&bytes, 1, "t", 0, 500);
    ck_assert(kafka_rig_feed(&conns[0], text_slice(&bytes)));
    kafka_rig_wait(&rig, 499);
    ck_assert_uint_eq(conns[0].out.len, 0);
    ck_assert_uint_ne(conns[0].paused, 0);
    kafka_rig_wait(&rig, 2);
    ck_assert_uint_eq(fetched_bytes(&conns[0], 1), 0);
    ck_assert_uint_eq(conns[0].paused, 0);
    text_done(&bytes);
}
END_TEST

START_TEST(a_fetch_is_woken_by_what_becomes_durable)
{
    struct text bytes = { 0 };

    make_topic("t");
    add_fetch(&bytes, 1, "t", 0, 60000);
    ck_assert(kafka_rig_feed(&conns[0], text_slice(&bytes)));
    text_clear(&bytes);
    add_produce(&bytes, 1, "t", "value");
    ck_assert(kafka_rig_feed(&conns[1], text_slice(&bytes)));
    ck_assert_uint_gt(fetched_bytes(&conns[0], 1), 0);
    text_done(&bytes);
}
END_TEST

START_TEST(a_connection_may_end_while_anything_waits)
{
    struct text bytes = { 0 };

    make_topic("t");
    add_produce(&bytes, 1, "t", "value");
    add_fetch(&bytes, 2, "t", 0, 60000);
    ck_assert(kafka_rig_feed_unsettled(&conns[0], text_slice(&bytes)));
    kafka_rig_close(&conns[0]);
    kafka_rig_settle(&rig);
    kafka_rig_wait(&rig, 60001);
    kafka_rig_open(&conns[0], &rig);
    make_topic("t");
    text_done(&bytes);
}
END_TEST

START_TEST(a_full_connection_is_not_read)
{
    struct kafka_metadata_request body = { .topics = NULL };

    conns[0].is_full = true;
    text_clear(&request);
    kafka_rig_request(&request, KAFKA_METADATA, 4, 5, &body);
    (void)kafka_rig_feed(&conns[0], text_slice(&request));
    ck_assert_uint_eq(conns[0].out.len, 0);
    ck_assert_uint_eq(conns[0].in.len, request.len);
}
END_TEST

static void join(struct conn *conn, struct slice member, int32_t correlation)
{
    struct kafka_join_group_protocol protocol = { SLICE("range"), SLICE("m") };
    struct kafka_join_group_request body = { .group_id = SLICE("g"),
                                             .session_timeout_ms = 10000,
                                             .rebalance_timeout_ms = 60000,
                                             .member_id = member,
                                             .protocol_type = SLICE("consumer"),
                                             .protocols = &protocol,
                                             .protocols_count = 1 };

    send(conn, KAFKA_JOIN_GROUP, 3, correlation, &body);
}

START_TEST(a_member_that_is_not_heard_of_leaves_the_group_to_the_other)
{
    struct kafka_join_group_response first, second;
    struct text id = { 0 };

    join(&conns[0], SLICE(""), 1);
    ck_assert(receive(&conns[0], KAFKA_JOIN_GROUP, 3, 1, &first));
    ck_assert_int_eq(first.error_code, 0);
    text_add(&id, first.member_id);
    join(&conns[1], SLICE(""), 1);
    ck_assert_uint_eq(conns[1].out.len, 0);
    /* The first one neither joins again nor says a word. */
    kafka_rig_wait(&rig, 9999);
    ck_assert_uint_eq(conns[1].out.len, 0);
    kafka_rig_wait(&rig, 2);
    ck_assert(receive(&conns[1], KAFKA_JOIN_GROUP, 3, 1, &second));
    ck_assert_int_eq(second.error_code, 0);
    ck_assert_int_eq(second.generation_id, 2);
    ck_assert_uint_eq(second.members_count, 1);
    join(&conns[0], text_slice(&id), 2);
    ck_assert(receive(&conns[0], KAFKA_JOIN_GROUP, 3, 2, &first));
    ck_assert_int_eq(first.error_code, 25);
    text_done(&id);
}
END_TEST

START_TEST(a_leader_that_does_not_assign_in_time_is_dropped)
{
    struct kafka_heartbeat_request beat = { .group_id = SLICE("g"), .generation_id = 1 };
    struct kafka_join_group_response joined;
    struct kafka_heartbeat_response beaten;
    struct text id = { 0 };

    join(&conns[0], SLICE(""), 1);
    ck_assert(receive(&conns[0], KAFKA_JOIN_GROUP, 3, 1, &joined));
    text_add(&id, joined.member_id);
    beat.member_id = text_slice(&id);
    for (int32_t i = 0; i < 7; i++) { /* it lives, but never asks for its assignment */
        kafka_rig_wait(&rig, 9000);
        send(&conns[0], KAFKA_HEARTBEAT, 1, i, &beat);
        ck_assert(receive(&conns[0], KAFKA_HEARTBEAT, 1, i, &beaten));
        ck_assert_int_eq(beaten.error_code, i < 6 ? 0 : 25);
    }
    text_done(&id);
}
END_TEST

/* One of everything that takes memory by what a peer sends. */
static void scenario(void)
{
    struct text bytes = { 0 };
    struct kafka_metadata_request all = { .topics = NULL };

    add_produce(&bytes, 1, "t", "value");
    add_fetch(&bytes, 2, "t", 0, 10);
    kafka_rig_request(&bytes, KAFKA_METADATA, 4, 3, &all);
    (void)kafka_rig_feed(&conns[0], text_slice(&bytes));
    kafka_rig_wait(&rig, 100);
    text_done(&bytes);
}

START_TEST(memory_may_fail_at_any_point)
{
    unsigned passed = 0;

    for (unsigned k = 1; k == 1 || passed >= k - 1; k++) {
        struct text bytes = { 0 };

        make_topic("t");
        add_produce(&bytes, 1, "t", "value");
        add_fetch(&bytes, 2, "t", 0, 10);
        (void)text_reserve(&conns[0].in, 65536);
        (void)text_reserve(&conns[0].out, 65536);
        fault_arm("mem", k, FAULT_ONCE);
        (void)kafka_rig_feed(&conns[0], text_slice(&bytes));
        passed = fault_passed();
        fault_disarm();
        kafka_rig_close(&conns[0]);
        kafka_rig_settle(&rig);
        kafka_rig_open(&conns[0], &rig);
        text_done(&bytes);
    }
    ck_assert_uint_gt(passed, 0);
    make_topic("t");
    scenario();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("session");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, requests_cut_into_single_bytes_are_answered_alike);
    tcase_add_test(tests, nothing_is_acknowledged_before_it_is_durable);
    tcase_add_test(tests, produces_in_flight_are_limited_and_all_answered);
    tcase_add_test(tests, a_produce_that_the_disk_does_not_follow_is_timed_out);
    tcase_add_test(tests, records_are_sent_from_where_they_lie);
    tcase_add_test(tests, a_fetch_waits_for_its_time_and_no_longer);
    tcase_add_test(tests, a_fetch_is_woken_by_what_becomes_durable);
    tcase_add_test(tests, a_connection_may_end_while_anything_waits);
    tcase_add_test(tests, a_full_connection_is_not_read);
    tcase_add_test(tests, a_member_that_is_not_heard_of_leaves_the_group_to_the_other);
    tcase_add_test(tests, a_leader_that_does_not_assign_in_time_is_dropped);
    tcase_add_test(tests, memory_may_fail_at_any_point);
    return suite_run("kafka_session", tests);
}
