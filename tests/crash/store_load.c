/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/store_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/meta.h"

#define HEADER   24 /* log:4 length:4 offset:8 hash:8 */
#define BLOB_MAX ((size_t)40000)

struct store *store;
enum load_mode load_mode = LOAD_MIXED;
bool load_is_prewritten = true;
bool load_has_sync = true;
uint64_t load_live_max = 600;
uint32_t load_logs = LOGS;
struct log_state promised[LOGS + 1];
uint64_t records_seen;
void (*load_on_hurt)(enum rc rc);
static struct log_state now[LOGS + 1];
static bool has_blob[LOGS + 1];
static uint64_t random_state;

_Noreturn void fail(const char *what, uint32_t log, uint64_t have, uint64_t want)
{
    (void)fprintf(stderr, "store: %s log=%u have=%llu want=%llu\n", what, (unsigned)log,
                  (unsigned long long)have, (unsigned long long)want);
    exit(EXIT_FAILURE);
}

/* Something failed that may: by a fault that was put there. */
static void hurt(enum rc rc)
{
    if (load_on_hurt == NULL)
        fail(rc_word(rc), 0, 0, 0);
    load_on_hurt(rc);
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
    config.is_prewritten = load_is_prewritten;
    config.has_sync = load_has_sync;
    return lmdb_store_open(&config, &store);
}

/* The store's number of a log: another one after each drop. */
static uint32_t number_of(uint32_t log, uint32_t generation)
{
    return log + generation * LOGS;
}

/* ---- the blob beside each log: content and presence follow from its state's count ---- */

static size_t blob_len(uint32_t log, uint32_t count)
{
    uint32_t mixed = (log * 2654435761u) ^ (count * 40503u);

    if (count % 3 == 0)
        return 0; /* none */
    return 1 + mixed % (count % 16 == 1 ? BLOB_MAX : 300);
}

static void blob_fill(uint8_t *at, size_t len, uint32_t log, uint32_t count)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(log + count * 7 + i * 13 + (i >> 8));
}

static void put_blob(uint32_t log, uint32_t count, enum durability durability)
{
    static uint8_t blob[BLOB_MAX];
    size_t len = blob_len(log, count);
    uint8_t key[4];

    put_u32(key, log);
    blob_fill(blob, len, log, count);
    if (len > 0)
        (void)meta_put(store, META_SESSIONS, slice_of(key, sizeof(key)), slice_of(blob, len),
                       durability);
    else
        (void)meta_delete(store, META_SESSIONS, slice_of(key, sizeof(key)), durability);
}

static enum rc on_blob(void *arg, struct slice key, struct slice value)
{
    static uint8_t blob[BLOB_MAX];
    struct rd k = rd_of(key);
    uint32_t log = rd_u32(&k);
    size_t len;

    (void)arg;
    if (k.bad || log == 0 || log > LOGS)
        fail("a blob that nobody put", log, 0, 0);
    len = blob_len(log, now[log].count);
    blob_fill(blob, len, log, now[log].count);
    if (value.len != len || memcmp(value.at, blob, len) != 0)
        fail("blob and state differ", log, value.len, len);
    has_blob[log] = true;
    return RC_OK;
}

/* ---- what is there ---- */

static enum rc on_state(void *arg, struct slice key, struct slice value)
{
    struct rd k = rd_of(key), v = rd_of(value);
    uint32_t log = rd_u32(&k);

    (void)arg;
    if (k.bad || log == 0 || log > LOGS)
        fail("a meta key that nobody put", log, 0, 0);
    now[log].start = rd_u64(&v);
    now[log].end = rd_u64(&v);
    now[log].generation = rd_u32(&v);
    now[log].count = rd_u32(&v);
    if (v.bad || v.left != 0)
        fail("a state of another length", log, value.len, 24);
    return RC_OK;
}

void load_begin(void)
{
    enum rc rc;

    memset(now, 0, sizeof(now));
    memset(has_blob, 0, sizeof(has_blob));
    rc = meta_each(store, META_GROUPS, on_state, NULL);
    if (rc == RC_OK)
        rc = meta_each(store, META_SESSIONS, on_blob, NULL);
    if (rc != RC_OK)
        fail(rc_word(rc), 0, 0, 0);
    for (uint32_t log = 1; log <= LOGS; log++) {
        if (!has_blob[log] && blob_len(log, now[log].count) > 0)
            fail("a blob is gone", log, 0, now[log].count);
    }
}

/* ---- putting ---- */

static struct block *record(uint32_t log, uint64_t offset)
{
    size_t len =
        HEADER + (size_t)(random_below(50) == 0 ? random_below(100000) : random_below(3000));
    struct block *block = block_try(len);

    while (block == NULL) {
        hurt(RC_MEMORY);
        block = block_try(len);
    }
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
    if (load_mode == LOAD_ALWAYS)
        return DURABILITY_ALWAYS;
    if (load_mode == LOAD_INTERVAL)
        return DURABILITY_INTERVAL;
    return random_below(3) == 0 ? DURABILITY_ALWAYS : DURABILITY_INTERVAL;
}

