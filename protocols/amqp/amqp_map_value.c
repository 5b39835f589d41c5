/* SPDX-License-Identifier: Apache-2.0 */
/* Table values in the words of others: text, and what headers exchanges compare. */
#include "broker/base/mem.h"
#include "broker/base/utf8.h"
#include "broker/core/headers_match.h"
#include "protocols/amqp/amqp_map_int.h"
#include "protocols/amqp/amqp_table.h"

/* Bytes of a JSON string. What is not UTF-8 is shown byte by byte, as if it were Latin-1. */
static void add_json_string(struct text *to, struct slice s)
{
    bool is_text = utf8_is_valid(s);

    text_add_byte(to, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte = s.at[i];

        if (byte == '"' || byte == '\\')
            text_format(to, "\\%c", byte);
        else if (byte < ' ' || (byte >= 0x80 && !is_text))
            text_format(to, "\\u%04x", byte);
        else
            text_add_byte(to, byte);
    }
    text_add_byte(to, '"');
}

static void add_decimal(struct text *to, const struct amqp_value *v)
{
    uint64_t digits = (uint64_t)v->integer, scale = 1;
    unsigned places = v->scale > 18 ? 18 : v->scale; /* the digits are 32 bits: more are zeros */

    for (unsigned i = 0; i < places; i++)
        scale *= 10;
    text_format(to, "%llu", (unsigned long long)(digits / scale));
    if (places > 0)
        text_format(to, ".%0*llu", (int)places, (unsigned long long)(digits % scale));
}

static void add_scalar(struct text *to, const struct amqp_value *v)
{
    switch (v->type) {
    case AMQP_BOOL:
        text_add(to, v->integer != 0 ? SLICE("true") : SLICE("false"));
        break;
    case AMQP_FLOAT:
    case AMQP_DOUBLE:
        text_format(to, "%.17g", v->real);
        break;
    case AMQP_DECIMAL:
        add_decimal(to, v);
        break;
    case AMQP_VOID:
        text_add(to, SLICE("null"));
        break;
    case AMQP_I8:
    case AMQP_U8:
    case AMQP_I16:
    case AMQP_U16:
    case AMQP_I32:
    case AMQP_U32:
    case AMQP_I64:
    case AMQP_I64_TOO:
    case AMQP_TIME:
        text_format(to, "%lld", (long long)v->integer);
        break;
    case AMQP_TEXT:
    case AMQP_BYTES:
        text_add(to, v->bytes);
        break;
    case AMQP_ARRAY:
    case AMQP_TABLE:
        break; /* not scalars: add_json() */
    }
}

bool amqp_is_view_name(struct slice name)
{
    static const char *const views[] = {
        HEADER_CONTENT_TYPE,   HEADER_CONTENT_ENCODING, HEADER_EXPIRES_AT, HEADER_REPLY_TO,
        HEADER_CORRELATION_ID, HEADER_USER_ID,          HEADER_ADDRESS,    HEADER_MQTT_QOS,
        HEADER_MQTT_RETAIN,    HEADER_MQTT_FORMAT,      HEADER_MQTT_PROPS, HEADER_BRIDGE,
        HEADER_SOURCE,
    };

    while (slice_starts(name, SLICE(AMQP_USER_ESCAPE)))
        name = slice_after(name, sizeof(AMQP_USER_ESCAPE) - 1);
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        if (slice_equal_str(name, views[i]))
            return true;
    }
    return slice_starts(name, SLICE(HEADER_AMQP_PREFIX));
}

struct level {
    struct rd r;
    bool is_table;
    bool is_begun;
};

/* One entry inside `level`; gives true when it opened a new one, in *ret. */
static bool add_entry(struct text *to, struct level *level, struct level *ret)
{
    struct amqp_value v;
    struct slice key = SLICE_NONE;

    if (level->is_table ? !amqp_table_next(&level->r, &key, &v) : !amqp_array_next(&level->r, &v))
        return false;
    if (level->is_begun)
        text_add_byte(to, ',');
    level->is_begun = true;
    if (level->is_table) {
        add_json_string(to, key);
        text_add_byte(to, ':');
    }
    if (v.type == AMQP_TABLE || v.type == AMQP_ARRAY) {
        *ret = (struct level){ rd_of(v.bytes), v.type == AMQP_TABLE, false };
        text_add_byte(to, ret->is_table ? '{' : '[');
        return true;
    }
    if (v.type == AMQP_TEXT || v.type == AMQP_BYTES)
        add_json_string(to, v.bytes);
    else
        add_scalar(to, &v);
    return false;
}

/* The table was checked, so its depth is known to be within the limit. */
static void add_json(struct text *to, const struct amqp_value *v)
{
    struct level levels[AMQP_TABLE_DEPTH_MAX + 1];
    size_t depth = 1;

    levels[0] = (struct level){ rd_of(v->bytes), v->type == AMQP_TABLE, false };
    text_add_byte(to, levels[0].is_table ? '{' : '[');
    while (depth > 0) {
        struct level *top = &levels[depth - 1];

        if (top->r.left == 0 || top->r.bad) {
            text_add_byte(to, top->is_table ? '}' : ']');
            depth--;
        } else if (depth <= AMQP_TABLE_DEPTH_MAX && add_entry(to, top, &levels[depth])) {
            depth++;
        }
    }
}

void amqp_value_text(struct text *to, const struct amqp_value *value)
{
    if (value->type == AMQP_TABLE || value->type == AMQP_ARRAY)
        add_json(to, value);
    else
        add_scalar(to, value);
}

static void header_value(struct slice name, const struct amqp_value *v, struct header_value *ret)
{
    *ret = (struct header_value){ .name = name, .kind = HEADER_OTHER };
    if (amqp_value_is_integer(v) || v->type == AMQP_TIME) {
        ret->kind = v->type == AMQP_TIME ? HEADER_TIME : HEADER_INTEGER;
        ret->as.integer = v->integer;
    } else if (v->type == AMQP_BOOL) {
        ret->kind = HEADER_BOOL;
        ret->as.yes = v->integer != 0;
    } else if (v->type == AMQP_FLOAT || v->type == AMQP_DOUBLE) {
        ret->kind = HEADER_REAL;
        ret->as.real = v->real;
    } else if (v->type == AMQP_VOID) {
        ret->kind = HEADER_VOID;
    } else if (v->type == AMQP_TEXT || v->type == AMQP_BYTES) {
        ret->kind = v->type == AMQP_TEXT ? HEADER_TEXT : HEADER_BYTES;
        ret->as.bytes = v->bytes;
    } else {
        ret->as.bytes = slice_of(v->raw.at - 1, v->raw.len + 1); /* with its type octet */
    }
}

enum rc amqp_header_values(struct slice table, struct header_value **values, unsigned *count,
                           unsigned *room)
{
    struct amqp_value v;
    struct slice name;

    *count = 0;
    for (struct rd r = rd_of(table); amqp_table_next(&r, &name, &v);) {
        if (*count == *room) {
            unsigned more = *room == 0 ? 8 : *room * 2;
            struct header_value *at = mem_try_resize(*values, more * sizeof(*at));

            if (at == NULL)
                return RC_MEMORY;
            *values = at;
            *room = more;
        }
        header_value(name, &v, &(*values)[(*count)++]);
    }
    return RC_OK;
}
