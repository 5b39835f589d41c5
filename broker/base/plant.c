/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/plant.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/number.h"

#define PLANT_NAME_MAX  63
#define PLANT_EVERY_MAX 1000000

#ifdef TERCET_PLANT
#define HAS_BUGS true
#else
#define HAS_BUGS false
#endif

static char chosen[PLANT_NAME_MAX + 1]; /* empty: none */
static unsigned chosen_every = 1;
static _Atomic unsigned passed;

bool plant_hit(const char *name)
{
    if (strcmp(name, chosen) != 0)
        return false;
    return (atomic_fetch_add(&passed, 1) + 1) % chosen_every == 0;
}

bool plant_choose_from_environment(void)
{
    const char *text = getenv("TERCET_PLANTED");
    size_t len = text == NULL ? 0 : strcspn(text, ":");
    uint64_t every = 1;

    if (text == NULL)
        return true;
    if (!HAS_BUGS || len == 0 || len > PLANT_NAME_MAX)
        return false;
    if (text[len] == ':' &&
        number_u64(slice_str(text + len + 1), 1, PLANT_EVERY_MAX, &every) != RC_OK)
        return false;
    memcpy(chosen, text, len);
    chosen_every = (unsigned)every;
    return true;
}
