/* SPDX-License-Identifier: Apache-2.0 */
/* Appends per second beside a plain prewritten file that gets the same commits, in turns, in one
 * run: figures mean something only as the ratio of the two. A line of JSON for each scenario;
 * tests/bench/storage tells what is asked of them. */
#include <dirent.h>
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
#include "storage/lmdb/lmdb_store.h"
#include "storage/log.h"
#include "tests/bench/bench.h"

#define ROUNDS     5
#define DEPTH_MOST 256
#define RAW_BYTES  ((size_t)128 << 20)
#define MOST_BYTES ((size_t)4 << 20) /* of a commit */
#define KEPT_BYTES ((uint64_t)256 << 20)

static const struct scenario {
    size_t bytes;   /* of one commit */
    unsigned depth; /* commits under way */
    enum durability durability;
    const char *name;
    unsigned logs;       /* that share the commit, if more than one */
    uint64_t kept_bytes; /* of the log, the rest is trimmed: segments are written over; 0: grows */
} scenarios[] = {
    { 100, 1, DURABILITY_ALWAYS, "100 B", 1, KEPT_BYTES },
    { 16 << 10, 1, DURABILITY_ALWAYS, "16 KB", 1, KEPT_BYTES },
    { 256 << 10, 1, DURABILITY_ALWAYS, "256 KB", 1, KEPT_BYTES },
    { 1 << 20, 1, DURABILITY_ALWAYS, "1 MB", 1, KEPT_BYTES },
    { 1 << 20, 2, DURABILITY_ALWAYS, "1 MB x2", 1, KEPT_BYTES },
    { 4 << 20, 1, DURABILITY_ALWAYS, "4 MB", 1, KEPT_BYTES },
    { 256 << 10, 1, DURABILITY_ALWAYS, "256 KB, grows", 1, 0 },
    { 1 << 20, 2, DURABILITY_ALWAYS, "1 MB x2, grows", 1, 0 },
    { 100, 64, DURABILITY_ALWAYS, "100 B x64", 1, KEPT_BYTES },
    { 1 << 10, 256, DURABILITY_ALWAYS, "1 KB x256", 1, KEPT_BYTES },
    { 10 << 10, 32, DURABILITY_ALWAYS, "10 KB x32", 1, KEPT_BYTES },
    { 16 << 10, 16, DURABILITY_ALWAYS, "16 KB x16", 1, KEPT_BYTES },
    { 256 << 10, 4, DURABILITY_ALWAYS, "256 KB x4", 1, KEPT_BYTES },
    { 100, 1, DURABILITY_INTERVAL, "100 B interval", 1, KEPT_BYTES },
    { 100, 64, DURABILITY_INTERVAL, "100 B x64 interval", 1, KEPT_BYTES },
    { 1 << 20, 4, DURABILITY_INTERVAL, "1 MB x4 interval", 1, KEPT_BYTES },
    { 100000, 4, DURABILITY_ALWAYS, "100 B in 1000 logs", 1000, 0 },
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

/* What lies below leaves in steps: a trim is a small thing, but not for each append. */
static void trim_to(uint64_t kept_bytes)
{
    uint64_t start, end;

    if (kept_bytes == 0 || log_bytes(store, 1) < kept_bytes + kept_bytes / 8)
        return;
    if (log_range(store, 1, &start, &end) != RC_OK)
        exit(EXIT_FAILURE);
    (void)log_trim(store, 1, start + (end - start) / 8);
}

static uint64_t put_one(const struct scenario *scenario)
{
    uint64_t ticket = 0;

    if (scenario->logs == 1) {
        ticket = put_in(1, log_end++, scenario->bytes, scenario->durability);
        trim_to(scenario->kept_bytes);
    }
    for (uint32_t i = 0; scenario->logs > 1 && i < scenario->logs; i++)
        ticket = put_in(2 + i, many_end, scenario->bytes / scenario->logs, scenario->durability);
    many_end += scenario->logs > 1;
    store_submit(store);
    return ticket;
}

static void await(uint64_t ticket)
{
    while (durable < ticket) {
        while (sem_wait(&woken) != 0)
            ;
        store_poll(store);
    }
}

static double run_store(const struct scenario *scenario, double seconds)
{
    uint64_t start = clock_monotonic_ns(), done = 0;
    uint64_t tickets[DEPTH_MOST] = { 0 }; /* of the commits under way */

    for (; seconds_since(start) < seconds; done++) {
        uint64_t *slot = &tickets[done % scenario->depth];

        await(*slot);
        *slot = put_one(scenario);
    }
    for (unsigned i = 0; i < scenario->depth; i++)
        await(tickets[i]);
    return (double)done / seconds_since(start);
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

/* Bytes that this process had written to devices. */
static double written_bytes(void)
{
    char line[80];
    double bytes = 0;
    FILE *file = fopen("/proc/self/io", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        (void)sscanf(line, "write_bytes: %lf", &bytes);
    if (file != NULL)
        (void)fclose(file);
    return bytes;
}

/* The schedstat file of this process's thread of that name. */
static void find_thread(const char *name, char *ret, size_t room)
{
    char at[64], found[32];
    struct dirent *entry;
    DIR *dir = opendir("/proc/self/task");

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        FILE *file;

        (void)snprintf(at, sizeof(at), "/proc/self/task/%.20s/comm", entry->d_name);
        file = fopen(at, "re");
        if (file == NULL)
            continue;
        if (fscanf(file, "%31s", found) == 1 && strcmp(found, name) == 0)
            (void)snprintf(ret, room, "/proc/self/task/%.20s/schedstat", entry->d_name);
        (void)fclose(file);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

/* Processor time of the store's writer thread so far. */
static double writer_us(void)
{
    static char path[64];
    double ns = 0;
    FILE *file;

    if (path[0] == '\0')
        find_thread("store-writer", path, sizeof(path));
    file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%lf", &ns) != 1)
        bench_fail(path, errno);
    (void)fclose(file);
    return ns / 1e3;
}

struct sums {
    double puts;
    double cpu_us;
    double writer_us;
    double bytes;
    double commits;
    double syncs;
};

static struct sums sums_now(void)
{
    return (struct sums){
        .cpu_us = cpu_us(),
        .writer_us = writer_us(),
        .bytes = written_bytes(),
        .commits = (double)count_get(COUNT_STORE_COMMITS),
        .syncs = (double)count_get(COUNT_STORE_SYNCS),
    };
}

static void sums_add(struct sums *to, const struct sums *before, double puts)
{
    struct sums now = sums_now();

    to->puts += puts;
    to->cpu_us += now.cpu_us - before->cpu_us;
    to->writer_us += now.writer_us - before->writer_us;
    to->bytes += now.bytes - before->bytes;
    to->commits += now.commits - before->commits;
    to->syncs += now.syncs - before->syncs;
}

static void run(const struct scenario *scenario, double seconds)
{
    double raw[ROUNDS], ours[ROUNDS], ratio[ROUNDS];
    struct sums sums = { 0 };
    uint64_t p50, p99;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct sums before;

        raw[i] = run_raw(scenario, seconds);
        before = sums_now();
        ours[i] = run_store(scenario, seconds);
        sums_add(&sums, &before, ours[i] * seconds);
        ratio[i] = ours[i] / raw[i];
    }
    store_commit_latency(store, &p50, &p99);
    (void)printf("{\"scenario\":\"%s\",\"bytes\":%zu,\"plain_rate\":%.1f,\"rate\":%.1f"
                 ",\"ratio\":%.4f,\"p50_us\":%.1f,\"p99_us\":%.1f",
                 scenario->name, scenario->bytes, median(raw), median(ours), median(ratio),
                 (double)p50 / 1e3, (double)p99 / 1e3);
    (void)printf(",\"cpu_us\":%.3f,\"writer_us\":%.3f,\"commits\":%.4f,\"syncs\":%.4f"
                 ",\"written\":%.4f,\"more_bytes\":%.0f}\n",
                 sums.cpu_us / sums.puts, sums.writer_us / sums.puts, sums.commits / sums.puts,
                 sums.syncs / sums.commits, sums.bytes / sums.puts / (double)scenario->bytes,
                 (sums.bytes - sums.puts * (double)scenario->bytes) / sums.commits);
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

/* Reads log 1 from its start, one read at a time, beside pread() of the plain file, which is in the
 * page cache. */
static void run_read(double seconds)
{
    uint64_t offset, end, bytes = 0, start = clock_monotonic_ns(), plain = 0;
    uint8_t *to = mem_get((size_t)1 << 20);
    double ours;

    if (log_range(store, 1, &offset, &end) != RC_OK)
        exit(EXIT_FAILURE);
    while (offset < end && seconds_since(start) < seconds) {
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
    raw_bytes = mem_get(MOST_BYTES);
    for (size_t i = 0; i < MOST_BYTES; i++)
        raw_bytes[i] = (uint8_t)(i * 2654435761u >> 7);
    for (size_t at = 0; at < RAW_BYTES; at += (size_t)1 << 20) {
        if (pwrite(raw_fd, raw_bytes, (size_t)1 << 20, (off_t)at) != 1 << 20)
            exit(EXIT_FAILURE);
    }
    if (fdatasync(raw_fd) != 0)
        exit(EXIT_FAILURE);
}

/* Past the first segments, which are small, and until those that come are written over. */
static void warm_up(void)
{
    const struct scenario scenario = { 1 << 20, 2, DURABILITY_ALWAYS, "", 1, KEPT_BYTES };

    while (log_end < 3 * (KEPT_BYTES >> 20))
        (void)run_store(&scenario, 0.05);
}

int main(int argc, char **argv)
{
    const struct store_events events = { .on_durable = on_durable,
                                         .on_stall = on_stall,
                                         .wake = on_wake };
    struct store_config config = STORE_CONFIG_DEFAULT;
    const char *directory = "/tmp", *only = "";
    uint64_t ms = 300;
    const struct bench_option options[] = {
        { "dir", NULL, &directory, "where the store lies" },
        { "ms", &ms, NULL, "of a turn" },
        { "only", NULL, &only, "part of the scenarios' names" },
        { NULL, NULL, NULL, NULL },
    };
    char path[256];

    if (bench_options(argc, argv, options) != argc)
        bench_fail("options", 0);
    (void)snprintf(path, sizeof(path), "%s/bench-store-XXXXXX", directory);
    if (mkdtemp(path) == NULL || sem_init(&woken, 0, 0) != 0)
        bench_fail(path, errno);
    raw_prepare(path);
    config.directory = path;
    if (lmdb_store_open(&config, &store) != RC_OK)
        return EXIT_FAILURE;
    store_set_events(store, &events);
    warm_up();
    for (size_t i = 0; i < SCENARIOS; i++) {
        if (strstr(scenarios[i].name, only) != NULL)
            run(&scenarios[i], (double)ms / 1000);
    }
    if (only[0] == '\0')
        run_read(2);
    store_close(&store);
    (void)close(raw_fd);
    mem_free(raw_bytes);
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
