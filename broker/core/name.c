/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/name.h"

#include "broker/base/mem.h"
#include "broker/base/utf8.h"

/* What a byte is to a spelling. */
enum { TERMINAL = 1, MARKER = 2, SEPARATOR = 4 };

struct spelling {
    struct slice marker; /* what an escape begins with */
    struct slice link;   /* what a chain is made of */
    struct slice sign;   /* what stands before the two digits of a terminal */
    uint8_t separator;   /* between levels */
    bool has_separator;
    uint8_t class[256];
};

static const struct spelling mqtt = {
    .marker = { (const uint8_t *)"%", 1 },
    .link = { (const uint8_t *)"25", 2 },
    .sign = { (const uint8_t *)"", 0 },
    .separator = '/',
    .has_separator = true,
    .class = { ['%'] = MARKER,
               ['/'] = TERMINAL | SEPARATOR,
               ['+'] = TERMINAL,
               ['#'] = TERMINAL,
               [0] = TERMINAL },
};

static const struct spelling amqp = {
    .marker = { (const uint8_t *)"%", 1 },
    .link = { (const uint8_t *)"25", 2 },
    .sign = { (const uint8_t *)"", 0 },
    .separator = '.',
    .has_separator = true,
    .class = { ['%'] = MARKER, ['.'] = TERMINAL | SEPARATOR },
};

static const struct spelling kafka = {
    .marker = { (const uint8_t *)"_", 1 },
    .link = { (const uint8_t *)"x5F", 3 },
    .sign = { (const uint8_t *)"x", 1 },
    .has_separator = false,
    .class = { [0 ... ','] = TERMINAL,
               ['/'] = TERMINAL,
               [':' ... '@'] = TERMINAL,
               ['[' ... '^'] = TERMINAL,
               ['_'] = MARKER,
               ['`'] = TERMINAL,
               ['{' ... 255] = TERMINAL },
};

/* One level as it stands: nothing is escaped. */
static const struct spelling plain = { .has_separator = false };

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct escape {
    size_t len;   /* of the whole escape; 0 when there is none */
    size_t links; /* how many */
    uint8_t byte; /* the terminal it is about */
};

/* Whether `s` begins with marker, links, sign and two digits of a terminal. */
static struct escape escape_at(const struct spelling *sp, struct slice s)
{
    struct escape e = { 0 };
    int high, low;

    if (!slice_starts(s, sp->marker))
        return e;
    s = slice_after(s, sp->marker.len);
    e.len = sp->marker.len;
    while (slice_starts(s, sp->link)) {
        s = slice_after(s, sp->link.len);
        e.len += sp->link.len;
        e.links++;
    }
    if (!slice_starts(s, sp->sign) || s.len < sp->sign.len + 2)
        return (struct escape){ 0 };
    high = digit(s.at[sp->sign.len]);
    low = digit(s.at[sp->sign.len + 1]);
    if (high < 0 || low < 0)
        return (struct escape){ 0 };
    e.byte = (uint8_t)(high * 16 + low);
    if (!(sp->class[e.byte] & TERMINAL))
        return (struct escape){ 0 };
    e.len += sp->sign.len + 2;
    return e;
}

static void write_terminal(const struct spelling *sp, uint8_t byte, struct text *out)
{
    static const uint8_t digits[] = "0123456789ABCDEF";

    text_add(out, sp->marker);
    text_add(out, sp->sign);
    text_add_byte(out, digits[byte >> 4]);
    text_add_byte(out, digits[byte & 15]);
}

/* One level, from its spelling to its bytes. */
static void read_level(const struct spelling *sp, struct slice level, struct text *raw)
{
    while (level.len > 0) {
        struct escape e = { 0 };

        if (sp->class[level.at[0]] & MARKER)
            e = escape_at(sp, level);
        if (e.len == 0) {
            text_add_byte(raw, level.at[0]);
            level = slice_after(level, 1);
            continue;
        }
        if (e.links == 0) {
            text_add_byte(raw, e.byte);
        } else {
            size_t cut = sp->marker.len + sp->link.len;

            text_add(raw, sp->marker);
            text_add(raw, slice_of(level.at + cut, e.len - cut));
        }
        level = slice_after(level, e.len);
    }
}

/* One level, from its bytes to its spelling. */
static void write_level(const struct spelling *sp, struct slice raw, struct text *out)
{
    while (raw.len > 0) {
        struct escape e = { 0 };
        uint8_t byte = raw.at[0];

        if (sp->class[byte] & MARKER)
            e = escape_at(sp, raw);
        if (e.len > 0) {
            text_add(out, sp->marker);
            text_add(out, sp->link);
            text_add(out, slice_of(raw.at + sp->marker.len, e.len - sp->marker.len));
            raw = slice_after(raw, e.len);
            continue;
        }
        if (sp->class[byte] & TERMINAL)
            write_terminal(sp, byte, out);
        else
            text_add_byte(out, byte);
        raw = slice_after(raw, 1);
    }
}

