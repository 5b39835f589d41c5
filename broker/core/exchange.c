/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/exchange.h"

#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/base/wire.h"
#include "broker/core/acl.h"
#include "broker/core/delayed.h"
#include "broker/core/exchange_int.h"

/* ---- the catalogue's value: type u8, flags u8, alternate (u16 length, 65535: none), `born` u64 of
 * ---- one that delays, number u64, arguments ---- */

enum {
    EXCHANGE_DURABLE = 1,
    EXCHANGE_AUTO_DELETE = 2,
    EXCHANGE_INTERNAL = 4,
    EXCHANGE_DELAYING = 8,
    EXCHANGE_NUMBERED = 16, /* all but those of older versions */
};
#define NO_ALTERNATE 65535u

static void exchange_record(struct exchange *exchange)
{
    struct text *out = &exchange->core->scratch;
    const struct exchange_spec *spec = &exchange->spec;

    text_clear(out);
    text_add_byte(out, (uint8_t)spec->type);
    text_add_byte(out,
                  (uint8_t)(EXCHANGE_DURABLE | (spec->is_auto_delete ? EXCHANGE_AUTO_DELETE : 0) |
                            (spec->is_internal ? EXCHANGE_INTERNAL : 0) |
                            (spec->is_delaying ? EXCHANGE_DELAYING : 0) | EXCHANGE_NUMBERED));
    text_add_u16(out,
                 (uint16_t)(slice_is_none(spec->alternate) ? NO_ALTERNATE : spec->alternate.len));
    text_add(out, spec->alternate);
    if (spec->is_delaying)
        text_add_u64(out, exchange->born);
    text_add_u64(out, exchange->inbound.number);
    text_add(out, spec->arguments);
    if (!PLANTED("exchange-unrecorded"))
        core_put(exchange->core, META_EXCHANGES, spec->name, text_slice(out), DURABILITY_ALWAYS);
}

static struct slice copy(struct slice s)
{
    return slice_is_none(s) ? SLICE_NONE : slice_of(mem_copy_text(s), s.len);
}

static void drop(struct slice *s)
{
    mem_free((void *)(uintptr_t)s->at);
    *s = SLICE_NONE;
}

static struct exchange *exchange_new(struct core *core, const struct exchange_spec *spec,
                                     uint64_t number)
{
    struct exchange *exchange = mem_new(struct exchange);

    exchange->core = core;
    exchange->spec = *spec;
    exchange->spec.name = copy(slice_is_none(spec->name) ? SLICE("") : spec->name);
    exchange->spec.alternate = copy(spec->alternate);
    exchange->spec.arguments = copy(spec->arguments);
    list_init(&exchange->bindings);
    list_init(&exchange->ties);
    inbound_init(&exchange->inbound, number);
    map_init(&exchange->keys);
    if (spec->type == EXCHANGE_TOPIC)
        exchange->matcher = matcher_new();
    map_add(&core->exchanges, exchange->spec.name, &exchange->by_name);
    list_append(&core->exchange_list, &exchange->link);
    core->delaying_count += spec->is_delaying;
    core->bindings_epoch++;
    return exchange;
}

void exchange_close(struct exchange *exchange)
{
    struct core *core = exchange->core;

    map_remove(&core->exchanges, &exchange->by_name);
    link_remove(&exchange->link);
    core->bindings_epoch++;
    core->delaying_count -= exchange->spec.is_delaying;
}

void exchange_free(struct exchange *exchange)
{
    ASSERT(list_is_empty(&exchange->bindings) && list_is_empty(&exchange->inbound.bindings));
    ASSERT(list_is_empty(&exchange->ties) && list_is_empty(&exchange->inbound.ties));
    map_done(&exchange->keys);
    if (exchange->matcher != exchange->core->topics)
        matcher_free(&exchange->matcher);
    drop(&exchange->spec.name);
    drop(&exchange->spec.alternate);
    drop(&exchange->spec.arguments);
    mem_free(exchange);
}

static bool is_same(const struct exchange_spec *a, const struct exchange_spec *b)
{
    return a->type == b->type && a->is_durable == b->is_durable &&
           a->is_delaying == b->is_delaying && a->is_auto_delete == b->is_auto_delete &&
           a->is_internal == b->is_internal &&
           slice_is_none(a->alternate) == slice_is_none(b->alternate) &&
           slice_equal(a->alternate, b->alternate);
}

bool exchange_is_same(const struct exchange *exchange, const struct exchange_spec *spec)
{
    return is_same(&exchange->spec, spec);
}

enum rc exchange_declare(struct client *client, const struct exchange_spec *spec,
                         struct exchange **ret)
{
    struct exchange *exchange = exchange_find(client->core, spec->name);
    enum rc rc;

