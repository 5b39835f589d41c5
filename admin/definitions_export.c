/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/definitions.h"

#include "admin/jot.h"
#include "broker/base/mem.h"
#include "broker/base/utf8.h"
#include "broker/core/core.h"
#include "broker/core/definitions.h"
#include "broker/core/exchange.h"
#include "broker/core/headers_match.h"
#include "broker/core/queue.h"
#include "broker/core/stream.h"
#include "config.h"

#define VHOST "/"
/* What is told is moved to the pieces when it has come to so much. */
#define CUT_BYTES ((size_t)64 << 10)

const char *const definitions_kind_names[DEFINITIONS_KIND_COUNT] = {
    [DEFINITIONS_STREAMS] = "streams",
    [DEFINITIONS_QUEUES] = "queues",
    [DEFINITIONS_EXCHANGES] = "exchanges",
    [DEFINITIONS_BINDINGS] = "bindings",
};

static const char *const exchange_types[EXCHANGE_TYPE_COUNT] = {
    [EXCHANGE_DIRECT] = "direct",
    [EXCHANGE_FANOUT] = "fanout",
    [EXCHANGE_TOPIC] = "topic",
    [EXCHANGE_HEADERS] = "headers",
};

/* ---- argument tables ---- */

/* What JSON has no word for is an object of one member, which an import reads back. */
static void add_field(struct text *to, const struct header_value *v)
{
    switch (v->kind) {
    case HEADER_VOID:
        jot_bytes(to, NULL, SLICE_NONE);
        return;
    case HEADER_BOOL:
        jot_switch(to, NULL, v->as.yes);
        return;
    case HEADER_INTEGER:
        jot_number(to, NULL, v->as.integer);
        return;
    case HEADER_REAL:
        jot_real(to, NULL, v->as.real);
        return;
    case HEADER_TEXT:
        jot_bytes(to, NULL, v->as.bytes);
        return;
    case HEADER_TIME:
        jot_open(to, NULL, '{');
        jot_number(to, "time", v->as.integer);
        jot_close(to, '}');
        return;
    case HEADER_BYTES:
    case HEADER_OTHER:
        jot_open(to, NULL, '{');
        jot_hex(to, v->kind == HEADER_BYTES ? "bytes" : "amqp", v->as.bytes);
        jot_close(to, '}');
        return;
    }
}

/* Would an import of what JSON says give these very octets? */
static bool is_plain(const struct definitions_rules *rules, struct slice table,
                     const struct header_value *fields, unsigned count)
{
    struct text again = { 0 };
    bool ret = rules->write_arguments(fields, count, &again) == RC_OK &&
               slice_equal(text_slice(&again), table);

    for (unsigned i = 0; i < count && ret; i++)
        ret = fields[i].kind != HEADER_TEXT || utf8_is_valid(fields[i].as.bytes);
    text_done(&again);
    return ret;
}

void definitions_add_arguments(const struct definitions_rules *rules, struct text *to,
                               struct slice table)
{
    struct header_value *fields;
    unsigned count = 0;
    bool is_told = true;

    if (table.len == 0) {
        jot_open(to, "arguments", '{');
        jot_close(to, '}');
        return;
    }
    fields = mem_new_array(struct header_value, DEFINITION_FIELDS_MAX);
    if (rules->read_arguments(table, fields, DEFINITION_FIELDS_MAX, &count) != RC_OK) {
        count = 0;
        is_told = false;
    }
    jot_open(to, "arguments", '{');
    for (unsigned i = 0; i < count; i++) {
        if (!utf8_is_valid(fields[i].name)) {
            is_told = false;
            continue;
        }
        jot_name(to, fields[i].name);
        add_field(to, &fields[i]);
    }
    jot_close(to, '}');
    if (!is_told || !is_plain(rules, table, fields, count))
        jot_hex(to, "arguments_amqp", table);
    mem_free(fields);
}

void definitions_add_config(struct text *to, struct slice config)
{
    jot_open(to, "config", '{');
    while (config.len > 0) {
        const uint8_t *end = memchr(config.at, '\n', config.len);
        struct slice line =
            slice_of(config.at, end == NULL ? config.len : (size_t)(end - config.at));
        const uint8_t *equals = line.len == 0 ? NULL : memchr(line.at, '=', line.len);

        config = slice_after(config, line.len + 1);
        if (equals == NULL)
            continue; /* not written by add_config() */
        jot_name(to, slice_of(line.at, (size_t)(equals - line.at)));
        jot_bytes(to, NULL, slice_after(line, (size_t)(equals - line.at) + 1));
    }
    jot_close(to, '}');
}

