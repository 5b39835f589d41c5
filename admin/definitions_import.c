/* SPDX-License-Identifier: Apache-2.0 */
/* Each list is gone through twice: first all is checked, then all is made. */
#include "admin/definitions.h"

#include <jansson.h>

#include "admin/definitions_item.h"
#include "admin/jot.h"
#include "broker/base/block.h"
#include "broker/base/list.h"
#include "broker/base/mem.h"
#include "broker/core/client.h"
#include "broker/core/compaction.h"
#include "broker/core/definitions.h"
#include "broker/core/exchange.h"
#include "broker/core/headers_match.h"
#include "broker/core/limits.h"
#include "broker/core/name.h"
#include "broker/core/queue.h"
#include "broker/core/stream.h"

typedef enum rc item_fn(struct import *in, struct item *item);

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

/* ---- the whole ---- */

static item_fn *const item_fns[DEFINITIONS_KIND_COUNT] = {
    [DEFINITIONS_STREAMS] = do_stream,
    [DEFINITIONS_QUEUES] = do_queue,
    [DEFINITIONS_EXCHANGES] = do_exchange,
    [DEFINITIONS_BINDINGS] = do_binding,
};

static bool is_listed(struct slice list, const char *word)
{
    while (list.len > 0) {
        const uint8_t *comma = memchr(list.at, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t)(comma - list.at);

        if (slice_equal_str(slice_of(list.at, len), word))
            return true;
        list = slice_after(list, len + 1);
    }
    return false;
}

/* False: no more of the list is to be looked at. */
static bool do_item(struct import *in, enum definitions_kind kind, json_t *json, size_t index,
                    struct definitions_tally *tally)
{
    struct item item = { .in = in, .json = json, .kind = kind, .index = index };
    enum rc rc = json_is_object(json) ? item_fns[kind](in, &item)
                                      : item_fail(&item, RC_MALFORMED, "is no object");

    item_done(&item);
    if (rc == RC_OK && !in->is_dry)
        tally->made++;
    else if (rc == RC_EXISTS && !in->is_dry)
        tally->present++;
    else if (rc != RC_OK && rc != RC_EXISTS && in->rc == RC_OK) {
        (void)item_fail(&item, rc, "%s", rc_word(rc)); /* core's refusal; kept in in->rc */
        return false;
    }
    if (in->error_count < DEFINITIONS_ERRORS_MAX)
        return true;
    (void)import_fail(in, in->rc, "more mistakes are not looked for"); /* likewise */
    return false;
}

static enum rc check_vhosts(struct import *in, json_t *list)
{
    json_t *vhost;
    size_t i;

    json_array_foreach(list, i, vhost)
    {
        const char *name = json_string_value(json_object_get(vhost, "name"));

        if (name == NULL || strcmp(name, "/") != 0)
            return import_fail(in, RC_INVALID, "the only vhost there is has the name /");
    }
    return RC_OK;
}

/* A cluster's name changes nothing here; every export of RabbitMQ has one. */
static enum rc check_parameters(struct import *in, json_t *list)
{
    json_t *parameter;
    size_t i;

    json_array_foreach(list, i, parameter)
    {
        const char *name = json_string_value(json_object_get(parameter, "name"));

        if (name == NULL ||
            (strcmp(name, "cluster_name") != 0 && strcmp(name, "internal_cluster_id") != 0))
            return import_fail(in, RC_UNSUPPORTED,
                               "global_parameters other than the cluster's name mean nothing "
                               "here; they can be passed over: skip=global_parameters");
    }
    return RC_OK;
}

static bool is_empty(const json_t *list)
{
    return json_is_null(list) || (json_is_array(list) && json_array_size(list) == 0) ||
           (json_is_object(list) && json_object_size(list) == 0);
}

/* Members that tell where a file comes from. */
static const char *const origins[] = {
    "rabbit_version",  "rabbitmq_version", "product_name",
    "product_version", "explanation",      "rabbitmq_definition_format",
};

/* What we have no place for is refused unless it is empty or was asked to be passed over. */
static enum rc check_member(struct import *in, const char *name, json_t *value)
{
    for (int i = 0; i < DEFINITIONS_KIND_COUNT; i++) {
        if (strcmp(name, definitions_kind_names[i]) == 0)
            return RC_OK;
    }
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        if (strcmp(name, origins[i]) == 0)
            return RC_OK;
    }
    if (is_listed(in->skip, name) || is_empty(value))
        return RC_OK;
    if (strcmp(name, "vhosts") == 0)
        return check_vhosts(in, value);
    if (strcmp(name, "global_parameters") == 0)
        return check_parameters(in, value);
    return import_fail(in, RC_UNSUPPORTED, "%s cannot be imported; it can be passed over: skip=%s",
                       name, name);
}

/* ---- in parts ---- */

