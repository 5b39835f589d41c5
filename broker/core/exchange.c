/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/exchange.h"

#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/base/wire.h"
#include "broker/core/acl.h"
#include "broker/core/delayed.h"
#include "broker/core/exchange_int.h"
#include "broker/core/filter.h"
#include "broker/core/headers_match.h"
#include "broker/core/queue_int.h"

/* ---- the catalogue's value: type u8, flags u8, alternate (u16 length, 65535: none), arguments
 * ---- */

enum {
    EXCHANGE_DURABLE = 1,
    EXCHANGE_AUTO_DELETE = 2,
    EXCHANGE_INTERNAL = 4,
    EXCHANGE_DELAYING = 8, /* `born` u64 stands before the arguments */
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
                            (spec->is_delaying ? EXCHANGE_DELAYING : 0)));
    text_add_u16(out,
                 (uint16_t)(slice_is_none(spec->alternate) ? NO_ALTERNATE : spec->alternate.len));
    text_add(out, spec->alternate);
    if (spec->is_delaying)
        text_add_u64(out, exchange->born);
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

static struct exchange *exchange_new(struct core *core, const struct exchange_spec *spec)
{
    struct exchange *exchange = mem_new(struct exchange);

    exchange->core = core;
    exchange->spec = *spec;
    exchange->spec.name = copy(slice_is_none(spec->name) ? SLICE("") : spec->name);
    exchange->spec.alternate = copy(spec->alternate);
    exchange->spec.arguments = copy(spec->arguments);
    list_init(&exchange->bindings);
    list_init(&exchange->destinations);
    map_init(&exchange->keys);
    if (spec->type == EXCHANGE_TOPIC)
        exchange->matcher = matcher_new();
    map_add(&core->exchanges, exchange->spec.name, &exchange->by_name);
    list_append(&core->exchange_list, &exchange->link);
    core->delaying_count += spec->is_delaying;
    core->bindings_epoch++;
    return exchange;
}

static void exchange_free(struct exchange *exchange)
{
    struct core *core = exchange->core;

    ASSERT(list_is_empty(&exchange->bindings) && list_is_empty(&exchange->destinations));
    map_remove(&core->exchanges, &exchange->by_name);
    link_remove(&exchange->link);
    map_done(&exchange->keys);
    if (exchange->matcher != core->topics)
        matcher_free(&exchange->matcher);
    core->bindings_epoch++;
    core->delaying_count -= exchange->spec.is_delaying;
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
    exchange = exchange_new(client->core, spec);
    if (spec->is_delaying)
        exchange->born = delayed_number(client->core);
    if (spec->is_durable)
        exchange_record(exchange);
    *ret = exchange;
    return RC_OK;
}

/* ---- bindings ---- */

static bool binding_is_durable(const struct binding *binding)
{
    bool is_destination_durable =
        binding->queue != NULL ? binding->queue->spec.is_durable && binding->queue->owner == NULL
                               : binding->destination->spec.is_durable;

    return binding->source->spec.is_durable && is_destination_durable;
}

/* source, destination, key: u16 length and bytes each; kind u8 (1: queue); arguments u32 length and
 * bytes; then the arguments once more as neutral values, which is what a restart can read. */
static void binding_identity(const struct binding_spec *spec, struct text *out)
{
    struct slice destination =
        spec->queue != NULL ? spec->queue->spec.name : spec->destination->spec.name;

    text_add_u16(out, (uint16_t)spec->source->spec.name.len);
    text_add(out, spec->source->spec.name);
    text_add_u16(out, (uint16_t)destination.len);
    text_add(out, destination);
    text_add_u16(out, (uint16_t)spec->key.len);
    text_add(out, spec->key);
    text_add_byte(out, spec->queue != NULL);
    text_add_u32(out, (uint32_t)spec->arguments.len);
    text_add(out, spec->arguments);
}

void header_values_write(struct text *out, const struct header_value *values, unsigned count)
{
    text_add_u32(out, count);
    for (unsigned i = 0; i < count; i++) {
        const struct header_value *value = &values[i];
        uint64_t bits = 0;

        text_add_u16(out, (uint16_t)value->name.len);
        text_add(out, value->name);
        text_add_byte(out, (uint8_t)value->kind);
        if (value->kind == HEADER_TEXT || value->kind == HEADER_BYTES ||
            value->kind == HEADER_OTHER) {
            text_add_u32(out, (uint32_t)value->as.bytes.len);
            text_add(out, value->as.bytes);
            continue;
        }
        if (value->kind == HEADER_BOOL)
            bits = value->as.yes;
        else if (value->kind == HEADER_REAL)
            memcpy(&bits, &value->as.real, sizeof(bits));
        else if (value->kind != HEADER_VOID)
            bits = (uint64_t)value->as.integer;
        text_add_u64(out, bits);
    }
}