void definitions_add_policy(struct text *to, const char *name, const struct stream_policy *policy)
{
    jot_open(to, name, '{');
    if (policy->retention_ms != POLICY_OPEN)
        jot_number(to, "retention_ms", policy->retention_ms);
    if (policy->retention_bytes != POLICY_OPEN)
        jot_number(to, "retention_bytes", policy->retention_bytes);
    if (policy->durability != POLICY_OPEN)
        jot_string(to, "durability", policy_durability_names[policy->durability]);
    jot_close(to, '}');
}

/* ---- the four lists ---- */

static void add_stream(struct definitions_export *e, void *one)
{
    struct stream *stream = one;

    if (stream_is_hidden(stream) || stream_is_transient(stream))
        return;
    jot_open(e->to, NULL, '{');
    jot_bytes(e->to, "name", stream_name(stream));
    jot_count(e->to, "partitions", stream_partition_count(stream));
    jot_switch(e->to, "implicit", stream_is_implicit(stream));
    definitions_add_config(e->to, stream_config(stream));
    definitions_add_policy(e->to, "policy", stream_policy(stream));
    jot_close(e->to, '}');
}

/* A client's own queues are made anew by that client. */
static bool is_shared(const struct queue_spec *spec)
{
    return !spec->is_exclusive && !spec->is_server_named;
}

static void add_queue(struct definitions_export *e, void *one)
{
    const struct queue_spec *spec = queue_spec(one);

    if (!is_shared(spec))
        return;
    jot_open(e->to, NULL, '{');
    jot_bytes(e->to, "name", spec->name);
    jot_string(e->to, "vhost", VHOST);
    jot_switch(e->to, "durable", spec->is_durable);
    jot_switch(e->to, "auto_delete", spec->is_auto_delete);
    definitions_add_arguments(e->rules, e->to, spec->arguments);
    jot_close(e->to, '}');
}

static void add_exchange(struct definitions_export *e, void *one)
{
    const struct exchange_spec *spec = exchange_spec(one);

    if (exchange_is_predeclared(one))
        return;
    jot_open(e->to, NULL, '{');
    jot_bytes(e->to, "name", spec->name);
    jot_string(e->to, "vhost", VHOST);
    jot_string(e->to, "type", spec->is_delaying ? "x-delayed-message" : exchange_types[spec->type]);
    jot_switch(e->to, "durable", spec->is_durable);
    jot_switch(e->to, "auto_delete", spec->is_auto_delete);
    jot_switch(e->to, "internal", spec->is_internal);
    definitions_add_arguments(e->rules, e->to, spec->arguments);
    jot_close(e->to, '}');
}

static void add_binding(void *arg, const struct binding_spec *spec)
{
    const struct definitions_export *e = arg;
    bool is_to_queue = spec->queue != NULL;

    if (is_to_queue && !is_shared(queue_spec(spec->queue)))
        return;
    jot_open(e->to, NULL, '{');
    jot_bytes(e->to, "source", exchange_spec(spec->source)->name);
    jot_string(e->to, "vhost", VHOST);
    jot_bytes(e->to, "destination",
              is_to_queue ? queue_spec(spec->queue)->name : exchange_spec(spec->destination)->name);
    jot_string(e->to, "destination_type", is_to_queue ? "queue" : "exchange");
    jot_bytes(e->to, "routing_key", slice_is_none(spec->key) ? SLICE("") : spec->key);
    definitions_add_arguments(e->rules, e->to, spec->arguments);
    jot_close(e->to, '}');
}

/* ---- a part in each turn ---- */

static void *stream_by_name(struct core *core, struct slice name)
{
    return stream_find(core, name);
}

static void *stream_after(struct core *core, void *after)
{
    return stream_next(core, after);
}

static struct slice name_of_stream(const void *one)
{
    return stream_name(one);
}

static void *queue_by_name(struct core *core, struct slice name)
{
    return queue_find(core, name);
}

static void *queue_after(struct core *core, void *after)
{
    return queue_next(core, after);
}

static struct slice name_of_queue(const void *one)
{
    return queue_spec(one)->name;
}

static void *exchange_by_name(struct core *core, struct slice name)
{
    return exchange_find(core, name);
}

static void *exchange_after(struct core *core, void *after)
{
    return exchange_next(core, after);
}

