/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 as a server needs it: bytes to requests, answers to bytes. Pure: sockets, time and
 * limits on them are those of conn.h. What RFC 9112 leaves to taste is refused: bare line feeds,
 * folded header lines, transfer codings, a second length. */
#ifndef TERCET_BROKER_NET_HTTP_H
#define TERCET_BROKER_NET_HTTP_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/text.h"

/* Request line and header lines; what a browser with its cookies sends fits. */
#define HTTP_HEAD_MAX_BYTES ((size_t)16 << 10)
#define HTTP_HEADERS_MAX    100

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER };

/* All slices are borrowed from the bytes that were decoded. */
struct http_request {
    enum http_method method;
    struct slice method_text;
    struct slice path;    /* from the first '/', still percent-encoded */
    struct slice query;   /* what follows '?'; none when there is no '?' */
    struct slice headers; /* whole lines, each with its CR LF */
    size_t head_bytes;    /* where the body begins */
    uint64_t body_bytes;
    bool is_kept;         /* the connection stays open after the answer */
    bool is_asking_first; /* Expect: 100-continue */
};

/* RC_AGAIN: the head is not whole yet. RC_MALFORMED: no request (400). RC_TOO_LARGE: its head is
 * over the limit (431). RC_UNSUPPORTED: a transfer coding or expectation (501). RC_VERSION: neither
 * HTTP/1.0 nor 1.1 (505). */
MUST_CHECK enum rc http_decode(struct slice in, struct http_request *ret);
/* The value of the first header with that name in any case, without blanks around it; none. */
struct slice http_header(const struct http_request *request, const char *name);
/* One of the headers with that name lists this word, in any case, between commas. */
bool http_lists(const struct http_request *request, const char *name, const char *word);
/* The decoded value of a field of the query; `ret` is cleared first. RC_NOT_FOUND. RC_MALFORMED: a
 * '%' without two digits. */
MUST_CHECK enum rc http_query(const struct http_request *request, const char *name,
                              struct text *ret);

struct http_answer {
    unsigned status;
    const char *type; /* Content-Type; NULL: there is no body */
    uint64_t body_bytes;
    const char *allow; /* the methods, with 405 */
    const char *more;  /* further whole lines, or NULL */
    bool is_kept;
};
/* Appends status line and headers. The body follows. */
void http_encode(struct text *to, const struct http_answer *answer);
/* "OK"; "Unknown" for a status we never send. */
const char *http_status_text(unsigned status);

#endif
