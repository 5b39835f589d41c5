/* SPDX-License-Identifier: Apache-2.0 */
/* The small parts: reply codes, reply texts, what is outstanding, values as text. */
#include <check.h>

#include "protocols/amqp/amqp_errors.h"
#include "protocols/amqp/amqp_map.h"
#include "protocols/amqp/amqp_table.h"
#include "protocols/amqp/amqp_unacked.h"
#include "tests/lib/suite.h"

START_TEST(every_rc_has_a_reply)
{
    for (unsigned i = 0; i < RC_COUNT; i++) {
        const struct amqp_error *error = amqp_error_of((enum rc)i);

        ck_assert_ptr_nonnull(error->text);
        if (i == RC_OK)
            ck_assert_int_eq(error->reply, AMQP_REPLY_NONE);
        else
            ck_assert_msg(amqp_reply_name(error->reply) != NULL, "%s", rc_word((enum rc)i));
    }
}
END_TEST

START_TEST(codes_of_five_hundred_and_some_others_end_the_connection)
{
    ck_assert(!amqp_reply_is_hard(AMQP_REPLY_NOT_FOUND));
    ck_assert(!amqp_reply_is_hard(AMQP_REPLY_PRECONDITION_FAILED));
    ck_assert(amqp_reply_is_hard(AMQP_REPLY_CONNECTION_FORCED));
    ck_assert(amqp_reply_is_hard(AMQP_REPLY_INVALID_PATH));
    for (unsigned code = 300; code < 600; code++) {
        if (amqp_reply_name((enum amqp_reply)code) != NULL && code >= 500)
            ck_assert(amqp_reply_is_hard((enum amqp_reply)code));
    }
    ck_assert_ptr_null(amqp_reply_name((enum amqp_reply)499));
}
END_TEST

START_TEST(a_reply_text_is_cut_at_a_character)
{
    struct text text = { 0 };

    for (unsigned i = 0; i < 127; i++)
        text_add(&text, SLICE("\xc3\xa9"));
    ck_assert_uint_eq(amqp_reply_text(&text).len, 254);
    text_add_byte(&text, '!');
    ck_assert_uint_eq(amqp_reply_text(&text).len, 255);
    text_clear(&text);
    text_add_byte(&text, '!');
    for (unsigned i = 0; i < 127; i++)
        text_add(&text, SLICE("\xc3\xa9"));
    ck_assert_uint_eq(amqp_reply_text(&text).len, 255);
    text_add_byte(&text, '!');
    text_clear(&text);
    for (unsigned i = 0; i < 128; i++)
        text_add(&text, SLICE("\xc3\xa9"));
    ck_assert_uint_eq(amqp_reply_text(&text).len, 254);
    text_done(&text);
}
END_TEST

START_TEST(octets_are_shown_as_text_or_numbers)
{
    struct text text = { 0 };

    amqp_add_octets(&text, SLICE("abc"));
    amqp_add_octets(&text, SLICE("a\0\xff"));
    amqp_add_octets(&text, SLICE(""));
    ck_assert_slice(text_slice(&text), SLICE("<<\"abc\">><<97,0,255>><<>>"));
    text_done(&text);
}
END_TEST

/* ---- what is outstanding ---- */

static void put(struct unacked_table *t, uint64_t tag)
{
    struct unacked entry = { .tag = tag, .handle = tag * 10 };

    ck_assert_int_eq(unacked_add(t, &entry), RC_OK);
}

static void take(struct unacked_table *t, uint64_t tag)
{
    struct unacked *one = unacked_find(t, tag);

    ck_assert_ptr_nonnull(one);
    ck_assert_uint_eq(one->handle, tag * 10);
    unacked_remove(t, one);
    ck_assert_ptr_null(unacked_find(t, tag));
}

START_TEST(tags_are_found_whatever_was_taken_before)
{
    struct unacked_table t;

    unacked_init(&t);
    for (uint64_t tag = 1; tag <= 1000; tag++)
        put(&t, tag * 3); /* tags of others lie between */
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t tag = (i * 7919 % 1000 + 1) * 3;

        ck_assert_ptr_null(unacked_find(&t, tag + 1));
        take(&t, tag);
        ck_assert_uint_eq(t.live, 999 - i);
    }
    ck_assert_ptr_null(unacked_oldest(&t));
    ck_assert_ptr_null(unacked_newest(&t));
    unacked_done(&t);
}
END_TEST

