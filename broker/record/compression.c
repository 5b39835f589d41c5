/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record/compression.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "broker/base/mem.h"
#include "broker/base/wire.h"

/* Output grows by at least this, then doubles. */
#define GROW_BYTES ((size_t)16 << 10)
/* windowBits for zlib: 15, and 16 more for a gzip wrapper and nothing else. */
#define GZIP_WINDOW_BITS  (15 + 16)
#define GZIP_MEMORY_LEVEL 8
/* A snappy element of three bytes gives at most 64: a declared size beyond this ratio is a lie. */
#define SNAPPY_MAX_RATIO 22
/* snappy-java: magic, version, lowest version that can read it, then blocks each with its size. */
#define XERIAL_MAGIC       SLICE("\x82SNAPPY\0")
#define XERIAL_VERSION     1
#define XERIAL_BLOCK_BYTES ((size_t)32 << 10)
/* What zstd is first given room for, per packed byte. */
#define ZSTD_FIRST_RATIO 4

static const char *const names[COMPRESSION_COUNT] = {
    [COMPRESSION_NONE] = "none", [COMPRESSION_GZIP] = "gzip", [COMPRESSION_SNAPPY] = "snappy",
    [COMPRESSION_LZ4] = "lz4",   [COMPRESSION_ZSTD] = "zstd",
};

const char *compression_name(enum compression compression)
{
    return (unsigned)compression < COMPRESSION_COUNT ? names[compression] : "unknown";
}

/* Room behind what is there: what the text has, or more, but never beyond max_bytes in all. */
static enum rc more_room(struct text *t, size_t max_bytes, size_t *ret)
{
    size_t left = max_bytes - t->len;
    size_t want = t->len < GROW_BYTES ? GROW_BYTES : t->len;

    if (left == 0)
        return RC_TOO_LARGE;
    if (t->room == t->len && !text_reserve(t, want < left ? want : left))
        return RC_MEMORY;
    *ret = t->room - t->len < left ? t->room - t->len : left;
    return RC_OK;
}

static uInt zlib_count(size_t n)
{
    return n < UINT32_MAX ? (uInt)n : UINT32_MAX;
}

/* One more byte would have come out: tells a stream that ends exactly at the limit from one that
 * goes on. */
static enum rc gzip_ends_here(z_stream *z)
{
    uint8_t byte;
    int status;

    z->next_out = &byte;
    z->avail_out = 1;
    status = inflate(z, Z_NO_FLUSH);
    if (z->avail_out == 0)
        return RC_TOO_LARGE;
    return status == Z_STREAM_END ? RC_OK : RC_MALFORMED;
}

/* One gzip member, whole. */
static enum rc gzip_member(z_stream *z, size_t max_bytes, struct text *ret)
{
    for (;;) {
        size_t room;
        int status;
        enum rc rc = more_room(ret, max_bytes, &room);

        if (rc == RC_TOO_LARGE)
            return gzip_ends_here(z);
        if (rc != RC_OK)
            return rc;
        z->next_out = ret->at + ret->len;
        z->avail_out = zlib_count(room);
        status = inflate(z, Z_NO_FLUSH);
        ret->len = (size_t)(z->next_out - ret->at);
        if (status == Z_STREAM_END)
            return RC_OK;
        if (status == Z_MEM_ERROR)
            return RC_MEMORY;
        if (status != Z_OK || (z->avail_in == 0 && z->avail_out > 0))
            return RC_MALFORMED;
    }
}

static enum rc gzip_inflate(struct slice packed, size_t max_bytes, struct text *ret)
{
    z_stream z = { 0 };
    enum rc rc = RC_OK;

    if (packed.len > UINT32_MAX)
        return RC_TOO_LARGE;
    if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK)
        return RC_MEMORY;
    z.next_in = (Bytef *)(uintptr_t)packed.at; /* zlib only reads it */
    z.avail_in = (uInt)packed.len;
    do {
        rc = gzip_member(&z, max_bytes, ret);
        if (rc == RC_OK && z.avail_in > 0 && inflateReset(&z) != Z_OK)
            rc = RC_MALFORMED;
    } while (rc == RC_OK && z.avail_in > 0);
    (void)inflateEnd(&z); /* only frees */
    return rc;
}

static enum rc gzip_deflate(struct slice plain, struct text *ret)
{
    z_stream z = { 0 };
    enum rc rc = RC_MEMORY;

