/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/doing.h"

#include <stdio.h>

_Thread_local struct doing doing_now;

void doing_write(char *to, size_t room)
{
    unsigned count = doing_now.count;
    size_t len = 0;

    (void)snprintf(to, room, "-");
    for (unsigned i = count > DOING_MAX ? count - DOING_MAX : 0; i < count && len < room; i++) {
        int n = snprintf(to + len, room - len, "%s%s", len == 0 ? "" : ",",
                         doing_now.what[i % DOING_MAX]);

        if (n < 0)
            return;
        len += (size_t)n; /* cut where there is no more room */
    }
}
