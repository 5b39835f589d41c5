/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A copy without its %HH escapes; NULL when one is malformed or means NUL. */
static char *decoded(struct slice s)
{
    char *copy = mem_copy_text(s);
    char *to = copy;

    for (size_t i = 0; i < s.len; i++) {
        int high, low;

        if (s.at[i] != '%') {
            *to++ = (char)s.at[i];
            continue;
        }
        high = s.len - i > 2 ? hex_digit(s.at[i + 1]) : -1;
        low = s.len - i > 2 ? hex_digit(s.at[i + 2]) : -1;
        if (high < 0 || low < 0 || high + low == 0) {
            MEM_FREE(copy);
            return NULL;
        }
        *to++ = (char)(high << 4 | low);
        i += 2;
    }
    *to = '\0';
    return copy;
}

/* Cuts what stands before the first `mark` off the front of *s; false when there is no mark. */
static bool cut(struct slice *s, const char *mark, struct slice *ret)
{
    const uint8_t *at = s->len == 0 ? NULL : memmem(s->at, s->len, mark, strlen(mark));

    if (at == NULL)
        return false;
    *ret = slice_of(s->at, (size_t)(at - s->at));
    *s = slice_after(*s, ret->len + strlen(mark));
    return true;
}

static bool parse_login(struct slice login, struct ctl_url *url)
{
    struct slice user = login;
    bool has_password = cut(&login, ":", &user);

    url->user = decoded(user);
    url->password = decoded(has_password ? login : SLICE(""));
    return url->user != NULL && url->password != NULL;
}

static bool parse_host(struct slice place, struct ctl_url *url)
{
    struct slice host = place, port = SLICE_NONE;
    uint64_t number;

    if (place.len > 0 && place.at[0] == '[') {
        place = slice_after(place, 1);
        if (!cut(&place, "]", &host) || (place.len > 0 && place.at[0] != ':'))
            return false;
        if (place.len > 0)
            port = slice_after(place, 1);
    } else if (cut(&place, ":", &host)) {
        port = place;
    }
    url->host = host.len == 0 ? mem_copy_text(SLICE("localhost")) : decoded(host);
    if (url->host == NULL)
        return false;
    if (slice_is_none(port))
        return true;
    if (number_u64(port, 1, 65535, &number) != RC_OK)
        return false;
    url->port = (unsigned)number;
    return true;
}

static const char *parse(struct slice rest, struct ctl_url *url)
{
    struct slice scheme, place, login;

    if (!cut(&rest, "://", &scheme) || scheme.len == 0)
        return "not of the form scheme://host";
    url->has_tls = scheme.at[scheme.len - 1] == 's';
    url->scheme = mem_copy_text(slice_of(scheme.at, scheme.len - (url->has_tls ? 1 : 0)));
    if (cut(&rest, "/", &place)) {
        url->path = decoded(rest);
        if (url->path == NULL)
            return "a malformed escape in the path";
    } else {
        place = rest;
    }
    if (cut(&place, "@", &login) && !parse_login(login, url))
        return "a malformed escape in user or password";
    return parse_host(place, url) ? NULL : "a malformed host or port";
}

bool ctl_url_parse(const char *text, struct ctl_url *ret, const char **why)
{
    struct ctl_url url = { 0 };

    *why = parse(slice_str(text), &url);
    if (*why != NULL) {
        ctl_url_done(&url);
        return false;
    }
    *ret = url;
    return true;
}

void ctl_url_done(struct ctl_url *url)
{
    mem_free(url->scheme);
    mem_free(url->host);
    mem_free(url->user);
    mem_free(url->password);
    mem_free(url->path);
    *url = (struct ctl_url){ 0 };
}
