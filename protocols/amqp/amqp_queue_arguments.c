/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of queue.declare: which there are, what they may be, which of them we do. One that
 * would change what the queue does and is not done yet is refused, never ignored; one that nobody
 * knows is kept and means nothing, as in RabbitMQ. */
#include "broker/base/number.h"
#include "broker/core/queue.h"
#include "broker/core/stream.h"
#include "protocols/amqp/amqp_int.h"
#include "protocols/amqp/amqp_table.h"

enum queue_type { TYPE_CLASSIC, TYPE_QUORUM, TYPE_STREAM, TYPE_COUNT };
#define CLASSIC (1u << TYPE_CLASSIC)
#define QUORUM  (1u << TYPE_QUORUM)
#define STREAM  (1u << TYPE_STREAM)

static const struct type_row {
    const char *name;
    const char *module; /* RabbitMQ's word in its texts */
} types[TYPE_COUNT] = {
    [TYPE_CLASSIC] = { "classic", "rabbit_classic_queue" },
    [TYPE_QUORUM] = { "quorum", "rabbit_quorum_queue" },
    [TYPE_STREAM] = { "stream", "rabbit_stream_queue" },
};

enum argument_kind {
    KIND_COUNT,    /* integer >= 0 */
    KIND_TIME,     /* integer >= 0 and at most ten years */
    KIND_EXPIRY,   /* the same, and not 0 */
    KIND_PRIORITY, /* 0..255 */
    KIND_TEXT,
    KIND_BOOL,
    KIND_OVERFLOW,
    KIND_MODE,
    KIND_TYPE,
    KIND_DURABILITY,
    KIND_ANY,
};

enum argument_state {
    DONE,   /* we do it, or it asks for what we do anyway */
    ABSENT, /* refused: it would change what the queue does */
    PARTLY, /* refused where it asks for dead letters */
    VOID,   /* of a cluster's affairs: nothing it could change here */
};

static const struct argument_row {
    const char *name;
    enum argument_kind kind;
    unsigned types;
    enum argument_state state;
} arguments[] = {
    { "x-queue-type", KIND_TYPE, CLASSIC | QUORUM | STREAM, DONE },
    { "x-queue-mode", KIND_MODE, CLASSIC, DONE }, /* every queue is lazy: RAM has no part in it */
    { "x-queue-version", KIND_COUNT, CLASSIC, VOID },
    { "x-durability", KIND_DURABILITY, CLASSIC | QUORUM | STREAM, DONE }, /* not RabbitMQ's */
    { "x-message-ttl", KIND_TIME, CLASSIC | QUORUM, DONE },
    { "x-expires", KIND_EXPIRY, CLASSIC | QUORUM, DONE },
    { "x-max-length", KIND_COUNT, CLASSIC | QUORUM, DONE },
    { "x-max-length-bytes", KIND_COUNT, CLASSIC | QUORUM | STREAM, DONE },
    { "x-overflow", KIND_OVERFLOW, CLASSIC | QUORUM, PARTLY },
    { "x-dead-letter-exchange", KIND_TEXT, CLASSIC | QUORUM, ABSENT },
    { "x-dead-letter-routing-key", KIND_TEXT, CLASSIC | QUORUM, ABSENT },
    { "x-dead-letter-strategy", KIND_TEXT, QUORUM, ABSENT },
    { "x-max-priority", KIND_PRIORITY, CLASSIC, ABSENT },
    { "x-single-active-consumer", KIND_BOOL, CLASSIC | QUORUM, ABSENT },
    { "x-delivery-limit", KIND_COUNT, QUORUM, ABSENT },
    { "x-consumer-timeout", KIND_COUNT, CLASSIC | QUORUM, ABSENT },
    { "x-delayed-retry-type", KIND_TEXT, QUORUM, ABSENT },
    { "x-delayed-retry-min", KIND_COUNT, QUORUM, ABSENT },
    { "x-delayed-retry-max", KIND_COUNT, QUORUM, ABSENT },
    { "x-message-deduplication", KIND_ANY, CLASSIC | QUORUM, ABSENT },
    { "x-max-age", KIND_TEXT, STREAM, ABSENT },
    { "x-stream-max-segment-size-bytes", KIND_COUNT, STREAM, VOID },
    { "x-quorum-initial-group-size", KIND_COUNT, QUORUM, VOID },
    { "x-queue-leader-locator", KIND_TEXT, CLASSIC | QUORUM | STREAM, VOID },
    { "x-queue-master-locator", KIND_TEXT, CLASSIC, VOID },
};
#define ARGUMENT_COUNT (sizeof(arguments) / sizeof(arguments[0]))

