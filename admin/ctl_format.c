/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl_format.h"

#include "broker/base/utf8.h"

static void add_headers(struct text *out, const struct ctl_message *message)
{
    for (unsigned i = 0; i < message->header_count; i++) {
        if (i > 0)
            text_add_byte(out, ',');
        text_add(out, message->headers[i].name);
        text_add_byte(out, '=');
        text_add(out, message->headers[i].value);
    }
}

static void add_number(struct text *out, int64_t number)
{
    if (number >= 0)
        text_format(out, "%lld", (long long)number);
}

/* What %LETTER stands for; false when it stands for nothing. */
static bool add_field(struct text *out, char letter, const struct ctl_message *message)
{
    switch (letter) {
    case 't':
        text_add(out, message->topic);
        return true;
    case 'k':
        text_add(out, message->key);
        return true;
    case 'v':
        text_add(out, message->value);
        return true;
    case 'h':
        add_headers(out, message);
        return true;
    case 'T':
        add_number(out, message->time_ms);
        return true;
    case 'p':
        add_number(out, message->partition);
        return true;
    case 'o':
        add_number(out, message->offset);
        return true;
    case 'q':
        add_number(out, message->qos);
        return true;
    case 'r':
        text_add_byte(out, message->is_retained ? '1' : '0');
        return true;
    case '%':
        text_add_byte(out, '%');
        return true;
    default:
        return false;
    }
}

static void add_json_text(struct text *out, struct slice s)
{
    text_add_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '"' || s.at[i] == '\\')
            text_add_byte(out, '\\');
        if (s.at[i] < 0x20)
            text_format(out, "\\u%04x", (unsigned)s.at[i]);
        else
            text_add_byte(out, s.at[i]);
    }
    text_add_byte(out, '"');
}

/* Text as text; null as null; bytes that are no text as {"hex":"..."}. */
static void add_json(struct text *out, const char *name, struct slice s)
{
    if (name != NULL)
        text_format(out, ",\"%s\":", name);
    if (slice_is_none(s)) {
        text_add(out, SLICE("null"));
        return;
    }
    if (utf8_is_valid(s)) {
        add_json_text(out, s);
        return;
    }
    text_add(out, SLICE("{\"hex\":\""));
    for (size_t i = 0; i < s.len; i++)
        text_format(out, "%02x", (unsigned)s.at[i]);
    text_add(out, SLICE("\"}"));
}

static void add_json_number(struct text *out, const char *name, int64_t number)
{
    if (number >= 0)
        text_format(out, ",\"%s\":%lld", name, (long long)number);
}

static void format_json(struct text *out, const struct ctl_message *message)
{
    text_format(out, "{\"retained\":%s", message->is_retained ? "true" : "false");
    add_json(out, "topic", message->topic);
    add_json(out, "key", message->key);
    add_json(out, "value", message->value);
    add_json_number(out, "time_ms", message->time_ms);
    add_json_number(out, "partition", message->partition);
    add_json_number(out, "offset", message->offset);
    add_json_number(out, "qos", message->qos);
    text_add(out, SLICE(",\"headers\":["));
    for (unsigned i = 0; i < message->header_count; i++) {
        text_add(out, i > 0 ? SLICE(",[") : SLICE("["));
        add_json(out, NULL, message->headers[i].name);
        text_add_byte(out, ',');
        add_json(out, NULL, message->headers[i].value);
        text_add_byte(out, ']');
    }
    text_add(out, SLICE("]}\n"));
}

void ctl_format(struct text *out, const char *format, const struct ctl_message *message)
{
    if (strcmp(format, "json") == 0) {
        format_json(out, message);
        return;
    }
    for (const char *at = format; *at != '\0'; at++) {
        if (*at == '%' && at[1] != '\0' && add_field(out, at[1], message)) {
            at++;
        } else if (*at == '\\' && (at[1] == 'n' || at[1] == 't' || at[1] == '\\')) {
            at++;
            text_add_byte(out, *at == 'n' ? '\n' : *at == 't' ? '\t' : '\\');
        } else {
            text_add_byte(out, (uint8_t)*at);
        }
    }
}
