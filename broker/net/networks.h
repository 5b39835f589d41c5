/* SPDX-License-Identifier: Apache-2.0 */
/* A list of networks, as an operator writes it: "10.0.0.0/8, 2001:db8::/32, ::1, unix". */
#ifndef TERCET_BROKER_NET_NETWORKS_H
#define TERCET_BROKER_NET_NETWORKS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "broker/base/rc.h"

#define NETWORKS_MAX 64

struct networks;

/* RC_INVALID: one of them is none, or there are more than NETWORKS_MAX. */
MUST_CHECK enum rc networks_new(const char *list, struct networks **ret);
void networks_free(struct networks **networks);
/* An IPv4 address is the same whether it comes as itself or mapped into IPv6. A Unix socket's peer
 * is in "unix". */
bool networks_have(const struct networks *networks, const struct sockaddr_storage *address);

#endif
