/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/store_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/hash.h"
#include "broker/base/wire.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/meta.h"

#define LIVE_MAX 600 /* records that a log keeps */
#define HEADER   24  /* log:4 length:4 offset:8 hash:8 */

struct store *store;
struct log_state promised[LOGS + 1];
uint64_t records_seen;
static struct log_state now[LOGS + 1];
static uint64_t random_state;

_Noreturn void fail(const char *what, uint32_t log, uint64_t have, uint64_t want)
{
    (void)fprintf(stderr, "store: %s log=%u have=%llu want=%llu\n", what, (unsigned)log,
                  (unsigned long long)have, (unsigned long long)want);
    exit(EXIT_FAILURE);
}

void random_seed(uint64_t seed)
{
    random_state = seed | 1;
}

uint64_t random_below(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

enum rc load_open(const char *directory)
{
    struct store_config config = STORE_CONFIG_DEFAULT;

    config.directory = directory;
    config.segment_first_bytes = (uint64_t)512 << 10;
    config.segment_max_bytes = (uint64_t)1 << 20;
    config.cache_bytes = 64 << 10;
    config.interval_ms = 20;
    return lmdb_store_open(&config, &store);
}

/* ---- putting ---- */

void load_begin(void)
{
    for (uint32_t log = 1; log <= LOGS; log++) {
        if (log_range(store, log, &now[log].start, &now[log].end) != RC_OK)
            now[log] = (struct log_state){ 0, 0 };
    }
}

static struct block *record(uint32_t log, uint64_t offset)
{
    size_t len =
        HEADER + (size_t)(random_below(50) == 0 ? random_below(100000) : random_below(3000));
    struct block *block = block_try(len);

    put_u32(block->at, log);
    put_u32(block->at + 4, (uint32_t)len);
    put_u64(block->at + 8, offset);
    for (size_t i = HEADER; i < len; i++)
        block->at[i] = (uint8_t)(offset + i * 31);
    put_u64(block->at + 16, hash_checksum(slice_after(block_slice(block), HEADER), offset));
    return block;
}

static enum durability any_durability(void)
{
    return random_below(3) == 0 ? DURABILITY_ALWAYS : DURABILITY_INTERVAL;
}

static void put_state(uint32_t log, void (*on_promise)(const struct promise *promise))
{
    struct promise promise = { .log = log, .start = now[log].start, .end = now[log].end };
    enum durability durability = any_durability();
    uint8_t key[4], value[16];

    put_u32(key, log);
    put_u64(value, now[log].start);
    put_u64(value + 8, now[log].end);
    promise.is_synced = durability == DURABILITY_ALWAYS;
    promise.ticket = meta_put(store, META_GROUPS, slice_of(key, sizeof(key)),
                              slice_of(value, sizeof(value)), durability);
    on_promise(&promise);
}

static void put_some(uint32_t log, void (*on_promise)(const struct promise *promise))
{
    for (uint64_t n = 1 + random_below(4); n > 0; n--) {
        struct append append = { .log = log, .base_offset = now[log].end, .record_count = 1 };

        append.durability = any_durability();
        append.bytes = record(log, now[log].end++);
        append.max_timestamp_ms = (int64_t)append.base_offset;
        (void)log_append(store, &append);
    }
    if (now[log].end - now[log].start > LIVE_MAX && random_below(3) == 0) {
        now[log].start += random_below(now[log].end - now[log].start + 1);
        (void)log_trim(store, log, now[log].start);
    }
    put_state(log, on_promise);
}

void load_put(void (*on_promise)(const struct promise *promise))
{
    for (uint64_t n = 1 + random_below(6); n > 0; n--)
        put_some(1 + (uint32_t)random_below(LOGS), on_promise);
    store_submit(store);
}

void promise_take(const struct promise *promise)
{
    promised[promise->log].start = promise->start;
    promised[promise->log].end = promise->end;
}

/* ---- looking ---- */

static enum rc on_state(void *arg, struct slice key, struct slice value)
{
    struct rd k = rd_of(key), v = rd_of(value);
    uint32_t log = rd_u32(&k);

    (void)arg;
    if (log == 0 || log > LOGS)
        fail("a meta key that nobody put", log, 0, 0);
    now[log].start = rd_u64(&v);
    now[log].end = rd_u64(&v);
    return RC_OK;
}

static uint64_t check_piece(uint32_t log, uint64_t offset, const struct log_piece *piece)
{
    struct rd r = rd_of(piece->bytes);

    if (piece->base_offset > offset)
        fail("a gap", log, piece->base_offset, offset);
    offset = piece->base_offset;
    while (r.left > 0 && !r.bad) {
        uint32_t number = rd_u32(&r), len = rd_u32(&r);
        uint64_t at = rd_u64(&r), hash = rd_u64(&r);
        struct slice rest = rd_bytes(&r, len - HEADER);

        if (r.bad || number != log || at != offset || hash_checksum(rest, at) != hash)
            fail("a record that was not put like this", log, at, offset);
        offset++;
        records_seen++;
    }
    if (offset != piece->next_offset)
        fail("a piece that ends elsewhere", log, offset, piece->next_offset);
    return offset;
}

struct reading {
    struct log_read read; /* first */
    enum rc rc;
    bool is_done;
};

static void on_read(struct log_read *read, enum rc rc)
{
    struct reading *r = (struct reading *)read;

    r->rc = rc;
    r->is_done = true;
}

static void check_records(uint32_t log, uint64_t offset, uint64_t end)
{
    while (offset < end) {
        struct reading r = { .read = { .log = log, .offset = offset, .max_bytes = 1 << 20 } };

        r.read.on_done = on_read;
        log_read(store, &r.read);
        while (!r.is_done)
            store_poll(store);
        if (r.rc != RC_OK)
            fail(rc_word(r.rc), log, offset, end);
        for (unsigned i = 0; i < r.read.pieces.count; i++)
            offset = check_piece(log, offset, &r.read.pieces.at[i]);
        log_pieces_done(&r.read.pieces);
    }
}

void load_check(const char *directory)
{
    enum rc rc = load_open(directory);

    if (rc != RC_OK)
        fail(rc_word(rc), 0, 0, 0);
    memset(now, 0, sizeof(now));
    rc = meta_each(store, META_GROUPS, on_state, NULL);
    if (rc != RC_OK)
        fail(rc_word(rc), 0, 0, 0);
    for (uint32_t log = 1; log <= LOGS; log++) {
        uint64_t start = 0, end = 0;

        if (log_range(store, log, &start, &end) != RC_OK && promised[log].end > 0)
            fail("a log is gone", log, 0, promised[log].end);
        if (start != now[log].start)
            fail("start and meta differ", log, start, now[log].start);
        if (end != now[log].end)
            fail("end and meta differ", log, end, now[log].end);
        if (end < promised[log].end)
            fail("durable records are gone", log, end, promised[log].end);
        if (start < promised[log].start)
            fail("a durable trim is gone", log, start, promised[log].start);
        check_records(log, start, end);
    }
    store_close(&store);
}

/* ---- reading while writing ---- */

#define READS 4

static struct reading under_way[READS];

/* Starts a read somewhere in some log, and looks at one that was answered: all that a read gives
 * must be as it was put, however much is trimmed, sealed and written over meanwhile. */
void load_read(void)
{
    struct reading *r = &under_way[random_below(READS)];
    uint32_t log = 1 + (uint32_t)random_below(LOGS);

    if (r->read.is_under_way)
        return;
    if (r->is_done && r->rc == RC_OK) {
        uint64_t offset = r->read.offset;

        for (unsigned i = 0; i < r->read.pieces.count; i++)
            offset = check_piece(r->read.log, offset, &r->read.pieces.at[i]);
        log_pieces_done(&r->read.pieces);
    } else if (r->is_done && r->rc != RC_RANGE) {
        fail(rc_word(r->rc), r->read.log, r->read.offset, 0);
    }
    *r = (struct reading){ .read = { .log = log, .max_bytes = 1 << 18, .on_done = on_read } };
    r->read.offset = now[log].start + random_below(now[log].end - now[log].start + 1);
    log_read(store, &r->read);
    if (random_below(8) == 0)
        log_read_cancel(store, &r->read);
}

void load_read_end(void)
{
    for (unsigned i = 0; i < READS; i++) {
        log_read_cancel(store, &under_way[i].read);
        log_pieces_done(&under_way[i].read.pieces);
        under_way[i] = (struct reading){ .is_done = false };
    }
}
