/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "broker/base/fault.h"
#include "tests/unit/net_fixture.h"

#define SECOND_NS 1000000000u

static void setup(void)
{
    fx_setup();
    fx_listen("127.0.0.1", NULL);
}

/* ---- input ---- */

START_TEST(frames_sent_byte_by_byte_arrive_whole)
{
    int fd = fx_client();
    struct text t = { 0 };

    fx_add_frame(&t, SLICE("one"));
    fx_add_frame(&t, SLICE(""));
    fx_add_frame(&t, SLICE("three"));
    for (size_t i = 0; i < t.len; i++) {
        fx_send(fd, slice_of(t.at + i, 1));
        fx_settle();
    }
    FX_UNTIL(fx.frame_count == 3);
    ck_assert(slice_equal_str(text_slice(&fx.frames), "one||three|"));
    text_done(&t);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(all_frames_of_one_packet_are_given_in_one_call)
{
    int fd = fx_client();
    struct text t = { 0 };

    for (unsigned i = 0; i < 100; i++)
        fx_add_frame(&t, SLICE("x"));
    fx_send(fd, text_slice(&t));
    FX_UNTIL(fx.frame_count == 100);
    ck_assert_uint_eq(fx.inputs, 1);
    text_done(&t);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_session_is_not_called_before_the_bytes_it_expects_are_there)
{
    int fd = fx_client();

    fx.is_expecting = true;
    fx_send(fd, slice_of("\0\0\0\5", 4));
    FX_UNTIL(fx.inputs == 1);
    fx_send(fd, SLICE("1234"));
    fx_settle();
    ck_assert_uint_eq(fx.inputs, 1);
    fx_send(fd, SLICE("5"));
    FX_UNTIL(fx.frame_count == 1);
    ck_assert_uint_eq(fx.inputs, 2);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

static void check_large(size_t bytes, bool is_expecting)
{
    int fd = fx_client();
    struct text t = { 0 };
    struct text body = { 0 };

    for (size_t i = 0; i < bytes; i++)
        text_add_byte(&body, (uint8_t)(i * 2654435761u >> 13));
    fx_add_frame(&t, SLICE("before"));
    fx_add_frame(&t, text_slice(&body));
    fx_add_frame(&t, SLICE("after"));
    fx.is_expecting = is_expecting;
    fx_send(fd, text_slice(&t));
    FX_UNTIL(fx.frame_count == 3);
    ck_assert_uint_eq(fx.frames.len, 6 + bytes + 5 + 3);
    ck_assert_int_eq(memcmp(fx.frames.at + 7, body.at, bytes), 0);
    ck_assert_int_eq(memcmp(fx.frames.at + 7 + bytes, "|after|", 7), 0);
    text_done(&t);
    text_done(&body);
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(a_frame_larger_than_every_buffer_arrives_whole)
{
    static const size_t sizes[] = { 65535, 65536, 500000, 524288, 600000, 5000000 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        text_clear(&fx.frames);
        fx.frame_count = 0;
        check_large(sizes[i], true);
        FX_UNTIL(fx.closed == 2 * i + 1);
        text_clear(&fx.frames);
        fx.frame_count = 0;
        check_large(sizes[i], false);
        FX_UNTIL(fx.closed == 2 * i + 2);
    }
}
END_TEST

START_TEST(a_paused_connection_gets_nothing_and_the_rest_after_it_resumes)
{
    int fd = fx_client();

    fx.is_one_by_one = true;
    fx_send_frame(fd, "1");
    fx_send_frame(fd, "2");
    fx_settle();
    fx_send_frame(fd, "3");
    fx_settle();
    ck_assert_uint_eq(fx.frame_count, 1);
    conn_resume(fx.conn, CONN_PAUSE_BUSY);
    fx_settle();
    ck_assert_uint_eq(fx.frame_count, 2);
    conn_resume(fx.conn, CONN_PAUSE_BUSY);
    fx_settle();
    ck_assert_uint_eq(fx.frame_count, 3);
    ck_assert(slice_equal_str(text_slice(&fx.frames), "1|2|3|"));
    ck_assert_int_eq(close(fd), 0);
    conn_resume(fx.conn, CONN_PAUSE_BUSY);
    FX_UNTIL(fx.closed == 1);
}
END_TEST

START_TEST(reading_goes_on_only_when_no_reason_to_pause_is_left)
{
    int fd = fx_client();

    conn_pause(fx.conn, CONN_PAUSE_STORE);
    conn_pause(fx.conn, CONN_PAUSE_BLOCKED);
    fx_send_frame(fd, "1");
    fx_settle();
    conn_resume(fx.conn, CONN_PAUSE_BUSY); /* was none of the reasons */
    conn_resume(fx.conn, CONN_PAUSE_STORE);
    fx_settle();
    ck_assert_uint_eq(fx.frame_count, 0);
    conn_resume(fx.conn, CONN_PAUSE_BLOCKED);
    FX_UNTIL(fx.frame_count == 1);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_peer_that_resets_while_paused_is_noticed)
{
    struct linger hard = { .l_onoff = 1 };
    int fd = fx_client();

    clock_set_for_test(SECOND_NS, 0);
    conn_pause(fx.conn, CONN_PAUSE_STORE);
    fx_send_frame(fd, "1");
    fx_settle();
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    ck_assert_int_eq(close(fd), 0);
    for (unsigned i = 2; i < 100 && fx.closed == 0; i++) {
        clock_set_for_test((uint64_t)i * SECOND_NS, 0);
        loop_turn(fx.loop, 1);
    }
    ck_assert_uint_eq(fx.closed, 1);
    ck_assert_int_eq(fx.closed_why, RC_CLOSED);
}
END_TEST

/* ---- deadlines ---- */

START_TEST(half_a_frame_ends_the_connection_after_the_frame_timeout)
{
    int64_t before = count_get(COUNT_NET_TIMEOUTS);
    int fd;

    clock_set_for_test(SECOND_NS, 0);
    fd = fx_client();
    conn_set_frame_timeout(fx.conn, 5000);
    fx_send(fd, SLICE("\0\0"));
    fx_settle();
    clock_set_for_test(5 * (uint64_t)SECOND_NS, 0);
    fx_settle();
    fx_send(fd, slice_of("\0", 1)); /* a trickle is no progress */
    fx_settle();
    ck_assert_uint_eq(fx.closed, 0);
    clock_set_for_test(7 * (uint64_t)SECOND_NS, 0);
    fx_settle();
    ck_assert_uint_eq(fx.closed, 1);
    ck_assert_int_eq(fx.closed_why, RC_TIMEOUT);
    ck_assert_int_eq(count_get(COUNT_NET_TIMEOUTS), before + 1);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_slow_large_frame_is_not_timed_out_while_it_grows)
{
    struct text t = { 0 };
    int fd;

    clock_set_for_test(SECOND_NS, 0);
    fd = fx_client();
    fx.is_expecting = true;
    conn_set_frame_timeout(fx.conn, 5000);
    text_add_u32(&t, 400000);
    ck_assert(text_reserve(&t, 400000));
    memset(t.at + t.len, 'x', 400000);
    t.len += 400000;
    for (unsigned i = 0; i < 4; i++) {
        fx_send(fd, slice_of(t.at + i * 100001, 100001));
        fx_settle();
        ck_assert_uint_eq(fx.closed, 0);
        clock_set_for_test((4 * i + 5) * (uint64_t)SECOND_NS, 0);
        fx_settle();
    }
    ck_assert_uint_eq(fx.frame_count, 1);
    text_done(&t);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(an_idle_connection_is_not_timed_out)
{
    int fd;

    clock_set_for_test(SECOND_NS, 0);
    fd = fx_client();
    fx_send_frame(fd, "whole");
    FX_UNTIL(fx.frame_count == 1);
    clock_set_for_test(1000 * (uint64_t)SECOND_NS, 0);
    fx_settle();
    clock_set_for_test(2000 * (uint64_t)SECOND_NS, 0);
    fx_settle();
    ck_assert_uint_eq(fx.closed, 0);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(input_that_waits_for_our_own_pause_is_not_timed_out)
{
    int fd;

    clock_set_for_test(SECOND_NS, 0);
    fd = fx_client();
    fx.is_one_by_one = true;
    fx_send_frame(fd, "1");
    fx_send_frame(fd, "2");
    fx_settle();
    for (unsigned i = 1; i < 10; i++) {
        clock_set_for_test(i * 20 * (uint64_t)SECOND_NS, 0);
        fx_settle();
    }
    ck_assert_uint_eq(fx.closed, 0);
    conn_resume(fx.conn, CONN_PAUSE_BUSY);
    fx_settle();
    ck_assert_uint_eq(fx.frame_count, 2);
    ck_assert_int_eq(close(fd), 0);
    conn_resume(fx.conn, CONN_PAUSE_BUSY);
}
END_TEST

/* ---- output ---- */

static struct slice pattern(struct text *t, size_t bytes)
{
    text_clear(t);
    for (size_t i = 0; i < bytes; i++)
        text_add_byte(t, (uint8_t)(i * 40503 >> 7));
    return text_slice(t);
}

START_TEST(what_is_written_in_pieces_arrives_in_order)
{
    struct text want = { 0 };
    struct text got = { 0 };
    int fd = fx_client();
    char line[32];

    for (unsigned i = 0; i < 20000; i++) {
        int len = snprintf(line, sizeof(line), "%u,", i);

        text_add(&want, slice_of(line, (size_t)len));
        if (i % 2 == 0) {
            conn_write(fx.conn, slice_of(line, (size_t)len));
        } else {
            memcpy(conn_reserve(fx.conn, sizeof(line)), line, (size_t)len);
            conn_commit(fx.conn, (size_t)len);
        }
    }
    ck_assert_uint_eq(conn_output_bytes(fx.conn), want.len);
    ck_assert(slice_equal(fx_receive(fd, &got, want.len), text_slice(&want)));
    ck_assert_uint_eq(conn_output_bytes(fx.conn), 0);
    text_done(&want);
    text_done(&got);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(held_output_stays_until_it_is_released_and_keeps_its_order)
{
    struct text got = { 0 };
    int fd = fx_client();
    char byte;

    conn_write(fx.conn, SLICE("first "));
    conn_hold(fx.conn);
    conn_write(fx.conn, SLICE("second "));
    fx_settle();
    ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_uint_eq(conn_output_bytes(fx.conn), 13);
    conn_release(fx.conn);
    conn_write(fx.conn, SLICE("third"));
    ck_assert(slice_equal(fx_receive(fd, &got, 18), SLICE("first second third")));
    conn_hold(fx.conn);
    conn_write(fx.conn, SLICE("the end"));
    conn_finish(fx.conn, RC_CLOSED);
    text_clear(&got);
    ck_assert(slice_equal(fx_receive(fd, &got, 7), SLICE("the end")));
    text_done(&got);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_full_socket_is_told_and_drains_when_the_peer_reads)
{
    struct text t = { 0 };
    struct text got = { 0 };
    struct slice part;
    size_t total = 0;
    int fd = fx_client();

    part = pattern(&t, 300001);
    while (!conn_is_full(fx.conn)) {
        conn_write(fx.conn, part);
        total += part.len;
        fx_settle();
        ck_assert_uint_lt(total, (size_t)64 << 20);
    }
    fx_send_frame(fd, "unread while its own output is full");
    fx_settle();
    ck_assert_uint_eq(fx.drained, 0);
    ck_assert_uint_eq(fx.frame_count, 0);
    (void)fx_receive(fd, &got, total);
    ck_assert_uint_eq(got.len, total);
    for (size_t at = 0; at < total; at += part.len)
        ck_assert_int_eq(memcmp(got.at + at, part.at, part.len), 0);
    FX_UNTIL(fx.frame_count == 1);
    ck_assert_uint_eq(fx.drained, 1);
    ck_assert(!conn_is_full(fx.conn));
    text_done(&t);
    text_done(&got);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_block_is_referenced_until_it_is_sent)
{
    struct block *block = block_try(50000);
    struct text want = { 0 };
    struct text got = { 0 };
    int fd = fx_client();

    for (size_t i = 0; i < block->len; i++)
        block->at[i] = (uint8_t)(i * 31 >> 3);
    conn_write(fx.conn, SLICE("head"));
    conn_write_block(fx.conn, block, slice_of(block->at + 10, 40000));
    conn_write(fx.conn, SLICE("mid"));
    conn_write_block(fx.conn, block, slice_of(block->at, 100)); /* short: copied */
    conn_write_block(fx.conn, block, block_slice(block));
    conn_write(fx.conn, SLICE("tail"));
    ck_assert_uint_eq(block->refs, 3);
    text_add(&want, SLICE("head"));
    text_add(&want, slice_of(block->at + 10, 40000));
    text_add(&want, SLICE("mid"));
    text_add(&want, slice_of(block->at, 100));
    text_add(&want, block_slice(block));
    text_add(&want, SLICE("tail"));
    ck_assert(slice_equal(fx_receive(fd, &got, want.len), text_slice(&want)));
    ck_assert_uint_eq(block->refs, 1);
    block_unref(&block);
    text_done(&want);
    text_done(&got);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_block_of_a_connection_that_goes_is_let_go)
{
    struct block *block = block_try(1 << 20);
    int fd = fx_client();

    memset(block->at, 'x', block->len);
    for (unsigned i = 0; i < 16; i++)
        conn_write_block(fx.conn, block, block_slice(block));
    fx_settle();
    ck_assert_uint_gt(block->refs, 1);
    ck_assert_int_eq(close(fd), 0);
    FX_UNTIL(fx.closed == 1);
    ck_assert_int_eq(fx.closed_why, RC_CLOSED);
    ck_assert_uint_eq(block->refs, 1);
    block_unref(&block);
}
END_TEST

START_TEST(much_output_goes_out_before_the_end_of_the_turn)
{
    struct text t = { 0 };
    struct text got = { 0 };
    struct slice part = pattern(&t, 50000);
    int fd = fx_client();

    for (unsigned i = 0; i < 20; i++)
        conn_write(fx.conn, part);
    ck_assert_uint_lt(conn_output_bytes(fx.conn), 200000);
    ck_assert_uint_eq(fx_receive(fd, &got, 20 * part.len).len, 20 * part.len);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(memcmp(got.at + i * part.len, part.at, part.len), 0);
    text_done(&t);
    text_done(&got);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

static bool is_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

/* One message to very many: each is written to in its order, and the loop turns between. */
START_TEST(very_many_connections_are_written_to_over_several_turns)
{
    enum { CONNECTIONS = 300 };
    struct listener_config config = { .name = "test",
                                      .address = "127.0.0.1",
                                      .max_connections = CONNECTIONS,
                                      .protocol = &fx_protocol,
                                      .context = &fx };
    struct conn *conns[CONNECTIONS];
    int fds[CONNECTIONS];
    size_t reached = 0, turns = 0;

    listener_close(&fx.listener); /* it takes a few alone */
    ck_assert_int_eq(listener_open(fx.loop, &config, &fx.listener), RC_OK);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = fx_client();
        conns[i] = fx.conn;
    }
    for (size_t i = 0; i < CONNECTIONS; i++)
        conn_write(conns[i], SLICE("x"));
    for (; reached < CONNECTIONS && turns < 1000; turns++) {
        loop_turn(fx.loop, 0);
        while (reached < CONNECTIONS && is_readable(fds[reached]))
            reached++;
        for (size_t i = reached; i < CONNECTIONS; i++)
            ck_assert(!is_readable(fds[i]));
    }
    ck_assert_uint_eq(reached, CONNECTIONS);
    ck_assert_uint_gt(turns, 1);
    for (size_t i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
}
END_TEST

START_TEST(no_memory_for_output_ends_that_connection_alone)
{
    int fd = fx_client();

    fault_arm("mem", 1, FAULT_FAIL);
    memset(conn_reserve(fx.conn, CONN_RESERVE_MAX), 'x', CONN_RESERVE_MAX);
    conn_commit(fx.conn, CONN_RESERVE_MAX);
    fault_disarm();
    ck_assert(conn_is_closing(fx.conn));
    conn_write(fx.conn, SLICE("into nothing"));
    FX_UNTIL(fx.closed == 1);
    ck_assert_int_eq(fx.closed_why, RC_MEMORY);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(no_memory_for_input_ends_that_connection_alone)
{
    int fd = fx_client();

    fault_arm("mem", 1, FAULT_FAIL);
    fx_send(fd, SLICE("\0\0"));
    fx_settle();
    fault_disarm();
    FX_UNTIL(fx.closed == 1);
    ck_assert_int_eq(fx.closed_why, RC_MEMORY);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* ---- the end ---- */

START_TEST(finishing_sends_all_that_was_written_and_then_ends)
{
    struct text t = { 0 };
    struct text got = { 0 };
    struct slice part = pattern(&t, 3000000);
    int fd = fx_client();

    conn_write(fx.conn, part);
    conn_finish(fx.conn, RC_LIMIT);
    conn_finish(fx.conn, RC_PROTOCOL); /* the first reason stays */
    ck_assert(slice_equal(fx_receive(fd, &got, part.len + 1), part));
    ck_assert_uint_eq(fx.closed, 1);
    ck_assert_int_eq(fx.closed_why, RC_LIMIT);
    text_done(&t);
    text_done(&got);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(closing_ends_at_the_end_of_the_turn_and_drops_what_was_not_sent)
{
    struct text got = { 0 };
    int fd = fx_client();

    conn_write(fx.conn, SLICE("never sent"));
    conn_close(fx.conn, RC_AUTH);
    conn_close(fx.conn, RC_PROTOCOL); /* again: ignored */
    ck_assert_uint_eq(fx.closed, 0);
    loop_turn(fx.loop, 0);
    ck_assert_uint_eq(fx.closed, 1);
    ck_assert_int_eq(fx.closed_why, RC_AUTH);
    ck_assert_uint_eq(fx_receive(fd, &got, 1).len, 0);
    text_done(&got);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(finishing_inside_on_input_lets_the_last_words_through_a_flood_of_input)
{
    struct text flood = { 0 };
    struct text got = { 0 };
    int fd = fx_client();

    fx.is_finishing = true;
    fx.is_echo = true;
    fx_add_frame(&flood, SLICE("last words"));
    ck_assert(text_reserve(&flood, 2000000));
    memset(flood.at + flood.len, 0, 2000000);
    flood.len += 2000000;
    fx_send(fd, text_slice(&flood));
    ck_assert(slice_equal_str(fx_receive(fd, &got, 100), "last words"));
    ck_assert(fx_is_at_end(fd));
    ck_assert_uint_eq(fx.frame_count, 1);
    text_done(&flood);
    text_done(&got);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_peer_that_does_not_read_its_goodbye_is_let_go_after_the_linger_time)
{
    struct text t = { 0 };
    int fd;

    clock_set_for_test(SECOND_NS, 0);
    fd = fx_client();
    conn_write(fx.conn, pattern(&t, 20000000));
    conn_finish(fx.conn, RC_PROTOCOL);
    fx_settle();
    clock_set_for_test(5 * (uint64_t)SECOND_NS, 0);
    fx_settle();
    ck_assert_uint_eq(fx.closed, 0);
    clock_set_for_test(7 * (uint64_t)SECOND_NS, 0);
    fx_settle();
    ck_assert_uint_eq(fx.closed, 1);
    ck_assert_int_eq(fx.closed_why, RC_PROTOCOL);
    text_done(&t);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_peer_that_says_all_and_half_closes_still_gets_its_answers)
{
    struct text t = { 0 };
    struct text got = { 0 };
    struct slice part = pattern(&t, 4000000);
    int fd = fx_client();

    conn_write(fx.conn, part);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    ck_assert(slice_equal(fx_receive(fd, &got, part.len), part));
    FX_UNTIL(fx.closed == 1);
    ck_assert_int_eq(fx.closed_why, RC_CLOSED);
    text_done(&t);
    text_done(&got);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_refused_session_ends_its_connection_without_on_closed)
{
    int64_t before = count_get(COUNT_NET_REFUSED);
    int fd;

    fx.is_refusing = true;
    fd = fx_connect();
    FX_UNTIL(fx_is_at_end(fd));
    ck_assert_uint_eq(fx.closed, 0);
    ck_assert_int_eq(count_get(COUNT_NET_REFUSED), before + 1);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* ---- names and places ---- */

START_TEST(a_connection_knows_both_of_its_ends)
{
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    char want[64];
    int fd = fx_client();

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    (void)snprintf(want, sizeof(want), "127.0.0.1:%u", ntohs(own.sin_port));
    ck_assert_str_eq(conn_peer(fx.conn), want);
    ck_assert_str_eq(conn_local_host(fx.conn), "127.0.0.1");
    ck_assert_uint_eq(conn_local_port(fx.conn), listener_port(fx.listener));
    ck_assert_str_eq(conn_listener_name(fx.conn), "test");
    ck_assert(conn_is_loopback(fx.conn));
    ck_assert(!conn_is_tls(fx.conn));
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(on_the_wildcard_address_the_socket_tells_where_the_peer_came_to)
{
    int fd;

    listener_close(&fx.listener);
    fx_listen("0.0.0.0", NULL);
    fd = fx_client();
    ck_assert_str_eq(conn_local_host(fx.conn), "127.0.0.1");
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(connections_of_a_closed_listener_stay)
{
    int fd = fx_client();

    listener_close(&fx.listener);
    fx_send_frame(fd, "still here");
    FX_UNTIL(fx.frame_count == 1);
    ck_assert_str_eq(conn_listener_name(fx.conn), "test");
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(an_address_in_use_or_of_no_form_is_told)
{
    struct listener_config config = { .name = "second",
                                      .address = "127.0.0.1",
                                      .port = listener_port(fx.listener),
                                      .protocol = &fx_protocol };
    struct listener *none = NULL;

    ck_assert_int_eq(listener_open(fx.loop, &config, &none), RC_IN_USE);
    config.address = "localhost.";
    ck_assert_int_eq(listener_open(fx.loop, &config, &none), RC_INVALID);
    config.address = "192.0.2.1";
    ck_assert_int_eq(listener_open(fx.loop, &config, &none), RC_INVALID);
    config.address = "unix:/nowhere/at/all";
    ck_assert_int_eq(listener_open(fx.loop, &config, &none), RC_INVALID);
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(connections_over_the_limit_are_refused)
{
    int64_t before = count_get(COUNT_NET_REFUSED);
    int fds[9];

    for (unsigned i = 0; i < 9; i++)
        fds[i] = fx_connect();
    FX_UNTIL(count_get(COUNT_NET_REFUSED) == before + 1);
    ck_assert_uint_eq(fx.opened, 8);
    ck_assert(fx_is_at_end(fds[8]));
    for (unsigned i = 0; i < 9; i++)
        ck_assert_int_eq(close(fds[i]), 0);
}
END_TEST

START_TEST(without_descriptors_accepting_rests_and_goes_on_later)
{
    struct rlimit before, tight;
    int fd = fx_client();
    int second = fx_connect();
    int third = fx_connect();
    int spare = dup(fd);

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(close(spare), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)spare; /* not one more than are open now */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
    fx_settle();
    ck_assert_uint_eq(fx.opened, 1);
    ck_assert_int_eq(close(fd), 0); /* the broker's end goes, and frees one for the next */
    FX_UNTIL(fx.opened >= 2);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    FX_UNTIL(fx.opened == 3);
    ck_assert_int_eq(close(second), 0);
    ck_assert_int_eq(close(third), 0);
}
END_TEST

START_TEST(connections_leave_descriptors_to_the_store)
{
    int64_t before = count_get(COUNT_NET_REFUSED);
    struct rlimit few = { .rlim_cur = 300, .rlim_max = 300 };
    int others[300];
    unsigned count = 0;
    int fd;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0); /* each test is a process of its own */
    listener_close(&fx.listener);
    fx_listen("127.0.0.1", NULL);
    do
        others[count] = dup(STDERR_FILENO);
    while (others[count++] < 300 - 64);
    fd = fx_connect();
    FX_UNTIL(fx_is_at_end(fd));
    ck_assert_int_eq(count_get(COUNT_NET_REFUSED), before + 1);
    ck_assert_uint_eq(fx.opened, 0);
    ck_assert_int_eq(close(fd), 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(close(others[--count]), 0);
    fd = fx_client();
    while (count > 0)
        ck_assert_int_eq(close(others[--count]), 0);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(an_ipv6_listener_names_its_peers_in_brackets)
{
    struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        if (fd >= 0)
            ck_assert_int_eq(close(fd), 0);
        return; /* a machine without IPv6 */
    }
    listener_close(&fx.listener);
    fx_listen("::1", NULL);
    to.sin6_port = htons(listener_port(fx.listener));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    FX_UNTIL(fx.opened == 1);
    ck_assert_int_eq(strncmp(conn_peer(fx.conn), "[::1]:", 6), 0);
    ck_assert_str_eq(conn_local_host(fx.conn), "::1");
    ck_assert(conn_is_loopback(fx.conn));
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_unix_listener_takes_over_a_stale_socket_but_not_a_live_one_or_a_file)
{
    char dir[] = "/tmp/tercet-conn-XXXXXX";
    char address[128];
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    struct listener_config config = { .name = "u", .address = address, .protocol = &fx_protocol };
    struct listener *second = NULL;
    int fd, stale;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/s", dir);
    (void)snprintf(address, sizeof(address), "unix:%s", to.sun_path);
    stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(stale, (struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(close(stale), 0);
    listener_close(&fx.listener);
    fx_listen(address, NULL);
    ck_assert_int_eq(listener_open(fx.loop, &config, &second), RC_IN_USE);
    FX_UNTIL(fx.closed == 1); /* the look whether somebody listens was a connection */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    FX_UNTIL(fx.opened == 2);
    ck_assert_str_eq(conn_peer(fx.conn), "unix");
    ck_assert(conn_is_loopback(fx.conn));
    fx_send_frame(fd, "u");
    FX_UNTIL(fx.frame_count == 1);
    ck_assert_int_eq(close(fd), 0);
    listener_close(&fx.listener);
    ck_assert_int_eq(access(to.sun_path, F_OK), -1);
    fd = open(to.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(listener_open(fx.loop, &config, &second), RC_INVALID);
    ck_assert_int_eq(unlink(to.sun_path), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* ---- shutdown ---- */

START_TEST(at_shutdown_sessions_say_goodbye_and_the_last_byte_arrives)
{
    struct text got = { 0 };
    bool is_done = false;
    int fd = fx_client();

    net_shutdown(fx.loop, 10000, fx_stop, &is_done);
    ck_assert_uint_eq(fx.shutdowns, 1);
    ck_assert(slice_equal_str(fx_receive(fd, &got, 100), "bye"));
    ck_assert_int_eq(close(fd), 0);
    FX_UNTIL(is_done);
    ck_assert_uint_eq(fx.closed, 1);
    text_done(&got);
}
END_TEST

START_TEST(at_shutdown_who_does_not_go_is_closed_after_the_grace)
{
    bool is_done = false;
    int fd;

    clock_set_for_test(SECOND_NS, 0);
    fd = fx_client();
    fx.is_deaf = true;
    net_shutdown(fx.loop, 3000, fx_stop, &is_done);
    fx_settle();
    ck_assert(!is_done);
    ck_assert_uint_eq(fx.closed, 0);
    clock_set_for_test(5 * (uint64_t)SECOND_NS, 0);
    fx_settle();
    clock_set_for_test(6 * (uint64_t)SECOND_NS, 0);
    fx_settle();
    ck_assert_uint_eq(fx.closed, 1);
    ck_assert(is_done);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

static void add_input_tests(TCase *test)
{
    tcase_add_test(test, frames_sent_byte_by_byte_arrive_whole);
    tcase_add_test(test, all_frames_of_one_packet_are_given_in_one_call);
    tcase_add_test(test, a_session_is_not_called_before_the_bytes_it_expects_are_there);
    tcase_add_test(test, a_frame_larger_than_every_buffer_arrives_whole);
    tcase_add_test(test, a_paused_connection_gets_nothing_and_the_rest_after_it_resumes);
    tcase_add_test(test, reading_goes_on_only_when_no_reason_to_pause_is_left);
    tcase_add_test(test, a_peer_that_resets_while_paused_is_noticed);
    tcase_add_test(test, half_a_frame_ends_the_connection_after_the_frame_timeout);
    tcase_add_test(test, a_slow_large_frame_is_not_timed_out_while_it_grows);
    tcase_add_test(test, an_idle_connection_is_not_timed_out);
    tcase_add_test(test, input_that_waits_for_our_own_pause_is_not_timed_out);
}

static void add_output_tests(TCase *test)
{
    tcase_add_test(test, what_is_written_in_pieces_arrives_in_order);
    tcase_add_test(test, held_output_stays_until_it_is_released_and_keeps_its_order);
    tcase_add_test(test, a_full_socket_is_told_and_drains_when_the_peer_reads);
    tcase_add_test(test, a_block_is_referenced_until_it_is_sent);
    tcase_add_test(test, a_block_of_a_connection_that_goes_is_let_go);
    tcase_add_test(test, much_output_goes_out_before_the_end_of_the_turn);
    tcase_add_test(test, very_many_connections_are_written_to_over_several_turns);
    tcase_add_test(test, no_memory_for_output_ends_that_connection_alone);
    tcase_add_test(test, no_memory_for_input_ends_that_connection_alone);
    tcase_add_test(test, finishing_sends_all_that_was_written_and_then_ends);
    tcase_add_test(test, closing_ends_at_the_end_of_the_turn_and_drops_what_was_not_sent);
    tcase_add_test(test, finishing_inside_on_input_lets_the_last_words_through_a_flood_of_input);
    tcase_add_test(test, a_peer_that_does_not_read_its_goodbye_is_let_go_after_the_linger_time);
    tcase_add_test(test, a_peer_that_says_all_and_half_closes_still_gets_its_answers);
    tcase_add_test(test, a_refused_session_ends_its_connection_without_on_closed);
}

static void add_place_tests(TCase *test)
{
    tcase_add_test(test, a_connection_knows_both_of_its_ends);
    tcase_add_test(test, on_the_wildcard_address_the_socket_tells_where_the_peer_came_to);
    tcase_add_test(test, connections_of_a_closed_listener_stay);
    tcase_add_test(test, an_address_in_use_or_of_no_form_is_told);
    tcase_add_test(test, connections_over_the_limit_are_refused);
    tcase_add_test(test, without_descriptors_accepting_rests_and_goes_on_later);
    tcase_add_test(test, connections_leave_descriptors_to_the_store);
    tcase_add_test(test, an_ipv6_listener_names_its_peers_in_brackets);
    tcase_add_test(test, a_unix_listener_takes_over_a_stale_socket_but_not_a_live_one_or_a_file);
    tcase_add_test(test, at_shutdown_sessions_say_goodbye_and_the_last_byte_arrives);
    tcase_add_test(test, at_shutdown_who_does_not_go_is_closed_after_the_grace);
}

int main(void)
{
    Suite *suite = suite_create("conn");
    TCase *test = tcase_create("conn");
    SRunner *runner;
    int failed;

    tcase_set_timeout(test, 60);
    tcase_add_checked_fixture(test, setup, fx_teardown);
    add_input_tests(test);
    add_output_tests(test);
    add_place_tests(test);
    suite_add_tcase(suite, test);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
