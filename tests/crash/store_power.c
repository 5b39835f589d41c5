/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts the power of a store, in a model, and looks at what is left.
 *
 *   store_power [states [seed]]             makes so many crash states and opens the store on each
 *   store_power again FOLDER MODE CUT SEED  one of them again, from the traces of a failed run
 *
 * Lives of a store are recorded (power/trace.h): some are closed, some are killed. A state is what
 * the disk may hold after a cut at any point of them (power/disk.h). The store must open on it and
 * keep every promise: what was confirmed as synced; what was confirmed as committed, once all that
 * had been written by then was synced; and what an earlier start showed. Some states are cut again
 * while the store recovers on them, and once more after that. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "tests/crash/store_replay.h"

#define STATES         300
#define STATES_PLANTED 12
#define LIVES          5
#define SUBMITS        120
#define LOGS_FEW       12
/* A store's birth is a few ops of some thousands, and nothing of it comes again: one state in so
 * many is cut there. */
#define BIRTH_OPS     40
#define BIRTH_PART    6
#define LIVE_MAX      40 /* of a log, so that segments come free */
#define SUBMITS_AFTER 6  /* in a life between two cuts */
#define PENDING_MAX   65536
#define PATH_ROOM     300
#define WORKERS       2
#define STATE_SECONDS 120

static void on_durable(void *arg, uint64_t ticket)
{
    (void)arg;
    promise_durable(ticket);
}

static void on_stall(void *arg, enum rc rc)
{
    (void)arg;
    if (rc != RC_OK)
        fail(rc_word(rc), 0, 0, 0);
}

static void on_wake(void *arg)
{
    (void)arg;
}

static void live(const char *folder, const char *trace, unsigned submits)
{
    const struct store_events events = { .on_durable = on_durable,
                                         .on_stall = on_stall,
                                         .wake = on_wake };

    trace_begin(folder, trace);
    if (random_below(2) == 0)
        fail_begin(FAIL_ANY & ~(unsigned)FAIL_READ, 1 + (unsigned)random_below(submits * 6), 0,
                   FAIL_KILL);
    if (load_open(folder) != RC_OK)
        fail("open", 0, 0, 0);
    load_look();
    promise_mark_all();
    store_set_events(store, &events);
    for (unsigned i = 0; i < submits; i++) {
        load_put(promise_note);
        load_read();
        store_poll(store);
        while (store_backlog_bytes(store) > ((uint64_t)1 << 18))
            store_poll(store);
    }
    load_read_end();
    store_close(&store);
    fail_end();
    trace_end();
}

