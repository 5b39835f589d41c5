/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648 section 4), with padding. Pure. */
#ifndef TERCET_BROKER_BASE_BASE64_H
#define TERCET_BROKER_BASE_BASE64_H

#include "broker/base/text.h"

static inline size_t base64_bytes(size_t len)
{
    return (len + 2) / 3 * 4;
}

/* Appends; with padding. */
void base64_encode(struct text *to, struct slice bytes);
/* Appends what `text` stands for; false (with `to` as it was) unless it is exactly what encoding
 * would have written. */
bool base64_decode(struct text *to, struct slice text);

#endif
