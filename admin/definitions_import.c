/* SPDX-License-Identifier: Apache-2.0 */
/* Each list is gone through twice: first all is checked, then all is made. */
#include "admin/definitions.h"

#include <jansson.h>

#include "admin/definitions_item.h"
#include "broker/base/block.h"
#include "broker/base/list.h"
#include "broker/base/mem.h"
#include "broker/core/definitions.h"
#include "broker/core/headers_match.h"

/* ---- the whole ---- */

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
    enum rc rc =
        json_is_object(json) ? item_import(&item) : item_fail(&item, RC_MALFORMED, "is no object");

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

/* Whether it is a list each of whose entries has one of these names. */
static bool has_only(json_t *list, const char *const names[])
{
    json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        unsigned at = 0;

        while (name != NULL && names[at] != NULL && strcmp(name, names[at]) != 0)
            at++;
        if (name == NULL || names[at] == NULL)
            return false;
    }
    return json_is_array(list);
}

static enum rc check_vhosts(struct import *in, json_t *list)
{
    static const char *const ours[] = { "/", NULL };

    return has_only(list, ours)
               ? RC_OK
               : import_fail(in, RC_INVALID, "the only vhost there is has the name /");
}

/* A cluster's name changes nothing here; every export of RabbitMQ has one. */
static enum rc check_parameters(struct import *in, json_t *list)
{
    static const char *const of_clusters[] = { "cluster_name", "internal_cluster_id", NULL };

    return has_only(list, of_clusters)
               ? RC_OK
               : import_fail(in, RC_UNSUPPORTED,
                             "global_parameters other than the cluster's name mean nothing here; "
                             "--skip global_parameters (?skip=) passes them over");
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
    return import_fail(in, RC_UNSUPPORTED,
                       "%s cannot be imported; --skip %s (?skip=) passes it over", name, name);
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
