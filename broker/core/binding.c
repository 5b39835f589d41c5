/* SPDX-License-Identifier: Apache-2.0 */
/* Bindings: made, found and removed, and who finds them. */
#include "broker/base/mem.h"
#include "broker/core/acl.h"
#include "broker/core/exchange_int.h"
#include "broker/core/filter.h"
#include "broker/core/headers_match.h"
#include "broker/core/queue_int.h"

void inbound_init(struct inbound *inbound, uint64_t number)
{
    list_init(&inbound->bindings);
    list_init(&inbound->ties);
    inbound->number = number;
}

struct inbound *binding_inbound(const struct binding *binding)
{
    return binding->queue != NULL ? &binding->queue->inbound : &binding->destination->inbound;
}

bool binding_is_over(const struct binding *binding)
{
    return binding->source->is_removed ||
           (binding->queue != NULL ? binding->queue->is_removed : binding->destination->is_removed);
}

/* ---- what a direct exchange looks at ---- */

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

/* ---- what an exchange that goes with its last binding counts ---- */

static struct tie *tie_find(const struct exchange *source, const struct inbound *inbound)
{
    struct link *a = source->ties.head.next, *b = inbound->ties.head.next;

    for (; a != &source->ties.head && b != &inbound->ties.head; a = a->next, b = b->next) {
        struct tie *of_source = CONTAINER_OF(a, struct tie, of_source);
        struct tie *of_inbound = CONTAINER_OF(b, struct tie, of_inbound);

        if (of_source->inbound == inbound)
            return of_source;
        if (of_inbound->source == source)
            return of_inbound;
    }
    return NULL;
}

static void tie_add(struct binding *binding)
{
    struct inbound *inbound = binding_inbound(binding);
    struct tie *tie = tie_find(binding->source, inbound);

    if (tie == NULL) {
        tie = mem_new(struct tie);
        tie->source = binding->source;
        tie->inbound = inbound;
        list_append(&binding->source->ties, &tie->of_source);
        list_append(&inbound->ties, &tie->of_inbound);
    }
    binding->tie = tie;
    tie->count++;
}

static void tie_remove(struct binding *binding)
{
    struct tie *tie = binding->tie;

    ASSERT(tie->count > 0);
    if (--tie->count > 0)
        return;
    link_remove_if(&tie->of_source);
    link_remove_if(&tie->of_inbound);
    mem_free(tie);
}

/* ---- making ---- */

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
    list_append(&binding_inbound(binding)->bindings, &binding->of_destination);
    if (spec->source->spec.is_auto_delete)
        tie_add(binding);
    core->bindings_epoch++;
    if (!core->is_loading && binding_is_durable(binding))
        binding_record(binding, spec);
    return RC_OK;
}

enum rc binding_load(const struct binding_spec *spec)
{
    struct text identity = { 0 };
    enum rc rc;

    binding_identity(spec, &identity);
    rc = identity.bad ? RC_MEMORY : binding_make(spec, &identity);
    text_done(&identity);
    return rc;
}

/* Those that go in parts are there for nobody. */
static struct binding *binding_find(const struct core *core, struct slice identity)
{
    struct map_node *node = map_get(&core->bindings, identity);
    struct binding *binding;

    if (node == NULL)
        return NULL;
    binding = CONTAINER_OF(node, struct binding, by_identity);
    return binding_is_over(binding) ? NULL : binding;
}

/* One of before, of the same names, that is still to go in parts, goes now. */
static void make_room(struct core *core, struct slice identity)
{
    struct map_node *node = map_get(&core->bindings, identity);

    if (node != NULL)
        binding_sweep(CONTAINER_OF(node, struct binding, by_identity));
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
    if (identity.bad) {
        rc = RC_MEMORY;
    } else if (binding_find(client->core, text_slice(&identity)) == NULL) {
        make_room(client->core, text_slice(&identity));
        rc = binding_make(spec, &identity);
    }
    text_done(&identity);
    return rc;
}

/* ---- removing ---- */

void binding_free(struct binding *binding)
{
    struct exchange *source = binding->source;

    if (match_entry_is_added(&binding->interest.entry))
        matcher_remove(source->matcher, &binding->interest.entry);
    if (binding->by_key != NULL)
        key_remove(binding);
    if (binding->tie != NULL)
        tie_remove(binding);
    headers_pattern_free(&binding->pattern);
    map_remove(&source->core->bindings, &binding->by_identity);
    link_remove(&binding->of_source);
    link_remove(&binding->of_destination);
    mem_free(binding->identity);
    mem_free(binding);
}

void binding_sweep(struct binding *binding)
{
    ASSERT(binding_is_over(binding));
    binding_record_sweep(binding);
    binding_free(binding);
}

static void binding_delete(struct binding *binding)
{
    struct exchange *source = binding->source;

    if (binding_is_durable(binding))
        binding_record_delete(binding);
    binding_free(binding);
    source->core->bindings_epoch++;
    if (source->spec.is_auto_delete && list_is_empty(&source->ties))
        exchange_remove(source);
}

enum rc binding_remove(struct client *client, const struct binding_spec *spec)
{
    struct text identity = { 0 };
    struct binding *binding = NULL;
    enum rc rc = authorise(client, OPERATION_ALTER, RESOURCE_EXCHANGE, spec->source->spec.name);

    if (rc == RC_OK && spec->queue != NULL)
        rc = queue_check_owner(spec->queue, client);
    if (rc != RC_OK)
        return rc;
    binding_identity(spec, &identity);
    if (identity.bad)
        rc = RC_MEMORY;
    else
        binding = binding_find(client->core, text_slice(&identity));
    text_done(&identity);
    if (binding == NULL)
        return rc == RC_OK ? RC_NOT_FOUND : rc;
    binding_delete(binding);
    return RC_OK;
}

/* ---- looking ---- */

bool binding_exists(const struct binding_spec *spec)
{
    struct text identity = { 0 };
    bool ret;

    binding_identity(spec, &identity);
    ret = binding_find(spec->source->core, text_slice(&identity)) != NULL;
    text_done(&identity);
    return ret;
}

bool exchange_has_bindings(const struct exchange *exchange)
{
    if (exchange->spec.is_auto_delete)
        return !list_is_empty(&exchange->ties);
    LIST_EACH (k, &exchange->bindings) {
        if (!binding_is_over(CONTAINER_OF(k, struct binding, of_source)))
            return true;
    }
    return false;
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
        const struct binding *binding = CONTAINER_OF(link, struct binding, of_source);
        struct binding_spec spec;

        if (binding_is_over(binding))
            continue;
        last = binding;
        binding_spec_of(binding, &spec);
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
