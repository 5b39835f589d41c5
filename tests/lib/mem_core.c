/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/mem_core.h"

#include "broker/base/mem.h"
#include "storage/log.h"
#include "storage/mem/mem_store.h"

/* On any thread. */
static void on_wake(void *arg)
{
    struct mem_core *m = arg;

    __atomic_store_n(&m->is_woken, true, __ATOMIC_SEQ_CST);
}

void mem_core_start(struct mem_core *m, const struct core_config *config)
{
    struct store_config store_config = STORE_CONFIG_DEFAULT;
    struct core_config own = CORE_CONFIG_DEFAULT;
    enum rc rc;

    if (config != NULL)
        own = *config;
    own.wake = on_wake;
    own.wake_arg = m;
    store_config.directory = "";
    rc = mem_store_open(&store_config, &m->store);
    ASSERT(rc == RC_OK);
    rc = core_new(m->store, &own, &m->core);
    ASSERT(rc == RC_OK);
}

void mem_core_settle(struct mem_core *m)
{
    do {
        enum rc rc;

        __atomic_store_n(&m->is_woken, false, __ATOMIC_SEQ_CST);
        core_turn_end(m->core);
        rc = store_flush(m->store);
        ASSERT(rc == RC_OK);
        core_poll(m->core);
        core_turn_end(m->core);
    } while (__atomic_load_n(&m->is_woken, __ATOMIC_SEQ_CST));
}

void mem_core_stop(struct mem_core *m)
{
    mem_core_settle(m);
    core_free(&m->core);
    store_close(&m->store);
}
