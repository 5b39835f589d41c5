/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request: what is accepted lies within the bytes, and its parts can be asked for.
 */
#include "broker/base/mem.h"
#include "broker/net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request r;
    struct text value = { 0 };

    if (http_decode(slice_of(data, size), &r) != RC_OK)
        return 0;
    ASSERT(r.head_bytes <= size && r.head_bytes <= HTTP_HEAD_MAX_BYTES);
    ASSERT(r.path.len > 0 && r.path.at[0] == '/');
    ASSERT(r.headers.at >= data && r.headers.at + r.headers.len <= data + size);
    (void)http_header(&r, "host");
    if (http_query(&r, "a", &value) == RC_OK)
        ASSERT(value.len <= r.query.len);
    text_done(&value);
    return 0;
}
