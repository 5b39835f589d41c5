/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/kafka_rig.h"

#include "broker/base/mem.h"
#include "protocols/kafka/kafka_listener.h"
#include "protocols/kafka/kafka_session.h"

void kafka_rig_start(struct kafka_rig *rig)
{
    struct kafka_config config = KAFKA_CONFIG_DEFAULT;

    mem_core_start(&rig->on, NULL);
    rig->kafka = kafka_new(rig->on.core, NULL, &config);
}

void kafka_rig_stop(struct kafka_rig *rig)
{
    mem_core_settle(&rig->on);
    kafka_free(&rig->kafka);
    mem_core_stop(&rig->on);
}

void kafka_rig_settle(struct kafka_rig *rig)
{
    mem_core_settle(&rig->on);
}

void kafka_rig_open(struct conn *conn, struct kafka_rig *rig)
{
    enum rc rc;

    net_rig_open(conn, "kafka");
    conn->rig = rig;
    rc = kafka_session_open(rig->kafka, conn, &conn->session);
    ASSERT(rc == RC_OK);
}

void kafka_rig_close(struct conn *conn)
{
    kafka_session_closed(conn->session, RC_CLOSED);
    net_rig_close(conn);
}

bool kafka_rig_feed_unsettled(struct conn *conn, struct slice bytes)
{
    net_rig_add(conn, bytes);
    while (net_rig_give(conn, kafka_session_input))
        ;
    return !conn_is_closing(conn);
}

bool kafka_rig_feed(struct conn *conn, struct slice bytes)
{
    net_rig_add(conn, bytes);
    do
        kafka_rig_settle(conn->rig);
    while (net_rig_give(conn, kafka_session_input));
    kafka_rig_settle(conn->rig);
    return !conn_is_closing(conn);
}

static void settle(void *rig)
{
    kafka_rig_settle(rig);
}

void kafka_rig_wait(struct kafka_rig *rig, uint64_t ms)
{
    net_rig_pass(ms, settle, rig);
}

/* ---- requests and answers ---- */

void kafka_rig_request(struct text *to, int16_t key, int16_t version, int32_t correlation,
                       const void *body)
{
    const struct kafka_message *message = kafka_message_of(key);
    bool is_flexible = kafka_is_flexible(message, version);
    struct kafka_header header = { key, version, correlation, SLICE("rig") };
    struct kafka_encoder count = { .w = wr_counting() }, e;

    kafka_encode_request_header(&count, &header, is_flexible);
    kafka_encode(&count, message->request, version, is_flexible, body);
    text_add_u32(to, (uint32_t)count.w.len);
    ASSERT(text_reserve(to, count.w.len));
    e = (struct kafka_encoder){ .w = wr_of(to->at + to->len, count.w.len) };
    kafka_encode_request_header(&e, &header, is_flexible);
    kafka_encode(&e, message->request, version, is_flexible, body);
    ASSERT(!e.w.bad && e.w.len == count.w.len);
    to->len += e.w.len;
}

bool kafka_rig_answer(struct conn *conn, int16_t key, int16_t version, int32_t correlation,
                      struct text *bytes, struct kafka_arena *arena, void *ret)
{
    const struct kafka_message *message = kafka_message_of(key);
    bool is_flexible = kafka_is_flexible(message, version);
    struct rd all = rd_of(text_slice(&conn->out)), r;
    size_t frame_bytes = rd_u32(&all), left;

    text_clear(bytes);
    text_add(bytes, rd_bytes(&all, frame_bytes));
    if (all.bad)
        return false;
    left = all.left;
    memmove(conn->out.at, all.at, left);
    conn->out.len = left;
    r = rd_of(text_slice(bytes));
    if (rd_i32(&r) != correlation)
        return false;
    if (is_flexible && key != KAFKA_API_VERSIONS && rd_u8(&r) != 0)
        return false;
    return kafka_decode(message->response, version, is_flexible, &r, arena, ret) == RC_OK &&
           r.left == 0;
}
