/* SPDX-License-Identifier: Apache-2.0 */
/* Damages the files of a store at rest, and looks at what is left.
 *
 *   store_rot [trials [seed]]
 *
 * A store that was closed and one that was killed are damaged, a file at a time: a bit flipped, a
 * sector of zeros or of noise, an end cut off. Damage of a segment may cost what it hit, and no
 * more: the store opens, gives every record that lies elsewhere, and gives none that was not put.
 * With a damaged catalogue the store does not open and says so, or the damage hit nothing that is
 * in use: it is never taken for what it is not, and ends no process. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "storage/lmdb/frame.h"
#include "tests/crash/store_replay.h"

#define TRIALS        200
#define SUBMITS       150
#define WORKERS       2
#define TRIAL_SECONDS 60
/* A damaged frame costs its records: a commit of this load has no more. */
#define LOST_MAX   120
#define STATES_MAX 12

enum hit { HIT_BIT, HIT_ZEROS, HIT_NOISE, HIT_CUT, HITS };

static const char *const hit_words[HITS] = { "bit", "zeros", "noise", "cut" };

/* ---- the two stores ---- */

static void on_durable(void *arg, uint64_t ticket)
{
    (void)arg;
    promise_durable(ticket);
}

static void on_stall(void *arg, enum rc rc)
{
    (void)arg;
    fail(rc_word(rc), 0, 0, 0);
}

static void on_wake(void *arg)
{
    (void)arg;
}

static void live(const char *folder, const char *trace, bool is_killed)
{
    const struct store_events events = { .on_durable = on_durable,
                                         .on_stall = on_stall,
                                         .wake = on_wake };

    trace_begin(folder, trace);
    if (load_open(folder) != RC_OK)
        fail("open", 0, 0, 0);
    load_look();
    store_set_events(store, &events);
    for (unsigned i = 0; i < SUBMITS; i++) {
        load_put(promise_note);
        while (store_backlog_bytes(store) > 0)
            store_poll(store);
    }
    if (store_flush(store) != RC_OK)
        fail("flush", 0, 0, 0);
    if (is_killed)
        (void)raise(SIGKILL);
    store_close(&store);
    trace_end();
}

/* Gives in promised[] what the store has. */
static void store_make(const char *folder, bool is_killed)
{
    struct replay replay = { .disk = disk_new(NULL) };
    struct trace_view view;
    struct trace_item item;
    char trace[PATH_ROOM + 16];
    int status;
    pid_t pid;

    (void)snprintf(trace, sizeof(trace), "%s.trace", folder);
    memset(promised, 0, sizeof(promised));
    if (mkdir(folder, 0700) != 0)
        fail("mkdir", 0, 0, 0);
    pid = fork();
    if (pid == 0) {
        live(folder, trace, is_killed);
        _exit(EXIT_SUCCESS);
    }
    if (waitpid(pid, &status, 0) != pid || WIFSIGNALED(status) != is_killed)
        fail("a store could not be made", 0, (uint64_t)status, 0);
    trace_view_open(&view, trace);
    while (trace_view_next(&view, &item))
        replay_apply(&replay, &item);
    replay_settle_all(&replay);
    replay_done(&replay);
    trace_view_close(&view);
    (void)unlink(trace);
}

/* ---- damage ---- */

struct trial {
    char name[TRACE_NAME_MAX];
    enum hit hit;
    uint64_t at;
    uint64_t seed;
    bool is_killed;
    bool is_end; /* of the log that was never closed: what is gone there may never have been */
};