START_TEST(memory_follows_what_is_outstanding)
{
    struct unacked_table t;

    unacked_init(&t);
    put(&t, 1); /* the oldest stays while thousands pass */
    for (uint64_t tag = 2; tag < 20000; tag += 2) {
        put(&t, tag);
        put(&t, tag + 1);
        take(&t, tag);
        take(&t, tag + 1);
    }
    ck_assert_uint_le(t.room, 256);
    ck_assert_uint_eq(unacked_oldest(&t)->tag, 1);
    ck_assert_uint_eq(unacked_newest(&t)->tag, 1);
    take(&t, 1);
    unacked_done(&t);
}
END_TEST

START_TEST(oldest_and_newest_step_over_holes)
{
    struct unacked_table t;

    unacked_init(&t);
    for (uint64_t tag = 1; tag <= 10; tag++)
        put(&t, tag);
    take(&t, 2);
    take(&t, 1);
    take(&t, 9);
    take(&t, 10);
    ck_assert_uint_eq(unacked_oldest(&t)->tag, 3);
    ck_assert_uint_eq(unacked_newest(&t)->tag, 8);
    while (t.live > 0)
        unacked_remove(&t, unacked_oldest(&t));
    unacked_done(&t);
}
END_TEST

START_TEST(what_was_taken_out_can_be_put_back_in_its_place)
{
    struct unacked_table t;
    struct unacked taken[3];

    unacked_init(&t);
    for (uint64_t tag = 1; tag <= 64; tag++) /* all the room there is at first */
        put(&t, tag);
    for (unsigned i = 0; i < 3; i++) {
        struct unacked *one = unacked_find(&t, 10 * (3 - i));

        taken[i] = *one;
        unacked_remove(&t, one);
    }
    put(&t, 65);
    put(&t, 66);
    put(&t, 67);
    ck_assert_int_eq(unacked_reserve(&t, 3), RC_OK);
    for (unsigned i = 0; i < 3; i++)
        unacked_restore(&t, &taken[i]);
    unacked_sort(&t);
    ck_assert_uint_eq(t.live, 67);
    for (uint64_t tag = 1; tag <= 67; tag++) {
        ck_assert_uint_eq(unacked_oldest(&t)->tag, tag);
        unacked_remove(&t, unacked_oldest(&t));
    }
    unacked_done(&t);
}
END_TEST

/* ---- values as text ---- */

static void check_text(struct slice entry, const char *expected)
{
    struct rd r = rd_of(entry);
    struct text text = { 0 };
    struct amqp_value v;

    ck_assert(amqp_array_next(&r, &v));
    amqp_value_text(&text, &v);
    ck_assert_slice(text_slice(&text), slice_str(expected));
    text_done(&text);
}

START_TEST(values_have_a_text)
{
    check_text(SLICE("t\1"), "true");
    check_text(SLICE("t\0"), "false");
    check_text(SLICE("b\xff"), "-1");
    check_text(SLICE("l\x80\0\0\0\0\0\0\0"), "-9223372036854775808");
    check_text(SLICE("d\x3f\xf8\0\0\0\0\0\0"), "1.5");
    check_text(SLICE("D\2\0\0\x30\x39"), "123.45");
    check_text(SLICE("D\0\0\0\0\7"), "7");
    check_text(SLICE("D\3\0\0\0\7"), "0.007");
    check_text(SLICE("S\0\0\0\2hi"), "hi");
    check_text(SLICE("V"), "null");
    check_text(SLICE("A\0\0\0\0"), "[]");
    check_text(SLICE("F\0\0\0\0"), "{}");
    check_text(SLICE("A\0\0\0\x0et\1S\0\0\0\1\"VF\0\0\0\0"), "[true,\"\\\"\",null,{}]");
    check_text(SLICE("F\0\0\0\x0d\1aA\0\0\0\2b\5\1bt\0"), "{\"a\":[5],\"b\":false}");
    check_text(SLICE("A\0\0\0\x0dS\0\0\0\3\xff\n\\S\0\0\0\0"), "[\"\\u00ff\\u000a\\\\\",\"\"]");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("parts");

    tcase_add_test(tests, every_rc_has_a_reply);
    tcase_add_test(tests, codes_of_five_hundred_and_some_others_end_the_connection);
    tcase_add_test(tests, a_reply_text_is_cut_at_a_character);
    tcase_add_test(tests, octets_are_shown_as_text_or_numbers);
    tcase_add_test(tests, tags_are_found_whatever_was_taken_before);
    tcase_add_test(tests, memory_follows_what_is_outstanding);
    tcase_add_test(tests, oldest_and_newest_step_over_holes);
    tcase_add_test(tests, what_was_taken_out_can_be_put_back_in_its_place);
    tcase_add_test(tests, values_have_a_text);
    return suite_run("amqp_parts", tests);
}
