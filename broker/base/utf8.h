/* SPDX-License-Identifier: Apache-2.0 */
/* Well-formed UTF-8 (RFC 3629): no overlong form, surrogate or value over U+10FFFF. Pure. */
#ifndef TERCET_BROKER_BASE_UTF8_H
#define TERCET_BROKER_BASE_UTF8_H

#include "broker/base/slice.h"

bool utf8_is_valid(struct slice s);

#endif
