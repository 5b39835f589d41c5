/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that wait until what they answer is on disk, in the order they are to be sent. Pure. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_PENDING_H
#define TERCET_PROTOCOLS_MQTT_MQTT_PENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

enum mqtt_answer_kind {
    ANSWER_ACK,     /* PUBACK, PUBREC or PUBCOMP: `type` */
    ANSWER_PACKET,  /* a whole packet: `bytes` */
    ANSWER_PUBLISH, /* a QoS 2 delivery whose id had to be durable first: `owned` is a struct
                       mqtt_held */
    ANSWER_RELEASE, /* a PUBREL whose state had to be durable first */
    ANSWER_DROPPED  /* nothing is sent: a delivery larger than the client takes is settled */
};

struct mqtt_answer {
    void *owned; /* memory of a packet, or a struct mqtt_held; NULL for others */
    uint32_t len;
    uint16_t packet_id;
    uint8_t kind; /* enum mqtt_answer_kind */
    uint8_t type;
    uint8_t reason;
    bool ends_inbound; /* the inbound message is done with: our receive maximum has room again */
};

struct mqtt_pending {
    struct mqtt_answer *ring; /* owned */
    unsigned room;            /* a power of two, or 0 */
    uint64_t head;            /* number of the next to be sent */
    uint64_t tail;            /* number that the next one added gets */
    uint64_t awaited;         /* core was asked to report everything below this */
};

/* The session stops reading its connection while this many answers wait. */
#define MQTT_PENDING_MAX 16384u

static inline unsigned mqtt_pending_count(const struct mqtt_pending *p)
{
    return (unsigned)(p->tail - p->head);
}

/* RC_MEMORY: nothing was taken. */
MUST_CHECK enum rc mqtt_pending_add(struct mqtt_pending *p, const struct mqtt_answer *answer);
/* The oldest, or NULL. */
struct mqtt_answer *mqtt_pending_first(const struct mqtt_pending *p);
/* Drops the oldest: what it owned is the caller's. Frees the ring when it is empty and big. */
void mqtt_pending_drop(struct mqtt_pending *p);
/* Must be empty. */
void mqtt_pending_done(struct mqtt_pending *p);

#endif
