/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an MQTT session that need no broker: packet ids, waiting answers, refusals. */
#include <check.h>
#include <stdlib.h>

#include "broker/base/base64.h"
#include "broker/base/fault.h"
#include "broker/base/mem.h"
#include "protocols/mqtt/mqtt_codec.h"
#include "protocols/mqtt/mqtt_errors.h"
#include "protocols/mqtt/mqtt_inflight.h"
#include "protocols/mqtt/mqtt_pending.h"

/* ---- refusals ---- */

/* They are looked at in words: each byte in each place of names of all lengths around those. */
START_TEST(every_byte_of_a_name_is_looked_at)
{
    for (size_t len = 1; len <= 26; len++) {
        for (size_t place = 0; place < len; place++) {
            for (unsigned c = 0; c < 256; c++) {
                uint8_t *at = mem_get(len); /* of just that size: nothing beyond is read */
                struct slice name = slice_of(at, len);

                memset(at, 'n', len);
                at[place] = (uint8_t)c;
                ck_assert(mqtt_topic_is_valid(name) == (c != '+' && c != '#'));
                ck_assert(mqtt_name_is_valid(name) == (c >= 0x20 && c <= 0x7e));
                mem_free(at);
            }
        }
    }
}
END_TEST

START_TEST(a_plain_acknowledgement_is_one_with_nothing_to_say)
{
    for (unsigned version = 3; version <= 5; version++) {
        for (unsigned type = MQTT_PUBACK; type <= MQTT_PUBCOMP; type++) {
            struct mqtt_ack ack = { .packet_id = 0xfe01 };
            uint8_t at[16], plain_at[MQTT_PLAIN_ACK_BYTES];
            struct wr w = wr_of(at, sizeof(at)), plain = wr_of(plain_at, sizeof(plain_at));

            mqtt_encode_ack(&w, version, (enum mqtt_type)type, &ack);
            mqtt_encode_plain_ack(&plain, (enum mqtt_type)type, ack.packet_id);
            ck_assert(!plain.bad && slice_equal(wr_slice(&w), wr_slice(&plain)));
        }
    }
}
END_TEST

START_TEST(every_return_code_has_a_row)
{
    for (unsigned rc = 0; rc < RC_COUNT; rc++)
        ck_assert_msg(mqtt_error((enum rc)rc)->is_known, "%s", rc_word((enum rc)rc));
    ck_assert_ptr_eq(mqtt_error((enum rc)RC_COUNT), mqtt_error(RC_SYSTEM));
}
END_TEST

START_TEST(every_row_holds_codes_that_its_packets_may_carry)
{
    for (unsigned rc = 1; rc < RC_COUNT; rc++) {
        const struct mqtt_error *e = mqtt_error((enum rc)rc);
        const char *word = rc_word((enum rc)rc);

        ck_assert_msg(mqtt_reason_is_legal(MQTT_CONNACK, e->connack), "%s", word);
        ck_assert_msg(mqtt_reason_is_legal(MQTT_DISCONNECT, e->disconnect), "%s", word);
        ck_assert_msg(mqtt_reason_is_legal(MQTT_PUBACK, e->publish), "%s", word);
        ck_assert_msg(mqtt_reason_is_legal(MQTT_PUBREC, e->publish), "%s", word);
        ck_assert_msg(mqtt_reason_is_legal(MQTT_SUBACK, e->subscribe), "%s", word);
        ck_assert_msg(e->connack_3 <= MQTT3_NOT_AUTHORIZED || e->connack_3 == MQTT3_CLOSE, "%s",
                      word);
        ck_assert_msg(e->publish_3 == 0 || e->publish_3 == MQTT3_CLOSE, "%s", word);
        /* an error is never told as a success, but for what is one */
        if (rc != RC_DUPLICATE) {
            ck_assert_msg(e->connack >= MQTT_UNSPECIFIED_ERROR, "%s", word);
            ck_assert_msg(e->connack_3 != 0, "%s", word);
        }
        if (rc != RC_DUPLICATE && rc != RC_NO_ROUTE)
            ck_assert_msg(e->publish >= MQTT_UNSPECIFIED_ERROR, "%s", word);
    }
}
END_TEST

/* ---- packet identifiers ---- */

