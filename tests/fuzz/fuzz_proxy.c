/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a PROXY head: what is accepted lies within them and needs all of them, and no
 * shorter run of them is accepted or refused. */
#include "broker/base/mem.h"
#include "broker/net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_head head, again;

    if (proxy_decode(slice_of(data, size), &head) != RC_OK)
        return 0;
    ASSERT(head.bytes <= size && head.bytes <= PROXY_HEAD_MAX_BYTES);
    ASSERT(slice_is_none(head.name) ||
           (head.name.at >= data && head.name.at + head.name.len <= data + head.bytes));
    ASSERT(proxy_decode(slice_of(data, head.bytes), &again) == RC_OK);
    ASSERT(again.bytes == head.bytes && again.source == head.source);
    for (size_t n = 0; n < head.bytes; n++) {
        uint8_t *cut = mem_get(n + 1);

        memcpy(cut, data, n);
        ASSERT(proxy_decode(slice_of(cut, n), &again) == RC_AGAIN);
        mem_free(cut);
    }
    return 0;
}
