/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/lmdb/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/mem.h"

#define CHUNK_BYTES ((size_t)2 << 20)
/* Asked for while what comes before is looked at: a device is slow to one small question after the
 * other. */
#define AHEAD_BYTES ((off_t)8 << 20)
/* How far apart blocks are that are looked at behind zeros. */
#define SAMPLE_BYTES ((uint64_t)512 << 10)
#define FRAMES_FIRST 64

struct reading {
    int fd;
    uint64_t size;
    uint32_t number;
    uint64_t store_id;
    struct mem_pages chunk; /* owned */
    uint64_t chunk_from;
    size_t chunk_len;
    struct mem_pages whole; /* owned: a frame that is longer than a chunk */
};

enum rc file_read(int fd, uint8_t *at, size_t len, uint64_t from)
{
    while (len > 0) {
        ssize_t done = pread(fd, at, len, (off_t)from);

        if (done < 0)
            return rc_of_errno(errno);
        if (done == 0)
            return RC_CORRUPT;
        at += done;
        from += (uint64_t)done;
        len -= (size_t)done;
    }
    return RC_OK;
}

/* `len` bytes from `from` on, which the file must have. */
static enum rc fetch(struct reading *r, uint64_t from, size_t len, struct slice *ret)
{
    enum rc rc;

    if (from >= r->chunk_from && from + len <= r->chunk_from + r->chunk_len) {
        *ret = slice_of(r->chunk.at + (from - r->chunk_from), len);
        return RC_OK;
    }
    if (len <= CHUNK_BYTES) {
        r->chunk_len = r->size - from < CHUNK_BYTES ? (size_t)(r->size - from) : CHUNK_BYTES;
        r->chunk_from = from;
        (void)posix_fadvise(r->fd, (off_t)from, AHEAD_BYTES, POSIX_FADV_WILLNEED); /* a hint */
        rc = file_read(r->fd, r->chunk.at, r->chunk_len, from);
        if (rc != RC_OK)
            r->chunk_len = 0;
        *ret = slice_of(r->chunk.at, len);
        return rc;
    }
    if (!mem_pages_try(&r->whole, len))
        return RC_MEMORY;
    *ret = slice_of(r->whole.at, len);
    return file_read(r->fd, r->whole.at, len, from);
}

static void keep(struct scan *scan, const struct frame_header *header, uint64_t position)
{
    if (scan->count == scan->room) {
        scan->room = scan->room == 0 ? FRAMES_FIRST : scan->room * 2;
        scan->frames = mem_resize(scan->frames, scan->room * sizeof(*scan->frames));
    }
    scan->frames[scan->count++] = (struct found_frame){
        .sequence = header->sequence,
        .position = position,
        .length = header->length,
        .flags = header->flags,
    };
    scan->first_sequence = header->first_sequence;
    scan->ordinal = header->ordinal;
    if (header->synced_sequence > scan->synced_sequence)
        scan->synced_sequence = header->synced_sequence;
}

/* The frame at `position`, if there is one; gives its length, else 0. */
static enum rc look_at(struct reading *r, uint64_t position, struct scan *scan, uint32_t *ret_len)
{
    struct frame_header header;
    struct slice bytes;
    enum rc rc;

    *ret_len = 0;
    if (r->size < position + FRAME_HEADER)
        return RC_OK;
    rc = fetch(r, position, FRAME_HEADER, &bytes);
    if (rc != RC_OK)
        return rc;
    rc = frame_read_header(bytes, &header);
    if (rc == RC_VERSION)
        return rc;
    if (rc != RC_OK || header.segment != r->number || header.length > r->size - position)
        return RC_OK;
    rc = fetch(r, position, header.length, &bytes);
    if (rc != RC_OK)
        return rc;
    if (frame_check(bytes, &header) != RC_OK)
        return RC_OK;
    if (header.store_id != r->store_id) {
        scan->foreign++;
        return RC_OK;
    }
    keep(scan, &header, position);
    *ret_len = header.length;
    return RC_OK;
}

/* A block that nothing was ever written to, in a file written with zeros ahead. */
static bool is_zeros(const struct reading *r, uint64_t at)
{
    const uint8_t *block = r->chunk.at + (at - r->chunk_from);

    return at >= r->chunk_from && at + FRAME_ALIGN <= r->chunk_from + r->chunk_len &&
           block[0] == 0 && memcmp(block, block + 1, FRAME_ALIGN - 1) == 0;
}

/* Looks at a block here and there, all asked for at once. False also when one cannot be read: who
 * reads the whole will tell. */
