/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "protocols/amqp/amqp_table.h"

static void build(struct wr *w)
{
    size_t table, array;

    amqp_put_text(w, SLICE("text"), SLICE("hello"));
    amqp_put_bytes(w, SLICE("bytes"), SLICE("\0\1\2"));
    amqp_put_bool(w, SLICE("yes"), true);
    amqp_put_i64(w, SLICE("number"), INT64_MIN);
    amqp_put_time(w, SLICE("time"), 1795326898);
    amqp_put_void(w, SLICE("void"));
    amqp_put_raw(w, SLICE("i8"), AMQP_I8, SLICE("\xff"));
    amqp_put_raw(w, SLICE("u8"), AMQP_U8, SLICE("\xff"));
    amqp_put_raw(w, SLICE("i16"), AMQP_I16, SLICE("\xff\xfe"));
    amqp_put_raw(w, SLICE("u16"), AMQP_U16, SLICE("\xff\xfe"));
    amqp_put_raw(w, SLICE("i32"), AMQP_I32, SLICE("\xff\xff\xff\xfd"));
    amqp_put_raw(w, SLICE("u32"), AMQP_U32, SLICE("\xff\xff\xff\xfd"));
    amqp_put_raw(w, SLICE("float"), AMQP_FLOAT, SLICE("\x3f\xc0\0\0"));
    amqp_put_raw(w, SLICE("double"), AMQP_DOUBLE, SLICE("\xbf\xf8\0\0\0\0\0\0"));
    amqp_put_raw(w, SLICE("decimal"), AMQP_DECIMAL, SLICE("\2\0\0\0\x7b"));
    array = amqp_put_open(w, SLICE("array"), AMQP_ARRAY);
    amqp_put_text(w, SLICE_NONE, SLICE("one"));
    table = amqp_put_open(w, SLICE_NONE, AMQP_TABLE);
    amqp_put_bool(w, SLICE("inner"), false);
    amqp_table_end(w, table);
    amqp_table_end(w, array);
}

static struct slice built(void)
{
    struct wr counting = wr_counting(), w;

    build(&counting);
    w = wr_of(malloc(counting.len), counting.len);
    build(&w);
    ck_assert(!w.bad && w.len == counting.len);
    return wr_slice(&w);
}

static struct amqp_value find(struct slice table, const char *key)
{
    struct amqp_value v = { 0 };

    ck_assert_msg(amqp_table_find(table, slice_str(key), &v), "no %s", key);
    return v;
}

START_TEST(every_type_reads_back)
{
    struct slice t = built();
    struct amqp_value v;
    struct rd r;

    ck_assert_int_eq(amqp_table_check(t), RC_OK);
    ck_assert(slice_equal(find(t, "text").bytes, SLICE("hello")));
    ck_assert(slice_equal(find(t, "bytes").bytes, SLICE("\0\1\2")));
    ck_assert_int_eq(find(t, "yes").integer, 1);
    ck_assert_int_eq(find(t, "number").integer, INT64_MIN);
    ck_assert_int_eq(find(t, "time").integer, 1795326898);
    ck_assert_int_eq(find(t, "void").type, AMQP_VOID);
    ck_assert_int_eq(find(t, "i8").integer, -1);
    ck_assert_int_eq(find(t, "u8").integer, 255);
    ck_assert_int_eq(find(t, "i16").integer, -2);
    ck_assert_int_eq(find(t, "u16").integer, 65534);
    ck_assert_int_eq(find(t, "i32").integer, -3);
    ck_assert_int_eq(find(t, "u32").integer, INT64_C(4294967293));
    ck_assert_double_eq(find(t, "float").real, 1.5);
    ck_assert_double_eq(find(t, "double").real, -1.5);
    ck_assert_int_eq(find(t, "decimal").integer, 123);
    ck_assert_uint_eq(find(t, "decimal").scale, 2);
    r = rd_of(find(t, "array").bytes);
    ck_assert(amqp_array_next(&r, &v) && slice_equal(v.bytes, SLICE("one")));
    ck_assert(amqp_array_next(&r, &v) && find(v.bytes, "inner").integer == 0);
    ck_assert(!amqp_array_next(&r, &v) && !r.bad);
    ck_assert(!amqp_table_find(t, SLICE("absent"), &v));
    free((void *)(uintptr_t)t.at);
}
END_TEST

