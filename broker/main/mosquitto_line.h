/* SPDX-License-Identifier: Apache-2.0 */
/* mosquitto's command line, for a tercetd that is called by that name. */
#ifndef TERCET_BROKER_MAIN_MOSQUITTO_LINE_H
#define TERCET_BROKER_MAIN_MOSQUITTO_LINE_H

#include <stdbool.h>

#include "broker/base/rc.h"

struct text;

/* Our words for each of its own, with the program's name and a NULL. */
#define MOSQUITTO_LINE_MAX 64

/* Is argv[0] called mosquitto? */
bool mosquitto_line_is(int argc, char *const argv[]);
/* Says it in our words: *ret_argc of them in `ret`, borrowed from `argv`, with a NULL behind.
 * RC_INVALID: `errors` says what there is no word for. */
MUST_CHECK enum rc mosquitto_line_read(int argc, char *const argv[],
                                       const char *ret[MOSQUITTO_LINE_MAX], int *ret_argc,
                                       struct text *errors);

#endif
