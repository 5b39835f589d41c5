/* SPDX-License-Identifier: Apache-2.0 */
/* So much a second, and as much again at once: a token bucket. Pure. */
#ifndef TERCET_BROKER_BASE_RATE_H
#define TERCET_BROKER_BASE_RATE_H

#include <stdint.h>

/* Zero: no limit. */
struct rate {
    uint64_t per_s;
    uint64_t paid_ns; /* monotonic: what was taken is paid for by then */
};

/* A second's worth may come at once. */
#define RATE_BURST_NS UINT64_C(1000000000)

/* Takes `amount`, whatever it leaves, and tells how many ns must pass before more may be taken. */
uint64_t rate_take(struct rate *rate, uint64_t amount, uint64_t now_ns);

#endif
