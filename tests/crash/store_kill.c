/* SPDX-License-Identifier: Apache-2.0 */
/* Kills a process that writes to a store, again and again, and looks at what is left.
 *
 *   store_kill [cycles [seed [directory]]]
 *
 * The child appends to many logs with small segments, so that rolls, seals, checkpoints and
 * recycling happen all the time. What the store reports as durable goes through a pipe to the
 * parent, which finds all of it again. Every third child is killed by a fault point in the middle
 * of the store's own work instead of by a timer. */
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
#include "broker/base/log.h"
#include "broker/base/number.h"
#include "tests/crash/store_load.h"

#define CYCLES      60
#define PENDING_MAX 65536
#define LIFE_MAX_MS 60

static const char *const fault_points[] = { "store.write",  "store.sync",  "store.open",
                                            "store.rename", "store.alloc", "store.catalog" };

static struct promise pending[PENDING_MAX];
static size_t pending_first, pending_count;
static int pipe_out;
static uint64_t kept_promises;

/* ---- the child ---- */

static void on_promise(const struct promise *promise)
{
    pending[(pending_first + pending_count++) % PENDING_MAX] = *promise;
}

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

/* Puts until it is killed. */
_Noreturn static void child(const char *directory, int out, bool is_faulty)
{
    const struct store_events events = { .on_durable = on_durable,
                                         .on_stall = on_stall,
                                         .wake = on_wake };

    pipe_out = out;
    log_set_threshold(LOG_ERROR);
    if (is_faulty)
        fault_arm(fault_points[random_below(sizeof(fault_points) / sizeof(fault_points[0]))],
                  1 + (unsigned)random_below(40), FAULT_KILL);
    if (load_open(directory) != RC_OK)
        _exit(EXIT_FAILURE);
    store_set_events(store, &events);
    load_begin();
    for (;;) {
        load_put(on_promise);
        load_read();
        store_poll(store);
        while (store_backlog_bytes(store) > ((uint64_t)2 << 20) || pending_count > PENDING_MAX - 64)
            store_poll(store);
    }
}

/* ---- the parent ---- */

/* True when there was something. */
static bool take_promises(int in)
{
    static struct promise taken[1024]; /* the pipe's writes are whole promises */
    ssize_t len = read(in, taken, sizeof(taken));

    for (ssize_t i = 0; i < len / (ssize_t)sizeof(taken[0]); i++) {
        promise_take(&taken[i]);
        kept_promises++;
    }
    return len > 0;
}

static void cycle(const char *directory, bool is_faulty)
{
    int ends[2];
    uint64_t life_ms = is_faulty ? 5 * LIFE_MAX_MS : 1 + random_below(LIFE_MAX_MS);
    uint64_t end_ns;
    int status;
    pid_t pid;

    if (pipe(ends) != 0)
        fail("pipe", 0, 0, 0);
    random_seed(random_below(UINT64_MAX) ^ 0x9e3779b97f4a7c15);
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
    random_seed(seed);
    log_set_threshold(LOG_ERROR);
    (void)printf("store_kill: cycles=%llu seed=%llu directory=%s\n", (unsigned long long)cycles,
                 (unsigned long long)seed, path);
    (void)fflush(stdout);
    for (uint64_t i = 0; i < cycles; i++) {
        cycle(path, i % 3 == 2);
        load_check(path);
    }
    (void)printf("store_kill: kept=%llu checked=%llu\n", (unsigned long long)kept_promises,
                 (unsigned long long)records_seen);
    if (kept_promises == 0)
        fail("nothing was ever durable", 0, 0, 1);
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
