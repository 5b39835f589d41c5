/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/slots.h"

#include "broker/base/mem.h"

#define PAGE_SHIFT 5
#define PART_SHIFT 16
#define PAGE_SLOTS (UINT32_C(1) << PAGE_SHIFT)
#define PART_PAGES (UINT32_C(1) << (PART_SHIFT - PAGE_SHIFT))

struct slots_part {
    uint32_t page_count;
    uint16_t taken[PART_PAGES]; /* slots of each page */
    uint8_t skip[PART_PAGES];   /* bytes of a page's memory before its first whole line */
    uint8_t *pages[PART_PAGES]; /* owned, that line; NULL: none is taken */
};

static uint32_t page_of(uint32_t number)
{
    return (number >> PAGE_SHIFT) & (PART_PAGES - 1);
}

static uint8_t *slot_in(const struct slots *slots, uint8_t *page, uint32_t number)
{
    return page + (size_t)(number & (PAGE_SLOTS - 1)) * slots->slot_bytes;
}

static uint32_t number_of(const uint8_t *slot)
{
    return *(const uint32_t *)(const void *)slot;
}

static struct slots_part *part_of(const struct slots *slots, uint32_t number)
{
    uint32_t i = number >> PART_SHIFT;

    return i < slots->part_count ? slots->parts[i] : NULL;
}

void slots_init(struct slots *slots, size_t slot_bytes)
{
    ASSERT(slot_bytes > 0 && slot_bytes % SLOT_LINE == 0);
    *slots = (struct slots){ .slot_bytes = (uint32_t)slot_bytes };
}

void slots_done(struct slots *slots)
{
    for (uint32_t i = 0; i < slots->part_count; i++)
        ASSERT(slots->parts[i] == NULL);
    mem_free(slots->parts);
    *slots = (struct slots){ .slot_bytes = slots->slot_bytes };
}

static uint8_t *place_of(const struct slots *slots, uint32_t number)
{
    const struct slots_part *part = part_of(slots, number);
    uint8_t *page = part == NULL ? NULL : part->pages[page_of(number)];

    return page == NULL ? NULL : slot_in(slots, page, number);
}

void slots_look(const struct slots *slots, uint32_t number)
{
    const uint8_t *slot = place_of(slots, number);

    if (slot == NULL)
        return;
    __builtin_prefetch(slot, 1);
    if (slots->slot_bytes > SLOT_LINE)
        __builtin_prefetch(slot + SLOT_LINE, 1);
}

void *slots_get(const struct slots *slots, uint32_t number)
{
    uint8_t *slot = place_of(slots, number);

    return slot == NULL || number_of(slot) == 0 ? NULL : slot;
}

static struct slots_part *part_make(struct slots *slots, uint32_t number)
{
    uint32_t i = number >> PART_SHIFT;

    if (i >= slots->part_count) {
        slots->parts = mem_resize(slots->parts, (i + 1) * sizeof(struct slots_part *));
        while (slots->part_count <= i)
            slots->parts[slots->part_count++] = NULL;
    }
    if (slots->parts[i] == NULL)
        slots->parts[i] = mem_new(struct slots_part);
    return slots->parts[i];
}

static void page_make(const struct slots *slots, struct slots_part *part, uint32_t i)
{
    uint8_t *memory = mem_zeroed((size_t)PAGE_SLOTS * slots->slot_bytes + SLOT_LINE);

    part->skip[i] = (uint8_t)((SLOT_LINE - (uintptr_t)memory % SLOT_LINE) % SLOT_LINE);
    part->pages[i] = memory + part->skip[i];
    part->page_count++;
}

void *slots_add(struct slots *slots, uint32_t number)
{
    struct slots_part *part = part_make(slots, number);
    uint32_t i = page_of(number);
    uint8_t *slot;

    ASSERT(number > 0);
    if (part->pages[i] == NULL)
        page_make(slots, part, i);
    slot = slot_in(slots, part->pages[i], number);
    ASSERT(number_of(slot) == 0);
    *(uint32_t *)(void *)slot = number;
    part->taken[i]++;
    return slot;
}

void slots_remove(struct slots *slots, uint32_t number)
{
    struct slots_part *part = part_of(slots, number);
    uint8_t *slot = slots_get(slots, number);
    uint32_t i = page_of(number);

    ASSERT(slot != NULL);
    memset(slot, 0, slots->slot_bytes);
    if (--part->taken[i] > 0)
        return;
    mem_free(part->pages[i] - part->skip[i]);
    part->pages[i] = NULL;
    if (--part->page_count > 0)
        return;
    mem_free(part);
    slots->parts[number >> PART_SHIFT] = NULL;
}

static void *next_in(const struct slots *slots, const struct slots_part *part, uint32_t from)
{
    for (uint32_t i = page_of(from); i < PART_PAGES; i++, from = 0) {
        for (uint32_t k = from & (PAGE_SLOTS - 1); part->taken[i] > 0 && k < PAGE_SLOTS; k++) {
            uint8_t *slot = part->pages[i] + (size_t)k * slots->slot_bytes;

            if (number_of(slot) != 0)
                return slot;
        }
    }
    return NULL;
}

void *slots_next(const struct slots *slots, uint32_t after)
{
    uint32_t from = after == UINT32_MAX ? 0 : after + 1;

    if (after == UINT32_MAX)
        return NULL;
    for (uint32_t i = from >> PART_SHIFT; i < slots->part_count; i++) {
        void *slot =
            slots->parts[i] == NULL ? NULL : next_in(slots, slots->parts[i], from & 0xffff);

        if (slot != NULL)
            return slot;
        from = 0;
    }
    return NULL;
}