/* In a process of its own, which is killed in every second case. False: it ended otherwise. */
static bool live_apart(const char *folder, const char *trace, unsigned submits)
{
    uint64_t seed = random_below(UINT64_MAX);
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        random_seed(seed);
        (void)alarm(STATE_SECONDS);
        live(folder, trace, submits);
        _exit(EXIT_SUCCESS);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        fail("fork", 0, 0, 0);
    return (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) ||
           (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- a state ---- */

/* Lives on the image and is cut again: gives the folder of the new image in `folder`. */
static void cut_again(char folder[PATH_ROOM])
{
    struct replay replay = { .disk = disk_new(folder) };
    struct trace_view view;
    struct trace_item item;
    char trace[PATH_ROOM + 8], to[PATH_ROOM + 8];
    uint64_t count = 0, cut;

    (void)snprintf(trace, sizeof(trace), "%s.trace", folder);
    if (!live_apart(folder, trace, SUBMITS_AFTER))
        fail("a life after a cut failed", 0, 0, 0);
    trace_view_open(&view, trace);
    while (trace_view_next(&view, &item))
        count++;
    view.offset = 0;
    cut = random_below(count + 1);
    for (uint64_t i = 0; i < count && trace_view_next(&view, &item); i++) {
        if (i == cut) {
            replay_settle(&replay);
            (void)snprintf(to, sizeof(to), "%s.", folder);
            disk_write(replay.disk, to, DISK_RANDOM, random_below(UINT64_MAX));
            break;
        }
        replay_apply(&replay, &item);
    }
    if (cut < count) {
        folder_remove(folder);
        if (rename(to, folder) != 0)
            fail("rename", 0, 0, 0);
    }
    trace_view_close(&view);
    (void)unlink(trace);
    replay_done(&replay);
}

static void state_check(char folder[PATH_ROOM], uint64_t seed)
{
    random_seed(seed);
    for (uint64_t again = random_below(4); again == 1 || again == 2; again--)
        cut_again(folder);
    load_check(folder);
    if (random_below(4) == 0) {
        char trace[PATH_ROOM + 8];

        (void)snprintf(trace, sizeof(trace), "%s.trace", folder);
        if (!live_apart(folder, trace, SUBMITS_AFTER))
            fail("a life after a cut failed", 0, 0, 0);
        (void)unlink(trace);
        load_check(folder);
    }
    folder_remove(folder);
}

struct worker {
    char folder[PATH_ROOM]; /* of its image */
    pid_t pid;
    uint64_t cut;
    uint64_t seed;
};

static struct worker workers[WORKERS];
static uint64_t failures;
static uint64_t kinds[TRACE_MARK + 1]; /* ops recorded */

static void worker_wait(struct worker *worker, const char *traces)
{
    int status;

    if (worker->pid == 0)
        return;
    if (waitpid(worker->pid, &status, 0) != worker->pid)
        fail("waitpid", 0, 0, 0);
    worker->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
        return;
    failures++;
    if (!load_has_sync)
        folder_remove(worker->folder); /* it was to fail */
    (void)fprintf(stderr, "store_power: status %d; again: store_power again %s %d %llu %llu\n",
                  status, traces, (int)load_mode, (unsigned long long)worker->cut,
                  (unsigned long long)worker->seed);
}

static void state_make(const struct replay *replay, struct worker *worker, const char *traces)
{
    char image[PATH_ROOM + 8];

    worker_wait(worker, traces);
    folder_make(worker->folder);
    (void)snprintf(image, sizeof(image), "%s/image", worker->folder);
    worker->cut = disk_op_count(replay->disk);
    worker->seed = random_below(UINT64_MAX);
    disk_write(replay->disk, image, DISK_RANDOM, worker->seed);
    worker->pid = fork();
    if (worker->pid == 0) {
        (void)alarm(STATE_SECONDS);
        state_check(image, worker->seed);
        folder_remove(worker->folder);
        _exit(EXIT_SUCCESS);
    }
}

/* ---- a run ---- */

/* Records lives in `traces`; gives how many ops. */
static uint64_t record(const char *traces)
{
    char folder[PATH_ROOM + 16], trace[PATH_ROOM + 16];
    struct replay replay = { .disk = disk_new(NULL) };
    struct trace_view views[LIVES];
    struct trace_item item;
    uint64_t count;

    (void)snprintf(folder, sizeof(folder), "%s/store", traces);
    if (mkdir(folder, 0700) != 0)
        fail("mkdir", 0, 0, 0);
    memset(promised, 0, sizeof(promised));
    for (unsigned i = 0; i < LIVES; i++) {
        (void)snprintf(trace, sizeof(trace), "%s/trace.%u", traces, i);
        if (!live_apart(folder, trace, SUBMITS))
            fail("a life failed", 0, 0, 0);
        trace_view_open(&views[i], trace);
        disk_next_trace(replay.disk);
        while (trace_view_next(&views[i], &item)) {
            replay_apply(&replay, &item);
            kinds[item.op.kind]++;
        }
        disk_compare(replay.disk, folder);
        /* What was promised when it was killed was not cut: the next life sees all of it. */
        replay_settle_all(&replay);
    }
    count = disk_op_count(replay.disk);
    replay_done(&replay);
    for (unsigned i = 0; i < LIVES; i++)
        trace_view_close(&views[i]);
    folder_remove(folder);
    return count;
}

static int by_number(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static uint64_t *cuts_make(uint64_t states, uint64_t ops)
{
    uint64_t *cuts = mem_new_array(uint64_t, states + 1);

    for (uint64_t i = 0; i < states; i++)
        cuts[i] = random_below(i % BIRTH_PART == 0 && ops > BIRTH_OPS ? BIRTH_OPS : ops + 1);
    qsort(cuts, states, sizeof(*cuts), by_number);
    return cuts;
}

/* Goes through the traces and makes a state at each cut; those are in order. */
static void cut_all(const char *traces, const uint64_t *cuts, uint64_t states)
{
    struct replay replay = { .disk = disk_new(NULL) };
    struct trace_view views[LIVES];
    struct trace_item item;
    char trace[PATH_ROOM + 16];
    uint64_t done = 0;

    memset(promised, 0, sizeof(promised));
    for (unsigned i = 0; i < LIVES; i++) {
        (void)snprintf(trace, sizeof(trace), "%s/trace.%u", traces, i);
        trace_view_open(&views[i], trace);
        disk_next_trace(replay.disk);
        for (bool is_more = true; is_more;) {
            while (done < states && cuts[done] == disk_op_count(replay.disk)) {
                replay_settle(&replay);
                state_make(&replay, &workers[done % WORKERS], traces);
                done++;
            }
            is_more = trace_view_next(&views[i], &item);
            if (is_more)
                replay_apply(&replay, &item);
        }
    }
    for (unsigned i = 0; i < WORKERS; i++)
        worker_wait(&workers[i], traces);
    replay_done(&replay);
    for (unsigned i = 0; i < LIVES; i++)
        trace_view_close(&views[i]);
}

static uint64_t run(uint64_t states, enum load_mode mode, bool is_prewritten)
{
    char traces[PATH_ROOM];
    uint64_t *cuts, ops;

    folder_make(traces);
    load_mode = mode;
    load_is_prewritten = is_prewritten;
    ops = record(traces);
    if (ops == 0)
        fail("nothing was traced", 0, 0, 1);
    cuts = cuts_make(states, ops);
    cut_all(traces, cuts, states);
    mem_free(cuts);
    if (failures == 0 || !load_has_sync)
        folder_remove(traces);
    return ops;
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
    uint64_t value = otherwise;

    if (i < argc && number_u64(slice_str(argv[i]), 0, UINT64_MAX, &value) != RC_OK)
        fail("usage: store_power [states [seed]]", 0, 0, 0);
    return value;
}

static int again(int argc, char **argv)
{
    struct replay replay = { .disk = disk_new(NULL) };
    uint64_t cut = argument(argc, argv, 4, 0), seed = argument(argc, argv, 5, 1);
    char trace[PATH_ROOM + 16];

    load_mode = (enum load_mode)argument(argc, argv, 3, LOAD_MIXED);
    for (unsigned i = 0; i < LIVES && disk_op_count(replay.disk) < cut; i++) {
        struct trace_view view;
        struct trace_item item;

        (void)snprintf(trace, sizeof(trace), "%s/trace.%u", argv[2], i);
        trace_view_open(&view, trace);
        disk_next_trace(replay.disk);
        while (disk_op_count(replay.disk) < cut && trace_view_next(&view, &item))
            replay_apply(&replay, &item);
    }
    replay_settle(&replay);
    (void)snprintf(trace, sizeof(trace), "%s/again", argv[2]);
    disk_write(replay.disk, trace, DISK_RANDOM, seed);
    (void)printf("store_power: %s\n", trace);
    state_check(trace, seed);
    return EXIT_SUCCESS;
}

/* The recorded lives did what the states are to be about. */
static void ck_recorded(void)
{
    static const enum trace_kind wanted[] = { TRACE_CREATE, TRACE_RENAME, TRACE_WRITE,
                                              TRACE_SYNC,   TRACE_MARK,   TRACE_SYNC_DIRECTORY };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (kinds[wanted[i]] == 0)
            fail("an op that never happened", 0, 0, wanted[i]);
    }
    (void)printf("store_power: writes=%llu syncs=%llu created=%llu renamed=%llu removed=%llu "
                 "marks=%llu\n",
                 (unsigned long long)kinds[TRACE_WRITE], (unsigned long long)kinds[TRACE_SYNC],
                 (unsigned long long)kinds[TRACE_CREATE], (unsigned long long)kinds[TRACE_RENAME],
                 (unsigned long long)kinds[TRACE_UNLINK], (unsigned long long)kinds[TRACE_MARK]);
}

/* A store that never syncs must be found out, or this program finds nothing. */
static void find_planted(void)
{
    int out = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    load_has_sync = false;
    (void)dup2(nowhere, STDERR_FILENO);
    run(STATES_PLANTED, LOAD_ALWAYS, true);
    (void)dup2(out, STDERR_FILENO);
    (void)close(out);
    (void)close(nowhere);
    load_has_sync = true;
    if (failures == 0)
        fail("a store without syncs was not found out", 0, 0, 1);
    failures = 0;
}

int main(int argc, char **argv)
{
    uint64_t states, seed, ops = 0, done = 0;

    log_set_threshold(argc > 1 && strcmp(argv[1], "again") == 0 ? LOG_NOTICE : LOG_ERROR);
    if (argc == 6 && strcmp(argv[1], "again") == 0)
        return again(argc, argv);
    states = argument(argc, argv, 1, STATES);
    seed = argument(argc, argv, 2, (uint64_t)getpid() * 2654435761 + (uint64_t)time(NULL));
    random_seed(seed);
    load_live_max = LIVE_MAX;
    load_logs = LOGS_FEW;
    (void)printf("store_power: states=%llu seed=%llu\n", (unsigned long long)states,
                 (unsigned long long)seed);
    (void)fflush(stdout);
    find_planted();
    for (unsigned round = 0; done < states && failures == 0; round++) {
        uint64_t now = states < 6000 ? states / LOAD_MODES / 2 + 1 : 1000;

        if (now > states - done)
            now = states - done;
        ops += run(now, (enum load_mode)(round % LOAD_MODES), round / LOAD_MODES % 2 == 0);
        done += now;
    }
    ck_recorded();
    (void)printf("store_power: states=%llu ops=%llu failures=%llu\n", (unsigned long long)done,
                 (unsigned long long)ops, (unsigned long long)failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