START_TEST(ids_are_nonzero_distinct_and_wrap_past_those_under_way)
{
    struct mqtt_inflight t = { 0 };
    struct mqtt_flight *kept, *f;

    ck_assert_int_eq(mqtt_inflight_add(&t, &kept), RC_OK);
    ck_assert_uint_eq(kept->packet_id, 1);
    mqtt_inflight_set(&t, kept, FLIGHT_PUBLISH);
    for (unsigned i = 0; i < 3 * 65536; i++) {
        ck_assert_int_eq(mqtt_inflight_add(&t, &f), RC_OK);
        ck_assert_uint_ne(f->packet_id, 0);
        ck_assert_uint_ne(f->packet_id, 1);
        mqtt_inflight_remove(&t, f);
    }
    ck_assert_ptr_eq(mqtt_inflight_get(&t, 1), kept);
    ck_assert_uint_eq(t.sent, 1);
    mqtt_inflight_done(&t);
}
END_TEST

START_TEST(payloads_under_way_are_weighed_up_to_a_2048th_too_much)
{
    static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 65535, 1000001, 128u << 20 };
    struct mqtt_inflight t = { 0 };
    struct mqtt_flight *f;

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t before = mqtt_inflight_bytes(&t), told;

        ck_assert_int_eq(mqtt_inflight_add(&t, &f), RC_OK);
        f->weight = mqtt_weight(sizes[i]);
        told = mqtt_inflight_bytes(&t) - before;
        ck_assert_uint_le(told, sizes[i] + sizes[i] / 2048 + 1);
        ck_assert_uint_ge(told + (32u << 10), sizes[i]); /* 128 MiB is the one that is less */
        if (sizes[i] < 4096)
            ck_assert_uint_eq(told, sizes[i]);
    }
    mqtt_inflight_remove(&t, f);
    ck_assert_uint_lt(mqtt_inflight_bytes(&t), 128u << 20);
    mqtt_inflight_done(&t);
}
END_TEST

START_TEST(a_full_window_is_a_limit_and_keeps_every_id_findable)
{
    struct mqtt_inflight t = { 0 };
    struct mqtt_flight *f;

    for (unsigned i = 0; i < MQTT_INFLIGHT_MAX; i++) {
        ck_assert_int_eq(mqtt_inflight_add(&t, &f), RC_OK);
        f->handle = f->packet_id * 7u;
        mqtt_inflight_set(&t, f, FLIGHT_PUBLISH);
    }
    ck_assert_int_eq(mqtt_inflight_add(&t, &f), RC_LIMIT);
    ck_assert_uint_eq(t.sent, MQTT_INFLIGHT_MAX);
    for (unsigned id = 1; id <= MQTT_INFLIGHT_MAX; id++) {
        f = mqtt_inflight_get(&t, (uint16_t)id);
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(f->handle, id * 7u);
    }
    ck_assert_ptr_null(mqtt_inflight_get(&t, MQTT_INFLIGHT_MAX + 1));
    ck_assert_ptr_null(mqtt_inflight_get(&t, 0));
    mqtt_inflight_done(&t);
}
END_TEST

START_TEST(restored_ids_are_reserved_and_found_by_their_handle)
{
    /* they share low bits, so that the table has to grow until they part */
    static const uint16_t ids[] = { 1, 17, 33, 4097, 65535, 32769 };
    struct mqtt_inflight t = { 0 };
    struct mqtt_flight *f;

    for (unsigned i = 0; i < 6; i++) {
        ck_assert_int_eq(mqtt_inflight_restore(&t, ids[i], &f), RC_OK);
        f->handle = 100 + i;
        mqtt_inflight_set(&t, f, FLIGHT_RESUME);
    }
    ck_assert_int_eq(mqtt_inflight_restore(&t, 17, &f), RC_EXISTS);
    for (unsigned i = 0; i < 6; i++) {
        f = mqtt_inflight_resumed(&t, 100 + i);
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(f->packet_id, ids[i]);
    }
    ck_assert_ptr_null(mqtt_inflight_resumed(&t, 99));
    ck_assert_uint_eq(t.sent, 0); /* not under way on this connection yet */
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_int_eq(mqtt_inflight_add(&t, &f), RC_OK);
        ck_assert(f->packet_id != 1 && f->packet_id != 17 && f->packet_id != 33);
    }
    mqtt_inflight_done(&t);
}
END_TEST

START_TEST(without_memory_no_id_is_taken)
{
    struct mqtt_inflight t = { 0 };
    struct mqtt_flight *f;

    fault_arm("mem", 1, FAULT_FAIL);
    ck_assert_int_eq(mqtt_inflight_add(&t, &f), RC_MEMORY);
    ck_assert_int_eq(mqtt_inflight_restore(&t, 5, &f), RC_MEMORY);
    fault_disarm();
    ck_assert_uint_eq(t.count, 0);
    ck_assert_int_eq(mqtt_inflight_add(&t, &f), RC_OK);
    mqtt_inflight_done(&t);
}
END_TEST

