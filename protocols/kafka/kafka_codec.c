/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/kafka/kafka_codec.h"

#include "broker/base/mem.h"

#define UVARINT_BYTES 5 /* an unsigned varint of 32 bits */

const struct kafka_message *kafka_message_of(int16_t key)
{
    for (unsigned i = 0; i < kafka_message_count; i++) {
        if (kafka_messages[i].key == key)
            return &kafka_messages[i];
    }
    return NULL;
}

/* The member at `offset` as a pointer to a type. */
#define MEMBER(base, offset, type) ((type *)(void *)((uint8_t *)(base) + (offset)))
#define CONST_MEMBER(base, offset) ((const void *)((const uint8_t *)(base) + (offset)))

static const uint8_t *array_of(const struct kafka_field *f, const void *base)
{
    const uint8_t *at;

    memcpy(&at, CONST_MEMBER(base, f->offset), sizeof(at));
    return at;
}

static uint32_t count_of(const struct kafka_field *f, const void *base)
{
    return *(const uint32_t *)CONST_MEMBER(base, f->count_offset);
}

static bool may_be_null(const struct kafka_field *f, int16_t version)
{
    return version >= f->null_min && version <= f->null_max;
}

/* ---- defaults ---- */

static void set_number(const struct kafka_field *f, void *at, int64_t value)
{
    switch (f->kind) {
    case KAFKA_BOOL:
        *(bool *)at = value != 0;
        break;
    case KAFKA_INT8:
        *(int8_t *)at = (int8_t)value;
        break;
    case KAFKA_INT16:
    case KAFKA_UINT16:
        *(uint16_t *)at = (uint16_t)value;
        break;
    case KAFKA_INT32:
    case KAFKA_UINT32:
        *(uint32_t *)at = (uint32_t)value;
        break;
    case KAFKA_INT64:
        *(int64_t *)at = value;
        break;
    case KAFKA_STRING:
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
    case KAFKA_UUID:
    case KAFKA_STRUCT:
        break;
    }
}

static void set_defaults(const struct kafka_type *type, void *at)
{
    for (unsigned i = 0; i < type->field_count; i++) {
        const struct kafka_field *f = &type->fields[i];

        if (f->kind == KAFKA_STRUCT && !f->is_array) {
            if (f->type->has_defaults)
                set_defaults(f->type, MEMBER(at, f->offset, void));
        } else if (f->value != 0) {
            set_number(f, MEMBER(at, f->offset, void), f->value);
        }
    }
}

void kafka_defaults(const struct kafka_type *type, void *at)
{
    memset(at, 0, type->size);
    if (type->has_defaults)
        set_defaults(type, at);
}

void *kafka_array(struct kafka_arena *arena, const struct kafka_type *type, size_t n)
{
    uint8_t *at;

    if (n > KAFKA_ARENA_MAX_BYTES / type->size) {
        arena->bad = true;
        return NULL;
    }
    at = kafka_arena_take(arena, n * type->size);
    if (at != NULL && type->has_defaults) {
        for (size_t i = 0; i < n; i++)
            set_defaults(type, at + i * type->size);
    }
    return at;
}

/* ---- decoding ---- */

struct decoder {
    struct rd *r;
    struct kafka_arena *arena;
    int16_t version;
    bool is_flexible;
};

static void decode_struct(struct decoder *d, const struct kafka_type *type, void *to);

/* A length or count: -1 is null. Bad below -1. */
static int64_t decode_length(struct decoder *d, bool is_short)
{
    int64_t n;

    if (d->is_flexible)
        n = (int64_t)rd_uvarint(d->r, UVARINT_BYTES) - 1;
    else if (is_short)
        n = rd_i16(d->r);
    else
        n = rd_i32(d->r);
    if (n < -1 || n > INT32_MAX)
        rd_fail(d->r);
    return d->r->bad ? 0 : n;
}

