/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/net/upgrade.h"

#include <openssl/evp.h>
#include <strings.h>

#include "broker/base/mem.h"
#include "broker/net/http.h"

/* RFC 6455 1.3 */
#define KEY_SUFFIX "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_BYTES  16
#define KEY_CHARS  24 /* of base64, with two '=' behind */
#define SHA1_BYTES 20
#define SHA1_CHARS 28

/* ---- the key ---- */

static bool is_key(struct slice key)
{
    uint8_t decoded[KEY_CHARS];

    /* 16 bytes are 22 digits, of which the last has four bits that stay zero */
    return key.len == KEY_CHARS && key.at[KEY_CHARS - 3] != '=' && key.at[KEY_CHARS - 2] == '=' &&
           key.at[KEY_CHARS - 1] == '=' &&
           EVP_DecodeBlock(decoded, key.at, KEY_CHARS) == KEY_BYTES + 2;
}

static bool accept_of(struct slice key, char ret[SHA1_CHARS + 1])
{
    uint8_t joined[KEY_CHARS + sizeof(KEY_SUFFIX) - 1];
    uint8_t digest[SHA1_BYTES];
    unsigned len = sizeof(digest);

    memcpy(joined, key.at, KEY_CHARS);
    memcpy(joined + KEY_CHARS, KEY_SUFFIX, sizeof(KEY_SUFFIX) - 1);
    if (EVP_Digest(joined, sizeof(joined), digest, &len, EVP_sha1(), NULL) != 1)
        return false;
    return EVP_EncodeBlock((unsigned char *)ret, digest, SHA1_BYTES) == SHA1_CHARS;
}

/* ---- the origin ---- */

static bool is_same(struct slice a, struct slice b)
{
    return a.len == b.len &&
           (a.len == 0 || strncasecmp((const char *)a.at, (const char *)b.at, a.len) == 0);
}

/* "host", "host:80" or "[::1]:80": without the port. */
static struct slice without_port(struct slice s)
{
    const uint8_t *end;

    if (s.len == 0)
        return s;
    end = s.at[0] == '[' ? memchr(s.at, ']', s.len) : memchr(s.at, ':', s.len);
    if (end != NULL)
        s.len = (size_t)(end - s.at) + (s.at[0] == '[' ? 1 : 0);
    return s;
}

/* Of "https://host:80". Empty when it is "null" or no origin. */
static struct slice host_of(struct slice origin)
{
    for (size_t i = 0; i + 3 <= origin.len; i++) {
        if (memcmp(origin.at + i, "://", 3) == 0)
            return without_port(slice_after(origin, i + 3));
    }
    return SLICE("");
}

static bool is_this_machine(struct slice host)
{
    return is_same(host, SLICE("localhost")) || is_same(host, SLICE("127.0.0.1")) ||
           is_same(host, SLICE("[::1]"));
}

static bool is_listed(const char *list, struct slice origin)
{
    struct slice rest = slice_str(list), one;

    while (slice_next_listed(&rest, &one)) {
        if (slice_equal_str(one, "*") ||
            (one.len > 0 && (is_same(one, origin) || is_same(one, host_of(origin)))))
            return true;
    }
    return false;
}

bool upgrade_origin_is_allowed(struct slice origin, struct slice host,
                               const struct upgrade_rules *rules)
{
    struct slice from = host_of(origin);

    if (rules->origins != NULL)
        return is_listed(rules->origins, origin);
    if (is_this_machine(from))
        return true;
    return !rules->is_local && from.len > 0 && is_same(from, without_port(host));
}

/* ---- the request ---- */

/* What one looks at, in this order. */
struct refusal {
    unsigned status;
    const char *why;  /* for the log */
    const char *more; /* header lines */
    const char *text;
};

#define VERSION_LINE "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE_LINE "Upgrade: websocket\r\n"
/* RFC 6455 4.1: letters may be large or small; there are clients that compare them. */
#define UPGRADE_LINE_AS_MOSQUITTO "Upgrade: WebSocket\r\n"

static const struct refusal not_http = { 400, "http", NULL, "This is no HTTP request." };
static const struct refusal too_large = { 431, "head", NULL, "These headers are too long." };
static const struct refusal method = { 405, "method", NULL, "A WebSocket is asked for with GET." };
static const struct refusal path = { 404, "path", NULL, "There is no WebSocket at this path." };
static const struct refusal no_upgrade = { 426, "upgrade", UPGRADE_LINE VERSION_LINE,
                                           "Only WebSocket is spoken here." };
