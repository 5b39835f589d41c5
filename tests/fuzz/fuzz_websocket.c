/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as frames: cut in two at any place they give the same payload and the same end, and
 * what is to be sent back is always bounded. The first two bytes say where to cut. */
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/net/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct websocket ws;
    uint8_t *payload; /* owned */
    size_t len;
    enum rc rc;
};

static void feed(struct run *run, struct slice in)
{
    uint8_t *copy = mem_get(in.len + 1);
    size_t n = 0;

    if (run->rc == RC_OK) {
        memcpy(copy, in.at, in.len);
        run->rc = websocket_decode(&run->ws, copy, in.len, &n);
        ASSERT(n <= in.len);
        ASSERT(run->rc == RC_OK || run->rc == RC_CLOSED || run->rc == RC_PROTOCOL);
        ASSERT((run->rc == RC_OK) == !run->ws.is_over);
        memcpy(run->payload + run->len, copy, n);
        run->len += n;
    }
    mem_free(copy);
}

static void send_all(struct websocket *ws)
{
    size_t total = 0;

    while (websocket_has_output(ws)) {
        struct slice before;
        size_t may = websocket_next(ws, 0, &before);

        ASSERT(may == 0 && before.len > 0 && before.len <= WEBSOCKET_BEFORE_BYTES);
        total += before.len;
        ASSERT(websocket_sent(ws, before.len) == 0 && total <= 2 * WEBSOCKET_BEFORE_BYTES);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_of(slice_of(data, size));
    size_t cut = rd_u16(&r);
    struct slice in = rd_rest(&r);
    struct run whole = { 0 }, parts = { 0 };

    if (r.bad)
        return 0;
    cut = in.len == 0 ? 0 : cut % (in.len + 1);
    whole.payload = mem_get(in.len + 1);
    parts.payload = mem_get(in.len + 1);
    feed(&whole, in);
    feed(&parts, slice_of(in.at, cut));
    feed(&parts, slice_after(in, cut));
    ASSERT(whole.rc == parts.rc && whole.len == parts.len);
    ASSERT(memcmp(whole.payload, parts.payload, whole.len) == 0);
    ASSERT(whole.ws.close_code == parts.ws.close_code && whole.ws.has_pong == parts.ws.has_pong);
    send_all(&whole.ws);
    mem_free(whole.payload);
    mem_free(parts.payload);
    return 0;
}
