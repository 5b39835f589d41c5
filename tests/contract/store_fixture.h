/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a directory of its own, records that prove themselves, and what tests ask of both. */
#ifndef TERCET_TESTS_CONTRACT_STORE_FIXTURE_H
#define TERCET_TESTS_CONTRACT_STORE_FIXTURE_H

#include "storage/log.h"
#include "storage/meta.h"

typedef enum rc store_open_fn(const struct store_config *config, struct store **ret);

extern struct store *store;
extern struct store_config store_config; /* set by the setup; tests change it before opening */
extern char directory[96];
extern uint64_t durable;       /* the last ticket reported */
extern enum rc stalled;        /* what on_stall said last */
extern unsigned stall_reports; /* how often it spoke */
extern unsigned wakes;         /* any thread counts */

/* Check's fixtures. */
void store_fixture_setup(void);
void store_fixture_teardown(void);
/* For a process that a test forked and has killed: what it was telling Check when it died would
 * stand cut short among the test's own messages. Its open files lead nowhere from here on. */
void be_unheard(void);
/* Another directory to go on in; all are removed at the end. */
void directory_make(void);

/* Opens the store in `directory` and listens to it. */
void store_start(store_open_fn *open);
/* Waits for the next wake() and polls. */
void store_wait(void);
void flush(void);

/* Appends `count` records at `offset` in `len` bytes whose values follow from log and offset. */
uint64_t put_at(uint32_t log, uint64_t offset, uint32_t count, size_t len, int64_t time_ms);
uint8_t pattern(uint32_t log, uint64_t offset, size_t i);
void ck_piece(uint32_t log, const struct log_piece *piece, size_t len);

struct reading {
    struct log_read read; /* first */
    enum rc rc;
    unsigned done;
};

void read_start(struct reading *r, uint32_t log, uint64_t offset, size_t max_bytes);
void read_wait(struct reading *r);
/* Reads a log from `offset` to its end; every append had `len` bytes and `count` records. Appends
 * may come back joined, never torn. */
void ck_log(uint32_t log, uint64_t offset, uint64_t end, uint32_t count, size_t len);
void ck_range(uint32_t log, uint64_t start, uint64_t end);

void put_meta(enum meta_table table, const char *key, const char *value);
/* The table as "key=value " for each row, values cut at 20 bytes. */
void ck_meta(enum meta_table table, const char *wanted);

#define FILES_MAX 64

struct file_list {
    char name[FILES_MAX][256];
    unsigned count;
};

/* The segment files in a folder of the store, by name. */
void list_files(const char *folder, struct file_list *ret);
/* Of another store's directory into this one's. */
void copy_file(const char *from_directory, const char *name);
/* Copies the files of the open store, as a kill would leave them, to a new directory to go on in.
 * The store itself stays open until close_original(). */
void crash_copy(void);
void close_original(void);

#endif