static const struct argument_row *find_row(struct slice name)
{
    for (size_t i = 0; i < ARGUMENT_COUNT; i++) {
        if (slice_equal_str(name, arguments[i].name))
            return &arguments[i];
    }
    return NULL;
}

/* Begins "invalid arg 'x' for queue 'q' in vhost '/'"; the caller adds why. */
static enum rc invalid(struct amqp_session *s, const char *arg, struct slice queue)
{
    return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                       "invalid arg '%s' for queue '%.*s' in vhost '%s'", arg, SLICE_FMT(queue),
                       AMQP_VHOST);
}

static enum rc check_integer(struct amqp_session *s, const struct argument_row *row,
                             struct slice queue, const struct amqp_value *v)
{
    long long n = v->integer;
    const char *why = NULL;

    if (!amqp_value_is_integer(v)) {
        enum rc rc = invalid(s, row->name, queue);

        text_format(&s->refusal_text, ": \"expected integer, got %s\"", amqp_type_word(v->type));
        return rc;
    }
    if (n < 0)
        why = "value_negative";
    else if (row->kind == KIND_EXPIRY && n == 0)
        why = "value_zero";
    else if (row->kind == KIND_PRIORITY && n > UINT8_MAX)
        why = "max_value_exceeded";
    else if ((row->kind == KIND_TIME || row->kind == KIND_EXPIRY) &&
             (uint64_t)n > AMQP_EXPIRATION_MAX_MS)
        why = "value_too_large";
    if (why != NULL) {
        enum rc rc = invalid(s, row->name, queue);

        text_format(&s->refusal_text, ": {%s,%lld}", why, n);
        return rc;
    }
    return RC_OK;
}

static bool is_one_of(struct slice text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (slice_equal_str(text, *words))
            return true;
    }
    return false;
}

static enum rc check_text(struct amqp_session *s, const struct argument_row *row,
                          struct slice queue, const struct amqp_value *v)
{
    static const char *const overflows[] = { "drop-head", "reject-publish", "reject-publish-dlx",
                                             NULL };
    static const char *const modes[] = { "default", "lazy", NULL };
    static const char *const type_names[] = { "classic", "quorum", "stream", NULL };
    enum rc rc;

    if (v->type != AMQP_TEXT) {
        if (row->kind == KIND_TEXT)
            return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                               "invalid type '%s' for arg '%s' in queue '%.*s' in vhost '%s'",
                               amqp_type_word(v->type), row->name, SLICE_FMT(queue), AMQP_VHOST);
        rc = invalid(s, row->name, queue);
        text_format(&s->refusal_text, ": {unacceptable_type,%s}", amqp_type_word(v->type));
        return rc;
    }
    if (row->kind == KIND_OVERFLOW && !is_one_of(v->bytes, overflows)) {
        rc = invalid(s, row->name, queue);
        text_format(&s->refusal_text, ": invalid_overflow");
        return rc;
    }
    if (row->kind == KIND_DURABILITY &&
        (!is_one_of(v->bytes, policy_durability_names) || slice_equal_str(v->bytes, "none"))) {
        rc = invalid(s, row->name, queue);
        text_format(&s->refusal_text, ": always, interval or memory is expected");
        return rc;
    }
    if ((row->kind == KIND_MODE && !is_one_of(v->bytes, modes)) ||
        (row->kind == KIND_TYPE && !is_one_of(v->bytes, type_names))) {
        rc = invalid(s, row->name, queue);
        text_format(&s->refusal_text, ": \"unsupported queue %s '%.*s'\"",
                    row->kind == KIND_MODE ? "mode" : "type", SLICE_FMT(v->bytes));
        return rc;
    }
    return RC_OK;
}

static enum rc check_bool(struct amqp_session *s, const struct argument_row *row,
                          struct slice queue, const struct amqp_value *v)
{
    enum rc rc;

    if (v->type == AMQP_BOOL)
        return RC_OK;
    rc = invalid(s, row->name, queue);
    text_format(&s->refusal_text, ": {unacceptable_type,%s}", amqp_type_word(v->type));
    return rc;
}

