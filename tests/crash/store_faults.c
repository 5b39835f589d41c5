/* SPDX-License-Identifier: Apache-2.0 */
/* Lets everything fail that a store asks of the machine, one thing at a time.
 *
 *   store_faults [passings [seed]]
 *
 * What can fail: each place of the source where FAULT() stands, and each call on a file below the
 * store's folder, whoever makes it (LMDB too): write, allocation of space, sync, change of names,
 * open, read, map. Each fails at one of its passings (so many are tried of each; 0: all) once, from
 * then on, halfway, or ends the process. Meanwhile nothing may be confirmed that is not kept; what
 * fails for good stalls the store and is told; when it is mended, all that was put is kept without
 * a new start. Afterwards the store opens and keeps every promise: as the process left it, and as
 * power cuts at its end and at any point before would have left it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "storage/backup.h"
#include "tests/crash/store_replay.h"

#define PASSINGS     2
#define SITES_MAX    64
#define SUBMITS_BASE 60
#define SUBMITS      40
#define TRIES        400
#define WORKERS      6
#define CASE_SECONDS 180
#define STALLS_MAX   8 /* of one life whose fault came once */

/* One thing that fails. */
struct source {
    const char *what;
    struct fault_site *site; /* NULL: calls */
    enum fail_class class;
    int error;
    unsigned number; /* among all sources */
};

enum act { ACT_ONCE, ACT_ON, ACT_SHORT, ACT_KILL, ACTS };

struct one {
    struct source source;
    unsigned n;
    enum act act;
    enum load_mode mode;
    uint64_t seed;
};

static const struct source calls[] = {
    { "write", NULL, FAIL_WRITE, ENOSPC, 0 },
    { "write", NULL, FAIL_WRITE, EIO, 0 },
    { "allocate", NULL, FAIL_ALLOCATE, ENOSPC, 0 },
    { "sync", NULL, FAIL_SYNC, EIO, 0 },
    { "sync", NULL, FAIL_SYNC, ENOSPC, 0 },
    { "name", NULL, FAIL_NAME, ENOSPC, 0 },
    { "name", NULL, FAIL_NAME, EIO, 0 },
    { "open", NULL, FAIL_OPEN, EMFILE, 0 },
    { "read", NULL, FAIL_READ, EIO, 0 },
    { "map", NULL, FAIL_MAP, ENOMEM, 0 },
};
#define CALLS       ((unsigned)(sizeof(calls) / sizeof(calls[0])))
#define SOURCES_MAX (SITES_MAX + CALLS)

/* What other processes tell the one that waits for them, by sources: places, then calls. */
static struct shared {
    unsigned passed[LOAD_MODES][SOURCES_MAX];
    _Atomic unsigned hits[SOURCES_MAX];
} * shared;

static const char *const act_words[ACTS] = { "once", "on", "short", "kill" };
static char base[PATH_ROOM];
static struct log_state base_promised[LOGS + 1];
static const struct one *now;
static enum rc stalled;
static unsigned stalls;
static uint64_t durable;

/* ---- arming ---- */

static void arm(const struct one *one)
{
    static const enum fail_act as_fail[] = { FAIL_ONCE, FAIL_ON, FAIL_SHORT, FAIL_KILL };
    static const enum fault_act as_fault[] = { FAULT_ONCE, FAULT_FAIL, FAULT_ONCE, FAULT_KILL };
    const struct fault_site *site = one->source.site;
    char name[128];

    if (site == NULL) {
        fail_begin(one->source.class, one->n, one->source.error, as_fail[one->act]);
        return;
    }
    (void)snprintf(name, sizeof(name), "%s@%s+%d", site->name,
                   strrchr(site->file, '/') == NULL ? site->file : strrchr(site->file, '/') + 1,
                   site->line);
    fault_arm(name, one->n, as_fault[one->act]);
}

static void disarm(void)
{
    fail_end();
    fault_disarm();
}

/* ---- a backup, in the middle of a life ---- */

static struct {
    struct store_backup backup;
    char folder[PATH_ROOM + 16];
    struct log_state states[LOGS + 1];
    enum rc rc;
    bool is_done;
} kept;

