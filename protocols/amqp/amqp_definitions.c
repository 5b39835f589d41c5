/* SPDX-License-Identifier: Apache-2.0 */
/* The checks are those of queue.declare and exchange.declare themselves: they write their refusals
 * into a session, and the one made here has no connection and nothing else in it. */
#include "protocols/amqp/amqp_definitions.h"

#include "broker/base/mem.h"
#include "broker/core/definitions.h"
#include "broker/core/exchange.h"
#include "broker/core/headers_match.h"
#include "broker/core/queue.h"
#include "protocols/amqp/amqp_int.h"
#include "protocols/amqp/amqp_map.h"
#include "protocols/amqp/amqp_table.h"

#define NAME_MAX_OCTETS 255 /* of a field, and of everything else that is a short string */

static enum rc end_check(struct amqp_session *s, enum rc rc, struct text *why)
{
    if (rc != RC_OK)
        text_add(why, text_slice(&s->refusal_text));
    text_done(&s->refusal_text);
    mem_free(s);
    return rc;
}

/* ---- tables ---- */

static enum rc read_arguments(struct slice table, struct header_value *ret, unsigned room,
                              unsigned *ret_count)
{
    struct header_value *values = NULL;
    unsigned values_room = 0;
    enum rc rc;

    if (amqp_table_check(table) != RC_OK)
        return RC_CORRUPT;
    rc = amqp_header_values(table, &values, ret_count, &values_room);
    if (rc == RC_OK && *ret_count > room)
        rc = RC_LIMIT;
    if (rc == RC_OK && *ret_count > 0)
        memcpy(ret, values, *ret_count * sizeof(*ret));
    mem_free(values);
    return rc;
}

static void put_value(struct wr *w, const struct header_value *v)
{
    uint64_t bits;

    switch (v->kind) {
    case HEADER_VOID:
        amqp_put_void(w, v->name);
        break;
    case HEADER_BOOL:
        amqp_put_bool(w, v->name, v->as.yes);
        break;
    case HEADER_INTEGER:
        amqp_put_i64(w, v->name, v->as.integer);
        break;
    case HEADER_REAL:
        memcpy(&bits, &v->as.real, sizeof(bits));
        amqp_put_raw(w, v->name, AMQP_DOUBLE, SLICE_NONE);
        wr_u64(w, bits);
        break;
    case HEADER_TIME:
        amqp_put_time(w, v->name, (uint64_t)v->as.integer);
        break;
    case HEADER_TEXT:
        amqp_put_text(w, v->name, v->as.bytes);
        break;
    case HEADER_BYTES:
        amqp_put_bytes(w, v->name, v->as.bytes);
        break;
    case HEADER_OTHER:
        amqp_put_raw(w, v->name, (enum amqp_type)v->as.bytes.at[0], slice_after(v->as.bytes, 1));
        break;
    }
}

static void put_values(struct wr *w, const struct header_value *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put_value(w, &values[i]);
}

static enum rc write_arguments(const struct header_value *values, unsigned count, struct text *ret)
{
    struct wr w = wr_counting();
    size_t begin = ret->len;

    for (unsigned i = 0; i < count; i++) {
        if (values[i].name.len > NAME_MAX_OCTETS ||
            (values[i].kind == HEADER_OTHER && values[i].as.bytes.len == 0))
            return RC_INVALID;
    }
    put_values(&w, values, count);
    if (!text_reserve(ret, w.len))
        return RC_MEMORY;
    w = wr_of(ret->at + begin, w.len);
    put_values(&w, values, count);
    if (w.bad || amqp_table_check(wr_slice(&w)) != RC_OK)
        return RC_INVALID;
    ret->len += w.len;
    return RC_OK;
}

/* ---- queues and exchanges ---- */

static enum rc check_queue(const struct queue_spec *spec, struct text *why)
{
    struct amqp_queue_declare declare = { .durable = spec->is_durable,
                                          .exclusive = spec->is_exclusive,
                                          .auto_delete = spec->is_auto_delete,
                                          .arguments = spec->arguments };
    struct amqp_session *s = mem_new(struct amqp_session);
    enum rc rc = RC_OK;

    if (spec->name.len == 0 || spec->name.len > NAME_MAX_OCTETS)
        rc = amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED, "a queue's name has 1 to 255 bytes");
    else if (slice_starts(spec->name, SLICE("amq.")))
        rc = amqp_refuse(s, AMQP_REPLY_ACCESS_REFUSED,
                         "queue name '%.*s' contains reserved prefix 'amq.*'",
                         SLICE_FMT(spec->name));
    else
        rc = amqp_queue_arguments_check(s, spec->name, &declare);
    return end_check(s, rc, why);
}

static enum rc compare_queue(const struct queue_spec *have, const struct queue_spec *want,
                             struct text *why)
{
    struct amqp_session *s = mem_new(struct amqp_session);
    const char *differs = have->is_durable != want->is_durable           ? "durable"
                          : have->is_auto_delete != want->is_auto_delete ? "auto_delete"
                          : have->is_exclusive != want->is_exclusive     ? "exclusive"
                                                                         : NULL;
    enum rc rc = RC_OK;

    if (differs != NULL)
        rc = amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                         "inequivalent arg '%s' for queue '%.*s'", differs, SLICE_FMT(have->name));
    else
        rc = amqp_queue_arguments_equal(s, have->name, have->arguments, want->arguments);
    rc = end_check(s, rc, why);
    return rc == RC_OK ? RC_OK : RC_MISMATCH;
}

static enum rc check_exchange(struct exchange_spec *spec, struct text *why)
{
    struct amqp_session *s = mem_new(struct amqp_session);
    enum rc rc = RC_OK;

    if (spec->name.len == 0 || spec->name.len > NAME_MAX_OCTETS)
        rc =
            amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED, "an exchange's name has 1 to 255 bytes");
    else if (slice_starts(spec->name, SLICE("amq.")))
        rc = amqp_refuse(s, AMQP_REPLY_ACCESS_REFUSED,
                         "exchange name '%.*s' contains reserved prefix 'amq.*'",
                         SLICE_FMT(spec->name));
    else
        rc = amqp_exchange_arguments(s, spec->arguments, spec);
    return end_check(s, rc, why);
}

void amqp_definitions_rules(struct definitions_rules *rules)
{
    rules->read_arguments = read_arguments;
    rules->write_arguments = write_arguments;
    rules->check_queue = check_queue;
    rules->apply_queue = amqp_queue_arguments_apply;
    rules->check_exchange = check_exchange;
    rules->compare_queue = compare_queue;
}
