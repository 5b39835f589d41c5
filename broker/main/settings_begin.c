/* SPDX-License-Identifier: Apache-2.0 */
/* Where a [kind NAME] of the configuration begins: what a name may be, and how many there may be.
 */
#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/accounts.h"
#include "broker/core/user.h"
#include "broker/main/settings_int.h"

#define STREAM_PATTERN_MAX_BYTES 256

enum rc settings_check_name(const struct list *sections, ptrdiff_t link_to_name, struct slice name,
                            unsigned max)
{
    unsigned count = 0;

    LIST_EACH (k, sections) {
        const char *const *other = (const void *)((const char *)k + link_to_name);

        count++;
        if (slice_equal_str(name, *other))
            return RC_EXISTS;
    }
    return count == max ? RC_LIMIT : RC_OK;
}

void *settings_begin_listener(void *arg, struct slice name, struct text *why)
{
    struct settings *s = arg;
    struct listener_settings *l;
    enum rc rc;

    if (name.len > NAME_MAX_BYTES) {
        text_format(why, "a listener's name has at most %u bytes", NAME_MAX_BYTES);
        return NULL;
    }
    rc = settings_check_name(&s->listeners, LINK_TO_NAME(struct listener_settings, name), name,
                             LISTENERS_MAX);
    if (rc == RC_EXISTS)
        text_format(why, "a second listener %.*s", SLICE_FMT(name));
    if (rc == RC_LIMIT)
        text_format(why, "more than %u listeners", LISTENERS_MAX);
    if (rc != RC_OK)
        return NULL;
    l = mem_new(struct listener_settings);
    l->name = mem_copy_text(name);
    options_set_defaults(LISTENER, l);
    list_append(&s->listeners, &l->link);
    return l;
}

void *settings_begin_stream(void *arg, struct slice name, struct text *why)
{
    struct settings *s = arg;
    struct stream_settings *stream;
    enum rc rc;

    if (name.len > STREAM_PATTERN_MAX_BYTES || memchr(name.at, '/', name.len) != NULL) {
        text_format(why, "a stream's name has at most %u bytes and no slash",
                    STREAM_PATTERN_MAX_BYTES);
        return NULL;
    }
    rc = settings_check_name(&s->streams, LINK_TO_NAME(struct stream_settings, pattern), name,
                             STREAM_RULES_MAX);
    if (rc == RC_EXISTS)
        text_format(why, "a second section for streams of this name");
    if (rc == RC_LIMIT)
        text_format(why, "more than %u sections for streams", STREAM_RULES_MAX);
    if (rc != RC_OK)
        return NULL;
    stream = mem_new(struct stream_settings);
    stream->pattern = mem_copy_text(name);
    options_set_defaults(STREAM, stream);
    list_append(&s->streams, &stream->link);
    return stream;
}

void *settings_begin_user(void *arg, struct slice name, struct text *why)
{
    struct settings *s = arg;
    struct user_settings *user;
    enum rc rc;

    if (name.len > ACCOUNT_NAME_MAX_BYTES + 1) {
        text_format(why, "a user's name has at most %u bytes", ACCOUNT_NAME_MAX_BYTES);
        return NULL;
    }
    rc = settings_check_name(&s->users, LINK_TO_NAME(struct user_settings, pattern), name,
                             USER_RULES_MAX);
    if (rc == RC_EXISTS)
        text_format(why, "a second section for users of this name");
    if (rc == RC_LIMIT)
        text_format(why, "more than %u sections for users", USER_RULES_MAX);
    if (rc != RC_OK)
        return NULL;
    user = mem_new(struct user_settings);
    user->pattern = mem_copy_text(name);
    options_set_defaults(USER, user);
    list_append(&s->users, &user->link);
    return user;
}
