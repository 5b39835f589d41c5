/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing: the packed index that lets a segment be opened without reading its data. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/fault.h"
#include "storage/lmdb/store_int.h"

enum rc seal_file(int fd, bool is_synced, struct segment_row *rows, size_t count,
                  struct sealed *sealed)
{
    struct text index = { 0 };
    enum rc rc = RC_OK;

    index_pack(rows, count, sealed->number, &index);
    sealed->index_length = index.len;
    if (index.bad)
        rc = RC_MEMORY;
    else if (FAULT("store.write") ||
             pwrite(fd, index.at, index.len, (off_t)sealed->index_position) != (ssize_t)index.len)
        rc = RC_IO;
    if (rc == RC_OK && is_synced && (FAULT("store.sync") || fdatasync(fd) != 0))
        rc = RC_IO;
    text_done(&index);
    return rc;
}

enum rc seal_read(int fd, const struct sealed *sealed, index_visit_fn *visit, void *arg)
{
    size_t len = (size_t)sealed->index_length;
    uint8_t *at = mem_try(len);
    ssize_t done;
    enum rc rc;

    if (at == NULL)
        return RC_MEMORY;
    done = pread(fd, at, len, (off_t)sealed->index_position);
    if (done != (ssize_t)len)
        rc = done < 0 ? rc_of_errno(errno) : RC_CORRUPT;
    else
        rc = index_unpack(slice_of(at, len), sealed->number, visit, arg);
    mem_free(at);
    return rc;
}

void seal_trim(int fd, const struct sealed *sealed)
{
    (void)!ftruncate(fd, (off_t)(sealed->index_position + sealed->index_length));
}

enum rc seal_segment(struct segment *segment, bool is_synced, struct sealed *ret)
{
    *ret = (struct sealed){
        .number = segment->number,
        .ordinal = segment->ordinal,
        .first_sequence = segment->first_sequence,
        .last_sequence = segment->last_sequence,
        .index_position = segment->used,
    };
    return seal_file(segment->fd, is_synced, segment->rows, segment->row_count, ret);
}
