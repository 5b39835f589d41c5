/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/kafka_rig.h"

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "protocols/kafka/kafka_listener.h"
#include "protocols/kafka/kafka_session.h"
#include "storage/log.h"
#include "storage/mem/mem_store.h"

#define TIMERS_MAX 1024

static uint64_t now_ns = 1;

static struct {
    struct timer *timer; /* NULL: free */
    uint64_t at_ns;      /* 0: stopped */
} timers[TIMERS_MAX];

/* ---- what the room calls of net ---- */

uint64_t conn_id(const struct conn *conn)
{
    (void)conn;
    return 1;
}

const char *conn_origin(const struct conn *conn)
{
    (void)conn;
    return NULL;
}

const char *conn_peer(const struct conn *conn)
{
    (void)conn;
    return "rig";
}

const char *conn_local_host(const struct conn *conn)
{
    (void)conn;
    return "127.0.0.1";
}

uint16_t conn_local_port(const struct conn *conn)
{
    (void)conn;
    return 9092;
}

const char *conn_listener_name(const struct conn *conn)
{
    (void)conn;
    return "kafka";
}

const char *conn_certificate_name(const struct conn *conn)
{
    (void)conn;
    return NULL;
}

bool conn_is_loopback(const struct conn *conn)
{
    (void)conn;
    return true;
}

uint8_t *conn_reserve(struct conn *conn, size_t n)
{
    ASSERT(n <= CONN_RESERVE_MAX);
    return conn->reserved;
}

void conn_commit(struct conn *conn, size_t n)
{
    conn_write(conn, slice_of(conn->reserved, n));
}

void conn_write(struct conn *conn, struct slice bytes)
{
    if (!conn->is_closing)
        text_add(&conn->out, bytes);
}

void conn_write_block(struct conn *conn, struct block *block, struct slice bytes)
{
    ASSERT(block->refs > 0 && bytes.at >= block->at &&
           bytes.at + bytes.len <= block->at + block->len);
    conn->block_bytes += bytes.len;
    conn_write(conn, bytes);
}

bool conn_is_full(const struct conn *conn)
{
    return conn->is_full;
}

void conn_pause(struct conn *conn, enum conn_pause why)
{
    conn->paused |= why;
}

void conn_resume(struct conn *conn, enum conn_pause why)
{
    conn->paused &= ~(unsigned)why;
}

void conn_expect(struct conn *conn, size_t n)
{
    conn->expected = n;
}

void conn_close(struct conn *conn, enum rc why)
{
    (void)why;
    conn->is_closing = true;
}

void conn_finish(struct conn *conn, enum rc why)
{
    (void)why;
    conn->is_finishing = true;
}

bool conn_is_closing(const struct conn *conn)
{
    return conn->is_closing || conn->is_finishing;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    (void)loop;
    return now_ns;
}

static unsigned slot_of(const struct timer *timer)
{
    unsigned slot = 0;

    while (slot < TIMERS_MAX && timers[slot].timer != timer)
        slot++;
    return slot;
}

void timer_init(struct timer *timer, struct loop *loop, loop_call_fn *call, void *arg)
{
    unsigned slot = slot_of(NULL);

    ASSERT(slot < TIMERS_MAX && slot_of(timer) == TIMERS_MAX);
    *timer = (struct timer){ .loop = loop, .call = call, .arg = arg };
    timers[slot].timer = timer;
    timers[slot].at_ns = 0;
}

void timer_start(struct timer *timer, uint64_t after_ms)
{
    unsigned slot = slot_of(timer);

    ASSERT(slot < TIMERS_MAX);
    timers[slot].at_ns = now_ns + after_ms * NS_PER_MS;
}

void timer_stop(struct timer *timer)
{
    unsigned slot = slot_of(timer);

    ASSERT(slot < TIMERS_MAX);
    timers[slot].at_ns = 0;
}

bool timer_is_running(const struct timer *timer)
{
    unsigned slot = slot_of(timer);

    return slot < TIMERS_MAX && timers[slot].at_ns != 0;
}

void timer_done(struct timer *timer)
{
    unsigned slot = slot_of(timer);

    if (slot < TIMERS_MAX)
        timers[slot].timer = NULL;
}

