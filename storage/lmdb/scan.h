/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the frames of a segment file by their checksums. */
#ifndef TERCET_STORAGE_LMDB_SCAN_H
#define TERCET_STORAGE_LMDB_SCAN_H

#include "storage/lmdb/frame.h"

struct found_frame {
    uint64_t sequence;
    uint64_t position; /* in the file */
    uint32_t length;
    uint16_t flags;
};

struct scan {
    struct found_frame *frames; /* owned; sound ones, by sequence */
    size_t count;
    size_t room;
    uint64_t first_sequence; /* what the frames say the segment began with */
    uint64_t synced_sequence;
    uint32_t ordinal;
    size_t foreign; /* sound frames of another store */
};

/* The whole range, however many reads that takes. RC_CORRUPT: the file ends before. */
MUST_CHECK enum rc file_read(int fd, uint8_t *at, size_t len, uint64_t from);
enum scan_extent {
    SCAN_ALL,
    /* Up to SCAN_ZEROS_BYTES of them with nothing behind, as far as a look here and there tells. */
    SCAN_TO_ZEROS,
};
#define SCAN_ZEROS_BYTES ((uint64_t)8 << 20)

/* Every frame of segment `number` of store `store_id` in that extent of the file whose checksum is
 * right. RC_VERSION: there is one of a newer format. RC_IO, RC_MEMORY. */
MUST_CHECK enum rc scan_file(int fd, uint32_t number, uint64_t store_id, enum scan_extent extent,
                             struct scan *ret);
void scan_done(struct scan *scan);
/* Keeps the frames of whole commits without gaps from the first on, below `limit`. A gap is passed
 * over while what follows was synced, for then it is damage and not a torn end; gives how many such
 * gaps there are. */
unsigned scan_accept(struct scan *scan, uint64_t synced_sequence, uint64_t limit);
/* Where the file is free behind its frames. */
uint64_t scan_end(const struct scan *scan);
/* Reads one frame whole; `ret` is owned by the caller. */
MUST_CHECK enum rc scan_read_frame(int fd, const struct found_frame *frame, uint8_t **ret);

#endif
