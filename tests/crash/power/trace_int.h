/* SPDX-License-Identifier: Apache-2.0 */
/* What the recorder's files share. Names are changed and noted under one lock. */
#ifndef TERCET_TESTS_CRASH_POWER_TRACE_INT_H
#define TERCET_TESTS_CRASH_POWER_TRACE_INT_H

#include <dlfcn.h>
#include <sys/stat.h>

#include "tests/crash/power/trace.h"

extern bool trace_is_on;

_Noreturn void trace_die(const char *what);
void trace_lock(void);
void trace_unlock(void);
uint64_t trace_ops(void);
/* Around a call that changes data and its note, so that a process is never killed between the two.
 */
void trace_enter(void);
void trace_leave(void);
/* Waits until nothing is under way, and lets nothing begin: before the end. */
void trace_stop(void);

/* Where a file lies below the root; false when it lies elsewhere. The root itself is "". */
bool trace_name_of_fd(int fd, char ret[TRACE_NAME_MAX]);
bool trace_name_at(int directory, const char *path, char ret[TRACE_NAME_MAX]);
/* A regular file below the root. */
bool trace_is_ours(int fd);

/* With the lock held. */
void trace_note(struct trace_op *op, const char *name, const char *to, const void *bytes);
/* The number of a file; `kind` (created or found) is noted when it was not known. */
uint32_t trace_number_of(const struct stat *stat, const char *name, enum trace_kind kind);
/* A name of it is gone; if that was the last, the inode may come again. */
void trace_forget(const struct stat *stat);
bool trace_file_of(int fd, uint32_t *ret);

/* Without it; errno stays. */
void trace_note_file(int fd, enum trace_kind kind, uint64_t at, uint64_t len);
void trace_note_unsupported(int fd, const char *what);

/* True when a call on this file is to fail; errno says how. */
bool trace_is_failing(int fd, enum fail_class class);
void *trace_next(void **at, const char *name);

/* Declares `real`: the C library's function of that name. */
#define REAL(name)                                  \
    static void *cached_at;                         \
    __typeof__(&name) real;                         \
    void *found_at = trace_next(&cached_at, #name); \
    memcpy(&real, &found_at, sizeof(real))

#endif
