/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool does with files of users and rules, without a broker: passwd and may. */
#ifndef TERCET_ADMIN_CTL_USERS_H
#define TERCET_ADMIN_CTL_USERS_H

#include <stdbool.h>

bool ctl_users_has(const char *command);
/* argv[0] is the command. An exit status. */
int ctl_users_run(int argc, char **argv);

#endif
