/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the tool `tercet` that operate a broker. */
#ifndef TERCET_ADMIN_CTL_ADMIN_H
#define TERCET_ADMIN_CTL_ADMIN_H

#include <stdbool.h>

bool ctl_admin_has(const char *command);
/* argv[0] is the command. Gives the tool's exit status. */
int ctl_admin_run(int argc, char **argv);

#endif