static struct slice decode_slice(struct decoder *d, const struct kafka_field *f, bool is_short)
{
    int64_t n = decode_length(d, is_short);

    if (n >= 0)
        return rd_bytes(d->r, (size_t)n);
    if (!may_be_null(f, d->version))
        rd_fail(d->r);
    return SLICE_NONE;
}

static size_t size_of(const struct kafka_field *f)
{
    switch (f->kind) {
    case KAFKA_BOOL:
        return sizeof(bool);
    case KAFKA_INT8:
        return 1;
    case KAFKA_INT16:
    case KAFKA_UINT16:
        return 2;
    case KAFKA_INT32:
    case KAFKA_UINT32:
        return 4;
    case KAFKA_INT64:
        return 8;
    case KAFKA_STRING:
    case KAFKA_BYTES:
        return sizeof(struct slice);
    case KAFKA_RECORDS:
        return sizeof(struct kafka_records);
    case KAFKA_UUID:
        return sizeof(struct kafka_uuid);
    case KAFKA_STRUCT:
        return f->type->size;
    }
    return 1;
}

static size_t least_of_struct(const struct kafka_type *type, int16_t version, bool is_flexible);

/* The fewest bytes that one value of a field can take: what proves a count before it is used. */
static size_t least_of(const struct kafka_field *f, int16_t version, bool is_flexible)
{
    switch (f->kind) {
    case KAFKA_STRING:
        return is_flexible ? 1 : 2;
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
        return is_flexible ? 1 : 4;
    case KAFKA_STRUCT:
        return least_of_struct(f->type, version, is_flexible);
    case KAFKA_BOOL:
    case KAFKA_INT8:
    case KAFKA_INT16:
    case KAFKA_UINT16:
    case KAFKA_INT32:
    case KAFKA_UINT32:
    case KAFKA_INT64:
    case KAFKA_UUID:
        break;
    }
    return size_of(f);
}

static size_t least_of_struct(const struct kafka_type *type, int16_t version, bool is_flexible)
{
    size_t least = is_flexible ? 1 : 0;

    for (unsigned i = 0; i < type->field_count; i++) {
        const struct kafka_field *f = &type->fields[i];

        if (!kafka_field_is_in(f, version) || f->tag >= 0)
            continue;
        least += f->is_array ? (is_flexible ? 1 : 4) : least_of(f, version, is_flexible);
    }
    return least == 0 ? 1 : least;
}

static void decode_value(struct decoder *d, const struct kafka_field *f, void *to)
{
    switch (f->kind) {
    case KAFKA_BOOL:
        *(bool *)to = rd_u8(d->r) != 0;
        break;
    case KAFKA_INT8:
        *(int8_t *)to = rd_i8(d->r);
        break;
    case KAFKA_INT16:
    case KAFKA_UINT16:
        *(uint16_t *)to = rd_u16(d->r);
        break;
    case KAFKA_INT32:
    case KAFKA_UINT32:
        *(uint32_t *)to = rd_u32(d->r);
        break;
    case KAFKA_INT64:
        *(int64_t *)to = rd_i64(d->r);
        break;
    case KAFKA_STRING:
        *(struct slice *)to = decode_slice(d, f, true);
        break;
    case KAFKA_BYTES:
        *(struct slice *)to = decode_slice(d, f, false);
        break;
    case KAFKA_RECORDS:
        ((struct kafka_records *)to)->bytes = decode_slice(d, f, false);
        break;
    case KAFKA_UUID: {
        struct slice s = rd_bytes(d->r, sizeof(struct kafka_uuid));

        if (s.at != NULL)
            memcpy(to, s.at, s.len);
        break;
    }
    case KAFKA_STRUCT:
        decode_struct(d, f->type, to);
        break;
    }
}

