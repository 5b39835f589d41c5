/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry of each list says, and the stream, queue, exchange or binding that is made of it.
 */
#include "admin/definitions_item.h"
#include "broker/core/client.h"
#include "broker/core/compaction.h"
#include "broker/core/definitions.h"
#include "broker/core/exchange.h"
#include "broker/core/headers_match.h"
#include "broker/core/limits.h"
#include "broker/core/name.h"
#include "broker/core/queue.h"
#include "broker/core/stream.h"

/* ---- streams ---- */

static enum rc read_config(struct item *item, struct text *kept, struct stream_policy *policy)
{
    struct import *in = item->in;
    const struct definitions_rules *rules = in->rules;
    json_t *config = json_object_get(item->json, "config"), *value;
    const char *name;

    if (config == NULL)
        return RC_OK;
    if (!json_is_object(config))
        return item_fail(item, RC_MALFORMED, "config is no object");
    json_object_foreach(config, name, value)
    {
        struct slice bytes = slice_of(json_string_value(value), json_string_length(value));
        const char *why;

        if (!json_is_string(value))
            return item_fail(item, RC_MALFORMED, "config %s is no string", name);
        why = rules->check_config(rules->config_arg, slice_str(name), bytes);
        if (why != NULL)
            return item_fail(item, RC_INVALID, "config %s: %s", name, why);
        rules->add_config(rules->config_arg, kept, policy, slice_str(name), bytes);
    }
    return kept->bad ? RC_MEMORY : RC_OK;
}

static enum rc read_limit(struct item *item, const json_t *policy, const char *name, int64_t *ret)
{
    const json_t *value = json_object_get(policy, name);

    if (value == NULL)
        return RC_OK;
    if (!json_is_integer(value) || json_integer_value(value) < POLICY_UNLIMITED)
        return item_fail(item, RC_INVALID, "policy %s is neither -1 nor a number from 0 on", name);
    *ret = json_integer_value(value);
    return RC_OK;
}

/* What it says comes before what the config says. */
static enum rc read_policy(struct item *item, struct stream_policy *ret)
{
    json_t *policy = json_object_get(item->json, "policy");
    const json_t *durability = json_object_get(policy, "durability");
    size_t told = 0;
    enum rc rc;

    if (policy == NULL)
        return RC_OK;
    told += json_object_get(policy, "retention_ms") != NULL;
    told += json_object_get(policy, "retention_bytes") != NULL;
    told += durability != NULL;
    if (!json_is_object(policy) || json_object_size(policy) != told)
        return item_fail(item, RC_INVALID,
                         "policy is no object of retention_ms, retention_bytes and durability");
    rc = read_limit(item, policy, "retention_ms", &ret->retention_ms);
    if (rc == RC_OK)
        rc = read_limit(item, policy, "retention_bytes", &ret->retention_bytes);
    if (rc != RC_OK || durability == NULL)
        return rc;
    for (int i = 0; policy_durability_names[i] != NULL; i++) {
        if (json_is_string(durability) &&
            strcmp(json_string_value(durability), policy_durability_names[i]) == 0) {
            ret->durability = i;
            return RC_OK;
        }
    }
    return item_fail(item, RC_INVALID, "policy durability is always, interval, memory or none");
}

static enum rc present_stream(struct item *item, const struct stream *have,
                              const struct stream_spec *want)
{
    if (stream_partition_count(have) != want->partition_count)
        return item_fail(item, RC_MISMATCH, "the stream exists with %u partitions",
                         stream_partition_count(have));
    if (!slice_equal(stream_config(have), want->config))
        return item_fail(item, RC_MISMATCH, "the stream exists with another config");
    if (!policy_is_equal(stream_policy(have), want->policy))
        return item_fail(item, RC_MISMATCH, "the stream exists with another policy");
    return RC_EXISTS;
}

static enum rc do_stream(struct import *in, struct item *item)
{
    static const char *const members[] = { "name",   "partitions", "implicit",
                                           "config", "policy",     NULL };
    struct stream_policy policy = STREAM_POLICY_OPEN;
    struct stream_compaction compaction;
    struct stream_spec spec = { .policy = &policy };
    struct text config = { 0 };
    struct stream *stream;
    uint64_t partitions = 1;
    enum rc rc = item_check_members(item, members);

