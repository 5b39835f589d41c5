/* SPDX-License-Identifier: Apache-2.0 */
/* The [bridge NAME] sections of the configuration. */
#ifndef TERCET_BROKER_MAIN_BRIDGE_SETTINGS_H
#define TERCET_BROKER_MAIN_BRIDGE_SETTINGS_H

#include "broker/base/list.h"
#include "broker/base/options.h"
#include "broker/base/rc.h"
#include "protocols/mqtt/bridge_config.h"

#define BRIDGE_OPTIONS 49 /* fewer do not compile; more fail at the first section */
extern const struct option bridge_options[BRIDGE_OPTIONS];
void *bridge_settings_begin(void *arg, struct slice name, struct text *why);

#define BRIDGE_SECTION                                                                            \
    {                                                                                             \
        "bridge",                                                                                 \
            "A connection that this broker makes to another MQTT broker, to exchange messages. "  \
            "What is to "                                                                         \
            "go out and cannot waits in the log, in order, as if for a client that is away. See " \
            "tercet-mqtt(7).",                                                                    \
            bridge_options, BRIDGE_OPTIONS, offsetof(struct bridge_config, given),                \
            bridge_settings_begin,                                                                \
    }

/* A new one of that name in the list, with all defaults; its texts are owned and freed with it.
 * NULL: `why` says why not. */
struct bridge_config *bridge_settings_add(struct list *bridges, struct slice name,
                                          struct text *why);
/* One option, as the file would set it. RC_INVALID: `why` says what is expected. */
MUST_CHECK enum rc bridge_settings_put(struct bridge_config *config, const char *name,
                                       struct slice value, struct text *why);
/* RC_INVALID: a line for each mistake was added to `errors`. */
MUST_CHECK enum rc bridge_settings_check(const struct list *bridges, struct text *errors);
void bridge_settings_done(struct list *bridges);
/* Frees one, which is in no list. */
void bridge_settings_free(struct bridge_config *config);
bool bridge_settings_are_same(const struct bridge_config *a, const struct bridge_config *b);
/* They are to say no more than mosquitto's do. */
void bridge_settings_make_plain(struct list *bridges);

#endif
