/* SPDX-License-Identifier: Apache-2.0 */
/* A long run of bytes in blocks: what grows by the megabyte is never copied for growing. */
#ifndef TERCET_ADMIN_PIECES_H
#define TERCET_ADMIN_PIECES_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/ring.h"
#include "broker/base/slice.h"

struct block;

struct pieces {
    struct ring blocks; /* of struct block *: owned */
    size_t bytes;       /* in all */
    size_t last_bytes;  /* in the last block */
};

void pieces_init(struct pieces *pieces);
void pieces_done(struct pieces *pieces);
/* Copies. False: no memory; then not all of it was taken. */
MUST_CHECK bool pieces_add(struct pieces *pieces, struct slice bytes);
/* The first one and its bytes, given to the caller; NULL when there is none. */
struct block *pieces_take(struct pieces *pieces, struct slice *ret);

#endif
