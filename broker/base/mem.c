/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "broker/base/fault.h"

static _Atomic int64_t in_use_bytes;

/* Counting each allocation in one shared atomic would cost every thread a contended line: a thread
 * gathers its changes and hands them over in pieces of this size. */
#define MEM_ACCOUNT_STEP_BYTES (64 * 1024)

static _Thread_local int64_t unreported_bytes;

static void account(int64_t bytes)
{
    unreported_bytes += bytes;
    if (unreported_bytes < MEM_ACCOUNT_STEP_BYTES && unreported_bytes > -MEM_ACCOUNT_STEP_BYTES)
        return;
    atomic_fetch_add_explicit(&in_use_bytes, unreported_bytes, memory_order_relaxed);
    unreported_bytes = 0;
}

static int64_t size_of(void *at)
{
    return (int64_t)malloc_usable_size(at);
}

_Noreturn void assert_failed(const char *file, int line, const char *function, const char *what)
{
    (void)fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, what);
    abort();
}

static void *counted(void *at)
{
    if (at != NULL)
        account(size_of(at));
    return at;
}

static void *or_abort(void *at)
{
    if (at == NULL)
        assert_failed(__FILE__, __LINE__, __func__, "memory for a fixed size");
    return at;
}

void *mem_zeroed(size_t size)
{
    return or_abort(counted(calloc(1, size)));
}

void *mem_zeroed_array(size_t n, size_t size)
{
    return or_abort(counted(calloc(n == 0 ? 1 : n, size)));
}

void *mem_try(size_t size)
{
    if (FAULT("mem"))
        return NULL;
    return counted(malloc(size == 0 ? 1 : size));
}

static void *resize(void *at, size_t size)
{
    int64_t before = at == NULL ? 0 : size_of(at);
    void *moved = realloc(at, size == 0 ? 1 : size);

    if (moved != NULL)
        account(size_of(moved) - before);
    return moved;
}

void *mem_try_resize(void *at, size_t size)
{
    return FAULT("mem") ? NULL : resize(at, size);
}

void *mem_get(size_t size)
{
    return or_abort(counted(malloc(size == 0 ? 1 : size)));
}

void *mem_resize(void *at, size_t size)
{
    return or_abort(resize(at, size));
}

char *mem_copy_text(struct slice s)
{
    char *copy = mem_get(s.len + 1);

    if (s.len > 0)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return copy;
}

void mem_free(void *at)
{
    if (at != NULL)
        account(-size_of(at));
    free(at);
}

/* ---- pages ---- */

#define PAGE_BYTES       ((size_t)4096)
#define HUGE_PAGE_BYTES  ((size_t)2 << 20)
#define HUGE_LEAST_BYTES (HUGE_PAGE_BYTES / 4) /* what gets a whole number of them */

/* A mapping of `size` bytes that begins at a multiple of `align`, or NULL. */
static uint8_t *map_aligned(size_t size, size_t align)
{
    size_t spare = align - PAGE_BYTES, before;
    uint8_t *at =
        mmap(NULL, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return NULL;
    before = (align - (uintptr_t)at % align) % align;
    if (before > 0)
        (void)munmap(at, before); /* what is not given back costs addresses alone */
    if (before < spare)
        (void)munmap(at + before + size, spare - before);
    return at + before;
}

bool mem_pages_try(struct mem_pages *pages, size_t size)
{
    size_t unit = size < HUGE_LEAST_BYTES ? PAGE_BYTES : HUGE_PAGE_BYTES;

    if (size <= pages->room)
        return true;
    mem_pages_free(pages);
    if (FAULT("mem") || size > SIZE_MAX - 2 * HUGE_PAGE_BYTES)
        return false;
    size = (size + unit - 1) / unit * unit;
    pages->at = map_aligned(size, unit);
    if (pages->at == NULL)
        return false;
    if (unit == HUGE_PAGE_BYTES)
        (void)madvise(pages->at, size, MADV_HUGEPAGE); /* small pages do as well */
    pages->room = size;
    account((int64_t)size);
    return true;
}

void mem_pages_free(struct mem_pages *pages)
{
    if (pages->room > 0)
        (void)munmap(pages->at, pages->room); /* fails for what is no mapping alone */
    account(-(int64_t)pages->room);
    *pages = (struct mem_pages){ 0 };
}

uint64_t mem_in_use_bytes(void)
{
    int64_t bytes = atomic_load_explicit(&in_use_bytes, memory_order_relaxed) + unreported_bytes;

    return bytes > 0 ? (uint64_t)bytes : 0;
}
