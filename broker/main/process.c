/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/log.h"
#include "broker/base/text.h"
#include "broker/main/log_places.h"
#include "broker/main/settings.h"

#define LOG_MODE 0640
#define PID_MODE 0644
/* Who a broker with a configuration of mosquitto's is, when root starts it and nobody says. */
#define MOSQUITTO_USER "mosquitto"
#define FALLBACK_USER  "nobody"

static const struct passwd *find_user(const struct settings *s, const char **ret_name)
{
    const struct passwd *user;

    *ret_name = s->user != NULL ? s->user : MOSQUITTO_USER;
    user = getpwnam(*ret_name);
    if (user != NULL || strcmp(*ret_name, MOSQUITTO_USER) != 0 || !s->is_mosquitto)
        return user;
    *ret_name = FALLBACK_USER;
    return getpwnam(*ret_name);
}

/* The store and the listeners of a start, with some connections; a device with a small limit has
 * 1024. */
#define FILES_LEAST 64

enum rc process_check_files(struct text *why)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_LEAST)
        return RC_OK;
    text_format(why,
                "this process may open %llu files; it needs %u, and one for each connection: "
                "ulimit -n, or LimitNOFILE of a systemd unit, sets how many",
                (unsigned long long)files.rlim_cur, FILES_LEAST);
    return RC_LIMIT;
}

/* Who the broker is about to become must be able to open it again. */
static void give_log(int fd, const struct settings *s)
{
    const struct passwd *user;
    const char *name;
    struct stat is;

    if (geteuid() != 0 || (s->user == NULL && !s->is_mosquitto))
        return;
    if (fstat(fd, &is) != 0 || !S_ISREG(is.st_mode))
        return; /* a terminal or a pipe is somebody's already */
    user = find_user(s, &name);
    if (user != NULL)
        (void)fchown(fd, user->pw_uid, user->pw_gid); /* where not, a reload will say it */
}

enum rc process_open_log(const struct settings *s, struct text *why)
{
    static int log_fd = -1; /* its number stays: other threads write to it meanwhile */
    int fd;

    log_set_stamped(s->log_time);
    log_set_style((enum log_style)s->log_format);
    log_places_set(s);
    log_set_threshold((enum log_level)s->log_level);
    if (s->log_file == NULL) {
        log_set_fd(STDERR_FILENO);
        return RC_OK;
    }
    fd = open(s->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, LOG_MODE);
    if (fd < 0 || (log_fd >= 0 && dup3(fd, log_fd, O_CLOEXEC) < 0)) {
        text_format(why, "the log %s cannot be opened: %s", s->log_file, strerror(errno));
        return RC_IO;
    }
    give_log(fd, s);
    if (log_fd < 0)
        log_fd = fd;
    else
        (void)close(fd); /* the other number is it too */
    log_set_fd(log_fd);
    return RC_OK;
}

enum rc process_write_pid(const struct settings *s, struct text *why)
{
    struct text number = { 0 };
    int fd;
    bool is_written;

    if (s->pid_file == NULL)
        return RC_OK;
    text_format(&number, "%ld", (long)getpid());
    fd = open(s->pid_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, PID_MODE);
    is_written = fd >= 0 && write(fd, number.at, number.len) == (ssize_t)number.len;
    if (!is_written)
        text_format(why, "the file %s cannot be written: %s", s->pid_file, strerror(errno));
    if (fd >= 0)
        (void)close(fd); /* its bytes are written, and worth nothing after a crash */
    text_done(&number);
    return is_written ? RC_OK : RC_IO;
}

void process_remove_pid(const struct settings *s)
{
    if (s->pid_file != NULL)
        (void)unlink(s->pid_file); /* the directory may be another user's */
}

enum rc process_become_user(const struct settings *s, struct text *why)
{
    const struct passwd *user;
    const char *name;

    if (geteuid() != 0 || (s->user == NULL && !s->is_mosquitto))
        return RC_OK;
    user = find_user(s, &name);
    if (user == NULL) {
        text_format(why, "there is no user %s", name);
        return RC_REFUSED;
    }
    if (user->pw_uid == 0)
        return RC_OK;
    if (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0) {
        text_format(why, "the user %s cannot be taken on: %s", name, strerror(errno));
        return RC_REFUSED;
    }
    log_event(LOG_NOTICE, "broker.user", "user=%s", log_quote(name, strlen(name)));
    return RC_OK;
}