struct binding_key_bytes {
    uint8_t bytes[16];
};

static struct binding_key_bytes binding_meta_key(const struct binding *binding)
{
    struct slice identity = slice_of(binding->identity, binding->identity_len);
    struct binding_key_bytes key;

    put_u64(key.bytes, hash_checksum(identity, 1));
    put_u64(key.bytes + 8, hash_checksum(identity, 2));
    return key;
}

static void binding_record(const struct binding *binding, const struct binding_spec *spec)
{
    struct text *out = &binding->source->core->scratch;
    struct binding_key_bytes key = binding_meta_key(binding);

    text_clear(out);
    text_add(out, slice_of(binding->identity, binding->identity_len));
    header_values_write(out, spec->headers, spec->header_count);
    core_put(binding->source->core, META_BINDINGS, slice_of(key.bytes, sizeof(key.bytes)),
             text_slice(out), DURABILITY_ALWAYS);
}

static void key_remove(struct binding *binding)
{
    struct binding_key *keyed = binding->by_key;

    link_remove(&binding->of_key);
    if (!list_is_empty(&keyed->bindings))
        return;
    map_remove(&binding->source->keys, &keyed->by_key);
    mem_free(keyed->key);
    mem_free(keyed);
}

static void key_add(struct binding *binding, struct slice key)
{
    struct map_node *node = map_get(&binding->source->keys, key);
    struct binding_key *keyed;

    if (node != NULL) {
        keyed = CONTAINER_OF(node, struct binding_key, by_key);
    } else {
        keyed = mem_new(struct binding_key);
        list_init(&keyed->bindings);
        keyed->key = mem_copy_text(key);
        map_add(&binding->source->keys, slice_of(keyed->key, key.len), &keyed->by_key);
    }
    binding->by_key = keyed;
    list_append(&keyed->bindings, &binding->of_key);
}

/* Makes it findable by what its source's type looks at. */
static enum rc binding_index(struct binding *binding, const struct binding_spec *spec)
{
    struct exchange *source = binding->source;
    struct filter *filter = NULL;
    enum rc rc = RC_OK;

    switch (source->spec.type) {
    case EXCHANGE_DIRECT:
        key_add(binding, spec->key);
        break;
    case EXCHANGE_TOPIC:
        rc = filter_from_amqp(spec->key, core_dots(source->core), &filter);
        if (rc == RC_OK)
            rc = matcher_add(source->matcher, filter, &binding->interest.entry);
        filter_free(&filter);
        break;
    case EXCHANGE_HEADERS:
        rc = headers_pattern_new(spec->headers, spec->header_count, &binding->pattern);
        break;
    case EXCHANGE_FANOUT:
    case EXCHANGE_TYPE_COUNT:
        break;
    }
    return rc;
}

static enum rc binding_make(const struct binding_spec *spec, struct text *identity)
{
    struct core *core = spec->source->core;
    struct binding *binding = mem_new(struct binding);
    enum rc rc;

    binding->source = spec->source;
    binding->queue = spec->queue;
    binding->destination = spec->destination;
    binding->interest.kind = INTEREST_BINDING;
    rc = binding_index(binding, spec);
    if (rc != RC_OK) {
        mem_free(binding);
        return rc;
    }
    binding->identity = (char *)text_take(identity, &binding->identity_len);
    map_add(&core->bindings, slice_of(binding->identity, binding->identity_len),
            &binding->by_identity);
    list_append(&spec->source->bindings, &binding->of_source);
    list_append(spec->queue != NULL ? &spec->queue->bindings : &spec->destination->destinations,
                &binding->of_destination);
    spec->source->had_bindings = true;
    core->bindings_epoch++;
    if (!core->is_loading && binding_is_durable(binding))
        binding_record(binding, spec);
    return RC_OK;
}

enum rc binding_add(struct client *client, const struct binding_spec *spec)
{
    struct slice name = spec->queue != NULL ? spec->queue->spec.name : spec->destination->spec.name;
    struct text identity = { 0 };
    enum rc rc = authorise(client, OPERATION_CONSUME, RESOURCE_EXCHANGE, spec->source->spec.name);

    if (rc == RC_OK)
        rc = authorise(client, OPERATION_ALTER,
                       spec->queue != NULL ? RESOURCE_QUEUE : RESOURCE_EXCHANGE, name);
    if (rc == RC_OK && spec->queue != NULL)
        rc = queue_check_owner(spec->queue, client);
    if (rc != RC_OK)
        return rc;
    binding_identity(spec, &identity);
    if (identity.bad)
        rc = RC_MEMORY;
    else if (map_get(&client->core->bindings, text_slice(&identity)) == NULL)
        rc = binding_make(spec, &identity);
    text_done(&identity);
    return rc;
}

