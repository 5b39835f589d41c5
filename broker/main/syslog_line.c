/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/syslog_line.h"

#include <stdatomic.h>
#include <syslog.h>

#define NAME "tercetd"

static const int facilities[] = { 0,          LOG_USER,   LOG_DAEMON, LOG_LOCAL0,
                                  LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3, LOG_LOCAL4,
                                  LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7 };
static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

static _Atomic int current; /* 0: none */

void syslog_set_facility(unsigned facility)
{
    if (facility != 0)
        openlog(NAME, LOG_PID | LOG_NDELAY, facilities[facility]);
    atomic_store(&current, facilities[facility]);
}

void syslog_line(unsigned level, const char *line, size_t len)
{
    int facility = atomic_load(&current);

    if (facility != 0)
        syslog(facility | priorities[level], "%.*s", (int)len, line);
}
