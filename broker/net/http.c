/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/net/http.h"

#include <strings.h>

#include "broker/base/number.h"

/* ---- lines ---- */

/* The line that begins at `at`, without its CR LF. RC_AGAIN: it has no end yet. */
static enum rc next_line(struct slice *rest, struct slice *ret)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->at, '\n', rest->len);
    size_t len;

    if (end == NULL)
        return RC_AGAIN;
    len = (size_t)(end - rest->at);
    if (len == 0 || rest->at[len - 1] != '\r')
        return RC_MALFORMED;
    *ret = slice_of(rest->at, len - 1);
    *rest = slice_after(*rest, len + 1);
    return RC_OK;
}

/* RFC 9110 5.6.2. */
static bool is_token_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_token_byte(s.at[i]))
            return false;
    }
    return s.len > 0;
}

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((s.at[i] < 0x20 && s.at[i] != '\t') || s.at[i] == 0x7f)
            return true;
    }
    return false;
}

static bool is_word(struct slice s, const char *word)
{
    return s.len == strlen(word) && strncasecmp((const char *)s.at, word, s.len) == 0;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = slice_after(s, 1);
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* What stands before `byte`; the rest begins behind it. False when it is not there. */
static bool split(struct slice *rest, uint8_t byte, struct slice *ret)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->at, byte, rest->len);

    if (at == NULL)
        return false;
    *ret = slice_of(rest->at, (size_t)(at - rest->at));
    *rest = slice_after(*rest, ret->len + 1);
    return true;
}

/* ---- the request line ---- */

static const char *const methods[] = { [HTTP_GET] = "GET",
                                       [HTTP_HEAD] = "HEAD",
                                       [HTTP_POST] = "POST",
                                       [HTTP_PUT] = "PUT",
                                       [HTTP_DELETE] = "DELETE" };

static enum rc read_target(struct slice target, struct http_request *ret)
{
    if (target.len == 0 || target.at[0] != '/')
        return RC_MALFORMED;
    for (size_t i = 0; i < target.len; i++) {
        if (target.at[i] <= 0x20 || target.at[i] >= 0x7f)
            return RC_MALFORMED;
    }
    ret->query = SLICE_NONE;
    if (split(&target, '?', &ret->path))
        ret->query = target;
    else
        ret->path = target;
    return RC_OK;
}

static enum rc read_request_line(struct slice line, struct http_request *ret)
{
    struct slice target;

    if (!split(&line, ' ', &ret->method_text) || !split(&line, ' ', &target) ||
        !is_token(ret->method_text))
        return RC_MALFORMED;
    ret->method = HTTP_OTHER;
    for (int i = 0; i < HTTP_OTHER; i++) {
        if (slice_equal_str(ret->method_text, methods[i]))
            ret->method = (enum http_method)i;
    }
    if (line.len != 8 || !slice_starts(line, SLICE("HTTP/")) || line.at[6] != '.')
        return RC_MALFORMED;
    if (line.at[5] != '1' || (line.at[7] != '0' && line.at[7] != '1'))
        return RC_VERSION;
    ret->is_kept = line.at[7] == '1';
    return read_target(target, ret);
}

/* ---- headers ---- */

struct seen {
    unsigned headers;
    unsigned hosts;
    unsigned lengths;
};

/* A list of words with commas: does it hold this one? */
static bool lists(struct slice list, const char *word)
{
    struct slice one;

    while (split(&list, ',', &one)) {
        if (is_word(trim(one), word))
            return true;
    }
    return is_word(trim(list), word);
}

static enum rc read_header(struct slice line, struct http_request *ret, struct seen *seen)
{
    struct slice name, value = line;

    if (++seen->headers > HTTP_HEADERS_MAX)
        return RC_TOO_LARGE;
    if (!split(&value, ':', &name) || !is_token(name) || has_control(value))
        return RC_MALFORMED;
    value = trim(value);
    if (is_word(name, "host"))
        seen->hosts++;
    if (is_word(name, "content-length"))
        return seen->lengths++ > 0                                           ? RC_MALFORMED
               : number_u64(value, 0, UINT64_MAX, &ret->body_bytes) == RC_OK ? RC_OK
                                                                             : RC_MALFORMED;
    if (is_word(name, "transfer-encoding"))
        return RC_UNSUPPORTED;
    if (is_word(name, "expect")) {
        ret->is_asking_first = is_word(value, "100-continue");
        return ret->is_asking_first ? RC_OK : RC_UNSUPPORTED;
    }
    if (is_word(name, "connection") && lists(value, "close"))
        ret->is_kept = false;
    return RC_OK;
}