static void binding_free(struct binding *binding)
{
    struct exchange *source = binding->source;
    struct core *core = source->core;

    if (match_entry_is_added(&binding->interest.entry))
        matcher_remove(source->matcher, &binding->interest.entry);
    if (binding->by_key != NULL)
        key_remove(binding);
    headers_pattern_free(&binding->pattern);
    map_remove(&core->bindings, &binding->by_identity);
    link_remove(&binding->of_source);
    link_remove(&binding->of_destination);
    core->bindings_epoch++;
    mem_free(binding->identity);
    mem_free(binding);
}

static void exchange_remove(struct exchange *exchange);

static void binding_delete(struct binding *binding)
{
    struct exchange *source = binding->source;
    struct binding_key_bytes key = binding_meta_key(binding);

    if (binding_is_durable(binding))
        core_delete(source->core, META_BINDINGS, slice_of(key.bytes, sizeof(key.bytes)));
    binding_free(binding);
    if (source->spec.is_auto_delete && list_is_empty(&source->bindings))
        exchange_remove(source);
}

enum rc binding_remove(struct client *client, const struct binding_spec *spec)
{
    struct text identity = { 0 };
    struct map_node *node;
    enum rc rc = authorise(client, OPERATION_ALTER, RESOURCE_EXCHANGE, spec->source->spec.name);

    if (rc == RC_OK && spec->queue != NULL)
        rc = queue_check_owner(spec->queue, client);
    if (rc != RC_OK)
        return rc;
    binding_identity(spec, &identity);
    node = map_get(&client->core->bindings, text_slice(&identity));
    text_done(&identity);
    if (node == NULL)
        return RC_NOT_FOUND;
    binding_delete(CONTAINER_OF(node, struct binding, by_identity));
    return RC_OK;
}

bool binding_exists(const struct binding_spec *spec)
{
    struct text identity = { 0 };
    bool ret;

    binding_identity(spec, &identity);
    ret = map_get(&spec->source->core->bindings, text_slice(&identity)) != NULL;
    text_done(&identity);
    return ret;
}

/* Takes the identity apart again: see binding_identity(). */
static void binding_spec_of(const struct binding *binding, struct binding_spec *ret)
{
    struct rd rd = rd_of(slice_of(binding->identity, binding->identity_len));

    *ret = (struct binding_spec){ .source = binding->source,
                                  .queue = binding->queue,
                                  .destination = binding->destination };
    (void)rd_bytes(&rd, rd_u16(&rd));
    (void)rd_bytes(&rd, rd_u16(&rd));
    ret->key = rd_bytes(&rd, rd_u16(&rd));
    (void)rd_u8(&rd);
    ret->arguments = rd_bytes(&rd, rd_u32(&rd));
    ASSERT(!rd.bad && rd.left == 0);
}

/* Where in the list those behind the one with that identity begin; NULL: it is gone. */
static struct link *bindings_behind(const struct exchange *source, struct slice identity)
{
    struct map_node *node;
    struct binding *binding;

    if (identity.len == 0)
        return source->bindings.head.next;
    node = map_get(&source->core->bindings, identity);
    if (node == NULL)
        return NULL;
    binding = CONTAINER_OF(node, struct binding, by_identity);
    return binding->source == source ? binding->of_source.next : NULL;
}

enum rc binding_some(const struct exchange *source, struct text *after, unsigned *count,
                     binding_visit_fn *visit, void *arg)
{
    struct link *link = bindings_behind(source, text_slice(after));
    const struct binding *last = NULL;

    if (link == NULL)
        return RC_NOT_FOUND;
    for (; *count > 0 && link != &source->bindings.head; link = link->next, --*count) {
        struct binding_spec spec;

        last = CONTAINER_OF(link, struct binding, of_source);
        binding_spec_of(last, &spec);
        visit(arg, &spec);
    }
    if (link == &source->bindings.head)
        return RC_OK;
    if (last != NULL) {
        text_clear(after);
        text_add(after, slice_of(last->identity, last->identity_len));
    }
    return after->bad ? RC_MEMORY : RC_AGAIN;
}

void bindings_forget_queue(struct queue *queue)
{
    while (!list_is_empty(&queue->bindings))
        binding_delete(LIST_FIRST(&queue->bindings, struct binding, of_destination));
}

/* ---- ending an exchange ---- */

