/* SPDX-License-Identifier: Apache-2.0 */
/* Classic consumer groups: who is in, which generation, who has which assignment. Core thread.
 *
 *   EMPTY -> PREPARING -> COMPLETING -> STABLE; from the last two back to PREPARING; from
 *   PREPARING to EMPTY when nobody is left. What members say of themselves is opaque: consumers,
 *   Connect workers and schema registries are all the same here. A group without members is
 *   forgotten; its offsets are core's positions and stay. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_GROUP_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_GROUP_H

#include <stdbool.h>

#include "broker/base/list.h"
#include "broker/base/map.h"
#include "broker/base/slice.h"
#include "broker/net/loop.h"
#include "protocols/kafka/kafka_errors.h"

struct kafka_config;

/* A group costs a few hundred bytes that a peer can make us spend with one small request. */
#define KAFKA_GROUPS_MAX 100000
/* Members of one group: they are searched in line, and the leader is sent a list of them. */
#define KAFKA_GROUP_MEMBERS_MAX 2000
/* Protocol names and metadata of one member: Kafka Streams' largest known are some 100 KB. */
#define KAFKA_MEMBER_METADATA_MAX_BYTES ((size_t)8 << 20)
/* Assignors that one member offers; two or three are usual. */
#define KAFKA_MEMBER_PROTOCOLS_MAX 64
/* Ids are chosen by peers and kept for as long as the member lives. */
#define KAFKA_MEMBER_TEXT_MAX_BYTES 1024

enum kafka_group_state {
    KAFKA_GROUP_EMPTY,
    KAFKA_GROUP_PREPARING,
    KAFKA_GROUP_COMPLETING,
    KAFKA_GROUP_STABLE,
};

struct kafka_groups {
    struct map map;
    struct loop *loop;                 /* borrowed */
    const struct kafka_config *config; /* borrowed */
};

struct kafka_group_protocol {
    struct slice name; /* in the member's memory */
    struct slice metadata;
};

struct kafka_group {
    struct map_node node; /* in groups; the key is `name` */
    struct kafka_groups *groups;
    struct slice name; /* owned */
    enum kafka_group_state state;
    int32_t generation;
    struct slice protocol_type; /* owned; none while nobody has joined */
    struct slice protocol_name; /* borrowed from the leader's protocols; none while not chosen */
    struct kafka_member *leader;
    struct list members;
    struct list pending; /* were given an id and have not come back with it */
    unsigned member_count;
    unsigned pending_count;
    struct timer timer; /* end of the rebalance, or of waiting for SyncGroup */
    bool is_held;       /* the first rebalance waits for more members to come */
    bool is_inside;     /* answers are being given: not freed now */
};

struct kafka_join_answer {
    enum kafka_error error;
    int32_t generation;
    struct slice protocol_type; /* none: null */
    struct slice protocol_name;
    struct slice leader;
    struct slice member_id;
    const struct kafka_group *members_of; /* whose members are to be listed; NULL: none */
    bool skip_assignment;
};
struct kafka_sync_answer {
    enum kafka_error error;
    struct slice protocol_type; /* none: null */
    struct slice protocol_name;
    struct slice assignment;
};
/* Slices are borrowed during the call. */
typedef void kafka_join_fn(void *arg, const struct kafka_join_answer *answer);
typedef void kafka_sync_fn(void *arg, const struct kafka_sync_answer *answer);

struct kafka_member {
    struct link link; /* in members or pending */
    struct kafka_group *group;
    struct slice id;          /* owned */
    struct slice instance_id; /* owned; none: a dynamic member */
    struct slice client_id;   /* owned */
    struct slice client_host; /* owned */
    uint32_t session_timeout_ms;
    uint32_t rebalance_timeout_ms;
    struct kafka_group_protocol *protocols; /* owned, with all they point to */
    unsigned protocol_count;
    struct slice assignment; /* owned */
    struct timer timer;      /* session timeout; stands while it waits for an answer */
    bool is_joined;          /* will be in the next generation */
    bool is_synced;          /* has asked for its assignment in this generation */
    kafka_join_fn *on_join;  /* waits; NULL: not, or its connection is gone */
    kafka_sync_fn *on_sync;
    void *arg;
};

void kafka_groups_init(struct kafka_groups *groups, struct loop *loop,
                       const struct kafka_config *config);
/* Nobody waits any more. */
void kafka_groups_done(struct kafka_groups *groups);

/* NULL: it has no members. */
struct kafka_group *kafka_group_find(const struct kafka_groups *groups, struct slice name);
struct kafka_member *kafka_group_member(const struct kafka_group *group, struct slice id);
const char *kafka_group_state_name(enum kafka_group_state state);
/* NULL: it does not know that protocol. */
const struct kafka_group_protocol *kafka_member_protocol(const struct kafka_member *member,
                                                         struct slice name);
/* What a member said of itself for the chosen protocol. */
struct slice kafka_member_metadata(const struct kafka_member *member);

/* All slices are borrowed during the call. */
struct kafka_join {
    struct slice group;
    struct slice member_id;
    struct slice instance_id; /* none: null */
    struct slice client_id;
    struct slice client_host;
    struct slice protocol_type;
    const struct kafka_group_protocol *protocols;
    unsigned protocol_count;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    bool needs_known_id; /* a new member is given its id first (KIP-394) */
    bool knows_skip;     /* understands skip_assignment (KIP-814) */
    kafka_join_fn *on_done;
    void *arg;
};
/* on_done(arg) is called once, perhaps inside the call, unless kafka_group_forget() came first. */
void kafka_group_join(struct kafka_groups *groups, const struct kafka_join *join);

struct kafka_assignment {
    struct slice member_id;
    struct slice assignment;
};
struct kafka_sync {
    struct slice group;
    struct slice member_id;
    struct slice instance_id;
    int32_t generation;
    struct slice protocol_type; /* none: not said */
    struct slice protocol_name;
    const struct kafka_assignment *assignments;
    unsigned assignment_count;
    kafka_sync_fn *on_done;
    void *arg;
};
void kafka_group_sync(struct kafka_groups *groups, const struct kafka_sync *sync);
/* The connection of whoever waits with `arg` is gone. */
void kafka_group_forget(struct kafka_groups *groups, struct slice group, const void *arg);

enum kafka_error kafka_group_heartbeat(struct kafka_groups *groups, struct slice group,
                                       struct slice member_id, struct slice instance_id,
                                       int32_t generation);
/* One member leaves; a member id that is empty leaves by its instance id alone. */
enum kafka_error kafka_group_leave(struct kafka_groups *groups, struct slice group,
                                   struct slice member_id, struct slice instance_id);
/* May offsets be committed so? Without generation and member: by whoever uses the group as a mere
 * name, while nobody is in it. */
enum kafka_error kafka_group_check_commit(struct kafka_groups *groups, struct slice group,
                                          struct slice member_id, struct slice instance_id,
                                          int32_t generation);

#endif
