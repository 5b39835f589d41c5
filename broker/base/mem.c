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

/* A huge page, and from which size on a whole number of them is taken. */
#define HUGE_PAGE_BYTES  ((size_t)2 << 20)
#define HUGE_LEAST_BYTES (HUGE_PAGE_BYTES / 4)

static _Thread_local int64_t unreported_bytes;

static void account(int64_t bytes)
{
    unreported_bytes += bytes;
    if (unreported_bytes < MEM_ACCOUNT_STEP_BYTES && unreported_bytes > -MEM_ACCOUNT_STEP_BYTES)
        return;
    atomic_fetch_add_explicit(&in_use_bytes, unreported_bytes, memory_order_relaxed);
    unreported_bytes = 0;
}

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
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

void *mem_try_device(size_t size)
{
    size_t align = size >= HUGE_LEAST_BYTES ? HUGE_PAGE_BYTES : MEM_DEVICE_ALIGN;
    void *at;

    if (FAULT("mem") || size > SIZE_MAX - align)
        return NULL;
    size = round_up(size == 0 ? 1 : size, align);
    at = aligned_alloc(align, size);
    if (at != NULL && align == HUGE_PAGE_BYTES)
        (void)madvise(at, size, MADV_HUGEPAGE); /* advice: small pages do as well */
    return counted(at);
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

uint64_t mem_in_use_bytes(void)
{
    int64_t bytes = atomic_load_explicit(&in_use_bytes, memory_order_relaxed) + unreported_bytes;

    return bytes > 0 ? (uint64_t)bytes : 0;
}
