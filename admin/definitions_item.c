/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/definitions_item.h"

#include <stdarg.h>

#include "admin/jot.h"
#include "broker/base/list.h"
#include "broker/base/mem.h"
#include "broker/core/definitions.h"
#include "broker/core/headers_match.h"

void item_done(struct item *item)
{
    for (unsigned i = 0; i < item->owned_count; i++)
        mem_free(item->owned[i]);
    item->owned_count = 0;
    text_done(&item->table);
}

/* ---- mistakes ---- */

static void count_mistake(struct import *in, enum rc rc)
{
    ASSERT(rc != RC_OK);
    if (in->rc == RC_OK)
        in->rc = rc;
    in->error_count++;
    text_add_byte(in->errors, '\n');
}

enum rc import_fail(struct import *in, enum rc rc, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    text_format_list(in->errors, format, list);
    va_end(list);
    count_mistake(in, rc);
    return rc;
}

static void name_item(const struct item *item)
{
    struct text *to = item->in->errors;
    json_t *name = json_object_get(item->json, "name");

    text_format(to, "%s[%zu]", definitions_kind_names[item->kind], item->index);
    if (json_is_string(name))
        text_format(to, " \"%s\"", json_string_value(name));
    text_add(to, SLICE(": "));
}

enum rc item_fail(struct item *item, enum rc rc, const char *format, ...)
{
    va_list list;

    name_item(item);
    va_start(list, format);
    text_format_list(item->in->errors, format, list);
    va_end(list);
    count_mistake(item->in, rc);
    return rc;
}

enum rc item_fail_why(struct item *item, enum rc rc)
{
    struct text *why = &item->in->why;

    (void)item_fail(item, rc, "%.*s", SLICE_FMT(text_slice(why)));
    text_clear(why);
    return rc;
}

/* ---- members ---- */

enum rc item_check_members(struct item *item, const char *const members[])
{
    const char *name;
    json_t *value;

    json_object_foreach(item->json, name, value)
    {
        size_t i = 0;

        while (members[i] != NULL && strcmp(members[i], name) != 0)
            i++;
        if (members[i] == NULL)
            return item_fail(item, RC_INVALID, "%s means nothing here", name);
    }
    return RC_OK;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Octets written as lower-case hexadecimal digits; the item owns them. */
static bool read_hex(struct item *item, const json_t *json, struct slice *ret)
{
    const char *text = json_string_value(json);
    size_t len = text == NULL ? 0 : json_string_length(json);
    uint8_t *at;

    if (text == NULL || len % 2 != 0 || item->owned_count == ITEM_OWNED_MAX)
        return false;
    at = mem_try(len / 2 + 1);
    if (at == NULL)
        return false;
    item->owned[item->owned_count++] = at;
    for (size_t i = 0; i < len; i += 2) {
        int high = digit_of(text[i]), low = digit_of(text[i + 1]);

        if (high < 0 || low < 0)
            return false;
        at[i / 2] = (uint8_t)(high << 4 | low);
    }
    *ret = slice_of(at, len / 2);
    return true;
}

/* The only member of an object, if that is its name. */
static const json_t *only_member(const json_t *json, const char *name)
{
    return json_is_object(json) && json_object_size(json) == 1 ? json_object_get(json, name) : NULL;
}

enum rc item_bytes(struct item *item, const char *name, struct slice *ret)
{
    const json_t *json = json_object_get(item->json, name);

    if (json == NULL)
        return item_fail(item, RC_MALFORMED, "%s is missing", name);
    if (json_is_string(json)) {
        *ret = slice_of(json_string_value(json), json_string_length(json));
        return RC_OK;
    }
    if (read_hex(item, only_member(json, "hex"), ret))
        return RC_OK;
    return item_fail(item, RC_MALFORMED, "%s is neither text nor {\"hex\": ...}", name);
}

enum rc item_number(struct item *item, const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
    const json_t *json = json_object_get(item->json, name);

    if (json == NULL)
        return RC_OK;
    if (!json_is_integer(json) || json_integer_value(json) < (json_int_t)min ||
        json_integer_value(json) > (json_int_t)max)
        return item_fail(item, RC_INVALID, "%s is no number from %llu to %llu", name,
                         (unsigned long long)min, (unsigned long long)max);
    *ret = (uint64_t)json_integer_value(json);
    return RC_OK;
}

enum rc item_switch(struct item *item, const char *name, bool fallback, bool *ret)
{
    const json_t *json = json_object_get(item->json, name);

    *ret = json == NULL ? fallback : json_is_true(json);
    return json == NULL || json_is_boolean(json)
               ? RC_OK
               : item_fail(item, RC_MALFORMED, "%s is neither true nor false", name);
}

enum rc item_vhost(struct item *item)
{
    const json_t *json = json_object_get(item->json, "vhost");
    const char *name = json_string_value(json);

