/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator may ask of a protocol while it runs: the admin door asks through this table,
 * which main fills in from the protocol. Core thread only. */
#ifndef TERCET_BROKER_CORE_OPERATIONS_H
#define TERCET_BROKER_CORE_OPERATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct text;

/* Clients are to go elsewhere, new ones and those that are there. */
struct drain_order {
    struct slice to;   /* host:port that they are told; none: nobody knows where */
    struct slice node; /* host:port for those who are told of servers so; none: they are not */
    uint64_t per_s;    /* of those that are there, > 0 */
    bool is_for_now;   /* they may come back later */
};

/* `kind` is what is banned: "client" or "address". */
typedef void ban_visit_fn(void *arg, const char *kind, struct slice name, uint64_t left_ms);

struct trace_order {
    struct slice what;      /* client identifier, address, or topic filter */
    uint64_t payload_bytes; /* shown of each payload at most */
    uint64_t lines_per_s;   /* > 0: beyond it lines are counted alone */
};

/* What a trace gives at a time. */
struct trace_news {
    struct text *lines; /* appended to, each with its line feed */
    uint64_t skipped;   /* that were over the rate, or did not fit since the last time */
};

struct operations {
    void *arg;
    void (*drain)(void *arg, const struct drain_order *order);
    void (*drain_stop)(void *arg);
    void (*bans_each)(void *arg, ban_visit_fn *visit, void *visit_arg);
    /* How many bans of that name were lifted. */
    unsigned (*ban_lift)(void *arg, struct slice name);
    /* RC_LIMIT: as many traces as may be run. RC_INVALID: nothing can be called so. */
    enum rc (*trace_begin)(void *arg, const struct trace_order *order, uint64_t *ret_number);
    /* RC_NOT_FOUND: it is over. One that is not asked for some seconds is over. */
    enum rc (*trace_take)(void *arg, uint64_t number, struct trace_news *news);
    void (*trace_end)(void *arg, uint64_t number);
};

#endif
