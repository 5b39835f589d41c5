/* SPDX-License-Identifier: Apache-2.0 */
/* The admin door: HTTP with JSON, on a Unix socket in the data directory and, if wanted, on
 * loopback TCP, where it only tells and changes nothing. Core thread only. */
#ifndef TERCET_ADMIN_API_H
#define TERCET_ADMIN_API_H

#include "broker/base/rc.h"
#include "broker/net/protocol.h"

struct api;
struct core;
struct definitions_rules;
struct loop;
struct operations;

struct api_config {
    const struct definitions_rules *rules; /* borrowed, as are all below, until api_free() */
    const char *place;                     /* the store's directory; NULL: in memory */
    const struct operations *operations;   /* of MQTT */
    const char *password_file;             /* of listeners without one of their own; NULL: none */
    void (*reload)(void *arg);             /* has the files of users and rules read anew */
    void *reload_arg;
    const char *durability; /* what a confirm means where nothing else is said */
};

/* Borrows core and loop, which must outlive it. */
struct api *api_new(struct core *core, struct loop *loop, const struct api_config *config);
/* All its connections must be closed. */
void api_free(struct api **api);

/* What listeners take; their context is a struct api. */
extern const struct protocol api_protocol;

#endif
