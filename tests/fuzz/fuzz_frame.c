/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes that a torn or foreign segment file may hold: frames, lone entries, packed indexes. */
#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "storage/lmdb/frame.h"
#include "storage/lmdb/index.h"
#include "storage/lmdb/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static enum rc on_row(void *arg, const struct segment_row *row)
{
    *(uint64_t *)arg += row->row.base_offset + row->log;
    return RC_OK;
}

/* The same bytes as an index whose header is right, so that its rows are reached. */
static void unpack_signed(struct slice bytes)
{
    uint8_t *at = mem_get(INDEX_HEADER + bytes.len);
    uint64_t sum = 0;

    put_u32(at, INDEX_MAGIC);
    put_u32(at + 4, (uint32_t)INDEX_VERSION << 16);
    put_u32(at + 8, 1);
    put_u32(at + 12, bytes.len > 0 ? bytes.at[0] : 0);
    put_u64(at + 16, INDEX_HEADER + bytes.len);
    if (bytes.len > 0)
        memcpy(at + INDEX_HEADER, bytes.at, bytes.len);
    put_u64(at + INDEX_SUM_AT, hash_checksum(slice_of(at, INDEX_SUM_AT), 1) ^
                                   hash_checksum(slice_of(at + INDEX_HEADER, bytes.len), 1));
    if (index_unpack(slice_of(at, INDEX_HEADER + bytes.len), 1, on_row, &sum) == RC_OK)
        ASSERT(bytes.len > 0 || sum == 0);
    mem_free(at);
}

/* Frames as a damaged file might give them: whatever is kept is whole commits that rise. */
static void accept_any(struct slice bytes)
{
    struct scan scan = { 0 };
    struct rd r = rd_of(bytes);
    uint64_t synced = rd_u8(&r), limit = rd_u8(&r), last = 0;

    scan.first_sequence = rd_u8(&r);
    scan.frames = mem_get((bytes.len + 1) * sizeof(*scan.frames));
    for (uint64_t sequence = 0; r.left >= 2; scan.count++) {
        sequence += rd_u8(&r) % 4;
        scan.frames[scan.count] =
            (struct found_frame){ .sequence = sequence, .flags = rd_u8(&r) % 4 };
    }
    (void)scan_accept(&scan, synced, limit);
    for (size_t i = 0; i < scan.count; i++) {
        const struct found_frame *frame = &scan.frames[i];
        bool is_start = i == 0 || scan.frames[i - 1].flags & FRAME_LAST;

        ASSERT(frame->sequence >= scan.first_sequence && frame->sequence < limit);
        ASSERT(is_start == ((frame->flags & FRAME_FIRST) != 0));
        ASSERT(i == 0 || frame->sequence > last);
        ASSERT(is_start || frame->sequence == last + 1);
        last = frame->sequence;
    }
    ASSERT(scan.count == 0 || scan.frames[scan.count - 1].flags & FRAME_LAST);
    scan_done(&scan);
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
    if (index_unpack(bytes, 1, on_row, &sum) == RC_OK)
        ASSERT(len >= INDEX_HEADER);
    unpack_signed(bytes);
    accept_any(bytes);
    return 0;
}
