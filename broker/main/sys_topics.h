/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker tells of itself under $SYS, with the names and forms that mosquitto gave them.
 * Core thread. */
#ifndef TERCET_BROKER_MAIN_SYS_TOPICS_H
#define TERCET_BROKER_MAIN_SYS_TOPICS_H

#include <stdint.h>

struct core;
struct loop;
struct sys_topics;

/* Tells everything at once, and then what has changed after each interval. Borrows both. */
struct sys_topics *sys_topics_new(struct core *core, struct loop *loop, uint64_t interval_ms);
/* NULL is fine. Sets *topics NULL. */
void sys_topics_free(struct sys_topics **topics);

#endif
