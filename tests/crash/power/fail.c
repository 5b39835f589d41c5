/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/crash/power/trace_int.h"

static _Atomic unsigned passed;
static _Atomic bool is_armed;
static unsigned fail_classes, fail_nth;
static int fail_error;
static enum fail_act fail_what;

void fail_begin(unsigned classes, unsigned n, int error, enum fail_act act)
{
    atomic_store(&is_armed, false);
    fail_classes = classes;
    fail_nth = n;
    fail_error = error;
    fail_what = act;
    atomic_store(&passed, 0);
    atomic_store(&is_armed, true);
}

void fail_end(void)
{
    atomic_store(&is_armed, false);
}

unsigned fail_passed(void)
{
    return atomic_load(&passed);
}

int fail_at(enum fail_class class)
{
    unsigned nth;

    if (!atomic_load(&is_armed) || (fail_classes & class) == 0)
        return 0;
    nth = atomic_fetch_add(&passed, 1) + 1;
    if (nth < fail_nth || (nth > fail_nth && fail_what != FAIL_ON))
        return 0;
    if (fail_what == FAIL_KILL) {
        trace_stop();
        (void)kill(getpid(), SIGKILL);
        for (;;)
            (void)pause();
    }
    if (fail_what == FAIL_SHORT)
        return class == FAIL_WRITE ? FAIL_HALF : fail_error;
    return fail_error;
}
