/* SPDX-License-Identifier: Apache-2.0 */
/* Any request or response of any version: what decodes must encode, and decode to the same. */
#include "broker/base/mem.h"
#include "protocols/kafka/kafka_messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *encode(const struct kafka_type *type, int16_t version, bool is_flexible,
                       const void *from, size_t *ret_len)
{
    struct kafka_encoder count = { .w = wr_counting() }, e;
    uint8_t *at;

    kafka_encode(&count, type, version, is_flexible, from);
    ASSERT(!count.w.bad);
    at = mem_get(count.w.len + 1);
    e = (struct kafka_encoder){ .w = wr_of(at, count.w.len) };
    kafka_encode(&e, type, version, is_flexible, from);
    ASSERT(!e.w.bad && e.w.len == count.w.len);
    *ret_len = e.w.len;
    return at;
}

/* What we encode of what we decoded is decoded again and encodes to the same bytes. */
static void round_trip(const struct kafka_message *message, bool is_request, int16_t version,
                       struct rd *r)
{
    const struct kafka_type *type = is_request ? message->request : message->response;
    bool is_flexible = kafka_is_flexible(message, version);
    void *value = mem_zeroed(type->size);
    struct kafka_arena arena;
    size_t first_len, second_len;
    uint8_t *first, *second;
    struct rd again;

    kafka_arena_init(&arena);
    if (kafka_decode(type, version, is_flexible, r, &arena, value) == RC_OK) {
        first = encode(type, version, is_flexible, value, &first_len);
        again = rd_of(slice_of(first, first_len));
        ASSERT(kafka_decode(type, version, is_flexible, &again, &arena, value) == RC_OK);
        second = encode(type, version, is_flexible, value, &second_len);
        ASSERT(slice_equal(slice_of(first, first_len), slice_of(second, second_len)));
        mem_free(first);
        mem_free(second);
    }
    kafka_arena_done(&arena);
    mem_free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_of(slice_of(data, size));
    struct kafka_header header;
    const struct kafka_message *message;
    bool is_request;

    if (size == 0)
        return 0;
    is_request = (rd_u8(&r) & 1) == 0;
    if (kafka_decode_header_start(&r, &header) != RC_OK)
        return 0;
    message = &kafka_messages[(uint16_t)header.key % kafka_message_count];
    header.version = (int16_t)((uint16_t)header.version % (unsigned)(message->max + 1));
    if (header.version < message->min)
        return 0;
    if (is_request &&
        kafka_decode_header_rest(&r, kafka_is_flexible(message, header.version), &header) != RC_OK)
        return 0;
    round_trip(message, is_request, header.version, &r);
    return 0;
}
