/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake and the end of a connection. */
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/drain.h"
#include "broker/core/password.h"
#include "broker/core/user.h"
#include "config.h"
#include "protocols/amqp/amqp_int.h"
#include "protocols/amqp/amqp_table.h"

/* Client libraries look at product and version: with RabbitMQ and 3.3 to 3.x kombu (Celery) uses
 * the channel-wide prefetch that it needs, which we have. Who we are is in platform. */
#define PRODUCT "RabbitMQ"
#define DIALECT "3.13.7"

static const char *const capabilities[] = {
    "publisher_confirms",           "exchange_exchange_bindings", "basic.nack",
    "consumer_cancel_notify",       "connection.blocked",         "consumer_priorities",
    "authentication_failure_close", "per_consumer_qos",           "direct_reply_to",
};

static void put_server_properties(struct wr *w)
{
    size_t begin = amqp_put_open(w, SLICE("capabilities"), AMQP_TABLE);

    for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
        amqp_put_bool(w, slice_str(capabilities[i]), true);
    amqp_table_end(w, begin);
    amqp_put_text(w, SLICE("cluster_name"), SLICE(PACKAGE_NAME));
    amqp_put_text(w, SLICE("copyright"), SLICE("The tercet authors"));
    amqp_put_text(w, SLICE("information"), SLICE("Licensed under the Apache License 2.0"));
    amqp_put_text(w, SLICE("platform"), SLICE(PACKAGE_NAME " " PACKAGE_VERSION));
    amqp_put_text(w, SLICE("product"), SLICE(PRODUCT));
    amqp_put_text(w, SLICE("version"), SLICE(DIALECT));
}

void amqp_send_start(struct amqp_session *s)
{
    struct amqp_method m = { .name = AMQP_CONNECTION_START };
    uint8_t table[1024];
    struct wr w = wr_of(table, sizeof(table));

    put_server_properties(&w);
    ASSERT(!w.bad);
    m.connection_start.version_minor = 9;
    m.connection_start.server_properties = wr_slice(&w);
    m.connection_start.mechanisms = SLICE("AMQPLAIN PLAIN");
    m.connection_start.locales = SLICE("en_US");
    amqp_send(s, 0, &m);
}

/* ---- login ---- */

/* Whom it asks to act as is not looked at. */
static enum rc read_plain(struct slice response, struct slice *ret_user, struct slice *ret_password)
{
    struct slice act_as;

    return password_read_plain(response, &act_as, ret_user, ret_password);
}

/* A table's inside with LOGIN and PASSWORD. */
static enum rc read_amqplain(struct slice response, struct slice *ret_user,
                             struct slice *ret_password)
{
    struct amqp_value login, password;

    if (amqp_table_check(response) != RC_OK || !amqp_table_find(response, SLICE("LOGIN"), &login) ||
        login.type != AMQP_TEXT || !amqp_table_find(response, SLICE("PASSWORD"), &password) ||
        password.type != AMQP_TEXT)
        return RC_MALFORMED;
    *ret_user = login.bytes;
    *ret_password = password.bytes;
    return RC_OK;
}

static const struct mechanism {
    const char *name;
    enum rc (*read)(struct slice response, struct slice *ret_user, struct slice *ret_password);
} mechanisms[] = {
    { "PLAIN", read_plain },
    { "AMQPLAIN", read_amqplain },
};

static void read_capabilities(struct amqp_session *s, struct slice client_properties)
{
    struct amqp_value table, v;

    if (!amqp_table_find(client_properties, SLICE("capabilities"), &table) ||
        table.type != AMQP_TABLE)
        return;
    s->can_take_failure_close =
        amqp_table_find(table.bytes, SLICE("authentication_failure_close"), &v) &&
        v.type == AMQP_BOOL && v.integer != 0;
    s->can_take_cancel = amqp_table_find(table.bytes, SLICE("consumer_cancel_notify"), &v) &&
                         v.type == AMQP_BOOL && v.integer != 0;
    s->can_take_blocked = amqp_table_find(table.bytes, SLICE("connection.blocked"), &v) &&
                          v.type == AMQP_BOOL && v.integer != 0;
}

