/* SPDX-License-Identifier: Apache-2.0 */
/* A log of keyed records whose contents follow from their offsets, and what must be left of it. */
#ifndef TERCET_TESTS_CONTRACT_COMPACTION_RIG_H
#define TERCET_TESTS_CONTRACT_COMPACTION_RIG_H

#include "broker/record/builder.h"
#include "tests/contract/store_fixture.h"

#define LOG         7
#define OTHER       8
#define KEYS        20
#define RECORDS_MAX 16000
#define FOREVER     INT64_C(1000000000)

/* What was put at each offset. */
struct put {
    int key;        /* -1: none */
    bool has_value; /* else it deletes the key */
    bool is_there;  /* as the last reading saw it */
};

extern struct put was_put[RECORDS_MAX];
extern uint64_t end; /* of the log */

struct asked {
    struct log_compact compact; /* first */
    enum rc rc;
    bool is_done;
};

/* Check's fixtures: with those of the store. */
void compaction_setup(void);
void compaction_teardown(void);

unsigned random_below(unsigned below);
/* Submits, and waits until that is durable. */
void await(uint64_t ticket);
void add_record(struct batch_builder *b, int key, bool has_value);
/* What was added, as one entry. */
uint64_t append(struct batch_builder *b, enum compression compression);
/* Batches of some records, packed and not; the last record has key 0 and no value. */
void put_some(unsigned batches);
/* An entry for each record. */
void put_rows(unsigned count);
/* Reads all of the log, and gives how many records there are. */
unsigned see_all(void);
/* Below `limit` and from `start` on, what must be there is, and nothing else if `is_exact`. */
void ck_compacted(uint64_t start, uint64_t limit, bool has_tombstones, bool is_exact);
void ask(struct asked *asked, uint64_t limit, int64_t delete_retention_ms);
/* Asks, and waits for it. */
enum rc compact(uint64_t limit, int64_t delete_retention_ms);
/* One turn of the core thread, in which nothing of another thread is waited for. */
void turn(void);

#endif
