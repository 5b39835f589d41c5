/* SPDX-License-Identifier: Apache-2.0 */
/* Version 1: "PROXY TCP4 source destination port port\r\n". Version 2:
 *
 *    0  12  signature
 *   12   1  version (2) and command (0 LOCAL, 1 PROXY)
 *   13   1  family and transport
 *   14   2  length of what follows
 *   16   n  addresses: 12 bytes for IPv4, 36 for IPv6, 216 for Unix sockets
 *   16+n    fields: type 1, length 2, value
 */
#include "broker/net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "broker/base/number.h"
#include "broker/base/wire.h"

#define SIGNATURE      "\r\n\r\n\0\r\nQUIT\n"
#define V2_HEAD_BYTES  16
#define UNIX_BYTES     108
#define FIELD_SSL      0x20
#define FIELD_SSL_NAME 0x22
#define SSL_IS_TLS     0x01
#define SSL_CERTIFIED  0x06 /* a certificate was shown on this connection, or in its session */

/* ---- version 1 ---- */

static bool next_word(struct slice *rest, struct slice *ret)
{
    const uint8_t *space = rest->len == 0 ? NULL : memchr(rest->at, ' ', rest->len);

    if (slice_is_none(*rest))
        return false;
    *ret = *rest;
    if (space != NULL)
        ret->len = (size_t)(space - rest->at);
    *rest = space == NULL ? SLICE_NONE : slice_after(*rest, ret->len + 1);
    return ret->len > 0;
}

static bool read_address(int family, struct slice word, struct sockaddr_storage *to)
{
    struct sockaddr_in *in = (struct sockaddr_in *)to;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
    char text[INET6_ADDRSTRLEN];

    if (word.len >= sizeof(text))
        return false;
    memcpy(text, word.at, word.len);
    text[word.len] = '\0';
    to->ss_family = (sa_family_t)family;
    return inet_pton(family, text,
                     family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr) == 1;
}

static bool read_port(struct slice word, struct sockaddr_storage *to)
{
    uint64_t port;

    if ((word.len > 1 && word.at[0] == '0') || number_u64(word, 0, UINT16_MAX, &port) != RC_OK)
        return false;
    if (to->ss_family == AF_INET)
        ((struct sockaddr_in *)to)->sin_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in6 *)to)->sin6_port = htons((uint16_t)port);
    return true;
}

static enum rc read_v1_line(struct slice line, struct proxy_head *ret)
{
    struct slice rest = slice_after(line, strlen("PROXY "));
    struct slice family, from, to, from_port, to_port;
    int af;

    if (!next_word(&rest, &family))
        return RC_MALFORMED;
    ret->source = PROXY_UNKNOWN;
    if (slice_equal_str(family, "UNKNOWN"))
        return RC_OK; /* what follows is to be ignored */
    if (!slice_equal_str(family, "TCP4") && !slice_equal_str(family, "TCP6"))
        return RC_MALFORMED;
    af = family.at[3] == '4' ? AF_INET : AF_INET6;
    if (!next_word(&rest, &from) || !next_word(&rest, &to) || !next_word(&rest, &from_port) ||
        !next_word(&rest, &to_port) || !slice_is_none(rest))
        return RC_MALFORMED;
    if (!read_address(af, from, &ret->from) || !read_address(af, to, &ret->to) ||
        !read_port(from_port, &ret->from) || !read_port(to_port, &ret->to))
        return RC_MALFORMED;
    ret->source = PROXY_ADDRESS;
    return RC_OK;
}

static enum rc read_v1(struct slice in, struct proxy_head *ret)
{
    size_t len = in.len < PROXY_V1_MAX_BYTES ? in.len : PROXY_V1_MAX_BYTES;
    const uint8_t *end = memchr(in.at, '\n', len);
    size_t line;

    if (end == NULL)
        return len == PROXY_V1_MAX_BYTES ? RC_MALFORMED : RC_AGAIN;
    line = (size_t)(end - in.at);
    if (in.at[line - 1] != '\r')
        return RC_MALFORMED;
    ret->bytes = line + 1;
    return read_v1_line(slice_of(in.at, line - 1), ret);
}

/* ---- version 2 ---- */

static void read_in(struct rd *r, struct proxy_head *ret)
{
    struct sockaddr_in *from = (struct sockaddr_in *)&ret->from;
    struct sockaddr_in *to = (struct sockaddr_in *)&ret->to;

    from->sin_family = to->sin_family = AF_INET;
    from->sin_addr.s_addr = htonl(rd_u32(r));
    to->sin_addr.s_addr = htonl(rd_u32(r));
    from->sin_port = htons(rd_u16(r));
    to->sin_port = htons(rd_u16(r));
}

