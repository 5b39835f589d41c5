/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/text.h"
#include "broker/net/websocket.h"
#include "tests/lib/suite.h"

enum { CONTINUATION = 0, BINARY = 2, CLOSE = 8, PING = 9 };

static const uint8_t mask[] = { 0x11, 0x22, 0x33, 0x44 };

static void add_frame(struct text *t, unsigned first, struct slice payload)
{
    text_add_byte(t, (uint8_t)first);
    if (payload.len < 126) {
        text_add_byte(t, (uint8_t)(0x80 | payload.len));
    } else if (payload.len <= UINT16_MAX) {
        text_add_byte(t, 0x80 | 126);
        text_add_u16(t, (uint16_t)payload.len);
    } else {
        text_add_byte(t, 0x80 | 127);
        text_add_u64(t, payload.len);
    }
    text_add(t, slice_of(mask, sizeof(mask)));
    for (size_t i = 0; i < payload.len; i++)
        text_add_byte(t, payload.at[i] ^ mask[i % sizeof(mask)]);
}

/* Decodes `t`, `step` bytes at a time, each in a copy of exactly that size. */
static enum rc decode(struct websocket *ws, const struct text *t, size_t step, struct text *to)
{
    enum rc rc = RC_OK;

    for (size_t at = 0; at < t->len && rc == RC_OK; at += step) {
        size_t len = t->len - at < step ? t->len - at : step;
        struct slice piece = exact_copy(slice_of(t->at + at, len));
        size_t n = 0;

        rc = websocket_decode(ws, (uint8_t *)(uintptr_t)piece.at, piece.len, &n);
        if (n > len)
            ck_abort_msg("more payload than bytes");
        text_add(to, slice_of(piece.at, n));
        exact_free(piece);
    }
    return rc;
}

START_TEST(payload_comes_out_however_the_bytes_are_cut)
{
    static const size_t sizes[] = { 0, 1, 7, 8, 9, 125, 126, 127, 1000, 65536 };
    struct text in = { 0 }, want = { 0 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct text body = { 0 };

        for (size_t k = 0; k < sizes[i]; k++)
            text_add_byte(&body, (uint8_t)(k * 7 + i));
        add_frame(&in, i % 2 == 0 ? 0x00 | BINARY : 0x80 | CONTINUATION, text_slice(&body));
        add_frame(&in, 0x80 | PING, SLICE("between"));
        text_add(&want, text_slice(&body));
        text_done(&body);
    }
    add_frame(&in, 0x80 | BINARY, SLICE("end"));
    text_add(&want, SLICE("end"));
    for (size_t step = 1; step <= in.len; step = step < 20 ? step + 1 : step * 3) {
        struct websocket ws = { 0 };
        struct text got = { 0 };

        ck_assert_int_eq(decode(&ws, &in, step, &got), RC_OK);
        ck_assert_slice(text_slice(&got), text_slice(&want));
        ck_assert(ws.has_pong && !ws.is_over && ws.left == 0 && ws.head_len == 0);
        text_done(&got);
    }
    text_done(&in);
    text_done(&want);
}
END_TEST

static void check_refused(struct slice bytes, enum websocket_code code)
{
    for (size_t step = 1; step <= bytes.len; step++) {
        struct websocket ws = { 0 };
        struct text in = { 0 }, got = { 0 };

        text_add(&in, bytes);
        ck_assert_int_eq(decode(&ws, &in, step, &got), RC_PROTOCOL);
        ck_assert(ws.is_over && ws.is_closing && ws.peer_code == 0);
        ck_assert_uint_eq(ws.close_code, code);
        text_done(&in);
        text_done(&got);
    }
}

START_TEST(what_the_rules_forbid_is_refused_with_its_code)
{
    check_refused(SLICE("\x82\x01x"), WEBSOCKET_PROTOCOL_ERROR); /* no mask */
    for (unsigned bit = 0x10; bit <= 0x40; bit <<= 1) {
        uint8_t reserved[] = { (uint8_t)(0x82 | bit), 0x80 };

        check_refused(slice_of(reserved, sizeof(reserved)), WEBSOCKET_PROTOCOL_ERROR);
    }
    for (unsigned opcode = 3; opcode <= 15; opcode++) {
        uint8_t unknown[] = { (uint8_t)(0x80 | opcode), 0x80 };

        if (opcode < 8 || opcode > 10)
            check_refused(slice_of(unknown, sizeof(unknown)), WEBSOCKET_PROTOCOL_ERROR);
    }
    check_refused(SLICE("\x81\x80"), WEBSOCKET_UNSUPPORTED_DATA);
    check_refused(SLICE("\x80\x80"), WEBSOCKET_PROTOCOL_ERROR); /* nothing to go on with */
    check_refused(SLICE("\x02\x80mask\x82\x80"), WEBSOCKET_PROTOCOL_ERROR);
    check_refused(SLICE("\x09\x80"), WEBSOCKET_PROTOCOL_ERROR);           /* a ping in pieces */
    check_refused(SLICE("\x89\xfe"), WEBSOCKET_PROTOCOL_ERROR);           /* a long one */
    check_refused(SLICE("\x82\xfe\0\x7dmask"), WEBSOCKET_PROTOCOL_ERROR); /* 125 as two bytes */
    check_refused(SLICE("\x82\xff\0\0\0\0\0\0\xff\xffmask"), WEBSOCKET_PROTOCOL_ERROR);
    check_refused(SLICE("\x82\xff\x80\0\0\0\0\0\0\0mask"), WEBSOCKET_PROTOCOL_ERROR);
    check_refused(SLICE("\x88\x81\0\0\0\0\3"), WEBSOCKET_PROTOCOL_ERROR);
    check_refused(SLICE("\x88\x82\0\0\0\0\3\xed"), WEBSOCKET_PROTOCOL_ERROR); /* 1005 */
    check_refused(SLICE("\x88\x83\0\0\0\0\3\xe8\xff"), WEBSOCKET_INVALID_DATA);
}
END_TEST

