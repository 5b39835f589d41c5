/* SPDX-License-Identifier: Apache-2.0 */
/* Reply codes of AMQP 0-9-1, what each return code of ours becomes, and the words of reply texts.
 * Pure. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_ERRORS_H
#define TERCET_PROTOCOLS_AMQP_AMQP_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/base/text.h"

/* X(NAME, code, is_hard): a hard error ends the connection, a soft one the channel. */
#define AMQP_REPLIES(X)                \
    X(CONTENT_TOO_LARGE, 311, false)   \
    X(NO_ROUTE, 312, false)            \
    X(NO_CONSUMERS, 313, false)        \
    X(CONNECTION_FORCED, 320, true)    \
    X(INVALID_PATH, 402, true)         \
    X(ACCESS_REFUSED, 403, false)      \
    X(NOT_FOUND, 404, false)           \
    X(RESOURCE_LOCKED, 405, false)     \
    X(PRECONDITION_FAILED, 406, false) \
    X(FRAME_ERROR, 501, true)          \
    X(SYNTAX_ERROR, 502, true)         \
    X(COMMAND_INVALID, 503, true)      \
    X(CHANNEL_ERROR, 504, true)        \
    X(UNEXPECTED_FRAME, 505, true)     \
    X(RESOURCE_ERROR, 506, true)       \
    X(NOT_ALLOWED, 530, true)          \
    X(NOT_IMPLEMENTED, 540, true)      \
    X(INTERNAL_ERROR, 541, true)

enum amqp_reply {
    AMQP_REPLY_NONE = 0,
#define X(NAME, code, is_hard) AMQP_REPLY_##NAME = code,
    AMQP_REPLIES(X)
#undef X
};

/* "NOT_FOUND"; NULL for a number that is no reply code of ours. */
const char *amqp_reply_name(enum amqp_reply reply);
bool amqp_reply_is_hard(enum amqp_reply reply);

struct amqp_error {
    enum amqp_reply reply;
    const char *text;
};
/* What an rc is told as when the handler has nothing better to say. RC_OK has no reply. */
const struct amqp_error *amqp_error_of(enum rc rc);

/* The longest reply text: it travels as a short string. */
#define AMQP_REPLY_TEXT_MAX 255
/* "NAME - " and what text holds, cut to what fits at the border of a character. */
struct slice amqp_reply_text(struct text *text);
/* Octets as RabbitMQ's texts show them: <<"abc">> when all are printable, else <<1,2,3>>. */
void amqp_add_octets(struct text *text, struct slice octets);

#endif
