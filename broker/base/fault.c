/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"

#define FAULT_NAME_MAX 63

/* The linker's names for the two ends of the section; weak, for a program may have no place. */
extern struct fault_site *const sites_first[] __asm__("__start_fault_places") __attribute__((weak));
extern struct fault_site *const sites_end[] __asm__("__stop_fault_places") __attribute__((weak));

bool fault_armed;
static char armed_name[FAULT_NAME_MAX + 1];
static char armed_file[FAULT_NAME_MAX + 1]; /* empty: any */
static uint64_t armed_line;
static enum fault_act armed_act;
static unsigned armed_at;
static _Atomic unsigned passed;
/* Over what is armed: tests arm while threads pass. */
static pthread_mutex_t armed_lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_armed_site(const struct fault_site *site)
{
    const char *slash = strrchr(site->file, '/');

    if (strcmp(site->name, armed_name) != 0)
        return false;
    return armed_file[0] == '\0' ||
           ((uint64_t)site->line == armed_line &&
            strcmp(slash == NULL ? site->file : slash + 1, armed_file) == 0);
}

static bool is_hit(const struct fault_site *site)
{
    unsigned nth;

    if (armed_at == 0 || !is_armed_site(site))
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

bool fault_hit(struct fault_site *site)
{
    bool ret;

    (void)__atomic_fetch_add(&site->passed, 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_lock(&armed_lock);
    ret = is_hit(site);
    (void)pthread_mutex_unlock(&armed_lock);
    return ret;
}

size_t fault_sites(struct fault_site *const **ret)
{
    *ret = sites_first;
    return (size_t)(sites_end - sites_first);
}

void fault_count(void)
{
    struct fault_site *const *sites;
    size_t count = fault_sites(&sites);

    for (size_t i = 0; i < count; i++)
        sites[i]->passed = 0;
    (void)pthread_mutex_lock(&armed_lock);
    armed_at = 0;
    (void)pthread_mutex_unlock(&armed_lock);
    __atomic_store_n(&fault_armed, true, __ATOMIC_RELEASE);
}

/* False: it is not of the form name or name@file+line. */
static bool selector_take(struct slice text)
{
    const char *begin = (const char *)text.at;
    const char *at = memchr(text.at, '@', text.len), *plus = NULL;
    size_t name_len = at == NULL ? text.len : (size_t)(at - begin);
    size_t file_len;

    memset(armed_name, 0, sizeof(armed_name));
    memset(armed_file, 0, sizeof(armed_file));
    if (name_len > FAULT_NAME_MAX)
        return false;
    memcpy(armed_name, text.at, name_len);
    if (at == NULL)
        return true;
    plus = memchr(at, '+', text.len - name_len);
    file_len = plus == NULL ? 0 : (size_t)(plus - at - 1);
    if (file_len == 0 || file_len > FAULT_NAME_MAX)
        return false;
    memcpy(armed_file, at + 1, file_len);
    return number_u64(slice_after(text, (size_t)(plus + 1 - begin)), 1, 1000000, &armed_line) ==
           RC_OK;
}

void fault_arm(const char *name, unsigned n, enum fault_act act)
{
    bool is_good;

    (void)pthread_mutex_lock(&armed_lock);
    is_good = selector_take(slice_str(name));
    armed_at = n;
    armed_act = act;
    atomic_store(&passed, 0);
    (void)pthread_mutex_unlock(&armed_lock);
    ASSERT(is_good);
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
    char name[2 * FAULT_NAME_MAX] = { 0 };
    const char *act;
    uint64_t n;
    size_t digits;

    if (text == NULL)
        return true;
    if (colon == NULL || (size_t)(colon - text) >= sizeof(name))
        return false;
    memcpy(name, text, (size_t)(colon - text));
    act = strchr(colon + 1, ':');
    digits = act == NULL ? strlen(colon + 1) : (size_t)(act - colon - 1);
    if (!selector_take(slice_str(name)) ||
        number_u64(slice_of(colon + 1, digits), 1, 1000000000, &n) != RC_OK)
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
