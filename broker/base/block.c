/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/block.h"

#include "broker/base/mem.h"

struct block *block_try(size_t len)
{
    struct block *b;

    if (len > SIZE_MAX - sizeof(*b))
        return NULL;
    b = mem_try(sizeof(*b) + len);
    if (b == NULL)
        return NULL;
    *b = (struct block){ .at = (uint8_t *)(b + 1), .len = len, .refs = 1 };
    return b;
}

struct block *block_try_resize(struct block *b, size_t len)
{
    struct block *moved;

    ASSERT(b->refs == 1 && b->on_free == NULL);
    if (len > SIZE_MAX - sizeof(*b))
        return NULL;
    moved = mem_try_resize(b, sizeof(*b) + len);
    if (moved == NULL)
        return NULL;
    moved->at = (uint8_t *)(moved + 1);
    moved->len = len;
    return moved;
}

struct block *block_around(struct slice bytes, block_free_fn *on_free, void *arg)
{
    struct block *b = mem_new(struct block);

    /* Blocks around a read-only map are never written: the pointer loses const only to share a
     * type. */
    *b = (struct block){ .at = (uint8_t *)(uintptr_t)bytes.at, .len = bytes.len, .refs = 1 };
    b->on_free = on_free;
    b->arg = arg;
    return b;
}

void block_unref(struct block **ref)
{
    struct block *b = *ref;

    *ref = NULL;
    if (b == NULL)
        return;
    ASSERT(b->refs > 0);
    if (--b->refs > 0)
        return;
    if (b->on_free != NULL)
        b->on_free(b->arg, b);
    mem_free(b);
}
