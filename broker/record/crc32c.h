/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli) as Kafka's batches carry it: begun with all ones, inverted at the end. */
#ifndef TERCET_BROKER_RECORD_CRC32C_H
#define TERCET_BROKER_RECORD_CRC32C_H

#include "broker/base/slice.h"

/* Any thread. The CRC of "123456789" is e3069283. */
uint32_t crc32c(struct slice bytes);

#endif
