/* SPDX-License-Identifier: Apache-2.0 */
/* The structs of a connection and its channels, shared by the files of this room alone. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_INT_H
#define TERCET_PROTOCOLS_AMQP_AMQP_INT_H

#include "broker/base/list.h"
#include "broker/base/map.h"
#include "broker/base/ring.h"
#include "broker/core/client.h"
#include "broker/core/message.h"
#include "broker/core/queue.h"
#include "broker/net/conn.h"
#include "broker/net/loop.h"
#include "protocols/amqp/amqp_codec.h"
#include "protocols/amqp/amqp_errors.h"
#include "protocols/amqp/amqp_map.h"
#include "protocols/amqp/amqp_tx.h"
#include "protocols/amqp/amqp_unacked.h"

/* The one virtual host there is. */
#define AMQP_VHOST "/"
/* What who is sent elsewhere is told. */
#define AMQP_DRAIN_TEXT "Node was put into maintenance mode"

/* ---- limits and times ---- */

#define AMQP_CHANNELS_MAX      2047   /* as RabbitMQ offers: a count, not the highest number */
#define AMQP_FRAME_MAX         131072 /* as RabbitMQ offers */
#define AMQP_FRAME_MIN         4096 /* the protocol's; RabbitMQ 4.1's 8192 locks old clients out */
#define AMQP_FRAME_MAX_INITIAL 8192 /* before tune-ok: nobody is known yet */
#define AMQP_HEARTBEAT_SECONDS 60
#define AMQP_HANDSHAKE_MS      10000
#define AMQP_CLOSING_MS        3000 /* how long we wait for a close-ok */
#define AMQP_REFUSED_MS        3000 /* a client that cannot be told waits, so it cannot hammer */
/* Bodies under way of all channels of a connection: a peer could begin one on each of them. */
#define AMQP_PARTIAL_MAX_BYTES ((uint64_t)256 << 20)
/* A body size above this is a lie (RabbitMQ's bound); between it and the largest message it is a
 * soft error. */
#define AMQP_BODY_MAX_BYTES   ((uint64_t)512 << 20)
#define AMQP_CONSUMERS_MAX    65536             /* of one channel */
#define AMQP_UNACKED_MAX      ((size_t)1 << 21) /* of one channel: 64 MB of what to remember */
#define AMQP_COPY_LEAST_BYTES 32768             /* bodies below are copied behind their headers */

/* ---- a channel ---- */

enum amqp_content_state {
    CONTENT_NONE,   /* a method is next */
    CONTENT_HEADER, /* basic.publish came, its header is next */
    CONTENT_BODY,
};

enum amqp_mode { MODE_PLAIN, MODE_CONFIRM, MODE_TX };

struct amqp_channel {
    struct map_node node;         /* in session->channels, by number_key */
    struct amqp_session *session; /* borrowed: outlives the channel */
    uint8_t number_key[2];
    uint16_t number;
    bool is_closing;        /* we closed it: only close-ok is wanted */
    uint64_t serial;        /* tells this channel from earlier ones of the same number */
    struct text last_queue; /* owned: the name an empty queue name stands for */

    /* publishing */
    enum amqp_content_state content;
    enum amqp_mode mode;
    bool is_mandatory;
    bool is_immediate;
    struct text held; /* owned: exchange, key, properties of a publish under way */
    uint8_t held_exchange_len;
    uint8_t held_key_len;
    struct text body;    /* owned: what came of its body */
    uint64_t body_bytes; /* what will come in all */
    struct amqp_outline outline;
    struct amqp_tx tx; /* what waits for tx.commit */

    /* confirming */
    uint64_t published;       /* tag of the last publish since confirm.select */
    uint64_t wanted;          /* the last of them that was not refused at once */
    uint64_t durable;         /* up to this tag core answered */
    uint64_t confirmed;       /* up to this tag the client was told */
    struct link await_link;   /* in session->await */
    struct link durable_link; /* in session->durable */

    /* consuming */
    struct map consumers; /* struct amqp_consumer by tag */
    struct list blocked;  /* consumers that core waits for */
    struct list ended;    /* consumers that were cancelled, and what they had is not settled */
    struct unacked_table unacked;
    uint64_t delivered; /* the last delivery tag */
    uint64_t counted;   /* unacked deliveries of consumers: what the channel's limit counts */
    uint16_t prefetch;  /* of consumers that begin from now on; 0: no limit */
    uint16_t channel_prefetch;
    bool is_settling;                     /* very many, by what session->many says */
    struct amqp_consumer *reply_consumer; /* direct reply-to; borrowed from consumers */
    struct text reply_queue;              /* owned: the queue it really consumes from */
};

