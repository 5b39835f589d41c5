/* SPDX-License-Identifier: Apache-2.0 */
/* A load of records that prove themselves, and the look at what a crash left of it. Each submit
 * puts records and, as meta values, the start and end that each log has after it: what shares a
 * submit must survive together or not at all, so afterwards these must be equal to what the log
 * says, and no less than what was promised. */
#ifndef TERCET_TESTS_CRASH_STORE_LOAD_H
#define TERCET_TESTS_CRASH_STORE_LOAD_H

#include "storage/log.h"

#define LOGS 40

struct promise {
    uint64_t ticket;
    uint64_t start;
    uint64_t end;
    uint32_t log;
    bool is_synced; /* asked for the device, not only for the page cache */
};

struct log_state {
    uint64_t start;
    uint64_t end;
};

extern struct store *store;
extern struct log_state promised[LOGS + 1];
extern uint64_t records_seen;

_Noreturn void fail(const char *what, uint32_t log, uint64_t have, uint64_t want);

void random_seed(uint64_t seed);
uint64_t random_below(uint64_t below);

/* Opens the store there with small segments. */
enum rc load_open(const char *directory);
/* Learns from the store where each log is. */
void load_begin(void);
/* Puts and submits a few things; `on_promise` is told each state that the tickets stand for. */
void load_put(void (*on_promise)(const struct promise *promise));
/* Now and then while putting: reads and looks at what was read. */
void load_read(void);
void load_read_end(void);
void promise_take(const struct promise *promise);

/* Opens the store there, compares it with promised[], closes it. Ends the program when it fails. */
void load_check(const char *directory);

#endif
