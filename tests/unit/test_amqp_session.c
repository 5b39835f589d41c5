/* SPDX-License-Identifier: Apache-2.0 */
/* A connection without sockets: bytes in, bytes out, a clock moved by hand. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "broker/base/log.h"
#include "broker/core/queue_int.h"
#include "protocols/amqp/amqp_codec.h"
#include "protocols/amqp/amqp_int.h"
#include "protocols/amqp/amqp_session.h"
#include "tests/lib/amqp_rig.h"
#include "tests/lib/suite.h"

static struct mem_core rig;
static struct conn conn;

static void setup(void)
{
    log_set_threshold(LOG_ERROR);
    mem_core_start(&rig, NULL);
    amqp_rig_open(&conn, &rig);
}

static void teardown(void)
{
    amqp_rig_close(&conn);
    mem_core_stop(&rig);
}

static void add(struct text *to, uint16_t channel, const struct amqp_method *m)
{
    struct wr counting = wr_counting(), w;

    amqp_encode_method_frame(&counting, channel, m);
    ck_assert(text_reserve(to, counting.len));
    w = wr_of(to->at + to->len, counting.len);
    amqp_encode_method_frame(&w, channel, m);
    to->len += w.len;
}

static void add_publish(struct text *to, uint16_t channel, struct slice key, struct slice body)
{
    struct amqp_method m = { .name = AMQP_BASIC_PUBLISH };
    uint8_t room[64];
    struct wr w = wr_of(room, sizeof(room));

    m.basic_publish.routing_key = key;
    add(to, channel, &m);
    amqp_encode_header_frame(&w, channel, body.len, SLICE("\x10\0\2"));
    amqp_put_frame_head(&w, AMQP_FRAME_BODY, channel, body.len);
    wr_bytes(&w, body);
    wr_u8(&w, AMQP_FRAME_END);
    ck_assert(!w.bad);
    text_add(to, wr_slice(&w));
}

/* The handshake, then a channel. */
static void add_opening(struct text *to, uint16_t heartbeat)
{
    struct amqp_method start_ok = { .name = AMQP_CONNECTION_START_OK };
    struct amqp_method tune_ok = { .name = AMQP_CONNECTION_TUNE_OK };
    struct amqp_method open = { .name = AMQP_CONNECTION_OPEN };
    struct amqp_method channel = { .name = AMQP_CHANNEL_OPEN };

    text_add(to, SLICE("AMQP\0\0\x09\x01"));
    start_ok.connection_start_ok.mechanism = SLICE("PLAIN");
    start_ok.connection_start_ok.response = SLICE("\0guest\0guest");
    add(to, 0, &start_ok);
    tune_ok.connection_tune_ok.channel_max = 10;
    tune_ok.connection_tune_ok.frame_max = 4096;
    tune_ok.connection_tune_ok.heartbeat = heartbeat;
    add(to, 0, &tune_ok);
    open.connection_open.virtual_host = SLICE("/");
    add(to, 0, &open);
    add(to, 1, &channel);
}

/* A little of everything, on a queue of its own. */
static void add_script(struct text *to)
{
    struct amqp_method declare = { .name = AMQP_QUEUE_DECLARE };
    struct amqp_method confirm = { .name = AMQP_CONFIRM_SELECT };
    struct amqp_method get = { .name = AMQP_BASIC_GET };
    struct amqp_method consume = { .name = AMQP_BASIC_CONSUME };
    struct amqp_method ack = { .name = AMQP_BASIC_ACK };

    declare.queue_declare.queue = SLICE("q");
    declare.queue_declare.exclusive = true;
    add(to, 1, &declare);
    add(to, 1, &confirm);
    add_publish(to, 1, SLICE("q"), SLICE("one"));
    add_publish(to, 1, SLICE("q"), SLICE("two"));
    get.basic_get.queue = SLICE("q");
    add(to, 1, &get);
    consume.basic_consume.queue = SLICE("q");
    consume.basic_consume.consumer_tag = SLICE("t");
    add(to, 1, &consume);
    ack.basic_ack.delivery_tag = 1;
    add(to, 1, &ack);
}

