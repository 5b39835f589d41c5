/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/place.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "broker/base/mem.h"
#include "broker/base/state_home.h"
#include "broker/base/text.h"

#define PLACE_MODE 0700

/* Like mkdir -p. */
static enum rc make(char *path)
{
    struct stat st;

    for (char *slash = path + 1; *slash != '\0'; slash++) {
        if (*slash != '/')
            continue;
        *slash = '\0';
        if (mkdir(path, PLACE_MODE) != 0 && errno != EEXIST) {
            *slash = '/';
            return rc_of_errno(errno);
        }
        *slash = '/';
    }
    if (mkdir(path, PLACE_MODE) == 0)
        return RC_OK;
    if (errno != EEXIST)
        return rc_of_errno(errno);
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