static void put_state(uint32_t log, void (*on_promise)(const struct promise *promise))
{
    struct promise promise = { .log = log };
    enum durability durability = any_durability();
    uint8_t key[4], value[24];

    now[log].count++;
    put_blob(log, now[log].count, any_durability());
    put_u32(key, log);
    put_u64(value, now[log].start);
    put_u64(value + 8, now[log].end);
    put_u32(value + 16, now[log].generation);
    put_u32(value + 20, now[log].count);
    promise.state = now[log];
    promise.is_synced = durability == DURABILITY_ALWAYS;
    promise.ticket = meta_put(store, META_GROUPS, slice_of(key, sizeof(key)),
                              slice_of(value, sizeof(value)), durability);
    on_promise(&promise);
}

static void put_records(uint32_t log)
{
    uint32_t number = number_of(log, now[log].generation);

    for (uint64_t n = 1 + random_below(4); n > 0; n--) {
        struct append append = { .log = number, .base_offset = now[log].end, .record_count = 1 };

        append.durability = any_durability();
        append.bytes = record(number, now[log].end++);
        append.max_timestamp_ms = (int64_t)append.base_offset;
        (void)log_append(store, &append);
    }
}

static void put_some(uint32_t log, void (*on_promise)(const struct promise *promise))
{
    if (now[log].end > 0 && random_below(60) == 0) {
        (void)log_drop(store, number_of(log, now[log].generation));
        now[log] =
            (struct log_state){ .generation = now[log].generation + 1, .count = now[log].count };
    }
    put_records(log);
    if (now[log].end - now[log].start > load_live_max && random_below(3) == 0) {
        now[log].start += random_below(now[log].end - now[log].start + 1);
        (void)log_trim(store, number_of(log, now[log].generation), now[log].start);
    }
    put_state(log, on_promise);
}

/* Some logs grow slowly, so that what they keep lies in segments whose rest is gone. */
static uint32_t any_log(void)
{
    uint32_t log = 1 + (uint32_t)random_below(load_logs);

    return log % 4 != 1 || random_below(8) == 0 ? log : 1 + log % load_logs;
}

void load_put(void (*on_promise)(const struct promise *promise))
{
    for (uint64_t n = 1 + random_below(6); n > 0; n--)
        put_some(any_log(), on_promise);
    store_submit(store);
}

void load_states(struct log_state ret[LOGS + 1])
{
    memcpy(ret, now, sizeof(now));
}

/* Promises may come in another order than the states that they are of. */
void promise_take(const struct promise *promise)
{
    if (promise->state.count > promised[promise->log].count)
        promised[promise->log] = promise->state;
}

/* ---- looking ---- */

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

static void check_read(uint32_t number, uint64_t *offset)
{
    struct reading r = { .read = { .log = number, .offset = *offset, .max_bytes = 1 << 20 } };

    r.read.on_done = on_read;
    log_read(store, &r.read);
    while (!r.is_done)
        store_poll(store);
    if (r.rc == RC_IO || r.rc == RC_MEMORY) {
        hurt(r.rc);
        return; /* once more */
    }
    if (r.rc != RC_OK)
        fail(rc_word(r.rc), number, *offset, 0);
    for (unsigned i = 0; i < r.read.pieces.count; i++)
        *offset = check_piece(number, *offset, &r.read.pieces.at[i]);
    log_pieces_done(&r.read.pieces);
}

static void check_records(uint32_t number, uint64_t offset, uint64_t end)
{
    while (offset < end)
        check_read(number, &offset);
}

static void check_log(uint32_t log)
{
    const struct log_state *want = &promised[log], *have = &now[log];
    uint32_t number = number_of(log, have->generation);
    uint64_t start = 0, end = 0;

    if (have->count < want->count)
        fail("a durable state is gone", log, have->count, want->count);
    if (have->generation < want->generation)
        fail("a durable drop is gone", log, have->generation, want->generation);
    if (log_range(store, number, &start, &end) != RC_OK && have->count > 0)
        fail("a log is gone", number, 0, have->end);
    if (start != have->start)
        fail("start and meta differ", number, start, have->start);
    if (end != have->end)
        fail("end and meta differ", number, end, have->end);
    if (have->generation == want->generation && end < want->end)
        fail("durable records are gone", number, end, want->end);
    if (have->generation == want->generation && start < want->start)
        fail("a durable trim is gone", number, start, want->start);
    if (have->generation > 0 &&
        log_range(store, number_of(log, have->generation - 1), &start, &end) == RC_OK)
        fail("a dropped log is there", number, start, end);
    if (log_range(store, number_of(log, have->generation + 1), &start, &end) == RC_OK)
        fail("a log from nowhere", number, start, end);
    check_records(number, have->start, have->end);
}

void load_look(void)
{
    load_begin();
    for (uint32_t log = 1; log <= LOGS; log++) {
        check_log(log);
        promised[log] = now[log];
    }
}

