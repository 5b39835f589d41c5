/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/net/websocket.h"

#include "broker/base/mem.h"
#include "broker/base/utf8.h"
#include "broker/base/wire.h"

#define FIN      0x80
#define RESERVED 0x70
#define MASKED   0x80
#define CONTROL  0x08
#define LEN_16   126
#define LEN_64   127

enum opcode { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

_Static_assert(WEBSOCKET_BEFORE_BYTES <= UINT8_MAX, "before_len is a byte");

static enum rc fail(struct websocket *ws, enum websocket_code code)
{
    ws->is_over = true;
    websocket_close(ws, code);
    return RC_PROTOCOL;
}

/* ---- heads ---- */

/* How long the head is, as far as its first two bytes tell. */
static size_t head_bytes(const struct websocket *ws)
{
    size_t bytes = 2;
    uint8_t len;

    if (ws->head_len < bytes)
        return bytes;
    len = ws->head[1] & (uint8_t)~MASKED;
    if (len >= LEN_16)
        bytes += len == LEN_16 ? 2 : 8;
    return bytes + sizeof(ws->mask);
}

/* RFC 6455 5.2, 5.4 and 5.5: what the first two bytes must not be. 0: nothing. */
static unsigned wrong_with(const struct websocket *ws)
{
    uint8_t opcode = ws->head[0] & 0x0f;
    bool is_final = (ws->head[0] & FIN) != 0;

    if ((ws->head[0] & RESERVED) != 0 || (ws->head[1] & MASKED) == 0)
        return WEBSOCKET_PROTOCOL_ERROR;
    switch (opcode) {
    case CONTINUATION:
        return ws->is_fragmented ? 0 : WEBSOCKET_PROTOCOL_ERROR;
    case TEXT:
        return WEBSOCKET_UNSUPPORTED_DATA;
    case BINARY:
        return ws->is_fragmented ? WEBSOCKET_PROTOCOL_ERROR : 0;
    case CLOSE:
    case PING:
    case PONG:
        return !is_final || (ws->head[1] & ~MASKED) > WEBSOCKET_CONTROL_MAX_BYTES
                   ? WEBSOCKET_PROTOCOL_ERROR
                   : 0;
    default:
        return WEBSOCKET_PROTOCOL_ERROR;
    }
}

/* The whole head has come. */
static enum rc begin_frame(struct websocket *ws)
{
    struct rd r = rd_of(slice_of(ws->head, ws->head_len));
    uint8_t first = rd_u8(&r);
    uint8_t len = rd_u8(&r) & (uint8_t)~MASKED;

    ws->left = len == LEN_16 ? rd_u16(&r) : len == LEN_64 ? rd_u64(&r) : len;
    memcpy(ws->mask, rd_take(&r, sizeof(ws->mask)), sizeof(ws->mask));
    ASSERT(!r.bad && r.left == 0);
    if ((len == LEN_16 && ws->left < LEN_16) || (len == LEN_64 && ws->left <= UINT16_MAX) ||
        ws->left > INT64_MAX)
        return fail(ws, WEBSOCKET_PROTOCOL_ERROR);
    ws->opcode = first & 0x0f;
    ws->control_len = 0;
    if ((ws->opcode & CONTROL) == 0)
        ws->is_fragmented = (first & FIN) == 0;
    return RC_OK;
}

/* Takes what there is of a head. RC_AGAIN: it is not whole. */
static enum rc read_head(struct websocket *ws, struct rd *r)
{
    enum rc rc;