static struct slice first_level(const struct spelling *sp, struct slice s)
{
    const uint8_t *at = NULL;

    if (sp->has_separator && s.len > 0)
        at = memchr(s.at, sp->separator, s.len);
    return at == NULL ? s : slice_of(s.at, (size_t)(at - s.at));
}

/* The general way: each level through its bytes. */
static void respell_levels(const struct spelling *from, const struct spelling *to, struct slice s,
                           struct text *out)
{
    struct text raw = { 0 };

    for (;;) {
        struct slice level = first_level(from, s);

        text_clear(&raw);
        read_level(from, level, &raw);
        write_level(to, text_slice(&raw), out);
        out->bad |= raw.bad;
        if (level.len == s.len)
            break;
        ASSERT(to->has_separator);
        text_add_byte(out, to->separator);
        s = slice_after(s, level.len + 1);
    }
    text_done(&raw);
}

/* What the bytes ask for on their way from one spelling to the other: separators that change,
 * terminals that must be written, markers that may begin an escape. */
static unsigned scan(const struct spelling *from, const struct spelling *to, struct slice s)
{
    unsigned in_from = 0, in_to = 0;

    for (size_t i = 0; i < s.len; i++) {
        in_from |= from->class[s.at[i]];
        in_to |= to->class[s.at[i]];
    }
    return (in_from & (SEPARATOR | MARKER)) | (in_to & (TERMINAL | MARKER));
}

/* Whether there is an escape anywhere. No escape reaches over the end of a level. */
static bool has_escape(const struct spelling *sp, struct slice s)
{
    for (; s.len > 0; s = slice_after(s, 1)) {
        if ((sp->class[s.at[0]] & MARKER) && escape_at(sp, s).len > 0)
            return true;
    }
    return false;
}

/* No escape anywhere: separators change, terminals are written, the rest is copied in runs. */
static void respell_bytes(const struct spelling *from, const struct spelling *to, struct slice s,
                          struct text *out)
{
    size_t start = 0;

    if (!text_reserve(out, s.len))
        return;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte = s.at[i];
        bool ends = from->has_separator && byte == from->separator;

        if (!ends && !(to->class[byte] & TERMINAL))
            continue;
        text_add(out, slice_of(s.at + start, i - start));
        if (ends)
            text_add_byte(out, to->separator);
        else
            write_terminal(to, byte, out);
        start = i + 1;
    }
    text_add(out, slice_of(s.at + start, s.len - start));
}

static enum rc respell(const struct spelling *from, const struct spelling *to, struct slice s,
                       struct text *scratch, struct slice *ret)
{
    unsigned seen = scan(from, to, s);

    bool escapes = (seen & MARKER) && (has_escape(from, s) || has_escape(to, s));

    if (!escapes && !(seen & (SEPARATOR | TERMINAL))) {
        *ret = s;
        return RC_OK;
    }
    text_clear(scratch);
    if (escapes)
        respell_levels(from, to, s, scratch);
    else
        respell_bytes(from, to, s, scratch);
    if (scratch->bad)
        return RC_MEMORY;
    *ret = text_slice(scratch);
    return RC_OK;
}

/* RabbitMQ's way: bytes are exchanged, whatever levels they were in. `escaped`: what may not stand
 * in the result even so. */
static enum rc swap(struct slice s, uint8_t from, uint8_t to, struct slice escaped,
                    struct text *scratch, struct slice *ret)
{
    bool changed = false;

    text_clear(scratch);
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte = s.at[i];

        if (escaped.len > 0 && memchr(escaped.at, byte, escaped.len) != NULL) {
            write_terminal(&mqtt, byte, scratch);
            changed = true;
            continue;
        }
        changed |= byte == from;
        text_add_byte(scratch, byte == from ? to : byte);
    }
    if (scratch->bad)
        return RC_MEMORY;
    *ret = changed ? text_slice(scratch) : s;
    return RC_OK;
}

struct slice name_stream(struct slice address)
{
    return first_level(&mqtt, address);
}

struct slice name_subject(struct slice address)
{
    struct slice stream = name_stream(address);

    return stream.len == address.len ? SLICE_NONE : slice_after(address, stream.len + 1);
}

enum rc name_join(struct slice stream, struct slice subject, struct text *scratch,
                  struct slice *ret)
{
    if (slice_is_none(subject)) {
        *ret = stream;
        return RC_OK;
    }
    text_clear(scratch);
    text_add(scratch, stream);
    text_add_byte(scratch, mqtt.separator);
    text_add(scratch, subject);
    if (scratch->bad)
        return RC_MEMORY;
    *ret = text_slice(scratch);
    return RC_OK;
}

