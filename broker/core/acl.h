/* SPDX-License-Identifier: Apache-2.0 */
/* May this principal do that? Asked on every path; the rules themselves come from the accounts. */
#ifndef TERCET_BROKER_CORE_ACL_H
#define TERCET_BROKER_CORE_ACL_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct client;

enum operation {
    OPERATION_PUBLISH,
    OPERATION_CONSUME,
    OPERATION_CREATE,
    OPERATION_DELETE,
    OPERATION_ALTER,
    OPERATION_DESCRIBE,
    OPERATION_GROUP_USE,
    OPERATION_ADMIN,
    OPERATION_COUNT
};

enum resource {
    RESOURCE_TOPIC,
    RESOURCE_QUEUE,
    RESOURCE_EXCHANGE,
    RESOURCE_GROUP,
    RESOURCE_SESSION,
    RESOURCE_BROKER,
    RESOURCE_COUNT
};

/* `name` is the canonical address (or queue, exchange, group name). RC_REFUSED: no; it was counted
 * and logged here. Until rules exist, every principal of a loopback connection may do all, and
 * nobody else anything. */
MUST_CHECK enum rc authorise(struct client *client, enum operation operation,
                             enum resource resource, struct slice name);

#endif
