/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords and what is kept of them: hashing one, checking one. Slow on purpose. Any thread. */
#ifndef TERCET_BROKER_CORE_PASSWORD_H
#define TERCET_BROKER_CORE_PASSWORD_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct text;

/* A hash is text, in one of these forms:
 *   $argon2id$v=19$m=..,t=..,p=..$salt$hash   what we make
 *   $7$iterations$salt$hash                   mosquitto_passwd: PBKDF2 with SHA-512
 *   $6$salt$hash                              mosquitto_passwd of old: SHA-512 of password and salt
 * in base64, argon2's without padding. */

/* What a hash may cost at most to check, whoever wrote it. */
#define PASSWORD_ITERATIONS_MAX 10000000u
#define PASSWORD_MEMORY_KIB_MAX (1u << 20)
#define PASSWORD_PASSES_MAX     100u
#define PASSWORD_LANES_MAX      16u
/* MQTT's two-byte length. */
#define PASSWORD_MAX_BYTES 65535u

/* Whether `hash` is one that can be checked. */
bool password_hash_is_valid(struct slice hash);
/* RC_OK: it is the password. RC_AUTH: it is not. RC_MEMORY: it could not be told. Takes the same
 * time whichever byte differs. */
MUST_CHECK enum rc password_check(struct slice hash, struct slice password);
/* Appends an argon2id hash with a new salt. RC_TOO_LARGE, RC_MEMORY. */
MUST_CHECK enum rc password_hash(struct slice password, struct text *to);
/* Writes zeros where a password was, in a way that the compiler keeps. */
void password_wipe(void *at, size_t len);

/* What SASL PLAIN says (RFC 4616): [act as] NUL user NUL password; all borrow from `token`.
 * RC_MALFORMED: a NUL is missing. */
MUST_CHECK enum rc password_read_plain(struct slice token, struct slice *ret_act_as,
                                       struct slice *ret_user, struct slice *ret_password);

#endif
