/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/amqp/amqp_codec.h"

#include <stddef.h>

#include "broker/base/mem.h"
#include "broker/base/utf8.h"
#include "protocols/amqp/amqp_table.h"

enum field_kind {
    FIELD_END,
    FIELD_octet,
    FIELD_short,
    FIELD_long,
    FIELD_longlong,
    FIELD_bit,
    FIELD_shortstr,
    FIELD_longstr,
    FIELD_table,
};

struct field {
    uint8_t kind;    /* enum field_kind */
    uint16_t offset; /* in the method's struct */
};

/* static const struct field fields_basic_publish[] and so on */
#define DESCRIBE(type, kind, name) { FIELD_##kind, offsetof(struct amqp_##type, name) },
#define FIELDS(NAME, type, class, method, text)   \
    static const struct field fields_##type[] = { \
        AMQP_F_##type(DESCRIBE){ FIELD_END, 0 },  \
    };
AMQP_METHODS(FIELDS)
#undef FIELDS
#undef DESCRIBE

static const struct method_row {
    uint16_t class_id;
    uint16_t method_id;
    const struct field *fields;
    const char *text;
} rows[AMQP_METHOD_COUNT] = {
#define X(NAME, type, class, method, text) { class, method, fields_##type, text },
    AMQP_METHODS(X)
#undef X
};

#define CLASS_MAX  90
#define METHOD_MAX 120

/* Row + 1 by ids; 0 where there is none. */
static const uint8_t row_at[CLASS_MAX + 1][METHOD_MAX + 1] = {
#define X(NAME, type, class, method, text) [class][method] = AMQP_##NAME + 1,
    AMQP_METHODS(X)
#undef X
};
_Static_assert(AMQP_METHOD_COUNT < UINT8_MAX, "row_at holds octets");

enum rc amqp_frame_next(struct slice in, uint32_t frame_max, struct amqp_frame *ret,
                        size_t *ret_need)
{
    struct rd r = rd_of(in);

    *ret = (struct amqp_frame){ .type = rd_u8(&r), .channel = rd_u16(&r), .size = rd_u32(&r) };
    if (r.bad) {
        *ret_need = AMQP_FRAME_OVERHEAD;
        return RC_AGAIN;
    }
    if (ret->size > frame_max - AMQP_FRAME_OVERHEAD + AMQP_FRAME_TOLERANCE)
        return RC_TOO_LARGE;
    if (r.left <= ret->size) {
        *ret_need = (size_t)ret->size + AMQP_FRAME_OVERHEAD;
        return RC_AGAIN;
    }
    ret->payload = rd_bytes(&r, ret->size);
    ret->end = rd_u8(&r);
    return ret->end == AMQP_FRAME_END ? RC_OK : RC_MALFORMED;
}

void amqp_put_frame_head(struct wr *w, enum amqp_frame_type type, uint16_t channel, size_t size)
{
    wr_u8(w, (uint8_t)type);
    wr_u16(w, channel);
    wr_u32(w, (uint32_t)size);
}

void amqp_method_ids(struct slice payload, uint16_t *ret_class, uint16_t *ret_method)
{
    struct rd r = rd_of(payload);

    *ret_class = rd_u16(&r);
    *ret_method = rd_u16(&r);
}

/* Reads one field into `to`. The two reasons that are not truncation go to *why, first one wins. */
static void read_field(struct rd *r, enum field_kind kind, void *to, enum rc *why)
{
    struct slice s = SLICE_NONE;
    enum rc rc = RC_OK;

    switch (kind) {
    case FIELD_octet:
        *(uint8_t *)to = rd_u8(r);
        return;
    case FIELD_short:
        *(uint16_t *)to = rd_u16(r);
        return;
    case FIELD_long:
        *(uint32_t *)to = rd_u32(r);
        return;
    case FIELD_longlong:
        *(uint64_t *)to = rd_u64(r);
        return;
    case FIELD_shortstr:
        s = rd_bytes(r, rd_u8(r));
        if (!r->bad && !utf8_is_valid(s))
            rc = RC_INVALID;
        break;
    case FIELD_longstr:
        s = rd_bytes(r, rd_u32(r));
        break;
    case FIELD_table:
        s = rd_bytes(r, rd_u32(r));
        if (!r->bad)
            rc = amqp_table_check(s);
        break;
    case FIELD_bit:
    case FIELD_END:
        ASSERT(false);
    }
    *(struct slice *)to = s;
    if (*why == RC_OK)
        *why = rc;
}

static void read_fields(struct rd *r, const struct field *fields, uint8_t *base, enum rc *why)
{
    unsigned bit = 8; /* no octet of bits is open */
    uint8_t bits = 0;

    for (const struct field *f = fields; f->kind != FIELD_END; f++) {
        if (f->kind != FIELD_bit) {
            bit = 8;
            read_field(r, (enum field_kind)f->kind, base + f->offset, why);
            continue;
        }
        if (bit == 8) {
            bits = rd_u8(r);
            bit = 0;
        }
        *(bool *)(base + f->offset) = (bits >> bit & 1) != 0;
        bit++;
    }
}

/* Truncation and leftovers outrank what is wrong inside a field that was read whole. */
static enum rc verdict(const struct rd *r, enum rc why)
{
    return r->bad || r->left > 0 ? RC_MALFORMED : why;
}

enum rc amqp_decode_method(struct slice payload, struct amqp_method *ret)
{
    struct rd r = rd_of(payload);
    uint16_t class_id = rd_u16(&r), method_id = rd_u16(&r);
    enum rc why = RC_OK;
    unsigned row;

