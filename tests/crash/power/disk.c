/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/power/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/mem.h"

#define BLOCK      ((size_t)4096)
#define SECTOR     ((size_t)512)
#define PATH_ROOM  600
#define FOLDER     UINT32_MAX /* a node of a name that is a folder */
#define CHUNK      ((size_t)64 << 10)
#define FILE_BYTES ((uint64_t)1 << 32) /* more than any file of a test */

struct pending {
    struct trace_item item;
    uint64_t number; /* of the op */
    uint32_t node;   /* of a change of names */
    bool is_doomed;  /* a sync of it failed */
};

/* A file, whatever its names. */
struct node {
    uint8_t *bytes; /* owned: what is sure */
    size_t len;
    size_t room;
    struct pending *pending; /* owned */
    size_t pending_count;
    size_t pending_room;
    bool is_mapped; /* its content is anything */
};

struct name {
    char at[TRACE_NAME_MAX];
    uint32_t node; /* or FOLDER */
};

struct names {
    struct name *at; /* owned */
    size_t count;
    size_t room;
};

struct disk {
    struct node *nodes; /* owned */
    size_t node_count;
    uint32_t *node_of; /* owned: by the trace's number */
    size_t node_of_count;
    struct names sure;
    struct names current;
    struct pending *pending; /* owned: changes of names that are not sure */
    size_t pending_count;
    size_t pending_room;
    uint64_t journal_until; /* a journal has all changes of names before this op */
    uint64_t op_count;
    uint64_t trace_base; /* ops before the trace that is being applied */
};

_Noreturn static void die(const char *what, const char *name)
{
    (void)fprintf(stderr, "power: %s: %s\n", what, name);
    exit(EXIT_FAILURE);
}

/* ---- bytes ---- */

struct content {
    uint8_t *bytes;
    size_t len;
    size_t room;
};

static void content_longer(struct content *content, size_t len)
{
    if (len <= content->len)
        return;
    if (len > FILE_BYTES)
        die("a file is too long", "");
    if (len > content->room) {
        content->room = len + len / 2;
        content->bytes = mem_resize(content->bytes, content->room);
    }
    memset(content->bytes + content->len, 0, len - content->len);
    content->len = len;
}

static void content_put(struct content *content, size_t at, const uint8_t *bytes, size_t len)
{
    content_longer(content, at + len);
    if (bytes == NULL)
        memset(content->bytes + at, 0, len);
    else
        memcpy(content->bytes + at, bytes, len);
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static bool is_chosen(uint64_t *random, unsigned percent)
{
    return percent >= 100 || (percent > 0 && random_next(random) % 100 < percent);
}

/* A write of which some sectors are there. */
static void content_put_some(struct content *content, const struct trace_item *item,
                             unsigned percent, uint64_t *random)
{
    size_t unit = random_next(random) % 4 == 0 ? SECTOR : BLOCK, len = (size_t)item->op.len;
    size_t at = (size_t)item->op.at;

    for (size_t done = 0, step; done < len; done += step) {
        step = unit - (at + done) % unit;
        if (step > len - done)
            step = len - done;
        if (is_chosen(random, percent))
            content_put(content, at + done, item->op.is_zero ? NULL : item->bytes + done, step);
    }
    if (random_next(random) % 4 == 0)
        content_longer(content, at + len); /* the length came, the data did not */
}

static void content_apply(struct content *content, const struct trace_item *item, unsigned percent,
                          uint64_t *random)
{
    size_t at = (size_t)item->op.at, len = (size_t)item->op.len;

    if (item->op.kind == TRACE_WRITE && percent < 100 && percent > 0)
        content_put_some(content, item, percent, random);
    else if (!is_chosen(random, percent))
        return;
    else if (item->op.kind == TRACE_WRITE)
        content_put(content, at, item->op.is_zero ? NULL : item->bytes, len);
    else if (item->op.kind == TRACE_ALLOCATE)
        content_longer(content, at + len);
    else if (item->op.kind == TRACE_SIZE && at > content->len)
        content_longer(content, at);
    else if (item->op.kind == TRACE_SIZE)
        content->len = at;
    else if (item->op.kind == TRACE_ZERO && at < content->len)
        content_put(content, at, NULL, len < content->len - at ? len : content->len - at);
}

/* ---- names ---- */

static struct name *name_find(const struct names *names, const char *at)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->at[i].at, at) == 0)
            return &names->at[i];
    }
    return NULL;
}