static enum rc refuse_login(struct amqp_session *s, enum rc why)
{
    if (why == RC_LIMIT)
        return amqp_refuse(s, AMQP_REPLY_RESOURCE_ERROR, "too many logins at a time");
    return amqp_refuse(s, AMQP_REPLY_ACCESS_REFUSED,
                       "Login was refused using authentication mechanism %s. For details see the "
                       "broker logfile.",
                       s->mechanism);
}

static enum rc login(struct amqp_session *s, const struct amqp_connection_start_ok *m)
{
    struct slice user = SLICE_NONE, password = SLICE_NONE;
    enum rc rc = RC_UNSUPPORTED;

    for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
        if (slice_equal_str(m->mechanism, mechanisms[i].name)) {
            s->mechanism = mechanisms[i].name;
            rc = mechanisms[i].read(m->response, &user, &password);
        }
    }
    if (rc == RC_UNSUPPORTED)
        return amqp_refuse(s, AMQP_REPLY_COMMAND_INVALID, "unknown authentication mechanism '%.*s'",
                           SLICE_FMT(m->mechanism));
    if (rc != RC_OK)
        return amqp_refuse(s, AMQP_REPLY_SYNTAX_ERROR, "malformed response of mechanism %.*s",
                           SLICE_FMT(m->mechanism));
    rc = client_login(s->client, user, password);
    return rc == RC_OK || rc == RC_AGAIN ? rc : refuse_login(s, rc);
}

static void send_tune(struct amqp_session *s)
{
    struct amqp_method tune = { .name = AMQP_CONNECTION_TUNE };

    tune.connection_tune.channel_max = AMQP_CHANNELS_MAX;
    tune.connection_tune.frame_max = AMQP_FRAME_MAX;
    tune.connection_tune.heartbeat = AMQP_HEARTBEAT_SECONDS;
    amqp_enter(s, STATE_TUNE);
    amqp_send(s, 0, &tune);
}

/* After a login, whatever came of it. */
static void go_on(struct amqp_session *s, enum rc rc)
{
    if (rc != RC_OK && !s->can_take_failure_close) {
        /* A client of before that capability takes a close for a network error; it gets silence
         * first, so that it does not come back at once. */
        log_peer(LOG_NOTICE, "amqp.login-refused", "conn=%llu peer=%s why=%s",
                 (unsigned long long)conn_id(s->conn), conn_peer(s->conn),
                 log_quote(s->refusal_text.at, s->refusal_text.len));
        s->refusal = AMQP_REPLY_NONE;
        amqp_enter(s, STATE_DEAF);
        timer_start(&s->timer, AMQP_REFUSED_MS);
    } else if (rc != RC_OK) {
        amqp_fail(s, NULL, rc, 0, 0);
    } else {
        send_tune(s);
    }
}

void amqp_on_login(void *session, enum rc rc)
{
    struct amqp_session *s = session;

    if (s->state != STATE_START)
        return;
    if (--s->get_pending == 0)
        conn_resume(s->conn, CONN_PAUSE_BUSY);
    go_on(s, rc == RC_OK ? RC_OK : refuse_login(s, rc));
}

enum rc amqp_on_start_ok(struct amqp_session *s, struct amqp_channel *channel,
                         const struct amqp_method *m)
{
    enum rc rc;

    (void)channel; /* there is none */
    read_capabilities(s, m->connection_start_ok.client_properties);
    rc = login(s, &m->connection_start_ok);
    if (rc != RC_AGAIN) {
        go_on(s, rc);
        return RC_OK;
    }
    s->get_pending++; /* nothing is read before on_login() */
    conn_pause(s->conn, CONN_PAUSE_BUSY);
    return RC_OK;
}

static enum rc check_tuned(struct amqp_session *s, const char *field, uint32_t value, uint32_t min,
                           uint32_t max)
{
    if (value != 0 && value < min)
        return amqp_refuse(s, AMQP_REPLY_NOT_ALLOWED,
                           "negotiated %s = %u is lower than the minimum allowed value (%u)", field,
                           value, min);
    if (value == 0 || value > max) /* 0 asks for no limit */
        return amqp_refuse(s, AMQP_REPLY_NOT_ALLOWED,
                           "negotiated %s = %u is higher than the maximum allowed value (%u)",
                           field, value, max);
    return RC_OK;
}

