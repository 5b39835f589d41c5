/* SPDX-License-Identifier: Apache-2.0 */
/* A disk as a trace leaves it: what is sure, what was written and not synced, and what the disk may
 * hold when the power goes now.
 *
 * Of each file everything that was complete before its last sync is there; of later writes nothing,
 * all, or a random part of their sectors; its length likewise. Names are kept apart from files: a
 * new, renamed or removed name is sure when a folder of it was synced, in some images only then
 * (any part of the names after it), in others in order, as a journal keeps them. What was not on
 * the device when a sync failed may be lost for ever: a later sync that succeeds does not cover it.
 */
#ifndef TERCET_TESTS_CRASH_POWER_DISK_H
#define TERCET_TESTS_CRASH_POWER_DISK_H

#include "tests/crash/power/trace.h"

struct trace_view {
    const uint8_t *at; /* owned: mapped */
    size_t len;
    size_t offset; /* of the next op */
};

/* An op where it lies in the trace. */
struct trace_item {
    struct trace_op op;
    const char *name; /* borrowed from the view, as the next two */
    const char *to;
    const uint8_t *bytes;
    size_t end; /* offset behind it */
};

/* Ends the program when the file cannot be read or is damaged. */
void trace_view_open(struct trace_view *view, const char *path);
void trace_view_close(struct trace_view *view);
/* False at the end, and where an op was cut off. */
bool trace_view_next(struct trace_view *view, struct trace_item *ret);

struct disk;

/* What lies in `folder` is on the device. NULL: an empty disk. */
struct disk *disk_new(const char *folder);
void disk_free(struct disk **disk);
/* Another process goes on with the same files: a trace of its own follows. */
void disk_next_trace(struct disk *disk);
/* The item's view must stay open as long as the disk. */
void disk_apply(struct disk *disk, const struct trace_item *item);
/* How many ops were applied, and the first that wrote more than zeros and is not sure to be there.
 */
uint64_t disk_op_count(const struct disk *disk);
uint64_t disk_oldest_unsure(const struct disk *disk);

/* Calls on_name for each file, and how long it is if all that is unsure is there. */
typedef void disk_name_fn(void *arg, const char *name, size_t len);
void disk_each(const struct disk *disk, disk_name_fn *on_name, void *arg);

enum disk_cut {
    DISK_RANDOM,  /* any of the styles below, and part of what is unsure */
    DISK_NOTHING, /* nothing that is unsure is there */
    DISK_ALL,     /* as if all had been synced */
};

/* Makes `folder` and in it what the disk may hold now. `seed` says which of the many. */
void disk_write(const struct disk *disk, const char *folder, enum disk_cut cut, uint64_t seed);
/* Ends the program when the folder is not what the disk holds with all that is unsure: then
 * something was done to it that the recorder did not see. */
void disk_compare(const struct disk *disk, const char *folder);

#endif