static void damage(const char *folder, struct trial *trial)
{
    char path[2 * PATH_ROOM];
    uint8_t bytes[512];
    struct stat stat;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, trial->name);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0 || stat.st_size < (off_t)sizeof(bytes))
        fail("a file to damage", 0, 0, 0);
    trial->at = random_below((uint64_t)stat.st_size - sizeof(bytes) + 1);
    if (trial->hit == HIT_CUT && ftruncate(fd, (off_t)trial->at) != 0)
        fail("ftruncate", 0, 0, 0);
    if (trial->hit != HIT_CUT && pread(fd, bytes, sizeof(bytes), (off_t)trial->at) < 0)
        fail("pread", 0, 0, 0);
    if (trial->hit == HIT_BIT)
        bytes[0] ^= (uint8_t)(1u << random_below(8));
    for (size_t i = 0; trial->hit == HIT_ZEROS && i < sizeof(bytes); i++)
        bytes[i] = 0;
    for (size_t i = 0; trial->hit == HIT_NOISE && i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)random_below(256);
    if (trial->hit != HIT_CUT && pwrite(fd, bytes, sizeof(bytes), (off_t)trial->at) < 0)
        fail("pwrite", 0, 0, 0);
    (void)close(fd);
}

static bool is_segment(const char *name)
{
    return strncmp(name, "seg/", 4) == 0;
}

/* What is lost is named in the log. */
static void check_told(int log)
{
    static char text[1 << 20];
    ssize_t len = pread(log, text, sizeof(text) - 1, 0);

    if (len < 0 || strstr(text, " error storage.") == NULL)
        fail("damage that the log does not tell", 0, (uint64_t)len, 1);
}

/* How much a cut takes is the cutter's choice. */
static void check_loss(const struct trial *trial, struct load_loss loss)
{
    bool is_small = trial->hit != HIT_CUT;

    if (is_small && loss.records > LOST_MAX)
        fail("damage of one place took more than it hit", 0, loss.records, LOST_MAX);
    if (!trial->is_killed && loss.states + loss.blobs > 0)
        fail("damage of a closed segment took meta values", 0, loss.states, loss.blobs);
    if (is_small && loss.states > STATES_MAX)
        fail("damage of one place took more states than it hit", 0, loss.states, STATES_MAX);
}

static void trial_run(const char *from, struct trial *trial)
{
    struct disk *disk = disk_new(from);
    char top[PATH_ROOM], folder[PATH_ROOM + 8];
    int log = memfd_create("log", MFD_CLOEXEC);
    struct load_loss loss;
    enum rc rc;

    log_set_fd(log);
    random_seed(trial->seed);
    folder_make(top);
    (void)snprintf(folder, sizeof(folder), "%s/store", top);
    disk_write(disk, folder, DISK_ALL, 1);
    disk_free(&disk);
    damage(folder, trial);
    rc = load_open(folder);
    if (rc == RC_CORRUPT && !is_segment(trial->name)) {
        check_told(log);
        folder_remove(top);
        return;
    }
    if (rc != RC_OK)
        fail(rc_word(rc), 0, 0, 0);
    loss = load_assess();
    if (!is_segment(trial->name) && loss.records + loss.states + loss.blobs > 0)
        fail("damage of the catalogue went by unseen", 0, loss.records, loss.states);
    check_loss(trial, loss);
    if (loss.records > 0 && !trial->is_end)
        check_told(log);
    store_close(&store);
    folder_remove(top);
}

/* ---- the run ---- */

static struct worker {
    pid_t pid;
    struct trial trial;
} workers[WORKERS];
static uint64_t failures;

static void worker_wait(struct worker *worker)
{
    const struct trial *trial = &worker->trial;
    int status;

    if (worker->pid == 0)
        return;
    if (waitpid(worker->pid, &status, 0) != worker->pid)
        fail("waitpid", 0, 0, 0);
    worker->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
        return;
    failures++;
    (void)fprintf(stderr, "store_rot: status=%d file=%s %s seed=%llu %s\n", status, trial->name,
                  hit_words[trial->hit], (unsigned long long)trial->seed,
                  trial->is_killed ? "killed" : "closed");
}

struct files {
    char at[256][TRACE_NAME_MAX];
    unsigned count;
};

static void on_name(void *arg, const char *name, size_t len)
{
    struct files *files = arg;

    if (len >= 4096 && files->count < 256 && is_segment(name))
        memcpy(files->at[files->count++], name, strlen(name) + 1);
}

