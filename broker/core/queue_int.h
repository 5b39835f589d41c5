/* SPDX-License-Identifier: Apache-2.0 */
/* Queues as the files of core see them. */
#ifndef TERCET_BROKER_CORE_QUEUE_INT_H
#define TERCET_BROKER_CORE_QUEUE_INT_H

#include "broker/core/binding_int.h"
#include "broker/core/core_int.h"
#include "broker/core/cursor.h"
#include "broker/core/queue.h"

struct partition;
struct rd;

/* What one client has taken from one queue: made at the first consume or get. */
struct holding {
    struct client *client; /* borrowed; NULL: it has gone, and what it held is given back */
    struct queue *queue;   /* borrowed */
    struct link of_client; /* or in core->orphans */
    struct link of_queue;
    size_t count;
    unsigned lane; /* of one without a client: what is to be looked at next */
    uint64_t next_offset;
};

enum item_state { ITEM_ABSENT, ITEM_READY, ITEM_TAKEN, ITEM_SETTLED };

/* One offset of a lane. */
struct item {
    struct message *message; /* owned reference while READY or TAKEN */
    struct holding *holding; /* borrowed while TAKEN */
    uint16_t attempts;
    uint8_t state;
};

#define CHUNK_ITEMS 256u
#define CHUNK_SHIFT 8u

struct chunk {
    struct item items[CHUNK_ITEMS];
    unsigned settled;
    bool is_dirty;    /* its settled set differs from what was recorded */
    bool is_recorded; /* the store has a bitmap for it */
};

/* The shared cursor over one partition.
 *
 *  start ... head ............... window_end ........ end
 *            | settled, taken, ready | ready, in the log |
 *
 * Everything below head is settled. Between head and window_end each offset has an item in a chunk.
 * From window_end on messages are in the log alone (but chunks may already say that some are
 * settled: what was recorded before a restart). */
struct lane {
    struct queue *queue;         /* borrowed: its owner */
    struct partition *partition; /* borrowed */
    uint32_t index;
    uint64_t head;
    uint64_t window_end;
    uint64_t scan;              /* no READY item lies in [head, scan) but those in `returned` */
    uint64_t taken_high;        /* one above the highest offset ever delivered */
    uint64_t redelivered_below; /* taken_high of before the restart */
    uint64_t recorded_head;
    uint64_t recorded_taken_high;
    uint64_t settled_ahead;   /* settled offsets at or above window_end */
    struct ring chunks;       /* of struct chunk *: NULL not made, or one of lane.c's marks */
    uint64_t first_chunk;     /* number of chunks' front */
    struct ring dirty_chunks; /* of uint64_t chunk numbers */
    struct ring purges;       /* of struct purge, by offset: what of them lies above the head */
    uint64_t *returned;       /* owned min-heap of offsets given back */
    size_t returned_count;
    size_t returned_room;
    size_t ready; /* READY items in the window */
    size_t ready_bytes;
    size_t taken;
    struct cursor cursor;
    bool is_reading;       /* the cursor said RC_AGAIN */
    bool is_behind;        /* more is settled than one turn passed by */
    bool is_purge_cut;     /* ranges are to be recorded again */
    struct ring heads;     /* of struct head_sample, for consumed retention */
    uint64_t sampled_head; /* of the last of them */
    bool counts_bytes;     /* for a limit: what comes and goes is counted in */
    bool has_bytes;        /* open_bytes was recorded */
    uint64_t open_bytes;   /* of values not settled */
    uint64_t taken_bytes;  /* of those that are taken */
    uint64_t recorded_end; /* end of the log when that was recorded */
    uint64_t purged_below; /* need not be kept for those who read it as a stream */
};

/* Everything from one offset to the other is settled; recorded as such. Of whole chunks. */
struct purge {
    uint64_t from;
    uint64_t to;
};

struct head_sample {
    int64_t at_ms;
    uint64_t head;
};

struct queue_bound {
    struct queue_limits limits;
    struct deadline due;    /* when the first of it is too old */
    struct deadline unused; /* when it has not been used for too long */
};

struct getter {
    struct link link;      /* in queue->getters */
    struct client *client; /* borrowed */
    struct holding *holding;
    queue_got_fn *on_got;
    uint64_t token;
    bool is_no_ack;
};

struct queue {
    struct core *core;      /* borrowed */
    struct queue_spec spec; /* name and arguments owned */
    uint64_t number;
    uint8_t number_key[8];
    struct map_node by_name;
    struct map_node by_numbers;
    struct link link;     /* in core->queue_list */
    struct link of_owner; /* in owner->queues->exclusive */
    struct link busy;
    struct link dirty;
    struct client *owner;  /* borrowed; NULL unless exclusive */
    struct stream *stream; /* borrowed: made with it, removed with it */
    struct lane **lanes;   /* owned array of owned, one per partition */
    unsigned lane_count;
    unsigned next_lane;
    struct list consumers; /* struct consumer.of_queue */
    struct list ready;     /* struct consumer.ready: have credit, in the order they are served */
    struct list getters;
    struct list holdings;
    struct inbound inbound;
    struct queue_bound *bound; /* owned; NULL: it holds whatever comes */
    unsigned consumer_count;
    uint64_t stamp; /* of the routing that saw it last */
    bool is_removed;
    bool is_pumping;
};

