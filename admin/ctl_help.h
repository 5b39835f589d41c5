/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool `tercet` says of itself. */
#ifndef TERCET_ADMIN_CTL_HELP_H
#define TERCET_ADMIN_CTL_HELP_H

#include <stdbool.h>

struct text;

/* All of it. */
const char *ctl_help(void);
/* Whether a word of a command line asks for help. */
bool ctl_help_is(const char *word);
/* What concerns one command. False when there is no such command; then nothing was added. */
bool ctl_help_with(const char *command, struct text *to);
/* The command that was probably meant; NULL: there is none like it. */
const char *ctl_help_near(const char *typed);

#endif
