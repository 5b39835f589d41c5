/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and entries: bytes to structs and back. Pure; the layout is drawn in format.h. */
#ifndef TERCET_STORAGE_LMDB_FRAME_H
#define TERCET_STORAGE_LMDB_FRAME_H

#include "broker/base/rc.h"
#include "broker/base/wire.h"
#include "storage/lmdb/format.h"

struct frame_header {
    uint16_t flags;
    uint32_t segment;
    uint32_t ordinal;
    uint64_t sequence;
    uint64_t first_sequence;
    uint64_t synced_sequence;
    int64_t time_ms;
    uint64_t store_id;
    uint32_t length;
    uint32_t entry_count;
};

struct entry_header {
    uint64_t hash;
    uint32_t log;
    uint32_t length;
    uint64_t base_offset;
    uint32_t record_count;
    uint8_t kind;
    int64_t max_timestamp_ms;
};

static inline size_t entry_room(size_t payload)
{
    return ENTRY_HEADER + ((payload + ENTRY_ALIGN - 1) & ~(size_t)(ENTRY_ALIGN - 1));
}

/* Bytes that a frame takes in the file. */
static inline uint64_t frame_room(uint64_t length)
{
    return (length + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

/* RC_MALFORMED: no frame begins here. RC_VERSION: a frame of a newer format. The checksum is not
 * looked at: a header alone proves nothing. */
MUST_CHECK enum rc frame_read_header(struct slice bytes, struct frame_header *ret);
/* `bytes` may go beyond the frame. RC_CORRUPT: a checksum, length or kind is wrong. */
MUST_CHECK enum rc frame_check(struct slice bytes, struct frame_header *ret);
/* A reader of the entries of a checked frame. */
static inline struct rd frame_entries(struct slice bytes, const struct frame_header *header)
{
    return rd_of(slice_of(bytes.at + FRAME_HEADER, header->length - FRAME_HEADER));
}

/* The next entry of a frame or of a run of entries read alone; checks its hash. Sets entries->bad
 * and returns false when it is not sound; false at the end. */
bool entry_next(struct rd *entries, uint32_t segment, struct entry_header *ret,
                struct slice *ret_payload);
/* The header alone, unchecked: to walk what was written by this process. */
bool entry_read_header(struct slice bytes, struct entry_header *ret);

/* Builds one frame in memory that is large enough (asserted). */
struct frame_builder {
    uint8_t *at; /* borrowed */
    size_t room;
    size_t len;
    uint64_t chain;
    uint32_t segment;
    uint32_t entry_count;
    size_t entry_at; /* of the entry being written */
};

void frame_begin(struct frame_builder *frame, void *at, size_t room, uint32_t segment);
/* The payload (header->length bytes) follows in any number of pieces; then frame_entry_end(). */
void frame_entry(struct frame_builder *frame, const struct entry_header *header);
void frame_payload(struct frame_builder *frame, struct slice bytes);
void frame_entry_end(struct frame_builder *frame);
/* Takes flags, numbers and time from `header`, fills in the rest, pads with zeros to the room. */
void frame_end(struct frame_builder *frame, const struct frame_header *header);
/* Makes a checked frame one of header->segment: its hashes and header anew, the rest in place. */
void frame_move(uint8_t *at, size_t room, const struct frame_header *header);

#endif
