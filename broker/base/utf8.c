/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/utf8.h"

/* Length of the sequence that `lead` starts, and the range of the byte behind it (table 3-7 of the
 * Unicode standard); 0 when no sequence starts so. */
static unsigned lead_length(uint8_t lead, uint8_t *min, uint8_t *max)
{
    *min = 0x80;
    *max = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (lead == 0xe0)
            *min = 0xa0;
        if (lead == 0xed)
            *max = 0x9f;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (lead == 0xf0)
            *min = 0x90;
        if (lead == 0xf4)
            *max = 0x8f;
        return 4;
    }
    return 0;
}

static size_t ascii_run(const uint8_t *at, size_t len)
{
    size_t i = 0;
    uint64_t word;

    for (; len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, at + i, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (i < len && at[i] < 0x80)
        i++;
    return i;
}

bool utf8_is_valid(struct slice s)
{
    size_t i = 0;

    while (i < s.len) {
        uint8_t min, max;
        unsigned n;

        i += ascii_run(s.at + i, s.len - i);
        if (i == s.len)
            break;
        n = lead_length(s.at[i], &min, &max);
        if (n == 0 || n > s.len - i || s.at[i + 1] < min || s.at[i + 1] > max)
            return false;
        for (unsigned k = 2; k < n; k++) {
            if ((s.at[i + k] & 0xc0) != 0x80)
                return false;
        }
        i += n;
    }
    return true;
}
