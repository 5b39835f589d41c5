/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct text *to, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t three = (uint32_t)bytes.at[i] << 16;

        if (left > 1)
            three |= (uint32_t)bytes.at[i + 1] << 8;
        if (left > 2)
            three |= bytes.at[i + 2];
        text_add_byte(to, (uint8_t)digits[three >> 18]);
        text_add_byte(to, (uint8_t)digits[three >> 12 & 63]);
        text_add_byte(to, left > 1 ? (uint8_t)digits[three >> 6 & 63] : '=');
        text_add_byte(to, left > 2 ? (uint8_t)digits[three & 63] : '=');
    }
}

static int digit_value(uint8_t c)
{
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* One group of four, whose last `padding` characters are '='; false when it is not canonical. */
static bool decode_group(struct text *to, const uint8_t *four, unsigned padding)
{
    uint32_t three = 0;

    for (unsigned i = 0; i < 4; i++) {
        int value = i < 4 - padding ? digit_value(four[i]) : 0;

        if (value < 0 || (i >= 4 - padding && four[i] != '='))
            return false;
        three = three << 6 | (uint32_t)value;
    }
    /* bits that the padding cuts off are zero when we wrote it */
    if ((padding == 1 && (three & 0xff) != 0) || (padding == 2 && (three & 0xffff) != 0))
        return false;
    text_add_byte(to, (uint8_t)(three >> 16));
    if (padding < 2)
        text_add_byte(to, (uint8_t)(three >> 8));
    if (padding < 1)
        text_add_byte(to, (uint8_t)three);
    return true;
}

bool base64_decode(struct text *to, struct slice text)
{
    size_t start = to->len;

    if (text.len % 4 != 0)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        unsigned padding = 0;

        if (i + 4 == text.len && text.at[i + 3] == '=')
            padding = text.at[i + 2] == '=' ? 2 : 1;
        if (!decode_group(to, text.at + i, padding)) {
            to->len = start;
            return false;
        }
    }
    return !to->bad;
}
