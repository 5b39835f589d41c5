/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "broker/base/text.h"

#define READ_BYTES ((size_t)64 << 10)

struct lines lines_of(struct slice text)
{
    return (struct lines){ .rest = text };
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct slice lines_trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.at[0]))
        s = slice_after(s, 1);
    while (s.len > 0 && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

bool lines_next(struct lines *lines, struct slice *ret)
{
    while (lines->rest.len > 0) {
        const uint8_t *end = memchr(lines->rest.at, '\n', lines->rest.len);
        size_t len = end == NULL ? lines->rest.len : (size_t)(end - lines->rest.at);

        *ret = lines_trim(slice_of(lines->rest.at, len));
        lines->rest = slice_after(lines->rest, len + 1);
        lines->number++;
        if (ret->len > 0 && ret->at[0] != '#')
            return true;
    }
    return false;
}

void lines_complain(struct lines *lines, const char *file, const char *wrong, struct text *errors)
{
    lines->errors++;
    text_format(errors, "%s%s:%u: %s", errors->len == 0 ? "" : "\n", file, lines->number, wrong);
}

static enum rc read_all(int fd, size_t max_bytes, struct text *ret)
{
    for (;;) {
        ssize_t n;

        if (!text_reserve(ret, READ_BYTES))
            return RC_MEMORY;
        n = read(fd, ret->at + ret->len, READ_BYTES);
        if (n < 0)
            return rc_of_errno(errno);
        if (n == 0)
            return RC_OK;
        ret->len += (size_t)n;
        if (ret->len > max_bytes)
            return RC_TOO_LARGE;
    }
}

static const char *why_unread(enum rc rc)
{
    if (rc == RC_NOT_FOUND)
        return "there is no such file";
    if (rc == RC_REFUSED)
        return "this user may not read it";
    return rc_word(rc);
}

enum rc lines_load(const char *file, size_t max_bytes, struct text *ret, struct text *errors)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    enum rc rc = fd < 0 ? rc_of_errno(errno) : read_all(fd, max_bytes, ret);

    if (fd >= 0)
        (void)close(fd); /* nothing was written */
    if (rc != RC_OK)
        text_format(errors, "%s: it cannot be read: %s", file, why_unread(rc));
    return rc;
}
