/* SPDX-License-Identifier: Apache-2.0 */
/* What a mosquitto.conf means here. */
#ifndef TERCET_BROKER_MAIN_MOSQUITTO_SETTINGS_H
#define TERCET_BROKER_MAIN_MOSQUITTO_SETTINGS_H

#include <stdbool.h>

#include "broker/base/rc.h"

struct list;
struct mosquitto_conf;
struct mosquitto_files;
struct settings;
struct text;

/* The file system and the names of this machine. */
extern const struct mosquitto_files mosquitto_system;

/* Sets what the file, and mosquitto's own defaults where it is silent, mean in `s`, whose defaults
 * are set. RC_INVALID: `errors` has a line for each mistake. Warnings go to s->warnings. */
MUST_CHECK enum rc mosquitto_settings_read(struct settings *s, const char *path,
                                           const struct mosquitto_files *door, struct text *errors);
/* Its part for the connections: makes bridges of them. */
void mosquitto_bridges_set(struct mosquitto_conf *conf, struct list *bridges);
/* Is it written in mosquitto's words, as its name tells? */
bool mosquitto_settings_is_named(const char *path);
/* tercet-mosquitto(7), from the table of options. */
void mosquitto_settings_write_man(struct text *to);

#endif
