/* SPDX-License-Identifier: Apache-2.0 */
/* How much users may have, as the settings say. */
#include "broker/base/mem.h"
#include "broker/core/logins.h"
#include "broker/core/user.h"
#include "broker/main/boot_int.h"
#include "broker/net/listener.h"

static struct user_caps common_of(const struct settings *s)
{
    return (struct user_caps){
        .session_expiry_ms = s->mqtt_max_session_expiry_ms / 1000 * 1000, /* told in seconds */
        .session_messages = s->session_max_messages,
        .session_bytes = s->session_max_bytes,
        .overflow = (enum session_overflow)s->session_overflow,
    };
}

static struct user_caps caps_of(const struct user_settings *u, const struct user_caps *common)
{
    struct user_caps caps = *common;

    caps.connections = u->max_connections;
    caps.sessions = u->max_sessions;
    if (user_settings_is_given(u, "max_session_expiry"))
        caps.session_expiry_ms = u->max_session_expiry_ms / 1000 * 1000;
    if (user_settings_is_given(u, "session_max_messages"))
        caps.session_messages = u->session_max_messages;
    if (user_settings_is_given(u, "session_max_bytes"))
        caps.session_bytes = u->session_max_bytes;
    if (user_settings_is_given(u, "session_overflow"))
        caps.overflow = (enum session_overflow)u->session_overflow;
    return caps;
}

/* ---- shared keys of TLS, which net asks for ---- */

static bool is_banned(void *arg, const char *origin, const char *identity)
{
    return logins_is_banned_at(arg, origin, slice_str(identity));
}

static void on_login(void *arg, const char *origin, const char *identity, bool is_right)
{
    if (is_right)
        logins_succeeded_at(arg, origin, slice_str(identity));
    else
        logins_failed_at(arg, origin, slice_str(identity));
}

void boot_watch_logins(struct core *core, struct loop *loop)
{
    const struct net_logins logins = { is_banned, on_login, core };

    net_watch_logins(loop, &logins);
}

void boot_apply_users(struct core *core, const struct settings *s)
{
    struct users_config config = { .sessions_max = s->sessions_max, .common = common_of(s) };
    const struct logins_config logins = {
        .address_failures = s->login_failures_address,
        .user_failures = s->login_failures_user,
        .anywhere_failures = s->login_failures_anywhere,
        .window_ms = s->login_window_ms,
        .ban_ms = s->login_ban_ms,
        .ban_max_ms = s->login_ban_max_ms,
    };
    struct user_rule *rules = NULL;

    LIST_EACH (k, &s->users) {
        const struct user_settings *u = CONTAINER_OF(k, struct user_settings, link);

        rules = mem_resize(rules, (config.rule_count + 1) * sizeof(*rules));
        rules[config.rule_count++] =
            (struct user_rule){ slice_str(u->pattern), caps_of(u, &config.common) };
    }
    config.rules = rules;
    logins_set(core, &logins);
    users_set(core, &config);
    mem_free(rules);
}