static enum rc check_value(struct amqp_session *s, const struct argument_row *row,
                           struct slice queue, const struct amqp_value *v)
{
    switch (row->kind) {
    case KIND_COUNT:
    case KIND_TIME:
    case KIND_EXPIRY:
    case KIND_PRIORITY:
        return check_integer(s, row, queue, v);
    case KIND_TEXT:
    case KIND_OVERFLOW:
    case KIND_MODE:
    case KIND_TYPE:
    case KIND_DURABILITY:
        return check_text(s, row, queue, v);
    case KIND_BOOL:
        return check_bool(s, row, queue, v);
    case KIND_ANY:
        return RC_OK;
    }
    return RC_OK;
}

/* Values of an absent argument that ask for what a queue does without it. */
static bool asks_for_nothing(const struct argument_row *row, const struct amqp_value *v)
{
    return row->kind == KIND_BOOL && v->integer == 0;
}

static enum queue_type type_of(struct slice table)
{
    struct amqp_value v;

    if (amqp_table_find(table, SLICE("x-queue-type"), &v) && v.type == AMQP_TEXT) {
        for (unsigned i = 0; i < TYPE_COUNT; i++) {
            if (slice_equal_str(v.bytes, types[i].name))
                return (enum queue_type)i;
        }
    }
    return TYPE_CLASSIC;
}

bool amqp_queue_is_quorum(struct slice table)
{
    return type_of(table) == TYPE_QUORUM;
}

static enum rc check_properties(struct amqp_session *s, struct slice queue,
                                const struct amqp_queue_declare *d)
{
    const char *wrong = !d->durable      ? "non-durable"
                        : d->exclusive   ? "exclusive-owner"
                        : d->auto_delete ? "auto-delete"
                                         : NULL;

    if (wrong == NULL)
        return RC_OK;
    return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                       "invalid property '%s' for queue '%.*s' in vhost '%s'", wrong,
                       SLICE_FMT(queue), AMQP_VHOST);
}

static enum rc check_one(struct amqp_session *s, struct slice queue, enum queue_type type,
                         const struct argument_row *row, const struct amqp_value *v)
{
    enum rc rc = RC_OK;

    if ((row->types & 1u << type) == 0) {
        rc = invalid(s, row->name, queue);
        text_format(&s->refusal_text, " of queue type %s", types[type].module);
        return rc;
    }
    rc = check_value(s, row, queue, v);
    if (rc != RC_OK || row->state == DONE || row->state == VOID || asks_for_nothing(row, v) ||
        (row->state == PARTLY && !slice_equal_str(v->bytes, "reject-publish-dlx")))
        return rc;
    if (row->state == PARTLY)
        return amqp_refuse(
            s, AMQP_REPLY_PRECONDITION_FAILED,
            "arg '%s' for queue '%.*s' in vhost '%s': there are no dead letters yet, "
            "so reject-publish-dlx is not implemented",
            row->name, SLICE_FMT(queue), AMQP_VHOST);
    return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                       "arg '%s' for queue '%.*s' in vhost '%s' is not implemented yet", row->name,
                       SLICE_FMT(queue), AMQP_VHOST);
}

enum rc amqp_queue_arguments_check(struct amqp_session *s, struct slice queue,
                                   const struct amqp_queue_declare *d)
{
    enum queue_type type = type_of(d->arguments);
    struct rd r = rd_of(d->arguments);
    struct amqp_value v;
    struct slice name;
    enum rc rc = RC_OK;

    if (amqp_table_find(d->arguments, SLICE("x-queue-type"), &v))
        rc = check_value(s, find_row(SLICE("x-queue-type")), queue, &v);
    if (rc == RC_OK && type != TYPE_CLASSIC)
        rc = check_properties(s, queue, d);
    if (rc == RC_OK && !d->durable && amqp_table_find(d->arguments, SLICE("x-durability"), &v)) {
        rc = invalid(s, "x-durability", queue);
        text_format(&s->refusal_text, ": the queue is not durable");
    }
    if (rc == RC_OK && amqp_table_find(d->arguments, SLICE("x-dead-letter-routing-key"), &v) &&
        !amqp_table_find(d->arguments, SLICE("x-dead-letter-exchange"), &v)) {
        rc = invalid(s, "x-dead-letter-routing-key", queue);
        text_format(&s->refusal_text, ": routing_key_but_no_dlx_defined");
    }
    while (rc == RC_OK && amqp_table_next(&r, &name, &v)) {
        const struct argument_row *row = find_row(name);

        if (row != NULL)
            rc = check_one(s, queue, type, row, &v);
    }
    if (rc == RC_OK && type == TYPE_STREAM)
        rc = amqp_refuse(s, AMQP_REPLY_NOT_IMPLEMENTED,
                         "queues of type stream are not implemented yet");
    return rc;
}

