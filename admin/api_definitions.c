/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/api_int.h"
#include "admin/definitions.h"
#include "admin/jot.h"
#include "broker/base/log.h"
#include "broker/core/client.h"

/* Entries told in one turn: well under a millisecond. */
#define EXPORT_STEP 200

void api_get_definitions(struct api_session *s, const struct http_request *r, struct slice body)
{
    (void)r;
    (void)body;
    s->is_exporting = true;
    definitions_export_begin(&s->export, s->api->core, s->api->config.rules, &s->body);
    api_export_step(s);
}

/* Again in the next turn while there is more. */
void api_export_step(void *arg)
{
    struct api_session *s = arg;
    enum rc rc = definitions_export_step(&s->export, EXPORT_STEP);

    if (rc == RC_AGAIN)
        timer_start(&s->step, 0);
    else if (rc == RC_OK)
        api_answer(s, 200);
    else
        api_refuse_rc(s, rc,
                      rc == RC_IN_USE ? "streams and queues come and go too fast to list them"
                                      : "the answer does not fit into memory");
}

static void tell(struct text *to, const struct definitions_tally tally[DEFINITIONS_KIND_COUNT])
{
    jot_open(to, NULL, '{');
    for (int i = 0; i < DEFINITIONS_KIND_COUNT; i++) {
        jot_open(to, definitions_kind_names[i], '{');
        jot_count(to, "created", tally[i].made);
        jot_count(to, "present", tally[i].present);
        jot_close(to, '}');
    }
    jot_close(to, '}');
}

static void refuse(struct api_session *s, enum rc rc, struct slice errors)
{
    jot_open(&s->body, NULL, '{');
    jot_string(&s->body, "error", rc_word(rc));
    jot_open(&s->body, "reasons", '[');
    while (errors.len > 0) {
        const uint8_t *end = memchr(errors.at, '\n', errors.len);
        size_t len = end == NULL ? errors.len : (size_t)(end - errors.at);

        jot_bytes(&s->body, NULL, slice_of(errors.at, len));
        errors = slice_after(errors, len + 1);
    }
    jot_close(&s->body, ']');
    jot_close(&s->body, '}');
    api_answer(s, rc == RC_MISMATCH ? 409 : rc == RC_REFUSED ? 403 : 400);
}

void api_put_definitions(struct api_session *s, const struct http_request *r, struct slice body)
{
    struct definitions_tally tally[DEFINITIONS_KIND_COUNT];
    struct text skip = { 0 }, errors = { 0 };
    enum rc rc = http_query(r, "skip", &skip);

    if (rc == RC_OK || rc == RC_NOT_FOUND)
        rc = definitions_import(s->api->client, s->api->config.rules, body, text_slice(&skip),
                                tally, &errors);
    if (rc == RC_OK) {
        log_event(LOG_NOTICE, "admin.imported", "streams=%u queues=%u exchanges=%u bindings=%u",
                  tally[DEFINITIONS_STREAMS].made, tally[DEFINITIONS_QUEUES].made,
                  tally[DEFINITIONS_EXCHANGES].made, tally[DEFINITIONS_BINDINGS].made);
        tell(&s->body, tally);
        client_await(s->api->client, s->number); /* answered when all of it is durable */
    } else {
        refuse(s, rc, text_slice(&errors));
    }
    text_done(&skip);
    text_done(&errors);
}
