/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool does with users and rules: passwd and may, without a broker, and user. */
#ifndef TERCET_ADMIN_CTL_USERS_H
#define TERCET_ADMIN_CTL_USERS_H

#include <stdbool.h>
#include <stddef.h>

bool ctl_users_has(const char *command);
/* argv[0] is the command. An exit status. */
int ctl_users_run(int argc, char **argv);
/* From standard input, twice and unseen when somebody types it. False: it has said why. */
bool ctl_read_password(char *at, size_t room);

/* ---- ctl_user.c ---- */
/* The users of a running broker's file: list, add, passwd, delete. */
int ctl_user_run(int argc, char **argv);

#endif
