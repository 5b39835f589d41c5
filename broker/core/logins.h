/* SPDX-License-Identifier: Apache-2.0 */
/* Logins that fail: counted by where they come from and whom they are for, and banned for a while
 * when they are too many. For all protocols. Core thread only.
 *
 * What fails for one user from one place is counted apart from all that fails there: one device
 * with a wrong password shuts itself out, and nobody else behind the same address. */
#ifndef TERCET_BROKER_CORE_LOGINS_H
#define TERCET_BROKER_CORE_LOGINS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/slice.h"

struct client;
struct core;
struct logins;

struct logins_config {
    uint64_t address_failures;  /* from one place, for whomever; 0: no limit, as for the others */
    uint64_t user_failures;     /* for one user, from one place */
    uint64_t anywhere_failures; /* for one user, wherever they come from */
    uint64_t window_ms;         /* they are counted within; > 0 */
    uint64_t ban_ms;
    uint64_t ban_max_ms; /* bans that follow on each other grow up to this */
};

#define LOGINS_CONFIG_DEFAULT                                                              \
    {                                                                                      \
        .address_failures = 100, .user_failures = 10, .window_ms = 60000, .ban_ms = 60000, \
        .ban_max_ms = 3600000                                                              \
    }

/* Other limits from now on; who is banned stays so. */
void logins_set(struct core *core, const struct logins_config *config);

/* As ban_visit_fn of operations.h. Kinds are "login-address", "login" (the place, a space, the
 * user), and "login-user". */
typedef void login_ban_fn(void *arg, const char *kind, struct slice name, uint64_t left_ms);
void logins_each_ban(const struct core *core, login_ban_fn *visit, void *arg);
/* Those of a place, of a user, or of both; gives how many. */
unsigned logins_lift(struct core *core, struct slice name);

/* Logins that somebody else judges, by what lies below a protocol: from `origin`, which stands for
 * one place, for that user. Whether one is banned is counted, as core's are. */
bool logins_is_banned_at(const struct core *core, const char *origin, struct slice user);
void logins_failed_at(const struct core *core, const char *origin, struct slice user);
void logins_succeeded_at(const struct core *core, const char *origin, struct slice user);

/* ---- for core ---- */

void logins_init(struct core *core);
void logins_done(struct core *core);
/* Whether it is not even to be asked for a password; counted. */
bool logins_is_banned(const struct client *client, struct slice user);
void logins_failed(const struct client *client, struct slice user);
void logins_succeeded(const struct client *client, struct slice user);

#endif
