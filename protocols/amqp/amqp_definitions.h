/* SPDX-License-Identifier: Apache-2.0 */
/* What AMQP knows of the queues, exchanges and tables that core keeps for it: its part of
 * broker/core/definitions.h. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_DEFINITIONS_H
#define TERCET_PROTOCOLS_AMQP_AMQP_DEFINITIONS_H

struct definitions_rules;

/* Sets the members that are AMQP's. */
void amqp_definitions_rules(struct definitions_rules *rules);

#endif
