/* SPDX-License-Identifier: Apache-2.0 */
/* What was counted as there must be counted as gone when all is: else places in limits are given
 * back never, or twice. */
#ifndef TERCET_BROKER_MAIN_BALANCE_H
#define TERCET_BROKER_MAIN_BALANCE_H

/* After broker_stop(): logs what is not. */
void balance_check(void);

#endif