/* ---- waiting answers ---- */

START_TEST(answers_leave_in_the_order_they_came)
{
    struct mqtt_pending p = { 0 };
    uint16_t next_in = 1, next_out = 1;

    for (unsigned round = 0; round < 200; round++) {
        unsigned in = round % 37, out = round % 31;

        for (unsigned i = 0; i < in; i++) {
            struct mqtt_answer a = { .packet_id = next_in++ };

            ck_assert_int_eq(mqtt_pending_add(&p, &a), RC_OK);
        }
        for (unsigned i = 0; i < out && mqtt_pending_count(&p) > 0; i++) {
            ck_assert_uint_eq(mqtt_pending_first(&p)->packet_id, next_out++);
            mqtt_pending_drop(&p);
        }
    }
    while (mqtt_pending_first(&p) != NULL) {
        ck_assert_uint_eq(mqtt_pending_first(&p)->packet_id, next_out++);
        mqtt_pending_drop(&p);
    }
    ck_assert_uint_eq(next_in, next_out);
    mqtt_pending_done(&p);
}
END_TEST

START_TEST(a_failed_growth_leaves_the_waiting_answers_as_they_were)
{
    struct mqtt_pending p = { 0 };
    struct mqtt_answer a = { .packet_id = 1 };

    while (p.room == 0 || mqtt_pending_count(&p) < p.room)
        ck_assert_int_eq(mqtt_pending_add(&p, &a), RC_OK);
    fault_arm("mem", 1, FAULT_FAIL);
    ck_assert_int_eq(mqtt_pending_add(&p, &a), RC_MEMORY);
    fault_disarm();
    ck_assert_uint_eq(mqtt_pending_count(&p), p.room);
    while (mqtt_pending_first(&p) != NULL)
        mqtt_pending_drop(&p);
    mqtt_pending_done(&p);
}
END_TEST

/* ---- Base64 ---- */

START_TEST(base64_agrees_with_the_vectors_of_its_rfc)
{
    static const char *const rows[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };

    for (unsigned i = 0; i < 7; i++) {
        struct text to = { 0 };

        base64_encode(&to, slice_str(rows[i][0]));
        ck_assert(slice_equal_str(text_slice(&to), rows[i][1]));
        text_clear(&to);
        ck_assert(base64_decode(&to, slice_str(rows[i][1])));
        ck_assert(slice_equal_str(text_slice(&to), rows[i][0]));
        text_done(&to);
    }
}
END_TEST

START_TEST(base64_takes_only_what_it_would_have_written)
{
    static const char *const bad[] = { "Z",    "Zg",   "Zg=",  "Zh==",   "Zm9=", "Zg==Zg==",
                                       "Z===", "====", "Zm 9", "Zm9v\n", "Zm-_" };
    struct text to = { 0 };

    text_add(&to, SLICE("kept"));
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!base64_decode(&to, slice_str(bad[i])), "%s", bad[i]);
        ck_assert(slice_equal_str(text_slice(&to), "kept"));
    }
    text_done(&to);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mqtt_parts");
    TCase *tcase = tcase_create("parts");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_byte_of_a_name_is_looked_at);
    tcase_add_test(tcase, a_plain_acknowledgement_is_one_with_nothing_to_say);
    tcase_add_test(tcase, every_return_code_has_a_row);
    tcase_add_test(tcase, every_row_holds_codes_that_its_packets_may_carry);
    tcase_add_test(tcase, ids_are_nonzero_distinct_and_wrap_past_those_under_way);
    tcase_add_test(tcase, payloads_under_way_are_weighed_up_to_a_2048th_too_much);
    tcase_add_test(tcase, a_full_window_is_a_limit_and_keeps_every_id_findable);
    tcase_add_test(tcase, restored_ids_are_reserved_and_found_by_their_handle);
    tcase_add_test(tcase, without_memory_no_id_is_taken);
    tcase_add_test(tcase, answers_leave_in_the_order_they_came);
    tcase_add_test(tcase, a_failed_growth_leaves_the_waiting_answers_as_they_were);
    tcase_add_test(tcase, base64_agrees_with_the_vectors_of_its_rfc);
    tcase_add_test(tcase, base64_takes_only_what_it_would_have_written);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