struct consumer {
    struct client *client; /* borrowed */
    struct queue *queue;   /* borrowed */
    struct holding *holding;
    struct consumer_spec spec;
    struct link of_client;
    struct link of_queue;
    struct link ready;
};

/* ---- lane.c ---- */
struct lane *lane_new(struct queue *queue, struct partition *partition, uint32_t index);
void lane_free(struct lane *lane);
/* A message was appended at `offset`, the end of the partition: keep it if it is next. */
void lane_take(struct lane *lane, uint64_t offset, struct message *message);
/* The next item that may be delivered, its offset in *ret_offset; it stays READY. RC_NOT_FOUND:
 * none. RC_AGAIN: being read. */
MUST_CHECK enum rc lane_next(struct lane *lane, struct item **ret, uint64_t *ret_offset);
/* READY -> TAKEN by `holding`, or -> SETTLED at once. */
void lane_deliver(struct lane *lane, uint64_t offset, struct holding *holding);
void lane_settle_ready(struct lane *lane, uint64_t offset);
/* RC_NOT_FOUND: not taken by this client. */
MUST_CHECK enum rc lane_settle(struct lane *lane, const struct client *client, uint64_t offset,
                               enum outcome outcome);
/* Looks at offsets from holding->next_offset on, as many as `left`, which is counted down. False:
 * there are more. */
bool lane_return_some(struct lane *lane, struct holding *holding, unsigned *left);
/* Goes on with what one turn did not come to. */
void lane_go_on(struct lane *lane);
/* Settles everything that is not taken; gives how many. */
uint64_t lane_purge(struct lane *lane);
uint64_t lane_ready(const struct lane *lane);
/* Writes what changed to the catalogue. */
void lane_record(struct lane *lane);
/* Removes all it recorded. */
void lane_forget(struct lane *lane);
/* Values of META_SETTLED. */
/* Everything there may have been delivered before. */
void lane_suspect(struct lane *lane);
MUST_CHECK enum rc lane_load(struct lane *lane, uint64_t record, struct slice value);
/* Where the lane stood `retention_ms` ago, by a clock that is never set back. */
uint64_t lane_retention_floor(struct lane *lane, int64_t now_ms, int64_t retention_ms);
/* The time of that clock at which it moves; INT64_MAX: not before more is settled. */
int64_t lane_retention_next_ms(const struct lane *lane, int64_t retention_ms);

/* A record that did not come by lane_take() is there. */
void lane_count_bytes(struct lane *lane, const struct message *message);
/* What it holds is to be counted from now on: it is reckoned when it was not recorded. */
void lane_reckon_bytes(struct lane *lane);
static inline uint64_t lane_ready_bytes(const struct lane *lane)
{
    return lane->open_bytes - lane->taken_bytes;
}

/* ---- queue_bound.c ---- */
void queue_limits_write(struct text *to, const struct queue_limits *limits);
MUST_CHECK enum rc queue_limits_read(struct rd *from, struct queue_limits *ret);
/* As queue_set_limits(), but recorded and begun by the caller. */
void queue_bound_set(struct queue *queue, const struct queue_limits *limits);
void queue_bound_begin(struct queue *queue);
void queue_bound_free(struct queue *queue);
/* Must it refuse so many more? Counted. */
bool queue_refuses(struct queue *queue, uint64_t messages, uint64_t bytes);
/* Lets go of what is too much or too old. */
void queue_enforce(struct queue *queue);
/* Wall time from which on it does not deliver the message; 0: never. */
int64_t queue_due_ms(const struct queue *queue, const struct message *message);

/* ---- queue.c ---- */
void queue_record(struct queue *queue);
void queue_take(struct queue *queue, struct partition *partition, uint64_t offset,
                struct message *message);
/* Records were appended as whole batches. */
void queue_grew(struct queue *queue);
void queue_wake(struct queue *queue);
void queue_dirty(struct queue *queue);
/* First offset that it still owes in that partition. */
uint64_t queue_floor(const struct queue *queue, const struct partition *partition);
/* Removes the queue, its bindings and its stream. */
void queue_remove(struct queue *queue);
/* What is left of one that was closed. */
void queue_free(struct queue *queue);
void queues_forget_client(struct client *client);
bool queue_wants(const struct queue *queue); /* somebody waits for messages */

/* ---- consumer.c ---- */
void queue_pump(struct queue *queue);
void holding_free(struct holding *holding);
/* Its client goes: what it had taken is given back, some in each turn. */
void holding_leave(struct holding *holding);
void consumer_free(struct consumer *consumer);

/* ---- position.c ---- */
void positions_forget_stream(struct core *core, struct slice stream);

#endif