static const struct refusal version = { 426, "version", UPGRADE_LINE VERSION_LINE,
                                        "Only version 13 of WebSocket is spoken here." };
static const struct refusal bad_key = { 400, "key", NULL,
                                        "Sec-WebSocket-Key must be 16 bytes in base64." };
static const struct refusal bytes_behind = { 400, "body", NULL,
                                             "Nothing may follow the request before its answer." };
static const struct refusal bad_name = { 400, "sub-protocol", NULL,
                                         "None of the sub-protocols asked for is spoken here." };
static const struct refusal bad_origin = {
    403, "origin", NULL,
    "Pages of this origin may not connect; the option websocket_origins says which may."
};

static const char *name_for(const struct http_request *r, const struct upgrade_rules *rules)
{
    for (unsigned i = 0; rules->names != NULL && rules->names[i] != NULL; i++) {
        if (http_lists(r, "sec-websocket-protocol", rules->names[i]))
            return rules->names[i];
    }
    return NULL;
}

static bool is_path(struct slice asked, const struct upgrade_rules *rules)
{
    struct slice rest = slice_str(rules->paths), one;

    if (rules->paths == NULL)
        return slice_equal_str(asked, "/ws") ||
               (asked.len > 1 && slice_equal_str(slice_after(asked, 1), rules->path));
    while (slice_next_listed(&rest, &one)) {
        if (slice_equal_str(one, "*") || slice_equal(one, asked))
            return true;
    }
    return false;
}

/* NULL: nothing is wrong. */
static const struct refusal *refusal_of(const struct http_request *r, size_t len,
                                        const struct upgrade_rules *rules)
{
    struct slice origin = http_header(r, "origin");

    if (r->method != HTTP_GET)
        return &method;
    if (!is_path(r->path, rules))
        return &path;
    if (!r->is_kept || !http_lists(r, "upgrade", "websocket") ||
        !http_lists(r, "connection", "upgrade"))
        return &no_upgrade;
    if (!slice_equal_str(http_header(r, "sec-websocket-version"), "13"))
        return &version;
    if (!is_key(http_header(r, "sec-websocket-key")))
        return &bad_key;
    if (r->body_bytes > 0 || len > r->head_bytes || r->is_asking_first)
        return &bytes_behind;
    if (!slice_is_none(origin) && !upgrade_origin_is_allowed(origin, http_header(r, "host"), rules))
        return &bad_origin;
    if (name_for(r, rules) == NULL &&
        (rules->needs_name || !slice_is_none(http_header(r, "sec-websocket-protocol"))))
        return &bad_name;
    return NULL;
}

static enum rc refuse(const struct refusal *refusal, struct text *answer, const char **ret_why)
{
    struct http_answer head = { .status = refusal->status,
                                .type = "text/plain; charset=utf-8",
                                .body_bytes = strlen(refusal->text) + 1,
                                .allow = refusal->status == 405 ? "GET" : NULL,
                                .more = refusal->more };

    http_encode(answer, &head);
    text_add(answer, slice_str(refusal->text));
    text_add_byte(answer, '\n');
    *ret_why = refusal->why;
    return answer->bad ? RC_MEMORY : RC_REFUSED;
}

enum rc upgrade_answer(struct slice in, const struct upgrade_rules *rules, struct text *answer,
                       const char **ret_why)
{
    struct http_request request;
    const struct refusal *refusal;
    const char *name;
    char accept[SHA1_CHARS + 1];
    enum rc rc = http_decode(in, &request);

    if (rc == RC_AGAIN)
        return RC_AGAIN;
    if (rc != RC_OK)
        return refuse(rc == RC_TOO_LARGE ? &too_large : &not_http, answer, ret_why);
    refusal = refusal_of(&request, in.len, rules);
    if (refusal == &bad_origin && rules->is_as_mosquitto) {
        *ret_why = refusal->why;
        return RC_REFUSED;
    }
    if (refusal != NULL)
        return refuse(refusal, answer, ret_why);
    if (!accept_of(http_header(&request, "sec-websocket-key"), accept))
        return RC_MEMORY;
    text_format(answer,
                "HTTP/1.1 101 Switching Protocols\r\n%s"
                "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
                rules->is_as_mosquitto ? UPGRADE_LINE_AS_MOSQUITTO : UPGRADE_LINE, accept);
    name = name_for(&request, rules);
    if (name != NULL)
        text_format(answer, "Sec-WebSocket-Protocol: %s\r\n", name);
    text_add(answer, SLICE("\r\n"));
    return answer->bad ? RC_MEMORY : RC_OK;
}
