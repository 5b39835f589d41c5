/* SPDX-License-Identifier: Apache-2.0 */
/* What the files share that put a mosquitto.conf into our options. */
#ifndef TERCET_BROKER_MAIN_MOSQUITTO_READING_H
#define TERCET_BROKER_MAIN_MOSQUITTO_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/main/mosquitto_conf.h"
#include "broker/main/settings.h"

/* From the one to the other. */
struct reading {
    struct mosquitto_conf conf;
    struct settings *to;
    bool is_local_only; /* no listener is asked for: loopback alone */
    bool is_per_listener;
};

#define CONF(r)                     (&(r)->conf)
#define GIVEN(scope, id)            mosquitto_is_given((scope), MOSQUITTO_##id)
#define VALUE(scope, id)            mosquitto_value((scope), MOSQUITTO_##id)
#define NUMBER(scope, id, fallback) mosquitto_number((scope), MOSQUITTO_##id, (fallback))

#define CONNECTIONS_MOST 1000000

/* Sets the option `name` as the configuration file would, or the one of a listener. What is wrong
 * with the value is a mistake where `from` stands. */
void reading_put_text(struct reading *r, const struct mosquitto_value *from, const char *name,
                      const char *text);
void reading_put_number(struct reading *r, const struct mosquitto_value *from, const char *name,
                        int64_t number, const char *unit);
void reading_put_switch(struct reading *r, const struct mosquitto_value *from, const char *name,
                        bool is_on);
void reading_put_here(struct reading *r, const struct mosquitto_value *from,
                      struct listener_settings *l, const char *name, const char *text);
void reading_put_number_here(struct reading *r, const struct mosquitto_value *from,
                             struct listener_settings *l, const char *name, int64_t number);

/* ---- mosquitto_listeners.c ---- */
/* The listeners, and who may come in by them. */
void mosquitto_listeners_set(struct reading *r);

#endif
