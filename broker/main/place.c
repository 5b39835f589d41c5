/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "broker/base/state_home.h"
#include "broker/base/text.h"

#define PLACE_MODE 0700

/* What was made must be there after a power cut: its name lies in the folder above. */
static enum rc make_one(const char *path)
{
    int above;
    struct text at = { 0 };
    enum rc rc = RC_OK;

    if (mkdir(path, PLACE_MODE) != 0)
        return rc_of_errno(errno);
    text_format(&at, "%s/..", path);
    text_add_byte(&at, '\0');
    above = open((const char *)at.at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above >= 0 && fsync(above) != 0)
        rc = rc_of_errno(errno);
    if (above >= 0)
        (void)close(above); /* only synced; who may not read it cannot sync it */
    text_done(&at);
    return rc;
}

/* Like mkdir -p. */
static enum rc make(char *path)
{
    struct stat st;
    enum rc rc;

    for (char *slash = path + 1; *slash != '\0'; slash++) {
        if (*slash != '/')
            continue;
        *slash = '\0';
        rc = make_one(path);
        *slash = '/';
        if (rc != RC_OK && rc != RC_EXISTS)
            return rc;
    }
    rc = make_one(path);
    if (rc != RC_EXISTS)
        return rc;
    if (stat(path, &st) != 0)
        return rc_of_errno(errno);
    if (S_ISDIR(st.st_mode))
        return RC_OK;
    errno = ENOTDIR;
    return rc_of_errno(errno);
}

enum rc place_find(const char *wanted, char **ret, struct text *why)
{
    struct text path = { 0 };
    enum rc rc;

    if (wanted != NULL)
        text_format(&path, "%s", wanted);
    else
        state_home(&path);
    if (path.len == 0) {
        text_format(why, "no home is known for the store: --data DIR names one");
        text_done(&path);
        return RC_INVALID;
    }
    *ret = mem_copy_text(text_slice(&path));
    text_done(&path);
    rc = make(*ret);
    if (rc != RC_OK)
        text_format(why, "the directory %s cannot be made: %s; --data DIR names another one", *ret,
                    strerror(errno));
    return rc;
}
