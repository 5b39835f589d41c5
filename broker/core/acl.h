/* SPDX-License-Identifier: Apache-2.0 */
/* May this client come in, and may it do that? Asked on every path; who and what are of the access
 * of the listener it came by. Core thread only. */
#ifndef TERCET_BROKER_CORE_ACL_H
#define TERCET_BROKER_CORE_ACL_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct accounts;
struct client;
struct core;
struct rules;
struct text;

enum operation {
    OPERATION_PUBLISH,
    OPERATION_CONSUME,
    OPERATION_CREATE,
    OPERATION_DELETE,
    OPERATION_ALTER,
    OPERATION_DESCRIBE,
    OPERATION_GROUP_USE,
    OPERATION_ADMIN,
    OPERATION_COUNT
};

enum resource {
    RESOURCE_TOPIC,
    RESOURCE_QUEUE,
    RESOURCE_EXCHANGE,
    RESOURCE_GROUP,
    RESOURCE_SESSION,
    RESOURCE_BROKER,
    RESOURCE_COUNT
};

/* ---- what a listener lets in, and to what ---- */

/* May clients come that give no name? */
enum anonymous {
    ANONYMOUS_UNSAID, /* by loopback, while there are no accounts */
    ANONYMOUS_NO,
    ANONYMOUS_YES,
};

/* Without accounts the only user is guest, by loopback alone. Without rules who came in may do
 * all. */
struct access_config {
    struct accounts *accounts; /* NULL: none */
    struct rules *rules;       /* NULL: none */
    enum anonymous anonymous;
    /* With ANONYMOUS_YES and without accounts a name is taken as it is told, unproved, and rules
     * are about it, as in a mosquitto that has an acl_file and no password_file; otherwise, without
     * accounts, nobody gets in by name, not even guest. */
    bool trusts_names;
    bool refuses_empty; /* passwords, whatever hash of theirs is on file */
    /* A client's name is its certificate's, which needs no password; without one nobody gets in. */
    bool needs_certificate;
};

/* What holds for those who came, or will come, by the listener of that name; NULL: by all that have
 * none of their own, when they come. Takes accounts and rules, and sets them NULL. Everybody who
 * came so is looked at again: who would not be let in any more is sent away (on_revoked), and what
 * is allowed is decided anew. */
void access_set(struct core *core, const char *listener, struct access_config *config);

/* The accounts of listeners that have none of their own; NULL: there are none. Borrowed until they
 * are set anew. */
const struct accounts *access_accounts(struct core *core);

/* ---- questions ---- */

/* `name` is the canonical address (or queue, exchange, group name). RC_REFUSED: no; it was counted
 * and logged here. */
MUST_CHECK enum rc authorise(struct client *client, enum operation operation,
                             enum resource resource, struct slice name);
/* Some names are the broker's own (name_is_kept()): RC_REFUSED, counted and logged, unless the
 * client is the broker's own too. Asked where names are looked up, not of each message. */
MUST_CHECK enum rc authorise_kept(const struct client *client, enum operation operation,
                                  struct slice name);
/* The same of all that is in a stream, whatever its subjects: for those who deal with it whole.
 * authorise() asks it so when a queue is to be consumed. */
MUST_CHECK enum rc authorise_stream(struct client *client, enum operation operation,
                                    struct slice stream);
/* Whether authorise_stream() would: neither counted nor logged, for those who only ask. */
bool may_use(struct client *client, enum operation operation, enum resource resource,
             struct slice name);
/* To subscribe by an MQTT filter: RC_REFUSED when all that it matches is denied, or nothing that it
 * matches may be consumed. Each message is asked about again. */
MUST_CHECK enum rc authorise_filter(struct client *client, struct slice filter);
/* Whether this client may be given what was published to that address. Only counted. */
bool may_deliver(struct client *client, struct slice address);

/* ---- who published something, for later ---- */

/* Appends what source_may_publish() reads: the client's name and identifier, and its listener. */
void client_source(const struct client *client, struct text *to);
/* Whether that one might publish to the address now. What cannot be read, and what the broker
 * itself published, may be. */
bool source_may_publish(struct core *core, struct slice source, struct slice address);

#endif
