/* SPDX-License-Identifier: Apache-2.0 */
/* A load of records that prove themselves, and the look at what a crash left of it. Each submit
 * puts records and, as meta values, the state that each log has after it: what shares a submit must
 * survive together or not at all, so afterwards these must be equal to what the log says, and no
 * less than what was promised. A log that is dropped comes again under another number. */
#ifndef TERCET_TESTS_CRASH_STORE_LOAD_H
#define TERCET_TESTS_CRASH_STORE_LOAD_H

#include "storage/log.h"

#define LOGS 40

struct log_state {
    uint64_t start;
    uint64_t end;
    uint32_t generation; /* how often it was dropped */
    uint32_t count;      /* how often it was put: says what the blob beside it must be */
};

struct promise {
    uint64_t ticket;
    struct log_state state;
    uint32_t log;
    bool is_synced; /* asked for the device, not only for the page cache */
};

/* What the load asks of the store. */
enum load_mode { LOAD_ALWAYS, LOAD_INTERVAL, LOAD_MIXED, LOAD_MODES };

extern struct store *store;
extern enum load_mode load_mode;
extern bool load_is_prewritten;
extern bool load_has_sync;
extern uint64_t load_live_max; /* records that a log keeps */
extern uint32_t load_logs;     /* put to; at most LOGS */
extern struct log_state promised[LOGS + 1];
extern uint64_t records_seen;

_Noreturn void fail(const char *what, uint32_t log, uint64_t have, uint64_t want);

void random_seed(uint64_t seed);
uint64_t random_below(uint64_t below);

/* Opens the store there with small segments. */
enum rc load_open(const char *directory);
/* Learns from the store what is there, before anything is put. */
void load_begin(void);
/* Puts and submits a few things; `on_promise` is told each state that the tickets stand for. */
void load_put(void (*on_promise)(const struct promise *promise));
/* What has been put so far. */
void load_states(struct log_state ret[LOGS + 1]);
/* Now and then while putting: reads and looks at what was read. */
void load_read(void);
void load_read_end(void);
void promise_take(const struct promise *promise);

/* Compares the open store, just opened, with promised[], and makes what is there the promise: what
 * was shown once may not go away. Ends the program when it fails. */
void load_look(void);
/* Opens the store there, compares it with promised[], closes it. */
void load_check(const char *directory);

/* Called when a read or an allocation failed, which is then made again. NULL: none may. */
extern void (*load_on_hurt)(enum rc rc);

/* After damage: reads every record that was promised; what is not there or cannot be read is
 * counted, as the store tells it. What is read must be as it was put. */
struct load_loss {
    uint64_t records;
    uint64_t states; /* of logs: meta */
    uint64_t blobs;
};
struct load_loss load_assess(void);

#endif