static uint64_t limit_of(struct slice table, const char *name)
{
    struct amqp_value v;

    return amqp_table_find(table, slice_str(name), &v) ? (uint64_t)v.integer : QUEUE_UNLIMITED;
}

static void apply_limits(struct queue *queue)
{
    struct slice table = queue_spec(queue)->arguments;
    struct queue_limits limits = {
        .max_messages = limit_of(table, "x-max-length"),
        .max_bytes = limit_of(table, "x-max-length-bytes"),
        .ttl_ms = limit_of(table, "x-message-ttl"),
        .expires_ms = limit_of(table, "x-expires"),
    };
    struct amqp_value v;

    if (amqp_table_find(table, SLICE("x-overflow"), &v))
        limits.is_refusing = slice_equal_str(v.bytes, "reject-publish");
    if (limits.max_messages != QUEUE_UNLIMITED || limits.max_bytes != QUEUE_UNLIMITED ||
        limits.ttl_ms != QUEUE_UNLIMITED || limits.expires_ms != QUEUE_UNLIMITED)
        queue_set_limits(queue, &limits);
}

void amqp_queue_arguments_apply(struct queue *queue)
{
    struct stream *stream = queue_stream(queue);
    struct stream_policy policy = *stream_policy(stream);
    struct amqp_value v;

    apply_limits(queue);
    if (!amqp_table_find(queue_spec(queue)->arguments, SLICE("x-durability"), &v))
        return;
    for (int64_t i = 0; policy_durability_names[i] != NULL; i++) {
        if (slice_equal_str(v.bytes, policy_durability_names[i]))
            policy.durability = i;
    }
    stream_set_policy(stream, &policy);
}

/* ---- equivalence ---- */

/* Integers by value whatever their width, everything else by its octets. */
static bool is_equal(const struct amqp_value *a, const struct amqp_value *b)
{
    if (amqp_value_is_integer(a) && amqp_value_is_integer(b))
        return a->integer == b->integer;
    return a->type == b->type && slice_equal(a->raw, b->raw);
}

/* An absent x-queue-type is classic. */
static bool is_default(const struct argument_row *row, const struct amqp_value *v)
{
    return row->kind == KIND_TYPE && slice_equal_str(v->bytes, "classic");
}

static enum rc inequivalent(struct amqp_session *s, const struct argument_row *row,
                            struct slice queue, const struct amqp_value *received,
                            const struct amqp_value *current)
{
    struct text *to = &s->refusal_text;
    enum rc rc = amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                             "inequivalent arg '%s' for queue '%.*s' in vhost '%s': received ",
                             row->name, SLICE_FMT(queue), AMQP_VHOST);

    if (received != NULL && current != NULL) {
        text_add_byte(to, '\'');
        amqp_value_text(to, received);
        text_add(to, SLICE("' but current is '"));
        amqp_value_text(to, current);
        text_add_byte(to, '\'');
    } else if (received != NULL) {
        text_add(to, SLICE("the value '"));
        amqp_value_text(to, received);
        text_format(to, "' of type '%s' but current is none", amqp_type_word(received->type));
    } else {
        text_add(to, SLICE("none but current is the value '"));
        amqp_value_text(to, current);
        text_format(to, "' of type '%s'", amqp_type_word(current->type));
    }
    return rc;
}

enum rc amqp_queue_arguments_equal(struct amqp_session *s, struct slice queue, struct slice current,
                                   struct slice received)
{
    for (size_t i = 0; i < ARGUMENT_COUNT; i++) {
        const struct argument_row *row = &arguments[i];
        struct slice name = slice_str(row->name);
        struct amqp_value a, b;
        bool has_a = amqp_table_find(received, name, &a),
             has_b = amqp_table_find(current, name, &b);

        if ((!has_a || is_default(row, &a)) && (!has_b || is_default(row, &b)))
            continue;
        if (!has_a || !has_b || !is_equal(&a, &b))
            return inequivalent(s, row, queue, has_a ? &a : NULL, has_b ? &b : NULL);
    }
    return RC_OK;
}
