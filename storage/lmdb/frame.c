/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/lmdb/frame.h"

#include "broker/base/hash.h"
#include "broker/base/mem.h"

_Static_assert(FRAME_SUM_AT + 8 == FRAME_HEADER, "the checksum ends the header");
_Static_assert(FRAME_HEADER % ENTRY_ALIGN == 0 && ENTRY_HEADER % ENTRY_ALIGN == 0,
               "entries stay aligned");

static uint64_t chain_add(uint64_t chain, uint64_t hash)
{
    chain = (chain + hash) * UINT64_C(0x9e3779b97f4a7c15);
    return chain ^ chain >> 32;
}

enum rc frame_read_header(struct slice bytes, struct frame_header *ret)
{
    struct rd r = rd_of(bytes);
    struct frame_header header;
    uint32_t magic = rd_u32(&r);
    uint16_t version = rd_u16(&r);

    header.flags = rd_u16(&r);
    header.segment = rd_u32(&r);
    header.ordinal = rd_u32(&r);
    header.sequence = rd_u64(&r);
    header.first_sequence = rd_u64(&r);
    header.synced_sequence = rd_u64(&r);
    header.time_ms = rd_i64(&r);
    header.store_id = rd_u64(&r);
    header.length = rd_u32(&r);
    header.entry_count = rd_u32(&r);
    (void)rd_u64(&r); /* the checksum, when the entries are read */
    if (r.bad || magic != FRAME_MAGIC)
        return RC_MALFORMED;
    if (version > FRAME_VERSION)
        return RC_VERSION;
    if (version == 0 || header.length < FRAME_HEADER ||
        header.entry_count > (header.length - FRAME_HEADER) / ENTRY_HEADER)
        return RC_MALFORMED;
    *ret = header;
    return RC_OK;
}

bool entry_read_header(struct slice bytes, struct entry_header *ret)
{
    struct rd r = rd_of(bytes);

    ret->hash = rd_u64(&r);
    ret->log = rd_u32(&r);
    ret->length = rd_u32(&r);
    ret->base_offset = rd_u64(&r);
    ret->record_count = rd_u32(&r);
    ret->kind = rd_u8(&r);
    (void)rd_take(&r, 3);
    ret->max_timestamp_ms = rd_i64(&r);
    return !r.bad;
}

bool entry_next(struct rd *entries, uint32_t segment, struct entry_header *ret,
                struct slice *ret_payload)
{
    struct entry_header header;
    const uint8_t *at;

    if (entries->bad || entries->left == 0)
        return false;
    at = rd_take(entries, ENTRY_HEADER);
    if (at == NULL || !entry_read_header(slice_of(at, ENTRY_HEADER), &header))
        return false;
    if (rd_take(entries, entry_room(header.length) - ENTRY_HEADER) == NULL)
        return false;
    if (header.kind < ENTRY_DATA || header.kind > ENTRY_META_DELETE ||
        hash_checksum(slice_of(at + 8, ENTRY_HEADER - 8 + (size_t)header.length), segment) !=
            header.hash) {
        rd_fail(entries);
        return false;
    }
    *ret = header;
    *ret_payload = slice_of(at + ENTRY_HEADER, header.length);
    return true;
}

enum rc frame_check(struct slice bytes, struct frame_header *ret)
{
    struct frame_header header;
    struct entry_header entry;
    struct slice payload;
    struct rd entries, sum;
    uint64_t chain = 0;
    uint32_t count = 0;
    enum rc rc = frame_read_header(bytes, &header);

    if (rc != RC_OK)
        return rc;
    if (header.length > bytes.len)
        return RC_CORRUPT;
    entries = frame_entries(bytes, &header);
    while (entry_next(&entries, header.segment, &entry, &payload)) {
        chain = chain_add(chain, entry.hash);
        count++;
    }
    sum = rd_of(slice_of(bytes.at + FRAME_SUM_AT, 8));
    chain = chain_add(hash_checksum(slice_of(bytes.at, FRAME_SUM_AT), header.segment), chain);
    if (entries.bad || count != header.entry_count || rd_u64(&sum) != chain)
        return RC_CORRUPT;
    *ret = header;
    return RC_OK;
}

