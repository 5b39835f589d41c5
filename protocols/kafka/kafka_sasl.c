/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/kafka/kafka_sasl.h"

#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/core/client.h"
#include "broker/core/password.h"
#include "broker/core/user.h"
#include "broker/net/conn.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_messages.h"

static const char *const mechanisms[KAFKA_MECHANISM_COUNT] = {
    [KAFKA_MECHANISM_PLAIN] = "PLAIN",
    [KAFKA_MECHANISM_SCRAM_SHA_256] = "SCRAM-SHA-256",
    [KAFKA_MECHANISM_SCRAM_SHA_512] = "SCRAM-SHA-512",
};

/* What became of a token. */
enum step {
    STEP_MORE, /* `out` goes to the client, who answers */
    STEP_DONE,
    STEP_WAIT,
    STEP_FAILED,
    STEP_BANNED, /* too many logins failed */
    STEP_FULL,   /* its user has as many connections as it may have */
};

/* ---- life ---- */

enum rc kafka_sasl_init(struct kafka_sasl *sasl, struct client *client, struct conn *conn)
{
    enum rc rc = RC_OK;

    *sasl = (struct kafka_sasl){ .client = client, .conn = conn };
    if (!client_needs_no_name(client))
        return RC_OK;
    rc = client_login(client, SLICE_NONE, SLICE_NONE);
    if (rc == RC_OK)
        rc = client_admit(client);
    sasl->is_in = rc == RC_OK;
    return rc;
}

void kafka_sasl_done(struct kafka_sasl *sasl)
{
    if (sasl->scram != NULL)
        scram_done(sasl->scram);
    MEM_FREE(sasl->scram);
}

bool kafka_sasl_allows(const struct kafka_sasl *sasl, int key)
{
    return sasl->is_in || kafka_sasl_allows_stranger(key);
}

bool kafka_sasl_allows_stranger(int key)
{
    return key == KAFKA_API_VERSIONS || key == KAFKA_SASL_HANDSHAKE ||
           key == KAFKA_SASL_AUTHENTICATE;
}

/* ---- tokens ---- */

/* RFC 4616: [authorisation id] NUL user NUL password. */
static enum step take_plain(struct kafka_sasl *sasl, struct slice token)
{
    struct slice act_as, user, password;
    enum rc rc;

    if (password_read_plain(token, &act_as, &user, &password) != RC_OK)
        return STEP_FAILED;
    if (act_as.len > 0 && !slice_equal(act_as, user)) {
        client_login_refused(sasl->client, user, RC_REFUSED);
        return STEP_FAILED;
    }
    rc = client_login(sasl->client, user, password);
    if (rc == RC_AGAIN)
        return STEP_WAIT;
    if (rc == RC_BANNED)
        return STEP_BANNED;
    return rc == RC_OK ? STEP_DONE : STEP_FAILED;
}

static enum step refuse_scram(struct kafka_sasl *sasl, enum rc rc)
{
    client_login_refused(sasl->client, text_slice(&sasl->scram->user), rc);
    return STEP_FAILED;
}

static enum step take_scram(struct kafka_sasl *sasl, struct slice token, struct text *out)
{
    struct scram_verifier verifier;
    enum rc rc;

    if (sasl->has_first) {
        rc = scram_take_final(sasl->scram, token, out);
        if (rc != RC_OK)
            return refuse_scram(sasl, rc);
        rc = client_login_by_scram(sasl->client, text_slice(&sasl->scram->user), sasl->scram->hash);
        return rc == RC_OK ? STEP_DONE : STEP_FAILED;
    }
    sasl->has_first = true;
    rc = scram_take_first(sasl->scram, token);
    if (rc == RC_OK && client_may_try(sasl->client, text_slice(&sasl->scram->user)) != RC_OK)
        return STEP_BANNED;
    if (rc == RC_OK) {
        client_scram_verifier(sasl->client, text_slice(&sasl->scram->user), sasl->scram->hash,
                              &verifier);
        rc = scram_give_first(sasl->scram, &verifier, SLICE_NONE, out);
    }
    return rc == RC_OK ? STEP_MORE : refuse_scram(sasl, rc);
}

static enum step take_token(struct kafka_sasl *sasl, struct slice token, struct text *out)
{
    return sasl->mechanism == KAFKA_MECHANISM_PLAIN ? take_plain(sasl, token)
                                                    : take_scram(sasl, token, out);
}

/* ---- answers ---- */

static const char *const failures[] = {
    [STEP_FAILED] = "Authentication failed: these credentials are not right",
    [STEP_BANNED] = "Authentication failed: too many logins failed here, try again later",
    [STEP_FULL] = "Authentication failed: this user has as many connections as it may have",
};

static bool has_failed(enum step step)
{
    return step >= STEP_FAILED;
}

static void write_raw(struct kafka_sasl *sasl, struct slice out)
{
    uint8_t head[4];

    put_u32(head, (uint32_t)out.len);
    conn_write(sasl->conn, slice_of(head, sizeof(head)));
    conn_write(sasl->conn, out);
}

