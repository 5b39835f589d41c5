/* SPDX-License-Identifier: Apache-2.0 */
/* SCRAM (RFC 5802, RFC 7677), the server's side of one exchange, for any protocol that carries it.
 * The password is never there: a verifier is kept, which is of no use for logging in. No channel
 * binding is offered. Pure but for random bytes; cheap enough for the loop. */
#ifndef TERCET_BROKER_CORE_SCRAM_H
#define TERCET_BROKER_CORE_SCRAM_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/text.h"

enum scram_hash { SCRAM_SHA_256, SCRAM_SHA_512 };

#define SCRAM_KEY_MAX_BYTES  64
#define SCRAM_SALT_MAX_BYTES 64
#define SCRAM_ITERATIONS     8192u
/* RFC 7677 asks for 4096 at least. */
#define SCRAM_ITERATIONS_LEAST 4096u
#define SCRAM_ITERATIONS_MAX   10000000u
/* A client's message may be this long; ours follow from it. */
#define SCRAM_MESSAGE_MAX_BYTES 2048u

/* A verifier is text: $scram-sha-256$iterations$salt$stored key$server key, in base64. */
struct scram_verifier {
    unsigned iterations;
    size_t salt_bytes;
    uint8_t salt[SCRAM_SALT_MAX_BYTES];
    uint8_t stored_key[SCRAM_KEY_MAX_BYTES];
    uint8_t server_key[SCRAM_KEY_MAX_BYTES];
};

/* "$scram-sha-256$" */
const char *scram_prefix(enum scram_hash hash);
/* "SCRAM-SHA-256" */
const char *scram_name(enum scram_hash hash);
/* False: there is none of that name. */
bool scram_find(struct slice name, enum scram_hash *ret);

bool scram_verifier_read(struct slice text, enum scram_hash hash, struct scram_verifier *ret);
/* Appends a verifier with a new salt. Slow on purpose. RC_RANGE: the iterations. RC_MEMORY. */
MUST_CHECK enum rc scram_verifier_make(enum scram_hash hash, struct slice password,
                                       unsigned iterations, struct text *to);
/* The same with a salt that is given (tests). */
MUST_CHECK enum rc scram_verifier_derive(enum scram_hash hash, struct slice password,
                                         struct slice salt, unsigned iterations, struct text *to);
/* For a name that nobody has, or that may not log in so: always the same for one `secret`, so that
 * its answers are like anybody's. No proof fits it. */
void scram_verifier_pretend(struct slice secret, struct slice user, struct scram_verifier *ret);

/* ---- one exchange ---- */

struct scram {
    enum scram_hash hash;
    struct scram_verifier verifier;
    struct text user;       /* owned, like all of them: as the client's first message names it */
    struct text first_bare; /* the client's first message without its head */
    struct text head;       /* that head */
    struct text nonce;      /* the client's, and ours behind it */
    struct text server_first;
    size_t client_nonce_bytes; /* of `nonce`, at its begin */
    /* librdkafka before 2.6.1 repeats its own nonce before the two of them, which servers that do
     * not look at it never noticed. Ours is in it all the same. */
    bool takes_doubled_nonce;
};

void scram_init(struct scram *scram, enum scram_hash hash);
void scram_done(struct scram *scram);
/* The client's first message: scram->user is set. RC_MALFORMED. RC_UNSUPPORTED: channel binding, or
 * an extension that must be known. RC_REFUSED: to act as somebody else. RC_MEMORY. */
MUST_CHECK enum rc scram_take_first(struct scram *scram, struct slice message);
/* Appends the server's first message. `nonce` is appended to the client's; NONE: a new one. */
MUST_CHECK enum rc scram_give_first(struct scram *scram, const struct scram_verifier *verifier,
                                    struct slice nonce, struct text *to);
/* The client's final message: RC_OK appends the server's. RC_AUTH: the proof is wrong.
 * RC_MALFORMED, RC_MEMORY. */
MUST_CHECK enum rc scram_take_final(struct scram *scram, struct slice message, struct text *to);

#endif
