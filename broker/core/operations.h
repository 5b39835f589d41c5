/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator may ask of a protocol while it runs: the admin door asks through this table,
 * which main fills in from the protocol. Core thread only. */
#ifndef TERCET_BROKER_CORE_OPERATIONS_H
#define TERCET_BROKER_CORE_OPERATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

/* Clients are to go elsewhere, new ones and those that are there. */
struct drain_order {
    struct slice to; /* host:port that they are told; none: nobody knows where */
    uint64_t per_s;  /* of those that are there, > 0 */
    bool is_for_now; /* they may come back later */
};

/* `kind` is what is banned: "client" or "address". */
typedef void ban_visit_fn(void *arg, const char *kind, struct slice name, uint64_t left_ms);

struct operations {
    void *arg;
    void (*drain)(void *arg, const struct drain_order *order);
    void (*drain_stop)(void *arg);
    void (*bans_each)(void *arg, ban_visit_fn *visit, void *visit_arg);
    /* How many bans of that name were lifted. */
    unsigned (*ban_lift)(void *arg, struct slice name);
};

#endif
