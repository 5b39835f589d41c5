/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/text.h"
#include "broker/core/accounts.h"
#include "broker/core/lines.h"
#include "broker/core/password.h"
#include "broker/core/scram.h"

#define FILE_MODE 0600

static bool is_of_user(struct slice line, const char *user)
{
    const uint8_t *colon = line.len == 0 ? NULL : memchr(line.at, ':', line.len);

    line = lines_trim(line);
    if (colon == NULL || line.len == 0 || line.at[0] == '#')
        return false;
    return slice_equal_str(lines_trim(slice_of(line.at, (size_t)(colon - line.at))), user);
}

/* Every line but the user's, as it stands. */
static void copy_others(struct slice all, const char *user, struct text *to)
{
    while (all.len > 0) {
        const uint8_t *end = memchr(all.at, '\n', all.len);
        struct slice line = slice_of(all.at, end == NULL ? all.len : (size_t)(end - all.at));

        all = slice_after(all, line.len + 1);
        if (is_of_user(line, user))
            continue;
        text_add(to, line);
        text_add_byte(to, '\n');
    }
}

static enum rc make_line(const struct users_change *change, struct slice roles, struct text *to)
{
    enum rc rc = RC_OK;

    text_add(to, slice_str(change->user));
    if (!change->is_scram_only) {
        text_add_byte(to, ':');
        rc = password_hash(change->password, to);
    }
    for (unsigned i = 0; rc == RC_OK && change->has_scram && i < ACCOUNT_SCRAM_COUNT; i++) {
        text_add_byte(to, ':');
        rc = scram_verifier_make((enum scram_hash)i, change->password, SCRAM_ITERATIONS, to);
    }
    if (roles.len > 0) {
        text_add(to, SLICE(":@"));
        text_add(to, roles);
    }
    text_add_byte(to, '\n');
    return rc == RC_OK && to->bad ? RC_MEMORY : rc;
}

static bool write_whole(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.at, text.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text = slice_after(text, (size_t)n);
    }
    return true;
}

/* Beside it, then in its place: a broker that reads it meanwhile reads one or the other. It keeps
 * its owner as far as we may say so, and who may read it. */
static enum rc replace(const char *file, struct slice text, struct text *why)
{
    struct text beside = { 0 };
    struct stat before;
    bool was_there = stat(file, &before) == 0, is_done = false;
    mode_t mode = was_there ? before.st_mode & 0777 : FILE_MODE;
    int fd, error;

    text_format(&beside, "%s.new", file);
    text_add_byte(&beside, '\0');
    fd = open((const char *)beside.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd >= 0) {
        if (was_there && fchown(fd, before.st_uid, before.st_gid) != 0)
            errno = 0; /* only root may give it away */
        is_done = fchmod(fd, mode) == 0 && write_whole(fd, text) && fsync(fd) == 0;
        is_done = close(fd) == 0 && is_done;
        is_done = is_done && rename((const char *)beside.at, file) == 0;
    }
    error = errno;
    if (!is_done)
        text_format(why, "%s cannot be written: %s", file, strerror(error));
    if (!is_done && fd >= 0)
        (void)unlink((const char *)beside.at);
    text_done(&beside);
    return is_done ? RC_OK : error == 0 ? RC_IO : rc_of_errno(error);
}

static enum rc check_wanted(const struct users_change *change, bool is_there, struct text *why)
{
    if (!is_there && (change->is_delete || change->wanted == USERS_OLD)) {
        text_format(why, "%s has no user %s", change->file, change->user);
        return RC_NOT_FOUND;
    }
    if (is_there && change->wanted == USERS_NEW) {
        text_format(why, "%s has a user %s already", change->file, change->user);
        return RC_EXISTS;
    }
    return RC_OK;
}

/* What the file is to be. What was made is read before it is put in place: a file that the broker
 * would refuse is not. */
static enum rc make(const struct users_change *change, struct slice before, struct text *after,
                    struct text *why)
{
    struct accounts *old = NULL, *made = NULL;
    struct slice roles = change->roles;
    const struct account *account;
    enum rc rc = accounts_read(change->file, before, &old, why);

    if (rc != RC_OK)
        return rc;
    account = accounts_find(old, slice_str(change->user));
    rc = check_wanted(change, account != NULL, why);
    if (account != NULL && slice_is_none(roles))
        roles = account->roles;
    if (rc == RC_OK) {
        copy_others(before, change->user, after);
        if (!change->is_delete)
            rc = make_line(change, roles, after);
        if (rc != RC_OK)
            text_format(why, "the password cannot be hashed: %s", rc_word(rc));
        else if (after->bad)
            rc = RC_MEMORY;
    }
    if (rc == RC_OK)
        rc = accounts_read(change->file, text_slice(after), &made, why);
    if (rc == RC_OK && !change->is_delete && accounts_find(made, slice_str(change->user)) == NULL) {
        text_format(why, "%s: no user can be called so", change->user);
        rc = RC_INVALID;
    }
    accounts_free(&old);
    accounts_free(&made);
    return rc;
}

enum rc users_file_change(const struct users_change *change, struct text *why)
{
    struct text before = { 0 }, after = { 0 }, missing = { 0 };
    enum rc rc = lines_load(change->file, ACCOUNTS_FILE_MAX_BYTES, &before, &missing);

    if (rc == RC_NOT_FOUND && !change->is_delete && change->wanted != USERS_OLD)
        rc = RC_OK; /* it is the first */
    if (rc != RC_OK)
        text_add(why, text_slice(&missing));
    if (rc == RC_OK)
        rc = make(change, text_slice(&before), &after, why);
    if (rc == RC_OK)
        rc = replace(change->file, text_slice(&after), why);
    text_done(&before);
    text_done(&after);
    text_done(&missing);
    return rc;
}
