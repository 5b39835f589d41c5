/* SPDX-License-Identifier: Apache-2.0 */
/* What reference.c, reference_record.c and session_pump.c share. Core thread only. */
#ifndef TERCET_BROKER_CORE_REFERENCE_INT_H
#define TERCET_BROKER_CORE_REFERENCE_INT_H

#include "broker/core/session_int.h"
#include "broker/core/user.h"

/* One more is open: for the session, its user, and all of core. */
static inline void reference_count_open(struct session *session, const struct reference *r)
{
    uint64_t bytes = reference_bytes(r);

    session->open_count++;
    session->open_bytes += bytes;
    session->core->owed_count++;
    session->core->owed_bytes += bytes;
    session->user->owed_count++;
    session->user->owed_bytes += bytes;
}

/* QoS 0 is owed nothing, unless it waits for who is away. */
static inline bool reference_is_owed(const struct session *session, const struct reference *r)
{
    return r->qos > 0 || session->core->config.keeps_qos0;
}

/* ---- reference_record.c ---- */
/* The chunk with that number is put again at the end of the turn, if the session is durable. */
void reference_mark_dirty(struct session *session, uint64_t number);

/* ---- reference.c ---- */
/* Lets go of those in front that are settled. */
void references_drop_settled(struct session *session);
/* Moves `next` to the first that is owed, or to the end. */
void session_find_owed(struct session *session);
/* Counts and logs that a message is lost to the session; the caller takes it away. */
void session_drop(struct session *session, const char *why);

#endif
