/* SPDX-License-Identifier: Apache-2.0 */
/* The broker makes the backup; what is done here is moving it: to standard output, and back. */
#include "admin/ctl_backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/ctl.h"
#include "admin/ctl_ask.h"
#include "admin/ctl_daemon.h"
#include "admin/ctl_tar.h"
#include "admin/jot.h"
#include "broker/base/hash.h"
#include "broker/base/manifest.h"
#include "broker/base/mem.h"

#define COPY_BYTES MANIFEST_PIECE_BYTES

static volatile sig_atomic_t is_interrupted;

static void fd_close(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* only read, or synced */
}

static bool write_whole(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.at, bytes.len);

        if (n < 0 && errno == EINTR && is_interrupted == 0)
            continue;
        if (n < 0)
            return false;
        bytes = slice_after(bytes, (size_t)n);
    }
    return true;
}

/* False at the end as well; then errno is 0. */
static bool read_whole(int fd, uint8_t *at, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, at, len);

        if (n < 0 && errno == EINTR && is_interrupted == 0)
            continue;
        if (n <= 0) {
            errno = n == 0 ? 0 : errno;
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* Copies that many bytes; *ret_sum as a manifest has it. */
static bool copy_bytes(int from, int to, uint64_t bytes, const char *name, uint64_t *ret_sum)
{
    uint8_t *at = mem_get(COPY_BYTES);
    bool is_good = true;

    *ret_sum = 0;
    while (bytes > 0 && is_good) {
        size_t len = bytes < COPY_BYTES ? (size_t)bytes : COPY_BYTES;

        if (is_interrupted != 0)
            is_good = ctl_fail("interrupted");
        else if (!read_whole(from, at, len))
            is_good = ctl_fail("%s: %s", name, errno == 0 ? "it ends too early" : strerror(errno));
        else if (!write_whole(to, slice_of(at, len)))
            is_good = ctl_fail("%s cannot be written: %s", name, strerror(errno));
        *ret_sum = hash_checksum(slice_of(at, len), *ret_sum);
        bytes -= len;
    }
    mem_free(at);
    return is_good;
}

static bool read_manifest(int folder, const char *name, struct text *to)
{
    int fd = openat(folder, MANIFEST_NAME, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    bool is_good = fd >= 0 && fstat(fd, &stat) == 0;

    if (!is_good)
        (void)ctl_fail("%s is no whole backup: %s: %s", name, MANIFEST_NAME, strerror(errno));
    else if ((uint64_t)stat.st_size > MANIFEST_MAX_BYTES ||
             !text_reserve(to, (size_t)stat.st_size + 1))
        is_good = ctl_fail("%s: %s is too long", name, MANIFEST_NAME);
    else if (!read_whole(fd, to->at, (size_t)stat.st_size))
        is_good = ctl_fail("%s: %s cannot be read", name, MANIFEST_NAME);
    else
        to->len = (size_t)stat.st_size;
    fd_close(fd);
    return is_good;
}

/* ---- asking the broker ---- */

static bool ask_backup(const struct ctl_place *place, const char *directory, struct text *answer)
{
    struct text body = { 0 };
    bool is_good;

    jot_open(&body, NULL, '{');
    jot_string(&body, "directory", directory);
    jot_close(&body, '}');
    is_good = ctl_ask(place, "POST", "/api/backup", text_slice(&body), answer);
    text_done(&body);
    return is_good;
}

static void print_answer(const char *to, const struct text *answer)
{
    json_t *json = json_loadb((const char *)answer->at, answer->len, 0, NULL);
    long long segments = json_integer_value(json_object_get(json, "segments"));

    (void)fprintf(stderr, "tercet: %s holds %lld segment%s, %lld bytes\n", to, segments,
                  segments == 1 ? "" : "s",
                  (long long)json_integer_value(json_object_get(json, "bytes")));
    json_decref(json);
}

/* The folder as the broker has to be told: from the root on. */
static bool make_absolute(const char *path, struct text *to)
{
    char here[PATH_MAX];

    if (path[0] != '/') {
        if (getcwd(here, sizeof(here)) == NULL)
            return ctl_fail("the current directory is not known: %s", strerror(errno));
        text_format(to, "%s/", here);
    }
    text_format(to, "%s", path);
    text_add_byte(to, '\0');
    return !to->bad;
}

/* ---- the stream ---- */

struct streaming {
    int folder;
    uint64_t time_s;
};

static bool put_file(const struct streaming *s, const char *name, uint64_t bytes)
{
    static const uint8_t zeros[TAR_BLOCK];
    struct tar_file file = { .bytes = bytes, .time_s = s->time_s };
    uint8_t block[TAR_BLOCK];
    int fd = openat(s->folder, name, O_RDONLY | O_CLOEXEC);
    uint64_t sum;
    bool is_good;

    if (fd < 0)
        return ctl_fail("%s: %s", name, strerror(errno));
    (void)snprintf(file.name, sizeof(file.name), "%s", name);
    tar_write(block, &file);
    is_good = write_whole(STDOUT_FILENO, slice_of(block, TAR_BLOCK));
    if (!is_good)
        (void)ctl_fail("standard output: %s", strerror(errno));
    is_good = is_good && copy_bytes(fd, STDOUT_FILENO, bytes, name, &sum);
    is_good = is_good && write_whole(STDOUT_FILENO, slice_of(zeros, (size_t)tar_padding(bytes)));
    fd_close(fd);
    return is_good;
}

static enum rc on_put(void *arg, const struct manifest_file *file)
{
    return put_file(arg, file->name, file->bytes) ? RC_OK : RC_IO;
}

static bool stream_out(int folder)
{
    static const uint8_t end[2 * TAR_BLOCK];
    struct streaming s = { .folder = folder, .time_s = (uint64_t)time(NULL) };
    struct text manifest = { 0 };
    bool is_good = read_manifest(folder, "the stream", &manifest);
    enum rc rc;

    if (is_good) {
        rc = manifest_each(text_slice(&manifest), on_put, &s);
        if (rc == RC_CORRUPT)
            (void)ctl_fail("the broker's manifest makes no sense");
        is_good = rc == RC_OK && put_file(&s, MANIFEST_NAME, manifest.len);
    }
    if (is_good && !write_whole(STDOUT_FILENO, slice_of(end, sizeof(end))))
        is_good = ctl_fail("standard output: %s", strerror(errno));
    text_done(&manifest);
    return is_good;
}

/* ---- folders of our own ---- */

/* What a backup consists of, and the folder. */
static void remove_backup(int folder, const char *path)
{
    int seg_fd = openat(folder, MANIFEST_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = seg_fd < 0 ? NULL : fdopendir(seg_fd);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            (void)unlinkat(seg_fd, entry->d_name, 0);
    }
    if (dir != NULL)
        (void)closedir(dir); /* only read */
    (void)unlinkat(folder, MANIFEST_FOLDER, AT_REMOVEDIR);
    (void)unlinkat(folder, MANIFEST_CATALOG, 0);
    (void)unlinkat(folder, MANIFEST_NAME, 0);
    (void)rmdir(path);
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool ret = dir != NULL;

    while (ret && (entry = readdir(dir)) != NULL)
        ret = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (dir != NULL)
        (void)closedir(dir); /* only read */
    return ret;
}

static void on_signal(int number)
{
    is_interrupted = number;
}

/* An interrupted stream must still be cleaned up: writing to it fails instead. */
static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = SIG_IGN };

    (void)sigaction(SIGPIPE, &action, NULL);
    action.sa_handler = on_signal;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* The broker's own folder for us beside its segments, so that no byte is copied twice. It removes
 * the ones that nobody holds locked any more. */
static bool backup_to_stream(const struct ctl_place *place)
{
    struct text path = { 0 }, answer = { 0 };
    json_t *json = NULL;
    const char *store, *name;
    bool is_good = ctl_ask(place, "GET", "/api/overview", SLICE_NONE, &answer);
    int folder = -1;

    if (!is_good)
        goto out;
    json = json_loadb((const char *)answer.at, answer.len, 0, NULL);
    store = json_string_value(json_object_get(json_object_get(json, "store"), "place"));
    if (store == NULL) {
        is_good = ctl_fail("everything is kept in memory: there is nothing to back up");
        goto out;
    }
    text_format(&path, "%s/stream-%ld", store, (long)getpid());
    text_add_byte(&path, '\0');
    name = (const char *)path.at;
    catch_signals();
    if (mkdir(name, 0700) != 0 || (folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        flock(folder, LOCK_EX | LOCK_NB) != 0)
        is_good = ctl_fail("%s: %s", name, strerror(errno));
    is_good = is_good && ask_backup(place, name, &answer) && stream_out(folder);
    if (folder >= 0)
        remove_backup(folder, name);
out:
    fd_close(folder);
    json_decref(json);
    text_done(&path);
    text_done(&answer);
    return is_good;
}

bool ctl_backup(const struct ctl_place *place, const char *to)
{
    struct text path = { 0 }, answer = { 0 };
    bool is_good;

    if (strcmp(to, "-") == 0) {
        if (isatty(STDOUT_FILENO))
            return ctl_fail("a backup is not for a terminal: redirect it, or name a folder");
        return backup_to_stream(place);
    }
    is_good = make_absolute(to, &path) && ask_backup(place, (const char *)path.at, &answer);
    if (is_good)
        print_answer(to, &answer);
    text_done(&path);
    text_done(&answer);
    return is_good;
}

/* ---- restoring ---- */

struct restoring {
    const char *from;
    int source;     /* folder, or -1 */
    int target;     /* folder that is being filled */
    unsigned files; /* copied from a stream */
    bool is_good;
};

static int make_file(const struct restoring *r, const char *name)
{
    return openat(r->target, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static bool take_file(const struct restoring *r, int from, const char *name, uint64_t bytes,
                      uint64_t *ret_sum)
{
    int to = make_file(r, name);
    bool is_good;

    if (to < 0)
        return ctl_fail("%s: %s", name, strerror(errno));
    is_good = copy_bytes(from, to, bytes, name, ret_sum);
    if (is_good && fsync(to) != 0)
        is_good = ctl_fail("%s: %s", name, strerror(errno));
    fd_close(to);
    return is_good;
}

static enum rc on_take(void *arg, const struct manifest_file *file)
{
    const struct restoring *r = arg;
    int from = openat(r->source, file->name, O_RDONLY | O_CLOEXEC);
    uint64_t sum;
    bool is_good = from >= 0 ? take_file(r, from, file->name, file->bytes, &sum)
                             : ctl_fail("%s/%s: %s", r->from, file->name, strerror(errno));

    fd_close(from);
    if (is_good && file->has_sum && sum != file->sum)
        is_good = ctl_fail("%s/%s is damaged", r->from, file->name);
    return is_good ? RC_OK : RC_IO;
}

static bool take_folder(struct restoring *r, struct text *manifest)
{
    enum rc rc;

    if (!read_manifest(r->source, r->from, manifest))
        return false;
    rc = manifest_each(text_slice(manifest), on_take, r);
    if (rc == RC_CORRUPT)
        return ctl_fail("%s: %s is damaged", r->from, MANIFEST_NAME);
    return rc == RC_OK;
}

static bool skip(uint64_t bytes)
{
    uint8_t block[TAR_BLOCK];

    return bytes == 0 || read_whole(STDIN_FILENO, block, (size_t)bytes);
}

static bool take_manifest(struct text *manifest, uint64_t bytes)
{
    if (bytes > MANIFEST_MAX_BYTES || !text_reserve(manifest, (size_t)bytes + 1) ||
        !read_whole(STDIN_FILENO, manifest->at, (size_t)bytes))
        return ctl_fail("the stream's %s cannot be read", MANIFEST_NAME);
    manifest->len = (size_t)bytes;
    return skip(tar_padding(bytes));
}

/* The manifest comes last: a stream that was cut off has none. */
static bool take_stream(struct restoring *r, struct text *manifest)
{
    uint8_t block[TAR_BLOCK];
    struct tar_file file;
    uint64_t sum;

    while (manifest->len == 0) {
        enum rc rc;

        if (!read_whole(STDIN_FILENO, block, sizeof(block)))
            return ctl_fail("the stream ends before the backup does");
        rc = tar_read(block, &file);
        if (rc != RC_OK)
            return ctl_fail("the stream is no backup, or damaged");
        if (strcmp(file.name, MANIFEST_NAME) == 0) {
            if (!take_manifest(manifest, file.bytes))
                return false;
        } else if (!manifest_is_name(slice_str(file.name))) {
            return ctl_fail("the stream is no backup: it holds %s", file.name);
        } else if (!take_file(r, STDIN_FILENO, file.name, file.bytes, &sum)) {
            return false;
        } else if (!skip(tar_padding(file.bytes))) {
            return ctl_fail("the stream ends before the backup does");
        }
        r->files++;
    }
    return true;
}

static bool write_manifest(const struct restoring *r, const struct text *manifest)
{
    int fd = make_file(r, MANIFEST_NAME);
    bool is_good = fd >= 0 && write_whole(fd, text_slice(manifest)) && fsync(fd) == 0;

    fd_close(fd);
    return is_good || ctl_fail("%s: %s", MANIFEST_NAME, strerror(errno));
}

/* The manifest is there for the check, and then of no use: the store will go on. */
static bool finish(const struct restoring *r, const char *draft, const char *to)
{
    int parent;

    if (ctl_verify(draft, false, true) != EXIT_SUCCESS) {
        (void)ctl_verify(draft, false, false);
        return ctl_fail("%s is damaged; nothing was restored", r->from);
    }
    if (unlinkat(r->target, MANIFEST_NAME, 0) != 0 || fsync(r->target) != 0)
        return ctl_fail("%s: %s", draft, strerror(errno));
    if (rename(draft, to) != 0)
        return ctl_fail("%s: %s", to, strerror(errno));
    parent = openat(r->target, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0)
        (void)fsync(parent); /* a power cut may undo the renaming, and nothing else */
    fd_close(parent);
    return true;
}

/* Refuses early what rename() would refuse late. */
static bool is_free(const char *to)
{
    struct stat stat;

    if (lstat(to, &stat) != 0)
        return errno == ENOENT || ctl_fail("%s: %s", to, strerror(errno));
    if (!S_ISDIR(stat.st_mode))
        return ctl_fail("%s is no folder", to);
    return is_empty(to) ||
           ctl_fail("%s is not empty: a store is restored into a folder of its own", to);
}

static bool fill(struct restoring *r, const char *draft, const char *to)
{
    struct text manifest = { 0 };
    bool is_stream = strcmp(r->from, "-") == 0;
    bool is_good;

    if (!is_stream)
        r->source = open(r->from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!is_stream && r->source < 0)
        return ctl_fail("%s: %s", r->from, strerror(errno));
    is_good = is_stream ? take_stream(r, &manifest) : take_folder(r, &manifest);
    is_good = is_good && write_manifest(r, &manifest) && finish(r, draft, to);
    text_done(&manifest);
    fd_close(r->source);
    return is_good;
}

bool ctl_restore(const char *from, const char *to)
{
    struct restoring r = { .from = from, .source = -1, .target = -1 };
    struct text path = { 0 };
    const char *draft;
    bool is_good = is_free(to);

    size_t len = strlen(to);

    if (!is_good)
        return false;
    while (len > 1 && to[len - 1] == '/')
        len--;
    text_format(&path, "%.*s.restoring-%ld", (int)len, to, (long)getpid());
    text_add_byte(&path, '\0');
    draft = (const char *)path.at;
    catch_signals();
    if (mkdir(draft, 0700) != 0 ||
        (r.target = open(draft, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        mkdirat(r.target, MANIFEST_FOLDER, 0700) != 0)
        is_good = ctl_fail("%s: %s", draft, strerror(errno));
    is_good = is_good && fill(&r, draft, to);
    if (!is_good && r.target >= 0)
        remove_backup(r.target, draft);
    if (is_good)
        (void)fprintf(stderr, "tercet: %s is whole; tercetd --data %s starts with it\n", to, to);
    fd_close(r.target);
    text_done(&path);
    return is_good;
}
