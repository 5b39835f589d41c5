/* SPDX-License-Identifier: Apache-2.0 */
/* Changing a file of users: one line of it, the others as they stand. Any thread: it reads and
 * writes the disk, and hashing takes its time on purpose. */
#ifndef TERCET_ADMIN_USERS_FILE_H
#define TERCET_ADMIN_USERS_FILE_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct text;

/* A password as people type it. */
#define USERS_PASSWORD_MAX_BYTES 1022

enum users_wanted { USERS_ANY, USERS_NEW, USERS_OLD };

struct users_change {
    const char *file;
    const char *user;
    struct slice password;
    struct slice roles; /* with commas between; NONE: as they were */
    bool has_scram;     /* verifiers too */
    bool is_scram_only;
    bool is_delete;
    enum users_wanted wanted; /* whether the user must be there, or must not */
};

/* The file is replaced whole, when what it would be can be read; made when there is none, but not
 * to delete from. RC_EXISTS, RC_NOT_FOUND: the user. RC_INVALID: the file, the user or the roles.
 * RC_TOO_LARGE, RC_MEMORY, RC_REFUSED, RC_IO, RC_SYSTEM. `why` says what is wrong. */
MUST_CHECK enum rc users_file_change(const struct users_change *change, struct text *why);

#endif
