/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of streams, queues and users, a page at a time: ?limit=N&after=NAME, and "next" in the
 * answer where there is more. ?name=NAME: that stream alone. */
#include "admin/api_int.h"
#include "admin/definitions.h"
#include "admin/jot.h"
#include "broker/base/number.h"
#include "broker/core/accounts.h"
#include "broker/core/acl.h"
#include "broker/core/compaction.h"
#include "broker/core/definitions.h"
#include "broker/core/queue.h"
#include "broker/core/stream.h"
#include "broker/core/user.h"

struct page {
    uint64_t limit;
    struct text after; /* owned */
    bool has_after;
};

/* False when it was refused. */
static bool read_page(struct api_session *s, const struct http_request *r, struct page *ret)
{
    struct text number = { 0 };
    enum rc rc = http_query(r, "limit", &number);
    bool is_good = true;

    *ret = (struct page){ .limit = API_PAGE_DEFAULT };
    if (rc != RC_NOT_FOUND)
        is_good =
            rc == RC_OK && number_u64(text_slice(&number), 1, API_PAGE_MAX, &ret->limit) == RC_OK;
    text_done(&number);
    if (!is_good) {
        api_refuse(s, 400, "invalid", "limit is a number from 1 to %d", API_PAGE_MAX);
        return false;
    }
    rc = http_query(r, "after", &ret->after);
    ret->has_after = rc == RC_OK;
    if (rc == RC_OK || rc == RC_NOT_FOUND)
        return true;
    text_done(&ret->after);
    api_refuse(s, 400, "invalid", "after cannot be read");
    return false;
}

static void refuse_after(struct api_session *s, struct page *page)
{
    api_refuse(s, 409, "not-found", "\"%.*s\" went away: begin the listing anew",
               SLICE_FMT(text_slice(&page->after)));
    text_done(&page->after);
}

/* ---- streams ---- */

static void add_stream(struct text *to, struct stream *stream)
{
    jot_open(to, NULL, '{');
    jot_bytes(to, "name", stream_name(stream));
    jot_number(to, "created_ms", stream_created_ms(stream));
    jot_switch(to, "implicit", stream_is_implicit(stream));
    jot_switch(to, "hidden", stream_is_hidden(stream));
    jot_switch(to, "transient", stream_is_transient(stream));
    jot_switch(to, "queue", stream_queue(stream) != NULL);
    definitions_add_config(to, stream_config(stream));
    definitions_add_policy(to, "policy", stream_effective_policy(stream));
    definitions_add_policy(to, "own_policy", stream_policy(stream));
    jot_open(to, "partitions", '[');
    for (unsigned i = 0; i < stream_partition_count(stream); i++) {
        const struct partition *p = stream_partition(stream, i);

        jot_open(to, NULL, '{');
        jot_count(to, "start", partition_start(p));
        jot_count(to, "end", partition_end(p));
        jot_count(to, "durable_end", partition_durable_end(p));
        jot_count(to, "bytes", partition_bytes(p));
        jot_close(to, '}');
    }
    jot_close(to, ']');
    jot_close(to, '}');
}

/* True when one was asked for by its name. */
static bool get_one(struct api_session *s, const struct http_request *r)
{
    struct text name = { 0 };
    enum rc rc = http_query(r, "name", &name);
    struct stream *stream = rc == RC_OK ? stream_find(s->api->core, text_slice(&name)) : NULL;

    if (stream != NULL) {
        jot_open(&s->body, NULL, '{');
        jot_open(&s->body, "streams", '[');
        add_stream(&s->body, stream);
        jot_close(&s->body, ']');
        jot_bytes(&s->body, "next", SLICE_NONE);
        jot_close(&s->body, '}');
        api_answer(s, 200);
    } else if (rc == RC_OK) {
        api_refuse(s, 404, "not-found", "there is no stream \"%.*s\"",
                   SLICE_FMT(text_slice(&name)));
    } else if (rc != RC_NOT_FOUND) {
        api_refuse(s, 400, "invalid", "name cannot be read");
    }
    text_done(&name);
    return rc != RC_NOT_FOUND;
}

