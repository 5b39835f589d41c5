/* SPDX-License-Identifier: Apache-2.0 */
/* What the two directions of the map share. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_MAP_INT_H
#define TERCET_PROTOCOLS_AMQP_AMQP_MAP_INT_H

#include "broker/core/core.h"
#include "broker/core/message.h"
#include "broker/core/name.h"
#include "protocols/amqp/amqp_map.h"

/* View headers of AMQP's own properties. */
#define AMQP_VIEW_PRIORITY   HEADER_AMQP_PREFIX "priority"
#define AMQP_VIEW_MESSAGE_ID HEADER_AMQP_PREFIX "message-id"
#define AMQP_VIEW_TIMESTAMP  HEADER_AMQP_PREFIX "timestamp"
#define AMQP_VIEW_TYPE       HEADER_AMQP_PREFIX "type"
#define AMQP_VIEW_APP_ID     HEADER_AMQP_PREFIX "app-id"
#define AMQP_VIEW_CLUSTER_ID HEADER_AMQP_PREFIX "cluster-id"

/* A header of a user's whose name is a view header's is written with this before it, and so is one
 * that already looks so written: nobody can make up what a view header says. */
#define AMQP_USER_ESCAPE "user."
/* Whether a name has to be escaped, or is one that was. */
bool amqp_is_view_name(struct slice name);

/* Bytes of the check in front of the native block. */
#define AMQP_NATIVE_CHECK 8
uint64_t amqp_native_check(struct core *core, struct slice headers);

/* How dots of routing keys are read and written. */
static inline enum name_dots amqp_dots(struct core *core)
{
    return core_config(core)->dots_as_rabbitmq ? NAME_DOTS_RABBITMQ : NAME_DOTS_ESCAPE;
}

/* What is kept for a while expires so much later, as if it were published then. */
static inline uint64_t amqp_kept_ms(const struct amqp_outline *o)
{
    return o->delays == AMQP_DELAYS ? o->delay_ms : 0;
}

/* ---- parts of amqp_outline_build() ---- */

/* x-delay, which is negated in the properties' headers where the exchange delays: that says that it
 * is over. RC_INVALID: *why says what it should be. RC_MEMORY. */
MUST_CHECK enum rc amqp_map_delay(struct amqp_outline *o, struct core *core, struct text *why);
/* o->headers; needs the address, o->native and the properties. RC_MEMORY. */
MUST_CHECK enum rc amqp_map_headers(struct amqp_outline *o, struct core *core);

#endif
