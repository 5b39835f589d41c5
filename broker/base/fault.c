/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"

#define FAULT_NAME_MAX 63

bool fault_armed;
static char armed_name[FAULT_NAME_MAX + 1];
static enum fault_act armed_act;
static unsigned armed_at;
static _Atomic unsigned passed;

bool fault_hit(const char *name)
{
    unsigned nth;

    if (strcmp(name, armed_name) != 0)
        return false;
    nth = atomic_fetch_add(&passed, 1) + 1;
    if (nth < armed_at)
        return false;
    if (armed_act == FAULT_KILL)
        (void)kill(getpid(), SIGKILL);
    if (armed_act == FAULT_ONCE && nth > armed_at)
        return false;
    count_add(COUNT_FAULTS_INJECTED, 1);
    return true;
}

void fault_arm(const char *name, unsigned n, enum fault_act act)
{
    ASSERT(strlen(name) <= FAULT_NAME_MAX);
    memset(armed_name, 0, sizeof(armed_name));
    memcpy(armed_name, name, strlen(name));
    armed_at = n;
    armed_act = act;
    atomic_store(&passed, 0);
    __atomic_store_n(&fault_armed, true, __ATOMIC_RELEASE);
}

void fault_disarm(void)
{
    __atomic_store_n(&fault_armed, false, __ATOMIC_RELAXED);
}

unsigned fault_passed(void)
{
    return atomic_load(&passed);
}

bool fault_arm_from_environment(void)
{
    const char *text = getenv("TERCET_FAULT");
    const char *colon = text == NULL ? NULL : strchr(text, ':');
    const char *act;
    char name[FAULT_NAME_MAX + 1] = { 0 };
    uint64_t n;
    size_t digits;

    if (text == NULL)
        return true;
    if (colon == NULL || (size_t)(colon - text) > FAULT_NAME_MAX)
        return false;
    memcpy(name, text, (size_t)(colon - text));
    act = strchr(colon + 1, ':');
    digits = act == NULL ? strlen(colon + 1) : (size_t)(act - colon - 1);
    if (number_u64(slice_of(colon + 1, digits), 1, 1000000000, &n) != RC_OK)
        return false;
    if (act == NULL)
        fault_arm(name, (unsigned)n, FAULT_FAIL);
    else if (strcmp(act, ":once") == 0)
        fault_arm(name, (unsigned)n, FAULT_ONCE);
    else if (strcmp(act, ":kill") == 0)
        fault_arm(name, (unsigned)n, FAULT_KILL);
    else
        return false;
    return true;
}