/* Asks for a pass over it: {"partitions": how many there are}. */
void api_post_compact(struct api_session *s, const struct http_request *r, struct slice body)
{
    struct text name = { 0 };
    enum rc rc = http_query(r, "name", &name);
    struct stream *stream = rc == RC_OK ? stream_find(s->api->core, text_slice(&name)) : NULL;

    (void)body;
    if (rc == RC_OK && stream == NULL)
        rc = RC_NOT_FOUND;
    else if (rc == RC_OK)
        rc = stream_compact(s->api->client, stream);
    if (rc == RC_OK) {
        jot_open(&s->body, NULL, '{');
        jot_count(&s->body, "partitions", stream_partition_count(stream));
        jot_close(&s->body, '}');
        api_answer(s, 200);
    } else {
        api_refuse_rc(s, rc,
                      rc == RC_NOT_FOUND ? "there is no such stream"
                      : rc == RC_INVALID ? "the stream does not say that it is compacted"
                                         : "it cannot be asked for");
    }
    text_done(&name);
}

void api_get_streams(struct api_session *s, const struct http_request *r, struct slice body)
{
    struct stream *stream = NULL, *last = NULL;
    struct page page;

    (void)body;
    if (get_one(s, r))
        return;
    if (!read_page(s, r, &page))
        return;
    if (page.has_after) {
        stream = stream_find(s->api->core, text_slice(&page.after));
        if (stream == NULL) {
            refuse_after(s, &page);
            return;
        }
    }
    jot_open(&s->body, NULL, '{');
    jot_open(&s->body, "streams", '[');
    while (page.limit-- > 0 && (stream = stream_next(s->api->core, stream)) != NULL) {
        add_stream(&s->body, stream);
        last = stream;
    }
    jot_close(&s->body, ']');
    jot_bytes(&s->body, "next",
              last != NULL && stream_next(s->api->core, last) != NULL ? stream_name(last)
                                                                      : SLICE_NONE);
    jot_close(&s->body, '}');
    text_done(&page.after);
    api_answer(s, 200);
}

/* ---- queues ---- */

static void add_queue(struct text *to, const struct definitions_rules *rules, struct queue *queue)
{
    const struct queue_spec *spec = queue_spec(queue);

    jot_open(to, NULL, '{');
    jot_bytes(to, "name", spec->name);
    jot_bytes(to, "stream", stream_name(queue_stream(queue)));
    jot_switch(to, "durable", spec->is_durable);
    jot_switch(to, "exclusive", spec->is_exclusive);
    jot_switch(to, "auto_delete", spec->is_auto_delete);
    definitions_add_arguments(rules, to, spec->arguments);
    jot_count(to, "messages_ready", queue_ready_count(queue));
    jot_count(to, "messages_unacknowledged", queue_taken_count(queue));
    jot_count(to, "consumers", queue_consumer_count(queue));
    jot_close(to, '}');
}

void api_get_queues(struct api_session *s, const struct http_request *r, struct slice body)
{
    struct queue *queue = NULL, *last = NULL;
    struct page page;

    (void)body;
    if (!read_page(s, r, &page))
        return;
    if (page.has_after) {
        queue = queue_find(s->api->core, text_slice(&page.after));
        if (queue == NULL) {
            refuse_after(s, &page);
            return;
        }
    }
    jot_open(&s->body, NULL, '{');
    jot_open(&s->body, "queues", '[');
    while (page.limit-- > 0 && (queue = queue_next(s->api->core, queue)) != NULL) {
        add_queue(&s->body, s->api->config.rules, queue);
        last = queue;
    }
    jot_close(&s->body, ']');
    jot_bytes(&s->body, "next",
              last != NULL && queue_next(s->api->core, last) != NULL ? queue_spec(last)->name
                                                                     : SLICE_NONE);
    jot_close(&s->body, '}');
    text_done(&page.after);
    api_answer(s, 200);
}

