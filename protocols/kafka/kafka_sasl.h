/* SPDX-License-Identifier: Apache-2.0 */
/* Who a connection is: SASL by PLAIN and SCRAM, in the two forms that clients carry it. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_SASL_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_SASL_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/text.h"
#include "broker/core/scram.h"

struct client;
struct conn;
struct kafka_request;

/* A frame of who has not logged in; Kafka's sasl.server.max.receive.size is as much. */
#define KAFKA_STRANGER_MAX_BYTES 524288u

enum kafka_mechanism {
    KAFKA_MECHANISM_NONE,
    KAFKA_MECHANISM_PLAIN,
    KAFKA_MECHANISM_SCRAM_SHA_256,
    KAFKA_MECHANISM_SCRAM_SHA_512,
    KAFKA_MECHANISM_COUNT
};

struct kafka_sasl {
    struct client *client;         /* borrowed from the session */
    struct conn *conn;             /* borrowed */
    struct kafka_request *request; /* SaslAuthenticate that waits for its answer */
    enum kafka_mechanism mechanism;
    bool is_in;          /* all requests are served */
    bool is_done;        /* it has shown who it is */
    bool is_raw;         /* SaslHandshake 0 came: what follows are tokens */
    bool is_waiting;     /* for the password to be checked; nothing is read meanwhile */
    bool has_first;      /* of SCRAM: the client's first message came */
    struct scram *scram; /* owned; from when SCRAM was chosen until it is done; NULL */
};

/* Lets it in at once where no name is needed. RC_AUTH: a certificate is, and there is none. */
MUST_CHECK enum rc kafka_sasl_init(struct kafka_sasl *sasl, struct client *client,
                                   struct conn *conn);
void kafka_sasl_done(struct kafka_sasl *sasl);
/* May this API be used now? */
bool kafka_sasl_allows(const struct kafka_sasl *sasl, int key);
/* Whether who has not shown who it is may ask that. */
bool kafka_sasl_allows_stranger(int key);
/* A token without a request around it. */
void kafka_sasl_raw(struct kafka_sasl *sasl, struct slice token);
/* client_ops */
void kafka_sasl_on_login(struct kafka_sasl *sasl, enum rc rc);

#endif
