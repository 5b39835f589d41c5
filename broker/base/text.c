/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/text.h"

#include <stdio.h>

#include "broker/base/mem.h"
#include "broker/base/wire.h"

#define TEXT_FIRST_BYTES 64

void text_done(struct text *t)
{
    mem_free(t->at);
    *t = (struct text){ 0 };
}

bool text_reserve(struct text *t, size_t n)
{
    size_t room = t->room == 0 ? TEXT_FIRST_BYTES : t->room;
    void *at;

    if (t->bad)
        return false;
    if (n <= t->room - t->len)
        return true;
    if (n > TEXT_MAX_BYTES - t->len) {
        t->bad = true;
        return false;
    }
    while (room - t->len < n)
        room *= 2;
    at = t->is_vital ? mem_resize(t->at, room) : mem_try_resize(t->at, room);
    if (at == NULL) {
        t->bad = true;
        return false;
    }
    t->at = at;
    t->room = room;
    return true;
}

void text_add(struct text *t, struct slice s)
{
    if (s.len == 0 || !text_reserve(t, s.len))
        return;
    memcpy(t->at + t->len, s.at, s.len);
    t->len += s.len;
}

void text_add_byte(struct text *t, uint8_t byte)
{
    text_add(t, slice_of(&byte, 1));
}

void text_add_u16(struct text *t, uint16_t v)
{
    uint8_t bytes[2] = { (uint8_t)(v >> 8), (uint8_t)v };

    text_add(t, slice_of(bytes, sizeof(bytes)));
}

void text_add_u32(struct text *t, uint32_t v)
{
    uint8_t bytes[4];

    put_u32(bytes, v);
    text_add(t, slice_of(bytes, sizeof(bytes)));
}

void text_add_u64(struct text *t, uint64_t v)
{
    uint8_t bytes[8];

    put_u64(bytes, v);
    text_add(t, slice_of(bytes, sizeof(bytes)));
}

void text_add_uvarint(struct text *t, uint64_t v)
{
    uint8_t bytes[10];
    struct wr w = wr_of(bytes, sizeof(bytes));

    wr_uvarint(&w, v);
    text_add(t, wr_slice(&w));
}

void text_add_varint(struct text *t, int64_t v)
{
    uint8_t bytes[10];
    struct wr w = wr_of(bytes, sizeof(bytes));

    wr_varint(&w, v);
    text_add(t, wr_slice(&w));
}

void text_format_list(struct text *t, const char *format, va_list list)
{
    va_list again;
    int need;

    va_copy(again, list);
    need = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (need < 0 || !text_reserve(t, (size_t)need + 1))
        return;
    (void)vsnprintf((char *)t->at + t->len, (size_t)need + 1, format, list);
    t->len += (size_t)need;
}

void text_format(struct text *t, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    text_format_list(t, format, list);
    va_end(list);
}

uint8_t *text_take(struct text *t, size_t *ret_len)
{
    uint8_t *at = t->at;

    *ret_len = t->len;
    *t = (struct text){ 0 };
    return at;
}
