/* SPDX-License-Identifier: Apache-2.0 */
/* What a process does to the files below one folder, noted in the order in which it happened.
 *
 * A trace is a file of ops: a header, then its names, then the bytes written. hooks.c makes it,
 * standing between a program and the C library, linked in or preloaded; disk.c reads it. Nothing of
 * the project is used here, so that it can be preloaded into any program. */
#ifndef TERCET_TESTS_CRASH_POWER_TRACE_H
#define TERCET_TESTS_CRASH_POWER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_kind {
    TRACE_CREATE,         /* name: a new file */
    TRACE_FOUND,          /* name: one that was there when the trace began */
    TRACE_LINK,           /* name: one more of an old file */
    TRACE_RENAME,         /* name, to */
    TRACE_UNLINK,         /* name */
    TRACE_MKDIR,          /* name */
    TRACE_RMDIR,          /* name */
    TRACE_WRITE,          /* inode, at, len, bytes unless is_zero */
    TRACE_SIZE,           /* inode, at: its length now */
    TRACE_ALLOCATE,       /* inode, at, len: longer, if it was shorter */
    TRACE_ZERO,           /* inode, at, len: zeros there, and not longer */
    TRACE_SYNC,           /* inode, covers */
    TRACE_SYNC_FAILED,    /* the same, but what was not on the device may never be */
    TRACE_SYNC_DIRECTORY, /* name, covers */
    TRACE_SYNC_ALL,       /* covers */
    TRACE_MAPPED,         /* inode: shared and writable, so that its content is anything */
    TRACE_UNSUPPORTED,    /* name: a call whose effect is not known here */
    TRACE_MARK,           /* bytes: the caller's */
};

struct trace_op {
    uint64_t at;
    uint64_t len;    /* of a range, or of the bytes that follow */
    uint64_t covers; /* of a sync: ops before this number were complete when it began */
    uint32_t inode;  /* the recorder's number */
    uint16_t kind;
    uint16_t name_len; /* of each name with its NUL; 0: none */
    uint16_t to_len;
    bool is_zero; /* all bytes are, and do not follow */
    bool is_sure; /* written through a descriptor that syncs */
};

#define TRACE_NAME_MAX 200

/* Notes from now on what happens below `root` (absolute, no link in it) in a new file `trace`.
 * The variables TERCET_POWER_ROOT and TERCET_POWER_TRACE begin the same in a preloaded program. */
void trace_begin(const char *root, const char *trace);
void trace_end(void);
void trace_mark(const void *bytes, size_t len);

/* ---- calls that fail (fail.c) ---- */

enum fail_class {
    FAIL_WRITE = 1,
    FAIL_ALLOCATE = 2,
    FAIL_SYNC = 4,
    FAIL_NAME = 8,   /* create, rename, link, unlink, mkdir */
    FAIL_OPEN = 16,  /* of what is there */
    FAIL_READ = 32,  /* pread */
    FAIL_MAP = 64,   /* mmap of a file */
    FAIL_SPACE = 15, /* what a full device refuses; a sync too, where blocks are found late */
    FAIL_ANY = 127,
};

enum fail_act {
    FAIL_ONCE,  /* that one call */
    FAIL_ON,    /* it and all after it, until fail_end() */
    FAIL_SHORT, /* that one writes half */
    FAIL_KILL,  /* SIGKILL instead of the call */
};

/* The n-th call (from 1) of these classes on files below the root fails with `error`.
 * TERCET_POWER_FAIL="classes:n:errno:act", in numbers, says the same to a preloaded program. */
void fail_begin(unsigned classes, unsigned n, int error, enum fail_act act);
void fail_end(void);
/* Calls of these classes since fail_begin(). */
unsigned fail_passed(void);

/* For hooks.c. What to do at a call: 0: go on; > 0: fail with it; FAIL_HALF. */
#define FAIL_HALF (-1)
int fail_at(enum fail_class class);

#endif
