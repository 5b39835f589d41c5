/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/protocols.h"

#include "broker/main/settings.h"
#include "broker/net/protocol.h"
#include "protocols/amqp/amqp_listener.h"
#include "protocols/mqtt/mqtt_listener.h"

/* Sessions that share nothing but the core. */
static void *share_core(struct core *core, struct loop *loop, const struct settings *settings)
{
    (void)loop;
    (void)settings;
    return core;
}

const struct protocol_row protocols[SETTINGS_PROTOCOLS] = {
    { &mqtt_protocol, share_core, NULL },
    { &amqp_protocol, share_core, NULL },
    { NULL, NULL, NULL },
};
