/* SPDX-License-Identifier: Apache-2.0 */
/* What a session leaves to be published when its client goes without a goodbye. */
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/base/wire.h"
#include "broker/core/publish.h"
#include "broker/core/session_int.h"

struct will {
    struct session *session; /* borrowed: its owner */
    struct message *message; /* owned reference */
    struct author *author;   /* owned; NULL: the broker itself, or it was recorded without one */
    uint64_t delay_ms;
    struct deadline due;
};

/* What publishes on behalf of who is gone. */
static const struct client_ops nobody = { .protocol = "will" };

/* Takes the reference. */
static void adopt(struct session *session, struct message *message, struct author *author,
                  uint64_t delay_ms)
{
    struct will *will = mem_new(struct will);

    will->session = session;
    will->message = message;
    will->author = author;
    will->delay_ms = delay_ms;
    session->will = will;
}

void will_done(struct session *session)
{
    struct will *will = session->will;

    if (will == NULL)
        return;
    session->will = NULL;
    deadline_stop(&session->core->deadlines, &will->due);
    message_unref(&will->message);
    author_free(&will->author);
    mem_free(will);
}

void will_publish(struct session *session)
{
    struct message *message;
    struct client *client;
    enum rc rc;

    if (session->will == NULL)
        return;
    message = message_ref(session->will->message);
    client = client_open(session->core, &nobody, session, true);
    client_act_for(client, session->will->author);
    session_will_clear(session);
    rc = publish_address(client, &message);
    if (rc != RC_OK && rc != RC_NO_ROUTE)
        log_event(LOG_WARNING, "core.will_failed", "session=%s rc=%s",
                  log_quote(session->id, session->by_id.key.len), rc_word(rc));
    client_close(&client);
}

static void on_due(void *arg)
{
    struct will *will = arg;
    struct core *core = will->session->core;

    will_publish(will->session);
    core_wake(core);
}

static void start(struct will *will)
{
    deadline_start_in_ms(&will->session->core->deadlines, &will->due, will->delay_ms, on_due, will);
}

/* MQTT 5 3.1.3.2.2: the will is published when its delay passes or the session ends. */
void will_start(struct session *session)
{
    if (session->will == NULL)
        return;
    if (session->will->delay_ms == 0)
        will_publish(session);
    else
        start(session->will);
}

void will_taken_over(struct session *session)
{
    if (session->will != NULL && session->will->delay_ms == 0)
        will_publish(session);
}

/* How it is recorded: its delay u64 with this bit, the author; without it, as before authors were
 * kept, none; the message. */
#define WILL_HAS_AUTHOR (UINT64_C(1) << 63)

void session_will_set(struct session *session, struct message **message, uint64_t delay_ms)
{
    struct text value = { .is_vital = true };

    session_will_clear(session);
    adopt(session, *message, session->client == NULL ? NULL : author_of(session->client), delay_ms);
    *message = NULL;
    if (!session_is_durable(session))
        return;
    text_add_u64(&value, delay_ms | (session->will->author != NULL ? WILL_HAS_AUTHOR : 0));
    if (session->will->author != NULL)
        author_write(&value, session->will->author);
    message_encode(&value, session->will->message);
    session_note_put(session, NOTE_CORE_WILL, text_slice(&value));
    text_done(&value);
}

void session_will_clear(struct session *session)
{
    if (session->will != NULL && session_is_durable(session))
        session_note_delete(session, NOTE_CORE_WILL);
    will_done(session);
}

void will_load(struct session *session, struct slice value)
{
    struct rd rd = rd_of(value);
    uint64_t delay_ms = rd_u64(&rd);
    struct author *author = (delay_ms & WILL_HAS_AUTHOR) != 0 ? author_read(&rd) : NULL;
    struct message *message = rd.bad ? NULL : message_decode(rd_rest(&rd));

    if (message != NULL)
        adopt(session, message, author, delay_ms & ~WILL_HAS_AUTHOR);
    else
        author_free(&author);
}

void will_resume(struct session *session)
{
    if (session->will != NULL)
        start(session->will);
}