static void exchange_remove(struct exchange *exchange)
{
    exchange->spec.is_auto_delete = false; /* its last binding's end must not remove it twice */
    while (!list_is_empty(&exchange->bindings))
        binding_delete(LIST_FIRST(&exchange->bindings, struct binding, of_source));
    while (!list_is_empty(&exchange->destinations))
        binding_delete(LIST_FIRST(&exchange->destinations, struct binding, of_destination));
    if (exchange->spec.is_durable && !exchange->is_predeclared)
        core_delete(exchange->core, META_EXCHANGES, exchange->spec.name);
    delayed_release(exchange->core, exchange->delayed_count, exchange->delayed_bytes);
    exchange_free(exchange);
}

enum rc exchange_delete(struct client *client, struct exchange *exchange, bool if_unused)
{
    enum rc rc = authorise(client, OPERATION_DELETE, RESOURCE_EXCHANGE, exchange->spec.name);

    if (rc != RC_OK)
        return rc;
    if (exchange->is_predeclared)
        return RC_REFUSED;
    if (if_unused && !list_is_empty(&exchange->bindings))
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

        exchange_new(core, &spec)->is_predeclared = true;
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
    uint64_t born = 0;

    if (alternate != NO_ALTERNATE)
        spec.alternate = rd_bytes(&rd, alternate);
    spec.is_delaying = (flags & EXCHANGE_DELAYING) != 0;
    if (spec.is_delaying)
        born = rd_u64(&rd);
    spec.arguments = rd_rest(&rd);
    if (rd.bad || type >= EXCHANGE_TYPE_COUNT || exchange_find(core, key) != NULL)
        return RC_CORRUPT;
    spec.type = (enum exchange_type)type;
    spec.is_auto_delete = (flags & EXCHANGE_AUTO_DELETE) != 0;
    spec.is_internal = (flags & EXCHANGE_INTERNAL) != 0;
    exchange_new(core, &spec)->born = born;
    return RC_OK;
}

enum rc exchanges_load(struct core *core)
{
    predeclare(core);
    return meta_each(core->store, META_EXCHANGES, visit_exchange, core);
}

void header_value_read(struct rd *rd, struct header_value *value)
{
    value->name = rd_bytes(rd, rd_u16(rd));
    value->kind = (enum header_kind)rd_u8(rd);
    if (value->kind == HEADER_TEXT || value->kind == HEADER_BYTES || value->kind == HEADER_OTHER) {
        value->as.bytes = rd_bytes(rd, rd_u32(rd));
        return;
    }
    value->as.integer = rd_i64(rd);
    if (value->kind == HEADER_BOOL)
        value->as.yes = value->as.integer != 0;
    else if (value->kind == HEADER_REAL) {
        uint64_t bits = (uint64_t)value->as.integer;

        memcpy(&value->as.real, &bits, sizeof(bits));
    }
}

static enum rc visit_binding(void *arg, struct slice key, struct slice value)
{
    struct core *core = arg;
    struct rd rd = rd_of(value);
    struct slice source = rd_bytes(&rd, rd_u16(&rd));
    struct slice destination = rd_bytes(&rd, rd_u16(&rd));
    struct binding_spec spec = { .source = exchange_find(core, source) };
    struct header_value *values;
    struct text identity = { 0 };
    enum rc rc = RC_OK;

    (void)key;
    spec.key = rd_bytes(&rd, rd_u16(&rd));
    if (rd_u8(&rd) != 0)
        spec.queue = queue_find(core, destination);
    else
        spec.destination = exchange_find(core, destination);
    spec.arguments = rd_bytes(&rd, rd_u32(&rd));
    spec.header_count = (unsigned)rd_count(&rd, rd_u32(&rd), 4);
    if (rd.bad)
        return RC_CORRUPT;
    if (spec.source == NULL || (spec.queue == NULL && spec.destination == NULL))
        return RC_OK; /* one of its ends is gone */
    values = mem_new_array(struct header_value, spec.header_count);
    for (unsigned i = 0; i < spec.header_count; i++)
        header_value_read(&rd, &values[i]);
    spec.headers = values;
    binding_identity(&spec, &identity);
    rc = rd.bad ? RC_CORRUPT : binding_make(&spec, &identity);
    text_done(&identity);
    mem_free(values);
    return rc;
}

enum rc bindings_load(struct core *core)
{
    return meta_each(core->store, META_BINDINGS, visit_binding, core);
}

void exchanges_done(struct core *core)
{
    LIST_EACH (k, &core->exchange_list) {
        struct exchange *exchange = CONTAINER_OF(k, struct exchange, link);

        while (!list_is_empty(&exchange->bindings))
            binding_free(LIST_FIRST(&exchange->bindings, struct binding, of_source));
    }
    while (!list_is_empty(&core->exchange_list))
        exchange_free(LIST_FIRST(&core->exchange_list, struct exchange, link));
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
