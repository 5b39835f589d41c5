/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/jot.h"

#include <math.h>

#include "broker/base/utf8.h"

/* What was written last tells whether a comma is due. */
static void begin(struct text *to, const char *key)
{
    uint8_t last = to->len == 0 ? '[' : to->at[to->len - 1];

    if (last != '[' && last != '{' && last != ':' && last != '\n')
        text_add_byte(to, ',');
    if (key != NULL)
        text_format(to, "\"%s\":", key);
}

void jot_open(struct text *to, const char *key, char bracket)
{
    begin(to, key);
    text_add_byte(to, (uint8_t)bracket);
}

void jot_close(struct text *to, char bracket)
{
    text_add_byte(to, (uint8_t)bracket);
}

static void add_text(struct text *to, struct slice s)
{
    size_t plain = 0;

    text_add_byte(to, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.at[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        text_add(to, slice_of(s.at + plain, i - plain));
        plain = i + 1;
        if (c < 0x20)
            text_format(to, "\\u%04x", (unsigned)c);
        else
            text_format(to, "\\%c", c);
    }
    if (plain < s.len)
        text_add(to, slice_of(s.at + plain, s.len - plain));
    text_add_byte(to, '"');
}

static void add_hex(struct text *to, struct slice s)
{
    static const char digits[] = "0123456789abcdef";

    text_add_byte(to, '"');
    for (size_t i = 0; i < s.len; i++) {
        text_add_byte(to, (uint8_t)digits[s.at[i] >> 4]);
        text_add_byte(to, (uint8_t)digits[s.at[i] & 15]);
    }
    text_add_byte(to, '"');
}

void jot_bytes(struct text *to, const char *key, struct slice value)
{
    begin(to, key);
    if (slice_is_none(value)) {
        text_add(to, SLICE("null"));
    } else if (utf8_is_valid(value)) {
        add_text(to, value);
    } else {
        text_add(to, SLICE("{\"hex\":"));
        add_hex(to, value);
        text_add_byte(to, '}');
    }
}

void jot_string(struct text *to, const char *key, const char *value)
{
    jot_bytes(to, key, slice_str(value));
}

void jot_number(struct text *to, const char *key, int64_t value)
{
    begin(to, key);
    text_format(to, "%lld", (long long)value);
}

void jot_count(struct text *to, const char *key, uint64_t value)
{
    begin(to, key);
    text_format(to, "%llu", (unsigned long long)value);
}

void jot_real(struct text *to, const char *key, double value)
{
    size_t before;

    begin(to, key);
    if (!isfinite(value)) {
        text_add(to, SLICE("null")); /* JSON has no word for it */
        return;
    }
    before = to->len;
    text_format(to, "%.17g", value);
    if (memchr(to->at + before, '.', to->len - before) == NULL &&
        memchr(to->at + before, 'e', to->len - before) == NULL)
        text_add(to, SLICE(".0")); /* else it would come back as an integer */
}

void jot_switch(struct text *to, const char *key, bool value)
{
    begin(to, key);
    text_add(to, value ? SLICE("true") : SLICE("false"));
}

void jot_name(struct text *to, struct slice name)
{
    begin(to, NULL);
    add_text(to, name);
    text_add_byte(to, ':');
}

void jot_hex(struct text *to, const char *key, struct slice value)
{
    begin(to, key);
    add_hex(to, value);
}
