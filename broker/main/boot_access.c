/* SPDX-License-Identifier: Apache-2.0 */
/* Which users and rules hold for which listener, as the settings say. */
#include <string.h>

#include "broker/base/log.h"
#include "broker/base/text.h"
#include "broker/core/accounts.h"
#include "broker/core/acl.h"
#include "broker/core/rules.h"
#include "broker/main/boot_int.h"

/* What is read before any of it holds: for the loopback listeners, then for each section. */
struct reading {
    struct {
        const char *listener; /* NULL: those of no section; borrowed from the settings */
        struct access_config config;
    } rows[LISTENERS_MAX + 1];
    unsigned count;
};

static const char *or_else(const char *own, const char *common)
{
    return own != NULL ? own : common;
}

static const char *password_file_of(const struct settings *s, const struct listener_settings *l)
{
    return l == NULL ? s->password_file : or_else(l->password_file, s->password_file);
}

static enum anonymous anonymous_of(const struct settings *s, const struct listener_settings *l)
{
    if (l != NULL && listener_settings_is_given(l, "allow_anonymous"))
        return l->allow_anonymous ? ANONYMOUS_YES : ANONYMOUS_NO;
    if (settings_is_given(s, "allow_anonymous"))
        return s->allow_anonymous ? ANONYMOUS_YES : ANONYMOUS_NO;
    return ANONYMOUS_UNSAID;
}

bool boot_is_guarded(const struct settings *s, const struct listener_settings *l)
{
    return password_file_of(s, l) != NULL || anonymous_of(s, l) != ANONYMOUS_UNSAID ||
           l->certificate_is_user || l->psk_is_user;
}

/* Where mosquitto's configuration is read, its way with wrong lines is too: they are no users, and
 * the log says so. */
static enum rc load_accounts(const struct settings *s, const char *file, struct accounts **ret,
                             struct text *why)
{
    struct text errors = { 0 };
    struct slice left, line;
    enum rc rc;

    if (!s->is_mosquitto)
        return accounts_load(file, false, ret, why);
    rc = accounts_load(file, true, ret, &errors);
    left = text_slice(&errors);
    if (rc != RC_OK)
        text_add(why, left);
    while (rc == RC_OK && left.len > 0) {
        const uint8_t *end = memchr(left.at, '\n', left.len);

        line = slice_of(left.at, end == NULL ? left.len : (size_t)(end - left.at));
        left = slice_after(left, line.len + 1);
        log_event(LOG_ERROR, "broker.user_skipped", "%.*s", SLICE_FMT(line));
    }
    text_done(&errors);
    return rc;
}

static enum rc read_access(const struct settings *s, const struct listener_settings *l,
                           struct access_config *ret, struct text *why)
{
    const char *password_file = password_file_of(s, l);
    const char *acl_file = l == NULL ? s->acl_file : or_else(l->acl_file, s->acl_file);
    enum rc rc = RC_OK;

    ret->anonymous = anonymous_of(s, l);
    ret->trusts_names = s->trusts_names;
    ret->refuses_empty = s->is_mosquitto;
    ret->needs_certificate = l != NULL && (l->certificate_is_user || l->psk_is_user);
    if (password_file != NULL)
        rc = load_accounts(s, password_file, &ret->accounts, why);
    if (rc == RC_OK && acl_file != NULL)
        rc = rules_load(acl_file, &ret->rules, why);
    return rc;
}

static enum rc read_all(const struct settings *s, struct reading *r, struct text *why)
{
    enum rc rc = read_access(s, NULL, &r->rows[r->count++].config, why);

    LIST_EACH (k, &s->listeners) {
        const struct listener_settings *l = CONTAINER_OF(k, struct listener_settings, link);

        if (rc != RC_OK)
            break;
        r->rows[r->count].listener = l->name;
        rc = read_access(s, l, &r->rows[r->count++].config, why);
    }
    return rc;
}

static void tell(const char *listener, const struct access_config *config)
{
    if (config->accounts == NULL && config->rules == NULL)
        return;
    log_event(LOG_NOTICE, "broker.access", "listener=%s users=%zu rules=%zu",
              listener == NULL ? "loopback" : listener,
              config->accounts == NULL ? 0 : accounts_count(config->accounts),
              config->rules == NULL ? 0 : rules_count(config->rules));
}

enum rc boot_apply_access(struct core *core, const struct settings *settings, struct text *why)
{
    struct reading r = { 0 };
    enum rc rc = read_all(settings, &r, why);

    for (unsigned i = 0; i < r.count; i++) {
        if (rc == RC_OK) {
            tell(r.rows[i].listener, &r.rows[i].config);
            access_set(core, r.rows[i].listener, &r.rows[i].config);
        }
        accounts_free(&r.rows[i].config.accounts);
        rules_free(&r.rows[i].config.rules);
    }
    return rc;
}
