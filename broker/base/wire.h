/* SPDX-License-Identifier: Apache-2.0 */
/* The only way to read and write wire bytes: sticky bounds-checked reader and writer. Pure. */
#ifndef TERCET_BROKER_BASE_WIRE_H
#define TERCET_BROKER_BASE_WIRE_H

#include <stdbool.h>

#include "broker/base/slice.h"

/* After a failure `bad` stays set and every read gives zero, so one test at the end is enough. */
struct rd {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static inline struct rd rd_of(struct slice s)
{
    /* Never NULL: an empty run read from nothing is empty, not absent. */
    return (struct rd){ s.at == NULL ? (const uint8_t *)"" : s.at, s.len, false };
}

static inline const uint8_t *rd_take(struct rd *r, size_t n)
{
    const uint8_t *at = r->at;

    if (r->bad || n > r->left) {
        r->bad = true;
        return NULL;
    }
    r->at += n;
    r->left -= n;
    return at;
}

static inline struct slice rd_bytes(struct rd *r, size_t n)
{
    const uint8_t *at = rd_take(r, n);

    return at == NULL ? SLICE_NONE : slice_of(at, n);
}

/* All that is left. */
static inline struct slice rd_rest(struct rd *r)
{
    return rd_bytes(r, r->left);
}

static inline void rd_fail(struct rd *r)
{
    r->bad = true;
}

/* A reader of the next `n` bytes alone; `r` moves behind them. Bad when there are fewer. */
static inline struct rd rd_fence(struct rd *r, size_t n)
{
    struct slice inside = rd_bytes(r, n);
    struct rd fenced = rd_of(inside);

    fenced.bad = r->bad;
    return fenced;
}

/* Refuses a count of things, each at least `least` (> 0) bytes, that cannot fit in what is left. */
static inline size_t rd_count(struct rd *r, size_t count, size_t least)
{
    if (r->bad || count > r->left / least) {
        r->bad = true;
        return 0;
    }
    return count;
}

static inline uint8_t rd_u8(struct rd *r)
{
    const uint8_t *at = rd_take(r, 1);

    return at == NULL ? 0 : at[0];
}

static inline uint16_t rd_u16(struct rd *r)
{
    const uint8_t *at = rd_take(r, 2);

    return at == NULL ? 0 : (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint32_t rd_u32(struct rd *r)
{
    const uint8_t *at = rd_take(r, 4);

    return at == NULL ? 0 : get_u32(at);
}

static inline uint64_t rd_u64(struct rd *r)
{
    const uint8_t *at = rd_take(r, 8);

    return at == NULL ? 0 : (uint64_t)get_u32(at) << 32 | get_u32(at + 4);
}

static inline int8_t rd_i8(struct rd *r)
{
    return (int8_t)rd_u8(r);
}

static inline int16_t rd_i16(struct rd *r)
{
    return (int16_t)rd_u16(r);
}

static inline int32_t rd_i32(struct rd *r)
{
    return (int32_t)rd_u32(r);
}

static inline int64_t rd_i64(struct rd *r)
{
    return (int64_t)rd_u64(r);
}

/* Unsigned LEB128 of at most `max_bytes` bytes: 5 for 32 bits, which is Kafka's UNSIGNED_VARINT,
 * 10 for 64. What has more bits than that is bad. */
static inline uint64_t rd_uvarint(struct rd *r, unsigned max_bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < max_bytes; i++) {
        uint8_t byte = rd_u8(r);

        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) != 0)
            continue;
        if ((i == 4 && max_bytes == 5 && byte > 0x0f) || (i == 9 && byte > 0x01))
            r->bad = true;
        return r->bad ? 0 : value;
    }
    r->bad = true;
    return 0;
}

