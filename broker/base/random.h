/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes from the kernel, for seeds, identifiers and jitter. Any thread. */
#ifndef TERCET_BROKER_BASE_RANDOM_H
#define TERCET_BROKER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *at, size_t len);
uint64_t random_u64(void);

#endif