/* Names of the methods in `bytes`, one a line; confirms left out, as how many are put together
 * depends on how the bytes came. */
static void list_methods(struct text *to, struct slice bytes)
{
    struct amqp_frame frame;
    struct amqp_method m;
    size_t need;

    while (amqp_frame_next(bytes, 131072, &frame, &need) == RC_OK) {
        if (frame.type == AMQP_FRAME_METHOD) {
            ck_assert_int_eq(amqp_decode_method(frame.payload, &m), RC_OK);
            if (m.name != AMQP_BASIC_ACK)
                text_format(to, "%u %s\n", frame.channel, amqp_method_text(m.name));
        } else {
            text_format(to, "%u type %u %zu bytes\n", frame.channel, frame.type, frame.payload.len);
        }
        bytes = slice_after(bytes, AMQP_FRAME_OVERHEAD + frame.payload.len);
    }
    ck_assert_uint_eq(bytes.len, 0);
}

static const char expected[] = "0 connection.start\n0 connection.tune\n0 connection.open-ok\n"
                               "1 channel.open-ok\n1 queue.declare-ok\n1 confirm.select-ok\n"
                               "1 basic.get-ok\n1 type 2 15 bytes\n1 type 3 3 bytes\n"
                               "1 basic.consume-ok\n1 basic.deliver\n1 type 2 15 bytes\n"
                               "1 type 3 3 bytes\n";

START_TEST(a_session_is_the_same_whole_or_in_pieces_of_any_size)
{
    struct text script = { 0 }, got = { 0 };
    size_t step = (size_t)_i;

    add_opening(&script, 0);
    add_script(&script);
    for (size_t at = 0; at < script.len; at += step) {
        size_t n = script.len - at < step ? script.len - at : step;

        ck_assert(amqp_rig_feed(&conn, slice_of(script.at + at, n)));
    }
    list_methods(&got, text_slice(&conn.out));
    ck_assert_slice(text_slice(&got), slice_str(expected));
    text_done(&script);
    text_done(&got);
}
END_TEST

START_TEST(a_session_may_end_at_any_byte)
{
    struct text script = { 0 };

    add_opening(&script, 0);
    add_script(&script);
    for (size_t n = 0; n <= script.len; n++) {
        amqp_rig_feed(&conn, slice_of(script.at, n));
        amqp_rig_close(&conn);
        mem_core_settle(&rig);
        ck_assert_ptr_null(queue_find(rig.core, SLICE("q")));
        amqp_rig_open(&conn, &rig);
    }
    text_done(&script);
}
END_TEST

START_TEST(any_byte_may_be_wrong)
{
    struct text script = { 0 };

    add_opening(&script, 0);
    add_script(&script);
    for (size_t n = 0; n < script.len; n++) {
        script.at[n] ^= (uint8_t)(1u << (n % 8));
        amqp_rig_feed(&conn, text_slice(&script));
        script.at[n] ^= (uint8_t)(1u << (n % 8));
        amqp_rig_close(&conn);
        mem_core_settle(&rig);
        amqp_rig_open(&conn, &rig);
    }
    text_done(&script);
}
END_TEST

START_TEST(a_handshake_that_stops_ends_after_ten_seconds)
{
    ck_assert(amqp_rig_feed(&conn, SLICE("AMQP\0\0\x09\x01")));
    net_rig_pass(9999, NULL, NULL);
    ck_assert(!conn_is_closing(&conn));
    net_rig_pass(1, NULL, NULL);
    ck_assert(conn_is_closing(&conn));
}
END_TEST

static size_t heartbeats(void)
{
    static const uint8_t beat[] = { 8, 0, 0, 0, 0, 0, 0, AMQP_FRAME_END };
    size_t count = 0;

    while (count * sizeof(beat) < conn.out.len &&
           slice_equal(slice_of(conn.out.at + count * sizeof(beat), sizeof(beat)),
                       slice_of(beat, sizeof(beat))))
        count++;
    ck_assert_uint_eq(count * sizeof(beat), conn.out.len);
    return count;
}

