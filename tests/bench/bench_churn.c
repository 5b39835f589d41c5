/* SPDX-License-Identifier: Apache-2.0 */
/* Churn: appends many times what lives to logs of which one in ten keeps ten times as much as the
 * others, so that segments die unevenly and are copied. A line of CSV for each window, in the end a
 * line of JSON: what the last half came to beside the third and fourth window, what the disk held
 * beside what lived, what was written beside what was appended, and how long a turn of the thread
 * that owns the store took at most. */
#include <dirent.h>
#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "storage/lmdb/lmdb_store.h"
#include "tests/bench/bench.h"

#define LOGS          100
#define SLOW_EACH     10 /* one log in so many */
#define RECORD_LEAST  200.0
#define RECORD_MOST   65536.0
#define TURN_BYTES    ((size_t)256 << 10)
#define BACKLOG_BYTES ((uint64_t)2 << 20)
#define WINDOWS_MAX   64
#define SEGMENT_BYTES ((double)((uint64_t)128 << 20)) /* STORE_CONFIG_DEFAULT's */
#define MB            1048576.0

struct kept {
    uint64_t start;
    uint64_t end;
    uint64_t records; /* that it keeps */
};

static struct store *store;
static struct kept logs[LOGS + 1];
static sem_t woken;
static uint64_t random_state = 1;
static uint64_t live_mb = 1024, times = 8, windows = 16, slow_times = 10;
static const char *folder = "/tmp";
static char directory[200];
static struct histogram turns, turns_cpu; /* by the clock, and by the thread's own time */

static uint64_t random_u64_of(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void on_durable(void *arg, uint64_t ticket)
{
    (void)arg;
    (void)ticket;
}

static void on_stall(void *arg, enum rc rc)
{
    (void)arg;
    if (rc != RC_OK)
        bench_fail("the store stalled", 0);
}

static void on_wake(void *arg)
{
    (void)arg;
    (void)sem_post(&woken);
}

static double mean_bytes(void)
{
    return (RECORD_MOST - RECORD_LEAST) / log(RECORD_MOST / RECORD_LEAST);
}

static void open_store(void)
{
    const struct store_events events = { .on_durable = on_durable,
                                         .on_stall = on_stall,
                                         .wake = on_wake };
    struct store_config config = STORE_CONFIG_DEFAULT;
    uint64_t shares = LOGS - LOGS / SLOW_EACH + LOGS / SLOW_EACH * slow_times;

    (void)snprintf(directory, sizeof(directory), "%s/bench-churn-XXXXXX", folder);
    if (mkdtemp(directory) == NULL)
        bench_fail(directory, 0);
    config.directory = directory;
    if (lmdb_store_open(&config, &store) != RC_OK)
        bench_fail("the store does not open", 0);
    store_set_events(store, &events);
    for (uint32_t i = 1; i <= LOGS; i++)
        logs[i].records = (uint64_t)((double)live_mb * MB / (double)shares / mean_bytes()) *
                          (i % SLOW_EACH == 0 ? slow_times : 1);
}

/* Sizes are spread evenly over their logarithm. */
static size_t put_record(void)
{
    uint32_t i = 1 + (uint32_t)(random_u64_of() % LOGS);
    double part = (double)(random_u64_of() % 1000000) / 1e6;
    size_t len = (size_t)(RECORD_LEAST * pow(RECORD_MOST / RECORD_LEAST, part));
    struct append append = { .log = i, .base_offset = logs[i].end, .record_count = 1 };

    append.durability = DURABILITY_ALWAYS;
    append.bytes = block_try(len);
    if (append.bytes == NULL)
        bench_fail("no memory", 0);
    memset(append.bytes->at, (int)(logs[i].end & 0xff), len);
    (void)log_append(store, &append);
    logs[i].end++;
    if (logs[i].end - logs[i].start > logs[i].records) {
        logs[i].start = logs[i].end - logs[i].records;
        (void)log_trim(store, i, logs[i].start);
    }
    return len;
}

static uint64_t thread_ns(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (uint64_t)at.tv_sec * BENCH_NS_PER_SECOND + (uint64_t)at.tv_nsec;
}

/* What the store does in a turn of its owner. */
static void store_turn(void)
{
    uint64_t began = clock_monotonic_ns(), cpu = thread_ns();

    store_poll(store);
    store_submit(store);
    histogram_add(&turns, clock_monotonic_ns() - began);
    histogram_add(&turns_cpu, thread_ns() - cpu);
}

static void wait_turn(void)
{
    (void)sem_wait(&woken);
    store_turn();
}

static uint64_t put_turn(void)
{
    size_t bytes = 0;

    while (bytes < TURN_BYTES)
        bytes += put_record();
    store_turn();
    while (store_backlog_bytes(store) > BACKLOG_BYTES)
        wait_turn();
    return bytes;
}

/* ---- what it costs ---- */

static double disk_of(const char *part)
{
    char path[300];
    struct dirent *entry;
    double bytes = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, part);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct stat stat;

        if (fstatat(dirfd(dir), entry->d_name, &stat, 0) == 0 && S_ISREG(stat.st_mode))
            bytes += (double)stat.st_blocks * 512;
    }
    if (dir != NULL)
        (void)closedir(dir);
    return bytes;
}

