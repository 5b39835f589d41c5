/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "admin/api_int.h"
#include "admin/definitions.h"
#include "admin/jot.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/thread.h"
#include "broker/core/client.h"
#include "broker/net/conn.h"

/* Entries told in one turn: well under a millisecond. */
#define EXPORT_STEP 200
/* Entries of a file that are checked or made, some 10 us each, before one looks whether the turn's
 * part is over. */
#define IMPORT_STEP    20
#define IMPORT_PART_NS UINT64_C(500000)
/* Between looks whether the other thread has read it. */
#define IMPORT_LOOK_MS 2

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

/* ---- import ----
 *
 * A thread of its own reads the file, and frees what it was read into; the core's thread looks
 * after it by a timer, and makes some entries in each turn. There is one at a time. It goes on when
 * who asked has gone. */

struct api_import {
    struct api *api;                   /* borrowed */
    struct definitions_import *import; /* owned */
    struct timer timer;
    struct thread thread;
    uint64_t session; /* who waits for it */
    enum rc rc;       /* RC_AGAIN: there is more to do */
    bool has_thread;
    _Atomic bool is_thread_done;
};

static void import_read_main(void *arg)
{
    struct api_import *i = arg;

    definitions_import_read_wt(i->import);
    atomic_store(&i->is_thread_done, true);
}

static void import_forget_main(void *arg)
{
    struct api_import *i = arg;

    definitions_import_forget_wt(i->import);
    atomic_store(&i->is_thread_done, true);
}

/* Without a thread it is done here: slow, and right. */
static void import_apart(struct api_import *i, thread_main_fn *main)
{
    atomic_store(&i->is_thread_done, false);
    i->has_thread = thread_start(&i->thread, "import", main, i) == RC_OK;
    if (!i->has_thread)
        main(i);
    timer_start(&i->timer, IMPORT_LOOK_MS);
}

static void import_end(struct api_import *i)
{
    const struct definitions_tally *tally = definitions_import_tally(i->import);
    struct api_session *s = api_session_find(i->api, i->session);

    if (i->rc == RC_OK)
        log_event(LOG_NOTICE, "admin.imported", "streams=%u queues=%u exchanges=%u bindings=%u",
                  tally[DEFINITIONS_STREAMS].made, tally[DEFINITIONS_QUEUES].made,
                  tally[DEFINITIONS_EXCHANGES].made, tally[DEFINITIONS_BINDINGS].made);
    if (s != NULL && i->rc == RC_OK) {
        tell(&s->body, tally);
        client_await(i->api->client, s->number); /* answered when all of it is durable */
    } else if (s != NULL) {
        refuse(s, i->rc, definitions_import_errors(i->import));
    }
    api_import_free(i->api);
}

static enum rc import_part(struct api_import *i)
{
    uint64_t end_ns = clock_monotonic_ns() + IMPORT_PART_NS;
    enum rc rc;

    do {
        rc = definitions_import_step(i->import, IMPORT_STEP);
    } while (rc == RC_AGAIN && clock_monotonic_ns() < end_ns);
    return rc;
}

static void on_import_time(void *arg)
{
    struct api_import *i = arg;

    if (!atomic_load(&i->is_thread_done)) {
        timer_start(&i->timer, IMPORT_LOOK_MS);
        return;
    }
    if (i->has_thread)
        thread_join(&i->thread);
    i->has_thread = false;
    if (i->rc != RC_AGAIN) {
        import_end(i);
        return;
    }
    i->rc = import_part(i);
    if (i->rc == RC_AGAIN)
        timer_start(&i->timer, 0);
    else
        import_apart(i, import_forget_main);
}

void api_import_free(struct api *api)
{
    struct api_import *i = api->import;

    if (i == NULL)
        return;
    timer_done(&i->timer);
    if (i->has_thread)
        thread_join(&i->thread);
    definitions_import_free(&i->import);
    MEM_FREE(api->import);
}

void api_put_definitions(struct api_session *s, const struct http_request *r, struct slice body)
{
    struct api *api = s->api;
    struct definitions_import *import = NULL;
    struct text skip = { 0 };
    enum rc rc = http_query(r, "skip", &skip);

    if (rc == RC_NOT_FOUND)
        rc = RC_OK;
    if (rc == RC_OK && api->import != NULL)
        rc = RC_IN_USE;
    if (rc == RC_OK && !pieces_add(&s->received, body)) /* or it lies there already */
        rc = RC_MEMORY;
    if (rc == RC_OK)
        import =
            definitions_import_new(api->client, api->config.rules, &s->received, text_slice(&skip));
    text_done(&skip);
    if (rc != RC_OK) {
        api_refuse_rc(s, rc,
                      rc == RC_IN_USE   ? "another import is under way"
                      : rc == RC_MEMORY ? "the file does not fit into memory"
                                        : "skip cannot be read");
        return;
    }
    api->import = mem_new(struct api_import);
    api->import->api = api;
    api->import->import = import;
    api->import->session = s->number;
    api->import->rc = RC_AGAIN;
    timer_init(&api->import->timer, conn_loop(s->conn), on_import_time, api->import);
    import_apart(api->import, import_read_main);
}
