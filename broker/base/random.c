/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/random.h"

#include <sys/random.h>

#include "broker/base/mem.h"

void random_bytes(void *at, size_t len)
{
    uint8_t *to = at;

    while (len > 0) {
        ssize_t got = getrandom(to, len, 0);

        if (got < 0)
            continue; /* EINTR is the only error that these arguments can meet */
        to += got;
        len -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t value;

    random_bytes(&value, sizeof(value));
    return value;
}
