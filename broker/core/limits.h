/* SPDX-License-Identifier: Apache-2.0 */
/* The named limits of core, each with its reason. */
#ifndef TERCET_BROKER_CORE_LIMITS_H
#define TERCET_BROKER_CORE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* A stream name has to fit in a key of the catalogue beside a group name and a partition. */
#define STREAM_NAME_MAX_BYTES 255
#define QUEUE_NAME_MAX_BYTES  255 /* AMQP short string */
#define GROUP_NAME_MAX_BYTES  200
#define SESSION_ID_MAX_BYTES  400 /* rest of a catalogue key is the filter's hash */

/* Streams that came into being by a publish alone: a peer could make one per message. */
#define IMPLICIT_STREAMS_MAX 100000
/* Streams of all kinds that protocols make on request: some 500 bytes of memory each. */
#define STREAMS_MAX    1000000
#define PARTITIONS_MAX 1024 /* of one stream: a delivery handle keeps 12 bits for it */

/* One message with all its wrapping; RabbitMQ's limit for a message is 128 MiB. */
#define MESSAGE_MAX_BYTES ((size_t)128 << 20)

/* Publishers are paused when this much waits for the disk, and go on at the lower mark. */
#define BACKLOG_HIGH_BYTES ((uint64_t)48 << 20)
#define BACKLOG_LOW_BYTES  ((uint64_t)24 << 20)
/* QoS 0 is delivered but not logged when the backlog is over this. */
#define BACKLOG_UNLOGGED_BYTES ((uint64_t)32 << 20)

/* Records of one turn for one partition are packed up to this size. */
#define BATCH_SEAL_BYTES ((size_t)1 << 20)

/* So much is not gathered any longer though nobody waits for it: what a batch and a commit cost
 * besides is little then. */
#define GATHER_MAX_BYTES ((size_t)256 << 10)

/* Retention looks at a log every few seconds, and whenever it has grown by this much: a log in
 * memory must not outrun it. */
#define RETENTION_STEP_BYTES ((uint64_t)16 << 20)

/* Messages that a queue keeps in memory ready to go; the rest waits in the log. */
#define QUEUE_WINDOW_MESSAGES 2048
#define QUEUE_WINDOW_BYTES    ((size_t)8 << 20)
/* Deliveries made for one queue, for all sessions, or for all groups of theirs, in one turn. */
#define PUMP_BUDGET 2048
/* For all queues: less than this, which eight busy ones reach, cost them an eighth more. */
#define QUEUES_PUMP_BUDGET 8192

#define SESSION_SUBSCRIPTIONS_MAX 100000
#define SESSION_SHARES_MAX        65535 /* a reference keeps 16 bits for which one it is */

/* Cached routes; the oldest makes room for a new one. */
#define ROUTES_MAX 65536

#endif