    while (ws->head_len < head_bytes(ws)) {
        size_t want = head_bytes(ws) - ws->head_len;
        size_t n = want < r->left ? want : r->left;

        if (n == 0)
            return RC_AGAIN;
        memcpy(ws->head + ws->head_len, rd_take(r, n), n);
        ws->head_len = (uint8_t)(ws->head_len + n);
        if (ws->head_len == 2 && wrong_with(ws) != 0)
            return fail(ws, (enum websocket_code)wrong_with(ws));
    }
    rc = begin_frame(ws);
    ws->head_len = 0;
    return rc;
}

/* ---- payload ---- */

static void turn_mask(struct websocket *ws, size_t n)
{
    uint8_t old[4];

    memcpy(old, ws->mask, sizeof(old));
    for (size_t i = 0; i < sizeof(old); i++)
        ws->mask[i] = old[(i + n) % sizeof(old)];
}

/* `to` <= `from` when they overlap: each word is read before it is written over. */
static void unmask(struct websocket *ws, uint8_t *to, const uint8_t *from, size_t n)
{
    uint64_t mask, word;
    size_t i = 0;

    memcpy(&mask, ws->mask, 4);
    memcpy((uint8_t *)&mask + 4, ws->mask, 4);
    for (; i + sizeof(word) <= n; i += sizeof(word)) {
        memcpy(&word, from + i, sizeof(word));
        word ^= mask;
        memcpy(to + i, &word, sizeof(word));
    }
    for (; i < n; i++)
        to[i] = from[i] ^ ws->mask[i % 4];
    turn_mask(ws, n);
}

/* RFC 6455 7.4: codes that may stand in a close. */
static bool is_code(unsigned code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

static enum rc on_close(struct websocket *ws)
{
    struct rd r = rd_of(slice_of(ws->control, ws->control_len));
    uint16_t code = WEBSOCKET_NO_CODE;

    if (r.left > 0) {
        code = rd_u16(&r);
        if (r.bad || !is_code(code))
            return fail(ws, WEBSOCKET_PROTOCOL_ERROR);
        if (!utf8_is_valid(rd_rest(&r)))
            return fail(ws, WEBSOCKET_INVALID_DATA);
    }
    ws->peer_code = code;
    ws->is_over = true;
    websocket_close(ws, (enum websocket_code)code);
    return RC_CLOSED;
}

static enum rc on_control(struct websocket *ws)
{
    if (ws->opcode == CLOSE)
        return on_close(ws);
    if (ws->opcode == PING) { /* 5.5.3: of several, the last is answered */
        memcpy(ws->pong, ws->control, ws->control_len);
        ws->pong_len = ws->control_len;
        ws->has_pong = true;
    }
    return RC_OK;
}

enum rc websocket_decode(struct websocket *ws, uint8_t *at, size_t len, size_t *ret)
{
    struct rd r = rd_of(slice_of(at, len));
    size_t done = 0;
    enum rc rc = RC_OK;

    ASSERT(!ws->is_over);
    while (rc == RC_OK && r.left > 0) {
        size_t n;

        if (ws->left == 0) {
            rc = read_head(ws, &r);
            if (rc == RC_OK && ws->left == 0 && (ws->opcode & CONTROL) != 0)
                rc = on_control(ws);
            continue;
        }
        n = ws->left < r.left ? (size_t)ws->left : r.left;
        ws->left -= n;
        if ((ws->opcode & CONTROL) == 0) {
            unmask(ws, at + done, rd_take(&r, n), n);
            done += n;
            continue;
        }
        unmask(ws, ws->control + ws->control_len, rd_take(&r, n), n);
        ws->control_len = (uint8_t)(ws->control_len + n);
        if (ws->left == 0)
            rc = on_control(ws);
    }
    *ret = done;
    return rc == RC_AGAIN ? RC_OK : rc;
}

/* ---- output ---- */

static void add_head(struct wr *w, enum opcode opcode, size_t len)
{
    wr_u8(w, (uint8_t)(FIN | opcode));
    if (len < LEN_16) {
        wr_u8(w, (uint8_t)len);
    } else if (len <= UINT16_MAX) {
        wr_u8(w, LEN_16);
        wr_u16(w, (uint16_t)len);
    } else {
        wr_u8(w, LEN_64);
        wr_u64(w, len);
    }
}

static void add_close(struct websocket *ws, struct wr *w)
{
    bool has_code = ws->close_code != WEBSOCKET_NO_CODE;

    add_head(w, CLOSE, has_code ? 2 : 0);
    if (has_code)
        wr_u16(w, ws->close_code);
    ws->is_close_sent = true;
}

/* What stands between the last frame and the next bytes. */
static void make_before(struct websocket *ws, size_t waiting)
{
    struct wr w = wr_of(ws->before, sizeof(ws->before));

    if (ws->is_close_sent)
        return;
    if (ws->has_pong) {
        add_head(&w, PONG, ws->pong_len);
        wr_bytes(&w, slice_of(ws->pong, ws->pong_len));
        ws->has_pong = false;
    }
    if (waiting > 0) {
        ws->frame_left = waiting < WEBSOCKET_FRAME_BYTES ? waiting : WEBSOCKET_FRAME_BYTES;
        add_head(&w, BINARY, ws->frame_left);
    } else if (ws->is_closing) {
        add_close(ws, &w);
    }
    ASSERT(!w.bad);
    ws->before_at = 0;
    ws->before_len = (uint8_t)w.len;
}

size_t websocket_next(struct websocket *ws, size_t waiting, struct slice *ret_before)
{
    if (ws->before_len == 0 && ws->frame_left == 0)
        make_before(ws, waiting);
    ASSERT(ws->frame_left <= waiting);
    *ret_before = slice_of(ws->before + ws->before_at, ws->before_len);
    return ws->frame_left;
}

size_t websocket_sent(struct websocket *ws, size_t n)
{
    size_t before = n < ws->before_len ? n : ws->before_len;

    ws->before_at = (uint8_t)(ws->before_at + before);
    ws->before_len = (uint8_t)(ws->before_len - before);
    n -= before;
    ASSERT(n <= ws->frame_left);
    ws->frame_left -= n;
    return n;
}

bool websocket_has_output(const struct websocket *ws)
{
    return ws->before_len > 0 || ws->frame_left > 0 ||
           (!ws->is_close_sent && (ws->has_pong || ws->is_closing));
}

void websocket_close(struct websocket *ws, enum websocket_code code)
{
    if (ws->is_closing)
        return;
    ws->is_closing = true;
    ws->close_code = (uint16_t)code;
}
