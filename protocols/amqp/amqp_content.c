/* SPDX-License-Identifier: Apache-2.0 */
/* The content of a publish: a header frame and body frames, which may come split anywhere. */
#include "broker/base/mem.h"
#include "broker/core/limits.h"
#include "protocols/amqp/amqp_int.h"

/* What a message may carry besides its body. */
#define WRAPPING_MAX_BYTES ((size_t)1 << 20)
#define BODY_LARGEST       ((uint64_t)(MESSAGE_MAX_BYTES - WRAPPING_MAX_BYTES))

/* The next frame when it is a whole one of this type and channel. */
static bool take_frame(const struct amqp_session *s, struct slice in, enum amqp_frame_type type,
                       uint16_t channel, struct slice *ret_payload)
{
    struct amqp_frame frame;
    size_t need;

    if (amqp_frame_next(in, s->frame_max, &frame, &need) != RC_OK || frame.type != type ||
        frame.channel != channel)
        return false;
    *ret_payload = frame.payload;
    return true;
}

static bool is_regular(const struct amqp_content_header *header)
{
    return header->class_id == amqp_method_class_id(AMQP_BASIC_PUBLISH) && header->weight == 0 &&
           header->body_size <= BODY_LARGEST;
}

size_t amqp_content_whole(const struct amqp_session *s, uint16_t channel, struct slice in,
                          struct slice *ret_properties, struct slice *ret_body,
                          unsigned *ret_frames)
{
    struct amqp_content_header header;
    struct slice payload;
    size_t used;

    if (!take_frame(s, in, AMQP_FRAME_HEADER, channel, &payload) ||
        amqp_decode_content_header(payload, &header) != RC_OK || !is_regular(&header))
        return 0;
    used = AMQP_FRAME_OVERHEAD + payload.len;
    *ret_properties = header.properties;
    *ret_body = SLICE("");
    *ret_frames = 1;
    if (header.body_size == 0)
        return used;
    if (!take_frame(s, slice_after(in, used), AMQP_FRAME_BODY, channel, ret_body) ||
        ret_body->len != header.body_size)
        return 0;
    *ret_frames = 2;
    return used + AMQP_FRAME_OVERHEAD + ret_body->len;
}

enum rc amqp_content_begin(struct amqp_channel *channel, const struct amqp_method *m)
{
    const struct amqp_basic_publish *p = &m->basic_publish;

    text_clear(&channel->held);
    text_add(&channel->held, p->exchange);
    text_add(&channel->held, p->routing_key);
    if (channel->held.bad)
        return RC_MEMORY;
    channel->held_exchange_len = (uint8_t)p->exchange.len;
    channel->held_key_len = (uint8_t)p->routing_key.len;
    channel->is_mandatory = p->mandatory;
    channel->is_immediate = p->immediate;
    channel->content = CONTENT_HEADER;
    return RC_OK;
}

static enum rc finish(struct amqp_channel *channel)
{
    struct slice held = text_slice(&channel->held);
    size_t names = (size_t)channel->held_exchange_len + channel->held_key_len;
    struct amqp_publish publish = {
        .exchange = slice_of(held.at, channel->held_exchange_len),
        .routing_key = slice_of(held.at + channel->held_exchange_len, channel->held_key_len),
        .properties = slice_after(held, names),
        .body = text_slice(&channel->body),
        .is_mandatory = channel->is_mandatory,
        .is_immediate = channel->is_immediate,
    };
    enum rc rc;

    channel->content = CONTENT_NONE;
    rc = amqp_publish(channel, &publish);
    amqp_content_drop(channel);
    return rc;
}

static enum rc on_header(struct amqp_channel *channel, struct slice payload)
{
    struct amqp_session *s = channel->session;
    struct amqp_content_header header;

    if (amqp_decode_content_header(payload, &header) != RC_OK || header.weight != 0)
        return amqp_refuse(s, AMQP_REPLY_UNEXPECTED_FRAME,
                           "expected content header for class 60, got non content header frame "
                           "instead");
    if (header.class_id != amqp_method_class_id(AMQP_BASIC_PUBLISH))
        return amqp_refuse(s, AMQP_REPLY_UNEXPECTED_FRAME,
                           "expected content header for class 60, got one for class %u instead",
                           header.class_id);
    if (header.body_size > AMQP_BODY_MAX_BYTES)
        return amqp_refuse(
            s, AMQP_REPLY_FRAME_ERROR, "content body size %llu exceeds maximum allowed size %llu",
            (unsigned long long)header.body_size, (unsigned long long)AMQP_BODY_MAX_BYTES);
    if (header.body_size > BODY_LARGEST)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "message size %llu is larger than configured max size %llu",
                           (unsigned long long)header.body_size, (unsigned long long)BODY_LARGEST);
    text_add(&channel->held, header.properties);
    if (channel->held.bad)
        return RC_MEMORY;
    channel->body_bytes = header.body_size;
    channel->content = CONTENT_BODY;
    return header.body_size == 0 ? finish(channel) : RC_OK;
}

static enum rc on_body(struct amqp_channel *channel, struct slice payload)
{
    struct amqp_session *s = channel->session;

    if (payload.len > channel->body_bytes - channel->body.len)
        return amqp_refuse(s, AMQP_REPLY_FRAME_ERROR,
                           "content body frame exceeds remaining content size");
    if (payload.len > AMQP_PARTIAL_MAX_BYTES - s->partial_bytes)
        return amqp_refuse(s, AMQP_REPLY_RESOURCE_ERROR,
                           "too many bytes of unfinished content on this connection");
    text_add(&channel->body, payload);
    if (channel->body.bad)
        return RC_MEMORY;
    s->partial_bytes += payload.len;
    return channel->body.len == channel->body_bytes ? finish(channel) : RC_OK;
}

enum rc amqp_on_content_frame(struct amqp_channel *channel, const struct amqp_frame *frame)
{
    struct amqp_session *s = channel->session;

    if (channel->content == CONTENT_HEADER && frame->type == AMQP_FRAME_HEADER)
        return on_header(channel, frame->payload);
    if (channel->content == CONTENT_BODY && frame->type == AMQP_FRAME_BODY)
        return on_body(channel, frame->payload);
    if (channel->content == CONTENT_NONE)
        return amqp_refuse(s, AMQP_REPLY_UNEXPECTED_FRAME,
                           "expected method frame, got non method frame instead");
    return amqp_refuse(s, AMQP_REPLY_UNEXPECTED_FRAME,
                       channel->content == CONTENT_HEADER
                           ? "expected content header for class 60, got non content header frame "
                             "instead"
                           : "expected content body, got non content body frame instead");
}

enum rc amqp_on_publish(struct amqp_session *s, struct amqp_channel *channel,
                        const struct amqp_method *m)
{
    (void)s; /* the channel knows it */
    return amqp_content_begin(channel, m);
}
