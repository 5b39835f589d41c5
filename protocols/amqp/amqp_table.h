/* SPDX-License-Identifier: Apache-2.0 */
/* Field tables and arrays, walked where they lie: no allocation, no copy. Pure. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_TABLE_H
#define TERCET_PROTOCOLS_AMQP_AMQP_TABLE_H

#include "broker/base/rc.h"
#include "broker/base/wire.h"

/* Tables and arrays inside each other; RabbitMQ has no limit, a hostile peer would use that. */
#define AMQP_TABLE_DEPTH_MAX 32

/* The type octets of RabbitMQ's dialect (they differ from the 0-9-1 document). */
enum amqp_type {
    AMQP_BOOL = 't',
    AMQP_I8 = 'b',
    AMQP_U8 = 'B',
    AMQP_I16 = 's',
    AMQP_U16 = 'u',
    AMQP_I32 = 'I',
    AMQP_U32 = 'i',
    AMQP_I64 = 'l',
    AMQP_I64_TOO = 'L', /* read as signed, as RabbitMQ does */
    AMQP_FLOAT = 'f',
    AMQP_DOUBLE = 'd',
    AMQP_DECIMAL = 'D',
    AMQP_TEXT = 'S', /* long string: any octets */
    AMQP_BYTES = 'x',
    AMQP_ARRAY = 'A',
    AMQP_TIME = 'T', /* seconds since 1970 */
    AMQP_TABLE = 'F',
    AMQP_VOID = 'V',
};

/* A value, borrowed from the table it was read from. */
struct amqp_value {
    enum amqp_type type;
    uint8_t scale;      /* AMQP_DECIMAL */
    int64_t integer;    /* BOOL, the integers, TIME, DECIMAL's digits */
    double real;        /* FLOAT, DOUBLE */
    struct slice bytes; /* TEXT, BYTES; the inside of ARRAY and TABLE */
    struct slice raw;   /* the value's own octets behind its type octet */
};

/* RC_OK: `table` (without its length) is well-formed down to its leaves. RC_MALFORMED: it is not.
 * RC_LIMIT: it is nested deeper than AMQP_TABLE_DEPTH_MAX. */
MUST_CHECK enum rc amqp_table_check(struct slice table);

/* Steps through the entries: `r` starts as rd_of(table). False at the end, or (r->bad) where the
 * bytes are malformed, which cannot be in a table that was checked. */
bool amqp_table_next(struct rd *r, struct slice *ret_key, struct amqp_value *ret);
bool amqp_array_next(struct rd *r, struct amqp_value *ret);
/* The first entry with this key; false when there is none. */
bool amqp_table_find(struct slice table, struct slice key, struct amqp_value *ret);
bool amqp_value_is_integer(const struct amqp_value *value);
/* "longstr", "signedint" ...: RabbitMQ's word for the type in its reply texts. */
const char *amqp_type_word(enum amqp_type type);

/* Writing. A table or an array is begun (its length is filled in at the end), entries are added,
 * and it is ended with what begin gave back. */
size_t amqp_table_begin(struct wr *w);
void amqp_table_end(struct wr *w, size_t begin);
void amqp_put_shortstr(struct wr *w, struct slice s);
void amqp_put_longstr(struct wr *w, struct slice s);
/* A key and a value; SLICE_NONE as key writes the value alone, as arrays want. */
void amqp_put_text(struct wr *w, struct slice key, struct slice value);
void amqp_put_bytes(struct wr *w, struct slice key, struct slice value);
void amqp_put_bool(struct wr *w, struct slice key, bool value);
void amqp_put_i64(struct wr *w, struct slice key, int64_t value);
void amqp_put_time(struct wr *w, struct slice key, uint64_t seconds);
void amqp_put_void(struct wr *w, struct slice key);
/* The value as it was read, of whatever type. */
void amqp_put_raw(struct wr *w, struct slice key, enum amqp_type type, struct slice raw);
/* A table (AMQP_TABLE) or array (AMQP_ARRAY) whose entries follow. */
size_t amqp_put_open(struct wr *w, struct slice key, enum amqp_type type);

#endif
