/* SPDX-License-Identifier: Apache-2.0 */
/* One SCRAM exchange: the input is the client's two messages with a NUL between. Nobody has the
 * password, so nothing may be let in. */
#include "broker/base/mem.h"
#include "broker/core/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char verifier_text[] =
    "$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, 0, size);
    struct slice all = slice_of(data, size);
    struct slice first = slice_of(data, end == NULL ? size : (size_t)(end - data));
    struct scram_verifier verifier;
    struct text out = { 0 };
    struct scram scram;

    ASSERT(scram_verifier_read(slice_str(verifier_text), SCRAM_SHA_256, &verifier));
    scram_init(&scram, SCRAM_SHA_256);
    if (scram_take_first(&scram, first) == RC_OK) {
        ASSERT(scram.user.len > 0);
        ASSERT(scram_give_first(&scram, &verifier, SLICE("server"), &out) == RC_OK);
        text_clear(&out);
        ASSERT(scram_take_final(&scram, slice_after(all, first.len + 1), &out) != RC_OK);
        ASSERT(out.len == 0);
    }
    scram_done(&scram);
    text_done(&out);
    if (scram_verifier_read(all, SCRAM_SHA_512, &verifier))
        ASSERT(verifier.iterations >= SCRAM_ITERATIONS_LEAST && verifier.salt_bytes > 0);
    return 0;
}