struct amqp_consumer {
    struct map_node node;         /* in channel->consumers; key borrows from `tag` */
    struct link blocked_link;     /* in channel->blocked, or in channel->ended */
    struct amqp_channel *channel; /* borrowed; NULL when it ended */
    struct consumer *consumer;    /* core's; NULL: cancelled, kept for its unacked alone */
    uint64_t queue_number;
    unsigned unacked;
    uint16_t prefetch; /* 0: no limit */
    bool is_no_ack;
    bool is_quorum; /* deliveries carry x-delivery-count */
    uint8_t tag_len;
    uint8_t tag[255];
};

/* ---- a connection ---- */

/* In the order of life; M1: `states` in amqp_session.c has the edges. */
enum amqp_state {
    STATE_HEADER,
    STATE_START, /* start was sent */
    STATE_TUNE,  /* tune was sent */
    STATE_OPEN,  /* tune-ok came */
    STATE_RUNNING,
    STATE_CLOSING, /* close was sent, close-ok is wanted */
    STATE_DEAF,    /* input is thrown away until the peer or a timer ends it */
    STATE_COUNT
};

/* A set of one state. */
#define IN(state) (1u << STATE_##state)

/* What core was asked to tell. */
struct amqp_await {
    uint64_t serial;
    uint64_t tag;
    uint16_t channel;
    bool is_commit; /* of a transaction, not of publishes in confirm mode */
    bool is_change; /* of topology: answers are held until it is durable */
};

/* What follows when they are settled. */
enum amqp_many_then {
    MANY_SETTLED, /* nothing is said */
    MANY_RECOVER_OK,
    MANY_CLOSE_OK, /* the channel is freed */
    MANY_CLOSED,   /* we closed it, and said so before */
};

/* A method that settles very many. */
struct amqp_many {
    struct settling settling;
    struct amqp_channel *channel; /* borrowed: nothing of its connection is read until the end */
    uint64_t last;                /* delivery tag */
    enum outcome outcome;
    enum amqp_many_then then;
};

struct amqp_session {
    uint32_t magic;
    enum amqp_state state;
    struct conn *conn;     /* borrowed until on_closed */
    struct core *core;     /* borrowed */
    struct client *client; /* owned; NULL before login and after the end */
    struct timer timer;
    uint32_t frame_max;
    uint16_t channel_max;
    uint16_t heartbeat;
    uint16_t get_pending;   /* basic.gets, the login, or `many`: nothing is read until they end */
    struct amqp_many *many; /* owned; NULL: none goes on */
    const char *mechanism;  /* of the login */
    size_t expected;        /* what conn_expect() was told */

    /* client capabilities */
    bool can_take_failure_close;
    bool can_take_cancel;
    bool can_take_blocked;

    /* publishers are held back */
    enum pressure pressure;
    bool is_held;    /* a publish waits unread in front of us */
    bool is_blocked; /* connection.blocked was sent */

    struct map channels;       /* struct amqp_channel by number_key */
    struct amqp_channel *last; /* the last one found, or NULL */
    unsigned channel_count;    /* without those that are closing */
    uint64_t next_serial;
    uint64_t partial_bytes; /* of bodies under way */
    struct list await;      /* channels with publishes to ask about */
    struct list durable;    /* channels with confirms to send */
    struct ring awaits;     /* struct amqp_await, in the order asked */
    uint64_t awaits_popped;
    unsigned changes; /* awaits that are changes: output is held while there are any */

    struct text scratch; /* owned: names, texts */
    struct text name;    /* owned: a name without CR and LF */
    struct amqp_view view;
    bool is_late_cancel; /* basic.cancels wait for the answer to the delete that causes them */
    struct text late;    /* owned: those, encoded */

    /* why a handler failed: set by amqp_refuse(), told by the dispatcher */
    enum amqp_reply refusal;
    struct text refusal_text; /* owned */
    uint64_t frames_in;       /* not yet counted */
    uint64_t frames_out;
};

/* ---- answering (amqp_answer.c) ---- */

