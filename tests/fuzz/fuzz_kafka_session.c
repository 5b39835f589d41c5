/* SPDX-License-Identifier: Apache-2.0 */
/* Two connections of one broker are given any requests: the first byte says how they are cut, and
 * each frame begins with a byte whose low bit says to which connection it goes. */
#include <stdlib.h>

#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "tests/lib/kafka_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

/* A frame of our own around what the fuzzer gives, so that it need not guess sizes: connection,
 * length of 16 bits, then key, version and body. */
static bool feed_one(struct conn *conns, struct rd *r, size_t step)
{
    struct conn *conn = &conns[rd_u8(r) & 1];
    struct slice inside = rd_bytes(r, rd_u16(r) % 2048);
    struct text frame = { 0 };
    bool is_open = true;

    if (r->bad)
        return false;
    text_add_u32(&frame, (uint32_t)inside.len);
    text_add(&frame, inside);
    for (size_t i = 0; i < frame.len && is_open; i += step)
        is_open = kafka_rig_feed(
            conn, slice_of(frame.at + i, frame.len - i < step ? frame.len - i : step));
    text_done(&frame);
    if (!is_open) {
        struct kafka_rig *rig = conn->rig;

        kafka_rig_close(conn);
        kafka_rig_open(conn, rig);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct conn conns[2];
    struct kafka_rig rig;
    struct rd r = rd_of(slice_of(at, len));
    size_t step = rd_u8(&r);

    log_set_threshold(LOG_ERROR);
    kafka_rig_start(&rig);
    kafka_rig_open(&conns[0], &rig);
    kafka_rig_open(&conns[1], &rig);
    while (feed_one(conns, &r, step == 0 ? 65536 : step))
        ;
    kafka_rig_wait(&rig, 700000);
    kafka_rig_close(&conns[0]);
    kafka_rig_close(&conns[1]);
    kafka_rig_stop(&rig);
    ASSERT(net_rig_timers() == 0);
    return 0;
}
