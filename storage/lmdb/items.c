/* SPDX-License-Identifier: Apache-2.0 */
/* Items in slabs, each at a whole line of the processor's cache: those of one turn lie side by
 * side, and go together when the cache lets go of them. */
#include "storage/lmdb/format.h"
#include "storage/lmdb/store_int.h"

#define SLAB_ITEMS 32
#define ITEM_BYTES ((size_t)2 * SLOT_LINE)
/* Slabs with nothing in them that are kept: half a MB, some commits of small appends. */
#define EMPTY_KEEP 128

struct item_slab {
    struct link link;
    uint32_t free_mask;
    uint8_t *items; /* in the same memory, from the first whole line on */
};

static struct item *item_at(const struct item_slab *slab, unsigned place)
{
    return (struct item *)(void *)(slab->items + place * ITEM_BYTES);
}

/* The slab's address stands before its first item. */
static struct item_slab *slab_of(const struct item *item)
{
    const uint8_t *first = (const uint8_t *)item - item->place * ITEM_BYTES;

    return *(struct item_slab *const *)(const void *)(first - SLOT_LINE);
}

static struct item_slab *slab_new(void)
{
    struct item_slab *slab = mem_get(sizeof(*slab) + 2 * SLOT_LINE + SLAB_ITEMS * ITEM_BYTES);
    uint8_t *at = (uint8_t *)(slab + 1);

    at += (SLOT_LINE - (uintptr_t)at % SLOT_LINE) % SLOT_LINE;
    *(struct item_slab **)(void *)at = slab;
    *slab = (struct item_slab){ .free_mask = UINT32_MAX, .items = at + SLOT_LINE };
    return slab;
}

void item_slabs_init(struct item_slabs *slabs)
{
    list_init(&slabs->roomy);
    slabs->empty_count = 0;
}

void item_slabs_done(struct item_slabs *slabs)
{
    struct item_slab *slab;

    while ((slab = LIST_FIRST(&slabs->roomy, struct item_slab, link)) != NULL) {
        ASSERT(slab->free_mask == UINT32_MAX);
        link_remove(&slab->link);
        mem_free(slab);
    }
    slabs->empty_count = 0;
}

struct item *item_new(struct item_slabs *slabs)
{
    struct item_slab *slab = LIST_FIRST(&slabs->roomy, struct item_slab, link);
    struct item *item;
    unsigned place;

    if (slab == NULL) {
        slab = slab_new();
        list_append(&slabs->roomy, &slab->link);
    } else if (slab->free_mask == UINT32_MAX) {
        slabs->empty_count--;
    }
    place = (unsigned)__builtin_ctz(slab->free_mask);
    slab->free_mask &= slab->free_mask - 1;
    if (slab->free_mask == 0)
        link_remove(&slab->link);
    item = item_at(slab, place);
    *item = (struct item){ .place = (uint8_t)place };
    return item;
}

void item_free(struct item_slabs *slabs, struct item **ref)
{
    struct item *item = *ref;
    struct item_slab *slab = slab_of(item);

    *ref = NULL;
    ASSERT(!link_is_linked(&item->fresh));
    if (item->kind == ENTRY_DATA)
        block_unref(&item->entry.block);
    else
        mem_free(item->payload);
    if (slab->free_mask == 0)
        list_append(&slabs->roomy, &slab->link);
    slab->free_mask |= UINT32_C(1) << item->place;
    if (slab->free_mask != UINT32_MAX)
        return;
    if (slabs->empty_count >= EMPTY_KEEP) {
        link_remove(&slab->link);
        mem_free(slab);
    } else {
        slabs->empty_count++;
    }
}