    if (rc == RC_OK)
        rc = item_bytes(item, "name", &spec.name);
    if (rc == RC_OK)
        rc = item_number(item, "partitions", 1, PARTITIONS_MAX, &partitions);
    if (rc == RC_OK)
        rc = item_switch(item, "implicit", false, &spec.is_implicit);
    if (rc == RC_OK && (name_check(spec.name) != RC_OK || name_level_count(spec.name) > 1 ||
                        spec.name.len > STREAM_NAME_MAX_BYTES))
        rc = item_fail(item, RC_INVALID, "the name is not one level of an address");
    if (rc == RC_OK)
        rc = read_config(item, &config, &policy);
    if (rc == RC_OK)
        rc = read_policy(item, &policy);
    if (rc != RC_OK)
        goto out;
    spec.partition_count = (unsigned)partitions;
    if (config.len > 0)
        spec.config = text_slice(&config);
    if (in->rules->compaction_of(text_slice(&config), &compaction))
        spec.compaction = &compaction;
    stream = stream_find(client_core(in->client), spec.name);
    if (stream != NULL)
        rc = present_stream(item, stream, &spec);
    else if (in->is_dry)
        rc = item_note(item, spec.name);
    else
        rc = stream_create(client_core(in->client), in->client, &spec, &stream);
out:
    text_done(&config);
    return rc;
}

/* ---- queues ---- */

/* Newer exports of RabbitMQ name the type once more beside the arguments. */
static enum rc check_type(struct item *item)
{
    json_t *type = json_object_get(item->json, "type");
    json_t *told = json_object_get(json_object_get(item->json, "arguments"), "x-queue-type");
    const char *word = told == NULL ? "classic" : json_string_value(told);

    if (type == NULL ||
        (json_is_string(type) && word != NULL && strcmp(json_string_value(type), word) == 0))
        return RC_OK;
    return item_fail(item, RC_INVALID, "type differs from the argument x-queue-type");
}

static enum rc do_queue(struct import *in, struct item *item)
{
    static const char *const members[] = { "name", "vhost",     "durable",        "auto_delete",
                                           "type", "arguments", "arguments_amqp", NULL };
    struct queue_spec spec = { 0 };
    struct queue *queue;
    enum rc rc = item_check_members(item, members);

    if (rc == RC_OK)
        rc = item_bytes(item, "name", &spec.name);
    if (rc == RC_OK)
        rc = item_vhost(item);
    if (rc == RC_OK)
        rc = item_switch(item, "durable", true, &spec.is_durable);
    if (rc == RC_OK)
        rc = item_switch(item, "auto_delete", false, &spec.is_auto_delete);
    if (rc == RC_OK)
        rc = check_type(item);
    if (rc == RC_OK)
        rc = item_arguments(item, &spec.arguments, NULL, NULL);
    if (rc != RC_OK)
        return rc;
    queue = queue_find(client_core(in->client), spec.name);
    if (queue != NULL) {
        rc = in->rules->compare_queue(queue_spec(queue), &spec, &in->why);
        return rc == RC_OK ? RC_EXISTS : item_fail_why(item, RC_MISMATCH);
    }
    if (in->rules->check_queue(&spec, &in->why) != RC_OK)
        return item_fail_why(item, RC_INVALID);
    if (in->is_dry)
        return item_note(item, spec.name);
    rc = queue_declare(in->client, &spec, &queue);
    /* The list of streams, which came before, knows what was changed since. */
    if (rc == RC_OK && stream_policy(queue_stream(queue))->durability == POLICY_OPEN)
        in->rules->apply_queue(queue);
    return rc;
}

/* ---- exchanges ---- */

/* By which type one that delays routes, its arguments say. */
static enum rc read_exchange_type(struct item *item, struct exchange_spec *ret)
{
    static const char *const types[EXCHANGE_TYPE_COUNT] = {
        [EXCHANGE_DIRECT] = "direct",
        [EXCHANGE_FANOUT] = "fanout",
        [EXCHANGE_TOPIC] = "topic",
        [EXCHANGE_HEADERS] = "headers",
    };
    struct slice word;
    enum rc rc = item_bytes(item, "type", &word);

    if (rc != RC_OK)
        return rc;
    ret->is_delaying = slice_equal_str(word, "x-delayed-message");
    if (ret->is_delaying)
        return RC_OK;
    for (int i = 0; i < EXCHANGE_TYPE_COUNT; i++) {
        if (slice_equal_str(word, types[i])) {
            ret->type = (enum exchange_type)i;
            return RC_OK;
        }
    }
    return item_fail(item, RC_INVALID, "there is no exchange type %.*s", SLICE_FMT(word));
}

static enum rc do_exchange(struct import *in, struct item *item)
{
    static const char *const members[] = { "name",      "vhost",          "type",
                                           "durable",   "auto_delete",    "internal",
                                           "arguments", "arguments_amqp", NULL };
    struct exchange_spec spec = { 0 };
    struct exchange *exchange;
    enum rc rc = item_check_members(item, members);

