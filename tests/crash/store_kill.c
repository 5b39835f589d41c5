/* SPDX-License-Identifier: Apache-2.0 */
/* Kills a process that writes to a store, again and again, and looks at what is left.
 *
 *   store_kill [cycles [seed [directory]]]
 *
 * The child appends to many logs with small segments, so that rolls, seals, checkpoints and
 * recycling happen all the time. Each submit puts records and, as meta values, the start and end
 * that each log has after it: what shares a submit must survive together or not at all, so after
 * every kill these must be equal to what the log says. What the store reports as durable goes
 * through a pipe to the parent, which finds all of it again. Every third child is killed by a fault
 * point in the middle of the store's own work instead of by a timer. */
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/fault.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/number.h"
#include "broker/base/wire.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/log.h"
#include "storage/meta.h"

#define LOGS        40
#define CYCLES      60
#define PENDING_MAX 65536
#define LIVE_MAX    600 /* records that a log keeps */
#define HEADER      24  /* log:4 length:4 offset:8 hash:8 */
#define LIFE_MAX_MS 60

static const char *const fault_points[] = { "store.write",  "store.sync",  "store.open",
                                            "store.rename", "store.alloc", "store.catalog" };

struct promise {
    uint64_t ticket;
    uint64_t start;
    uint64_t end;
    uint32_t log;
};

struct log_state {
    uint64_t start;
    uint64_t end;
};

static struct store *store;
static struct log_state now[LOGS + 1];
static struct log_state promised[LOGS + 1];
static struct promise pending[PENDING_MAX];
static size_t pending_first, pending_count;
static int pipe_out;
static uint64_t random_state;
static uint64_t kept_records, kept_promises;

static void fail(const char *what, uint32_t log, uint64_t have, uint64_t want)
{
    (void)fprintf(stderr, "store_kill: %s log=%u have=%llu want=%llu\n", what, (unsigned)log,
                  (unsigned long long)have, (unsigned long long)want);
    exit(EXIT_FAILURE);
}

