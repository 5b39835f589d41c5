/* SPDX-License-Identifier: Apache-2.0 */
/* What core keeps for protocols without understanding it, and what they know of it: for those who
 * list, export and import definitions. The broker's main fills it in from the protocols. */
#ifndef TERCET_BROKER_CORE_DEFINITIONS_H
#define TERCET_BROKER_CORE_DEFINITIONS_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct exchange_spec;
struct header_value;
struct queue;
struct queue_spec;
struct stream_compaction;
struct stream_policy;
struct text;

/* Fields of one argument table that can be told. */
#define DEFINITION_FIELDS_MAX 256

struct definitions_rules {
    /* The fields of an argument table, in order; what is nested is HEADER_OTHER. RC_LIMIT: more
     * than `room`. RC_CORRUPT: it is no table. */
    enum rc (*read_arguments)(struct slice table, struct header_value *ret, unsigned room,
                              unsigned *ret_count);
    /* Appends a table of these fields. RC_INVALID: a HEADER_OTHER is no value, or a name is too
     * long. */
    enum rc (*write_arguments)(const struct header_value *values, unsigned count, struct text *ret);
    /* Would a declare be taken? `why` says why not. */
    enum rc (*check_queue)(const struct queue_spec *spec, struct text *why);
    /* What its arguments say about the stream of a queue that was just declared. */
    void (*apply_queue)(struct queue *queue);
    /* Also sets spec->alternate from the arguments. */
    enum rc (*check_exchange)(struct exchange_spec *spec, struct text *why);
    /* RC_MISMATCH: a declare of `want` would be refused because `have` exists. */
    enum rc (*compare_queue)(const struct queue_spec *have, const struct queue_spec *want,
                             struct text *why);
    /* One setting of a stream's configuration. NULL: it may be set so; else why not. */
    const char *(*check_config)(void *config_arg, struct slice name, struct slice value);
    /* Takes over one that was checked: into what stream_config() keeps, or into the policy. */
    void (*add_config)(void *config_arg, struct text *kept, struct stream_policy *policy,
                       struct slice name, struct slice value);
    /* Whether and how what is kept has the stream compacted. */
    bool (*compaction_of)(struct slice kept, struct stream_compaction *ret);
    void *config_arg; /* borrowed */
};

#endif