    if (r.bad)
        return RC_MALFORMED;
    if (class_id > CLASS_MAX || method_id > METHOD_MAX)
        return RC_NOT_FOUND;
    row = row_at[class_id][method_id];
    if (row == 0)
        return RC_NOT_FOUND;
    ret->name = (enum amqp_method_name)(row - 1);
    read_fields(&r, rows[row - 1].fields, (uint8_t *)&ret->connection_start, &why);
    return verdict(&r, why);
}

static void write_field(struct wr *w, enum field_kind kind, const void *from)
{
    switch (kind) {
    case FIELD_octet:
        wr_u8(w, *(const uint8_t *)from);
        break;
    case FIELD_short:
        wr_u16(w, *(const uint16_t *)from);
        break;
    case FIELD_long:
        wr_u32(w, *(const uint32_t *)from);
        break;
    case FIELD_longlong:
        wr_u64(w, *(const uint64_t *)from);
        break;
    case FIELD_shortstr:
        amqp_put_shortstr(w, *(const struct slice *)from);
        break;
    case FIELD_longstr:
    case FIELD_table:
        amqp_put_longstr(w, *(const struct slice *)from);
        break;
    case FIELD_bit:
    case FIELD_END:
        ASSERT(false);
    }
}

static void write_fields(struct wr *w, const struct field *fields, const uint8_t *base)
{
    for (const struct field *f = fields; f->kind != FIELD_END;) {
        uint8_t bits = 0;

        if (f->kind != FIELD_bit) {
            write_field(w, (enum field_kind)f->kind, base + f->offset);
            f++;
            continue;
        }
        for (unsigned bit = 0; bit < 8 && f->kind == FIELD_bit; bit++, f++)
            bits = (uint8_t)(bits | *(const bool *)(base + f->offset) << bit);
        wr_u8(w, bits);
    }
}

void amqp_encode_method(struct wr *w, const struct amqp_method *method)
{
    const struct method_row *row = &rows[method->name];

    ASSERT(method->name < AMQP_METHOD_COUNT);
    wr_u16(w, row->class_id);
    wr_u16(w, row->method_id);
    write_fields(w, row->fields, (const uint8_t *)&method->connection_start);
}

void amqp_encode_method_frame(struct wr *w, uint16_t channel, const struct amqp_method *method)
{
    struct wr counting = wr_counting();

    amqp_encode_method(&counting, method);
    amqp_put_frame_head(w, AMQP_FRAME_METHOD, channel, counting.len);
    amqp_encode_method(w, method);
    wr_u8(w, AMQP_FRAME_END);
}

uint16_t amqp_method_class_id(enum amqp_method_name name)
{
    ASSERT(name < AMQP_METHOD_COUNT);
    return rows[name].class_id;
}

uint16_t amqp_method_id(enum amqp_method_name name)
{
    ASSERT(name < AMQP_METHOD_COUNT);
    return rows[name].method_id;
}

const char *amqp_method_text(enum amqp_method_name name)
{
    ASSERT(name < AMQP_METHOD_COUNT);
    return rows[name].text;
}

enum rc amqp_decode_content_header(struct slice payload, struct amqp_content_header *ret)
{
    struct rd r = rd_of(payload);

    ret->class_id = rd_u16(&r);
    ret->weight = rd_u16(&r);
    ret->body_size = rd_u64(&r);
    ret->properties = rd_rest(&r);
    return r.bad ? RC_MALFORMED : RC_OK;
}

static const struct field property_fields[AMQP_PROPERTY_COUNT] = {
#define X(FLAG, kind, name) { FIELD_##kind, offsetof(struct amqp_properties, name) },
    AMQP_PROPERTIES(X)
#undef X
};

/* Bits 1 and 0 of the flags word: one nobody has defined, and "another flags word follows". */
#define FLAGS_UNKNOWN ((uint16_t)((1u << (16 - AMQP_PROPERTY_COUNT)) - 1))

enum rc amqp_decode_properties(struct slice bytes, struct amqp_properties *ret)
{
    struct rd r = rd_of(bytes);
    enum rc why = RC_OK;

    *ret = (struct amqp_properties){ .flags = rd_u16(&r) };
    if ((ret->flags & FLAGS_UNKNOWN) != 0)
        return RC_MALFORMED;
    for (uint16_t left = ret->flags; left != 0;) {
        unsigned i = (unsigned)__builtin_clz(left) - 16; /* the highest bit is the first */
        const struct field *f = &property_fields[i];

        read_field(&r, (enum field_kind)f->kind, (uint8_t *)ret + f->offset, &why);
        left = (uint16_t)(left & ~(0x8000u >> i));
    }
    return verdict(&r, why);
}

void amqp_encode_properties(struct wr *w, const struct amqp_properties *properties)
{
    wr_u16(w, properties->flags);
    amqp_encode_property_list(w, properties);
}

void amqp_encode_property_list(struct wr *w, const struct amqp_properties *properties)
{
    ASSERT((properties->flags & FLAGS_UNKNOWN) == 0);
    for (unsigned i = 0; i < AMQP_PROPERTY_COUNT; i++) {
        const struct field *f = &property_fields[i];

        if ((properties->flags & 0x8000u >> i) != 0)
            write_field(w, (enum field_kind)f->kind, (const uint8_t *)properties + f->offset);
    }
}

void amqp_encode_header_frame(struct wr *w, uint16_t channel, uint64_t body_size,
                              struct slice properties)
{
    amqp_put_frame_head(w, AMQP_FRAME_HEADER, channel, AMQP_HEADER_FIXED + properties.len);
    wr_u16(w, amqp_method_class_id(AMQP_BASIC_PUBLISH));
    wr_u16(w, 0); /* weight */
    wr_u64(w, body_size);
    wr_bytes(w, properties);
    wr_u8(w, AMQP_FRAME_END);
}
