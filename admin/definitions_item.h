/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of a definitions file: its members read and checked, its mistakes told. */
#ifndef TERCET_ADMIN_DEFINITIONS_ITEM_H
#define TERCET_ADMIN_DEFINITIONS_ITEM_H

#include <jansson.h>

#include "admin/definitions.h"
#include "broker/base/map.h"

struct header_value;

/* A name that will be made. */
struct noted {
    struct map_node node; /* key: the name, which lies behind this */
    json_t *json;         /* borrowed: the entry that says so */
};

struct import {
    struct client *client;
    const struct definitions_rules *rules;
    json_t *root;
    struct slice skip;
    struct map noted[DEFINITIONS_KIND_COUNT]; /* struct noted: owned */
    struct text *errors;
    struct text why;             /* owned: for the rules to write in */
    struct header_value *fields; /* owned: of the entry at hand; made once, for it is large */
    unsigned error_count;
    enum rc rc; /* of the first mistake */
    bool is_dry;
};

/* Decoded names of one entry, and the values of its arguments. */
#define ITEM_OWNED_MAX 300

struct item {
    struct import *in;
    json_t *json;
    enum definitions_kind kind;
    size_t index;
    struct text table; /* owned: its arguments as octets */
    void *owned[ITEM_OWNED_MAX];
    unsigned owned_count;
};

void item_done(struct item *item);
/* Add a line to the errors; give `rc`, which must not be RC_OK. */
enum rc import_fail(struct import *in, enum rc rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum rc item_fail(struct item *item, enum rc rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* With the words that in->why holds, which it empties. */
enum rc item_fail_why(struct item *item, enum rc rc);

/* Each fails the item when the member is not of its type. */
MUST_CHECK enum rc item_check_members(struct item *item, const char *const members[]);
MUST_CHECK enum rc item_bytes(struct item *item, const char *name, struct slice *ret);
/* *ret stays as it is when the member is missing. */
MUST_CHECK enum rc item_number(struct item *item, const char *name, uint64_t min, uint64_t max,
                               uint64_t *ret);
MUST_CHECK enum rc item_switch(struct item *item, const char *name, bool fallback, bool *ret);
MUST_CHECK enum rc item_vhost(struct item *item);
/* "arguments" as a table, and, where asked for, as values; borrowed from the item. */
MUST_CHECK enum rc item_arguments(struct item *item, struct slice *ret_table,
                                  const struct header_value **ret_fields, unsigned *ret_count);

/* definitions_entry.c: checks the entry, and makes what it says unless the run is dry. RC_EXISTS:
 * that is there already. Whatever else it gives the item has failed with, but for core's refusals.
 */
MUST_CHECK enum rc item_import(struct item *item);

/* This entry will be made. RC_MISMATCH: so will another one of that name with other members;
 * RC_EXISTS: with the same. */
MUST_CHECK enum rc item_note(struct item *item, struct slice name);
bool item_is_noted(const struct import *in, enum definitions_kind kind, struct slice name);

#endif
