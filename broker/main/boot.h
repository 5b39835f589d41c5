/* SPDX-License-Identifier: Apache-2.0 */
/* The broker put together: loop, store, core, protocols, listeners; and taken apart again. */
#ifndef TERCET_BROKER_MAIN_BOOT_H
#define TERCET_BROKER_MAIN_BOOT_H

#include "broker/base/rc.h"

struct broker;
struct listener;
struct settings;
struct text;

/* Starts everything: when it returns, every listener accepts. Borrows `settings`. On failure
 * `why` says what is wrong in a sentence for people. RC_LOCKED: another process uses the store. */
MUST_CHECK enum rc broker_start(const struct settings *settings, struct broker **ret,
                                struct text *why);
/* What broker_start() would refuse in the settings alone: `why` gets a line for each. */
MUST_CHECK enum rc boot_test(const struct settings *settings, struct text *why);
/* Runs until a signal asks for the end and the clients are gone. */
void broker_run(struct broker *broker);
/* On SIGHUP call on_reload(arg) rather than end. */
void broker_on_reload(struct broker *broker, void (*on_reload)(void *arg), void *arg);
/* Takes up what `fresh` (borrowed during the call) says of the options that a reload may change.
 * RC_INVALID: a certificate cannot be used, as `why` says; it and those behind it stay as they
 * were. The bridges of `fresh` are taken from it. */
MUST_CHECK enum rc broker_reload(struct broker *broker, struct settings *fresh, struct text *why);
/* Makes everything durable and frees it. The rc tells whether it could. */
MUST_CHECK enum rc broker_stop(struct broker **broker);

unsigned broker_listener_count(const struct broker *broker);
const struct listener *broker_listener(const struct broker *broker, unsigned i);
/* "in memory", or the directory. */
const char *broker_store_place(const struct broker *broker);

#endif
