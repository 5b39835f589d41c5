/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record/crc32c.h"

#include <isa-l/crc.h>

/* isa-l counts in int; larger runs go in pieces. */
#define CRC_PIECE_BYTES ((size_t)1 << 30)

uint32_t crc32c(struct slice bytes)
{
    uint32_t crc = 0xffffffff;

    while (bytes.len > 0) {
        size_t n = bytes.len < CRC_PIECE_BYTES ? bytes.len : CRC_PIECE_BYTES;

        /* isa-l forgot the const: it only reads. */
        crc = crc32_iscsi((unsigned char *)(uintptr_t)bytes.at, (int)n, crc);
        bytes = slice_after(bytes, n);
    }
    return crc ^ 0xffffffff;
}
