/* SPDX-License-Identifier: Apache-2.0 */
/* Header, by offset: 0 name:100  100 mode:8  108 uid:8  116 gid:8  124 size:12  136 mtime:12
 *   148 checksum:8  156 type:1  157 link:100  257 "ustar" NUL:6  263 "00":2; the rest is zero.
 * Numbers are octal digits and a NUL; the checksum is the sum of all bytes, its own being blanks.
 */
#include "admin/ctl_tar.h"

#include <stdio.h>
#include <string.h>

#include "broker/base/mem.h"

#define MODE_AT     100
#define SIZE_AT     124
#define SIZE_BYTES  12
#define TIME_AT     136
#define SUM_AT      148
#define SUM_BYTES   8
#define TYPE_AT     156
#define MAGIC_AT    257
#define OCTAL_MAX   UINT64_C(077777777777)
#define BASE256_BIT 0x80

static void put_octal(uint8_t *at, size_t room, uint64_t value)
{
    at[room - 1] = '\0';
    for (size_t i = room - 1; i-- > 0; value >>= 3)
        at[i] = (uint8_t)('0' + (value & 7));
}

static void put_size(uint8_t *at, uint64_t value)
{
    if (value <= OCTAL_MAX) {
        put_octal(at, SIZE_BYTES, value);
        return;
    }
    memset(at, 0, SIZE_BYTES);
    for (size_t i = SIZE_BYTES; i-- > SIZE_BYTES - 8; value >>= 8)
        at[i] = (uint8_t)value;
    at[0] |= BASE256_BIT;
}

static uint64_t sum_of(const uint8_t block[TAR_BLOCK])
{
    uint64_t sum = 0;

    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_BYTES ? ' ' : block[i];
    return sum;
}

void tar_write(uint8_t block[TAR_BLOCK], const struct tar_file *file)
{
    size_t len = strlen(file->name);

    ASSERT(len > 0 && len <= TAR_NAME_MAX);
    memset(block, 0, TAR_BLOCK);
    memcpy(block, file->name, len);
    put_octal(block + MODE_AT, 8, file->is_folder ? 0700 : 0600);
    put_octal(block + MODE_AT + 8, 8, 0);
    put_octal(block + MODE_AT + 16, 8, 0);
    put_size(block + SIZE_AT, file->is_folder ? 0 : file->bytes);
    put_octal(block + TIME_AT, SIZE_BYTES, file->time_s & OCTAL_MAX);
    block[TYPE_AT] = file->is_folder ? '5' : '0';
    memcpy(block + MAGIC_AT, "ustar\00000", 8);
    put_octal(block + SUM_AT, SUM_BYTES - 1, sum_of(block));
    block[SUM_AT + SUM_BYTES - 1] = ' ';
}

/* Digits with blanks before and a blank or NUL behind. */
static bool read_octal(const uint8_t *at, size_t room, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0, digits = 0;

    while (i < room && at[i] == ' ')
        i++;
    for (; i < room && at[i] >= '0' && at[i] <= '7'; i++, digits++) {
        if (value > UINT64_MAX >> 3)
            return false;
        value = value << 3 | (uint64_t)(at[i] - '0');
    }
    *ret = value;
    return digits > 0 && (i == room || at[i] == ' ' || at[i] == '\0');
}

static bool read_size(const uint8_t *at, uint64_t *ret)
{
    uint64_t value = 0;

    if ((at[0] & BASE256_BIT) == 0)
        return read_octal(at, SIZE_BYTES, ret);
    if (at[0] != BASE256_BIT || at[1] != 0 || at[2] != 0 || at[3] != 0)
        return false;
    for (size_t i = SIZE_BYTES - 8; i < SIZE_BYTES; i++)
        value = value << 8 | at[i];
    *ret = value;
    return value <= INT64_MAX;
}

static bool is_zero(const uint8_t block[TAR_BLOCK])
{
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        if (block[i] != 0)
            return false;
    }
    return true;
}

enum rc tar_read(const uint8_t block[TAR_BLOCK], struct tar_file *ret)
{
    uint64_t sum;

    if (is_zero(block))
        return RC_NOT_FOUND;
    if (!read_octal(block + SUM_AT, SUM_BYTES, &sum) || sum != sum_of(block) ||
        memcmp(block + MAGIC_AT, "ustar", 5) != 0 || block[0] == '\0')
        return RC_CORRUPT;
    if (block[TYPE_AT] != '0' && block[TYPE_AT] != '\0' && block[TYPE_AT] != '5')
        return RC_UNSUPPORTED;
    *ret = (struct tar_file){ .is_folder = block[TYPE_AT] == '5' };
    memcpy(ret->name, block, TAR_NAME_MAX);
    if (!read_size(block + SIZE_AT, &ret->bytes) ||
        !read_octal(block + TIME_AT, SIZE_BYTES, &ret->time_s))
        return RC_CORRUPT;
    return RC_OK;
}
