/* SPDX-License-Identifier: Apache-2.0 */
/* The disk layout of the durable store, as tables. All integers are big-endian.
 *
 *   LOCK                flock()ed by the process that has the store open
 *   catalog.mdb         LMDB: the store's own facts, checkpointed meta tables, sealed segments
 *   catalog.new         the same while the store is made; removed when found
 *   seg/<number>.seg    one segment: frames, then its index; only ever appended to
 *   spare/<number>.seg  files of retired or unused segments, to be written over
 *
 * Segment: frames from the first byte on, each at a multiple of FRAME_ALIGN, so that a scan finds
 * them whatever is torn; behind the last one, written at sealing, the index. A segment that was not
 * closed in order gets no frame any more: it is sealed by the next open.
 * Format 1 had LMDB environments, <number>.mdb, whose frames lie PAGE_HEADER_1 behind such a place.
 * They are renamed at the first open by a newer tercetd, and read as they are.
 *
 * Frame: header, then entries, each starting at a multiple of 8; padded to FRAME_ALIGN with zeros
 *    0 magic:4  4 version:2  6 flags:2  8 segment:4  12 ordinal:4  16 sequence:8
 *   24 first sequence of the segment:8  32 last sequence known to be synced:8  40 wall time ms:8
 *   48 store id:8  56 length:4 (header and entries)  60 entry count:4  64 checksum:8
 * The checksum is over the first 64 bytes and the hashes of the entries.
 *
 * Entry: header, then payload
 *    0 hash:8  8 log:4 (0 for meta)  12 payload length:4  16 base offset:8
 *   24 record count:4  28 kind:1  29 zero:3  32 greatest timestamp ms:8
 * The hash is over all that follows it, payload included, seeded with the segment's number, so that
 * an entry can be checked alone and an entry of the file's former life is none.
 *   kind        base offset   count     payload
 *   DATA        of the first  records   whole record batches
 *   TRIM        the new start 0         -
 *   DROP        0             0         -
 *   META_PUT    0             0         name length:2 name value (name: the catalogue's key)
 *   META_DELETE 0             0         name length:2 name
 *
 * Index: header, then for each log in rising order: its number and row count, then its rows
 *    0 magic:4  4 version:2  6 zero:2  8 segment:4  12 log count:4  16 length:8  24 checksum:8
 *   uvarints: log - log before, rows; row: base - end before, count, position - end before
 *   (varint, in 8 bytes), payload length, timestamp - timestamp before (varint)
 *
 * Copies: a segment whose frames have FRAME_COPY holds entries of others once more, copied out of
 * segments that held little else, or compacted. They number their frames from 1 and have no
 * ordinal. One that the catalogue does not list never happened. One that it lists counts before all
 * that was there when it was made: an entry of an older segment whose offsets it covers is dead, as
 * is one of a copy with a lower number.
 *
 * Catalogue: keys start with a table number
 *   0x00 name           the store's facts: 8 bytes each: format, id, covered, sum (catalog_check.h)
 *   1..14 key           meta tables; value: 0 then the bytes, or 1, length:8, blob:8
 *   0xfc log:4          as a meta value: compacted below offset:8, a record is to go at ms:8
 *   0xfd segment:4      sealed: ordinal:4 first:8 last:8 index position:8 index length:8
 *                       is a copy:1 (since format 3)
 *   0xfe log:4          as a meta value: start offset:8
 *   0xff blob:8 piece:4 piece of a long value, at most BLOB_PIECE bytes
 *
 * A change of any of this raises STORE_FORMAT, keeps the old reader and brings a test on an old
 * file. */
#ifndef TERCET_STORAGE_LMDB_FORMAT_H
#define TERCET_STORAGE_LMDB_FORMAT_H

#include <stdint.h>

#define STORE_FORMAT 3

#define FRAME_MAGIC   UINT32_C(0x54465231) /* TFR1 */
#define FRAME_VERSION 1
#define FRAME_HEADER  72
#define FRAME_SUM_AT  64
/* A frame grows beyond it only for one long entry. */
#define FRAME_TARGET (((size_t)1 << 20) + 4096)

enum frame_flag {
    FRAME_FIRST = 1, /* of its commit */
    FRAME_LAST = 2,  /* a commit without its last frame never happened */
    FRAME_COPY = 4,  /* its entries were elsewhere before; see above */
};

#define ENTRY_HEADER    40
#define ENTRY_ALIGN     8
#define ENTRY_MAX_BYTES ((size_t)1 << 30)

enum entry_kind {
    ENTRY_DATA = 1,
    ENTRY_TRIM = 2,
    ENTRY_DROP = 3,
    ENTRY_META_PUT = 4,
    ENTRY_META_DELETE = 5,
};

#define INDEX_MAGIC   UINT32_C(0x54495831) /* TIX1 */
#define INDEX_VERSION 1
#define INDEX_HEADER  32
#define INDEX_SUM_AT  24

/* What devices want of a direct write's place, length and memory; no block is written twice. */
#define FRAME_ALIGN 4096
/* In a file of format 1, LMDB's page header stands before a frame. */
#define PAGE_HEADER_1 16

#define CATALOG_FACTS     0x00
#define CATALOG_COMPACTED 0xfc
#define CATALOG_SEGMENTS  0xfd
#define CATALOG_LOGS      0xfe
#define CATALOG_BLOBS     0xff
/* One page each, so that freeing them never makes LMDB search for runs of free pages. */
#define BLOB_PIECE 4000
/* Longer values go to pieces: the longest key and this fit LMDB's limit for values in a leaf. */
#define VALUE_INLINE_MAX 1500

#endif