static uint64_t next_random(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static enum rc open_store(const char *directory)
{
    struct store_config config = STORE_CONFIG_DEFAULT;

    config.directory = directory;
    config.segment_first_bytes = (uint64_t)512 << 10;
    config.segment_max_bytes = (uint64_t)1 << 20;
    config.cache_bytes = 64 << 10;
    config.interval_ms = 20;
    return lmdb_store_open(&config, &store);
}

/* ---- the child ---- */

static void on_durable(void *arg, uint64_t ticket)
{
    (void)arg;
    while (pending_count > 0 && pending[pending_first].ticket <= ticket) {
        if (write(pipe_out, &pending[pending_first], sizeof(struct promise)) !=
            (ssize_t)sizeof(struct promise))
            _exit(EXIT_FAILURE);
        pending_first = (pending_first + 1) % PENDING_MAX;
        pending_count--;
    }
}

static void on_stall(void *arg, enum rc rc)
{
    (void)arg;
    (void)rc;
}

static void on_wake(void *arg)
{
    (void)arg;
}

static struct block *record(uint32_t log, uint64_t offset)
{
    size_t len = HEADER + (size_t)(next_random(50) == 0 ? next_random(100000) : next_random(3000));
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
    return next_random(3) == 0 ? DURABILITY_ALWAYS : DURABILITY_INTERVAL;
}

static void put_state(uint32_t log)
{
    uint8_t key[4], value[16];
    struct promise *promise;

    put_u32(key, log);
    put_u64(value, now[log].start);
    put_u64(value + 8, now[log].end);
    promise = &pending[(pending_first + pending_count++) % PENDING_MAX];
    *promise = (struct promise){ .log = log, .start = now[log].start, .end = now[log].end };
    promise->ticket = meta_put(store, META_GROUPS, slice_of(key, sizeof(key)),
                               slice_of(value, sizeof(value)), any_durability());
}

static void put_some(uint32_t log)
{
    for (uint64_t n = 1 + next_random(4); n > 0; n--) {
        struct append append = { .log = log, .base_offset = now[log].end, .record_count = 1 };

        append.durability = any_durability();
        append.bytes = record(log, now[log].end++);
        append.max_timestamp_ms = (int64_t)append.base_offset;
        (void)log_append(store, &append);
    }
    if (now[log].end - now[log].start > LIVE_MAX && next_random(3) == 0) {
        now[log].start += next_random(now[log].end - now[log].start + 1);
        (void)log_trim(store, log, now[log].start);
    }
    put_state(log);
}

/* Puts until it is killed. */
_Noreturn static void child(const char *directory, int out, bool is_faulty)
{
    const struct store_events events = { on_durable, on_stall, on_wake, NULL, NULL };

    pipe_out = out;
    log_set_threshold(LOG_ERROR);
    if (is_faulty)
        fault_arm(fault_points[next_random(sizeof(fault_points) / sizeof(fault_points[0]))],
                  1 + (unsigned)next_random(40), FAULT_KILL);
    if (open_store(directory) != RC_OK)
        _exit(EXIT_FAILURE);
    store_set_events(store, &events);
    for (uint32_t log = 1; log <= LOGS; log++) {
        if (log_range(store, log, &now[log].start, &now[log].end) != RC_OK)
            now[log] = (struct log_state){ 0, 0 };
    }
    for (;;) {
        for (uint64_t n = 1 + next_random(6); n > 0; n--)
            put_some(1 + (uint32_t)next_random(LOGS));
        store_submit(store);
        store_poll(store);
        while (store_backlog_bytes(store) > ((uint64_t)2 << 20) || pending_count > PENDING_MAX - 64)
            store_poll(store);
    }
}

/* ---- the parent ---- */

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
        kept_records++;
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

static void check(const char *directory)
{
    enum rc rc = open_store(directory);

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

/* True when there was something. */
static bool take_promises(int in)
{
    static struct promise taken[1024]; /* the pipe's writes are whole promises */
    ssize_t len = read(in, taken, sizeof(taken));

    for (ssize_t i = 0; i < len / (ssize_t)sizeof(taken[0]); i++) {
        promised[taken[i].log].start = taken[i].start;
        promised[taken[i].log].end = taken[i].end;
        kept_promises++;
    }
    return len > 0;
}

static void cycle(const char *directory, bool is_faulty)
{
    int ends[2];
    uint64_t life_ms = is_faulty ? 5 * LIFE_MAX_MS : 1 + next_random(LIFE_MAX_MS);
    uint64_t end_ns;
    int status;
    pid_t pid;

    if (pipe(ends) != 0)
        fail("pipe", 0, 0, 0);
    random_state += 0x9e3779b97f4a7c15;
    pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        child(directory, ends[1], is_faulty);
    }
    (void)close(ends[1]);
    /* Read all the time, or the child stops at a full pipe. */
    end_ns = clock_monotonic_ns() + life_ms * 1000000;
    while (clock_monotonic_ns() < end_ns) {
        struct pollfd in = { .fd = ends[0], .events = POLLIN };

        if (poll(&in, 1, 1) > 0 && !take_promises(ends[0]))
            break; /* a fault point has ended it */
    }
    (void)kill(pid, SIGKILL);
    while (take_promises(ends[0]))
        ;
    (void)close(ends[0]);
    (void)waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail("the child ended by itself", 0, (uint64_t)status, SIGKILL);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)stat;
    (void)type;
    (void)at;
    return remove(path);
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
    uint64_t value = otherwise;

    if (i < argc && number_u64(slice_str(argv[i]), 0, UINT64_MAX, &value) != RC_OK)
        fail("usage: store_kill [cycles [seed [directory]]]", 0, 0, 0);
    return value;
}

int main(int argc, char **argv)
{
    uint64_t cycles = argument(argc, argv, 1, CYCLES);
    uint64_t seed = argument(argc, argv, 2, (uint64_t)getpid() * 2654435761 + (uint64_t)time(NULL));
    const char *top = getenv("TMPDIR");
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/store-kill-XXXXXX",
                   argc > 3 ? argv[3] : (top == NULL ? "/tmp" : top));
    if (mkdtemp(path) == NULL)
        fail("mkdtemp", 0, 0, 0);
    random_state = seed | 1;
    log_set_threshold(LOG_ERROR);
    (void)printf("store_kill: cycles=%llu seed=%llu directory=%s\n", (unsigned long long)cycles,
                 (unsigned long long)seed, path);
    (void)fflush(stdout);
    for (uint64_t i = 0; i < cycles; i++) {
        cycle(path, i % 3 == 2);
        check(path);
    }
    (void)printf("store_kill: kept=%llu checked=%llu\n", (unsigned long long)kept_promises,
                 (unsigned long long)kept_records);
    if (kept_promises == 0)
        fail("nothing was ever durable", 0, 0, 1);
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