static void on_backup(struct store_backup *backup, enum rc rc)
{
    (void)backup;
    kept.rc = rc;
    kept.is_done = true;
}

static void backup_begin(const char *folder)
{
    (void)snprintf(kept.folder, sizeof(kept.folder), "%s.backup", folder);
    kept.backup = (struct store_backup){ .on_done = on_backup };
    load_states(kept.states);
    kept.rc = store_backup(store, kept.folder, &kept.backup);
    kept.is_done = kept.rc != RC_OK;
}

/* The store is closed. A backup that succeeded has all that was put before it. */
static void backup_check(void)
{
    if (kept.rc != RC_OK)
        return;
    memcpy(promised, kept.states, sizeof(promised));
    load_check(kept.folder);
    folder_remove(kept.folder);
}

/* ---- a life ---- */

static void on_durable(void *arg, uint64_t ticket)
{
    (void)arg;
    if (stalled != RC_OK)
        fail("confirmed while stalled", 0, ticket, durable);
    durable = ticket;
    promise_durable(ticket);
}

static void on_stall(void *arg, enum rc rc)
{
    (void)arg;
    stalled = rc;
    stalls += rc != RC_OK;
    if (rc != RC_OK && rc != RC_FULL && rc != RC_IO && rc != RC_MEMORY)
        fail(rc_word(rc), 0, 0, 0);
    if (now->source.error == ENOSPC && now->source.class == FAIL_WRITE && rc == RC_IO)
        fail("a full device is told as another failure", 0, rc, RC_FULL);
    if (stalls > STALLS_MAX)
        fail("it does not mend", 0, stalls, 0);
}

static void on_wake(void *arg)
{
    (void)arg;
}

/* A read or an allocation failed: what lasts is mended. */
static void on_hurt(enum rc rc)
{
    (void)rc;
    if (now->act == ACT_ON)
        disarm();
}

/* It tries again each second. */
static void poll_stalled(void)
{
    (void)poll(NULL, 0, 1);
    store_poll(store);
}

/* What was put while it is stalled is not confirmed; mended, all of it is. */
static void mend(void)
{
    uint64_t before = durable;

    load_put(promise_note);
    store_poll(store);
    if (durable != before)
        fail("confirmed while stalled", 0, durable, before);
    disarm();
    while (stalled != RC_OK)
        poll_stalled();
}

static void live_open(const char *folder)
{
    enum rc rc = load_open(folder);

    if (rc == RC_OK)
        return;
    if (rc != RC_IO && rc != RC_FULL && rc != RC_MEMORY && rc != RC_SYSTEM)
        fail(rc_word(rc), 0, 0, 0);
    disarm();
    rc = load_open(folder);
    if (rc != RC_OK)
        fail(rc_word(rc), 0, 1, 0);
}

static void live(const char *folder, unsigned submits)
{
    const struct store_events events = { .on_durable = on_durable,
                                         .on_stall = on_stall,
                                         .wake = on_wake };

    live_open(folder);
    load_look();
    promise_mark_all();
    store_set_events(store, &events);
    for (unsigned i = 0; i < submits; i++) {
        load_put(promise_note);
        if (i == submits / 2)
            backup_begin(folder);
        load_read();
        do {
            store_poll(store);
            if (stalled != RC_OK && now->act == ACT_ON)
                mend();
            else if (stalled != RC_OK)
                poll_stalled();
        } while (store_backlog_bytes(store) > ((uint64_t)1 << 17));
    }
    load_read_end();
    while (!kept.is_done && submits > 1)
        store_poll(store);
    while (store_flush(store) != RC_OK) {
        if (now->act == ACT_ON)
            disarm();
    }
    disarm();
    store_close(&store);
    backup_check();
}

static void life(const struct one *one, const char *folder, const char *trace)
{
    now = one;
    load_on_hurt = on_hurt;
    random_seed(one->seed);
    load_mode = one->mode;
    trace_begin(folder, trace);
    load_is_prewritten = one->seed % 4 != 0;
    arm(one);
    live(folder, SUBMITS);
    trace_end();
    if ((one->source.site == NULL ? fail_passed() : fault_passed()) >= one->n)
        (void)atomic_fetch_add(&shared->hits[one->source.number], 1);
}