START_TEST(every_truncation_is_malformed_or_ends_between_entries)
{
    struct slice t = built(), key;
    struct amqp_value v;

    for (size_t n = 0; n < t.len; n++) {
        uint8_t *at = malloc(n == 0 ? 1 : n);
        struct rd r = rd_of(slice_of(at, n));
        enum rc rc;

        memcpy(at, t.at, n);
        rc = amqp_table_check(slice_of(at, n));
        while (amqp_table_next(&r, &key, &v))
            ;
        ck_assert_int_eq(rc, r.bad ? RC_MALFORMED : RC_OK);
        free(at);
    }
    free((void *)(uintptr_t)t.at);
}
END_TEST

static enum rc nested(unsigned depth)
{
    uint8_t bytes[8 * 40];
    struct wr w = wr_of(bytes, sizeof(bytes));
    size_t begins[40];

    for (unsigned i = 1; i < depth; i++)
        begins[i] = amqp_put_open(&w, SLICE("k"), AMQP_TABLE);
    for (unsigned i = depth - 1; i > 0; i--)
        amqp_table_end(&w, begins[i]);
    ck_assert(!w.bad);
    return amqp_table_check(wr_slice(&w));
}

START_TEST(nesting_is_allowed_to_its_limit_and_not_beyond)
{
    ck_assert_int_eq(nested(AMQP_TABLE_DEPTH_MAX), RC_OK);
    ck_assert_int_eq(nested(AMQP_TABLE_DEPTH_MAX + 1), RC_LIMIT);
}
END_TEST

START_TEST(an_unknown_type_octet_is_malformed)
{
    ck_assert_int_eq(amqp_table_check(SLICE("\1kZ\0")), RC_MALFORMED);
    ck_assert_int_eq(amqp_table_check(SLICE("\1kA\0\0\0\1Z")), RC_MALFORMED);
    ck_assert_int_eq(amqp_table_check(SLICE("\1kA\0\0\0\1V")), RC_OK);
}
END_TEST

START_TEST(an_error_inside_a_nested_table_is_found)
{
    ck_assert_int_eq(amqp_table_check(SLICE("\1kF\0\0\0\3\1aZ")), RC_MALFORMED);
    ck_assert_int_eq(amqp_table_check(SLICE("\1kF\0\0\0\3\1aV")), RC_OK);
    ck_assert_int_eq(amqp_table_check(SLICE("\1kA\0\0\0\2tV")), RC_OK);
    ck_assert_int_eq(amqp_table_check(SLICE("\1kA\0\0\0\1t")), RC_MALFORMED);
}
END_TEST

START_TEST(only_integers_are_integers)
{
    struct slice t = built();
    struct amqp_value i32 = find(t, "i32"), yes = find(t, "yes"), text = find(t, "text");

    ck_assert(amqp_value_is_integer(&i32));
    ck_assert(!amqp_value_is_integer(&yes));
    ck_assert(!amqp_value_is_integer(&text));
    ck_assert_str_eq(amqp_type_word(i32.type), "signedint");
    ck_assert_str_eq(amqp_type_word(text.type), "longstr");
    free((void *)(uintptr_t)t.at);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("amqp_table");
    TCase *tables = tcase_create("tables");
    SRunner *runner;
    int failed;

    tcase_add_test(tables, every_type_reads_back);
    tcase_add_test(tables, every_truncation_is_malformed_or_ends_between_entries);
    tcase_add_test(tables, nesting_is_allowed_to_its_limit_and_not_beyond);
    tcase_add_test(tables, an_unknown_type_octet_is_malformed);
    tcase_add_test(tables, an_error_inside_a_nested_table_is_found);
    tcase_add_test(tables, only_integers_are_integers);
    suite_add_tcase(suite, tables);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