void load_check(const char *directory)
{
    enum rc rc = load_open(directory);

    if (rc != RC_OK)
        fail(rc_word(rc), 0, 0, 0);
    load_look();
    store_close(&store);
}

/* ---- after damage ---- */

static enum rc on_state_left(void *arg, struct slice key, struct slice value)
{
    struct load_loss *loss = arg;
    struct rd k = rd_of(key), v = rd_of(value);
    uint32_t log = rd_u32(&k);
    struct log_state state = { .start = rd_u64(&v), .end = rd_u64(&v) };

    state.generation = rd_u32(&v);
    state.count = rd_u32(&v);
    if (k.bad || v.bad || log == 0 || log > LOGS || state.count > promised[log].count)
        fail("a state that nobody put", log, state.count, promised[log].count);
    now[log] = state;
    loss->states -= state.count == promised[log].count;
    return RC_OK;
}

static enum rc on_blob_left(void *arg, struct slice key, struct slice value)
{
    static uint8_t blob[BLOB_MAX];
    struct load_loss *loss = arg;
    struct rd k = rd_of(key);
    uint32_t log = rd_u32(&k), count;

    if (k.bad || log == 0 || log > LOGS)
        fail("a blob that nobody put", log, 0, 0);
    /* Of the last state, or of any before. */
    for (count = promised[log].count; count > 0; count--) {
        blob_fill(blob, value.len, log, count);
        if (value.len == blob_len(log, count) && memcmp(value.at, blob, value.len) == 0)
            break;
    }
    if (count == 0)
        fail("a blob that was not put like this", log, value.len, 0);
    loss->blobs -= count == promised[log].count;
    return RC_OK;
}

/* Records of [offset, end) that the log does not give. */
static uint64_t records_lost(uint32_t number, uint64_t offset, uint64_t end)
{
    uint64_t lost = 0;

    while (offset < end) {
        struct reading r = { .read = { .log = number, .offset = offset, .max_bytes = 1 << 16 } };
        uint64_t before = offset;

        r.read.on_done = on_read;
        log_read(store, &r.read);
        while (!r.is_done)
            store_poll(store);
        if (r.rc == RC_OK && r.read.pieces.at[0].base_offset > offset)
            offset = r.read.pieces.at[0].base_offset; /* a gap */
        if (offset > end)
            offset = end;
        lost += offset - before;
        if (r.rc == RC_RANGE)
            return lost + end - offset;
        if (r.rc != RC_OK && r.rc != RC_CORRUPT)
            fail(rc_word(r.rc), number, offset, end);
        if (r.rc == RC_CORRUPT) {
            lost++;
            offset++;
        }
        for (unsigned i = 0; r.rc == RC_OK && offset < end && i < r.read.pieces.count; i++) {
            if (r.read.pieces.at[i].base_offset > offset)
                break;
            offset = check_piece(number, offset, &r.read.pieces.at[i]);
        }
        log_pieces_done(&r.read.pieces);
    }
    return lost;
}

struct load_loss load_assess(void)
{
    struct load_loss loss = { 0 };
    enum rc rc;

    memset(now, 0, sizeof(now));
    for (uint32_t log = 1; log <= LOGS; log++) {
        loss.states += promised[log].count > 0;
        loss.blobs += blob_len(log, promised[log].count) > 0;
    }
    rc = meta_each(store, META_GROUPS, on_state_left, &loss);
    if (rc == RC_OK)
        rc = meta_each(store, META_SESSIONS, on_blob_left, &loss);
    if (rc != RC_OK)
        fail(rc_word(rc), 0, 0, 0);
    for (uint32_t log = 1; log <= LOGS; log++) {
        uint32_t number = number_of(log, promised[log].generation);

        loss.records += records_lost(number, promised[log].start, promised[log].end);
    }
    return loss;
}

/* ---- reading while writing ---- */

#define READS 4

static struct reading under_way[READS];

/* Starts a read somewhere in some log, and looks at one that was answered: all that a read gives
 * must be as it was put, however much is trimmed, sealed and written over meanwhile. */
void load_read(void)
{
    struct reading *r = &under_way[random_below(READS)];
    uint32_t log = 1 + (uint32_t)random_below(load_logs);
    uint32_t number = number_of(log, now[log].generation);

    if (r->read.is_under_way)
        return;
    if (r->is_done && r->rc == RC_OK) {
        uint64_t offset = r->read.offset;

        for (unsigned i = 0; i < r->read.pieces.count; i++)
            offset = check_piece(r->read.log, offset, &r->read.pieces.at[i]);
        log_pieces_done(&r->read.pieces);
    } else if (r->is_done && (r->rc == RC_IO || r->rc == RC_MEMORY)) {
        hurt(r->rc);
    } else if (r->is_done && r->rc != RC_RANGE && r->rc != RC_NOT_FOUND) {
        fail(rc_word(r->rc), r->read.log, r->read.offset, 0);
    }
    *r = (struct reading){ .read = { .log = number, .max_bytes = 1 << 18, .on_done = on_read } };
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
