/* SPDX-License-Identifier: Apache-2.0 */
/* Where the store of this user is when nobody says: for the broker that makes it and for the tools
 * that look for it. */
#ifndef TERCET_BROKER_BASE_STATE_HOME_H
#define TERCET_BROKER_BASE_STATE_HOME_H

struct text;

/* Appends the directory; nothing when the user has no home. */
void state_home(struct text *to);

#endif
