/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/number.h"

MUST_CHECK static enum rc digits(struct slice text, uint64_t *ret)
{
    uint64_t value = 0;
    bool is_large = false;

    if (text.len == 0)
        return RC_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)text.at[i] - '0';

        if (digit > 9)
            return RC_INVALID;
        if (value > (UINT64_MAX - digit) / 10)
            is_large = true;
        value = value * 10 + digit;
    }
    if (is_large)
        return RC_RANGE;
    *ret = value;
    return RC_OK;
}

enum rc number_u64(struct slice text, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t value;
    enum rc rc = digits(text, &value);

    if (rc != RC_OK)
        return rc;
    if (value < min || value > max)
        return RC_RANGE;
    *ret = value;
    return RC_OK;
}

enum rc number_i64(struct slice text, int64_t min, int64_t max, int64_t *ret)
{
    bool is_negative = text.len > 0 && text.at[0] == '-';
    uint64_t size;
    int64_t value;
    enum rc rc = digits(is_negative ? slice_after(text, 1) : text, &size);

    if (rc != RC_OK)
        return rc;
    if (size > (uint64_t)INT64_MAX + (is_negative ? 1 : 0))
        return RC_RANGE;
    value = (int64_t)(is_negative ? 0 - size : size);
    if (value < min || value > max)
        return RC_RANGE;
    *ret = value;
    return RC_OK;
}

static unsigned unit_shift(uint8_t letter)
{
    switch (letter | 0x20) {
    case 'k':
        return 10;
    case 'm':
        return 20;
    case 'g':
        return 30;
    default:
        return 0;
    }
}

enum rc number_bytes(struct slice text, uint64_t min, uint64_t max, uint64_t *ret)
{
    unsigned shift = text.len == 0 ? 0 : unit_shift(text.at[text.len - 1]);
    uint64_t value;
    enum rc rc;

    if (shift > 0)
        text.len--;
    rc = digits(text, &value);
    if (rc != RC_OK)
        return rc;
    if (value > UINT64_MAX >> shift)
        return RC_RANGE;
    value <<= shift;
    if (value < min || value > max)
        return RC_RANGE;
    *ret = value;
    return RC_OK;
}
