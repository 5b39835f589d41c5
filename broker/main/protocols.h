/* SPDX-License-Identifier: Apache-2.0 */
/* The protocols of this broker, one row each. */
#ifndef TERCET_BROKER_MAIN_PROTOCOLS_H
#define TERCET_BROKER_MAIN_PROTOCOLS_H

#include <stddef.h>

struct core;
struct listener_settings;
struct loop;
struct protocol;
struct settings;

struct protocol_row {
    const struct protocol *protocol;
    /* Makes what all its sessions share: the context of its listeners. */
    void *(*start)(struct core *core, struct loop *loop, const struct settings *settings);
    /* What the sessions of one listener share, made from that; stop() is due for it too. NULL: the
     * same. */
    void *(*listen)(void *context, const struct listener_settings *l);
    /* All its connections are gone. NULL: nothing to do. */
    void (*stop)(void *context);
};

/* In the order of protocol_names; a row without protocol is one that this build does not have. */
extern const struct protocol_row protocols[];

#endif