enum rc amqp_on_tune_ok(struct amqp_session *s, struct amqp_channel *channel,
                        const struct amqp_method *m)
{
    const struct amqp_connection_tune_ok *tune = &m->connection_tune_ok;
    enum rc rc;

    (void)channel; /* there is none */
    rc = check_tuned(s, "frame_max", tune->frame_max, AMQP_FRAME_MIN, AMQP_FRAME_MAX);
    if (rc == RC_OK)
        rc = check_tuned(s, "channel_max", tune->channel_max, 1, AMQP_CHANNELS_MAX);
    if (rc != RC_OK)
        return rc;
    s->frame_max = tune->frame_max;
    s->channel_max = tune->channel_max;
    s->heartbeat = tune->heartbeat;
    amqp_enter(s, STATE_OPEN);
    return RC_OK;
}

enum rc amqp_on_open(struct amqp_session *s, struct amqp_channel *channel,
                     const struct amqp_method *m)
{
    struct slice vhost = m->connection_open.virtual_host;
    struct amqp_method ok = { .name = AMQP_CONNECTION_OPEN_OK };

    (void)channel; /* there is none */
    if (!slice_equal_str(vhost, AMQP_VHOST))
        return amqp_refuse(s, AMQP_REPLY_NOT_ALLOWED, "vhost %.*s not found", SLICE_FMT(vhost));
    if (core_draining(s->core) != NULL)
        return amqp_refuse(s, AMQP_REPLY_CONNECTION_FORCED, AMQP_DRAIN_TEXT);
    if (client_admit(s->client) != RC_OK)
        return amqp_refuse(s, AMQP_REPLY_NOT_ALLOWED,
                           "connection refused for user '%.*s': user connection limit is reached",
                           SLICE_FMT(client_principal(s->client)->name));
    amqp_enter(s, STATE_RUNNING);
    if (s->heartbeat == 0)
        timer_stop(&s->timer);
    else
        timer_start(&s->timer, (uint64_t)s->heartbeat * 500);
    amqp_send(s, 0, &ok);
    log_peer(LOG_INFO, "amqp.open", "conn=%llu peer=%s user=%s heartbeat_s=%u",
             (unsigned long long)conn_id(s->conn), conn_peer(s->conn), amqp_user(s), s->heartbeat);
    return RC_OK;
}

/* ---- the end ---- */

enum rc amqp_on_close(struct amqp_session *s, struct amqp_channel *channel,
                      const struct amqp_method *m)
{
    (void)channel; /* there is none */
    if (m->connection_close.reply_code != 200)
        log_peer(LOG_INFO, "amqp.closed", "conn=%llu code=%u why=%s",
                 (unsigned long long)conn_id(s->conn), m->connection_close.reply_code,
                 log_quote(m->connection_close.reply_text.at, m->connection_close.reply_text.len));
    amqp_release(s); /* exclusive queues are gone before the peer hears close-ok */
    amqp_send_empty(s, 0, AMQP_CONNECTION_CLOSE_OK);
    /* The client ends the socket, as with RabbitMQ: libraries take an end that they did not make
     * for an error. One that does not is not waited for. */
    amqp_enter(s, STATE_DEAF);
    timer_start(&s->timer, AMQP_CLOSING_MS);
    return RC_OK;
}

enum rc amqp_on_close_ok(struct amqp_session *s, struct amqp_channel *channel,
                         const struct amqp_method *m)
{
    (void)channel; /* there is none */
    (void)m;       /* it has no fields */
    amqp_enter(s, STATE_DEAF);
    conn_finish(s->conn, RC_CLOSED);
    return RC_OK;
}

/* Logins here do not expire, so a new secret changes nothing; clients ask as a matter of course. */
enum rc amqp_on_update_secret(struct amqp_session *s, struct amqp_channel *channel,
                              const struct amqp_method *m)
{
    (void)channel; /* there is none */
    (void)m;
    amqp_send_empty(s, 0, AMQP_CONNECTION_UPDATE_SECRET_OK);
    return RC_OK;
}
