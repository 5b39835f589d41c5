/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON without building a tree of it first. Names and keys of brokers are any bytes: what is
 * no UTF-8 becomes an object {"hex":"..."}. */
#ifndef TERCET_ADMIN_JOT_H
#define TERCET_ADMIN_JOT_H

#include "broker/base/text.h"

/* Each adds one value; `key` is its name within an object, NULL within an array. Commas come of
 * themselves. */
void jot_open(struct text *to, const char *key, char bracket);
void jot_close(struct text *to, char bracket);
/* Text as text, NONE as null, other bytes as {"hex":"..."}. */
void jot_bytes(struct text *to, const char *key, struct slice value);
void jot_string(struct text *to, const char *key, const char *value);
void jot_number(struct text *to, const char *key, int64_t value);
void jot_count(struct text *to, const char *key, uint64_t value);
void jot_real(struct text *to, const char *key, double value);
void jot_switch(struct text *to, const char *key, bool value);
/* A member whose name is any text of UTF-8; its value follows by one of the others with key NULL.
 */
void jot_name(struct text *to, struct slice name);
/* "00ff" */
void jot_hex(struct text *to, const char *key, struct slice value);

#endif