START_TEST(heartbeats_go_out_and_must_come_in)
{
    struct text script = { 0 };

    add_opening(&script, 10);
    ck_assert(amqp_rig_feed(&conn, text_slice(&script)));
    text_clear(&conn.out);
    net_rig_pass(29000, NULL, NULL);
    ck_assert_uint_eq(heartbeats(), 5);
    ck_assert(!conn_is_closing(&conn));
    ck_assert(amqp_rig_feed(&conn, SLICE("\x08\0\0\0\0\0\0\xce")));
    net_rig_pass(26000, NULL, NULL);
    ck_assert(!conn_is_closing(&conn));
    net_rig_pass(5000, NULL, NULL);
    ck_assert(conn_is_closing(&conn));
    text_done(&script);
}
END_TEST

START_TEST(who_is_not_read_is_not_taken_for_silent)
{
    struct amqp_session *s = conn.session;
    struct text script = { 0 };

    add_opening(&script, 10);
    ck_assert(amqp_rig_feed(&conn, text_slice(&script)));
    s->is_held = true; /* a publish waits for the store */
    net_rig_pass(60000, NULL, NULL);
    ck_assert(!conn_is_closing(&conn));
    s->is_held = false;
    net_rig_pass(10000, NULL, NULL);
    ck_assert(conn_is_closing(&conn));
    text_done(&script);
}
END_TEST

START_TEST(a_close_that_is_not_answered_ends_after_three_seconds)
{
    struct text script = { 0 };
    struct amqp_method wrong = { .name = AMQP_BASIC_QOS };

    add_opening(&script, 0);
    add(&script, 9, &wrong);
    ck_assert(amqp_rig_feed(&conn, text_slice(&script)));
    net_rig_pass(2999, NULL, NULL);
    ck_assert(!conn_is_closing(&conn));
    net_rig_pass(1, NULL, NULL);
    ck_assert(conn_is_closing(&conn));
    text_done(&script);
}
END_TEST

static void feed_body(struct slice part)
{
    struct text frame = { 0 };
    uint8_t room[64];
    struct wr w = wr_of(room, sizeof(room));

    amqp_put_frame_head(&w, AMQP_FRAME_BODY, 1, part.len);
    wr_bytes(&w, part);
    wr_u8(&w, AMQP_FRAME_END);
    text_add(&frame, wr_slice(&w));
    (void)amqp_rig_feed(&conn, text_slice(&frame)); /* what it says of itself is looked at */
    text_done(&frame);
}

START_TEST(unfinished_bodies_of_a_connection_have_a_limit)
{
    struct amqp_method publish = { .name = AMQP_BASIC_PUBLISH };
    struct amqp_session *s = conn.session;
    struct text script = { 0 }, got = { 0 };
    uint8_t room[64];
    struct wr w = wr_of(room, sizeof(room));

    add_opening(&script, 0);
    add(&script, 1, &publish);
    amqp_encode_header_frame(&w, 1, 100, SLICE("\0\0"));
    text_add(&script, wr_slice(&w));
    ck_assert(amqp_rig_feed(&conn, text_slice(&script)));
    text_clear(&conn.out);
    s->partial_bytes += AMQP_PARTIAL_MAX_BYTES - 10; /* of other channels */
    feed_body(SLICE("0123456789"));
    ck_assert_uint_eq(conn.out.len, 0);
    feed_body(SLICE("x"));
    list_methods(&got, text_slice(&conn.out));
    ck_assert_slice(text_slice(&got), SLICE("0 connection.close\n"));
    text_done(&script);
    text_done(&got);
}
END_TEST

