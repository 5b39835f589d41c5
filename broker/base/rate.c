/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/rate.h"

#define NS_PER_S UINT64_C(1000000000)
/* One thing is not charged for more than this: the product below must fit. */
#define AMOUNT_MAX (UINT64_C(1) << 33)

uint64_t rate_take(struct rate *rate, uint64_t amount, uint64_t now_ns)
{
    uint64_t earliest_ns = now_ns > RATE_BURST_NS ? now_ns - RATE_BURST_NS : 0;

    if (rate->per_s == 0)
        return 0;
    if (amount > AMOUNT_MAX)
        amount = AMOUNT_MAX;
    if (rate->paid_ns < earliest_ns)
        rate->paid_ns = earliest_ns;
    rate->paid_ns += amount * NS_PER_S / rate->per_s;
    return rate->paid_ns > now_ns ? rate->paid_ns - now_ns : 0;
}
