/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/base/log.h"

/* A path, or a name of the abstract kind, which is written with @ for its NUL. */
static bool address_of(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
    size_t len = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || len >= sizeof(ret->sun_path))
        return false;
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(ret->sun_path, name, len);
    if (name[0] == '@')
        ret->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

static void notify(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t len;
    int fd;

    if (name == NULL || name[0] == '\0')
        return;
    if (!address_of(name, &address, &len)) {
        log_event(LOG_WARNING, "broker.notify-failed", "socket=%s why=\"no address of a socket\"",
                  log_quote(name, strlen(name)));
        return;
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                         (const struct sockaddr *)&address, len) < 0)
        log_event(LOG_WARNING, "broker.notify-failed", "socket=%s why=\"%s\"",
                  log_quote(name, strlen(name)), strerror(errno));
    if (fd >= 0)
        (void)close(fd); /* what was sent is sent */
}

void notify_ready(void)
{
    notify("READY=1");
}

void notify_stopping(void)
{
    notify("STOPPING=1");
}
