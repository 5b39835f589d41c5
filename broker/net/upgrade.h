/* SPDX-License-Identifier: Apache-2.0 */
/* The request that turns an HTTP connection into a WebSocket, and its answer (RFC 6455 4.2). Pure.
 */
#ifndef TERCET_BROKER_NET_UPGRADE_H
#define TERCET_BROKER_NET_UPGRADE_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/text.h"

struct upgrade_rules {
    const char *path;         /* "mqtt": /mqtt is a path, and so is /ws */
    const char *paths;        /* or these, with commas: "/a, /b", "*"; NULL: those two */
    const char *const *names; /* sub-protocols, the best first; NULL at the end. NULL: none */
    bool needs_name;          /* who asks for no sub-protocol is refused */
    const char *origins;      /* with commas: "https://a.example", "b.example", "*"; or NULL */
    bool is_local;            /* the peer is trusted because it is on this machine */
    bool is_as_mosquitto;     /* answers have its letters, and a bad origin none at all */
};

/* `in` is all that came. RC_AGAIN: the request is not whole. RC_OK: it is granted. RC_REFUSED: it
 * is not, and *ret_why is a word for the log. With the last two, `answer` gets all that is to be
 * sent, which may be nothing. */
MUST_CHECK enum rc upgrade_answer(struct slice in, const struct upgrade_rules *rules,
                                  struct text *answer, const char **ret_why);

/* Whether a page of this origin may connect. Without `origins`: when it is of this machine, or, for
 * a peer that is not, of the host it connects to. A name that an attacker points here proves
 * nothing to a peer that is trusted for being local. */
bool upgrade_origin_is_allowed(struct slice origin, struct slice host,
                               const struct upgrade_rules *rules);

#endif
