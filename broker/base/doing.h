/* SPDX-License-Identifier: Apache-2.0 */
/* What this thread was last about, in words, for whoever finds that it took long. */
#ifndef TERCET_BROKER_BASE_DOING_H
#define TERCET_BROKER_BASE_DOING_H

#include <stddef.h>

/* So many are remembered, the last ones. */
#define DOING_MAX 4

struct doing {
    const char *what[DOING_MAX];
    unsigned count; /* of all since it was cleared */
};
extern _Thread_local struct doing doing_now;

/* "amqp.basic.recover": where something may take long, not for each message. The words are static.
 */
static inline void doing(const char *what)
{
    doing_now.what[doing_now.count++ % DOING_MAX] = what;
}

static inline void doing_clear(void)
{
    doing_now.count = 0;
}

/* The last ones, in their order, with commas between; "-" when there is none. */
void doing_write(char *to, size_t room);

#endif