START_TEST(a_full_socket_holds_deliveries_back)
{
    struct text script = { 0 }, got = { 0 };

    add_opening(&script, 0);
    conn.is_full = true;
    add_script(&script);
    ck_assert(amqp_rig_feed(&conn, text_slice(&script)));
    text_clear(&conn.out);
    mem_core_settle(&rig);
    ck_assert_uint_eq(conn.out.len, 0);
    conn.is_full = false;
    amqp_session_drained(conn.session);
    mem_core_settle(&rig);
    list_methods(&got, text_slice(&conn.out));
    ck_assert_slice(text_slice(&got),
                    SLICE("1 basic.deliver\n1 type 2 15 bytes\n1 type 3 3 bytes\n"));
    text_done(&script);
    text_done(&got);
}
END_TEST

START_TEST(shutdown_says_goodbye)
{
    struct text script = { 0 };
    struct amqp_frame frame;
    struct amqp_method m;
    size_t need;

    add_opening(&script, 0);
    ck_assert(amqp_rig_feed(&conn, text_slice(&script)));
    text_clear(&conn.out);
    amqp_session_shutdown(conn.session);
    ck_assert(conn.is_finishing);
    ck_assert_int_eq(amqp_frame_next(text_slice(&conn.out), 4096, &frame, &need), RC_OK);
    ck_assert_int_eq(amqp_decode_method(frame.payload, &m), RC_OK);
    ck_assert_int_eq(m.name, AMQP_CONNECTION_CLOSE);
    ck_assert_uint_eq(m.connection_close.reply_code, 320);
    text_done(&script);
}
END_TEST

/* ---- very many at once ---- */

#define MANY 20000u /* more than one turn settles */

static struct queue *the_queue(void)
{
    struct queue *queue = queue_find(rig.core, SLICE("q"));

    ck_assert_ptr_nonnull(queue);
    return queue;
}

/* A channel that had that many delivered, numbered from 0 on. */
static void have_many_delivered(bool is_tx)
{
    struct amqp_method declare = { .name = AMQP_QUEUE_DECLARE };
    struct amqp_method consume = { .name = AMQP_BASIC_CONSUME };
    struct amqp_method select = { .name = AMQP_TX_SELECT };
    struct text script = { 0 };
    char body[16];

    add_opening(&script, 0);
    declare.queue_declare.queue = SLICE("q");
    add(&script, 1, &declare);
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(body, sizeof(body), "%u", i);
        add_publish(&script, 1, SLICE("q"), slice_str(body));
    }
    consume.basic_consume.queue = SLICE("q");
    consume.basic_consume.consumer_tag = SLICE("t");
    add(&script, 1, &consume);
    if (is_tx)
        add(&script, 1, &select);
    ck_assert(amqp_rig_feed(&conn, text_slice(&script)));
    mem_core_settle(&rig);
    ck_assert_uint_eq(queue_taken_count(the_queue()), MANY);
    text_clear(&conn.out);
    text_done(&script);
}

/* The next frame that was written; gives its body when it is of a body. */
static bool next_out(struct slice *out, struct amqp_method *m, struct slice *body)
{
    struct amqp_frame frame;
    size_t need;

    m->name = AMQP_METHOD_COUNT;
    if (amqp_frame_next(*out, 131072, &frame, &need) != RC_OK)
        return false;
    *out = slice_after(*out, AMQP_FRAME_OVERHEAD + frame.payload.len);
    if (frame.type == AMQP_FRAME_METHOD)
        ck_assert_int_eq(amqp_decode_method(frame.payload, m), RC_OK);
    *body = frame.type == AMQP_FRAME_BODY ? frame.payload : SLICE_NONE;
    return true;
}

/* All of them once more, in their order, marked. */
static void expect_redelivered(struct slice *out)
{
    struct slice body;
    struct amqp_method m;
    char wanted[16];
    unsigned count = 0;

    while (count < MANY && next_out(out, &m, &body)) {
        if (m.name == AMQP_BASIC_DELIVER) {
            ck_assert(m.basic_deliver.redelivered);
            ck_assert_uint_eq(m.basic_deliver.delivery_tag, MANY + count + 1);
        } else if (!slice_is_none(body)) {
            (void)snprintf(wanted, sizeof(wanted), "%u", count++);
            ck_assert_slice(body, slice_str(wanted));
        } else {
            ck_assert_int_eq(m.name, AMQP_METHOD_COUNT); /* a header */
        }
    }
    ck_assert_uint_eq(count, MANY);
}