    if (plain.len > UINT32_MAX)
        return RC_TOO_LARGE;
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return RC_MEMORY;
    if (text_reserve(ret, deflateBound(&z, plain.len))) {
        z.next_in = (Bytef *)(uintptr_t)plain.at;
        z.avail_in = (uInt)plain.len;
        z.next_out = ret->at;
        z.avail_out = zlib_count(ret->room);
        if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
            ret->len = (size_t)(z.next_out - ret->at);
            rc = RC_OK;
        }
    }
    (void)deflateEnd(&z); /* only frees */
    return rc;
}

/* One raw snappy block, appended. */
static enum rc snappy_block(struct slice packed, size_t max_bytes, struct text *ret)
{
    size_t len;

    if (snappy_uncompressed_length((const char *)packed.at, packed.len, &len) != SNAPPY_OK)
        return RC_MALFORMED;
    if (len / SNAPPY_MAX_RATIO > packed.len)
        return RC_MALFORMED;
    if (len > max_bytes - ret->len)
        return RC_TOO_LARGE;
    /* Snappy wants a place to write to, also for nothing. */
    if (!text_reserve(ret, len + 1))
        return RC_MEMORY;
    if (snappy_uncompress((const char *)packed.at, packed.len, (char *)ret->at + ret->len, &len) !=
        SNAPPY_OK)
        return RC_MALFORMED;
    ret->len += len;
    return RC_OK;
}

/* Behind the magic: versions, then blocks; streams may follow each other. */
static enum rc snappy_framed(struct slice packed, size_t max_bytes, struct text *ret)
{
    struct rd r = rd_of(packed);
    enum rc rc = RC_OK;

    while (rc == RC_OK && r.left > 0) {
        struct slice rest = slice_of(r.at, r.left);

        if (slice_starts(rest, XERIAL_MAGIC)) {
            (void)rd_bytes(&r, XERIAL_MAGIC.len);
            (void)rd_u32(&r); /* the writer's version: only the next one binds */
            if (rd_u32(&r) > XERIAL_VERSION)
                rd_fail(&r);
        } else {
            struct slice block = rd_bytes(&r, rd_u32(&r));

            if (!r.bad)
                rc = snappy_block(block, max_bytes, ret);
        }
        if (r.bad)
            rc = RC_MALFORMED;
    }
    return rc;
}

static enum rc snappy_inflate(struct slice packed, size_t max_bytes, struct text *ret)
{
    return slice_starts(packed, XERIAL_MAGIC) ? snappy_framed(packed, max_bytes, ret)
                                              : snappy_block(packed, max_bytes, ret);
}

static enum rc snappy_deflate(struct slice plain, struct text *ret)
{
    text_add(ret, XERIAL_MAGIC);
    text_add_u32(ret, XERIAL_VERSION);
    text_add_u32(ret, XERIAL_VERSION);
    while (plain.len > 0) {
        size_t n = plain.len < XERIAL_BLOCK_BYTES ? plain.len : XERIAL_BLOCK_BYTES;
        size_t len = snappy_max_compressed_length(n);
        uint8_t *at;

        if (!text_reserve(ret, sizeof(uint32_t) + len))
            return RC_MEMORY;
        at = ret->at + ret->len;
        if (snappy_compress((const char *)plain.at, n, (char *)at + sizeof(uint32_t), &len) !=
            SNAPPY_OK)
            return RC_MEMORY;
        put_u32(at, (uint32_t)len);
        ret->len += sizeof(uint32_t) + len;
        plain = slice_after(plain, n);
    }
    return ret->bad ? RC_MEMORY : RC_OK;
}

/* Feeds what is left of `packed` until it is used up at the end of a frame. */
static enum rc lz4_frames(LZ4F_dctx *lz4, struct slice packed, size_t max_bytes, struct text *ret)
{
    size_t hint = 1;

    while (packed.len > 0 || hint != 0) {
        uint8_t extra;
        size_t taken = packed.len;
        size_t room;
        size_t given;
        enum rc rc = more_room(ret, max_bytes, &room);

        if (rc != RC_OK && rc != RC_TOO_LARGE)
            return rc;
        /* At the limit, one byte of room tells whether the frame goes on or only ends. */
        given = rc == RC_OK ? room : 1;
        hint = LZ4F_decompress(lz4, rc == RC_OK ? ret->at + ret->len : &extra, &given, packed.at,
                               &taken, NULL);
        if (LZ4F_isError(hint))
            return RC_MALFORMED;
        if (rc == RC_TOO_LARGE && given > 0)
            return RC_TOO_LARGE;
        if (taken == 0 && given == 0)
            return RC_MALFORMED; /* cut off */
        ret->len += given;
        packed = slice_after(packed, taken);
    }
    return RC_OK;
}