START_TEST(a_close_ends_the_input_behind_what_came_before)
{
    struct websocket ws = { 0 };
    struct text in = { 0 }, got = { 0 };

    add_frame(&in, 0x80 | BINARY, SLICE("before"));
    add_frame(&in, 0x80 | CLOSE, SLICE("\x03\xe9 bye"));
    add_frame(&in, 0x80 | BINARY, SLICE("after"));
    ck_assert_int_eq(decode(&ws, &in, in.len, &got), RC_CLOSED);
    ck_assert_slice(text_slice(&got), SLICE("before"));
    ck_assert(ws.is_over);
    ck_assert_uint_eq(ws.peer_code, WEBSOCKET_GOING_AWAY);
    ck_assert_uint_eq(ws.close_code, WEBSOCKET_GOING_AWAY);
    text_done(&in);
    text_done(&got);
}
END_TEST

/* ---- output ---- */

/* Sends `waiting` payload bytes in calls that move at most `step` bytes; adds what stands between
 * them, with one 'x' for each payload byte. */
static void send_all(struct websocket *ws, size_t waiting, size_t step, struct text *to)
{
    while (waiting > 0 || websocket_has_output(ws)) {
        struct slice before;
        size_t may = websocket_next(ws, waiting, &before);
        size_t n = before.len + may < step ? before.len + may : step;
        size_t sent;

        if (n == 0)
            ck_abort_msg("output that cannot be sent"); /* an assertion here costs a call each */
        text_add(to, slice_of(before.at, n < before.len ? n : before.len));
        sent = websocket_sent(ws, n);
        if (sent != n - (n < before.len ? n : before.len))
            ck_abort_msg("%zu bytes of payload", sent);
        for (size_t i = 0; i < sent; i++)
            text_add_byte(to, 'x');
        waiting -= sent;
    }
}

START_TEST(output_is_framed_however_little_the_kernel_takes)
{
    static const struct {
        size_t payload;
        struct slice head;
    } cases[] = {
        { 1, SLICE("\x82\x01") },
        { 125, SLICE("\x82\x7d") },
        { 126, SLICE("\x82\x7e\0\x7e") },
        { 65535, SLICE("\x82\x7e\xff\xff") },
        { 65536, SLICE("\x82\x7f\0\0\0\0\0\1\0\0") },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t step = 1; step <= 70000; step *= 7) {
            struct websocket ws = { 0 };
            struct text got = { 0 };

            send_all(&ws, cases[i].payload, step, &got);
            ck_assert_uint_eq(got.len, cases[i].head.len + cases[i].payload);
            ck_assert(slice_starts(text_slice(&got), cases[i].head));
            text_done(&got);
        }
    }
}
END_TEST

START_TEST(a_frame_has_a_bound)
{
    struct websocket ws = { 0 };
    struct slice before;

    ck_assert_uint_eq(websocket_next(&ws, WEBSOCKET_FRAME_BYTES + 1, &before),
                      WEBSOCKET_FRAME_BYTES);
    ck_assert_uint_eq(before.len, 10);
    ck_assert_uint_eq(websocket_sent(&ws, 10 + WEBSOCKET_FRAME_BYTES), WEBSOCKET_FRAME_BYTES);
    ck_assert_uint_eq(websocket_next(&ws, 1, &before), 1);
    ck_assert_slice(before, SLICE("\x82\x01"));
}
END_TEST

START_TEST(the_answer_to_the_request_goes_out_without_a_head)
{
    struct websocket ws = { .frame_left = 10 };
    struct text got = { 0 };

    send_all(&ws, 12, 3, &got);
    ck_assert_slice(text_slice(&got), SLICE("xxxxxxxxxx\x82\x02xx"));
    text_done(&got);
}
END_TEST

START_TEST(a_pong_waits_for_the_frame_under_way_and_a_close_for_all)
{
    struct websocket ws = { 0 };
    struct text in = { 0 }, got = { 0 };
    struct slice before;

    ck_assert_uint_eq(websocket_next(&ws, 3, &before), 3);
    ck_assert_uint_eq(websocket_sent(&ws, before.len + 1), 1);
    add_frame(&in, 0x80 | PING, SLICE("a"));
    add_frame(&in, 0x80 | PING, SLICE("b"));
    ck_assert_int_eq(decode(&ws, &in, in.len, &got), RC_OK);
    websocket_close(&ws, WEBSOCKET_NORMAL);
    websocket_close(&ws, WEBSOCKET_POLICY);
    text_clear(&got);
    send_all(&ws, 4, 1, &got);
    ck_assert_slice(text_slice(&got), SLICE("xx\x8a\x01"
                                            "b"
                                            "\x82\x02xx\x88\x02\x03\xe8"));
    ck_assert(ws.is_close_sent && !websocket_has_output(&ws));
    text_done(&in);
    text_done(&got);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("websocket");

    tcase_add_test(tests, payload_comes_out_however_the_bytes_are_cut);
    tcase_add_test(tests, what_the_rules_forbid_is_refused_with_its_code);
    tcase_add_test(tests, a_close_ends_the_input_behind_what_came_before);
    tcase_add_test(tests, output_is_framed_however_little_the_kernel_takes);
    tcase_add_test(tests, a_frame_has_a_bound);
    tcase_add_test(tests, the_answer_to_the_request_goes_out_without_a_head);
    tcase_add_test(tests, a_pong_waits_for_the_frame_under_way_and_a_close_for_all);
    return suite_run("websocket", tests);
}