/* Has the method handled, and a qos behind it, up to the end of `turns` turns. */
static void begin(const struct amqp_method *m, unsigned turns)
{
    struct amqp_method behind = { .name = AMQP_BASIC_QOS };
    struct text script = { 0 };
    size_t first;

    add(&script, 1, m);
    first = script.len;
    add(&script, 1, &behind);
    ck_assert_uint_eq(amqp_session_input(conn.session, text_slice(&script)), first);
    text_add(&conn.in, slice_after(text_slice(&script), first));
    for (unsigned i = 0; i < turns; i++)
        core_turn_end(rig.core);
    ck_assert_uint_ne(conn.paused, 0);
    ck_assert_uint_gt(queue_taken_count(the_queue()), 0);
    ck_assert_uint_lt(queue_taken_count(the_queue()), MANY);
    ck_assert_uint_eq(conn.out.len, 0); /* neither an answer nor a delivery */
    text_done(&script);
}

static struct slice go_on(void)
{
    mem_core_settle(&rig);
    ck_assert_uint_eq(conn.paused, 0);
    amqp_rig_feed(&conn, SLICE(""));
    return text_slice(&conn.out);
}

static void expect_method(struct slice *out, enum amqp_method_name name)
{
    struct slice body;
    struct amqp_method m;

    ck_assert(next_out(out, &m, &body));
    ck_assert_int_eq(m.name, name);
}

START_TEST(very_many_are_recovered_in_parts_and_then_delivered_in_order)
{
    struct amqp_method recover = { .name = AMQP_BASIC_RECOVER };
    struct slice out;

    have_many_delivered(_i == 1);
    recover.basic_recover.requeue = true;
    begin(&recover, 2);
    out = go_on();
    expect_method(&out, AMQP_BASIC_RECOVER_OK);
    expect_redelivered(&out);
    expect_method(&out, AMQP_BASIC_QOS_OK);
    ck_assert_uint_eq(queue_taken_count(the_queue()), MANY);
}
END_TEST

START_TEST(a_channel_with_very_many_unsettled_closes_in_parts)
{
    struct amqp_method close = { .name = AMQP_CHANNEL_CLOSE };
    struct amqp_method ack = { .name = AMQP_BASIC_ACK };
    struct text script = { 0 };
    struct slice out;

    have_many_delivered(_i == 1);
    if (_i == 1) { /* half of them wait for tx.commit */
        ack.basic_ack.delivery_tag = MANY / 2;
        ack.basic_ack.multiple = true;
        add(&script, 1, &ack);
        ck_assert(amqp_rig_feed(&conn, text_slice(&script)));
        text_done(&script);
    }
    begin(&close, 1);
    out = go_on();
    expect_method(&out, AMQP_CHANNEL_CLOSE_OK);
    expect_method(&out, AMQP_CONNECTION_CLOSE); /* the qos behind it was on a closed channel */
    ck_assert_uint_eq(queue_taken_count(the_queue()), 0);
    ck_assert_uint_eq(queue_ready_count(the_queue()), MANY);
}
END_TEST

START_TEST(very_many_are_acknowledged_in_parts)
{
    struct amqp_method ack = { .name = AMQP_BASIC_ACK };
    struct slice out;

    have_many_delivered(false);
    ack.basic_ack.delivery_tag = MANY - 1;
    ack.basic_ack.multiple = true;
    begin(&ack, 1);
    out = go_on();
    expect_method(&out, AMQP_BASIC_QOS_OK);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_uint_eq(queue_taken_count(the_queue()), 1);
    ck_assert_uint_eq(queue_ready_count(the_queue()), 0);
}
END_TEST

