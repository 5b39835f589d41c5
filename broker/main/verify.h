/* SPDX-License-Identifier: Apache-2.0 */
/* tercetd --verify: what the store says of itself, for people or for scripts. */
#ifndef TERCET_BROKER_MAIN_VERIFY_H
#define TERCET_BROKER_MAIN_VERIFY_H

#include <stdbool.h>

struct text;

/* Checks the store in `directory` and appends the report. Gives the process's status: 0 sound, 1
 * damaged, 2 it could not be read, as the report says. */
int verify_and_tell(const char *directory, bool is_json, struct text *to);

#endif