static void name_set(struct names *names, const char *at, uint32_t node)
{
    struct name *found = name_find(names, at);

    if (found == NULL) {
        if (names->count == names->room) {
            names->room = names->room == 0 ? 64 : names->room * 2;
            names->at = mem_resize(names->at, names->room * sizeof(*names->at));
        }
        found = &names->at[names->count++];
        memcpy(found->at, at, strlen(at) + 1);
    }
    found->node = node;
}

static void name_clear(struct names *names, const char *at)
{
    struct name *found = name_find(names, at);

    if (found != NULL)
        *found = names->at[--names->count];
}

static void names_copy(struct names *to, const struct names *from)
{
    *to = *from;
    to->room = from->count + 64;
    to->at = mem_get(to->room * sizeof(*to->at));
    if (from->count > 0)
        memcpy(to->at, from->at, from->count * sizeof(*to->at));
}

static void names_apply(struct names *names, const struct trace_item *item, uint32_t node)
{
    uint16_t kind = item->op.kind;

    if (kind == TRACE_CREATE || kind == TRACE_LINK || kind == TRACE_MKDIR) {
        name_set(names, item->name, node);
        return;
    }
    name_clear(names, item->name);
    if (kind == TRACE_RENAME)
        name_set(names, item->to, node);
}

/* The folder of a name is `folder`. */
static bool is_in(const char *name, const char *folder)
{
    const char *slash = strrchr(name, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - name);

    return strlen(folder) == len && strncmp(name, folder, len) == 0;
}

/* ---- building up ---- */

static void pending_add(struct pending **at, size_t *count, size_t *room,
                        const struct trace_item *item, uint64_t number, uint32_t node)
{
    if (*count == *room) {
        *room = *room == 0 ? 16 : *room * 2;
        *at = mem_resize(*at, *room * sizeof(**at));
    }
    (*at)[(*count)++] = (struct pending){ .item = *item, .number = number, .node = node };
}

static uint32_t node_new(struct disk *disk)
{
    disk->nodes = mem_resize(disk->nodes, (disk->node_count + 1) * sizeof(*disk->nodes));
    disk->nodes[disk->node_count] = (struct node){ 0 };
    return (uint32_t)disk->node_count++;
}

static void node_number(struct disk *disk, uint32_t number, uint32_t node)
{
    if (number >= disk->node_of_count) {
        disk->node_of = mem_resize(disk->node_of, (number + 1) * sizeof(*disk->node_of));
        for (size_t i = disk->node_of_count; i <= number; i++)
            disk->node_of[i] = FOLDER;
        disk->node_of_count = number + 1;
    }
    disk->node_of[number] = node;
}

static void load_file(struct disk *disk, const char *path, const char *name, size_t len)
{
    struct node *node;
    uint32_t number = node_new(disk);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t done;

    node = &disk->nodes[number];
    node->bytes = mem_get(len + 1);
    node->room = len + 1;
    for (node->len = 0; fd >= 0 && node->len < len; node->len += (size_t)done) {
        done = read(fd, node->bytes + node->len, len - node->len);
        if (done <= 0)
            die("cannot read", path);
    }
    if (fd < 0)
        die("cannot open", path);
    (void)close(fd);
    name_set(&disk->sure, name, number);
    name_set(&disk->current, name, number);
}

/* The folders of a store lie one in another, not deeper than this. */
#define DEPTH_MAX 4