static struct slice name_of_exchange(const void *one)
{
    return exchange_spec(one)->name;
}

static const struct listing {
    void *(*find)(struct core *core, struct slice name);
    void *(*next)(struct core *core, void *after);
    struct slice (*name_of)(const void *one);
    void (*add)(struct definitions_export *e, void *one); /* NULL: see add_one() */
} listings[DEFINITIONS_KIND_COUNT] = {
    [DEFINITIONS_STREAMS] = { stream_by_name, stream_after, name_of_stream, add_stream },
    [DEFINITIONS_QUEUES] = { queue_by_name, queue_after, name_of_queue, add_queue },
    [DEFINITIONS_EXCHANGES] = { exchange_by_name, exchange_after, name_of_exchange, add_exchange },
    [DEFINITIONS_BINDINGS] = { exchange_by_name, exchange_after, name_of_exchange, NULL },
};

static void begin(struct definitions_export *e)
{
    struct text *to = e->to;

    text_clear(to);
    text_clear(&e->binding);
    pieces_done(&e->told);
    e->is_inside = false;
    e->kind = DEFINITIONS_STREAMS;
    e->has_after = false;
    jot_open(to, NULL, '{');
    jot_string(to, "product_name", "tercet");
    jot_string(to, "product_version", PACKAGE_VERSION);
    jot_open(to, "vhosts", '[');
    jot_open(to, NULL, '{');
    jot_string(to, "name", VHOST);
    jot_close(to, '}');
    jot_close(to, ']');
    jot_open(to, definitions_kind_names[e->kind], '[');
}

void definitions_export_begin(struct definitions_export *e, struct core *core,
                              const struct definitions_rules *rules, struct text *to)
{
    *e = (struct definitions_export){ .core = core, .rules = rules, .to = to };
    pieces_init(&e->told);
    begin(e);
}

/* The list is at its end. RC_OK: so is the whole. */
static enum rc next_list(struct definitions_export *e)
{
    jot_close(e->to, ']');
    e->has_after = false;
    e->kind++;
    if (e->kind < DEFINITIONS_KIND_COUNT) {
        jot_open(e->to, definitions_kind_names[e->kind], '[');
        return RC_AGAIN;
    }
    jot_close(e->to, '}');
    return RC_OK;
}

/* Deleted since: where to go on is not known any more. */
static enum rc begin_anew(struct definitions_export *e)
{
    begin(e);
    return ++e->restarts > DEFINITIONS_RESTARTS_MAX ? RC_IN_USE : RC_AGAIN;
}

/* RC_AGAIN: there are more of them. */
static enum rc add_one(struct definitions_export *e, void *one, unsigned *count)
{
    const struct listing *listing = &listings[e->kind];

    --*count;
    if (listing->add == NULL)
        return binding_some(one, &e->binding, count, add_binding, e);
    listing->add(e, one);
    return RC_OK;
}

/* The last byte stays: it tells whether a comma is due. */
static enum rc cut(struct definitions_export *e)
{
    struct text *to = e->to;

    if (to->bad)
        return RC_MEMORY;
    if (to->len < CUT_BYTES)
        return RC_AGAIN;
    if (!pieces_add(&e->told, slice_of(to->at, to->len - 1)))
        return RC_MEMORY;
    to->at[0] = to->at[to->len - 1];
    to->len = 1;
    return RC_AGAIN;
}

enum rc definitions_export_step(struct definitions_export *e, unsigned count)
{
    const struct listing *listing = &listings[e->kind];
    void *one = NULL;
    enum rc rc;

    if (e->has_after) {
        one = listing->find(e->core, text_slice(&e->after));
        if (one == NULL)
            return begin_anew(e);
    }
    while (count > 0) {
        void *next = e->is_inside ? one : listing->next(e->core, one);

        if (next == NULL)
            return e->to->bad ? RC_MEMORY : next_list(e);
        one = next;
        rc = add_one(e, one, &count);
        if (rc == RC_NOT_FOUND)
            return begin_anew(e);
        e->is_inside = rc == RC_AGAIN;
        if (!e->is_inside)
            text_clear(&e->binding);
        if (rc == RC_MEMORY)
            return rc;
    }
    text_clear(&e->after);
    text_add(&e->after, listing->name_of(one));
    e->has_after = true;
    return cut(e);
}

void definitions_export_done(struct definitions_export *e)
{
    text_done(&e->after);
    text_done(&e->binding);
    pieces_done(&e->told);
}