START_TEST(a_refused_channel_with_very_many_unsettled_is_told_at_once)
{
    struct amqp_method wrong = { .name = AMQP_BASIC_ACK };
    struct amqp_method close_ok = { .name = AMQP_CHANNEL_CLOSE_OK };
    struct amqp_method open = { .name = AMQP_CHANNEL_OPEN };
    struct text script = { 0 };
    struct slice out;

    have_many_delivered(false);
    wrong.basic_ack.delivery_tag = MANY + 1;
    add(&script, 1, &wrong);
    add(&script, 1, &close_ok);
    add(&script, 1, &open);
    text_add(&conn.in, text_slice(&script));
    amqp_session_input(conn.session, text_slice(&script));
    ck_assert_uint_gt(queue_taken_count(the_queue()), 0);
    ck_assert_uint_ne(conn.paused, 0);
    out = text_slice(&conn.out);
    expect_method(&out, AMQP_CHANNEL_CLOSE);
    ck_assert_uint_eq(out.len, 0);
    text_clear(&conn.out);
    script.len = 0;
    add(&script, 1, &wrong); /* was used */
    memmove(conn.in.at, conn.in.at + script.len, conn.in.len - script.len);
    conn.in.len -= script.len;
    out = go_on();
    expect_method(&out, AMQP_CHANNEL_OPEN_OK);
    ck_assert_uint_eq(queue_ready_count(the_queue()), MANY);
    text_done(&script);
}
END_TEST

START_TEST(a_connection_may_end_while_very_many_are_settled)
{
    struct amqp_method recover = { .name = AMQP_BASIC_RECOVER };

    have_many_delivered(false);
    recover.basic_recover.requeue = true;
    begin(&recover, (unsigned)_i);
    amqp_rig_close(&conn);
    mem_core_settle(&rig);
    ck_assert_uint_eq(queue_taken_count(the_queue()), 0);
    ck_assert_uint_eq(queue_ready_count(the_queue()), MANY);
    amqp_rig_open(&conn, &rig);
}
END_TEST

START_TEST(a_queue_may_go_while_very_many_of_it_are_settled)
{
    struct amqp_method recover = { .name = AMQP_BASIC_RECOVER };
    struct slice out;

    have_many_delivered(false);
    recover.basic_recover.requeue = true;
    begin(&recover, 1);
    queue_remove(the_queue());
    out = go_on();
    expect_method(&out, AMQP_BASIC_RECOVER_OK);
    expect_method(&out, AMQP_BASIC_QOS_OK);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("session");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_session_is_the_same_whole_or_in_pieces_of_any_size, 1, 40);
    tcase_add_loop_test(tests, a_session_is_the_same_whole_or_in_pieces_of_any_size, 4096, 4097);
    tcase_add_test(tests, a_session_may_end_at_any_byte);
    tcase_add_test(tests, any_byte_may_be_wrong);
    tcase_add_test(tests, a_handshake_that_stops_ends_after_ten_seconds);
    tcase_add_test(tests, heartbeats_go_out_and_must_come_in);
    tcase_add_test(tests, who_is_not_read_is_not_taken_for_silent);
    tcase_add_test(tests, a_close_that_is_not_answered_ends_after_three_seconds);
    tcase_add_test(tests, unfinished_bodies_of_a_connection_have_a_limit);
    tcase_add_test(tests, a_full_socket_holds_deliveries_back);
    tcase_add_test(tests, shutdown_says_goodbye);
    tcase_add_loop_test(tests, very_many_are_recovered_in_parts_and_then_delivered_in_order, 0, 2);
    tcase_add_loop_test(tests, a_channel_with_very_many_unsettled_closes_in_parts, 0, 2);
    tcase_add_test(tests, very_many_are_acknowledged_in_parts);
    tcase_add_test(tests, a_refused_channel_with_very_many_unsettled_is_told_at_once);
    tcase_add_loop_test(tests, a_connection_may_end_while_very_many_are_settled, 0, 3);
    tcase_add_test(tests, a_queue_may_go_while_very_many_of_it_are_settled);
    return suite_run("amqp_session", tests);
}
