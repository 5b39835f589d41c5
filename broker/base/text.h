/* SPDX-License-Identifier: Apache-2.0 */
/* A growable run of bytes that we build: answers, log lines, encoded blocks. Grows to a limit. */
#ifndef TERCET_BROKER_BASE_TEXT_H
#define TERCET_BROKER_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>

#include "broker/base/slice.h"

struct text {
    uint8_t *at; /* owned; NULL when nothing was added yet */
    size_t len;
    size_t room;
    bool bad; /* memory failed or the limit was met: what came after is missing */
    /* Aborts where memory fails, as mem_new() does: for what must never be there in part. */
    bool is_vital;
};

/* The most that one text may hold: a message of the largest size and its wrapping. */
#define TEXT_MAX_BYTES ((size_t)1 << 30)

void text_done(struct text *t);
/* Empties it and keeps the memory. */
static inline void text_clear(struct text *t)
{
    t->len = 0;
    t->bad = false;
}
/* Room for at least `n` more bytes at t->at + t->len; false (and bad) when there is no memory. */
bool text_reserve(struct text *t, size_t n);
void text_add(struct text *t, struct slice s);
void text_add_byte(struct text *t, uint8_t byte);
void text_format(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_format_list(struct text *t, const char *format, va_list list)
    __attribute__((format(printf, 2, 0)));
/* Big-endian integers and varints, for building blocks without knowing their size. */
void text_add_u16(struct text *t, uint16_t v);
void text_add_u32(struct text *t, uint32_t v);
void text_add_u64(struct text *t, uint64_t v);
void text_add_uvarint(struct text *t, uint64_t v);
void text_add_varint(struct text *t, int64_t v);
static inline struct slice text_slice(const struct text *t)
{
    return slice_of(t->at == NULL ? (const uint8_t *)"" : t->at, t->len);
}
/* Gives the bytes away (free with mem_free) and empties the text. */
uint8_t *text_take(struct text *t, size_t *ret_len);

#endif
