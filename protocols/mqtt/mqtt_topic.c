/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/utf8.h"
#include "protocols/mqtt/mqtt_codec.h"

bool mqtt_string_is_valid(struct slice s)
{
    if (s.len == 0)
        return true;
    return memchr(s.at, 0, s.len) == NULL && utf8_is_valid(s);
}

/* The two bytes that begin a control character of C1 or, with one more, a noncharacter. */
static bool is_discouraged(const uint8_t *at, size_t left)
{
    if (at[0] == 0xc2)
        return left > 1 && at[1] < 0xa0; /* U+0080..U+009F */
    if (at[0] == 0xef && left > 2) {
        if (at[1] == 0xb7)
            return at[2] >= 0x90 && at[2] <= 0xaf; /* U+FDD0..U+FDEF */
        return at[1] == 0xbf && at[2] >= 0xbe;     /* U+FFFE, U+FFFF */
    }
    if (at[0] >= 0xf0 && left > 3) /* U+nFFFE, U+nFFFF */
        return (at[1] & 0x0f) == 0x0f && at[2] == 0xbf && at[3] >= 0xbe;
    return false;
}

/* ---- eight bytes at a time: names are looked at in every message ---- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS  EACH(0x80)

/* Not zero when one of the bytes is 0. */
static uint64_t zeros(uint64_t word)
{
    return (word - EACH(1)) & ~word & HIGH_BITS;
}

/* Not zero when one of the bytes is no printable ASCII. */
static uint64_t unprintable(uint64_t word)
{
    /* the first has a byte's high bit when it is below 0x20, the second when it is 0x7f or more */
    return (((word - EACH(0x20)) & ~word) | ((word + EACH(1)) | word)) & HIGH_BITS;
}

static uint64_t wildcards(uint64_t word)
{
    return zeros(word ^ EACH('+')) | zeros(word ^ EACH('#'));
}

/* What `look` finds in any of the words that the bytes are in; a single one is filled up with
 * letters. */
static inline uint64_t look_through(struct slice s, uint64_t (*look)(uint64_t word))
{
    uint64_t found = 0, word = EACH('a');

    if (s.len < sizeof(word)) {
        for (unsigned i = 0; i < s.len; i++)
            word ^= (uint64_t)(s.at[i] ^ 'a') << (8 * i);
        return look(word);
    }
    for (size_t i = 0; i < s.len - sizeof(word); i += sizeof(word)) {
        memcpy(&word, s.at + i, sizeof(word));
        found |= look(word);
    }
    memcpy(&word, s.at + s.len - sizeof(word), sizeof(word));
    return found | look(word);
}

/* Printable ASCII alone, as almost every name is. */
static bool is_plain(struct slice s)
{
    return look_through(s, unprintable) == 0;
}

bool mqtt_name_is_valid(struct slice s)
{
    if (is_plain(s))
        return true;
    if (!mqtt_string_is_valid(s))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.at[i];

        if (c < 0x20 || c == 0x7f)
            return false;
        if (c >= 0xc2 && is_discouraged(s.at + i, s.len - i))
            return false;
    }
    return true;
}

bool mqtt_topic_is_valid(struct slice topic)
{
    unsigned levels = 1;

    if (topic.len == 0 || topic.len > UINT16_MAX || look_through(topic, wildcards) != 0)
        return false;
    if (topic.len < MQTT_TOPIC_LEVELS_MAX)
        return true; /* it has a level more than separators */
    for (size_t i = 0; i < topic.len; i++)
        levels += topic.at[i] == '/';
    return levels <= MQTT_TOPIC_LEVELS_MAX;
}

bool mqtt_filter_is_valid(struct slice filter)
{
    unsigned levels = 1;

    if (filter.len == 0 || filter.len > UINT16_MAX)
        return false;
    for (size_t i = 0; i < filter.len; i++) {
        uint8_t c = filter.at[i];
        bool is_first = i == 0 || filter.at[i - 1] == '/';
        bool is_last = i + 1 == filter.len;

        if (c == '#' && (!is_first || !is_last))
            return false;
        if (c == '+' && (!is_first || (!is_last && filter.at[i + 1] != '/')))
            return false;
        levels += c == '/';
    }
    return levels <= MQTT_TOPIC_LEVELS_MAX;
}

/* Splits at the first '/': false when there is none. */
static bool split(struct slice s, struct slice *first, struct slice *rest)
{
    const uint8_t *slash = s.len == 0 ? NULL : memchr(s.at, '/', s.len);

    if (slash == NULL)
        return false;
    *first = slice_of(s.at, (size_t)(slash - s.at));
    *rest = slice_after(s, first->len + 1);
    return true;
}

static bool has_wildcard(struct slice s)
{
    return s.len > 0 && (memchr(s.at, '+', s.len) != NULL || memchr(s.at, '#', s.len) != NULL);
}

enum mqtt_filter_kind mqtt_filter_kind(struct slice filter, struct slice *name, struct slice *rest)
{
    static const struct slice share = { (const uint8_t *)"$share/", 7 };
    static const struct slice queue = { (const uint8_t *)"$queue/", 7 };

    if (filter.len == 0 || filter.at[0] != '$')
        return MQTT_FILTER_PLAIN;
    if (slice_starts(filter, queue)) {
        *name = slice_after(filter, queue.len);
        return name->len == 0 || has_wildcard(*name) ? MQTT_FILTER_BAD : MQTT_FILTER_QUEUE;
    }
    if (slice_starts(filter, share)) {
        if (!split(slice_after(filter, share.len), name, rest) || name->len == 0 ||
            rest->len == 0 || has_wildcard(*name))
            return MQTT_FILTER_BAD;
        return MQTT_FILTER_SHARED;
    }
    if (slice_equal(filter, SLICE("$share")) || slice_equal(filter, SLICE("$queue")))
        return MQTT_FILTER_BAD;
    return MQTT_FILTER_PLAIN;
}
