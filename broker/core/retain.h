/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages: the last value of an address. */
#ifndef TERCET_BROKER_CORE_RETAIN_H
#define TERCET_BROKER_CORE_RETAIN_H

#include "broker/base/slice.h"

struct core;
struct filter;
struct message;

typedef void retain_visit_fn(void *arg, struct message *message);
/* Every retained message whose address matches and that has not expired. The visitor must not
 * change retained messages. */
void retain_each(struct core *core, const struct filter *filter, retain_visit_fn *visit, void *arg);
/* NULL when there is none. Borrowed. */
struct message *retain_get(struct core *core, struct slice address);
uint64_t retain_count(const struct core *core);

#endif