/* The greatest sequence of a frame of this file that is no copy; 0: it has none. */
static uint64_t last_sequence(int fd, const char *name)
{
    uint8_t bytes[FRAME_HEADER];
    struct frame_header header;
    uint64_t last = 0, number;

    if (number_u64(slice_of(name + strlen("seg/"), 10), 1, UINT32_MAX, &number) != RC_OK)
        fail("a name of a segment", 0, 0, 0);
    for (off_t at = 0; pread(fd, bytes, sizeof(bytes), at) == (ssize_t)sizeof(bytes);
         at += FRAME_ALIGN) {
        if (frame_read_header(slice_of(bytes, sizeof(bytes)), &header) == RC_OK &&
            header.segment == number && !(header.flags & FRAME_COPY) && header.sequence > last)
            last = header.sequence;
    }
    return last;
}

/* Where the log ends: neither the newest file, which may only have been prepared, nor a copy. */
static const char *file_of_the_end(const char *folder, const struct files *files)
{
    const char *end = "";
    uint64_t greatest = 0;

    for (unsigned i = 0; i < files->count; i++) {
        char path[2 * PATH_ROOM];
        uint64_t last;
        int fd;

        (void)snprintf(path, sizeof(path), "%s/%s", folder, files->at[i]);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        last = fd < 0 ? 0 : last_sequence(fd, files->at[i]);
        (void)close(fd);
        if (last > greatest) {
            greatest = last;
            end = files->at[i];
        }
    }
    return end;
}

static void trials_of(const char *folder, bool is_killed, uint64_t trials)
{
    struct disk *disk = disk_new(folder);
    struct files *files = mem_new(struct files);
    const char *end, *name;

    disk_each(disk, on_name, files);
    disk_free(&disk);
    if (files->count < 2)
        fail("too few files", 0, files->count, 2);
    end = file_of_the_end(folder, files);
    for (uint64_t i = 0; i < trials; i++) {
        struct worker *worker = &workers[i % WORKERS];

        worker_wait(worker);
        worker->trial = (struct trial){ .hit = (enum hit)(i % HITS), .is_killed = is_killed };
        worker->trial.seed = random_below(UINT64_MAX);
        name = i / HITS % 3 == 0 ? "catalog.mdb" : files->at[i / HITS % files->count];
        memcpy(worker->trial.name, name, strlen(name) + 1);
        worker->trial.is_end = is_killed && strcmp(worker->trial.name, end) == 0;
        worker->pid = fork();
        if (worker->pid == 0) {
            (void)alarm(TRIAL_SECONDS);
            trial_run(folder, &worker->trial);
            _exit(EXIT_SUCCESS);
        }
    }
    for (unsigned i = 0; i < WORKERS; i++)
        worker_wait(&workers[i]);
    mem_free(files);
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
    uint64_t value = otherwise;

    if (i < argc && number_u64(slice_str(argv[i]), 0, UINT64_MAX, &value) != RC_OK)
        fail("usage: store_rot [trials [seed]]", 0, 0, 0);
    return value;
}

int main(int argc, char **argv)
{
    uint64_t trials = argument(argc, argv, 1, TRIALS);
    uint64_t seed = argument(argc, argv, 2, (uint64_t)getpid() * 2654435761 + (uint64_t)time(NULL));
    char top[PATH_ROOM], folder[PATH_ROOM + 8];
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)printf("store_rot: trials=%llu seed=%llu\n", (unsigned long long)trials,
                 (unsigned long long)seed);
    (void)fflush(stdout);
    log_set_fd(nowhere); /* what is damaged is told at length */
    random_seed(seed);
    load_mode = LOAD_ALWAYS;
    load_live_max = 40;
    load_logs = 12;
    folder_make(top);
    for (unsigned is_killed = 0; is_killed < 2; is_killed++) {
        (void)snprintf(folder, sizeof(folder), "%s/%u", top, is_killed);
        store_make(folder, is_killed == 1);
        trials_of(folder, is_killed == 1, trials / 2);
    }
    folder_remove(top);
    (void)printf("store_rot: failures=%llu\n", (unsigned long long)failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
