/* SPDX-License-Identifier: Apache-2.0 */
/* Durable appends per second beside a plain prewritten file synced after each write, in turns, in
 * one run: figures mean something only as the ratio of the two.
 *
 *   bench_store [directory [milliseconds a turn]]
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/number.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/log.h"

#define ROUNDS    5
#define RAW_BYTES ((size_t)128 << 20)

static const struct scenario {
    size_t bytes;   /* of one commit */
    unsigned depth; /* commits under way */
    enum durability durability;
    const char *name;
    unsigned logs; /* that share the commit, if more than one */
} scenarios[] = {
    { 100, 1, DURABILITY_ALWAYS, "100 B", 1 },
    { 16 << 10, 1, DURABILITY_ALWAYS, "16 KB", 1 },
    { 256 << 10, 1, DURABILITY_ALWAYS, "256 KB", 1 },
    { 1 << 20, 1, DURABILITY_ALWAYS, "1 MB", 1 },
    { 100, 64, DURABILITY_ALWAYS, "100 B x64", 1 },
    { 16 << 10, 16, DURABILITY_ALWAYS, "16 KB x16", 1 },
    { 256 << 10, 4, DURABILITY_ALWAYS, "256 KB x4", 1 },
    { 1 << 20, 4, DURABILITY_ALWAYS, "1 MB x4", 1 },
    { 100, 64, DURABILITY_INTERVAL, "100 B x64 interval", 1 },
    { 256 << 10, 4, DURABILITY_INTERVAL, "256 KB x4 interval", 1 },
    { 100000, 4, DURABILITY_ALWAYS, "100 B in 1000 logs", 1000 },
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static struct store *store;
static sem_t woken;
static uint64_t durable;
static uint64_t log_end;
static uint64_t many_end; /* of logs 2 and up */
static int raw_fd;
static uint8_t *raw_bytes;
static size_t raw_at;

static void on_durable(void *arg, uint64_t ticket)
{
    (void)arg;
    durable = ticket;
}

static void on_stall(void *arg, enum rc rc)
{
    (void)arg;
    (void)fprintf(stderr, "bench_store: stalled: %s\n", rc_word(rc));
}

static void on_wake(void *arg)
{
    (void)arg;
    (void)sem_post(&woken);
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

/* Operations per second of a plain file that was written before. */
static double run_raw(const struct scenario *scenario, double seconds)
{
    uint64_t start = clock_monotonic_ns(), done = 0;

    while (seconds_since(start) < seconds) {
        if (raw_at + scenario->bytes > RAW_BYTES)
            raw_at = 0;
        if (pwrite(raw_fd, raw_bytes, scenario->bytes, (off_t)raw_at) != (ssize_t)scenario->bytes ||
            (scenario->durability == DURABILITY_ALWAYS && fdatasync(raw_fd) != 0))
            exit(EXIT_FAILURE);
        raw_at += scenario->bytes;
        done++;
    }
    return (double)done / seconds_since(start);
}

static uint64_t put_in(uint32_t log, uint64_t offset, size_t bytes, enum durability durability)
{
    struct append append = { log, offset, 1, 0, durability, block_try(bytes) };

    memcpy(append.bytes->at, raw_bytes, bytes);
    return log_append(store, &append);
}

static uint64_t put_one(const struct scenario *scenario)
{
    uint64_t ticket = 0;

    if (scenario->logs == 1)
        ticket = put_in(1, log_end++, scenario->bytes, scenario->durability);
    for (uint32_t i = 0; scenario->logs > 1 && i < scenario->logs; i++)
        ticket = put_in(2 + i, many_end, scenario->bytes / scenario->logs, scenario->durability);
    many_end += scenario->logs > 1;
    store_submit(store);
    return ticket;
}

static double run_store(const struct scenario *scenario, double seconds)
{
    uint64_t start = clock_monotonic_ns(), first, ticket;

    first = ticket = durable;
    while (seconds_since(start) < seconds) {
        while (ticket - durable < (uint64_t)scenario->depth * scenario->logs)
            ticket = put_one(scenario);
        while (sem_wait(&woken) != 0)
            ;
        store_poll(store);
    }
    while (durable < ticket) {
        while (sem_wait(&woken) != 0)
            ;
        store_poll(store);
    }
    return (double)(durable - first) / scenario->logs / seconds_since(start);
}

static int by_value(const void *left, const void *right)
{
    const double *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

static double median(double *at)
{
    qsort(at, ROUNDS, sizeof(*at), by_value);
    return at[ROUNDS / 2];
}

static double cpu_us(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void run(const struct scenario *scenario, double seconds)
{
    double raw[ROUNDS], ours[ROUNDS], ratio[ROUNDS], cpu = 0, count = 0;
    uint64_t p50, p99, syncs, commits;

    syncs = (uint64_t)count_get(COUNT_STORE_SYNCS);
    commits = (uint64_t)count_get(COUNT_STORE_COMMITS);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double before;

        raw[i] = run_raw(scenario, seconds);
        before = cpu_us();
        ours[i] = run_store(scenario, seconds);
        cpu += cpu_us() - before;
        count += ours[i] * seconds;
        ratio[i] = ours[i] / raw[i];
    }
    syncs = (uint64_t)count_get(COUNT_STORE_SYNCS) - syncs;
    commits = (uint64_t)count_get(COUNT_STORE_COMMITS) - commits;
    store_commit_latency(store, &p50, &p99);
    (void)printf("%-20s %9.0f %8.1f %9.0f %8.1f %6.2f %7.0f %7.0f %8.1f %7.2f %7.2f\n",
                 scenario->name, median(raw), median(raw) * (double)scenario->bytes / 1e6,
                 median(ours), median(ours) * (double)scenario->bytes / 1e6, median(ratio),
                 (double)p50 / 1e3, (double)p99 / 1e3, cpu / count, (double)commits / count,
                 (double)syncs / count);
    (void)fflush(stdout);
}

/* ---- reading ---- */

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

/* Reads log 1 from its start, one read at a time, beside pread() of the plain file: both from the
 * page cache. */
static void run_read(double seconds)
{
    uint64_t offset = 0, bytes = 0, start = clock_monotonic_ns(), plain = 0;
    uint8_t *to = mem_get((size_t)1 << 20);
    double ours;

    while (offset < log_end && seconds_since(start) < seconds) {
        struct reading r = { .read = { .log = 1, .offset = offset, .max_bytes = 1 << 20 } };

        r.read.on_done = on_read;
        log_read(store, &r.read);
        while (!r.is_done) {
            while (sem_wait(&woken) != 0)
                ;
            store_poll(store);
        }
        if (r.rc != RC_OK)
            exit(EXIT_FAILURE);
        bytes += r.read.pieces.bytes;
        offset = r.read.pieces.at[r.read.pieces.count - 1].next_offset;
        log_pieces_done(&r.read.pieces);
    }
    ours = (double)bytes / 1e6 / seconds_since(start);
    start = clock_monotonic_ns();
    for (off_t at = 0; plain < bytes && seconds_since(start) < seconds; at += 1 << 20) {
        ssize_t len = pread(raw_fd, to, (size_t)1 << 20, at % (off_t)RAW_BYTES);

        plain += len > 0 ? (uint64_t)len : 0;
    }
    (void)printf("read back: %.0f MB, %.0f MB/s; plain pread: %.0f MB/s\n", (double)bytes / 1e6,
                 ours, (double)plain / 1e6 / seconds_since(start));
    mem_free(to);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)stat;
    (void)type;
    (void)at;
    return remove(path);
}

static void raw_prepare(const char *directory)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/raw", directory);
    raw_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    raw_bytes = mem_get((size_t)1 << 20);
    for (size_t i = 0; i < (size_t)1 << 20; i++)
        raw_bytes[i] = (uint8_t)(i * 2654435761u >> 7);
    for (size_t at = 0; at < RAW_BYTES; at += (size_t)1 << 20) {
        if (pwrite(raw_fd, raw_bytes, (size_t)1 << 20, (off_t)at) != 1 << 20)
            exit(EXIT_FAILURE);
    }
    if (fdatasync(raw_fd) != 0)
        exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    const struct store_events events = { .on_durable = on_durable,
                                         .on_stall = on_stall,
                                         .wake = on_wake };
    struct store_config config = STORE_CONFIG_DEFAULT;
    uint64_t ms = 300;
    char path[256];

    if (argc > 2 && number_u64(slice_str(argv[2]), 1, 60000, &ms) != RC_OK)
        return EXIT_FAILURE;
    (void)snprintf(path, sizeof(path), "%s/bench-store-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    if (mkdtemp(path) == NULL || sem_init(&woken, 0, 0) != 0)
        return EXIT_FAILURE;
    raw_prepare(path);
    config.directory = path;
    if (lmdb_store_open(&config, &store) != RC_OK)
        return EXIT_FAILURE;
    store_set_events(store, &events);
    (void)run_store(&scenarios[2], 1); /* past the first segment, which is not prewritten */
    (void)printf("%-20s %9s %8s %9s %8s %6s %7s %7s %8s %7s %7s\n", "commit", "raw/s", "MB/s",
                 "store/s", "MB/s", "ratio", "p50us", "p99us", "cpu us", "commits", "syncs");
    for (size_t i = 0; i < SCENARIOS; i++)
        run(&scenarios[i], (double)ms / 1000);
    run_read(2);
    store_close(&store);
    (void)close(raw_fd);
    mem_free(raw_bytes);
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