    if (exchange != NULL) {
        *ret = exchange;
        return is_same(&exchange->spec, spec) ? RC_EXISTS : RC_MISMATCH;
    }
    rc = authorise_kept(client, OPERATION_CREATE, spec->name);
    if (rc == RC_OK)
        rc = authorise(client, OPERATION_CREATE, RESOURCE_EXCHANGE, spec->name);
    if (rc != RC_OK)
        return rc;
    if (spec->name.len > QUEUE_NAME_MAX_BYTES || spec->alternate.len > QUEUE_NAME_MAX_BYTES)
        return RC_LIMIT;
    exchange = exchange_new(client->core, spec, core_number(client->core));
    if (spec->is_delaying)
        exchange->born = delayed_number(client->core);
    if (spec->is_durable)
        exchange_record(exchange);
    *ret = exchange;
    return RC_OK;
}

enum rc exchange_delete(struct client *client, struct exchange *exchange, bool if_unused)
{
    enum rc rc = authorise(client, OPERATION_DELETE, RESOURCE_EXCHANGE, exchange->spec.name);

    if (rc != RC_OK)
        return rc;
    if (exchange->is_predeclared)
        return RC_REFUSED;
    if (if_unused && exchange_has_bindings(exchange))
        return RC_IN_USE;
    exchange_remove(exchange);
    return RC_OK;
}

/* ---- loading ---- */

static void predeclare(struct core *core)
{
    static const struct {
        const char *name;
        enum exchange_type type;
        bool is_internal;
    } rows[] = {
        { "", EXCHANGE_DIRECT, false },
        { "amq.direct", EXCHANGE_DIRECT, false },
        { "amq.fanout", EXCHANGE_FANOUT, false },
        { "amq.topic", EXCHANGE_TOPIC, false },
        { "amq.headers", EXCHANGE_HEADERS, false },
        { "amq.match", EXCHANGE_HEADERS, false },
        { "amq.rabbitmq.trace", EXCHANGE_TOPIC, true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct exchange_spec spec = { .name = slice_str(rows[i].name),
                                      .type = rows[i].type,
                                      .is_durable = true,
                                      .is_internal = rows[i].is_internal };

        exchange_new(core, &spec, 0)->is_predeclared = true;
    }
    core->default_exchange = exchange_find(core, SLICE(""));
    core->shared_exchange = exchange_find(core, SLICE("amq.topic"));
    core->topics = core->shared_exchange->matcher;
}

static enum rc visit_exchange(void *arg, struct slice key, struct slice value)
{
    struct core *core = arg;
    struct rd rd = rd_of(value);
    struct exchange_spec spec = { .name = key, .is_durable = true };
    unsigned type = rd_u8(&rd);
    unsigned flags = rd_u8(&rd);
    unsigned alternate = rd_u16(&rd);
    uint64_t born = 0, number = 0;

    if (alternate != NO_ALTERNATE)
        spec.alternate = rd_bytes(&rd, alternate);
    spec.is_delaying = (flags & EXCHANGE_DELAYING) != 0;
    if (spec.is_delaying)
        born = rd_u64(&rd);
    if ((flags & EXCHANGE_NUMBERED) != 0)
        number = rd_u64(&rd);
    spec.arguments = rd_rest(&rd);
    if (rd.bad || type >= EXCHANGE_TYPE_COUNT || exchange_find(core, key) != NULL)
        return RC_CORRUPT;
    spec.type = (enum exchange_type)type;
    spec.is_auto_delete = (flags & EXCHANGE_AUTO_DELETE) != 0;
    spec.is_internal = (flags & EXCHANGE_INTERNAL) != 0;
    exchange_new(core, &spec, number)->born = born;
    return RC_OK;
}

enum rc exchanges_load(struct core *core)
{
    predeclare(core);
    return meta_each(core->store, META_EXCHANGES, visit_exchange, core);
}

void exchanges_done(struct core *core)
{
    LIST_EACH (k, &core->exchange_list) {
        struct exchange *exchange = CONTAINER_OF(k, struct exchange, link);

        while (!list_is_empty(&exchange->bindings))
            binding_free(LIST_FIRST(&exchange->bindings, struct binding, of_source));
    }
    while (!list_is_empty(&core->exchange_list)) {
        struct exchange *exchange = LIST_FIRST(&core->exchange_list, struct exchange, link);

        exchange_close(exchange);
        exchange_free(exchange);
    }
    matcher_free(&core->topics);
    map_done(&core->exchanges);
    map_done(&core->bindings);
}

/* ---- looking ---- */

struct exchange *exchange_find(struct core *core, struct slice name)
{
    struct map_node *node = map_get(&core->exchanges, name);

    return node == NULL ? NULL : CONTAINER_OF(node, struct exchange, by_name);
}

const struct exchange_spec *exchange_spec(const struct exchange *exchange)
{
    return &exchange->spec;
}

bool exchange_is_predeclared(const struct exchange *exchange)
{
    return exchange->is_predeclared;
}

bool exchange_is_shared(const struct exchange *exchange)
{
    return exchange == exchange->core->shared_exchange;
}

bool exchange_is_default(const struct exchange *exchange)
{
    return exchange == exchange->core->default_exchange;
}

bool exchanges_delay(const struct core *core)
{
    return core->delaying_count > 0;
}

struct exchange *exchange_next(struct core *core, struct exchange *after)
{
    struct link *next = after == NULL ? core->exchange_list.head.next : after->link.next;

    return next == &core->exchange_list.head ? NULL : CONTAINER_OF(next, struct exchange, link);
}