static double live_bytes(void)
{
    double bytes = 0;

    for (uint32_t i = 1; i <= LOGS; i++)
        bytes += (double)log_bytes(store, i);
    return bytes;
}

static double written_bytes(void)
{
    FILE *file = fopen("/proc/self/io", "r");
    char line[100];
    uint64_t bytes = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        (void)sscanf(line, "write_bytes: %" SCNu64, &bytes);
    if (file != NULL)
        (void)fclose(file);
    return (double)bytes;
}

struct window {
    double rate; /* MB a second */
    double disk;
    double live;
    double written;
};

static void run_window(unsigned number, uint64_t bytes, struct window *ret)
{
    uint64_t began = bench_now_ns(), cpu = bench_own_cpu_ns(), put = 0;
    double written = written_bytes();
    int64_t copied = count_get(COUNT_STORE_COPIED);

    while (put < bytes)
        put += put_turn();
    ret->rate = (double)put / MB / ((double)(bench_now_ns() - began) / 1e9);
    ret->disk = disk_of("seg") + disk_of("spare") + disk_of(".");
    ret->live = live_bytes();
    ret->written = (written_bytes() - written) / (double)put;
    (void)printf("%u,%.0f,%.0f,%.0f,%.2f,%.0f,%.1f\n", number, ret->rate, ret->live / MB,
                 ret->disk / MB, ret->written,
                 (double)(count_get(COUNT_STORE_COPIED) - copied) / MB,
                 (double)(bench_own_cpu_ns() - cpu) / (double)put);
    (void)fflush(stdout);
}

static void summary(const struct window *all)
{
    double early = (all[2].rate + all[3].rate) / 2, late = 0, disk = 0, written = 0;

    for (uint64_t i = windows / 2; i < windows; i++) {
        late += all[i].rate / (double)(windows - windows / 2);
        written += all[i].written / (double)(windows - windows / 2);
        /* but for the segment being written and the one behind it */
        if ((all[i].disk - 2 * SEGMENT_BYTES) / all[i].live > disk)
            disk = (all[i].disk - 2 * SEGMENT_BYTES) / all[i].live;
    }
    (void)printf("{\"scenario\":\"churn\",\"live_mb\":%" PRIu64 ",\"times\":%" PRIu64
                 ",\"early_mb_s\":%.0f,\"late_mb_s\":%.0f,\"ratio\":%.2f,\"disk_to_live\":%.2f,"
                 "\"written\":%.2f",
                 live_mb, times, early, late, late / early, disk, written);
    histogram_print(&turns, "turn_");
    histogram_print(&turns_cpu, "turn_cpu_");
    (void)printf("}\n");
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)stat;
    (void)type;
    (void)at;
    return remove(path);
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        { "live", &live_mb, NULL, "MB that live" },
        { "times", &times, NULL, "as much is appended" },
        { "slow", &slow_times, NULL, "one log in ten keeps so many times as much" },
        { "windows", &windows, NULL, "it is told in so many parts" },
        { "dir", NULL, &folder, "where the store is made" },
        { NULL, NULL, NULL, NULL },
    };
    struct window all[WINDOWS_MAX];

    (void)bench_options(argc, argv, options);
    if (windows < 8 || windows > WINDOWS_MAX)
        bench_fail("windows: 8 to 64", 0);
    log_set_threshold(LOG_WARNING);
    (void)sem_init(&woken, 0, 0);
    open_store();
    (void)printf("window,mb_s,live_mb,disk_mb,written,copied_mb,cpu_ns_byte\n");
    for (unsigned i = 0; i < windows; i++)
        run_window(i + 1, live_mb * (uint64_t)MB * times / windows, &all[i]);
    summary(all);
    store_close(&store);
    return nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