static void load_folder(struct disk *disk, const char *root, const char *folder, unsigned depth)
{
    char path[PATH_ROOM], name[TRACE_NAME_MAX];
    const struct dirent *entry;
    struct stat stat;
    DIR *list;

    (void)snprintf(path, sizeof(path), "%s/%s", root, folder);
    list = opendir(path);
    if (list == NULL || depth > DEPTH_MAX)
        die("cannot list", path);
    while ((entry = readdir(list)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (snprintf(name, sizeof(name), "%s%s%s", folder, folder[0] == '\0' ? "" : "/",
                     entry->d_name) >= (int)sizeof(name) ||
            snprintf(path, sizeof(path), "%s/%s", root, name) >= (int)sizeof(path) ||
            lstat(path, &stat) != 0)
            die("cannot look at", entry->d_name);
        if (S_ISDIR(stat.st_mode)) {
            name_set(&disk->sure, name, FOLDER);
            name_set(&disk->current, name, FOLDER);
            load_folder(disk, root, name, depth + 1);
        } else {
            load_file(disk, path, name, (size_t)stat.st_size);
        }
    }
    (void)closedir(list);
}

struct disk *disk_new(const char *folder)
{
    struct disk *disk = mem_new(struct disk);

    if (folder != NULL)
        load_folder(disk, folder, "", 0);
    return disk;
}

void disk_free(struct disk **disk)
{
    struct disk *d = *disk;

    *disk = NULL;
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->node_count; i++) {
        mem_free(d->nodes[i].bytes);
        mem_free(d->nodes[i].pending);
    }
    mem_free(d->nodes);
    mem_free(d->node_of);
    mem_free(d->sure.at);
    mem_free(d->current.at);
    mem_free(d->pending);
    mem_free(d);
}

void disk_next_trace(struct disk *disk)
{
    disk->node_of_count = 0;
    disk->trace_base = disk->op_count;
}

static void node_apply(struct node *node, const struct trace_item *item)
{
    struct content content = { node->bytes, node->len, node->room };
    uint64_t random = 1;

    content_apply(&content, item, 100, &random);
    node->bytes = content.bytes;
    node->len = content.len;
    node->room = content.room;
}

/* What stays because its sync failed keeps what came after it, now sure, behind it in order. */
static void node_sync(struct node *node, uint64_t covers, bool is_failed)
{
    size_t left = 0;
    bool has_doomed = false;

    for (size_t i = 0; i < node->pending_count; i++) {
        struct pending *pending = &node->pending[i];

        if (pending->number < covers && is_failed && !pending->item.op.is_sure)
            pending->is_doomed = true;
        has_doomed |= pending->is_doomed;
        if (pending->number < covers && !pending->is_doomed && !is_failed) {
            node_apply(node, &pending->item);
            pending->item.op.is_sure = true;
            if (!has_doomed)
                continue;
        }
        node->pending[left++] = *pending;
    }
    node->pending_count = left;
}

static bool touches(const struct pending *pending, const char *folder)
{
    return folder == NULL || is_in(pending->item.name, folder) ||
           (pending->item.op.kind == TRACE_RENAME && is_in(pending->item.to, folder));
}

/* `folder` NULL: of all. */
static void names_sync(struct disk *disk, const char *folder, uint64_t covers)
{
    size_t left = 0;

    for (size_t i = 0; i < disk->pending_count; i++) {
        struct pending *pending = &disk->pending[i];

        if (pending->number < covers && touches(pending, folder))
            names_apply(&disk->sure, &pending->item, pending->node);
        else
            disk->pending[left++] = *pending;
    }
    disk->pending_count = left;
    if (covers > disk->journal_until)
        disk->journal_until = covers;
}

static uint32_t node_of(const struct disk *disk, const struct trace_item *item)
{
    uint32_t node = item->op.inode < disk->node_of_count ? disk->node_of[item->op.inode] : FOLDER;

    if (node == FOLDER)
        die("a file that the recorder did not see being made", item->name);
    return node;
}

static void apply_name(struct disk *disk, const struct trace_item *item)
{
    uint32_t node = FOLDER;

    if (item->op.kind != TRACE_MKDIR && item->op.kind != TRACE_RMDIR)
        node = node_of(disk, item);
    names_apply(&disk->current, item, node);
    pending_add(&disk->pending, &disk->pending_count, &disk->pending_room, item, disk->op_count,
                node);
}

static void apply_data(struct disk *disk, const struct trace_item *item)
{
    struct node *node = &disk->nodes[node_of(disk, item)];

    if (item->op.kind == TRACE_WRITE && item->op.is_sure)
        node_apply(node, item); /* and once more in its place when what came before is */
    pending_add(&node->pending, &node->pending_count, &node->pending_room, item, disk->op_count, 0);
}

