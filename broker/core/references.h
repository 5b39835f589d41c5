/* SPDX-License-Identifier: Apache-2.0 */
/* The references that one session holds, by number, in chunks. Core thread only.
 *
 * A client that is away may be owed millions: a chunk that is full and waits is packed, which makes
 * a few bytes of a run of neighbours in one log, and 3 to 9 a reference of any others. */
#ifndef TERCET_BROKER_CORE_REFERENCES_H
#define TERCET_BROKER_CORE_REFERENCES_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/ring.h"
#include "broker/base/slice.h"

struct text;

enum reference_state { REFERENCE_OWED, REFERENCE_SENT, REFERENCE_SETTLED };

/* A message that a session is owed, as a place in the log. */
struct reference {
    uint64_t offset;
    uint32_t log;
    uint16_t share;   /* the session's shared subscription that it came by; 0: none */
    uint8_t qos : 2;  /* as granted */
    uint8_t size : 6; /* of the record, as reference_size() has it */
    uint8_t state : 3;
    uint8_t attempts : 1; /* whether it was sent before */
    uint8_t flags : 4;    /* REFERENCE_RETAIN ... */
};
_Static_assert(sizeof(struct reference) == 16, "thousands of them wait unpacked");
#define REFERENCE_RETAIN 1u /* to be shown with the retain flag */
#define REFERENCE_PINS   2u /* counted in its partition's `owed`; not recorded */
#define REFERENCE_OWN    4u /* of the session's own client: no local subscriptions are left out */

/* What so many bytes are counted as: one of 64 sizes, two to each power of two, so that neighbours
 * mostly have the same. */
static inline unsigned reference_size(size_t bytes)
{
    unsigned log2 = bytes < 2 ? 0 : 63 - (unsigned)__builtin_clzll(bytes - 1);

    if (bytes < 2)
        return 0;
    return log2 > 31 ? 63 : 2 * log2 + (bytes > (size_t)3 << log2 >> 1);
}
/* At least the bytes that it was made from, and less than half as much again. */
static inline uint64_t reference_bytes(const struct reference *r)
{
    return (uint64_t)((r->size & 1) != 0 ? 4 : 3) << (r->size >> 1) >> 1;
}

/* References are packed and recorded in chunks of this many, numbered by the reference's own
 * number. */
#define REFERENCE_CHUNK_SHIFT 8u
#define REFERENCE_CHUNK       (1u << REFERENCE_CHUNK_SHIFT)

struct references {
    struct ring chunks;  /* of struct reference_chunk: body in references.c */
    uint64_t first;      /* number of the oldest */
    uint64_t end;        /* of the next to come */
    uint64_t sent_below; /* what has a lower number and is unpacked may have been sent */
};

void references_init(struct references *refs);
void references_free(struct references *refs);
/* There must be none: numbers go on from here. */
void references_start(struct references *refs, uint64_t number);
static inline bool references_is_empty(const struct references *refs)
{
    return refs->first == refs->end;
}
/* first <= number < end. Valid until the next push or pop, and not packed before the next push. */
struct reference *references_at(struct references *refs, uint64_t number);
/* Gives its number. */
uint64_t references_push(struct references *refs, const struct reference *reference);
/* The same in front of all. There is room below the first number. */
uint64_t references_push_front(struct references *refs, const struct reference *reference);
/* Forgets the oldest. */
void references_pop(struct references *refs);
/* Forgets the newest, which was just pushed. */
void references_take_back(struct references *refs);
/* Packs what is full and nothing of it is SENT. */
void references_pack(struct references *refs);

/* May change what it is shown; a chunk for which `wants` (with whether it is packed, and whether it
 * holds QoS 0) says no is passed over. `wants` NULL: all. */
typedef void references_visit_fn(void *arg, uint64_t number, struct reference *reference);
void references_each(struct references *refs, bool (*wants)(bool is_packed, bool has_qos0),
                     references_visit_fn *visit, void *arg);
/* Shows those of the oldest chunk and forgets them; there must be some. Gives its number. */
uint64_t references_take_chunk(struct references *refs, references_visit_fn *visit, void *arg);

/* Adds what is recorded of one chunk: nothing when all of it is settled. */
void references_encode(struct references *refs, uint64_t chunk, struct text *out);
/* Reads what references_encode() wrote into `ret`, the absent as SETTLED; gives one above the last
 * place. RC_CORRUPT: it wrote no such thing. */
MUST_CHECK enum rc references_decode(struct slice bytes, struct reference ret[REFERENCE_CHUNK],
                                     unsigned *ret_end);

#endif
