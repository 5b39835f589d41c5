/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>

#include "admin/api_int.h"
#include "admin/jot.h"
#include "broker/core/core.h"

static const char *explain(enum rc rc)
{
    switch ((int)rc) {
    case RC_UNSUPPORTED:
        return "everything is kept in memory: there is nothing to back up";
    case RC_IN_USE:
        return "another backup is under way";
    case RC_INVALID:
        return "directory is not an absolute path";
    case RC_EXISTS:
        return "the directory is not empty";
    case RC_NOT_FOUND:
        return "there is no folder for the directory to be made in";
    case RC_REFUSED:
        return "the broker's user may not write there";
    case RC_FULL:
        return "there is not enough space";
    default:
        return "the backup could not be made; the broker's log may say why";
    }
}

/* The session may be gone; the backup is made all the same. */
static void on_done(struct store_backup *backup, enum rc rc)
{
    struct api *api = backup->arg;
    struct api_session *s = api_session_find(api, api->backup_session);

    if (s == NULL)
        return;
    if (rc != RC_OK) {
        api_refuse_rc(s, rc, explain(rc));
        return;
    }
    jot_open(&s->body, NULL, '{');
    jot_count(&s->body, "segments", backup->segments);
    jot_count(&s->body, "bytes", backup->bytes);
    jot_close(&s->body, '}');
    api_answer(s, 200);
}

static enum rc begin(struct api_session *s, const char *directory)
{
    struct api *api = s->api;
    enum rc rc;

    if (api->backup.detail != NULL)
        return RC_IN_USE;
    api->backup = (struct store_backup){ .on_done = on_done, .arg = api };
    api->backup_session = s->number;
    rc = core_backup(api->core, directory, &api->backup);
    return rc;
}

void api_post_backup(struct api_session *s, const struct http_request *r, struct slice body)
{
    json_t *json = json_loadb((const char *)body.at, body.len, JSON_REJECT_DUPLICATES, NULL);
    const char *directory = json_string_value(json_object_get(json, "directory"));
    enum rc rc;

    (void)r;
    if (directory == NULL || json_object_size(json) != 1) {
        api_refuse(s, 400, "malformed", "the body is no object of \"directory\" alone");
    } else {
        rc = begin(s, directory);
        if (rc != RC_OK)
            api_refuse_rc(s, rc, explain(rc));
    }
    json_decref(json);
}