static void decode_array(struct decoder *d, const struct kafka_field *f, void *base)
{
    int64_t n = decode_length(d, false);
    size_t count, size = size_of(f);
    uint8_t *at;

    if (n < 0) {
        if (!may_be_null(f, d->version))
            rd_fail(d->r);
        return;
    }
    count = rd_count(d->r, (size_t)n, least_of(f, d->version, d->is_flexible));
    if (d->r->bad)
        return;
    at = f->kind == KAFKA_STRUCT ? kafka_array(d->arena, f->type, count)
                                 : kafka_arena_take(d->arena, count * size);
    if (at == NULL) {
        rd_fail(d->r);
        return;
    }
    *MEMBER(base, f->offset, void *) = at;
    *MEMBER(base, f->count_offset, uint32_t) = (uint32_t)count;
    for (size_t i = 0; i < count && !d->r->bad; i++)
        decode_value(d, f, at + i * size);
}

static void decode_field(struct decoder *d, const struct kafka_field *f, void *base)
{
    if (f->is_array)
        decode_array(d, f, base);
    else
        decode_value(d, f, MEMBER(base, f->offset, void));
}

static const struct kafka_field *field_of_tag(const struct kafka_type *type, int16_t version,
                                              uint64_t tag)
{
    for (unsigned i = 0; i < type->field_count; i++) {
        const struct kafka_field *f = &type->fields[i];

        if (f->tag >= 0 && (uint64_t)f->tag == tag && kafka_field_is_in(f, version))
            return f;
    }
    return NULL;
}

/* The tagged fields of a struct: unknown ones are passed over, as KIP-482 asks; they rise. */
static void decode_tags(struct decoder *d, const struct kafka_type *type, void *base)
{
    uint64_t count = rd_uvarint(d->r, UVARINT_BYTES), least = 0;

    for (uint64_t i = 0; i < count && !d->r->bad; i++) {
        uint64_t tag = rd_uvarint(d->r, UVARINT_BYTES);
        struct rd inside = rd_fence(d->r, rd_uvarint(d->r, UVARINT_BYTES));
        const struct kafka_field *f = type == NULL ? NULL : field_of_tag(type, d->version, tag);

        if (tag < least)
            rd_fail(d->r);
        least = tag + 1;
        if (f != NULL && !d->r->bad) {
            struct decoder fenced = { &inside, d->arena, d->version, d->is_flexible };

            decode_field(&fenced, f, base);
            if (inside.bad || inside.left > 0)
                rd_fail(d->r);
        }
    }
}

static void decode_struct(struct decoder *d, const struct kafka_type *type, void *to)
{
    for (unsigned i = 0; i < type->field_count && !d->r->bad; i++) {
        const struct kafka_field *f = &type->fields[i];

        if (kafka_field_is_in(f, d->version) && f->tag < 0)
            decode_field(d, f, to);
    }
    if (d->is_flexible)
        decode_tags(d, type, to);
}

enum rc kafka_decode(const struct kafka_type *type, int16_t version, bool is_flexible, struct rd *r,
                     struct kafka_arena *arena, void *ret)
{
    struct decoder d = { r, arena, version, is_flexible };

    kafka_defaults(type, ret);
    decode_struct(&d, type, ret);
    if (arena->bad)
        return RC_LIMIT;
    return r->bad ? RC_MALFORMED : RC_OK;
}

enum rc kafka_decode_header_start(struct rd *r, struct kafka_header *ret)
{
    struct kafka_header h = { 0 };

    h.key = rd_i16(r);
    h.version = rd_i16(r);
    h.correlation_id = rd_i32(r);
    if (r->bad)
        return RC_MALFORMED;
    *ret = h;
    return RC_OK;
}

enum rc kafka_decode_header_rest(struct rd *r, bool is_flexible, struct kafka_header *header)
{
    /* The client id keeps its old form even in header version 2. */
    int16_t n = rd_i16(r);
    struct decoder d = { r, NULL, 0, true };

    if (n < -1)
        return RC_MALFORMED;
    header->client_id = n < 0 ? SLICE_NONE : rd_bytes(r, (size_t)n);
    if (is_flexible)
        decode_tags(&d, NULL, NULL);
    return r->bad ? RC_MALFORMED : RC_OK;
}

