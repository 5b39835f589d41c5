/* SPDX-License-Identifier: Apache-2.0 */
/* The system's log. Its header has names that our log's has too, so nobody else includes it. */
#ifndef TERCET_BROKER_MAIN_SYSLOG_LINE_H
#define TERCET_BROKER_MAIN_SYSLOG_LINE_H

#include <stddef.h>

/* Which of our own facilities it is: user, daemon, local0 to local7, counted from 1; 0: lines go
 * nowhere. Any thread may be at syslog_line() meanwhile. */
void syslog_set_facility(unsigned facility);
/* `level`: an enum log_level. Any thread. */
void syslog_line(unsigned level, const char *line, size_t len);

#endif
