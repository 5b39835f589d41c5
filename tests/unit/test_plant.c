/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/plant.h"

#include <stdlib.h>

#include "tests/lib/suite.h"

#ifdef TERCET_PLANT
static const bool has_bugs = true;
#else
static const bool has_bugs = false;
#endif

static unsigned happens_in_ten_passings(void)
{
    unsigned times = 0;

    for (unsigned i = 0; i < 10; i++)
        times += PLANTED("here") ? 1 : 0;
    return times;
}

START_TEST(nothing_happens_when_none_is_chosen)
{
    unsetenv("TERCET_PLANTED");
    ck_assert(plant_choose_from_environment());
    ck_assert_uint_eq(happens_in_ten_passings(), 0);
}
END_TEST

START_TEST(the_chosen_one_happens_as_often_as_asked_where_bugs_are_compiled_in)
{
    ck_assert_int_eq(setenv("TERCET_PLANTED", "here:3", 1), 0);
    ck_assert_int_eq(plant_choose_from_environment(), has_bugs);
    ck_assert_uint_eq(happens_in_ten_passings(), has_bugs ? 3 : 0);
}
END_TEST

START_TEST(another_does_not_happen)
{
    ck_assert_int_eq(setenv("TERCET_PLANTED", "there", 1), 0);
    ck_assert_int_eq(plant_choose_from_environment(), has_bugs);
    ck_assert_uint_eq(happens_in_ten_passings(), 0);
}
END_TEST

START_TEST(what_is_no_choice_is_refused)
{
    static const char *const wrong[] = { "", ":3", "here:", "here:0", "here:x", "here:3:once" };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_int_eq(setenv("TERCET_PLANTED", wrong[i], 1), 0);
        ck_assert_msg(!plant_choose_from_environment(), "%s", wrong[i]);
    }
    ck_assert_uint_eq(happens_in_ten_passings(), 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("plant");

    tcase_add_test(tests, nothing_happens_when_none_is_chosen);
    tcase_add_test(tests, the_chosen_one_happens_as_often_as_asked_where_bugs_are_compiled_in);
    tcase_add_test(tests, another_does_not_happen);
    tcase_add_test(tests, what_is_no_choice_is_refused);
    return suite_run("plant", tests);
}
