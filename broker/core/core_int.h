/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of core share with each other, and with nobody else. */
#ifndef TERCET_BROKER_CORE_CORE_INT_H
#define TERCET_BROKER_CORE_CORE_INT_H

#include "broker/base/list.h"
#include "broker/base/map.h"
#include "broker/base/ring.h"
#include "broker/base/table.h"
#include "broker/base/text.h"
#include "broker/core/client.h"
#include "broker/core/core.h"
#include "broker/core/deadline.h"
#include "broker/core/drain.h"
#include "broker/core/intake.h"
#include "broker/core/limits.h"
#include "broker/core/matcher.h"
#include "broker/core/message.h"
#include "broker/core/name.h"
#include "broker/core/ordered.h"
#include "broker/core/rules.h"
#include "broker/core/user.h"
#include "storage/log.h"
#include "storage/meta.h"

struct decision;
struct delayed;
struct exchange;
struct logins;
struct password_request;
struct password_worker;
struct queue;
struct rd;
struct stream;

#define CORE_IDENTITY_BYTES 16

/* What the topics matcher finds. */
enum interest_kind { INTEREST_BINDING, INTEREST_SUBSCRIPTION };
struct interest {
    struct match_entry entry;
    enum interest_kind kind;
};

/* Those waiting for the same ticket. */
struct await_group {
    uint64_t ticket;
    size_t count; /* of `awaits`, from its front */
};

struct await {
    struct client *client; /* one reference; its session may be gone */
    uint64_t token;
};

/* The queues that one message reaches, each once. */
struct routed {
    struct queue **queues; /* owned array */
    size_t count;
    size_t room;
};

/* What was put, or lies in batches not yet sealed, and waits for more: over several turns while
 * nobody waits for it. */
struct gathered {
    struct deadline deadline; /* then at the latest it goes to the store, or is seen to be done */
    size_t bytes;             /* of records not yet sealed */
    uint64_t quiet_ticket;    /* of the last that the store tells when it is asked alone */
    bool is_due; /* one of them asks for more than memory or is waited for, or all waited enough */
    bool is_awaited;  /* whoever awaits something would await one of them too */
    bool has_readers; /* who wait for the durable end that sealed ones move */
};

struct core {
    struct store *store; /* borrowed */
    struct core_config config;
    uint8_t identity[CORE_IDENTITY_BYTES];
    int64_t wall_ms; /* of this turn; 0: not asked yet */
    enum rc stall;   /* what publishers are told: the store's, or that the disk is at its mark */
    enum rc store_stall;
    struct intake intake;
    struct delayed *delayed; /* owned */
    enum pressure pressure;
    bool is_loading;  /* core_new() reads the store: nothing is put */
    bool is_ending;   /* core_free(): nothing is put any more */
    bool was_stopped; /* the last life ended in order: what was delivered is on record */

    /* numbers that are never given twice; below `reserved` they are recorded as given */
    uint64_t next_number;
    uint64_t reserved_number;

    struct map streams; /* by name: struct stream.by_name */
    struct table streams_by_id;
    struct list stream_list; /* struct stream.link */
    struct table logs;       /* of struct partition, by log number */
    struct list unlogged;    /* struct unlogged.link */
    struct list unlogged_dirty;
    uint64_t unlogged_bytes; /* that they keep */
    unsigned implicit_streams;

    struct map queues;           /* by name: struct queue.by_name */
    struct map queues_by_number; /* struct queue.by_numbers */
    struct list queue_list;
    struct map exchanges;
    struct list exchange_list;
    struct exchange *default_exchange;
    struct exchange *shared_exchange; /* amq.topic */
    struct matcher *topics;  /* owned: struct interest of its bindings and of all subscriptions */
    struct map bindings;     /* by identity */
    uint64_t stamp;          /* marks the queues that one message has reached */
    size_t delaying_count;   /* exchanges that delay */
    uint64_t walk_stamp;     /* marks the exchanges that one key's walk has visited */
    struct ring walk;        /* of struct exchange *: work list of the routing at hand */
    struct routed routed;    /* what it reached; kept for its memory */
    struct ring delaying;    /* of struct delaying: exchanges that delay, which it reached */
    uint64_t bindings_epoch; /* changes with every binding and every queue */

    struct users users;
    struct map sessions;
    uint64_t owed_count; /* to all of them, groups too */
    uint64_t owed_bytes;
    struct map retained; /* by address, as: */
    struct ordered retained_ordered;
    uint64_t retained_bytes;
    size_t retained_transient; /* of them, those of publish_transient(): not counted otherwise */
    uint64_t retained_number;  /* of the last that came */
    struct list tails;         /* of compacted streams: see retain_tail.c */
    struct list tail_waiters;  /* struct session_extra.tail_wait */
    struct map groups;
    struct map place_streams; /* see position.c */
    struct map routes;
    struct list route_list; /* struct route.link */