    if (rc == RC_OK)
        rc = item_bytes(item, "name", &spec.name);
    if (rc == RC_OK)
        rc = item_vhost(item);
    if (rc == RC_OK)
        rc = read_exchange_type(item, &spec);
    if (rc == RC_OK)
        rc = item_switch(item, "durable", true, &spec.is_durable);
    if (rc == RC_OK)
        rc = item_switch(item, "auto_delete", false, &spec.is_auto_delete);
    if (rc == RC_OK)
        rc = item_switch(item, "internal", false, &spec.is_internal);
    if (rc == RC_OK)
        rc = item_arguments(item, &spec.arguments, NULL, NULL);
    if (rc != RC_OK)
        return rc;
    if (in->rules->check_exchange(&spec, &in->why) != RC_OK)
        return item_fail_why(item, RC_INVALID);
    exchange = exchange_find(client_core(in->client), spec.name);
    if (exchange == NULL && in->is_dry)
        return item_note(item, spec.name);
    if (exchange != NULL && !exchange_is_same(exchange, &spec))
        return item_fail(item, RC_MISMATCH, "the exchange exists with other properties");
    return exchange_declare(in->client, &spec, &exchange);
}

/* ---- bindings ---- */

static enum rc find_ends(struct item *item, struct binding_spec *spec)
{
    struct import *in = item->in;
    struct core *core = client_core(in->client);
    struct slice source, destination, type;
    enum rc rc = item_bytes(item, "source", &source);

    if (rc == RC_OK)
        rc = item_bytes(item, "destination", &destination);
    if (rc == RC_OK)
        rc = item_bytes(item, "destination_type", &type);
    if (rc != RC_OK)
        return rc;
    spec->source = exchange_find(core, source);
    if (spec->source == NULL && !item_is_noted(in, DEFINITIONS_EXCHANGES, source))
        return item_fail(item, RC_INVALID, "there is no exchange %.*s", SLICE_FMT(source));
    if (spec->source != NULL && exchange_is_default(spec->source))
        return item_fail(item, RC_INVALID, "nothing can be bound to the default exchange");
    if (slice_equal_str(type, "queue")) {
        spec->queue = queue_find(core, destination);
        if (spec->queue == NULL && !item_is_noted(in, DEFINITIONS_QUEUES, destination))
            return item_fail(item, RC_INVALID, "there is no queue %.*s", SLICE_FMT(destination));
        return RC_OK;
    }
    if (!slice_equal_str(type, "exchange"))
        return item_fail(item, RC_INVALID, "destination_type is queue or exchange");
    spec->destination = exchange_find(core, destination);
    if (spec->destination == NULL && !item_is_noted(in, DEFINITIONS_EXCHANGES, destination))
        return item_fail(item, RC_INVALID, "there is no exchange %.*s", SLICE_FMT(destination));
    return RC_OK;
}

/* Whatever the source's type, arguments that no headers exchange would take are a mistake. */
static enum rc check_pattern(struct item *item, const struct binding_spec *spec)
{
    struct headers_pattern *pattern = NULL;
    enum rc rc = headers_pattern_new(spec->headers, spec->header_count, &pattern);

    headers_pattern_free(&pattern);
    return rc == RC_OK ? RC_OK : item_fail(item, RC_INVALID, "x-match is not one of its words");
}

static enum rc do_binding(struct import *in, struct item *item)
{
    static const char *const members[] = { "source",           "vhost",       "destination",
                                           "destination_type", "routing_key", "arguments",
                                           "arguments_amqp",   NULL };
    struct binding_spec spec = { 0 };
    enum rc rc = item_check_members(item, members);

    if (rc == RC_OK)
        rc = item_vhost(item);
    if (rc == RC_OK)
        rc = find_ends(item, &spec);
    if (rc == RC_OK)
        rc = item_bytes(item, "routing_key", &spec.key);
    if (rc == RC_OK && spec.key.len > QUEUE_NAME_MAX_BYTES)
        rc =
            item_fail(item, RC_INVALID, "a routing key has at most %d bytes", QUEUE_NAME_MAX_BYTES);
    if (rc == RC_OK)
        rc = item_arguments(item, &spec.arguments, &spec.headers, &spec.header_count);
    if (rc == RC_OK)
        rc = check_pattern(item, &spec);
    if (rc != RC_OK)
        return rc;
    if (spec.source != NULL && (spec.queue != NULL || spec.destination != NULL) &&
        binding_exists(&spec))
        return RC_EXISTS;
    return in->is_dry ? RC_OK : binding_add(in->client, &spec);
}

/* ---- all ---- */

typedef enum rc item_fn(struct import *in, struct item *item);

enum rc item_import(struct item *item)
{
    static item_fn *const of_kind[DEFINITIONS_KIND_COUNT] = {
        [DEFINITIONS_STREAMS] = do_stream,
        [DEFINITIONS_QUEUES] = do_queue,
        [DEFINITIONS_EXCHANGES] = do_exchange,
        [DEFINITIONS_BINDINGS] = do_binding,
    };

    return of_kind[item->kind](item->in, item);
}