/* ---- encoding ---- */

static void encode_struct(struct kafka_encoder *e, const struct kafka_type *type, int16_t version,
                          bool is_flexible, const void *from);

static void encode_length(struct kafka_encoder *e, bool is_flexible, bool is_short, int64_t n)
{
    if (n > (is_short && !is_flexible ? INT16_MAX : INT32_MAX - 1))
        e->w.bad = true;
    if (is_flexible)
        wr_uvarint(&e->w, (uint64_t)(n + 1));
    else if (is_short)
        wr_i16(&e->w, (int16_t)n);
    else
        wr_i32(&e->w, (int32_t)n);
}

static void encode_slice(struct kafka_encoder *e, struct slice s, bool is_flexible, bool is_short,
                         bool is_nullable)
{
    if (s.at == NULL && is_nullable) {
        encode_length(e, is_flexible, is_short, -1);
        return;
    }
    encode_length(e, is_flexible, is_short, (int64_t)s.len);
    wr_bytes(&e->w, s);
}

static void encode_records(struct kafka_encoder *e, const struct kafka_records *records,
                           bool is_flexible, bool is_nullable)
{
    if (records->elsewhere_bytes == 0) {
        encode_slice(e, records->bytes, is_flexible, false, is_nullable);
        return;
    }
    encode_length(e, is_flexible, false, (int64_t)(records->bytes.len + records->elsewhere_bytes));
    wr_bytes(&e->w, records->bytes);
    if (e->cut_count < e->cut_room)
        e->cuts[e->cut_count] = (struct kafka_cut){ e->w.len, records };
    e->cut_count++;
    e->elsewhere_bytes += records->elsewhere_bytes;
}

static void encode_value(struct kafka_encoder *e, const struct kafka_field *f, int16_t version,
                         bool is_flexible, const void *from)
{
    bool is_nullable = may_be_null(f, version);

    switch (f->kind) {
    case KAFKA_BOOL:
        wr_u8(&e->w, *(const bool *)from ? 1 : 0);
        break;
    case KAFKA_INT8:
        wr_i8(&e->w, *(const int8_t *)from);
        break;
    case KAFKA_INT16:
    case KAFKA_UINT16:
        wr_u16(&e->w, *(const uint16_t *)from);
        break;
    case KAFKA_INT32:
    case KAFKA_UINT32:
        wr_u32(&e->w, *(const uint32_t *)from);
        break;
    case KAFKA_INT64:
        wr_i64(&e->w, *(const int64_t *)from);
        break;
    case KAFKA_STRING:
        encode_slice(e, *(const struct slice *)from, is_flexible, true, is_nullable);
        break;
    case KAFKA_BYTES:
        encode_slice(e, *(const struct slice *)from, is_flexible, false, is_nullable);
        break;
    case KAFKA_RECORDS:
        encode_records(e, from, is_flexible, is_nullable);
        break;
    case KAFKA_UUID:
        wr_bytes(&e->w, slice_of(from, sizeof(struct kafka_uuid)));
        break;
    case KAFKA_STRUCT:
        encode_struct(e, f->type, version, is_flexible, from);
        break;
    }
}

static void encode_array(struct kafka_encoder *e, const struct kafka_field *f, int16_t version,
                         bool is_flexible, const void *base)
{
    const uint8_t *at = array_of(f, base);
    uint32_t count = count_of(f, base);
    size_t size = size_of(f);

    if (at == NULL) {
        encode_length(e, is_flexible, false, may_be_null(f, version) ? -1 : 0);
        return;
    }
    encode_length(e, is_flexible, false, count);
    for (uint32_t i = 0; i < count; i++)
        encode_value(e, f, version, is_flexible, at + i * size);
}

