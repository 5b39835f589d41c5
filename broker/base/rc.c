/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/rc.h"

#include <errno.h>

static const char *const words[RC_COUNT] = {
#define X(name, word) [RC_##name] = word,
    RC_LIST(X)
#undef X
};

const char *rc_word(enum rc rc)
{
    return (unsigned)rc < RC_COUNT ? words[rc] : "unknown";
}

enum rc rc_of_errno(int error)
{
    switch (error) {
    case 0:
        return RC_OK;
    case ENOSPC:
    case EDQUOT:
        return RC_FULL;
    case EIO:
        return RC_IO;
    case ENOMEM:
        return RC_MEMORY;
    case ENOENT:
        return RC_NOT_FOUND;
    case EEXIST:
        return RC_EXISTS;
    case EACCES:
    case EPERM:
        return RC_REFUSED;
    case EAGAIN:
        return RC_AGAIN;
    default:
        return RC_SYSTEM;
    }
}