/* ---- what is left ---- */

static void replay_until(struct replay *replay, struct trace_view *view, uint64_t cut)
{
    struct trace_item item;

    view->offset = 0;
    while (disk_op_count(replay->disk) < cut && trace_view_next(view, &item))
        replay_apply(replay, &item);
}

/* As a power cut at that op would have left it. */
static void check_cut(const char *folder, const char *trace, uint64_t cut, uint64_t seed)
{
    struct replay replay = { .disk = disk_new(base) };
    struct trace_view view;
    char image[PATH_ROOM + 16];

    memcpy(promised, base_promised, sizeof(promised));
    trace_view_open(&view, trace);
    replay_until(&replay, &view, cut);
    replay_settle(&replay);
    (void)snprintf(image, sizeof(image), "%s.image", folder);
    disk_write(replay.disk, image, DISK_RANDOM, seed);
    load_check(image);
    folder_remove(image);
    replay_done(&replay);
    trace_view_close(&view);
}

/* As it is; gives how many ops the trace has. */
static uint64_t check_left(const char *folder, const char *trace, bool is_cut_off)
{
    struct replay replay = { .disk = disk_new(base) };
    struct trace_view view;
    uint64_t count;

    memcpy(promised, base_promised, sizeof(promised));
    trace_view_open(&view, trace);
    replay_until(&replay, &view, UINT64_MAX);
    replay_settle_all(&replay);
    if (!is_cut_off)
        disk_compare(replay.disk, folder);
    load_check(folder);
    count = disk_op_count(replay.disk);
    replay_done(&replay);
    trace_view_close(&view);
    return count;
}

/* ---- cases ---- */

static pid_t fork_or_fail(void)
{
    pid_t pid = fork();

    if (pid < 0)
        fail("fork", 0, 0, 0);
    return pid;
}

/* In a process of its own; gives its wait status. */
static int live_apart(const struct one *one, const char *folder, const char *trace)
{
    pid_t pid = fork_or_fail();
    int status = 0;

    if (pid == 0) {
        (void)alarm(CASE_SECONDS);
        memcpy(promised, base_promised, sizeof(promised));
        life(one, folder, trace);
        _exit(EXIT_SUCCESS);
    }
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid", 0, 0, 0);
    return status;
}

static void copy_base(const char *folder)
{
    struct disk *disk = disk_new(base);

    disk_write(disk, folder, DISK_ALL, 1);
    disk_free(&disk);
}

static void case_run(const struct one *one)
{
    char top[PATH_ROOM], folder[PATH_ROOM + 8], trace[PATH_ROOM + 8];
    uint64_t ops;
    int status;

    folder_make(top);
    (void)snprintf(folder, sizeof(folder), "%s/store", top);
    (void)snprintf(trace, sizeof(trace), "%s/trace", top);
    copy_base(folder);
    status = live_apart(one, folder, trace);
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) &&
        !(one->act == ACT_KILL && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        fail("the life ended otherwise", 0, (uint64_t)status, 0);
    if (WIFSIGNALED(status))
        (void)atomic_fetch_add(&shared->hits[one->source.number], 1);
    random_seed(one->seed + 1);
    /* A fault point kills between a call and its note: then one op may be missing. */
    ops = check_left(folder, trace, one->act == ACT_KILL && one->source.site != NULL);
    check_cut(folder, trace, ops, random_below(UINT64_MAX));
    check_cut(folder, trace, random_below(ops + 1), random_below(UINT64_MAX));
    folder_remove(top);
}

struct worker {
    pid_t pid;
    struct one one;
};

static struct worker workers[WORKERS];
static unsigned failures, cases;

static void worker_ended(struct worker *worker, int status)
{
    const struct one *one = &worker->one;

    worker->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
        return;
    failures++;
    (void)fprintf(stderr, "store_faults: status=%d %s", status, one->source.what);
    if (one->source.site != NULL)
        (void)fprintf(stderr, "@%s+%d", one->source.site->file, one->source.site->line);
    (void)fprintf(stderr, " errno=%d n=%u %s seed=%llu\n", one->source.error, one->n,
                  act_words[one->act], (unsigned long long)one->seed);
}

