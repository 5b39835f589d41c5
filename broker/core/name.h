/* SPDX-License-Identifier: Apache-2.0 */
/* Names: one address, spelled by each protocol in its own way, without loss or collision. Pure. */
#ifndef TERCET_BROKER_CORE_NAME_H
#define TERCET_BROKER_CORE_NAME_H

#include "broker/base/rc.h"
#include "broker/base/text.h"

/* An address is a list of levels, each any bytes. Inside core it is always held in its MQTT
 * spelling: levels joined by '/', each level escaped where it holds a byte that MQTT cannot. Two
 * addresses are equal exactly when these spellings are equal byte by byte. The first level is the
 * stream, the rest the subject.
 *
 * The escape ("chain escape") has a marker, a link and a set of terminals: the bytes that the
 * spelling cannot hold inside a level.
 *
 *   spelling   marker link  terminals                 written as
 *   MQTT       %      25    '/' '+' '#' NUL           %2F %2B %23 %00
 *   AMQP key   %      25    '.'                       %2E
 *   Kafka      _      x5F   all but [A-Za-z0-9._-]    _x00 .. _xFF
 *   queue      none: a queue name is one level as it stands
 *
 * Reading: marker, links, two upper-case digits of a terminal: with no link it is that byte, else
 * it loses one link. Writing: every such look-alike gains one link, then terminals are written. Any
 * other marker is an ordinary byte. So reading and writing are inverse bijections.
 *
 * Every function below that takes `scratch` gives in `ret` either the input itself (when nothing
 * has to change) or the contents of `scratch`, which it clears first: valid until the input or
 * `scratch` changes. `scratch` must not hold the input. RC_MEMORY: no room for the result. */

/* What MQTT's two-byte length can carry. */
#define NAME_MAX_BYTES 65535u
/* An AMQP routing key is at most 255 bytes: all dots, it has this many levels. */
#define NAME_MAX_LEVELS 256u
/* Kafka's own limit on a topic name. */
#define NAME_MAX_KAFKA_BYTES 249u

/* How dots and slashes meet between MQTT and AMQP routing keys (option mqtt.dots). */
enum name_dots {
    NAME_DOTS_ESCAPE,   /* the bijection: a dot inside an MQTT level is %2E in AMQP */
    NAME_DOTS_RABBITMQ, /* '/' becomes '.', '.' becomes '/', as RabbitMQ does: loses the difference
                         */
};

/* The first level. */
struct slice name_stream(struct slice address);
/* What follows the first '/': SLICE_NONE when there is none, empty after a trailing '/'. */
struct slice name_subject(struct slice address);
/* stream '/' subject; a subject that is NONE gives the stream itself. */
MUST_CHECK enum rc name_join(struct slice stream, struct slice subject, struct text *scratch,
                             struct slice *ret);
/* How many levels; the empty address (AMQP's empty routing key) has none. */
size_t name_level_count(struct slice address);

MUST_CHECK enum rc name_from_amqp_key(struct slice key, enum name_dots dots, struct text *scratch,
                                      struct slice *ret);
/* The result may be longer than AMQP's 255 bytes: the caller decides what that means. */
MUST_CHECK enum rc name_to_amqp_key(struct slice address, enum name_dots dots, struct text *scratch,
                                    struct slice *ret);

/* A queue name is one level, whatever bytes it has. */
MUST_CHECK enum rc name_from_queue(struct slice queue, struct text *scratch, struct slice *ret);
/* RC_INVALID: `stream` has more than one level. */
MUST_CHECK enum rc name_to_queue(struct slice stream, struct text *scratch, struct slice *ret);

/* RC_INVALID: not a legal Kafka name (empty, ".", "..", too long, a byte outside the set). */
MUST_CHECK enum rc name_from_kafka_topic(struct slice topic, struct text *scratch,
                                         struct slice *ret);
/* RC_INVALID: the stream has no Kafka name (empty, ".", "..", spelled over 249 bytes, or more than
 * one level): Kafka clients do not see it. */
MUST_CHECK enum rc name_to_kafka_topic(struct slice stream, struct text *scratch,
                                       struct slice *ret);

/* A topic as an MQTT client may publish to it. RC_MALFORMED: empty, not UTF-8, or with NUL.
 * RC_INVALID: has a wildcard. RC_TOO_LARGE: over NAME_MAX_BYTES. RC_LIMIT: over NAME_MAX_LEVELS. */
MUST_CHECK enum rc name_check_mqtt_topic(struct slice topic);
/* An address from whatever protocol, already spelled: its length and levels are within limits, and
 * no byte is in it that the spelling forbids. UTF-8 is not asked. */
MUST_CHECK enum rc name_check(struct slice address);
/* Whether the address is one that the broker keeps for itself: what is under $SYS, but for the
 * state of a bridge ($SYS/broker/connection/NAME/state), which bridges of other brokers tell; and
 * what is under the words that begin MQTT filters and topics of other kinds. */
bool name_is_kept(struct slice address);
/* Whether a record key may stand as the subject of an address (and so as the tail of an MQTT
 * topic): UTF-8 without '+', '#', NUL, within the limits behind `stream`. A NONE key may. */
bool name_key_is_subject(struct slice stream, struct slice key);

#endif
