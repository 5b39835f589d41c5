/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/amqp/amqp_table.h"

#include "broker/base/mem.h"

static float float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static double double_of(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Reads one typed value; an unknown type octet fails the reader. */
static void read_value(struct rd *r, struct amqp_value *v)
{
    struct rd start;

    *v = (struct amqp_value){ .type = (enum amqp_type)rd_u8(r) };
    start = *r;
    switch (v->type) {
    case AMQP_BOOL:
        v->integer = rd_u8(r) != 0;
        break;
    case AMQP_I8:
        v->integer = rd_i8(r);
        break;
    case AMQP_U8:
        v->integer = rd_u8(r);
        break;
    case AMQP_I16:
        v->integer = rd_i16(r);
        break;
    case AMQP_U16:
        v->integer = rd_u16(r);
        break;
    case AMQP_I32:
        v->integer = rd_i32(r);
        break;
    case AMQP_U32:
        v->integer = rd_u32(r);
        break;
    case AMQP_I64:
    case AMQP_I64_TOO:
    case AMQP_TIME:
        v->integer = rd_i64(r);
        break;
    case AMQP_FLOAT:
        v->real = (double)float_of(rd_u32(r));
        break;
    case AMQP_DOUBLE:
        v->real = double_of(rd_u64(r));
        break;
    case AMQP_DECIMAL:
        v->scale = rd_u8(r);
        v->integer = rd_u32(r);
        break;
    case AMQP_TEXT:
    case AMQP_BYTES:
    case AMQP_ARRAY:
    case AMQP_TABLE:
        v->bytes = rd_bytes(r, rd_u32(r));
        break;
    case AMQP_VOID:
        break;
    default:
        rd_fail(r);
        break;
    }
    if (!r->bad)
        v->raw = slice_of(start.at, start.left - r->left);
}

bool amqp_table_next(struct rd *r, struct slice *ret_key, struct amqp_value *ret)
{
    if (r->bad || r->left == 0)
        return false;
    *ret_key = rd_bytes(r, rd_u8(r));
    read_value(r, ret);
    return !r->bad;
}

bool amqp_array_next(struct rd *r, struct amqp_value *ret)
{
    if (r->bad || r->left == 0)
        return false;
    read_value(r, ret);
    return !r->bad;
}

/* Walks to its leaves without recursion: one reader for each level. */
enum rc amqp_table_check(struct slice table)
{
    struct {
        struct rd r;
        bool is_table;
    } levels[AMQP_TABLE_DEPTH_MAX];
    size_t depth = 1;

    levels[0].r = rd_of(table);
    levels[0].is_table = true;
    while (depth > 0) {
        struct rd *r = &levels[depth - 1].r;
        struct amqp_value v;
        struct slice key;

        if (r->left == 0) {
            depth--;
            continue;
        }
        if (levels[depth - 1].is_table ? !amqp_table_next(r, &key, &v) : !amqp_array_next(r, &v))
            return RC_MALFORMED;
        if (v.type != AMQP_TABLE && v.type != AMQP_ARRAY)
            continue;
        if (depth == AMQP_TABLE_DEPTH_MAX)
            return RC_LIMIT;
        levels[depth].r = rd_of(v.bytes);
        levels[depth].is_table = v.type == AMQP_TABLE;
        depth++;
    }
    return RC_OK;
}

bool amqp_table_find(struct slice table, struct slice key, struct amqp_value *ret)
{
    struct rd r = rd_of(table);
    struct amqp_value v;
    struct slice k;

    while (amqp_table_next(&r, &k, &v)) {
        if (slice_equal(k, key)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

bool amqp_value_is_integer(const struct amqp_value *value)
{
    return value->raw.at != NULL && strchr("bBsuIilL", (int)value->type) != NULL;
}

const char *amqp_type_word(enum amqp_type type)
{
    switch (type) {
    case AMQP_BOOL:
        return "bool";
    case AMQP_I8:
        return "byte";
    case AMQP_U8:
        return "unsignedbyte";
    case AMQP_I16:
        return "short";
    case AMQP_U16:
        return "unsignedshort";
    case AMQP_I32:
        return "signedint";
    case AMQP_U32:
        return "unsignedint";
    case AMQP_I64:
    case AMQP_I64_TOO:
        return "long";
    case AMQP_FLOAT:
        return "float";
    case AMQP_DOUBLE:
        return "double";
    case AMQP_DECIMAL:
        return "decimal";
    case AMQP_TEXT:
        return "longstr";
    case AMQP_BYTES:
        return "binary";
    case AMQP_ARRAY:
        return "array";
    case AMQP_TIME:
        return "timestamp";
    case AMQP_TABLE:
        return "table";
    case AMQP_VOID:
        return "void";
    }
    return "unknown";
}

size_t amqp_table_begin(struct wr *w)
{
    size_t begin = w->len;

    wr_u32(w, 0);
    return begin;
}

void amqp_table_end(struct wr *w, size_t begin)
{
    ASSERT(w->len >= begin);
    if (w->at != NULL && !w->bad)
        put_u32(w->at + begin, (uint32_t)(w->len - begin - 4));
}

void amqp_put_shortstr(struct wr *w, struct slice s)
{
    ASSERT(s.len <= UINT8_MAX);
    wr_u8(w, (uint8_t)s.len);
    wr_bytes(w, s);
}

void amqp_put_longstr(struct wr *w, struct slice s)
{
    wr_u32(w, (uint32_t)s.len);
    wr_bytes(w, s);
}

static void put_key(struct wr *w, struct slice key, enum amqp_type type)
{
    if (!slice_is_none(key))
        amqp_put_shortstr(w, key);
    wr_u8(w, (uint8_t)type);
}

void amqp_put_text(struct wr *w, struct slice key, struct slice value)
{
    put_key(w, key, AMQP_TEXT);
    amqp_put_longstr(w, value);
}

void amqp_put_bytes(struct wr *w, struct slice key, struct slice value)
{
    put_key(w, key, AMQP_BYTES);
    amqp_put_longstr(w, value);
}

void amqp_put_bool(struct wr *w, struct slice key, bool value)
{
    put_key(w, key, AMQP_BOOL);
    wr_u8(w, value ? 1 : 0);
}

void amqp_put_i64(struct wr *w, struct slice key, int64_t value)
{
    put_key(w, key, AMQP_I64);
    wr_i64(w, value);
}

void amqp_put_time(struct wr *w, struct slice key, uint64_t seconds)
{
    put_key(w, key, AMQP_TIME);
    wr_u64(w, seconds);
}

void amqp_put_void(struct wr *w, struct slice key)
{
    put_key(w, key, AMQP_VOID);
}

void amqp_put_raw(struct wr *w, struct slice key, enum amqp_type type, struct slice raw)
{
    put_key(w, key, type);
    wr_bytes(w, raw);
}

size_t amqp_put_open(struct wr *w, struct slice key, enum amqp_type type)
{
    ASSERT(type == AMQP_TABLE || type == AMQP_ARRAY);
    put_key(w, key, type);
    return amqp_table_begin(w);
}