    return json == NULL || (name != NULL && strcmp(name, "/") == 0)
               ? RC_OK
               : item_fail(item, RC_INVALID, "the only vhost there is has the name /");
}

/* ---- arguments ---- */

static bool read_object(struct item *item, const json_t *json, struct header_value *ret)
{
    static const struct {
        const char *name;
        enum header_kind kind;
    } rows[] = { { "hex", HEADER_TEXT }, { "bytes", HEADER_BYTES }, { "amqp", HEADER_OTHER } };
    const json_t *time = only_member(json, "time");

    if (json_is_integer(time)) {
        ret->kind = HEADER_TIME;
        ret->as.integer = json_integer_value(time);
        return true;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ret->kind = rows[i].kind;
        if (read_hex(item, only_member(json, rows[i].name), &ret->as.bytes))
            return true;
    }
    return false;
}

static bool read_field(struct item *item, const json_t *json, struct header_value *ret)
{
    switch (json_typeof(json)) {
    case JSON_NULL:
        ret->kind = HEADER_VOID;
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        ret->kind = HEADER_BOOL;
        ret->as.yes = json_is_true(json);
        return true;
    case JSON_INTEGER:
        ret->kind = HEADER_INTEGER;
        ret->as.integer = json_integer_value(json);
        return true;
    case JSON_REAL:
        ret->kind = HEADER_REAL;
        ret->as.real = json_real_value(json);
        return true;
    case JSON_STRING:
        ret->kind = HEADER_TEXT;
        ret->as.bytes = slice_of(json_string_value(json), json_string_length(json));
        return true;
    case JSON_OBJECT:
        return read_object(item, json, ret);
    case JSON_ARRAY:
        break;
    }
    return false;
}

/* Does `table` say what "arguments" says? Then its octets are the better copy. */
static bool says_the_same(struct item *item, struct slice table)
{
    struct text told = { 0 };
    json_t *json;
    bool ret;

    jot_open(&told, NULL, '{');
    definitions_add_arguments(item->in->rules, &told, table);
    jot_close(&told, '}');
    json = json_loadb((const char *)told.at, told.len, JSON_ALLOW_NUL, NULL);
    ret = json_equal(json_object_get(json, "arguments"),
                     json_object_get(item->json, "arguments")) != 0;
    json_decref(json);
    text_done(&told);
    return ret;
}

static enum rc read_fields(struct item *item, json_t *json, unsigned *ret_count)
{
    const char *name;
    json_t *value;

    if (json_object_size(json) > DEFINITION_FIELDS_MAX)
        return item_fail(item, RC_INVALID, "more than %d arguments", DEFINITION_FIELDS_MAX);
    json_object_foreach(json, name, value)
    {
        struct header_value *field = &item->in->fields[(*ret_count)++];

        *field = (struct header_value){ .name = slice_str(name) };
        if (!read_field(item, value, field))
            return item_fail(item, RC_INVALID,
                             "argument %s: lists and objects cannot be told in JSON", name);
    }
    if (item->in->rules->write_arguments(item->in->fields, *ret_count, &item->table) != RC_OK)
        return item_fail(item, RC_INVALID, "arguments that no table can hold");
    return RC_OK;
}

enum rc item_arguments(struct item *item, struct slice *ret_table,
                       const struct header_value **ret_fields, unsigned *ret_count)
{
    const json_t *native = json_object_get(item->json, "arguments_amqp");
    json_t *json = json_object_get(item->json, "arguments");
    struct slice octets = SLICE_NONE;
    unsigned count = 0;
    enum rc rc = RC_OK;

    /* RabbitMQ writes an empty list for none. */
    if (json != NULL && !json_is_object(json) && json_array_size(json) + !json_is_array(json) > 0)
        return item_fail(item, RC_MALFORMED, "arguments is no object");
    if (native != NULL && !read_hex(item, native, &octets))
        return item_fail(item, RC_MALFORMED, "arguments_amqp is not hexadecimal");
    if (!slice_is_none(octets) && says_the_same(item, octets))
        rc = item->in->rules->read_arguments(octets, item->in->fields, DEFINITION_FIELDS_MAX,
                                             &count);
    else if (json_is_object(json)) {
        octets = SLICE_NONE;
        rc = read_fields(item, json, &count);
    } else
        octets = SLICE_NONE;
    if (rc != RC_OK)
        return item->in->rc != RC_OK ? rc : item_fail(item, rc, "arguments cannot be read");
    *ret_table = slice_is_none(octets) ? text_slice(&item->table) : octets;
    if (ret_fields != NULL) {
        *ret_fields = item->in->fields;
        *ret_count = count;
    }
    return RC_OK;
}

/* ---- what will be made ---- */

enum rc item_note(struct item *item, struct slice name)
{
    struct map *set = &item->in->noted[item->kind];
    struct map_node *have = map_get(set, name);
    struct noted *noted;

    if (have == NULL) {
        noted = mem_zeroed(sizeof(*noted) + name.len);
        if (name.len > 0)
            memcpy(noted + 1, name.at, name.len);
        noted->json = item->json;
        map_add(set, slice_of((const uint8_t *)(noted + 1), name.len), &noted->node);
        return RC_OK;
    }
    if (json_equal(CONTAINER_OF(have, struct noted, node)->json, item->json))
        return RC_EXISTS;
    return item_fail(item, RC_MISMATCH, "the file says it twice, with other properties");
}

bool item_is_noted(const struct import *in, enum definitions_kind kind, struct slice name)
{
    return map_get(&in->noted[kind], name) != NULL;
}
