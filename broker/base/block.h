/* SPDX-License-Identifier: Apache-2.0 */
/* A reference-counted run of bytes shared by log, tail cache and sockets. Core thread only. */
#ifndef TERCET_BROKER_BASE_BLOCK_H
#define TERCET_BROKER_BASE_BLOCK_H

#include "broker/base/slice.h"

struct block;
typedef void block_free_fn(void *arg, struct block *block);

struct block {
    uint8_t
        *at; /* the bytes; in one allocation with the block, or elsewhere and freed by on_free */
    size_t len;
    unsigned refs;
    block_free_fn *on_free; /* NULL: the bytes lie behind the struct */
    void *arg;              /* borrowed by on_free */
};

/* A block with room for `len` bytes and one reference; NULL without memory. Any thread may make
 * one; references are counted by the core thread alone. */
struct block *block_try(size_t len);
/* Grows or shrinks a block of block_try() that has one reference; it may move, its bytes are kept
 * up to the smaller size. NULL without memory: `b` is as it was. */
struct block *block_try_resize(struct block *b, size_t len);
/* A block around bytes that live elsewhere; on_free(arg, block) is called at the last unref, before
 * the struct itself is freed. */
struct block *block_around(struct slice bytes, block_free_fn *on_free, void *arg);
static inline struct block *block_ref(struct block *b)
{
    b->refs++;
    return b;
}
/* Drops one reference and sets *b NULL. NULL is accepted. */
void block_unref(struct block **b);
static inline struct slice block_slice(const struct block *b)
{
    return slice_of(b->at, b->len);
}

#endif
