/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that put the broker together share. */
#ifndef TERCET_BROKER_MAIN_BOOT_INT_H
#define TERCET_BROKER_MAIN_BOOT_INT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "broker/base/clock.h"
#include "broker/core/definitions.h"
#include "broker/core/operations.h"
#include "broker/main/protocols.h"
#include "broker/main/settings.h"
#include "broker/net/loop.h"

/* Each section may name several addresses; the loopback ones and those of the admin door
 * come to these. */
#define BROKER_LISTENERS_MAX (LISTENERS_MAX * 4 + SETTINGS_PROTOCOLS * 2 + 3)

struct api;
struct bridges;
struct core;
struct listener;
struct listener_config;
struct space;
struct store;
struct sys_topics;
struct text;
struct tls;

struct broker {
    const struct settings *settings; /* borrowed until broker_stop() */
    struct loop *loop;
    struct store *store;
    struct core *core;
    struct space *space;                /* owned; NULL: in memory */
    struct policy_rule *rules;          /* owned; patterns borrowed from settings */
    void *contexts[SETTINGS_PROTOCOLS]; /* what each protocol's sessions share */
    struct definitions_rules definitions;
    struct operations operations;  /* of MQTT's clients */
    struct sys_topics *sys_topics; /* owned; NULL: none are wanted */
    struct api *api;               /* owned */
    struct bridges *bridges;       /* owned */
    struct list bridge_configs;    /* struct bridge_config: owned; of reloads */
    char *real_place;              /* owned by malloc: the same from the root on */
    char *place;                   /* the store's directory; NULL: in memory */
    struct listener *listeners[BROKER_LISTENERS_MAX];
    unsigned listener_count;
    struct {
        const char *listener; /* name of the section; borrowed from settings */
        struct tls *tls;      /* owned */
    } tls[LISTENERS_MAX];
    unsigned tls_count;
    struct listen_context {
        const struct protocol_row *row;
        void *context;
    } listen_contexts[LISTENERS_MAX];
    unsigned listen_context_count;
    uint64_t shutdown_grace_ms;
    void (*on_reload)(void *arg); /* NULL: SIGHUP ends the broker like the others */
    void *reload_arg;
    struct timer deadline;
    uint64_t deadline_ns; /* what `deadline` is set to; 0: unknown */
    struct loop_call wake_call;
    _Atomic bool is_woken; /* wake_call is posted and did not run yet */
    bool is_ending;
};

/* Reads all files of users and rules, then lets them hold: at the start, and at a reload. Not
 * RC_OK: what held before holds, and `why` says what is wrong with which line. */
/* Opens the file for the secrets of TLS, if one is named. */
MUST_CHECK enum rc boot_keep_keys(const struct settings *settings, struct text *why);
MUST_CHECK enum rc boot_apply_access(struct core *core, const struct settings *settings,
                                     struct text *why);
/* Lets hold how much users may have: at the start, and at a reload. */
void boot_apply_users(struct core *core, const struct settings *settings);
/* Shared keys of TLS that are wrong count as wrong passwords do. */
void boot_watch_logins(struct core *core, struct loop *loop);
/* Whether who comes by this listener must show who it is, or was told in so many words that it need
 * not. */
bool boot_is_guarded(const struct settings *settings, const struct listener_settings *l);
/* RC_REFUSED: a listener could be reached from other machines, and nobody said that it may. */
enum rc boot_check_exposure(const struct settings *settings, struct text *why);
/* The context of a section with tls = yes. `why` says what is wrong. */
enum rc boot_make_tls(const struct listener_settings *l, struct tls **ret, struct text *why);
/* Opens one and keeps it, or says nothing. */
MUST_CHECK enum rc boot_open_listener(struct broker *b, const struct listener_config *config);
/* On loopback of both families; port 0: any one that is free on both. */
MUST_CHECK enum rc boot_listen_on_loopback(struct broker *b, struct listener_config *config,
                                           uint16_t port, struct text *why);
/* After the protocols have started. */
void boot_start_admin(struct broker *b);
MUST_CHECK enum rc boot_listen_admin(struct broker *b, struct text *why);
/* Opens all listeners, or says why one could not be. */
enum rc boot_listen(struct broker *b, struct text *why);

#endif