static void apply_found(struct disk *disk, const struct trace_item *item)
{
    const struct name *name = name_find(&disk->current, item->name);

    if (name == NULL || name->node == FOLDER)
        die("a file that the recorder did not see being made", item->name);
    node_number(disk, item->op.inode, name->node);
}

void disk_apply(struct disk *disk, const struct trace_item *item)
{
    uint64_t covers = disk->trace_base + item->op.covers;

    switch ((enum trace_kind)item->op.kind) {
    case TRACE_FOUND:
        apply_found(disk, item);
        break;
    case TRACE_CREATE:
        node_number(disk, item->op.inode, node_new(disk));
        apply_name(disk, item);
        break;
    case TRACE_LINK:
    case TRACE_RENAME:
    case TRACE_UNLINK:
    case TRACE_MKDIR:
    case TRACE_RMDIR:
        apply_name(disk, item);
        break;
    case TRACE_WRITE:
    case TRACE_SIZE:
    case TRACE_ALLOCATE:
    case TRACE_ZERO:
        apply_data(disk, item);
        break;
    case TRACE_SYNC:
    case TRACE_SYNC_FAILED:
        node_sync(&disk->nodes[node_of(disk, item)], covers, item->op.kind == TRACE_SYNC_FAILED);
        break;
    case TRACE_SYNC_DIRECTORY:
        names_sync(disk, item->name, covers);
        break;
    case TRACE_SYNC_ALL:
        for (size_t i = 0; i < disk->node_count; i++)
            node_sync(&disk->nodes[i], covers, false);
        names_sync(disk, NULL, covers);
        break;
    case TRACE_MAPPED:
        disk->nodes[node_of(disk, item)].is_mapped = true;
        break;
    case TRACE_UNSUPPORTED:
        die("a call whose effect is not known", item->name);
    case TRACE_MARK:
        break;
    }
    disk->op_count++;
}

uint64_t disk_op_count(const struct disk *disk)
{
    return disk->op_count;
}

/* Zeros laid ahead count for nothing, and files without a name hold nothing. */
uint64_t disk_oldest_unsure(const struct disk *disk)
{
    uint64_t oldest = UINT64_MAX;

    for (size_t n = 0; n < disk->current.count; n++) {
        const struct name *name = &disk->current.at[n];
        const struct node *node = name->node == FOLDER ? NULL : &disk->nodes[name->node];

        for (size_t i = 0; node != NULL && i < node->pending_count; i++) {
            const struct trace_op *op = &node->pending[i].item.op;

            if (op->kind == TRACE_WRITE && !op->is_zero && !op->is_sure &&
                node->pending[i].number < oldest)
                oldest = node->pending[i].number;
        }
    }
    return oldest;
}

/* ---- what the disk may hold ---- */

/* Names as a journal keeps them: in order, up to some change. */
static void names_in_order(struct names *names, const struct disk *disk, uint64_t *random)
{
    uint64_t until = disk->op_count;

    if (random != NULL)
        until =
            disk->journal_until + random_next(random) % (disk->op_count - disk->journal_until + 1);
    for (size_t i = 0; i < disk->pending_count; i++) {
        if (disk->pending[i].number < until)
            names_apply(names, &disk->pending[i].item, disk->pending[i].node);
    }
}

static void names_any(struct names *names, const struct disk *disk, unsigned percent,
                      uint64_t *random)
{
    for (size_t i = 0; i < disk->pending_count; i++) {
        if (is_chosen(random, percent))
            names_apply(names, &disk->pending[i].item, disk->pending[i].node);
    }
}

static struct content node_content(const struct node *node, unsigned percent, uint64_t *random)
{
    struct content content = { mem_get(node->len + 1), node->len, node->len + 1 };

    if (node->len > 0)
        memcpy(content.bytes, node->bytes, node->len);
    for (size_t i = 0; i < node->pending_count; i++) {
        const struct trace_item *item = &node->pending[i].item;

        content_apply(&content, item, item->op.is_sure ? 100 : percent, random);
    }
    for (size_t i = 0; node->is_mapped && percent < 100 && i < content.len; i++)
        content.bytes[i] = (uint8_t)random_next(random);
    return content;
}

static bool is_all_zero(const uint8_t *at, size_t len)
{
    return len == 0 || (at[0] == 0 && memcmp(at, at + 1, len - 1) == 0);
}

