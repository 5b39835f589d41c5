/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/text.h"

#include "broker/base/fault.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "tests/lib/suite.h"

static struct text t;

static void setup(void)
{
    t = (struct text){ 0 };
}

static void teardown(void)
{
    text_done(&t);
}

START_TEST(an_empty_text_is_empty_not_absent)
{
    ck_assert(!slice_is_none(text_slice(&t)));
    ck_assert_uint_eq(text_slice(&t).len, 0);
}
END_TEST

START_TEST(what_is_added_stands_in_order)
{
    text_add(&t, SLICE("a\0b"));
    text_add(&t, SLICE(""));
    text_add_byte(&t, 'c');
    text_format(&t, "%d-%s", 42, "x");
    text_add_u16(&t, 0x0102);
    text_add_u32(&t, 0x03040506);
    text_add_u64(&t, 0x0708090a0b0c0d0e);
    ck_assert_slice(text_slice(&t),
                    SLICE("a\0bc42-x\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"
                          "\x0d\x0e"));
    ck_assert(!t.bad);
}
END_TEST

START_TEST(varints_are_those_of_the_wire)
{
    struct rd r;

    text_add_uvarint(&t, 0);
    text_add_uvarint(&t, UINT64_MAX);
    text_add_varint(&t, INT64_MIN);
    text_add_varint(&t, 300);
    r = rd_of(text_slice(&t));
    ck_assert_uint_eq(rd_uvarint(&r, 10), 0);
    ck_assert_uint_eq(rd_uvarint(&r, 10), UINT64_MAX);
    ck_assert_int_eq(rd_varint(&r), INT64_MIN);
    ck_assert_int_eq(rd_varint(&r), 300);
    ck_assert(!r.bad && r.left == 0);
}
END_TEST

START_TEST(it_grows_and_keeps_what_was_there)
{
    for (unsigned i = 0; i < 10000; i++)
        text_add_u32(&t, i);
    ck_assert_uint_eq(t.len, 40000);
    for (unsigned i = 0; i < 10000; i++)
        ck_assert_uint_eq(get_u32(t.at + 4 * (size_t)i), i);
}
END_TEST

START_TEST(clearing_keeps_the_memory)
{
    text_add(&t, SLICE("abc"));
    text_clear(&t);
    ck_assert_uint_eq(t.len, 0);
    ck_assert_ptr_nonnull(t.at);
    text_add(&t, SLICE("x"));
    ck_assert_slice(text_slice(&t), SLICE("x"));
}
END_TEST

START_TEST(taking_gives_the_bytes_away)
{
    size_t len;
    uint8_t *at;

    text_add(&t, SLICE("abc"));
    at = text_take(&t, &len);
    ck_assert_slice(slice_of(at, len), SLICE("abc"));
    ck_assert_ptr_null(t.at);
    mem_free(at);
}
END_TEST

START_TEST(a_size_over_the_limit_is_refused_without_memory)
{
    text_add(&t, SLICE("abc"));
    ck_assert(!text_reserve(&t, TEXT_MAX_BYTES));
    ck_assert(t.bad);
    ck_assert_slice(text_slice(&t), SLICE("abc"));
    ck_assert(!text_reserve(&t, 1));
    text_clear(&t);
    ck_assert(!text_reserve(&t, SIZE_MAX));
    text_clear(&t);
    ck_assert(text_reserve(&t, 1));
}
END_TEST

static void add_much(void)
{
    for (unsigned i = 0; i < 100; i++)
        text_format(&t, "line %u of some length to make it grow;", i);
}

START_TEST(every_failing_allocation_leaves_a_whole_bad_text)
{
    unsigned passed;

    fault_arm("mem", 1000, FAULT_FAIL);
    add_much();
    passed = fault_passed();
    fault_disarm();
    ck_assert_uint_gt(passed, 3);
    for (unsigned k = 1; k <= passed; k++) {
        text_done(&t);
        fault_arm("mem", k, FAULT_FAIL);
        add_much();
        fault_disarm();
        ck_assert(t.bad);
        ck_assert_uint_le(t.len, t.room);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("text");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_empty_text_is_empty_not_absent);
    tcase_add_test(tests, what_is_added_stands_in_order);
    tcase_add_test(tests, varints_are_those_of_the_wire);
    tcase_add_test(tests, it_grows_and_keeps_what_was_there);
    tcase_add_test(tests, clearing_keeps_the_memory);
    tcase_add_test(tests, taking_gives_the_bytes_away);
    tcase_add_test(tests, a_size_over_the_limit_is_refused_without_memory);
    tcase_add_test(tests, every_failing_allocation_leaves_a_whole_bad_text);
    return suite_run("text", tests);
}