/* ---- users ---- */

static void add_user(struct text *to, const struct user *user)
{
    static const char *const overflows[] = { "drop_oldest", "drop_newest", "reject", "end" };
    const struct user_caps *caps = &user->caps;

    jot_open(to, NULL, '{');
    jot_bytes(to, "name", user->by_name.key);
    jot_count(to, "connections", user->connections);
    jot_count(to, "sessions", user->sessions);
    jot_count(to, "owed_messages", user->owed_count);
    jot_count(to, "owed_bytes", user->owed_bytes);
    jot_count(to, "refused", user->refused);
    jot_count(to, "messages_dropped", user->dropped);
    jot_count(to, "messages_rejected", user->rejected);
    jot_count(to, "sessions_ended", user->ended);
    jot_count(to, "max_connections", caps->connections);
    jot_count(to, "max_sessions", caps->sessions);
    jot_count(to, "max_session_expiry_ms", caps->session_expiry_ms);
    jot_count(to, "session_max_messages", caps->session_messages);
    jot_count(to, "session_max_bytes", caps->session_bytes);
    jot_string(to, "session_overflow", overflows[caps->overflow]);
    jot_close(to, '}');
}

/* Those who have something here now. */
void api_get_users(struct api_session *s, const struct http_request *r, struct slice body)
{
    const struct user *user = NULL, *last = NULL;
    struct page page;

    (void)body;
    if (!read_page(s, r, &page))
        return;
    if (page.has_after) {
        user = user_find(s->api->core, text_slice(&page.after));
        if (user == NULL) {
            refuse_after(s, &page);
            return;
        }
    }
    jot_open(&s->body, NULL, '{');
    jot_open(&s->body, "users", '[');
    while (page.limit-- > 0 && (user = user_next(s->api->core, user)) != NULL) {
        add_user(&s->body, user);
        last = user;
    }
    jot_close(&s->body, ']');
    jot_bytes(&s->body, "next",
              last != NULL && user_next(s->api->core, last) != NULL ? last->by_name.key
                                                                    : SLICE_NONE);
    jot_close(&s->body, '}');
    text_done(&page.after);
    api_answer(s, 200);
}

/* ---- accounts: of the file that holds for listeners without one of their own ---- */

static void add_account(struct text *to, const struct account *account)
{
    bool has_scram = false;

    for (unsigned i = 0; i < ACCOUNT_SCRAM_COUNT; i++)
        has_scram |= !slice_is_none(account->scram[i]);
    jot_open(to, NULL, '{');
    jot_bytes(to, "name", account->name);
    jot_switch(to, "password", !slice_is_none(account->password));
    jot_switch(to, "scram", has_scram);
    jot_bytes(to, "roles", account->roles);
    jot_close(to, '}');
}

void api_get_accounts(struct api_session *s, const struct http_request *r, struct slice body)
{
    const struct accounts *accounts = access_accounts(s->api->core);
    const struct account *account = NULL, *last = NULL;
    struct page page;

    (void)body;
    if (!read_page(s, r, &page))
        return;
    if (page.has_after && accounts != NULL)
        account = accounts_find(accounts, text_slice(&page.after));
    if (page.has_after && account == NULL) {
        refuse_after(s, &page);
        return;
    }
    jot_open(&s->body, NULL, '{');
    jot_open(&s->body, "accounts", '[');
    while (accounts != NULL && page.limit-- > 0 &&
           (account = accounts_next(accounts, account)) != NULL) {
        add_account(&s->body, account);
        last = account;
    }
    jot_close(&s->body, ']');
    jot_bytes(&s->body, "next",
              last != NULL && accounts_next(accounts, last) != NULL ? last->name : SLICE_NONE);
    jot_close(&s->body, '}');
    text_done(&page.after);
    api_answer(s, 200);
}
