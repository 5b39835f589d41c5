/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: fixed sizes abort when there is none; sizes set by a peer or by load may fail. Any
 * thread. */
#ifndef TERCET_BROKER_BASE_MEM_H
#define TERCET_BROKER_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/base/slice.h"

/* A broken invariant is our bug: say where and stop, in every build. */
#define ASSERT(condition) \
    ((condition) ? (void)0 : assert_failed(__FILE__, __LINE__, __func__, #condition))

_Noreturn void assert_failed(const char *file, int line, const char *function, const char *what);

/* Zeroed memory of a size the program fixes; never NULL (aborts). Free with mem_free(). */
void *mem_zeroed(size_t size);
#define mem_new(type)          ((type *)mem_zeroed(sizeof(type)))
#define mem_new_array(type, n) ((type *)mem_zeroed_array((n), sizeof(type)))
void *mem_zeroed_array(size_t n, size_t size);

/* Uninitialised memory of a size set by a peer or by load: NULL when there is none, or when the
 * fault point "mem" says so. */
void *mem_try(size_t size);
/* Grows or shrinks; NULL leaves `at` as it was. */
void *mem_try_resize(void *at, size_t size);
/* Aborting forms of the two, for small sizes bounded by the program. */
void *mem_get(size_t size);
void *mem_resize(void *at, size_t size);
/* A copy of `s` with a NUL behind it (aborts); for names, whose length has a limit. */
char *mem_copy_text(struct slice s);

void mem_free(void *at);
/* Frees *at and sets it NULL. */
#define MEM_FREE(at) (mem_free(at), (at) = NULL)

/* Whole pages, for what a device reads or writes past the page cache. Long ones are huge pages
 * where the kernel has them: a few pieces for the device instead of one for each 4 KB, a third of
 * the processor time of a write of 1 MB. They go back to the kernel, not to the heap. */
struct mem_pages {
    uint8_t *at; /* owned; at the start of a page, and NULL when room is 0 */
    size_t room;
};
/* Makes room for `size` bytes at least; what was there is lost, new pages are zeroed. False: there
 * are none, or the fault point "mem" says so, and `pages` is empty. */
bool mem_pages_try(struct mem_pages *pages, size_t size);
void mem_pages_free(struct mem_pages *pages);

/* Bytes now held through this module, as malloc_usable_size tells. */
uint64_t mem_in_use_bytes(void);

#endif
