/* SPDX-License-Identifier: Apache-2.0 */
/* A chunk of references as the catalogue may give it: what is read is written and read alike. */
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/references.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct reference *a, const struct reference *b)
{
    ASSERT(a->state == b->state);
    if (a->state == REFERENCE_SETTLED)
        return;
    ASSERT(a->offset == b->offset && a->log == b->log && a->qos == b->qos);
    ASSERT(a->attempts == b->attempts && a->size == b->size && a->qos == b->qos);
    ASSERT(((a->flags ^ b->flags) & (REFERENCE_RETAIN | REFERENCE_OWN)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reference read[REFERENCE_CHUNK], again[REFERENCE_CHUNK];
    const struct reference settled = { .state = REFERENCE_SETTLED };
    struct references refs;
    struct text text = { 0 };
    unsigned end = 0, end_again = 0;

    if (references_decode(slice_of(data, size), read, &end) != RC_OK)
        return 0;
    references_init(&refs);
    for (unsigned i = 0; i < REFERENCE_CHUNK; i++)
        (void)references_push(&refs, i < end ? &read[i] : &settled);
    references_pack(&refs);
    references_encode(&refs, 0, &text);
    ASSERT(references_decode(text_slice(&text), again, &end_again) == RC_OK);
    for (unsigned i = 0; i < REFERENCE_CHUNK; i++)
        check_same(&again[i], i < end ? &read[i] : &settled);
    text_done(&text);
    references_free(&refs);
    return 0;
}
