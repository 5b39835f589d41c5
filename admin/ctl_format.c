/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl_format.h"

#include "admin/jot.h"

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

static void add_json_number(struct text *out, const char *name, int64_t number)
{
    if (number >= 0)
        jot_number(out, name, number);
}

static void format_json(struct text *out, const struct ctl_message *message)
{
    jot_open(out, NULL, '{');
    jot_switch(out, "retained", message->is_retained);
    jot_bytes(out, "topic", message->topic);
    jot_bytes(out, "key", message->key);
    jot_bytes(out, "value", message->value);
    add_json_number(out, "time_ms", message->time_ms);
    add_json_number(out, "partition", message->partition);
    add_json_number(out, "offset", message->offset);
    add_json_number(out, "qos", message->qos);
    jot_open(out, "headers", '[');
    for (unsigned i = 0; i < message->header_count; i++) {
        jot_open(out, NULL, '[');
        jot_bytes(out, NULL, message->headers[i].name);
        jot_bytes(out, NULL, message->headers[i].value);
        jot_close(out, ']');
    }
    jot_close(out, ']');
    jot_close(out, '}');
    text_add_byte(out, '\n');
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
