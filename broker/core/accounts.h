/* SPDX-License-Identifier: Apache-2.0 */
/* Who there is: the users of one file, as it was read. Immutable; core thread, or none yet. */
#ifndef TERCET_BROKER_CORE_ACCOUNTS_H
#define TERCET_BROKER_CORE_ACCOUNTS_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct accounts;
struct text;

/* The file has a user on a line: NAME:FIELD[:FIELD...], of which one begins with
 *   $argon2id$ $7$ $6$                      the password's hash (password.h): at most one
 *   $scram-sha-256$ $scram-sha-512$         a verifier (scram.h): at most one of each
 *   @                                       roles, with commas between: @readers,writers
 * Empty lines are passed over, and those that begin with '#'. So a file of mosquitto_passwd is one
 * of these. */

#define ACCOUNTS_MAX            1000000u
#define ACCOUNTS_FILE_MAX_BYTES ((size_t)256 << 20)
/* So many mistakes are told, then reading ends. */
#define ACCOUNTS_ERRORS_MAX    20
#define ACCOUNT_NAME_MAX_BYTES 255u
#define ACCOUNT_ROLES_MAX      16u
/* Of all roles of a user, in what asks for them. */
#define ACCOUNTS_ROLES_MAX_BYTES 4096u

enum account_scram { ACCOUNT_SCRAM_SHA_256, ACCOUNT_SCRAM_SHA_512, ACCOUNT_SCRAM_COUNT };

struct account {
    struct slice name;
    struct slice password;                   /* NONE: there is no login by password */
    struct slice scram[ACCOUNT_SCRAM_COUNT]; /* NONE: nor by that */
    struct slice roles;                      /* with commas between */
    struct slice line;                       /* all of it: another line is another account */
};

/* RC_INVALID: each line of `errors` is "file:line: what is wrong"; one wrong line and nobody is
 * taken. `text` is copied. */
MUST_CHECK enum rc accounts_read(const char *file, struct slice text, struct accounts **ret,
                                 struct text *errors);
/* The same from the file. RC_NOT_FOUND, RC_REFUSED, RC_IO, RC_TOO_LARGE: `errors` says so. Reads
 * the disk: at the start, and at a reload. */
MUST_CHECK enum rc accounts_load(const char *file, bool skips_wrong, struct accounts **ret,
                                 struct text *errors);
void accounts_free(struct accounts **accounts);
size_t accounts_count(const struct accounts *accounts);
/* NULL: nobody of that name. Borrowed. */
const struct account *accounts_find(const struct accounts *accounts, struct slice name);
/* In no order; NULL for the first. NULL: there are no more. */
const struct account *accounts_next(const struct accounts *accounts, const struct account *account);
/* Some account whose password is checked for those who have none, so that it takes as long; NULL:
 * none has a password. */
const struct account *accounts_decoy(const struct accounts *accounts);

#endif
