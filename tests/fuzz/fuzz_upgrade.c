/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the request for a WebSocket: there is an answer, it is one head and what it tells of
 * behind, and only a whole request is granted. */
#include "broker/base/mem.h"
#include "broker/net/upgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "mqtt", "mqttv3.1", NULL };
    struct upgrade_rules rules = { .path = "mqtt", .names = names };
    struct text answer = { 0 };
    const char *why = NULL;
    enum rc rc;

    rules.needs_name = size % 2 == 0;
    rules.origins = size % 3 == 0 ? "https://a.example, b" : NULL;
    rc = upgrade_answer(slice_of(data, size), &rules, &answer, &why);
    ASSERT(rc == RC_AGAIN || rc == RC_OK || rc == RC_REFUSED);
    ASSERT((rc == RC_AGAIN) == (answer.len == 0));
    ASSERT((rc == RC_REFUSED) == (why != NULL));
    if (rc == RC_OK) {
        ASSERT(size > 4 && memcmp(data + size - 4, "\r\n\r\n", 4) == 0);
        ASSERT(slice_starts(text_slice(&answer), SLICE("HTTP/1.1 101 ")));
    }
    text_done(&answer);
    return 0;
}
