/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a stream of frames: what decodes is encoded again and must come out the same. */
#include <stdlib.h>

#include "broker/base/mem.h"
#include "protocols/amqp/amqp_codec.h"
#include "protocols/amqp/amqp_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void again_method(const struct amqp_method *m, size_t len)
{
    struct wr counting = wr_counting(), w;
    struct amqp_method out;
    uint8_t *room;

    amqp_encode_method(&counting, m);
    ASSERT(counting.len == len);
    room = malloc(len);
    w = wr_of(room, len);
    amqp_encode_method(&w, m);
    ASSERT(!w.bad && amqp_decode_method(wr_slice(&w), &out) == RC_OK && out.name == m->name);
    free(room);
}

static void again_properties(struct slice bytes)
{
    struct amqp_properties properties;
    struct wr w;
    uint8_t *room;
    struct slice key;
    struct amqp_value value;
    struct rd r;

    if (amqp_decode_properties(bytes, &properties) != RC_OK)
        return;
    room = malloc(bytes.len);
    w = wr_of(room, bytes.len);
    amqp_encode_properties(&w, &properties);
    ASSERT(!w.bad && slice_equal(wr_slice(&w), bytes));
    free(room);
    for (r = rd_of(properties.headers); amqp_table_next(&r, &key, &value);)
        ASSERT(value.type != AMQP_TABLE || amqp_table_check(value.bytes) == RC_OK);
    ASSERT(!r.bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct slice in = slice_of(at, len);
    struct amqp_frame frame;
    size_t need = 0;

    while (amqp_frame_next(in, 4096, &frame, &need) == RC_OK) {
        struct amqp_content_header header;
        struct amqp_method method;

        if (amqp_decode_method(frame.payload, &method) == RC_OK)
            again_method(&method, frame.payload.len);
        if (amqp_decode_content_header(frame.payload, &header) == RC_OK)
            again_properties(header.properties);
        again_properties(frame.payload);
        in = slice_after(in, AMQP_FRAME_OVERHEAD + frame.payload.len);
    }
    return 0;
}
