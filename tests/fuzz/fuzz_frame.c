/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes that a torn or foreign segment file may hold: frames, lone entries, packed indexes. */
#include "broker/base/mem.h"
#include "storage/lmdb/frame.h"
#include "storage/lmdb/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static enum rc on_row(void *arg, const struct segment_row *row)
{
    *(uint64_t *)arg += row->row.base_offset + row->log;
    return RC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct slice bytes = slice_of(at, len);
    struct frame_header header;
    struct entry_header entry;
    struct slice payload;
    uint64_t sum = 0;
    struct rd r;

    if (frame_check(bytes, &header) == RC_OK) {
        uint32_t count = 0;

        ASSERT(header.length <= len);
        r = frame_entries(bytes, &header);
        while (entry_next(&r, header.segment, &entry, &payload))
            count++;
        ASSERT(!r.bad && count == header.entry_count);
    }
    r = rd_of(bytes);
    while (entry_next(&r, 1, &entry, &payload))
        ASSERT(payload.at >= at && payload.at + payload.len <= at + len);
    (void)index_unpack(bytes, 1, on_row, &sum);
    return 0;
}
