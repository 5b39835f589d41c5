/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "broker/base/near.h"
#include "tests/lib/suite.h"

static const char *const words[] = { "status", "stream", "sub", "pub", "port_mqtt", "port_amqp" };

static const char *nearest(const char *typed)
{
    struct near near = near_to(slice_str(typed));

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        near_look(&near, words[i]);
    return near.word;
}

START_TEST(a_mistyped_word_is_known_again)
{
    static const char *const cases[][2] = {
        { "stats", "status" },        { "statsu", "status" },       { "statuss", "status" },
        { "sttaus", "status" },       { "steam", "stream" },        { "sbu", "sub" },
        { "prot_mqtt", "port_mqtt" }, { "port-mqtt", "port_mqtt" }, { "portmqtt", "port_mqtt" },
        { "port_ampq", "port_amqp" },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_pstr_eq(nearest(cases[i][0]), cases[i][1]);
}
END_TEST

START_TEST(another_word_is_near_to_none)
{
    static const char *const cases[] = {
        "",
        "x",
        "su",
        "colour",
        "--",
        "verify",
        "status_status_status_status_status_status_status_status",
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_ptr_null(nearest(cases[i]));
}
END_TEST

START_TEST(the_longest_word_is_still_looked_at)
{
    char typed[NEAR_MAX_BYTES + 2], known[NEAR_MAX_BYTES + 1];

    memset(typed, 'a', sizeof(typed));
    memset(known, 'a', NEAR_MAX_BYTES);
    known[NEAR_MAX_BYTES] = '\0';
    for (size_t len = NEAR_MAX_BYTES; len <= NEAR_MAX_BYTES + 1; len++) {
        struct near near = near_to(slice_of(typed, len));

        near_look(&near, known);
        ck_assert_int_eq(near.word != NULL, len == NEAR_MAX_BYTES);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("near");

    tcase_add_test(tests, a_mistyped_word_is_known_again);
    tcase_add_test(tests, another_word_is_near_to_none);
    tcase_add_test(tests, the_longest_word_is_still_looked_at);
    return suite_run("near", tests);
}
