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
} scenarios[] = {
    { 100, 1, DURABILITY_ALWAYS, "100 B" },
    { 16 << 10, 1, DURABILITY_ALWAYS, "16 KB" },
    { 256 << 10, 1, DURABILITY_ALWAYS, "256 KB" },
    { 1 << 20, 1, DURABILITY_ALWAYS, "1 MB" },
    { 100, 64, DURABILITY_ALWAYS, "100 B x64" },
    { 16 << 10, 16, DURABILITY_ALWAYS, "16 KB x16" },
    { 256 << 10, 4, DURABILITY_ALWAYS, "256 KB x4" },
    { 1 << 20, 4, DURABILITY_ALWAYS, "1 MB x4" },
    { 100, 64, DURABILITY_INTERVAL, "100 B x64 interval" },
    { 256 << 10, 4, DURABILITY_INTERVAL, "256 KB x4 interval" },
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static struct store *store;
static sem_t woken;
static uint64_t durable;
static uint64_t log_end;
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

static uint64_t put_one(const struct scenario *scenario)
{
    struct append append = { 1, log_end++, 1, 0, scenario->durability, NULL };
    uint64_t ticket;

    append.bytes = block_try(scenario->bytes);
    memcpy(append.bytes->at, raw_bytes, scenario->bytes);
    ticket = log_append(store, &append);
    store_submit(store);
    return ticket;
}

static double run_store(const struct scenario *scenario, double seconds)
{
    uint64_t start = clock_monotonic_ns(), first, ticket;

    first = ticket = durable;
    while (seconds_since(start) < seconds) {
        while (ticket - durable < scenario->depth)
            ticket = put_one(scenario);
        while (sem_wait(&woken) != 0)
            ;
        store_poll(store);
        if (log_end > 100000)
            ticket = log_trim(store, 1, log_end - 1000), store_submit(store);
    }
    while (durable < ticket) {
        while (sem_wait(&woken) != 0)
            ;
        store_poll(store);
    }
    return (double)(durable - first) / seconds_since(start);
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
    store_close(&store);
    (void)close(raw_fd);
    mem_free(raw_bytes);
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
