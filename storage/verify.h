/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a whole durable store that nobody has open, or a backup, and tells what of it is sound:
 * every checksum of frames, entries and indexes, and whether catalogue and segments agree. Changes
 * nothing. One thread, which it blocks for as long as reading takes: for a program of its own. */
#ifndef TERCET_STORAGE_VERIFY_H
#define TERCET_STORAGE_VERIFY_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "storage/meta.h"

enum verify_state {
    VERIFY_SEALED,  /* has its index */
    VERIFY_OPEN,    /* the store was not closed in order: the next open seals it */
    VERIFY_MISSING, /* the catalogue knows of it, and its file is not there */
};

struct verify_segment {
    uint32_t number;
    enum verify_state state;
    uint64_t bytes; /* of the file */
    uint64_t frames;
    uint64_t entries; /* sound ones with records */
    uint64_t records;
    uint64_t frames_lost;  /* numbers that should be there and are not sound */
    uint64_t frames_torn;  /* OPEN alone: the end of a commit that nobody was told of */
    bool is_index_damaged; /* it can be made anew from the frames */
    bool is_sound;
};

/* Offsets [from, to) of a log are gone; `segment` held them, or what follows the gap. */
struct verify_loss {
    uint32_t log;
    uint32_t segment;
    uint64_t from;
    uint64_t to;
};

/* All are called during store_verify(); slices and texts are borrowed. */
struct verify_events {
    /* Every value of the catalogue, before the first segment. */
    void (*on_meta)(void *arg, enum meta_table table, struct slice key, struct slice value);
    void (*on_segment)(void *arg, const struct verify_segment *segment);
    void (*on_loss)(void *arg, const struct verify_loss *loss);
    /* Anything else that is wrong: a sentence. */
    void (*on_problem)(void *arg, const char *what);
    void *arg;
};

struct verify_totals {
    unsigned segments;
    unsigned damaged; /* segments */
    unsigned problems;
    uint64_t values; /* of the catalogue */
    uint64_t records;
    uint64_t offsets_lost;
    bool is_backup; /* has a manifest, which was checked too */
    bool is_sound;
};

/* RC_OK: it was read; *ret says how it is. RC_NOT_FOUND: there is no store in the directory.
 * RC_LOCKED: a broker has it open. RC_VERSION: of a format that is not ours; an older one is made
 * ours by opening it. Others: it could not be read. */
MUST_CHECK enum rc store_verify(const char *directory, const struct verify_events *events,
                                struct verify_totals *ret);

#endif