static void wait_one(void)
{
    int status;
    pid_t pid = wait(&status);

    for (unsigned i = 0; i < WORKERS; i++) {
        if (workers[i].pid == pid && pid > 0)
            worker_ended(&workers[i], status);
    }
}

static void wait_all(void)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        while (workers[i].pid != 0)
            wait_one();
    }
}

static void case_start(const struct one *one)
{
    struct worker *worker = NULL;

    while (worker == NULL) {
        for (unsigned i = 0; i < WORKERS && worker == NULL; i++)
            worker = workers[i].pid == 0 ? &workers[i] : NULL;
        if (worker == NULL)
            wait_one();
    }
    cases++;
    worker->one = *one;
    worker->one.seed = random_below(UINT64_MAX);
    worker->pid = fork_or_fail();
    if (worker->pid == 0) {
        (void)alarm(2 * CASE_SECONDS);
        case_run(&worker->one);
        _exit(EXIT_SUCCESS);
    }
}

/* The n-th passing of `wanted` that are tried of so many: the first, the last, any between. */
static unsigned nth_of(uint64_t i, uint64_t wanted, unsigned passed)
{
    if (wanted >= passed || i == 0)
        return (unsigned)i + 1;
    return i == wanted - 1 ? passed : 1 + (unsigned)random_below(passed);
}

static unsigned passed_in(unsigned mode, const struct source *source)
{
    return shared->passed[mode][source->number];
}

static bool first_of_class(const struct source *source)
{
    for (unsigned i = 0; i < CALLS; i++) {
        if (calls[i].class == source->class)
            return calls[i].error == source->error;
    }
    return true;
}

static bool is_sensible(const struct source *source, enum act act)
{
    if (act == ACT_SHORT)
        return source->site == NULL && source->class == FAIL_WRITE;
    /* Killed is killed, whatever the error would have been. */
    return act != ACT_KILL || source->site != NULL || first_of_class(source);
}

static void cases_of(const struct source *source, uint64_t wanted)
{
    struct one one = { .source = *source };
    unsigned most = 0;

    for (unsigned mode = 0; mode < LOAD_MODES; mode++)
        most = passed_in(mode, source) > most ? passed_in(mode, source) : most;
    if (wanted == 0 || wanted > most)
        wanted = most;
    for (uint64_t i = 0; i < wanted; i++) {
        for (unsigned act = 0; act < ACTS; act++) {
            one.act = (enum act)act;
            one.mode = (enum load_mode)((i + act) % LOAD_MODES);
            while (passed_in(one.mode, source) == 0)
                one.mode = (enum load_mode)((one.mode + 1) % LOAD_MODES);
            one.n = nth_of(i, wanted, passed_in(one.mode, source));
            if (is_sensible(source, one.act) && one.n <= passed_in(one.mode, source))
                case_start(&one);
        }
    }
}

/* What depends on which thread is faster may be passed in one life and not in another. */
static void insist(const struct source *source)
{
    struct one one = { .source = *source, .n = 1, .act = ACT_ONCE };

    for (unsigned i = 0; i < TRIES && shared->hits[source->number] == 0; i++) {
        one.mode = (enum load_mode)(i % LOAD_MODES);
        case_start(&one);
        wait_all();
    }
    (void)printf("store_faults: %s", source->what);
    if (source->site != NULL)
        (void)printf("@%s+%d", source->site->file, source->site->line);
    (void)printf(" errno=%d failed %u times\n", source->error, shared->hits[source->number]);
    if (shared->hits[source->number] == 0)
        fail("it never failed: no test passes it", source->number, 0, 1);
}

/* ---- the run ---- */