static enum rc read_head(struct slice in, struct http_request *ret)
{
    struct slice rest = in, line;
    struct seen seen = { 0 };
    bool is_newer;
    enum rc rc = next_line(&rest, &line);

    if (rc != RC_OK)
        return rc;
    rc = read_request_line(line, ret);
    if (rc != RC_OK)
        return rc;
    is_newer = ret->is_kept;
    ret->headers = slice_of(rest.at, 0);
    for (;;) {
        rc = next_line(&rest, &line);
        if (rc != RC_OK)
            return rc;
        if (line.len == 0)
            break;
        rc = read_header(line, ret, &seen);
        if (rc != RC_OK)
            return rc;
        ret->headers.len = (size_t)(rest.at - ret->headers.at);
    }
    ret->head_bytes = (size_t)(rest.at - in.at);
    /* RFC 9112 3.2 */
    return seen.hosts > 1 || (is_newer && seen.hosts == 0) ? RC_MALFORMED : RC_OK;
}

enum rc http_decode(struct slice in, struct http_request *ret)
{
    struct http_request request = { 0 };
    struct slice head = in;
    enum rc rc;

    if (head.len > HTTP_HEAD_MAX_BYTES)
        head.len = HTTP_HEAD_MAX_BYTES;
    rc = read_head(head, &request);
    if (rc == RC_AGAIN && head.len == HTTP_HEAD_MAX_BYTES)
        return RC_TOO_LARGE;
    if (rc == RC_OK)
        *ret = request;
    return rc;
}

struct slice http_header(const struct http_request *request, const char *name)
{
    struct slice rest = request->headers, line, found;

    while (next_line(&rest, &line) == RC_OK) {
        if (split(&line, ':', &found) && is_word(found, name))
            return trim(line);
    }
    return SLICE_NONE;
}

bool http_lists(const struct http_request *request, const char *name, const char *word)
{
    struct slice rest = request->headers, line, found;

    while (next_line(&rest, &line) == RC_OK) {
        if (split(&line, ':', &found) && is_word(found, name) && lists(line, word))
            return true;
    }
    return false;
}

/* ---- the query ---- */

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum rc unescape(struct slice s, struct text *to)
{
    text_clear(to);
    for (size_t i = 0; i < s.len; i++) {
        int high, low;

        if (s.at[i] != '%') {
            text_add_byte(to, s.at[i] == '+' ? ' ' : s.at[i]);
            continue;
        }
        if (s.len - i < 3)
            return RC_MALFORMED;
        high = digit_of(s.at[i + 1]);
        low = digit_of(s.at[i + 2]);
        if (high < 0 || low < 0)
            return RC_MALFORMED;
        text_add_byte(to, (uint8_t)(high << 4 | low));
        i += 2;
    }
    return to->bad ? RC_MEMORY : RC_OK;
}

enum rc http_query(const struct http_request *request, const char *name, struct text *ret)
{
    struct slice rest = request->query, field, key;
    bool is_last = slice_is_none(rest);

    while (!is_last) {
        is_last = !split(&rest, '&', &field);
        if (is_last)
            field = rest;
        if (!split(&field, '=', &key)) {
            key = field;
            field = SLICE("");
        }
        if (slice_equal_str(key, name))
            return unescape(field, ret);
    }
    return RC_NOT_FOUND;
}

/* ---- answers ---- */

static const struct {
    unsigned status;
    const char *text;
} statuses[] = {
    { 100, "Continue" },
    { 200, "OK" },
    { 400, "Bad Request" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 413, "Content Too Large" },
    { 415, "Unsupported Media Type" },
    { 426, "Upgrade Required" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 503, "Service Unavailable" },
    { 505, "HTTP Version Not Supported" },
    { 507, "Insufficient Storage" },
};

const char *http_status_text(unsigned status)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].status == status)
            return statuses[i].text;
    }
    return "Unknown";
}

void http_encode(struct text *to, const struct http_answer *answer)
{
    text_format(to, "HTTP/1.1 %u %s\r\n", answer->status, http_status_text(answer->status));
    if (answer->type != NULL)
        text_format(to, "Content-Type: %s\r\n", answer->type);
    if (answer->allow != NULL)
        text_format(to, "Allow: %s\r\n", answer->allow);
    if (answer->more != NULL)
        text_add(to, slice_str(answer->more));
    text_format(to, "Content-Length: %llu\r\nCache-Control: no-store\r\n%s\r\n",
                (unsigned long long)answer->body_bytes,
                answer->is_kept ? "" : "Connection: close\r\n");
}
