/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl_ask.h"

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/ctl.h"
#include "broker/base/number.h"
#include "broker/base/state_home.h"

#define STEP_BYTES 65536

void ctl_place_directory(const struct ctl_place *place, struct text *to)
{
    if (place->data != NULL)
        text_format(to, "%s", place->data);
    else
        state_home(to);
    if (to->len == 0)
        (void)ctl_fail("no home is known for the store: --data DIR names one");
}

/* ---- the socket ---- */

static bool find_socket(const struct ctl_place *place, struct sockaddr_un *ret)
{
    struct text path = { 0 };
    bool is_good;

    if (place->socket != NULL) {
        text_format(&path, "%s", place->socket);
    } else {
        ctl_place_directory(place, &path);
        if (path.len == 0)
            return false;
        text_format(&path, "/admin.sock");
    }
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    is_good = !path.bad && path.len < sizeof(ret->sun_path);
    if (is_good)
        memcpy(ret->sun_path, path.at, path.len);
    else
        (void)ctl_fail("%.*s is too long for the name of a socket", SLICE_FMT(text_slice(&path)));
    text_done(&path);
    return is_good;
}

static int reach(const struct ctl_place *place)
{
    struct sockaddr_un address;
    int fd;

    if (!find_socket(place, &address))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    if (errno == ENOENT || errno == ECONNREFUSED)
        (void)ctl_fail("no broker listens on %s (--data DIR names the store of another)",
                       address.sun_path);
    else
        (void)ctl_fail("%s: %s", address.sun_path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static bool send_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EPIPE; /* refused before it was read whole: the answer says why */
        bytes = slice_after(bytes, (size_t)n);
    }
    return true;
}

static bool receive_all(int fd, struct text *to)
{
    for (;;) {
        ssize_t n;

        if (to->len > CTL_ANSWER_MAX_BYTES || !text_reserve(to, STEP_BYTES))
            return ctl_fail("the answer is too long");
        n = recv(fd, to->at + to->len, STEP_BYTES, 0);
        if (n > 0)
            to->len += (size_t)n;
        else if (n == 0)
            return true;
        else if (errno == ECONNRESET && to->len > 0)
            return true; /* it did not wait for the rest of the request */
        else if (errno != EINTR)
            return ctl_fail("the broker does not answer: %s", strerror(errno));
    }
}

/* ---- the answer ---- */

/* Takes status line and headers off; 0 when there is no whole answer. An interim answer comes
 * before the real one. */
static unsigned take_head(struct slice *all)
{
    for (;;) {
        const uint8_t *end = memmem(all->at, all->len, "\r\n\r\n", 4);
        uint64_t status;

        if (end == NULL || all->len < 12 || !slice_starts(*all, SLICE("HTTP/1.1 ")) ||
            number_u64(slice_of(all->at + 9, 3), 100, 599, &status) != RC_OK)
            return 0;
        *all = slice_after(*all, (size_t)(end - all->at) + 4);
        if (status >= 200)
            return (unsigned)status;
    }
}

static void say_reasons(const json_t *reasons)
{
    const json_t *reason;
    size_t i;

    json_array_foreach(reasons, i, reason)
    {
        if (json_is_string(reason))
            (void)ctl_fail("%s", json_string_value(reason));
    }
}

static bool refuse(unsigned status, struct slice body)
{
    json_t *json = json_loadb((const char *)body.at, body.len, JSON_ALLOW_NUL, NULL);
    const char *reason = json_string_value(json_object_get(json, "reason"));

    if (reason != NULL)
        (void)ctl_fail("%s", reason);
    else if (json_array_size(json_object_get(json, "reasons")) > 0)
        say_reasons(json_object_get(json, "reasons"));
    else
        (void)ctl_fail("the broker refused with status %u", status);
    json_decref(json);
    return false;
}

bool ctl_ask(const struct ctl_place *place, const char *method, const char *path, struct slice body,
             struct text *ret)
{
    struct text request = { 0 };
    struct slice answer;
    unsigned status = 0;
    int fd = reach(place);
    bool is_good;

    if (fd < 0)
        return false;
    text_format(&request,
                "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                method, path, body.len);
    text_add(&request, body);
    text_clear(ret);
    is_good = !request.bad && send_all(fd, text_slice(&request));
    if (!is_good)
        (void)ctl_fail("the broker cannot be asked: %s", strerror(errno));
    is_good = is_good && receive_all(fd, ret);
    (void)close(fd);
    text_done(&request);
    if (!is_good)
        return false;
    answer = text_slice(ret);
    status = take_head(&answer);
    if (status == 0)
        return ctl_fail("the broker went away before it answered");
    if (status >= 300)
        return refuse(status, answer);
    memmove(ret->at, answer.at, answer.len);
    ret->len = answer.len;
    return true;
}

/* As a field of a query holds it. */
static void add_escaped(struct text *to, const char *text)
{
    for (; *text != '\0'; text++) {
        bool is_plain = strchr("-_.~", *text) != NULL || (*text >= '0' && *text <= '9') ||
                        (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z');

        if (is_plain)
            text_add_byte(to, (uint8_t)*text);
        else
            text_format(to, "%%%02X", (unsigned char)*text);
    }
}

void ctl_add_field(struct text *path, const char *name, const char *value)
{
    bool is_first = path->len == 0 || memchr(path->at, '?', path->len) == NULL;

    text_format(path, "%c%s=", is_first ? '?' : '&', name);
    add_escaped(path, value);
}