static void read_in6_address(struct rd *r, struct sockaddr_in6 *to)
{
    const uint8_t *at = rd_take(r, sizeof(to->sin6_addr));

    to->sin6_family = AF_INET6;
    if (at != NULL)
        memcpy(&to->sin6_addr, at, sizeof(to->sin6_addr));
}

static void read_in6(struct rd *r, struct proxy_head *ret)
{
    struct sockaddr_in6 *from = (struct sockaddr_in6 *)&ret->from;
    struct sockaddr_in6 *to = (struct sockaddr_in6 *)&ret->to;

    read_in6_address(r, from);
    read_in6_address(r, to);
    from->sin6_port = htons(rd_u16(r));
    to->sin6_port = htons(rd_u16(r));
}

/* Paths of another machine's, or another name space's, files tell us nothing. */
static void read_unix(struct rd *r, struct proxy_head *ret)
{
    (void)rd_take(r, (size_t)2 * UNIX_BYTES);
    ret->from.ss_family = ret->to.ss_family = AF_UNIX;
}

static enum rc read_source(uint8_t command, uint8_t family, struct rd *r, struct proxy_head *ret)
{
    if (command == 0) {
        ret->source = PROXY_LOCAL;
        return RC_OK; /* the family counts for nothing, and no field is of use */
    }
    ret->source = PROXY_ADDRESS;
    switch (family) {
    case 0x00:
        ret->source = PROXY_UNKNOWN;
        break;
    case 0x11:
        read_in(r, ret);
        break;
    case 0x21:
        read_in6(r, ret);
        break;
    case 0x31:
        read_unix(r, ret);
        break;
    default: /* datagrams, and what nobody has defined */
        return RC_MALFORMED;
    }
    return r->bad ? RC_MALFORMED : RC_OK;
}

/* A name counts when the proxy has checked its certificate. */
static void read_tls(struct rd *r, struct proxy_head *ret)
{
    uint8_t client = rd_u8(r);
    uint32_t unverified = rd_u32(r);
    struct slice name = SLICE_NONE;

    ret->is_tls = !r->bad && (client & SSL_IS_TLS) != 0;
    ret->is_certified = !r->bad && (client & SSL_CERTIFIED) != 0 && unverified == 0;
    while (!r->bad && r->left > 0) {
        uint8_t type = rd_u8(r);
        struct slice value = rd_bytes(r, rd_u16(r));

        if (!r->bad && type == FIELD_SSL_NAME)
            name = value;
    }
    if (!r->bad && (client & SSL_CERTIFIED) != 0 && unverified == 0 && name.len > 0 &&
        name.len <= PROXY_NAME_MAX_BYTES && memchr(name.at, '\0', name.len) == NULL)
        ret->name = name;
}

static enum rc read_fields(struct rd *r, struct proxy_head *ret)
{
    while (r->left > 0 && !r->bad) {
        uint8_t type = rd_u8(r);
        struct rd value = rd_fence(r, rd_u16(r));

        if (type != FIELD_SSL || r->bad)
            continue;
        read_tls(&value, ret);
        if (value.bad)
            return RC_MALFORMED;
    }
    return r->bad ? RC_MALFORMED : RC_OK;
}

static enum rc read_v2(struct slice in, struct proxy_head *ret)
{
    struct rd r = rd_of(slice_after(in, sizeof(SIGNATURE) - 1));
    uint8_t version = rd_u8(&r);
    uint8_t family = rd_u8(&r);
    uint16_t len = rd_u16(&r);
    struct rd rest;
    enum rc rc;

    if (in.len > 12 && (version >> 4 != 2 || (version & 0x0f) > 1))
        return RC_MALFORMED;
    if (r.bad)
        return RC_AGAIN;
    ret->bytes = (size_t)V2_HEAD_BYTES + len;
    if (ret->bytes > PROXY_HEAD_MAX_BYTES)
        return RC_TOO_LARGE;
    if (r.left < len)
        return RC_AGAIN;
    rest = rd_fence(&r, len);
    rc = read_source(version & 0x0f, family, &rest, ret);
    return rc != RC_OK || ret->source == PROXY_LOCAL ? rc : read_fields(&rest, ret);
}

enum rc proxy_decode(struct slice in, struct proxy_head *ret)
{
    static const struct slice v1 = SLICE("PROXY ");
    static const struct slice v2 = SLICE(SIGNATURE);
    struct proxy_head head = { 0 };
    enum rc rc;

    if (slice_starts(in, v2))
        rc = read_v2(in, &head);
    else if (slice_starts(in, v1))
        rc = read_v1(in, &head);
    else
        return slice_starts(v1, in) || slice_starts(v2, in) ? RC_AGAIN : RC_MALFORMED;
    if (rc == RC_OK)
        *ret = head;
    return rc;
}
