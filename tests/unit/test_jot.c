/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/jot.h"

#include <math.h>

#include "tests/lib/suite.h"

static struct text out;

static void setup(void)
{
    text_done(&out);
}

START_TEST(commas_stand_between_values_alone)
{
    jot_open(&out, NULL, '{');
    jot_number(&out, "a", -1);
    jot_open(&out, "b", '[');
    jot_close(&out, ']');
    jot_open(&out, "c", '[');
    jot_switch(&out, NULL, true);
    jot_switch(&out, NULL, false);
    jot_open(&out, NULL, '{');
    jot_close(&out, '}');
    jot_close(&out, ']');
    jot_name(&out, SLICE("d\n"));
    jot_count(&out, NULL, UINT64_MAX);
    jot_close(&out, '}');
    ck_assert_slice(text_slice(&out), SLICE("{\"a\":-1,\"b\":[],\"c\":[true,false,{}],"
                                            "\"d\\u000a\":18446744073709551615}"));
}
END_TEST

START_TEST(text_that_ends_in_a_bracket_is_no_bracket)
{
    jot_open(&out, NULL, '[');
    jot_string(&out, NULL, "[");
    jot_string(&out, NULL, "x:");
    jot_close(&out, ']');
    ck_assert_slice(text_slice(&out), SLICE("[\"[\",\"x:\"]"));
}
END_TEST

START_TEST(every_byte_is_told)
{
    jot_open(&out, NULL, '[');
    jot_bytes(&out, NULL, SLICE("a\"\\\x01\xc3\xbc"));
    jot_bytes(&out, NULL, SLICE_NONE);
    jot_bytes(&out, NULL, SLICE(""));
    jot_bytes(&out, NULL, SLICE("\xff\x00z"));
    jot_hex(&out, NULL, SLICE("\x0f\xf0"));
    jot_close(&out, ']');
    ck_assert_slice(
        text_slice(&out),
        SLICE("[\"a\\\"\\\\\\u0001\xc3\xbc\",null,\"\",{\"hex\":\"ff007a\"},\"0ff0\"]"));
}
END_TEST

START_TEST(a_real_number_stays_one)
{
    jot_open(&out, NULL, '[');
    jot_real(&out, NULL, 1.0);
    jot_real(&out, NULL, 0.1);
    jot_real(&out, NULL, 1e300);
    jot_real(&out, NULL, (double)NAN);
    jot_close(&out, ']');
    ck_assert_slice(text_slice(&out),
                    SLICE("[1.0,0.10000000000000001,1.0000000000000001e+300,null]"));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("jot");

    tcase_add_checked_fixture(tests, setup, setup);
    tcase_add_test(tests, commas_stand_between_values_alone);
    tcase_add_test(tests, text_that_ends_in_a_bracket_is_no_bracket);
    tcase_add_test(tests, every_byte_is_told);
    tcase_add_test(tests, a_real_number_stays_one);
    return suite_run("jot", tests);
}