static void answer_request(struct kafka_sasl *sasl, enum step step, struct slice out)
{
    struct kafka_request *request = sasl->request;
    struct kafka_sasl_authenticate_response *r = KAFKA_RESPONSE(request, sasl_authenticate);

    sasl->request = NULL;
    if (r != NULL && has_failed(step)) {
        r->error_code = KAFKA_ERROR_SASL_AUTHENTICATION_FAILED;
        r->error_message = slice_str(failures[step]);
    } else if (r != NULL) {
        r->auth_bytes = kafka_arena_copy(&request->arena, out);
    }
    kafka_answer(request);
}

static void finish(struct kafka_sasl *sasl, enum step step, struct slice out)
{
    if (step == STEP_DONE && client_admit(sasl->client) != RC_OK)
        step = STEP_FULL;
    if (step == STEP_DONE) {
        sasl->is_in = sasl->is_done = true;
        sasl->is_raw = false;
        kafka_sasl_done(sasl);
    }
    if (sasl->request != NULL)
        answer_request(sasl, step, out);
    else if (step == STEP_MORE || step == STEP_DONE)
        write_raw(sasl, out);
    if (has_failed(step))
        conn_finish(sasl->conn, RC_AUTH);
}

static void step_on(struct kafka_sasl *sasl, struct slice token)
{
    struct text out = { 0 };
    enum step step = take_token(sasl, token, &out);

    sasl->is_waiting = step == STEP_WAIT;
    if (step != STEP_WAIT)
        finish(sasl, step, text_slice(&out));
    text_done(&out);
}

void kafka_sasl_on_login(struct kafka_sasl *sasl, enum rc rc)
{
    bool was_raw = sasl->is_raw;

    if (!sasl->is_waiting)
        return;
    sasl->is_waiting = false;
    ASSERT(was_raw == (sasl->request == NULL));
    finish(sasl, rc == RC_OK ? STEP_DONE : STEP_FAILED, SLICE(""));
}

void kafka_sasl_raw(struct kafka_sasl *sasl, struct slice token)
{
    step_on(sasl, token);
}

/* ---- requests ---- */

static bool is_offered(const struct kafka_sasl *sasl, unsigned mechanism)
{
    return mechanism == KAFKA_MECHANISM_PLAIN || client_takes_scram(sasl->client);
}

static unsigned tell_mechanisms(struct kafka_request *request, const struct kafka_sasl *sasl,
                                struct slice **ret)
{
    struct slice *names =
        kafka_arena_take(&request->arena, KAFKA_MECHANISM_COUNT * sizeof(struct slice));
    unsigned count = 0;

    for (unsigned i = KAFKA_MECHANISM_PLAIN; names != NULL && i < KAFKA_MECHANISM_COUNT; i++) {
        if (is_offered(sasl, i))
            names[count++] = slice_str(mechanisms[i]);
    }
    *ret = names;
    return count;
}

static void choose(struct kafka_sasl *sasl, unsigned mechanism, int version)
{
    sasl->mechanism = (enum kafka_mechanism)mechanism;
    sasl->is_raw = version == 0;
    if (mechanism == KAFKA_MECHANISM_PLAIN)
        return;
    sasl->scram = mem_new(struct scram);
    scram_init(sasl->scram,
               mechanism == KAFKA_MECHANISM_SCRAM_SHA_256 ? SCRAM_SHA_256 : SCRAM_SHA_512);
    sasl->scram->takes_doubled_nonce = true;
}

void kafka_on_sasl_handshake(struct kafka_request *request, const void *body)
{
    const struct kafka_sasl_handshake_request *asked = body;
    struct kafka_sasl_handshake_response *r = KAFKA_RESPONSE(request, sasl_handshake);
    struct kafka_sasl *sasl = kafka_sasl_of(request);

    if (r != NULL) {
        r->error_code = KAFKA_ERROR_UNSUPPORTED_SASL_MECHANISM;
        r->mechanisms_count = tell_mechanisms(request, sasl, &r->mechanisms);
        if (sasl->mechanism != KAFKA_MECHANISM_NONE)
            r->error_code = KAFKA_ERROR_ILLEGAL_SASL_STATE;
    }
    for (unsigned i = KAFKA_MECHANISM_PLAIN; r != NULL && i < KAFKA_MECHANISM_COUNT; i++) {
        if (r->error_code != KAFKA_ERROR_UNSUPPORTED_SASL_MECHANISM || !is_offered(sasl, i) ||
            !slice_equal_str(asked->mechanism, mechanisms[i]))
            continue;
        choose(sasl, i, request->header.version);
        r->error_code = KAFKA_ERROR_NONE;
    }
    kafka_answer(request);
}

void kafka_on_sasl_authenticate(struct kafka_request *request, const void *body)
{
    const struct kafka_sasl_authenticate_request *asked = body;
    struct kafka_sasl_authenticate_response *r = KAFKA_RESPONSE(request, sasl_authenticate);
    struct kafka_sasl *sasl = kafka_sasl_of(request);

    if (sasl->is_done || sasl->mechanism == KAFKA_MECHANISM_NONE) {
        if (r != NULL)
            r->error_code = KAFKA_ERROR_ILLEGAL_SASL_STATE;
        kafka_answer(request);
        return;
    }
    sasl->request = request;
    step_on(sasl, asked->auth_bytes);
}