size_t name_level_count(struct slice address)
{
    size_t count = address.len > 0;

    for (size_t i = 0; i < address.len; i++)
        count += address.at[i] == mqtt.separator;
    return count;
}

enum rc name_from_amqp_key(struct slice key, enum name_dots dots, struct text *scratch,
                           struct slice *ret)
{
    if (dots == NAME_DOTS_RABBITMQ)
        return swap(key, '.', '/', SLICE("+#\0"), scratch, ret);
    return respell(&amqp, &mqtt, key, scratch, ret);
}

enum rc name_to_amqp_key(struct slice address, enum name_dots dots, struct text *scratch,
                         struct slice *ret)
{
    if (dots == NAME_DOTS_RABBITMQ)
        return swap(address, '/', '.', SLICE_NONE, scratch, ret);
    return respell(&mqtt, &amqp, address, scratch, ret);
}

enum rc name_from_queue(struct slice queue, struct text *scratch, struct slice *ret)
{
    return respell(&plain, &mqtt, queue, scratch, ret);
}

enum rc name_to_queue(struct slice stream, struct text *scratch, struct slice *ret)
{
    if (name_stream(stream).len != stream.len)
        return RC_INVALID;
    return respell(&mqtt, &plain, stream, scratch, ret);
}

static bool is_kafka_name(struct slice topic)
{
    if (topic.len == 0 || topic.len > NAME_MAX_KAFKA_BYTES || slice_equal_str(topic, ".") ||
        slice_equal_str(topic, ".."))
        return false;
    for (size_t i = 0; i < topic.len; i++) {
        if (kafka.class[topic.at[i]] & TERMINAL)
            return false;
    }
    return true;
}

enum rc name_from_kafka_topic(struct slice topic, struct text *scratch, struct slice *ret)
{
    if (!is_kafka_name(topic))
        return RC_INVALID;
    return respell(&kafka, &mqtt, topic, scratch, ret);
}

enum rc name_to_kafka_topic(struct slice stream, struct text *scratch, struct slice *ret)
{
    struct slice topic = SLICE_NONE;
    enum rc rc;

    if (name_stream(stream).len != stream.len)
        return RC_INVALID;
    rc = respell(&mqtt, &kafka, stream, scratch, &topic);
    if (rc != RC_OK)
        return rc;
    if (!is_kafka_name(topic))
        return RC_INVALID;
    *ret = topic;
    return RC_OK;
}

enum rc name_check(struct slice address)
{
    if (address.len > NAME_MAX_BYTES)
        return RC_TOO_LARGE;
    for (size_t i = 0; i < address.len; i++) {
        if ((mqtt.class[address.at[i]] & (TERMINAL | SEPARATOR)) == TERMINAL)
            return address.at[i] == 0 ? RC_MALFORMED : RC_INVALID;
    }
    return name_level_count(address) > NAME_MAX_LEVELS ? RC_LIMIT : RC_OK;
}

enum rc name_check_mqtt_topic(struct slice topic)
{
    if (topic.len == 0)
        return RC_MALFORMED;
    if (topic.len > NAME_MAX_BYTES)
        return RC_TOO_LARGE;
    if (!utf8_is_valid(topic))
        return RC_MALFORMED;
    return name_check(topic);
}

bool name_key_is_subject(struct slice stream, struct slice key)
{
    if (slice_is_none(key))
        return true;
    if (stream.len + 1 + key.len > NAME_MAX_BYTES || !utf8_is_valid(key))
        return false;
    /* The empty key is a subject too: one empty level. */
    return name_check(key) == RC_OK && name_level_count(key) < NAME_MAX_LEVELS;
}

/* ---- names that the broker keeps for itself ---- */

/* A bridge of another broker, which is a client to us, tells there whether it is connected. */
static bool is_state_of_bridge(struct slice address)
{
    static const char before[] = "$SYS/broker/connection/", after[] = "/state";
    size_t name_at = sizeof(before) - 1, after_len = sizeof(after) - 1;
    size_t name_len;

    if (address.len <= name_at + after_len || !slice_starts(address, slice_str(before)))
        return false;
    name_len = address.len - name_at - after_len;
    return memcmp(address.at + name_at + name_len, after, after_len) == 0 &&
           memchr(address.at + name_at, '/', name_len) == NULL;
}

bool name_is_kept(struct slice address)
{
    static const struct slice kept[] = {
        { (const uint8_t *)"$SYS", 4 },     { (const uint8_t *)"$share", 6 },
        { (const uint8_t *)"$queue", 6 },   { (const uint8_t *)"$stream", 7 },
        { (const uint8_t *)"$CONTROL", 8 }, { (const uint8_t *)"$delayed", 8 },
    };

    if (address.len == 0 || address.at[0] != '$')
        return false;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (slice_starts(address, kept[i]) &&
            (address.len == kept[i].len || address.at[kept[i].len] == '/'))
            return !is_state_of_bridge(address);
    }
    return false;
}
