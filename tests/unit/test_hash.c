/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of checksums: one value, whatever the length and the processor. */
#include "broker/base/hash.h"

#include <check.h>
#include <xxhash.h>

#include "broker/base/hash_wide.h"
#include "broker/base/mem.h"
#include "tests/lib/suite.h"

#define MOST_BYTES 70000

START_TEST(a_checksum_is_xxh3_of_any_length)
{
    uint8_t *at = mem_get(MOST_BYTES);

    for (size_t i = 0; i < MOST_BYTES; i++)
        at[i] = (uint8_t)(i * 131 + (i >> 8));
    for (size_t len = 0; len < MOST_BYTES; len += 1 + len / 7) {
        uint64_t wanted = XXH3_64bits_withSeed(at, len, len * 3);

        ck_assert_uint_eq(hash_checksum(slice_of(at, len), len * 3), wanted);
        if (hash_has_wide())
            ck_assert_uint_eq(hash_checksum_wide(slice_of(at, len), len * 3), wanted);
    }
    mem_free(at);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("hash");

    tcase_add_test(tests, a_checksum_is_xxh3_of_any_length);
    return suite_run("hash", tests);
}
