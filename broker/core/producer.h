/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotent producers: ids, epochs, and the last sequences of each in each partition. */
#ifndef TERCET_BROKER_CORE_PRODUCER_H
#define TERCET_BROKER_CORE_PRODUCER_H

#include <stdint.h>

struct client;
struct core;

/* A producer id never given before, also not before a crash. */
uint64_t producer_new_id(struct core *core);

#endif