/* A store that was killed while it had everything: sealed and unsealed segments, spare files. */
static void base_make(void)
{
    const struct one none = { .source = { .what = "nothing" }, .act = ACT_ONCE, .n = UINT32_MAX };
    struct replay replay = { .disk = disk_new(NULL) };
    struct trace_view view;
    char trace[PATH_ROOM + 8];
    pid_t pid;
    int status;

    (void)snprintf(trace, sizeof(trace), "%s.trace", base);
    pid = fork_or_fail();
    if (pid == 0) {
        now = &none;
        trace_begin(base, trace);
        live(base, SUBMITS_BASE);
        fail_begin(FAIL_WRITE, SUBMITS_BASE, 0, FAIL_KILL);
        live(base, UINT32_MAX);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail("the first store could not be made", 0, (uint64_t)status, 0);
    trace_view_open(&view, trace);
    replay_until(&replay, &view, UINT64_MAX);
    replay_settle_all(&replay);
    memcpy(base_promised, promised, sizeof(promised));
    replay_done(&replay);
    trace_view_close(&view);
    (void)unlink(trace);
}

/* Counts the calls of one row, or the places with row CALLS. */
static void count_row(const char *top, enum load_mode mode, size_t row)
{
    const struct one none = { .source = calls[row < CALLS ? row : 0], .n = UINT32_MAX };
    char folder[PATH_ROOM + 32], trace[PATH_ROOM + 32];
    struct fault_site *const *sites;
    size_t site_count = fault_sites(&sites);
    pid_t pid;
    int status;

    (void)snprintf(folder, sizeof(folder), "%s/store.%u.%zu", top, (unsigned)mode, row);
    (void)snprintf(trace, sizeof(trace), "%s/trace.%u.%zu", top, (unsigned)mode, row);
    copy_base(folder);
    pid = fork_or_fail();
    if (pid == 0) {
        memcpy(promised, base_promised, sizeof(promised));
        now = &none;
        load_mode = mode;
        random_seed(1);
        trace_begin(folder, trace);
        arm(&none);
        fault_count();
        live(folder, SUBMITS);
        if (row < CALLS)
            shared->passed[mode][site_count + row] = fail_passed();
        for (size_t i = 0; i < site_count && row == CALLS; i++)
            shared->passed[mode][i] = sites[i]->passed;
        _exit(EXIT_SUCCESS);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0)
        fail("a life in which nothing fails", 0, (uint64_t)status, 0);
}

/* How often each thing is passed in a life in which none fails. */
static void count_passings(void)
{
    char top[PATH_ROOM];

    folder_make(top);
    for (unsigned mode = 0; mode < LOAD_MODES; mode++) {
        for (size_t row = 0; row <= CALLS; row++)
            count_row(top, (enum load_mode)mode, row);
    }
    folder_remove(top);
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
    uint64_t value = otherwise;

    if (i < argc && number_u64(slice_str(argv[i]), 0, UINT64_MAX, &value) != RC_OK)
        fail("usage: store_faults [passings [seed]]", 0, 0, 0);
    return value;
}

static struct source source_at(struct fault_site *const *sites, size_t site_count, size_t i)
{
    struct source source = { .class = FAIL_ANY };

    if (i < site_count) {
        source.what = sites[i]->name;
        source.site = sites[i];
    } else {
        source = calls[i - site_count];
    }
    source.number = (unsigned)i;
    return source;
}

static void cases_all(uint64_t wanted)
{
    struct fault_site *const *sites;
    size_t site_count = fault_sites(&sites);

    if (site_count > SITES_MAX)
        fail("too many fault points", 0, site_count, SITES_MAX);
    for (size_t i = 0; i < site_count + CALLS; i++) {
        struct source source = source_at(sites, site_count, i);

        cases_of(&source, wanted);
    }
    wait_all();
    for (size_t i = 0; i < site_count + CALLS; i++) {
        struct source source = source_at(sites, site_count, i);

        insist(&source);
    }
}

int main(int argc, char **argv)
{
    uint64_t wanted = argument(argc, argv, 1, PASSINGS);
    uint64_t seed = argument(argc, argv, 2, (uint64_t)getpid() * 2654435761 + (uint64_t)time(NULL));

    (void)printf("store_faults: passings=%llu seed=%llu\n", (unsigned long long)wanted,
                 (unsigned long long)seed);
    (void)fflush(stdout);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fail("mmap", 0, 0, 0);
    log_set_threshold(LOG_ERROR);
    load_live_max = 40;
    load_logs = 12;
    random_seed(seed);
    folder_make(base);
    base_make();
    count_passings();
    cases_all(wanted);
    folder_remove(base);
    (void)printf("store_faults: cases=%u failures=%u\n", cases, failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
