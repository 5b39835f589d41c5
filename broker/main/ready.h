/* SPDX-License-Identifier: Apache-2.0 */
/* What tells others that the broker accepts: the ready file, and the words printed at the start. */
#ifndef TERCET_BROKER_MAIN_READY_H
#define TERCET_BROKER_MAIN_READY_H

#include "broker/base/rc.h"

struct broker;
struct text;

/* {"pid": 1, "listeners": [{"protocol": "mqtt", "address": "127.0.0.1", "port": 1883, "tls":
 * false},
 * ...]} */
void ready_format(const struct broker *broker, struct text *to);
/* Writes it whole: a reader sees nothing or all. */
MUST_CHECK enum rc ready_write(const struct broker *broker, const char *path, struct text *why);
/* What is listened on and what to try, within a screen. */
void ready_greet(const struct broker *broker, struct text *to);

#endif
