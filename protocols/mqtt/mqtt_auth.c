/* SPDX-License-Identifier: Apache-2.0 */
/* Who the sender of a CONNECT is: a user by password, by certificate, by SCRAM (4.12), or nobody by
 * name. */
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/acl.h"
#include "broker/core/scram.h"
#include "protocols/mqtt/mqtt_errors.h"
#include "protocols/mqtt/mqtt_int.h"
#include "protocols/mqtt/mqtt_profile.h"
#include "protocols/mqtt/mqtt_trace.h"

/* As long as the last of a full queue of checks may wait. */
#define LOGIN_TIMEOUT_MS 30000

/* One exchange: the first, before CONNACK, or one to authenticate again. */
struct mqtt_auth {
    struct scram scram;
    bool has_first;     /* the client's first message came; its final one is awaited */
    struct text answer; /* the server's final message */
};

/* What CONNACK says of a login that failed, where the row of its code says it of something else. */
static enum rc refuse(struct mqtt_session *s, enum rc rc)
{
    if (rc == RC_LIMIT)
        return mqtt_fail(s, RC_AGAIN, MQTT_SERVER_BUSY);
    return rc == RC_AUTH && s->server->config.profile->hides_bad_password &&
                   !client_needs_certificate(s->client)
               ? RC_REFUSED
               : rc;
}

/* ---- AUTH ---- */

/* The exchange under way; NULL: none. */
static struct mqtt_auth *auth_of(const struct mqtt_session *s)
{
    return s->extra == NULL ? NULL : s->extra->auth;
}

void mqtt_auth_done(struct mqtt_session *s)
{
    struct mqtt_auth *auth = auth_of(s);

    if (auth == NULL)
        return;
    scram_done(&auth->scram);
    text_done(&auth->answer);
    MEM_FREE(s->extra->auth);
}

static void begin(struct mqtt_session *s)
{
    mqtt_extra(s)->auth = mem_new(struct mqtt_auth);
    scram_init(&s->extra->auth->scram, (enum scram_hash)s->auth_hash);
}

void mqtt_auth_describe(const struct mqtt_session *s, struct mqtt_properties *p)
{
    if (auth_of(s) == NULL)
        return;
    p->authentication_method = slice_str(scram_name((enum scram_hash)s->auth_hash));
    p->authentication_data = text_slice(&s->extra->auth->answer);
    mqtt_set(p, MQTT_AUTHENTICATION_METHOD);
    mqtt_set(p, MQTT_AUTHENTICATION_DATA);
}

/* 3.1.2-24 holds here too: a client that cannot take the packet cannot go on. */
static enum rc send_auth(struct mqtt_session *s, uint8_t reason, struct slice data)
{
    struct mqtt_disconnect a = { .reason = reason };
    struct wr count = wr_counting(), w;

    mqtt_auth_describe(s, &a.properties);
    a.properties.authentication_data = data;
    mqtt_encode_auth(&count, &a);
    if (count.len > s->packet_max)
        return RC_TOO_LARGE;
    w = wr_of(conn_reserve(s->conn, count.len), count.len);
    mqtt_encode_auth(&w, &a);
    ASSERT(!w.bad);
    if (mqtt_is_traced(s))
        mqtt_trace_out(s, wr_slice(&w));
    conn_commit(s->conn, w.len);
    count_add(COUNT_MQTT_PACKETS_OUT, 1);
    return RC_OK;
}

/* Whatever was wrong with it, the client learns no more than that it was not let in. */
static enum rc refuse_proof(struct mqtt_session *s, enum rc rc)
{
    client_login_refused(s->client, text_slice(&s->extra->auth->scram.user), rc);
    return mqtt_fail(s, RC_REFUSED, MQTT_NOT_AUTHORIZED);
}

static enum rc take_first(struct mqtt_session *s, struct slice data)
{
    struct scram *scram = &s->extra->auth->scram;
    struct scram_verifier verifier;
    struct text out = { 0 };
    enum rc rc = scram_take_first(scram, data);

    if (rc == RC_OK && client_may_try(s->client, text_slice(&scram->user)) != RC_OK)
        return RC_BANNED;
    if (rc == RC_OK) {
        client_scram_verifier(s->client, text_slice(&scram->user), scram->hash, &verifier);
        rc = scram_give_first(scram, &verifier, SLICE_NONE, &out);
    }
    s->extra->auth->has_first = true;
    rc = rc == RC_OK ? send_auth(s, MQTT_CONTINUE_AUTHENTICATION, text_slice(&out))
                     : refuse_proof(s, rc);
    text_done(&out);
    return rc;
}

/* 4.12.1: who authenticates again is who it was. */
static enum rc check_same(const struct mqtt_session *s)
{
    return s->state != STATE_ACTIVE || slice_equal(text_slice(&s->extra->auth->scram.user),
                                                   client_principal(s->client)->name)
               ? RC_OK
               : RC_AUTH;
}

static enum rc finish(struct mqtt_session *s)
{
    struct mqtt_connect c;
    enum rc rc;

