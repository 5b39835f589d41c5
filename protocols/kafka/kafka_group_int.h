/* SPDX-License-Identifier: Apache-2.0 */
/* What kafka_group.c (requests of members) and kafka_rebalance.c (generations) share. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_GROUP_INT_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_GROUP_INT_H

#include "protocols/kafka/kafka_group.h"

/* Replaces an owned slice by a copy (aborts without memory: lengths were checked). */
void kafka_slice_set(struct slice *owned, struct slice from);

struct kafka_group *kafka_group_new(struct kafka_groups *groups, struct slice name);
void kafka_group_release(struct kafka_group *group);
void kafka_group_release_if_empty(struct kafka_group *group);
/* What kind of group it is, said by the first member. */
void kafka_group_set_type(struct kafka_group *group, struct slice protocol_type);

/* Has a new id and is in no list yet. */
struct kafka_member *kafka_member_new(struct kafka_group *group, const struct kafka_join *join);
void kafka_member_free(struct kafka_member *member);
void kafka_member_rename(struct kafka_member *member);
void kafka_member_set_pending(struct kafka_member *member, uint32_t session_timeout_ms);
void kafka_member_set_active(struct kafka_member *member);
/* Takes over what the join says of the member; false without memory, then it is as it was. */
bool kafka_member_update(struct kafka_member *member, const struct kafka_join *join);
/* It was heard of: its session timeout begins again. */
void kafka_member_alive(struct kafka_member *member);
/* Answers its waiting request, if any. NONE: with what it waits for. */
void kafka_member_answer_join(struct kafka_member *member, enum kafka_error error);
void kafka_member_answer_sync(struct kafka_member *member, enum kafka_error error);

/* Begins a new generation: all members must join again. */
void kafka_group_rebalance(struct kafka_group *group);
/* Ends the joining when all are there. */
void kafka_group_try_complete(struct kafka_group *group);
/* The member is gone, by its own wish or because it was not heard of; the group may be gone then.
 */
void kafka_group_remove(struct kafka_member *member);

#endif