static bool is_empty_from(const struct reading *r, uint64_t from)
{
    uint8_t block[FRAME_ALIGN];
    bool is_empty = true;

    for (uint64_t at = from; at < r->size; at += SAMPLE_BYTES)
        (void)posix_fadvise(r->fd, (off_t)at, FRAME_ALIGN, POSIX_FADV_WILLNEED); /* a hint */
    for (uint64_t at = from; at + FRAME_ALIGN <= r->size && is_empty; at += SAMPLE_BYTES)
        is_empty = file_read(r->fd, block, sizeof(block), at) == RC_OK && block[0] == 0 &&
                   memcmp(block, block + 1, sizeof(block) - 1) == 0;
    return is_empty;
}

/* Looks at one place where a frame may begin; gives the next one. */
static enum rc look(struct reading *r, uint64_t at, struct scan *scan, uint64_t *ret_next)
{
    uint32_t len;
    enum rc rc = look_at(r, at, scan, &len);

    if (rc == RC_OK && len == 0) {
        rc = look_at(r, at + PAGE_HEADER_1, scan, &len);
        len += len > 0 ? PAGE_HEADER_1 : 0;
    }
    *ret_next = at + (len == 0 ? FRAME_ALIGN : frame_room(len));
    return rc;
}

static int by_sequence(const void *left, const void *right)
{
    const struct found_frame *a = left, *b = right;

    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

enum rc scan_file(int fd, uint32_t number, uint64_t store_id, enum scan_extent extent,
                  struct scan *ret)
{
    struct reading r = { .fd = fd, .number = number, .store_id = store_id };
    struct scan scan = { 0 };
    struct stat stat;
    enum rc rc = RC_OK;

    if (fstat(fd, &stat) != 0)
        return rc_of_errno(errno);
    r.size = (uint64_t)stat.st_size;
    if (!mem_pages_try(&r.chunk, CHUNK_BYTES))
        return RC_MEMORY;
    for (uint64_t at = 0, next, zeros = 0; at < r.size && rc == RC_OK; at = next) {
        size_t count = scan.count;

        rc = look(&r, at, &scan, &next);
        zeros = scan.count == count && is_zeros(&r, at) ? zeros + FRAME_ALIGN : 0;
        if (extent == SCAN_TO_ZEROS && zeros == SCAN_ZEROS_BYTES && is_empty_from(&r, next))
            break;
    }
    mem_pages_free(&r.chunk);
    mem_pages_free(&r.whole);
    if (rc != RC_OK) {
        scan_done(&scan);
        return rc;
    }
    if (scan.count > 0)
        qsort(scan.frames, scan.count, sizeof(*scan.frames), by_sequence);
    *ret = scan;
    return RC_OK;
}

void scan_done(struct scan *scan)
{
    MEM_FREE(scan->frames);
    *scan = (struct scan){ 0 };
}

/* How many frames from `i` on are one whole commit; 0: none begins there, or its end is missing. */
static size_t commit_at(const struct scan *scan, size_t i)
{
    size_t n = 1;

    if (!(scan->frames[i].flags & FRAME_FIRST))
        return 0;
    while (!(scan->frames[i + n - 1].flags & FRAME_LAST)) {
        if (i + n == scan->count || scan->frames[i + n].flags & FRAME_FIRST ||
            scan->frames[i + n].sequence != scan->frames[i + n - 1].sequence + 1)
            return 0;
        n++;
    }
    return n;
}

unsigned scan_accept(struct scan *scan, uint64_t synced_sequence, uint64_t limit)
{
    uint64_t expected = scan->first_sequence;
    size_t kept = 0, n;
    unsigned gaps = 0;

    for (size_t i = 0; i < scan->count; i += n) {
        const struct found_frame *frame = &scan->frames[i];

        n = commit_at(scan, i);
        if (n == 0) {
            n = 1;
            continue;
        }
        if (frame->sequence < expected)
            continue;
        if (scan->frames[i + n - 1].sequence >= limit)
            break;
        if (frame->sequence != expected) {
            if (frame->sequence > synced_sequence)
                break;
            gaps++;
        }
        expected = scan->frames[i + n - 1].sequence + 1;
        memmove(&scan->frames[kept], frame, n * sizeof(*frame));
        kept += n;
    }
    scan->count = kept;
    return gaps;
}

uint64_t scan_end(const struct scan *scan)
{
    uint64_t end = 0;

    for (size_t i = 0; i < scan->count; i++) {
        uint64_t to = frame_room(scan->frames[i].position + scan->frames[i].length);

        if (to > end)
            end = to;
    }
    return end;
}

enum rc scan_read_frame(int fd, const struct found_frame *frame, uint8_t **ret)
{
    uint8_t *at = mem_try(frame->length);
    enum rc rc;

    if (at == NULL)
        return RC_MEMORY;
    rc = file_read(fd, at, frame->length, frame->position);
    if (rc != RC_OK) {
        mem_free(at);
        return rc;
    }
    *ret = at;
    return RC_OK;
}
