/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool does with the clients of a running broker. Each says what went wrong and gives an
 * exit status. */
#ifndef TERCET_ADMIN_CTL_OPERATE_H
#define TERCET_ADMIN_CTL_OPERATE_H

#include <stdbool.h>

#include "admin/ctl_ask.h"

struct ctl_drain {
    const char *to;       /* NULL: clients are not told where to go */
    const char *kafka_to; /* the same for Kafka's, who are told of servers by host and port */
    const char *rate;     /* of those sent away in a second; NULL: as the broker thinks */
    bool is_for_now;
    bool is_stop;
};

int ctl_drain(const struct ctl_place *place, const struct ctl_drain *drain);
struct ctl_trace {
    const char *what;
    const char *bytes; /* of each payload; NULL, as for rate: as the broker thinks */
    const char *rate;  /* of packets in a second */
};

/* Prints until it is interrupted, or the broker ends. */
int ctl_trace(const struct ctl_place *place, const struct ctl_trace *trace);
/* What those have who have something there now. */
int ctl_users(const struct ctl_place *place, bool is_json);
/* `word` list or cancel; `id` of what is to be cancelled. */
int ctl_delayed(const struct ctl_place *place, const char *word, const char *id, bool is_json);
int ctl_bans(const struct ctl_place *place, bool is_json);
int ctl_unban(const struct ctl_place *place, const char *name);

#endif