struct definitions_import {
    struct import in;
    struct pieces file; /* owned; empty when it was read */
    struct text skip;
    struct text errors;
    struct definitions_tally tally[DEFINITIONS_KIND_COUNT];
    unsigned kind; /* the list under way */
    size_t at;     /* its entry */
    bool is_begun;
};

struct definitions_import *definitions_import_new(struct client *client,
                                                  const struct definitions_rules *rules,
                                                  struct pieces *json, struct slice skip)
{
    struct definitions_import *i = mem_new(struct definitions_import);

    i->file = *json;
    pieces_init(json);
    text_add(&i->skip, skip);
    i->in = (struct import){ .client = client,
                             .rules = rules,
                             .skip = text_slice(&i->skip),
                             .errors = &i->errors,
                             .fields = mem_new_array(struct header_value, DEFINITION_FIELDS_MAX),
                             .is_dry = true };
    json_object_seed(0); /* before another thread needs it */
    for (int kind = 0; kind < DEFINITIONS_KIND_COUNT; kind++)
        map_init(&i->in.noted[kind]);
    return i;
}

struct reading {
    struct pieces *from;
    struct block *block; /* owned */
    struct slice left;   /* of it */
};

/* Gives blocks back as they are read: nobody else has a reference to them. */
static size_t read_some(void *to, size_t room, void *arg)
{
    struct reading *r = arg;
    size_t n;

    if (r->left.len == 0) {
        block_unref(&r->block);
        r->block = pieces_take(r->from, &r->left);
    }
    if (r->block == NULL)
        return 0;
    n = r->left.len < room ? r->left.len : room;
    memcpy(to, r->left.at, n);
    r->left = slice_after(r->left, n);
    return n;
}

void definitions_import_read_wt(struct definitions_import *i)
{
    struct reading r = { .from = &i->file };
    json_error_t error;

    i->in.root = json_load_callback(read_some, &r, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (i->in.root == NULL)
        text_format(&i->errors, "line %d, column %d: %s\n", error.line, error.column, error.text);
    block_unref(&r.block);
    pieces_done(&i->file);
}

void definitions_import_forget_wt(struct definitions_import *i)
{
    for (int kind = 0; kind < DEFINITIONS_KIND_COUNT; kind++) {
        struct map_node *node;

        while ((node = map_any(&i->in.noted[kind])) != NULL) {
            map_remove(&i->in.noted[kind], node);
            mem_free(CONTAINER_OF(node, struct noted, node));
        }
        map_done(&i->in.noted[kind]);
    }
    json_decref(i->in.root);
    i->in.root = NULL;
    pieces_done(&i->file);
}

void definitions_import_free(struct definitions_import **ref)
{
    struct definitions_import *i = *ref;

    if (i == NULL)
        return;
    definitions_import_forget_wt(i);
    text_done(&i->in.why);
    mem_free(i->in.fields);
    text_done(&i->skip);
    text_done(&i->errors);
    MEM_FREE(*ref);
}

static void begin(struct definitions_import *i)
{
    struct import *in = &i->in;
    json_t *value;
    const char *name;

    i->is_begun = true;
    json_object_foreach(in->root, name, value)(void)
        check_member(in, name, value); /* kept in in->rc */
}

/* The list under way; NULL when there is none of that name. */
static json_t *list_now(struct definitions_import *i)
{
    const char *name = definitions_kind_names[i->kind];
    json_t *list = json_object_get(i->in.root, name);

    if (list == NULL || is_listed(i->in.skip, name))
        return NULL;
    if (json_is_array(list))
        return list;
    if (i->in.is_dry)
        (void)import_fail(&i->in, RC_MALFORMED, "%s is no list", name); /* kept in in.rc */
    return NULL;
}

static void next_list(struct definitions_import *i)
{
    i->at = 0;
    if (++i->kind < DEFINITIONS_KIND_COUNT || !i->in.is_dry || i->in.rc != RC_OK)
        return;
    i->in.is_dry = false;
    i->kind = 0;
}

enum rc definitions_import_step(struct definitions_import *i, unsigned count)
{
    if (i->in.root == NULL)
        return RC_MALFORMED;
    if (!json_is_object(i->in.root))
        return import_fail(&i->in, RC_MALFORMED, "the whole is no object");
    if (!i->is_begun)
        begin(i);
    while (i->kind < DEFINITIONS_KIND_COUNT && (i->in.is_dry || i->in.rc == RC_OK)) {
        json_t *list = list_now(i);
        bool is_more = list != NULL && i->at < json_array_size(list);

        if (is_more && count-- == 0)
            return RC_AGAIN;
        if (is_more)
            is_more = do_item(&i->in, (enum definitions_kind)i->kind, json_array_get(list, i->at),
                              i->at, &i->tally[i->kind]);
        i->at++;
        if (!is_more)
            next_list(i);
    }
    return i->in.rc;
}

const struct definitions_tally *definitions_import_tally(const struct definitions_import *i)
{
    return i->tally;
}

struct slice definitions_import_errors(const struct definitions_import *i)
{
    return text_slice(&i->errors);
}