void amqp_send(struct amqp_session *s, uint16_t channel, const struct amqp_method *method);
/* A method without fields. */
void amqp_send_empty(struct amqp_session *s, uint16_t channel, enum amqp_method_name name);
/* Says why a handler fails; gives RC_PROTOCOL, for `return amqp_refuse(...)`. */
enum rc amqp_refuse(struct amqp_session *s, enum amqp_reply reply, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Tells the peer (connection.close or channel.close) and cleans up. `rc` counts when nothing was
 * refused in words. */
void amqp_fail(struct amqp_session *s, struct amqp_channel *channel, enum rc rc, uint16_t class_id,
               uint16_t method_id);
const char *amqp_user(const struct amqp_session *s);

/* ---- life (amqp_session.c) ---- */

void amqp_enter(struct amqp_session *s, enum amqp_state state);
/* As RabbitMQ's texts have it. */
const char *amqp_state_name(const struct amqp_session *s);
/* Ends all channels and leaves core; the socket stays. */
void amqp_release(struct amqp_session *s);

/* ---- frames, and the handlers that their rules name (amqp_frames.c) ---- */

/* Whole frames, one behind the other; gives how many bytes of `in` were used. */
size_t amqp_on_frames(struct amqp_session *s, struct slice in);

typedef enum rc amqp_handler_fn(struct amqp_session *s, struct amqp_channel *channel,
                                const struct amqp_method *m);

amqp_handler_fn amqp_on_start_ok, amqp_on_tune_ok, amqp_on_open, amqp_on_close, amqp_on_close_ok,
    amqp_on_update_secret;
/* client_ops: what the login had to wait for. */
void amqp_on_login(void *session, enum rc rc);
amqp_handler_fn amqp_on_channel_flow, amqp_on_channel_close, amqp_on_access_request;
amqp_handler_fn amqp_on_exchange_declare, amqp_on_exchange_delete, amqp_on_exchange_bind,
    amqp_on_exchange_unbind;
amqp_handler_fn amqp_on_queue_declare, amqp_on_queue_bind, amqp_on_queue_unbind,
    amqp_on_queue_purge, amqp_on_queue_delete;
amqp_handler_fn amqp_on_qos, amqp_on_consume, amqp_on_cancel, amqp_on_get, amqp_on_ack,
    amqp_on_reject, amqp_on_nack, amqp_on_recover, amqp_on_recover_async, amqp_on_publish;
amqp_handler_fn amqp_on_confirm_select, amqp_on_tx_select, amqp_on_tx_commit, amqp_on_tx_rollback;

void amqp_send_start(struct amqp_session *s);

/* ---- channels (amqp_channel.c) ---- */

struct amqp_channel *amqp_channel_find(struct amqp_session *s, uint16_t number);
/* The channel with this number, if it is still the one with this serial. */
struct amqp_channel *amqp_channel_find_serial(struct amqp_session *s, uint16_t number,
                                              uint64_t serial);
MUST_CHECK enum rc amqp_channel_open(struct amqp_session *s, uint16_t number);
/* Cancels its consumers, forgets what was under way. What they had is outstanding still. */
void amqp_channel_stop(struct amqp_channel *channel);
/* Nothing may be outstanding. */
void amqp_channel_free(struct amqp_channel *channel);
/* Takes back the count of a body under way. */
void amqp_content_drop(struct amqp_channel *channel);

/* ---- content (amqp_content.c) ---- */

/* How many bytes of `in` (which follow a basic.publish frame of this channel) are its whole
 * content, or 0 when they are not there, or not regular. */
size_t amqp_content_whole(const struct amqp_session *s, uint16_t channel, struct slice in,
                          struct slice *ret_properties, struct slice *ret_body,
                          unsigned *ret_frames);
/* Keeps the method; header and body frames follow one by one. */
MUST_CHECK enum rc amqp_content_begin(struct amqp_channel *channel, const struct amqp_method *m);
MUST_CHECK enum rc amqp_on_content_frame(struct amqp_channel *channel,
                                         const struct amqp_frame *frame);

struct amqp_publish {
    struct slice exchange;
    struct slice routing_key;
    struct slice properties;
    struct slice body;
    bool is_mandatory;
    bool is_immediate;
};
/* amqp_publish.c: checks, and publishes now or (in transaction mode) keeps it until tx.commit. */
MUST_CHECK enum rc amqp_publish(struct amqp_channel *channel, const struct amqp_publish *publish);
MUST_CHECK enum rc amqp_publish_now(struct amqp_channel *channel,
                                    const struct amqp_publish *publish);
/* At tx.commit: refuses what amqp_publish_now() would refuse before it did anything. */
MUST_CHECK enum rc amqp_publish_check(struct amqp_channel *channel,
                                      const struct amqp_publish *publish);

/* ---- confirms (amqp_confirm.c) ---- */

/* A publish has its tag; tell when it is durable. */
void amqp_confirm_await(struct amqp_channel *channel);
/* Something durable was declared, bound or removed: what is said from now on waits for the disk. */
void amqp_hold(struct amqp_session *s);
/* Asks core to tell when all that was done so far is durable. */
void amqp_await(struct amqp_channel *channel, uint64_t tag, bool is_commit);
/* A publish was refused: tell now. */
void amqp_confirm_nack(struct amqp_channel *channel, uint64_t tag);
/* Asks core about all that was published in this call of on_input. */
void amqp_confirm_ask(struct amqp_session *s);
void amqp_on_durable(void *session, uint64_t token, enum rc rc);
void amqp_on_durable_end(void *session);

/* ---- delivering (amqp_deliver.c) ---- */

enum rc amqp_on_queue_delivery(void *session, struct consumer *consumer,
                               const struct delivery *delivery);
void amqp_on_consumer_cancelled(void *session, struct consumer *consumer, enum rc why);
/* Consumers that waited for credit or for room go on. */
void amqp_channel_wake(struct amqp_channel *channel);
/* What follows a method that carries content. Borrowed. */
struct amqp_content {
    struct slice properties; /* encoded */
    struct slice body;
    struct message
        *message; /* whose value `body` is, so that it need not be copied; NULL: none's */
};
/* What s->is_late_cancel held back. */
void amqp_send_late(struct amqp_session *s);
/* Writes a method, the header and the body. */
void amqp_send_content(struct amqp_session *s, uint16_t channel, const struct amqp_method *method,
                       const struct amqp_content *content);
/* The content of a message as the session's view shows it. */
static inline struct amqp_content amqp_content_of(const struct amqp_session *s,
                                                  struct message *message)
{
    return (struct amqp_content){ s->view.properties, message->value, message };
}
void amqp_consumer_block(struct amqp_consumer *consumer);
/* queue_settle(), where too late is fine. */
void amqp_settle(struct amqp_session *s, uint64_t queue_number, uint64_t handle,
                 enum outcome outcome);
/* Settles one that is outstanding in the channel, which loses it. */
void amqp_settle_now(struct amqp_channel *channel, struct unacked *one, enum outcome outcome);
/* amqp_many.c: all that is outstanding up to the tag `last`, oldest first, in as many turns as it
 * takes; with a channel that ends, what waits for tx.commit goes first. Then what `then` says: the
 * channel may be gone when this returns. */
void amqp_settle_many(struct amqp_channel *channel, uint64_t last, enum outcome outcome,
                      enum amqp_many_then then);
/* Ends an empty table, one that is large in parts. */
void amqp_let_go(struct core *core, struct unacked_table *table);
/* What goes on goes on no more (its session ends). */
void amqp_settle_stop(struct amqp_session *s);
/* Takes it out of its channel; it is freed when nothing is unacked. */
void amqp_consumer_end(struct amqp_consumer *consumer);
void amqp_consumer_free(struct amqp_consumer *consumer);
/* One delivery of it is no longer outstanding. */
void amqp_consumer_settled(struct amqp_consumer *consumer);
/* Whether it may have one more. */
bool amqp_consumer_has_credit(const struct amqp_consumer *consumer);

/* ---- names ---- */

/* The name without CR and LF, which RabbitMQ removes; borrows from the name or from s->name. */
struct slice amqp_name(struct amqp_session *s, struct slice name);
/* "prefix" and 22 characters of URL-safe base64 of 16 random bytes. */
#define AMQP_RANDOM_NAME_CHARS 22
void amqp_random_name(const char *prefix, struct text *to);

/* The queue a method names: an empty name means the last one declared on the channel. Refuses with
 * 404, or 405 when another connection owns it. */
struct exchange_spec;
struct queue;
MUST_CHECK enum rc amqp_queue_named(struct amqp_session *s, struct amqp_channel *channel,
                                    struct slice name, struct queue **ret);
/* 403 in RabbitMQ's words, for RC_REFUSED of core. */
enum rc amqp_refuse_access(struct amqp_session *s, const char *permission, const char *kind,
                           struct slice name);
/* 405 in RabbitMQ's words. */
enum rc amqp_refuse_locked(struct amqp_session *s, struct slice queue);

/* ---- arguments of queue.declare (amqp_queue_arguments.c) ---- */

MUST_CHECK enum rc amqp_queue_arguments_check(struct amqp_session *s, struct slice name,
                                              const struct amqp_queue_declare *declare);
/* What they say about its stream, once it is there. */
void amqp_queue_arguments_apply(struct queue *queue);
/* `current` are the arguments it was declared with. */
MUST_CHECK enum rc amqp_queue_arguments_equal(struct amqp_session *s, struct slice name,
                                              struct slice current, struct slice received);
bool amqp_queue_is_quorum(struct slice arguments);
/* Sets spec->alternate from the arguments of exchange.declare, and the type by which one that
 * delays routes, or refuses them. */
MUST_CHECK enum rc amqp_exchange_arguments(struct amqp_session *s, struct slice arguments,
                                           struct exchange_spec *spec);

#endif
