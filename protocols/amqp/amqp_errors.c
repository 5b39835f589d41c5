/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/amqp/amqp_errors.h"

#include <stddef.h>

#include "broker/base/mem.h"

static const struct reply_row {
    enum amqp_reply reply;
    bool is_hard;
    const char *name;
} replies[] = {
#define X(NAME, code, hard) { AMQP_REPLY_##NAME, hard, #NAME },
    AMQP_REPLIES(X)
#undef X
};

static const struct reply_row *reply_row(enum amqp_reply reply)
{
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        if (replies[i].reply == reply)
            return &replies[i];
    }
    return NULL;
}

const char *amqp_reply_name(enum amqp_reply reply)
{
    const struct reply_row *row = reply_row(reply);

    return row == NULL ? NULL : row->name;
}

bool amqp_reply_is_hard(enum amqp_reply reply)
{
    const struct reply_row *row = reply_row(reply);

    ASSERT(row != NULL);
    return row->is_hard;
}

static const struct amqp_error errors[RC_COUNT] = {
    [RC_OK] = { AMQP_REPLY_NONE, "ok" },
    [RC_AGAIN] = { AMQP_REPLY_RESOURCE_ERROR, "not now" },
    [RC_NOT_FOUND] = { AMQP_REPLY_NOT_FOUND, "there is no such thing" },
    [RC_EXISTS] = { AMQP_REPLY_PRECONDITION_FAILED, "it exists" },
    [RC_LIMIT] = { AMQP_REPLY_PRECONDITION_FAILED, "a limit is reached" },
    [RC_TOO_LARGE] = { AMQP_REPLY_PRECONDITION_FAILED, "it is too large" },
    [RC_MALFORMED] = { AMQP_REPLY_FRAME_ERROR, "malformed" },
    [RC_PROTOCOL] = { AMQP_REPLY_COMMAND_INVALID, "not allowed now" },
    [RC_INVALID] = { AMQP_REPLY_PRECONDITION_FAILED,
                     "an argument has a value that is not allowed" },
    [RC_MISMATCH] = { AMQP_REPLY_PRECONDITION_FAILED, "it exists with other properties" },
    [RC_IN_USE] = { AMQP_REPLY_PRECONDITION_FAILED, "in use" },
    [RC_LOCKED] = { AMQP_REPLY_RESOURCE_LOCKED, "it belongs to another connection" },
    [RC_REFUSED] = { AMQP_REPLY_ACCESS_REFUSED, "access refused" },
    [RC_AUTH] = { AMQP_REPLY_ACCESS_REFUSED, "login refused" },
    [RC_BANNED] = { AMQP_REPLY_ACCESS_REFUSED, "too many logins failed" },
    [RC_UNSUPPORTED] = { AMQP_REPLY_NOT_IMPLEMENTED, "not offered here" },
    [RC_NO_ROUTE] = { AMQP_REPLY_NO_ROUTE, "no route" },
    [RC_RANGE] = { AMQP_REPLY_PRECONDITION_FAILED, "outside what the log holds" },
    [RC_FENCED] = { AMQP_REPLY_PRECONDITION_FAILED, "a newer owner exists" },
    [RC_SEQUENCE] = { AMQP_REPLY_PRECONDITION_FAILED, "out of order" },
    [RC_DUPLICATE] = { AMQP_REPLY_PRECONDITION_FAILED, "stored before" },
    [RC_CORRUPT] = { AMQP_REPLY_INTERNAL_ERROR, "the store is damaged" },
    [RC_VERSION] = { AMQP_REPLY_INTERNAL_ERROR, "the store is of another version" },
    [RC_FULL] = { AMQP_REPLY_RESOURCE_ERROR, "the store is full" },
    [RC_IO] = { AMQP_REPLY_RESOURCE_ERROR, "the store fails" },
    [RC_MEMORY] = { AMQP_REPLY_RESOURCE_ERROR, "out of memory" },
    [RC_CLOSED] = { AMQP_REPLY_CONNECTION_FORCED, "closing" },
    [RC_TIMEOUT] = { AMQP_REPLY_CONNECTION_FORCED, "timed out" },
    [RC_SYSTEM] = { AMQP_REPLY_INTERNAL_ERROR, "the system refused" },
};

const struct amqp_error *amqp_error_of(enum rc rc)
{
    ASSERT(rc < RC_COUNT && errors[rc].text != NULL);
    return &errors[rc];
}

struct slice amqp_reply_text(struct text *text)
{
    struct slice s = text_slice(text);

    if (s.len <= AMQP_REPLY_TEXT_MAX)
        return s;
    s.len = AMQP_REPLY_TEXT_MAX;
    while (s.len > 0 && (s.at[s.len] & 0xc0) == 0x80)
        s.len--;
    return s;
}

static bool is_printable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < ' ' || s.at[i] > '~')
            return false;
    }
    return s.len > 0;
}

void amqp_add_octets(struct text *text, struct slice octets)
{
    if (octets.len > AMQP_REPLY_TEXT_MAX) /* more than this is cut off anyway */
        octets.len = AMQP_REPLY_TEXT_MAX;
    text_add(text, SLICE("<<"));
    if (is_printable(octets)) {
        text_add_byte(text, '"');
        text_add(text, octets);
        text_add_byte(text, '"');
    } else {
        for (size_t i = 0; i < octets.len; i++)
            text_format(text, i == 0 ? "%u" : ",%u", octets.at[i]);
    }
    text_add(text, SLICE(">>"));
}