    if (s->state == STATE_ACTIVE) {
        rc = send_auth(s, MQTT_SUCCESS, text_slice(&s->extra->auth->answer));
    } else {
        rc = mqtt_decode_connect(text_slice(&s->extra->connect), &c);
        if (rc == RC_OK)
            rc = mqtt_welcome(s, &c, text_slice(&s->extra->connect));
        if (rc == RC_OK && !s->is_will_dated)
            text_done(&s->extra->connect);
    }
    mqtt_auth_done(s);
    return rc;
}

static enum rc take_final(struct mqtt_session *s, struct slice data)
{
    struct scram *scram = &s->extra->auth->scram;
    enum rc rc = scram_take_final(scram, data, &s->extra->auth->answer);

    if (rc == RC_OK)
        rc = check_same(s);
    if (rc == RC_OK &&
        client_login_by_scram(s->client, text_slice(&scram->user), scram->hash) != RC_OK)
        return mqtt_fail(s, RC_REFUSED, MQTT_NOT_AUTHORIZED); /* counted there */
    return rc == RC_OK ? finish(s) : refuse_proof(s, rc);
}

static enum rc take_data(struct mqtt_session *s, struct slice data)
{
    return s->extra->auth->has_first ? take_final(s, data) : take_first(s, data);
}

/* 4.12.0-5, 4.12.1-1: the method is the one of CONNECT. */
static bool is_same_method(const struct mqtt_session *s, const struct mqtt_properties *p)
{
    enum scram_hash hash;

    return mqtt_has(p, MQTT_AUTHENTICATION_METHOD) && scram_find(p->authentication_method, &hash) &&
           hash == s->auth_hash;
}

enum rc mqtt_on_auth(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_disconnect a;
    enum rc rc = mqtt_decode_auth(frame->body, &a);
    bool is_begin = a.reason == MQTT_REAUTHENTICATE;

    if (rc != RC_OK)
        return rc;
    /* 4.12.0-7: it named no method in CONNECT */
    if (!s->has_auth_method || !is_same_method(s, &a.properties))
        return RC_PROTOCOL;
    /* 4.12.1: again, when nothing is under way; else it goes on */
    if (is_begin ? s->state != STATE_ACTIVE || auth_of(s) != NULL
                 : a.reason != MQTT_CONTINUE_AUTHENTICATION || auth_of(s) == NULL)
        return RC_PROTOCOL;
    if (is_begin)
        begin(s);
    return take_data(s, a.properties.authentication_data);
}

static enum rc begin_first(struct mqtt_session *s, const struct mqtt_connect *c, struct slice body)
{
    enum scram_hash hash;

    if (!scram_find(c->properties.authentication_method, &hash) || !client_takes_scram(s->client))
        return mqtt_fail(s, RC_UNSUPPORTED, MQTT_BAD_AUTHENTICATION_METHOD);
    s->auth_hash = (uint8_t)hash;
    s->has_auth_method = true;
    if (!mqtt_keep_connect(s, body))
        return RC_MEMORY;
    begin(s);
    mqtt_enter(s, STATE_AWAIT_AUTH);
    if (mqtt_has(&c->properties, MQTT_AUTHENTICATION_DATA))
        return take_data(s, c->properties.authentication_data);
    return send_auth(s, MQTT_CONTINUE_AUTHENTICATION, SLICE("")); /* it speaks first */
}

/* ---- CONNECT ---- */

enum rc mqtt_login(struct mqtt_session *s, const struct mqtt_connect *c, struct slice body)
{
    enum rc rc;

    s->client = client_open(s->core, &mqtt_client_ops, s, conn_is_loopback(s->conn));
    client_enter(s->client, conn_listener_name(s->conn), conn_certificate_name(s->conn));
    if (mqtt_has(&c->properties, MQTT_AUTHENTICATION_METHOD))
        return begin_first(s, c, body);
    rc = client_login(s->client, c->user_name, c->password);
    if (rc == RC_OK)
        return mqtt_welcome(s, c, body);
    if (rc != RC_AGAIN)
        return refuse(s, rc);
    if (!mqtt_keep_connect(s, body))
        return RC_MEMORY;
    mqtt_enter(s, STATE_AWAIT_LOGIN);
    mqtt_pause(s, CONN_PAUSE_BUSY);
    timer_start(&s->timer, LOGIN_TIMEOUT_MS);
    return RC_OK;
}

void mqtt_on_login(void *session, enum rc rc)
{
    struct mqtt_session *s = session;
    struct mqtt_connect c = { 0 };

    if (s->state != STATE_AWAIT_LOGIN)
        return;
    if (rc == RC_OK)
        rc = mqtt_decode_connect(text_slice(&s->extra->connect), &c);
    else
        rc = refuse(s, rc);
    if (rc == RC_OK)
        rc = mqtt_welcome(s, &c, text_slice(&s->extra->connect));
    mqtt_resume(s, CONN_PAUSE_BUSY);
    if (rc != RC_OK)
        mqtt_end(s, rc, rc_word(rc));
    else if (!s->is_will_dated)
        text_done(&s->extra->connect);
}
