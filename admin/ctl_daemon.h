/* SPDX-License-Identifier: Apache-2.0 */
/* Running tercetd for what only it can do: reading a store. */
#ifndef TERCET_ADMIN_CTL_DAEMON_H
#define TERCET_ADMIN_CTL_DAEMON_H

#include <stdbool.h>

/* Runs `tercetd --verify directory`; its report goes to standard output, or nowhere with
 * is_quiet. Gives its status: 0 sound, 1 damaged, 2 it could not be read or run. */
int ctl_verify(const char *directory, bool is_json, bool is_quiet);

#endif
