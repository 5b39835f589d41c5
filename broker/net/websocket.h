/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket (RFC 6455) as a stream of bytes inside binary frames: frames to payload and back. Pure.
 * Messages mean nothing to what runs above, so nothing is ever gathered: payload is passed on as it
 * comes, whatever length a frame declares. */
#ifndef TERCET_BROKER_NET_WEBSOCKET_H
#define TERCET_BROKER_NET_WEBSOCKET_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

/* Two bytes, eight of length, four of mask. */
#define WEBSOCKET_HEAD_MAX_BYTES    14
#define WEBSOCKET_CONTROL_MAX_BYTES 125
/* A browser gets a message only when its last byte has come, and some clients take no more than
 * 1 MB at a time. */
#define WEBSOCKET_FRAME_BYTES ((size_t)256 << 10)
/* A pong, the head of a frame and a close. */
#define WEBSOCKET_BEFORE_BYTES (2 + WEBSOCKET_CONTROL_MAX_BYTES + WEBSOCKET_HEAD_MAX_BYTES + 4)

/* RFC 6455 7.4.1 */
enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_UNSUPPORTED_DATA = 1003,
    WEBSOCKET_NO_CODE = 1005, /* is never sent: a close without a body */
    WEBSOCKET_INVALID_DATA = 1007,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_SERVER_ERROR = 1011,
};

/* All zero at the begin, but for `frame_left`. */
struct websocket {
    /* what comes */
    uint64_t left;   /* payload of the frame under way that has not come */
    uint8_t mask[4]; /* turned so that mask[0] is for the next byte */
    uint8_t head[WEBSOCKET_HEAD_MAX_BYTES];
    uint8_t head_len; /* bytes of the next frame's head that have come */
    uint8_t opcode;
    bool is_fragmented; /* a message has begun and its last frame has not come */
    bool is_over;       /* nothing more is read: a close came, or what is no frame */
    uint8_t control_len;
    uint8_t control[WEBSOCKET_CONTROL_MAX_BYTES]; /* payload of the control frame under way */
    uint16_t peer_code;                           /* of its close */
    /* what goes */
    bool has_pong; /* the last ping has no answer yet */
    bool is_closing;
    bool is_close_sent;
    uint16_t close_code;
    uint8_t pong_len;
    uint8_t pong[WEBSOCKET_CONTROL_MAX_BYTES];
    uint8_t before_at;
    uint8_t before_len;
    uint8_t before[WEBSOCKET_BEFORE_BYTES];
    size_t frame_left; /* output that is still to go without a head of its own */
};

/* `at` holds the `len` bytes that came; *ret bytes of payload are moved to its begin. RC_CLOSED:
 * the peer said close. RC_PROTOCOL: it broke the rules. After both, is_over and what
 * websocket_close() is to say are set, and nothing more may be decoded; payload that came before
 * counts. */
MUST_CHECK enum rc websocket_decode(struct websocket *ws, uint8_t *at, size_t len, size_t *ret);

/* Of `waiting` bytes of output that many may go next, behind `ret_before`. Asked again before
 * websocket_sent() it says the same, or more. */
size_t websocket_next(struct websocket *ws, size_t waiting, struct slice *ret_before);
/* So many bytes of both went out; gives how many of them were payload. */
size_t websocket_sent(struct websocket *ws, size_t n);
/* There is something to send even without payload. */
bool websocket_has_output(const struct websocket *ws);
/* A close goes out behind what is waiting. Again: the first code stays. */
void websocket_close(struct websocket *ws, enum websocket_code code);

#endif
