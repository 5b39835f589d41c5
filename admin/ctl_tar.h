/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX ustar, as much of it as backups need: plain files with short names. Sizes over 8 GiB are in
 * base 256, as GNU tar has them. Pure. */
#ifndef TERCET_ADMIN_CTL_TAR_H
#define TERCET_ADMIN_CTL_TAR_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

#define TAR_BLOCK    512
#define TAR_NAME_MAX 100 /* a NUL is not needed */

struct tar_file {
    char name[TAR_NAME_MAX + 1];
    uint64_t bytes;
    uint64_t time_s;
    bool is_folder;
};

/* The name must not be longer than it may (asserted). */
void tar_write(uint8_t block[TAR_BLOCK], const struct tar_file *file);
/* RC_NOT_FOUND: the archive ends here. RC_CORRUPT: a wrong checksum, or no header. RC_UNSUPPORTED:
 * neither a plain file nor a folder. */
MUST_CHECK enum rc tar_read(const uint8_t block[TAR_BLOCK], struct tar_file *ret);
/* Bytes that follow a file of this size up to the next block. */
static inline uint64_t tar_padding(uint64_t bytes)
{
    return (TAR_BLOCK - bytes % TAR_BLOCK) % TAR_BLOCK;
}

#endif