    struct list clients;
    uint64_t next_client;

    /* work of this turn */
    struct list dirty_partitions;  /* struct partition_work.dirty: records not yet sealed */
    struct list moving_partitions; /* .moving: appends on their way to the disk */
    struct list busy_queues;       /* may have something to deliver */
    struct list dirty_queues;      /* their settled state is to be recorded */
    struct list sweeps;            /* rows of what is settled that are to be deleted */
    struct list orphans;           /* struct holding.of_client: of clients that went */
    struct text strays;            /* rows of what is gone, while it loads: table, length, key */
    struct list settlings;         /* struct settling: what goes on in the next turns */
    unsigned return_left;          /* offsets that may be looked at for both in this turn */
    struct list busy_sessions;
    struct list ending_sessions; /* struct session.busy: over, what is left of them goes in parts */
    struct list overflowing;     /* sessions to be ended at the end of the turn */
    struct list trimming;        /* and those to be trimmed, some in each */
    struct list busy_groups;     /* of shared subscriptions: struct session too */
    struct list dirty_sessions;

    uint64_t last_ticket;    /* of the last thing put */
    uint64_t awaited_ticket; /* of the last that is more than held in memory when confirmed */
    uint64_t durable_ticket; /* everything up to here is durable */
    bool has_put;            /* since the last submit */
    struct gathered gathered;
    size_t turn_awaits; /* at the end of `awaits`, without a ticket yet */
    struct ring awaits;
    struct ring await_groups;

    struct deadlines deadlines;
    struct deadlines retention_dues; /* partitions and retained messages that time takes */
    struct deadline retention;       /* follows the first of them */
    uint64_t retired_records;        /* let go by the last run of it */
    struct partition *near;          /* found last by its log's number; NULL */
    /* For one function at a time, never across a call. Rows are built here: one in part would not
     * be refused, and no start could read it. */
    struct text scratch;

    struct drain drain;
    struct list accesses; /* struct access; the first is that of listeners without their own */
    struct password_worker *passwords;
    struct logins *logins; /* owned */
    uint8_t secret[32];    /* of this process: for what strangers are answered */
};

/* Who a client is to accounts and rules (acl.c). */
struct badge {
    struct access *access;           /* borrowed from the core; NULL: the broker's own */
    const char *id;                  /* what %c stands for: owned, or the session's; NULL: none */
    struct credentials *credentials; /* owned; NULL: it has none of that */
    uint16_t id_len;
    bool is_id_lent; /* by its session */
    bool has_user;   /* it has shown that the principal's name is its own */
    bool is_in;      /* it logged in, or may be there without */
    bool is_free;    /* there is nothing to ask */
};

/* Of who has an account, showed a certificate, is subject to rules, or is to go. */
struct credentials {
    struct client *client;            /* borrowed: the owner */
    struct slice roles;               /* borrowed from the accounts */
    char *certificate;                /* owned: the name in it; NULL: none was shown */
    uint64_t mark;                    /* of what it showed to be its own; 0: no account */
    struct decision *decided;         /* owned; NULL until there are rules to ask */
    struct link revoked;              /* while those are told who are to go */
    struct password_request *request; /* while the password is being checked */
    struct user *user;                /* counted reference; NULL: it gave no name */
    bool is_counted;                  /* among its user's connections */
    uint8_t shown;                    /* enum shown (acl.c): what of the account `mark` is of */
};

/* Of who deals with queues. */
struct client_queues {
    struct list consumers; /* struct consumer.of_client */
    struct list holdings;  /* struct holding.of_client */
    struct list exclusive; /* struct queue.of_owner */
};

struct client {
    struct core *core;            /* borrowed */
    const struct client_ops *ops; /* borrowed */
    void *session;                /* borrowed until closed, then NULL */
    struct link link;             /* in core->clients while open */
    struct link notified;         /* while a run of on_durable() goes on */
    struct client_queues *queues; /* owned; NULL: it never had to do with one */
    struct principal principal;   /* owns its name, when it has one of its own */
    struct badge badge;
    uint64_t number;
    unsigned awaits; /* references from core->awaits */
    bool is_closed;
    bool has_published;
};
/* 10,000 that are idle are to cost 1,500 bytes each, all told: what only some have stands apart. */
_Static_assert(sizeof(struct client) <= 136, "an idle client");

/* ---- core.c ---- */

