/* SPDX-License-Identifier: Apache-2.0 */
/* What waits for its time, a page at a time, and taking one of it back. A page is read over several
 * turns, for it may lie on the disk; there is one under way at a time. */
#include <stdio.h>

#include "admin/api_int.h"
#include "admin/jot.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/core/client.h"
#include "broker/core/delayed.h"
#include "broker/core/message.h"
#include "broker/net/conn.h"

/* Records looked at in one turn. */
#define STEP 256

struct api_delayed {
    struct api *api; /* borrowed */
    struct delayed_walk walk;
    struct timer timer;
    struct text body;
    uint64_t session; /* who waits for it */
    uint64_t left;    /* entries that the page still takes */
    bool is_over;
};

void api_delayed_free(struct api *api)
{
    struct api_delayed *page = api->delayed;

    if (page == NULL)
        return;
    delayed_walk_end(&page->walk);
    timer_done(&page->timer);
    text_done(&page->body);
    MEM_FREE(api->delayed);
}

static void add(struct text *to, const struct delayed_item *item)
{
    char id[48];

    (void)snprintf(id, sizeof(id), "%lld-%llu", (long long)item->due_ms,
                   (unsigned long long)item->number);
    jot_open(to, NULL, '{');
    jot_string(to, "id", id);
    jot_number(to, "due_ms", item->due_ms);
    jot_bytes(to, "topic", item->message->address);
    if (item->exchange[0] != '\0')
        jot_bytes(to, "exchange", slice_str(item->exchange));
    jot_count(to, "qos", item->message->qos);
    jot_switch(to, "retain", (item->message->flags & MESSAGE_RETAIN) != 0);
    jot_count(to, "bytes", item->message->value.len);
    jot_close(to, '}');
}

static void finish(struct api_delayed *page)
{
    struct api *api = page->api;
    struct api_session *s = api_session_find(api, page->session);
    const struct delayed_at *at = &page->walk.at;
    char next[80];

    (void)snprintf(next, sizeof(next), "%lld-%lld-%llu", (long long)at->start_ms,
                   (long long)at->end_ms, (unsigned long long)at->offset);
    jot_close(&page->body, ']');
    jot_bytes(&page->body, "next", page->is_over ? SLICE_NONE : slice_str(next));
    jot_close(&page->body, '}');
    if (s != NULL) {
        text_add(&s->body, text_slice(&page->body));
        s->body.bad |= page->body.bad;
        api_answer(s, 200);
    }
    api_delayed_free(api);
}

static void on_step(void *arg)
{
    struct api_delayed *page = arg;

    for (unsigned i = 0; i < STEP && page->left > 0; i++) {
        struct delayed_item item;
        enum rc rc = delayed_walk_next(&page->walk, &item);

        if (rc == RC_AGAIN) /* on_ready() comes */
            return;
        if (rc == RC_RANGE || rc == RC_MEMORY) {
            page->is_over = true;
            page->body.bad |= rc == RC_MEMORY;
            page->left = 0;
        }
        if (rc != RC_OK)
            continue;
        add(&page->body, &item);
        message_unref(&item.message);
        page->left--;
    }
    if (page->left > 0)
        timer_start(&page->timer, 0);
    else
        finish(page);
}

static void on_ready(void *arg)
{
    struct api_delayed *page = arg;

    timer_start(&page->timer, 0);
}

/* Numbers with hyphens between: all of `count`. */
static bool read_numbers(struct slice text, uint64_t *to, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *hyphen = text.len == 0 ? NULL : memchr(text.at, '-', text.len);
        size_t len = hyphen == NULL ? text.len : (size_t)(hyphen - text.at);

        if ((hyphen == NULL) != (i + 1 == count) ||
            number_u64(slice_of(text.at, len), 0, INT64_MAX, &to[i]) != RC_OK)
            return false;
        text = slice_after(text, len + (hyphen != NULL));
    }
    return true;
}

/* False: it was refused. */
static bool read_page(struct api_session *s, const struct http_request *r,
                      struct delayed_at *ret_at, uint64_t *ret_limit)
{
    struct text after = { 0 }, limit = { 0 };
    uint64_t at[3] = { 0 };
    enum rc rc = http_query(r, "after", &after);
    bool is_good = rc == RC_NOT_FOUND || (rc == RC_OK && read_numbers(text_slice(&after), at, 3));

    *ret_limit = API_PAGE_DEFAULT;
    rc = http_query(r, "limit", &limit);
    is_good = is_good &&
              (rc == RC_NOT_FOUND || (rc == RC_OK && number_u64(text_slice(&limit), 1, API_PAGE_MAX,
                                                                ret_limit) == RC_OK));
    *ret_at = (struct delayed_at){ (int64_t)at[0], (int64_t)at[1], at[2] };
    text_done(&after);
    text_done(&limit);
    if (!is_good)
        api_refuse(s, 400, "invalid", "after is a \"next\" of before, limit at most %d",
                   API_PAGE_MAX);
    return is_good;
}

void api_get_delayed(struct api_session *s, const struct http_request *r, struct slice body)
{
    struct api *api = s->api;
    struct api_delayed *page;
    struct delayed_at at;
    uint64_t limit;

    (void)body;
    if (!read_page(s, r, &at, &limit))
        return;
    page = mem_new(struct api_delayed);
    if (delayed_walk_begin(api->core, &page->walk, &at, on_ready, page) != RC_OK) {
        mem_free(page);
        api_refuse(s, 409, "in-use", "another list is being made");
        return;
    }
    api->delayed = page;
    page->api = api;
    page->session = s->number;
    page->left = limit;
    timer_init(&page->timer, conn_loop(s->conn), on_step, page);
    jot_open(&page->body, NULL, '{');
    jot_open(&page->body, "delayed", '[');
    timer_start(&page->timer, 0);
}

/* ?id=ID, as the list tells it. Answered when it is durable. */
void api_post_cancel(struct api_session *s, const struct http_request *r, struct slice body)
{
    struct text id = { 0 };
    uint64_t key[2] = { 0 };
    enum rc rc = http_query(r, "id", &id);

    (void)body;
    if (rc != RC_OK || !read_numbers(text_slice(&id), key, 2)) {
        api_refuse(s, 400, "invalid", "id is one of the list");
    } else {
        rc = delayed_cancel(s->api->core, (int64_t)key[0], key[1]);
        if (rc != RC_OK) {
            api_refuse(s, rc == RC_NOT_FOUND ? 404 : 409, rc_word(rc), "%s",
                       rc == RC_NOT_FOUND ? "no such message waits" : "too many were cancelled");
        } else {
            jot_open(&s->body, NULL, '{');
            jot_close(&s->body, '}');
            client_await(s->api->client, s->number);
        }
    }
    text_done(&id);
}