static void encode_field(struct kafka_encoder *e, const struct kafka_field *f, int16_t version,
                         bool is_flexible, const void *base)
{
    if (f->is_array)
        encode_array(e, f, version, is_flexible, base);
    else
        encode_value(e, f, version, is_flexible, CONST_MEMBER(base, f->offset));
}

static bool is_default(const struct kafka_field *f, const void *base)
{
    static const struct kafka_uuid zero;
    const void *at = CONST_MEMBER(base, f->offset);

    if (f->is_array)
        return array_of(f, base) == NULL || count_of(f, base) == 0;
    switch (f->kind) {
    case KAFKA_BOOL:
        return *(const bool *)at == (f->value != 0);
    case KAFKA_INT8:
        return *(const int8_t *)at == f->value;
    case KAFKA_INT16:
        return *(const int16_t *)at == f->value;
    case KAFKA_UINT16:
        return *(const uint16_t *)at == f->value;
    case KAFKA_INT32:
        return *(const int32_t *)at == f->value;
    case KAFKA_UINT32:
        return *(const uint32_t *)at == f->value;
    case KAFKA_INT64:
        return *(const int64_t *)at == f->value;
    case KAFKA_STRING:
    case KAFKA_BYTES:
        return ((const struct slice *)at)->at == NULL;
    case KAFKA_RECORDS:
        return ((const struct kafka_records *)at)->bytes.at == NULL &&
               ((const struct kafka_records *)at)->elsewhere_bytes == 0;
    case KAFKA_UUID:
        return memcmp(at, &zero, sizeof(zero)) == 0;
    case KAFKA_STRUCT:
        for (unsigned i = 0; i < f->type->field_count; i++) {
            if (!is_default(&f->type->fields[i], at))
                return false;
        }
        return true;
    }
    return false;
}

/* Tagged fields rise in the table, so they rise on the wire; those at their default are left out.
 */
static void encode_tags(struct kafka_encoder *e, const struct kafka_type *type, int16_t version,
                        const void *base)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < type->field_count; i++) {
        const struct kafka_field *f = &type->fields[i];

        if (f->tag >= 0 && kafka_field_is_in(f, version) && !is_default(f, base))
            count++;
    }
    wr_uvarint(&e->w, count);
    for (unsigned i = 0; i < type->field_count && count > 0; i++) {
        const struct kafka_field *f = &type->fields[i];
        struct kafka_encoder inside = { .w = wr_counting() };

        if (f->tag < 0 || !kafka_field_is_in(f, version) || is_default(f, base))
            continue;
        encode_field(&inside, f, version, true, base);
        wr_uvarint(&e->w, (uint64_t)f->tag);
        wr_uvarint(&e->w, inside.w.len);
        encode_field(e, f, version, true, base);
    }
}

static void encode_struct(struct kafka_encoder *e, const struct kafka_type *type, int16_t version,
                          bool is_flexible, const void *from)
{
    for (unsigned i = 0; i < type->field_count; i++) {
        const struct kafka_field *f = &type->fields[i];

        if (kafka_field_is_in(f, version) && f->tag < 0)
            encode_field(e, f, version, is_flexible, from);
    }
    if (is_flexible)
        encode_tags(e, type, version, from);
}

void kafka_encode(struct kafka_encoder *e, const struct kafka_type *type, int16_t version,
                  bool is_flexible, const void *from)
{
    encode_struct(e, type, version, is_flexible, from);
}

void kafka_encode_header(struct kafka_encoder *e, int32_t correlation_id, bool is_flexible)
{
    wr_i32(&e->w, correlation_id);
    if (is_flexible)
        wr_uvarint(&e->w, 0);
}

void kafka_encode_request_header(struct kafka_encoder *e, const struct kafka_header *header,
                                 bool is_flexible)
{
    wr_i16(&e->w, header->key);
    wr_i16(&e->w, header->version);
    wr_i32(&e->w, header->correlation_id);
    encode_slice(e, header->client_id, false, true, true);
    if (is_flexible)
        wr_uvarint(&e->w, 0);
}
