/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the admin door share. */
#ifndef TERCET_ADMIN_API_INT_H
#define TERCET_ADMIN_API_INT_H

#include <stdbool.h>

#include "admin/api.h"
#include "admin/definitions.h"
#include "broker/base/list.h"
#include "broker/base/text.h"
#include "broker/core/backup.h"
#include "broker/net/http.h"
#include "broker/net/loop.h"

struct api_change;
struct api_delayed;
struct api_import;
struct client;
struct conn;

/* Definitions of some hundred thousand queues; a larger set is imported in parts. */
#define API_BODY_MAX_BYTES ((uint64_t)64 << 20)
/* A body up to this length is given in one piece. */
#define API_BODY_WHOLE_BYTES ((uint64_t)64 << 10)
/* Entries of a listing in one answer, and how many there are when nobody says. */
#define API_PAGE_MAX     1000
#define API_PAGE_DEFAULT 500
/* A connection without a request for so long is closed: its place is one of few. */
#define API_IDLE_MS 60000

struct api {
    struct core *core;
    struct loop *loop;
    struct api_config config;
    struct client *client; /* owned: who we are to core */
    struct list sessions;  /* struct api_session.link */
    uint64_t last_session;
    struct store_backup backup;
    uint64_t backup_session;     /* who waits for it */
    struct api_delayed *delayed; /* owned; NULL: no list of what waits is being made */
    struct api_change *change;   /* owned; NULL: no user is being changed */
    struct api_import *import;   /* owned; NULL: none is under way */
    uint64_t started_ns;
};

struct api_session {
    unsigned magic;
    struct link link;
    struct api *api; /* borrowed */
    struct conn *conn;
    uint64_t number;        /* what an answer that comes later is for */
    struct text body;       /* of the answer being built */
    struct text head;       /* owned: of a request whose body is long, which comes in parts; */
    struct pieces received; /* owned: what came of that */
    uint64_t body_left;     /* so much of it is yet to come */
    struct timer idle;
    struct timer step; /* of an answer that takes several turns */
    struct definitions_export export;
    bool is_local; /* came over the Unix socket */
    bool is_exporting;
    bool is_waiting; /* an answer is due */
    bool is_sending; /* it is on its way, and more of it than the connection takes at once */
    bool is_head;    /* of the request that is being answered */
    bool is_kept;
    const char *allow; /* the methods there are, when another was asked for */
    bool was_told_to_go_on;
};

/* A handler answers, or answers later: then it keeps session->number, for the session may go. */
typedef void api_handler_fn(struct api_session *session, const struct http_request *request,
                            struct slice body);

/* Sends session->body as JSON. */
void api_answer(struct api_session *session, unsigned status);
void api_answer_as(struct api_session *session, unsigned status, const char *type);
/* {"error": word, "reason": sentence} */
void api_refuse(struct api_session *session, unsigned status, const char *word, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
/* The same for a code of core or the store. */
void api_refuse_rc(struct api_session *session, enum rc rc, const char *what);
/* NULL: it is gone. */
struct api_session *api_session_find(struct api *api, uint64_t number);

/* ---- api_definitions.c ---- */
/* A turn's part of an export; arg: a struct api_session. */
void api_export_step(void *arg);
/* Ends the import that is under way, if any. */
void api_import_free(struct api *api);

/* ---- api_accounts.c ---- */
/* Waits for the change that is under way, if any, and forgets it. */
void api_change_free(struct api *api);

/* ---- api_delayed.c ---- */
/* Ends the list that is being made, if any. */
void api_delayed_free(struct api *api);

/* ---- api_routes.c ---- */
struct api_route {
    const char *path;
    enum http_method method;
    api_handler_fn *handle;
    bool is_change; /* over the Unix socket only */
    bool is_long;   /* its body may be long: then it lies in session->received */
};
/* The route of a request, or NULL when it was refused. */
const struct api_route *api_route_of(struct api_session *session,
                                     const struct http_request *request);

/* ---- handlers ---- */
api_handler_fn api_get_overview, api_get_health, api_get_metrics, api_get_streams, api_get_queues;
api_handler_fn api_get_delayed, api_post_cancel;
api_handler_fn api_get_users, api_get_accounts, api_put_account, api_delete_account;
api_handler_fn api_get_definitions, api_put_definitions, api_post_backup;
api_handler_fn api_post_compact;
api_handler_fn api_get_bans, api_post_unban, api_post_drain, api_post_trace;

#endif
