/* SPDX-License-Identifier: Apache-2.0 */
/* Text to numbers, whole or not at all: no sign, space, prefix or rest is passed over. Pure. */
#ifndef TERCET_BROKER_BASE_NUMBER_H
#define TERCET_BROKER_BASE_NUMBER_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

/* Decimal digits only. RC_INVALID: not a number. RC_RANGE: outside min..max. */
MUST_CHECK enum rc number_u64(struct slice text, uint64_t min, uint64_t max, uint64_t *ret);
/* Decimal digits with an optional leading minus. */
MUST_CHECK enum rc number_i64(struct slice text, int64_t min, int64_t max, int64_t *ret);
/* Digits with an optional unit k, m or g (1024) as in "64m". */
MUST_CHECK enum rc number_bytes(struct slice text, uint64_t min, uint64_t max, uint64_t *ret);

#endif
