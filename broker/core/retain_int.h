/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages as the files of core see them. */
#ifndef TERCET_BROKER_CORE_RETAIN_INT_H
#define TERCET_BROKER_CORE_RETAIN_INT_H

#include "broker/core/core_int.h"
#include "broker/core/retain.h"

/* May it become a retained one? RC_LIMIT: there are too many, or too many bytes of them; counted.
 */
MUST_CHECK enum rc retain_check(struct core *core, const struct message *message);
/* The message becomes its address's last value; with an empty value the address has none any more.
 * As durable as the stream's own record of it. */
void retain_set(struct core *core, struct message *message, enum durability durability);

#endif
