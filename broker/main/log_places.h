/* SPDX-License-Identifier: Apache-2.0 */
/* Where else the log goes: syslog, and topics under $SYS. */
#ifndef TERCET_BROKER_MAIN_LOG_PLACES_H
#define TERCET_BROKER_MAIN_LOG_PLACES_H

struct core;
struct loop;
struct settings;

/* As the settings say, from now on; at a reload again. */
void log_places_set(const struct settings *settings);
/* From now on there is a broker to publish by. Borrows both until log_places_close(). */
void log_places_open(struct core *core, struct loop *loop);
void log_places_close(void);

#endif
