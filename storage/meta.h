/* SPDX-License-Identifier: Apache-2.0 */
/* The record door of storage: small keyed values, last one wins. Core thread only, never blocks.
 *
 * What is put rides in the same commits as the log's records, in order with them, so that a record
 * and the cursor that says it was consumed are never torn apart. The values are read once, at open;
 * while the broker runs, core's own structures are the truth. */
#ifndef TERCET_STORAGE_META_H
#define TERCET_STORAGE_META_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "storage/log.h"

/* The tables; numbers are stored, so rows are only added at the end. */
#define META_TABLES                                                                \
    X(STREAMS, 1, "streams")                                                       \
    X(QUEUES, 2, "queues")                                                         \
    X(EXCHANGES, 3, "exchanges")                                                   \
    X(BINDINGS, 4, "bindings")                                                     \
    X(SETTLED, 5, "settled") /* queue + chunk: ranges of settled offsets */        \
    X(GROUPS, 6, "groups")   /* group + stream + partition: position */            \
    X(SESSIONS, 7, "sessions")                                                     \
    X(SUBSCRIPTIONS, 8, "subscriptions") /* session + filter */                    \
    X(REFERENCES, 9, "references")       /* session + chunk: runs of references */ \
    X(INFLIGHT, 10, "inflight")          /* session: packet ids under way */       \
    X(RETAINED, 11, "retained")                                                    \
    X(PRODUCERS, 12, "producers")                                                  \
    X(ACCOUNTS, 13, "accounts")                                                    \
    X(BROKER, 14, "broker") /* cluster id, last numbers given */

enum meta_table {
#define X(id, number, name) META_##id = number,
    META_TABLES
#undef X
};
#define META_TABLE_MAX 14

#define META_KEY_MAX_BYTES   480 /* LMDB holds keys of at most 511 bytes, less the table's number */
#define META_VALUE_MAX_BYTES ((size_t)64 << 20)

/* Key and value are copied. Gives a ticket of the same sequence as log_append(). */
uint64_t meta_put(struct store *store, enum meta_table table, struct slice key, struct slice value,
                  enum durability durability);
/* Removing what is not there is allowed. */
uint64_t meta_delete(struct store *store, enum meta_table table, struct slice key,
                     enum durability durability);

typedef enum rc meta_visit_fn(void *arg, struct slice key, struct slice value);
/* Calls visit for each key in byte order, slices borrowed during the call; stops at the first rc
 * other than RC_OK and gives it back. Only between open and the first put. */
MUST_CHECK enum rc meta_each(struct store *store, enum meta_table table, meta_visit_fn *visit,
                             void *arg);

#endif
