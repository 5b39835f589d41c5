/* SPDX-License-Identifier: Apache-2.0 */
/* An open connection is given anything: first bytes choose how the rest is cut. */
#include <stdlib.h>
#include <string.h>

#include "broker/base/log.h"
#include "protocols/amqp/amqp_codec.h"
#include "tests/lib/amqp_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static const uint8_t opening[] =
    "AMQP\0\0\x09\x01"
    "\1\0\0\0\0\0\x23\0\x0a\0\x0b\0\0\0\0\5PLAIN\0\0\0\x0c\0guest\0guest"
    "\5en_US\xce"
    "\1\0\0\0\0\0\x0c\0\x0a\0\x1f\0\x0a\0\0\x10\0\0\0\xce"
    "\1\0\0\0\0\0\x08\0\x0a\0\x28\1/\0\0\xce"
    "\1\0\1\0\0\0\5\0\x14\0\x0a\0\xce";

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct mem_core rig;
    static struct conn conn;
    static bool is_open;
    size_t step = len > 0 && at[0] != 0 ? at[0] : 65536;

    if (!is_open) {
        log_set_threshold(LOG_ERROR);
        mem_core_start(&rig, NULL);
        is_open = true;
    }
    amqp_rig_open(&conn, &rig);
    if (!amqp_rig_feed(&conn, slice_of(opening, sizeof(opening) - 1)))
        abort(); /* the opening must be a good one, or nothing behind it is tested */
    for (size_t i = 1; i < len; i += step) {
        if (!amqp_rig_feed(&conn, slice_of(at + i, len - i < step ? len - i : step)))
            break;
    }
    net_rig_pass(5000, NULL, NULL);
    amqp_rig_close(&conn);
    mem_core_settle(&rig);
    return 0;
}
