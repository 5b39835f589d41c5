/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/ctl.h"
#include "broker/base/text.h"

#define DAEMON        "tercetd"
#define STATUS_UNREAD 2

extern char **environ;

static bool is_program(const struct text *path)
{
    return !path->bad && access((const char *)path->at, X_OK) == 0;
}

static void set_path(struct text *to, const char *folder, size_t len, const char *rest)
{
    text_clear(to);
    text_format(to, "%.*s%s", (int)len, folder, rest);
    text_add_byte(to, '\0');
}

/* What TERCETD names; else beside this program, in the sbin beside its bin, or on the PATH. */
static void find_daemon(struct text *to)
{
    const char *told = getenv("TERCETD");
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self));

    if (told != NULL) {
        set_path(to, told, strlen(told), "");
        return;
    }
    while (len > 0 && self[len - 1] != '/')
        len--;
    set_path(to, self, len < 0 ? 0 : (size_t)len, DAEMON);
    if (len <= 0 || !is_program(to))
        set_path(to, self, len < 0 ? 0 : (size_t)len, "../sbin/" DAEMON);
    if (len <= 0 || !is_program(to))
        set_path(to, "", 0, DAEMON);
}

static bool run(const char *program, char *const argv[], bool is_quiet, int *ret_status)
{
    posix_spawn_file_actions_t actions;
    pid_t child;
    int error = posix_spawn_file_actions_init(&actions);

    if (error == 0 && is_quiet)
        error = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawnp(&child, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return ctl_fail("%s cannot be run: %s", program, strerror(error));
    while (waitpid(child, ret_status, 0) < 0) {
        if (errno != EINTR)
            return ctl_fail("%s cannot be waited for: %s", program, strerror(errno));
    }
    return true;
}

int ctl_verify(const char *directory, bool is_json, bool is_quiet)
{
    struct text program = { 0 }, wanted = { 0 };
    char *argv[5];
    int status = 0, ret = STATUS_UNREAD;

    find_daemon(&program);
    text_format(&wanted, "%s", directory);
    text_add_byte(&wanted, '\0');
    argv[0] = (char *)program.at;
    argv[1] = (char *)(uintptr_t) "--verify";
    argv[2] = (char *)wanted.at;
    argv[3] = is_json ? (char *)(uintptr_t) "--json" : NULL;
    argv[4] = NULL;
    if (!run(argv[0], argv, is_quiet, &status))
        ret = STATUS_UNREAD;
    else if (WIFEXITED(status))
        ret = WEXITSTATUS(status);
    else /* LMDB has no checksums: a page of the catalogue that makes no sense may end the reader */
        (void)ctl_fail("%s: reading it ended with signal %d: the catalogue is damaged", directory,
                       WTERMSIG(status));
    if (WIFSIGNALED(status))
        ret = EXIT_FAILURE;
    text_done(&program);
    text_done(&wanted);
    return ret;
}