/* A number never given before, also not before a crash. */
uint64_t core_number(struct core *core);
/* Every put goes through these two, so that the turn's ticket is known. */
void core_put(struct core *core, enum meta_table table, struct slice key, struct slice value,
              enum durability durability);
void core_delete(struct core *core, enum meta_table table, struct slice key);
void core_took_ticket(struct core *core, uint64_t ticket);
/* The same for what is confirmed as soon as it is held in memory. */
void core_took_unawaited(struct core *core, uint64_t ticket);
/* While it loads: a row of what ended, of which the broker stopped before all was gone. Deleted
 * once puts are allowed. */
void core_stray(struct core *core, enum meta_table table, struct slice key);
/* The store has stalled or goes on, or the disk has reached its mark or is below it again. */
void core_stall_changed(struct core *core);
/* Work is left that needs another turn. */
void core_wake(struct core *core);

/* ---- client.c ---- */
/* Made when they are asked for first. */
struct client_queues *client_queues(struct client *client);
/* First publish of a client: tells it of pressure. RC of the stall when no more can be taken. */
MUST_CHECK enum rc client_may_publish(struct client *client);
void clients_press(struct core *core, enum pressure pressure);
void awaits_end_turn(struct core *core);
void awaits_complete(struct core *core);
void awaits_done(struct core *core);

/* ---- acl.c ---- */
void accesses_init(struct core *core);
void accesses_done(struct core *core);
/* Who left something to be published later, and is asked about again then. */
struct author;
/* NULL: the broker itself. */
struct author *author_of(const struct client *client);
void author_free(struct author **author);
/* As it is kept in a value of the catalogue. NULL: it cannot be read. */
void author_write(struct text *to, const struct author *author);
struct author *author_read(struct rd *rd);
/* Each may be NULL. */
bool author_is_same(const struct author *a, const struct author *b);
/* `client`, one of the broker's own, may do what the author may now. */
void client_act_for(struct client *client, const struct author *author);
/* Ends those of its consumers that it may not have any more (consumer.c). */
void consumers_authorise(struct client *client);
/* Made when they are asked for first. */
struct credentials *credentials_of(struct client *client);
/* Nothing is known of it yet but whether it is on this machine. */
void badge_init(struct client *client);
void badge_done(struct client *client);
/* Who it is may be forgotten: an owned name, if there is one. */
void client_unname(struct client *client);
/* Its session has the same id, which need not be kept twice. */
void client_borrow_id(struct client *client, struct slice id);
/* Before the session leaves the client, or goes. */
void client_return_id(struct client *client, struct slice id);

/* ---- loading, in the order core_new() calls them ---- */
MUST_CHECK enum rc streams_load(struct core *core);
MUST_CHECK enum rc exchanges_load(struct core *core);
MUST_CHECK enum rc queues_load(struct core *core);
/* After a life that did not end in order: what is there may have been delivered. */
void queues_suspect(struct core *core);
MUST_CHECK enum rc bindings_load(struct core *core);
MUST_CHECK enum rc positions_load(struct core *core);
MUST_CHECK enum rc retained_load(struct core *core);
MUST_CHECK enum rc sessions_load(struct core *core);
/* After a life that did not end in order: what is owed may have been sent. */
void sessions_suspect(struct core *core);
/* After loading, when puts are allowed: groups without members end. */
void sessions_settle(struct core *core);
/* After loading, when puts are allowed: removes what was transient. */
void streams_drop_transient(struct core *core);
/* After all was loaded: which streams are logged is known now. */
void streams_begin(struct core *core);
/* The next start goes on with the offsets as they are. */
void streams_stop(struct core *core);

void exchanges_done(struct core *core);
void queues_done(struct core *core);
void streams_done(struct core *core);
void streams_init(struct core *core);
void sessions_done(struct core *core);
void retained_done(struct core *core);
void positions_done(struct core *core);
void routes_done(struct core *core);
/* Those that go on, to their end. */
void settlings_done(struct core *core);

/* ---- the end of a turn, in this order ---- */
void holdings_turn(struct core *core); /* gives back what clients held that went, and settlings */
void queues_pump(struct core *core);
void sessions_pump(struct core *core);
void queues_record(struct core *core);
void sessions_record(struct core *core);
void partitions_seal(struct core *core);
/* Durable ends move up to core->durable_ticket. */
void partitions_advance(struct core *core);

/* A message as it is kept in a value of the catalogue (retained, wills). */
void message_encode(struct text *out, const struct message *message);
struct message *message_decode(struct slice bytes);

/* How routing keys and addresses meet. */
static inline enum name_dots core_dots(const struct core *core)
{
    return core->config.dots_as_rabbitmq ? NAME_DOTS_RABBITMQ : NAME_DOTS_ESCAPE;
}

#endif