unsigned kafka_rig_timers(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < TIMERS_MAX; i++)
        count += timers[i].timer != NULL;
    return count;
}

/* ---- the rig ---- */

static void on_wake(void *arg)
{
    struct kafka_rig *rig = arg;

    __atomic_store_n(&rig->is_woken, true, __ATOMIC_SEQ_CST);
}

void kafka_rig_start(struct kafka_rig *rig)
{
    struct store_config store_config = STORE_CONFIG_DEFAULT;
    struct core_config config = CORE_CONFIG_DEFAULT;
    struct kafka_config kafka_config = KAFKA_CONFIG_DEFAULT;
    enum rc rc;

    config.wake = on_wake;
    config.wake_arg = rig;
    store_config.directory = "";
    rc = mem_store_open(&store_config, &rig->store);
    ASSERT(rc == RC_OK);
    rc = core_new(rig->store, &config, &rig->core);
    ASSERT(rc == RC_OK);
    rig->kafka = kafka_new(rig->core, NULL, &kafka_config);
}

void kafka_rig_stop(struct kafka_rig *rig)
{
    kafka_rig_settle(rig);
    kafka_free(&rig->kafka);
    core_free(&rig->core);
    store_close(&rig->store);
}

void kafka_rig_settle(struct kafka_rig *rig)
{
    do {
        enum rc rc;

        __atomic_store_n(&rig->is_woken, false, __ATOMIC_SEQ_CST);
        core_turn_end(rig->core);
        rc = store_flush(rig->store);
        ASSERT(rc == RC_OK);
        core_poll(rig->core);
        core_turn_end(rig->core);
    } while (__atomic_load_n(&rig->is_woken, __ATOMIC_SEQ_CST));
}

void kafka_rig_open(struct conn *conn, struct kafka_rig *rig)
{
    enum rc rc;

    *conn = (struct conn){ .rig = rig };
    rc = kafka_session_open(rig->kafka, conn, &conn->session);
    ASSERT(rc == RC_OK);
}

void kafka_rig_close(struct conn *conn)
{
    kafka_session_closed(conn->session, RC_CLOSED);
    text_done(&conn->in);
    text_done(&conn->out);
}

/* Gives the session what it has not used; false: it took nothing. */
static bool give(struct conn *conn)
{
    size_t used, left;

    if (conn_is_closing(conn) || conn->paused != 0 || conn->in.len == 0 ||
        conn->in.len < conn->expected)
        return false;
    used = kafka_session_input(conn->session, text_slice(&conn->in));
    ASSERT(used <= conn->in.len);
    left = conn->in.len - used;
    memmove(conn->in.at, conn->in.at + used, left);
    conn->in.len = left;
    return used > 0;
}

bool kafka_rig_feed_unsettled(struct conn *conn, struct slice bytes)
{
    text_add(&conn->in, bytes);
    while (give(conn))
        ;
    return !conn_is_closing(conn);
}

bool kafka_rig_feed(struct conn *conn, struct slice bytes)
{
    text_add(&conn->in, bytes);
    do
        kafka_rig_settle(conn->rig);
    while (give(conn));
    kafka_rig_settle(conn->rig);
    return !conn_is_closing(conn);
}

/* The first timer that is due by `end`, run; false: none. */
static bool run_one(uint64_t end)
{
    unsigned first = TIMERS_MAX;

    for (unsigned i = 0; i < TIMERS_MAX; i++) {
        if (timers[i].timer != NULL && timers[i].at_ns != 0 && timers[i].at_ns <= end &&
            (first == TIMERS_MAX || timers[i].at_ns < timers[first].at_ns))
            first = i;
    }
    if (first == TIMERS_MAX)
        return false;
    if (timers[first].at_ns > now_ns)
        now_ns = timers[first].at_ns;
    timers[first].at_ns = 0;
    timers[first].timer->call(timers[first].timer->arg);
    return true;
}

void kafka_rig_wait(struct kafka_rig *rig, uint64_t ms)
{
    uint64_t end = now_ns + ms * NS_PER_MS;

    while (run_one(end))
        kafka_rig_settle(rig);
    now_ns = end;
}

void kafka_rig_pass(uint64_t ms)
{
    uint64_t end = now_ns + ms * NS_PER_MS;

    while (run_one(end))
        ;
    now_ns = end;
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
