/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the file of users: ?name=NAME, with the password as the body of PUT. A thread of its
 * own hashes and writes; then the broker reads its files anew. There is one at a time. */
#include <stdatomic.h>

#include "admin/api_int.h"
#include "admin/jot.h"
#include "admin/users_file.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/thread.h"
#include "broker/core/accounts.h"
#include "broker/core/password.h"
#include "broker/net/conn.h"

#define LOOK_MS 5

struct api_change {
    struct api *api;            /* borrowed */
    struct users_change change; /* its texts lie in the three below */
    struct text user;
    struct text roles;
    struct text password; /* wiped */
    struct text why;
    struct timer timer;
    struct thread thread;
    uint64_t session; /* who waits for it */
    enum rc rc;
    bool has_thread;
    _Atomic bool is_thread_done;
};

static void change_main(void *arg)
{
    struct api_change *c = arg;

    c->rc = users_file_change(&c->change, &c->why);
    atomic_store(&c->is_thread_done, true);
}

void api_change_free(struct api *api)
{
    struct api_change *c = api->change;

    if (c == NULL)
        return;
    timer_done(&c->timer);
    if (c->has_thread)
        thread_join(&c->thread);
    if (c->password.len > 0)
        password_wipe(c->password.at, c->password.len);
    text_done(&c->user);
    text_done(&c->roles);
    text_done(&c->password);
    text_done(&c->why);
    MEM_FREE(api->change);
}

static void tell(struct api_session *s, const struct api_change *c)
{
    struct slice why = text_slice(&c->why);

    if (c->rc != RC_OK) {
        while (why.len > 0 && why.at[why.len - 1] == '\n')
            why.len--;
        api_refuse(s,
                   c->rc == RC_NOT_FOUND ? 404
                   : c->rc == RC_EXISTS  ? 409
                                         : 400,
                   rc_word(c->rc), "%.*s", SLICE_FMT(why));
        return;
    }
    jot_open(&s->body, NULL, '{');
    jot_close(&s->body, '}');
    api_answer(s, 200);
}

static void on_time(void *arg)
{
    struct api_change *c = arg;
    struct api *api = c->api;
    struct api_session *s;

    if (!atomic_load(&c->is_thread_done)) {
        timer_start(&c->timer, LOOK_MS);
        return;
    }
    if (c->rc == RC_OK) {
        log_event(LOG_NOTICE, "admin.user_changed", "user=%s what=%s",
                  log_quote(c->change.user, strlen(c->change.user)),
                  c->change.is_delete ? "deleted" : "password");
        api->config.reload(api->config.reload_arg);
    }
    s = api_session_find(api, c->session);
    if (s != NULL)
        tell(s, c);
    api_change_free(api);
}

/* A text of the query as a C string; false: it was refused. */
static bool read_text(struct api_session *s, const struct http_request *r, const char *name,
                      bool is_optional, struct text *to)
{
    enum rc rc = http_query(r, name, to);

    if (rc == RC_NOT_FOUND && is_optional)
        return true;
    if (rc != RC_OK || to->len == 0 || to->len > ACCOUNTS_ROLES_MAX_BYTES ||
        memchr(to->at, 0, to->len) != NULL || memchr(to->at, '\n', to->len) != NULL ||
        memchr(to->at, ':', to->len) != NULL) {
        api_refuse(s, 400, "invalid", "%s must be given, without colons and line feeds", name);
        return false;
    }
    text_add_byte(to, '\0');
    return true;
}

static bool is_word(const struct http_request *r, const char *name, const char *word)
{
    struct text value = { 0 };
    bool is = http_query(r, name, &value) == RC_OK && slice_equal_str(text_slice(&value), word);

    text_done(&value);
    return is;
}

static bool read_change(struct api_session *s, const struct http_request *r, struct api_change *c,
                        struct slice body)
{
    if (!read_text(s, r, "name", false, &c->user) || !read_text(s, r, "roles", true, &c->roles))
        return false;
    if (!c->change.is_delete && (body.len > USERS_PASSWORD_MAX_BYTES ||
                                 (body.len > 0 && memchr(body.at, '\n', body.len) != NULL))) {
        api_refuse(s, 400, "invalid",
                   "the body is a password, of at most %d bytes without a line "
                   "feed",
                   USERS_PASSWORD_MAX_BYTES);
        return false;
    }
    text_add(&c->password, body);
    c->change.file = s->api->config.password_file;
    c->change.user = (const char *)c->user.at;
    c->change.password = text_slice(&c->password);
    c->change.roles = c->roles.len == 0 ? SLICE_NONE : slice_of(c->roles.at, c->roles.len - 1);
    c->change.is_scram_only = is_word(r, "scram", "only");
    c->change.has_scram = c->change.is_scram_only || is_word(r, "scram", "too");
    if (is_word(r, "only", "new"))
        c->change.wanted = USERS_NEW;
    else if (is_word(r, "only", "old"))
        c->change.wanted = USERS_OLD;
    return true;
}

static void begin(struct api_session *s, const struct http_request *r, struct slice body,
                  bool is_delete)
{
    struct api *api = s->api;
    struct api_change *c;

    if (api->config.password_file == NULL || api->change != NULL) {
        api_refuse(s, 409, api->change != NULL ? "in-use" : "unsupported", "%s",
                   api->change != NULL ? "another user is being changed"
                                       : "the broker has no password_file");
        return;
    }
    c = api->change = mem_new(struct api_change);
    c->api = api;
    c->session = s->number;
    c->change.is_delete = is_delete;
    timer_init(&c->timer, conn_loop(s->conn), on_time, c);
    if (!read_change(s, r, c, body)) {
        api_change_free(api);
        return;
    }
    c->has_thread = thread_start(&c->thread, "users", change_main, c) == RC_OK;
    if (!c->has_thread)
        change_main(c); /* slow, and right */
    timer_start(&c->timer, LOOK_MS);
}

void api_put_account(struct api_session *s, const struct http_request *r, struct slice body)
{
    begin(s, r, body, false);
}

void api_delete_account(struct api_session *s, const struct http_request *r, struct slice body)
{
    begin(s, r, body, true);
}
