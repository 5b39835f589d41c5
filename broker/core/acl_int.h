/* SPDX-License-Identifier: Apache-2.0 */
/* What acl.c, login.c and author.c share: accesses, and what a badge says of a client. */
#ifndef TERCET_BROKER_CORE_ACL_INT_H
#define TERCET_BROKER_CORE_ACL_INT_H

#include "broker/core/acl.h"
#include "broker/core/core_int.h"

struct account;

struct access {
    struct link link;
    char *listener; /* owned; NULL: of all that have none of their own */
    struct access_config config;
    uint32_t epoch; /* of its rules: what was decided before does not count */
};

/* By what of its account a client has shown who it is: while that stays as it is in the file, so
 * does the client, whatever else of its line changes. */
enum shown { SHOWN_SCRAM_SHA_256, SHOWN_SCRAM_SHA_512, SHOWN_PASSWORD, SHOWN_NOTHING };

/* NULL for `listener`: that of listeners without one of their own. NULL: there is none. */
struct access *access_find(struct core *core, const char *listener);
/* Never 0. */
uint64_t account_mark(const struct account *account, enum shown shown);

/* Says anew whether there is anything to ask of this client. */
void badge_weigh(struct client *client);
void badge_forget_decisions(struct client *client);
/* `user` NONE: without a name. It has not shown yet that the name is its own. */
void badge_name(struct client *client, struct slice user);
/* NULL: it has none. */
void badge_has_account(struct client *client, const struct account *account, enum shown shown);
bool badge_may_be_anonymous(const struct client *client);

#endif