/* Zigzag varint of 64 bits: Kafka's VARINT and VARLONG. */
static inline int64_t rd_varint(struct rd *r)
{
    uint64_t value = rd_uvarint(r, 10);

    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* MQTT's variable byte integer (MQTT 5 1.5.5): at most 4 bytes, and no longer than needed. */
static inline uint32_t rd_varint4(struct rd *r)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 4; i++) {
        uint8_t byte = rd_u8(r);

        value |= (uint32_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            if (i > 0 && byte == 0)
                r->bad = true;
            return r->bad ? 0 : value;
        }
    }
    r->bad = true;
    return 0;
}

/* Writes to at..at+room, or only counts when `at` is NULL: an encoder runs twice, once to learn the
 * size and once to write, so no size function can disagree with it. Sticky like the reader. */
struct wr {
    uint8_t *at; /* start; NULL counts only */
    size_t room; /* bytes at `at`; ignored when counting */
    size_t len;  /* written, or counted, so far */
    bool bad;    /* did not fit */
};

static inline struct wr wr_of(void *at, size_t room)
{
    return (struct wr){ (uint8_t *)at, room, 0, false };
}

static inline struct wr wr_counting(void)
{
    return (struct wr){ NULL, 0, 0, false };
}

static inline struct slice wr_slice(const struct wr *w)
{
    return slice_of(w->at, w->len);
}

/* Room for `n` bytes to fill in, or NULL when counting or when it does not fit. */
static inline uint8_t *wr_take(struct wr *w, size_t n)
{
    uint8_t *at;

    if (w->at == NULL) {
        w->len += n;
        return NULL;
    }
    if (w->bad || n > w->room - w->len) {
        w->bad = true;
        return NULL;
    }
    at = w->at + w->len;
    w->len += n;
    return at;
}

static inline void wr_bytes(struct wr *w, struct slice s)
{
    uint8_t *to = wr_take(w, s.len);

    if (to != NULL && s.len > 0)
        memcpy(to, s.at, s.len);
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
    uint8_t *to = wr_take(w, 1);

    if (to != NULL)
        to[0] = v;
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
    uint8_t *to = wr_take(w, 2);

    if (to != NULL) {
        to[0] = (uint8_t)(v >> 8);
        to[1] = (uint8_t)v;
    }
}

static inline void put_u32(uint8_t *to, uint32_t v)
{
    to[0] = (uint8_t)(v >> 24);
    to[1] = (uint8_t)(v >> 16);
    to[2] = (uint8_t)(v >> 8);
    to[3] = (uint8_t)v;
}

static inline void put_u64(uint8_t *to, uint64_t v)
{
    put_u32(to, (uint32_t)(v >> 32));
    put_u32(to + 4, (uint32_t)v);
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
    uint8_t *to = wr_take(w, 4);

    if (to != NULL)
        put_u32(to, v);
}

static inline void wr_u64(struct wr *w, uint64_t v)
{
    uint8_t *to = wr_take(w, 8);

    if (to != NULL)
        put_u64(to, v);
}

static inline void wr_i8(struct wr *w, int8_t v)
{
    wr_u8(w, (uint8_t)v);
}

static inline void wr_i16(struct wr *w, int16_t v)
{
    wr_u16(w, (uint16_t)v);
}

static inline void wr_i32(struct wr *w, int32_t v)
{
    wr_u32(w, (uint32_t)v);
}

static inline void wr_i64(struct wr *w, int64_t v)
{
    wr_u64(w, (uint64_t)v);
}

/* One for each 7 bits that it takes. */
static inline size_t uvarint_bytes(uint64_t v)
{
    return (size_t)((64 - __builtin_clzll(v | 1)) * 9 + 64) >> 6;
}

static inline void wr_uvarint(struct wr *w, uint64_t v)
{
    uint8_t *to = wr_take(w, uvarint_bytes(v));

    if (to == NULL)
        return;
    for (; v >= 0x80; v >>= 7)
        *to++ = (uint8_t)(v | 0x80);
    *to = (uint8_t)v;
}

static inline void wr_varint(struct wr *w, int64_t v)
{
    wr_uvarint(w, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

#endif