/* With holes where zeros are. */
static void file_write(const char *path, const struct content *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        die("cannot make", path);
    for (size_t at = 0, step; at < content->len; at += step) {
        step = content->len - at < CHUNK ? content->len - at : CHUNK;
        if (!is_all_zero(content->bytes + at, step) &&
            pwrite(fd, content->bytes + at, step, (off_t)at) != (ssize_t)step)
            die("cannot write", path);
    }
    if (ftruncate(fd, (off_t)content->len) != 0 || close(fd) != 0)
        die("cannot end", path);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct name *)left)->at, ((const struct name *)right)->at);
}

/* All folders above a name are there. */
static bool has_folders(const struct names *names, const char *at)
{
    char parent[TRACE_NAME_MAX];

    for (const char *slash = strchr(at, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        memset(parent, 0, sizeof(parent));
        memcpy(parent, at, (size_t)(slash - at));
        if (name_find(names, parent) == NULL)
            return false;
    }
    return true;
}

static void image_write(const struct disk *disk, struct names *names, const char *folder,
                        unsigned percent, uint64_t *random)
{
    char path[PATH_ROOM];

    if (mkdir(folder, 0700) != 0)
        die("cannot make the folder", folder);
    if (names->count > 0)
        qsort(names->at, names->count, sizeof(*names->at), by_name); /* a folder before its files */
    for (size_t i = 0; i < names->count; i++) {
        const struct name *name = &names->at[i];
        struct content content;

        if (!has_folders(names, name->at))
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", folder, name->at);
        if (name->node == FOLDER) {
            if (mkdir(path, 0700) != 0)
                die("cannot make", path);
            continue;
        }
        content = node_content(&disk->nodes[name->node], percent, random);
        file_write(path, &content);
        mem_free(content.bytes);
    }
}

void disk_write(const struct disk *disk, const char *folder, enum disk_cut cut, uint64_t seed)
{
    static const unsigned percents[] = { 0, 100, 50, 90, 10 };
    uint64_t random = seed * 0x9e3779b97f4a7c15 | 1;
    unsigned percent = percents[(random_next(&random) >> 20) % 5];
    struct names names;

    names_copy(&names, &disk->sure);
    if (cut == DISK_ALL)
        names_in_order(&names, disk, NULL);
    else if (cut == DISK_RANDOM && random_next(&random) % 2 == 0)
        names_in_order(&names, disk, &random);
    else if (cut == DISK_RANDOM)
        names_any(&names, disk, percents[(random_next(&random) >> 20) % 5], &random);
    if (cut != DISK_RANDOM)
        percent = cut == DISK_ALL ? 100 : 0;
    image_write(disk, &names, folder, percent, &random);
    mem_free(names.at);
}

void disk_each(const struct disk *disk, disk_name_fn *on_name, void *arg)
{
    uint64_t random = 1;

    for (size_t i = 0; i < disk->current.count; i++) {
        const struct name *name = &disk->current.at[i];
        struct content content;

        if (name->node == FOLDER)
            continue;
        content = node_content(&disk->nodes[name->node], 100, &random);
        on_name(arg, name->at, content.len);
        mem_free(content.bytes);
    }
}

/* ---- proof that nothing was missed ---- */

static void compare_node(const struct name *name, const struct node *a, const struct node *b)
{
    uint64_t random = 1;
    struct content whole = node_content(a, 100, &random);

    if (!a->is_mapped &&
        (whole.len != b->len || (b->len > 0 && memcmp(whole.bytes, b->bytes, b->len) != 0)))
        die("the recorder has missed a change of", name->at);
    mem_free(whole.bytes);
}

void disk_compare(const struct disk *disk, const char *folder)
{
    struct disk *real = disk_new(folder);

    if (real->current.count != disk->current.count)
        die("the recorder has missed a name in", folder);
    for (size_t i = 0; i < disk->current.count; i++) {
        const struct name *name = &disk->current.at[i];
        const struct name *other = name_find(&real->current, name->at);

        if (other == NULL || (other->node == FOLDER) != (name->node == FOLDER))
            die("the recorder has missed a name", name->at);
        if (name->node != FOLDER)
            compare_node(name, &disk->nodes[name->node], &real->nodes[other->node]);
    }
    disk_free(&real);
}
