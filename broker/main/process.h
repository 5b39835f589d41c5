/* SPDX-License-Identifier: Apache-2.0 */
/* The process as its settings want it: its user, its log, the file with its number. Main thread. */
#ifndef TERCET_BROKER_MAIN_PROCESS_H
#define TERCET_BROKER_MAIN_PROCESS_H

#include "broker/base/rc.h"

struct settings;
struct text;

/* RC_LIMIT: the process may open too few files, says `why`. */
MUST_CHECK enum rc process_check_files(struct text *why);
/* Opens the log that is wanted, or again. RC_IO: `why` says why not, and it goes where it went. */
MUST_CHECK enum rc process_open_log(const struct settings *s, struct text *why);
/* Writes pid_file, if one is wanted. RC_IO. */
MUST_CHECK enum rc process_write_pid(const struct settings *s, struct text *why);
void process_remove_pid(const struct settings *s);
/* Root becomes the user that is wanted; others stay who they are. RC_REFUSED: that is not
 * possible. */
MUST_CHECK enum rc process_become_user(const struct settings *s, struct text *why);

#endif
