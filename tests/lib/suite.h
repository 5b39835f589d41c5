/* SPDX-License-Identifier: Apache-2.0 */
/* The main() of a unit test program: one Check suite of one case, and its exit status. */
#ifndef TERCET_TESTS_LIB_SUITE_H
#define TERCET_TESTS_LIB_SUITE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/slice.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static inline int suite_run(const char *name, TCase *tests)
{
    Suite *suite = suite_create(name);
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A copy on the heap of exactly this size, so that a sanitizer sees the first byte read behind it.
 * Free with free(). */
static inline struct slice exact_copy(struct slice s)
{
    uint8_t *at = malloc(s.len == 0 ? 1 : s.len);

    ck_assert_ptr_nonnull(at);
    if (s.len == 0)
        return slice_of(at + 1, 0);
    memcpy(at, s.at, s.len);
    return slice_of(at, s.len);
}

/* `s` came from exact_copy(). */
static inline void exact_free(struct slice s)
{
    free((uint8_t *)(uintptr_t)s.at - (s.len == 0 ? 1 : 0));
}

#define ck_assert_slice(got, want)                                                    \
    do {                                                                              \
        struct slice got_ = (got), want_ = (want);                                    \
        ck_assert_msg(slice_equal(got_, want_), "%.*s, wanted %.*s", SLICE_FMT(got_), \
                      SLICE_FMT(want_));                                              \
    } while (0)

#endif
