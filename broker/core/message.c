/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/message.h"

#include "broker/base/block.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/base/plant.h"
#include "broker/base/wire.h"
#include "broker/core/limits.h"
#include "broker/core/name.h"
#include "broker/record/record.h"

/* Sets the views into a body whose place in memory is final. */
static void point_into_body(struct message *m, const struct record *parsed)
{
    m->key = parsed->key;
    m->value = parsed->value;
    m->headers = parsed->headers;
    m->header_count = parsed->header_count;
}

/* Bytes of a signed varint. */
static size_t varint_bytes(size_t value)
{
    return uvarint_bytes((uint64_t)value << 1);
}

/* Sets the views into a body that was just written from `spec`: it ends with the headers, before
 * them comes their count, then the value behind its length, then the key. */
static void point_into_written(struct message *m, const struct message_spec *spec)
{
    const uint8_t *headers = m->body.at + m->body.len - spec->headers.len;
    const uint8_t *value = headers - varint_bytes(spec->header_count) - spec->value.len;
    const uint8_t *key = value - varint_bytes(spec->value.len) - spec->key.len;

    m->headers = slice_of(headers, spec->headers.len);
    m->header_count = spec->header_count;
    m->value = slice_is_none(spec->value) ? SLICE_NONE : slice_of(value, spec->value.len);
    m->key = slice_is_none(spec->key) ? SLICE_NONE : slice_of(key, spec->key.len);
}

struct message *message_new(const struct message_spec *spec)
{
    struct wr count = wr_counting();
    struct message *m;
    uint8_t *at;
    struct wr w;

    record_body_write(&count, spec->key, spec->value, spec->header_count, spec->headers);
    if (spec->address.len > NAME_MAX_BYTES || count.len > TEXT_MAX_BYTES)
        return NULL;
    m = mem_try(sizeof(*m) + spec->address.len + count.len);
    if (m == NULL)
        return NULL;
    *m = (struct message){ .refs = 1,
                           .timestamp_ms = spec->timestamp_ms,
                           .expires_at_ms = spec->expires_at_ms,
                           .qos = spec->qos,
                           .flags = spec->flags,
                           .priority = spec->priority };
    at = (uint8_t *)(m + 1);
    if (spec->address.len > 0)
        memcpy(at, spec->address.at, spec->address.len);
    m->address = slice_of(at, spec->address.len);
    w = wr_of(at + spec->address.len, count.len);
    record_body_write(&w, spec->key, spec->value, spec->header_count, spec->headers);
    ASSERT(!w.bad && w.len == count.len);
    m->body = wr_slice(&w);
    point_into_written(m, spec);
    return m;
}

/* What routing must know of a stored record, read from its view headers. */
struct view {
    struct slice address;
    int64_t expires_at_ms;
    uint8_t qos;
};

static void view_read(const struct record *record, struct view *ret)
{
    struct rd rd = rd_of(record->headers);
    struct record_header header;
    int64_t number;

    *ret = (struct view){ .qos = 1 };
    while (record_header_next(&rd, &header) == RC_OK) {
        if (slice_equal_str(header.name, HEADER_ADDRESS))
            ret->address = header.value;
        else if (slice_equal_str(header.name, HEADER_EXPIRES_AT) &&
                 number_i64(header.value, 0, INT64_MAX, &number) == RC_OK)
            ret->expires_at_ms = number;
        else if (slice_equal_str(header.name, HEADER_MQTT_QOS) &&
                 number_i64(header.value, 0, 2, &number) == RC_OK)
            ret->qos = (uint8_t)number;
    }
}

bool message_key_is_text(struct slice key)
{
    return !slice_is_none(key) && name_key_is_subject(SLICE_NONE, key);
}

static size_t address_bytes(struct slice stream, const struct record *record,
                            const struct view *view)
{
    if (!slice_is_none(view->address) && name_check(view->address) == RC_OK)
        return view->address.len;
    if (!slice_is_none(record->key) && name_key_is_subject(stream, record->key))
        return stream.len + 1 + record->key.len;
    return stream.len;
}

static void address_write(struct wr *w, struct slice stream, const struct record *record,
                          const struct view *view, size_t len)
{
    if (!slice_is_none(view->address) && len == view->address.len) {
        wr_bytes(w, view->address);
        return;
    }
    wr_bytes(w, stream);
    if (len > stream.len) {
        wr_u8(w, '/');
        wr_bytes(w, record->key);
    }
}

struct message *message_of_record(struct slice stream, const struct record *record,
                                  struct block *block)
{
    struct record parsed = *record;
    struct message *m;
    struct view view;
    size_t address_len, copied;
    struct wr w;

    view_read(record, &view);
    address_len = address_bytes(stream, record, &view);
    copied = block == NULL ? record->body.len : 0;
    m = mem_try(sizeof(*m) + address_len + copied);
    if (m == NULL)
        return NULL;
    *m = (struct message){ .refs = 1,
                           .timestamp_ms = record->timestamp_ms,
                           .expires_at_ms = view.expires_at_ms,
                           .qos = view.qos };
    w = wr_of(m + 1, address_len + copied);
    address_write(&w, stream, record, &view, address_len);
    ASSERT(!w.bad && w.len == address_len);
    m->address = wr_slice(&w);
    m->body = record->body;
    if (block == NULL) {
        m->body = slice_of(w.at + w.len, copied);
        wr_bytes(&w, record->body);
        if (record_read_body(m->body, &parsed) != RC_OK) {
            mem_free(m);
            return NULL;
        }
    } else {
        m->block = block_ref(block);
    }
    point_into_body(m, &parsed);
    return m;
}

void message_unref(struct message **ref)
{
    struct message *m = *ref;

    *ref = NULL;
    if (m == NULL)
        return;
    ASSERT(m->refs > 0);
    if (--m->refs > 0 || PLANTED("message-kept"))
        return;
    block_unref(&m->block);
    mem_free(m);
}

void message_add_header(struct text *headers, uint32_t *count, struct slice name,
                        struct slice value)
{
    record_header_add(headers, name, value);
    (*count)++;
}

struct slice message_header(const struct message *m, const char *name)
{
    struct slice wanted = slice_str(name);
    struct rd rd = rd_of(m->headers);
    struct record_header header;

    while (record_header_next(&rd, &header) == RC_OK) {
        if (slice_equal(header.name, wanted))
            return header.value;
    }
    return SLICE_NONE;
}