void frame_begin(struct frame_builder *frame, void *at, size_t room, uint32_t segment)
{
    ASSERT(room >= FRAME_HEADER);
    *frame = (struct frame_builder){ .at = at, .room = room, .len = FRAME_HEADER };
    frame->segment = segment;
}

void frame_entry(struct frame_builder *frame, const struct entry_header *header)
{
    uint8_t *at = frame->at + frame->len;

    ASSERT(frame->room - frame->len >= entry_room(header->length));
    frame->entry_at = frame->len;
    put_u32(at + 8, header->log);
    put_u32(at + 12, header->length);
    put_u64(at + 16, header->base_offset);
    put_u32(at + 24, header->record_count);
    put_u32(at + 28, (uint32_t)header->kind << 24);
    put_u64(at + 32, (uint64_t)header->max_timestamp_ms);
    frame->len += ENTRY_HEADER;
    frame->entry_count++;
}

void frame_payload(struct frame_builder *frame, struct slice bytes)
{
    ASSERT(frame->room - frame->len >= bytes.len);
    if (bytes.len > 0)
        memcpy(frame->at + frame->len, bytes.at, bytes.len);
    frame->len += bytes.len;
}

void frame_entry_end(struct frame_builder *frame)
{
    uint8_t *at = frame->at + frame->entry_at;
    uint64_t hash =
        hash_checksum(slice_of(at + 8, frame->len - frame->entry_at - 8), frame->segment);

    put_u64(at, hash);
    frame->chain = chain_add(frame->chain, hash);
    while (frame->len % ENTRY_ALIGN != 0)
        frame->at[frame->len++] = 0;
    ASSERT(frame->len <= frame->room);
}

void frame_end(struct frame_builder *frame, const struct frame_header *header)
{
    uint8_t *at = frame->at;

    ASSERT(frame->len <= UINT32_MAX);
    put_u32(at, FRAME_MAGIC);
    put_u32(at + 4, (uint32_t)FRAME_VERSION << 16 | header->flags);
    put_u32(at + 8, frame->segment);
    put_u32(at + 12, header->ordinal);
    put_u64(at + 16, header->sequence);
    put_u64(at + 24, header->first_sequence);
    put_u64(at + 32, header->synced_sequence);
    put_u64(at + 40, (uint64_t)header->time_ms);
    put_u64(at + 48, header->store_id);
    put_u32(at + 56, (uint32_t)frame->len);
    put_u32(at + 60, frame->entry_count);
    put_u64(at + FRAME_SUM_AT,
            chain_add(hash_checksum(slice_of(at, FRAME_SUM_AT), frame->segment), frame->chain));
    memset(at + frame->len, 0, frame->room - frame->len);
}

void frame_move(uint8_t *at, size_t room, const struct frame_header *header)
{
    struct frame_builder frame = { .at = at, .room = room, .len = header->length };
    size_t entry_at = FRAME_HEADER;
    struct entry_header entry;

    frame.segment = header->segment;
    frame.entry_count = header->entry_count;
    for (uint32_t i = 0; i < header->entry_count; i++) {
        uint8_t *e = at + entry_at;
        bool is_whole = entry_read_header(slice_of(e, ENTRY_HEADER), &entry);
        uint64_t hash;

        ASSERT(is_whole && header->length - entry_at >= entry_room(entry.length));
        hash = hash_checksum(slice_of(e + 8, ENTRY_HEADER - 8 + (size_t)entry.length),
                             header->segment);
        put_u64(e, hash);
        frame.chain = chain_add(frame.chain, hash);
        entry_at += entry_room(entry.length);
    }
    frame_end(&frame, header);
}