static enum rc lz4_inflate(struct slice packed, size_t max_bytes, struct text *ret)
{
    LZ4F_dctx *lz4 = NULL;
    enum rc rc;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION)))
        return RC_MEMORY;
    rc = lz4_frames(lz4, packed, max_bytes, ret);
    (void)LZ4F_freeDecompressionContext(lz4); /* only frees */
    return rc;
}

static enum rc lz4_deflate(struct slice plain, struct text *ret)
{
    LZ4F_preferences_t wishes = LZ4F_INIT_PREFERENCES;
    size_t len;

    /* Kafka's Java reader knows no linked blocks. */
    wishes.frameInfo.blockMode = LZ4F_blockIndependent;
    wishes.frameInfo.blockSizeID = LZ4F_max64KB;
    if (!text_reserve(ret, LZ4F_compressFrameBound(plain.len, &wishes)))
        return RC_MEMORY;
    len = LZ4F_compressFrame(ret->at, ret->room, plain.at, plain.len, &wishes);
    if (LZ4F_isError(len))
        return RC_MEMORY;
    ret->len = len;
    return RC_OK;
}

/* In one piece: streaming would take memory for whatever window a frame declares. A declared
 * content size is only a hint where to begin. */
static enum rc zstd_inflate(struct slice packed, size_t max_bytes, struct text *ret)
{
    size_t room =
        GROW_BYTES +
        (packed.len < max_bytes / ZSTD_FIRST_RATIO ? packed.len * ZSTD_FIRST_RATIO : max_bytes);

    if (packed.len == 0)
        return RC_MALFORMED;
    for (;;) {
        size_t len;

        if (room > max_bytes)
            room = max_bytes;
        if (!text_reserve(ret, room + 1))
            return RC_MEMORY;
        len = ZSTD_decompress(ret->at, room, packed.at, packed.len);
        if (!ZSTD_isError(len)) {
            ret->len = len;
            return RC_OK;
        }
        if (ZSTD_getErrorCode(len) == ZSTD_error_memory_allocation)
            return RC_MEMORY;
        if (ZSTD_getErrorCode(len) != ZSTD_error_dstSize_tooSmall)
            return RC_MALFORMED;
        if (room == max_bytes)
            return RC_TOO_LARGE;
        room = room > max_bytes / ZSTD_FIRST_RATIO ? max_bytes : room * ZSTD_FIRST_RATIO;
    }
}

static enum rc zstd_deflate(struct slice plain, struct text *ret)
{
    size_t len;

    if (!text_reserve(ret, ZSTD_compressBound(plain.len)))
        return RC_MEMORY;
    len = ZSTD_compress(ret->at, ret->room, plain.at, plain.len, ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(len))
        return RC_MEMORY;
    ret->len = len;
    return RC_OK;
}

static enum rc plain_inflate(struct slice packed, size_t max_bytes, struct text *ret)
{
    if (packed.len > max_bytes)
        return RC_TOO_LARGE;
    text_add(ret, packed);
    return ret->bad ? RC_MEMORY : RC_OK;
}

static enum rc plain_deflate(struct slice plain, struct text *ret)
{
    text_add(ret, plain);
    return ret->bad ? RC_MEMORY : RC_OK;
}

static const struct codec {
    enum rc (*inflate)(struct slice packed, size_t max_bytes, struct text *ret);
    enum rc (*deflate)(struct slice plain, struct text *ret);
} codecs[COMPRESSION_COUNT] = {
    [COMPRESSION_NONE] = { plain_inflate, plain_deflate },
    [COMPRESSION_GZIP] = { gzip_inflate, gzip_deflate },
    [COMPRESSION_SNAPPY] = { snappy_inflate, snappy_deflate },
    [COMPRESSION_LZ4] = { lz4_inflate, lz4_deflate },
    [COMPRESSION_ZSTD] = { zstd_inflate, zstd_deflate },
};

enum rc compression_inflate(enum compression compression, struct slice packed, size_t max_bytes,
                            struct text *ret)
{
    ASSERT((unsigned)compression < COMPRESSION_COUNT && max_bytes < TEXT_MAX_BYTES);
    text_clear(ret);
    return codecs[compression].inflate(packed, max_bytes, ret);
}

enum rc compression_deflate(enum compression compression, struct slice plain, struct text *ret)
{
    ASSERT((unsigned)compression < COMPRESSION_COUNT);
    text_clear(ret);
    return codecs[compression].deflate(plain, ret);
}
