/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/logins.h"

#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/accounts.h"
#include "broker/core/core_int.h"
#include "broker/core/flap.h"

enum by { BY_ADDRESS, BY_BOTH, BY_USER, BY_COUNT };

static const char *const kinds[BY_COUNT] = { "login-address", "login", "login-user" };

struct logins {
    struct flap *failures[BY_COUNT]; /* owned */
};

/* Where it comes from, and whom for: what failures are counted by. */
#define ORIGIN_MAX_BYTES 64
struct attempt {
    char at[ORIGIN_MAX_BYTES + 1 + ACCOUNT_NAME_MAX_BYTES];
    struct slice names[BY_COUNT]; /* NONE: it is not counted by that */
};

static const char *origin_of(const struct client *client)
{
    return client->ops->origin == NULL ? NULL : client->ops->origin(client->session);
}

static void name_attempt(const char *origin, struct slice user, struct attempt *ret)
{
    size_t len = origin == NULL ? 0 : strlen(origin);

    *ret = (struct attempt){ .names = { SLICE_NONE } };
    if (origin == NULL || len > ORIGIN_MAX_BYTES) /* nobody is judged by that */
        return;
    memcpy(ret->at, origin, len);
    ret->names[BY_ADDRESS] = slice_of(ret->at, len);
    if (user.len == 0 || user.len > ACCOUNT_NAME_MAX_BYTES)
        return; /* nobody can be called so */
    ret->at[len] = ' ';
    memcpy(ret->at + len + 1, user.at, user.len);
    ret->names[BY_BOTH] = slice_of(ret->at, len + 1 + user.len);
    ret->names[BY_USER] = slice_of(ret->at + len + 1, user.len);
}

bool logins_is_banned_at(const struct core *core, const char *origin, struct slice user)
{
    const struct logins *logins = core->logins;
    uint64_t now_ns = clock_monotonic_ns();
    struct attempt attempt;

    name_attempt(origin, user, &attempt);
    for (unsigned by = 0; by < BY_COUNT; by++) {
        if (slice_is_none(attempt.names[by]) ||
            !flap_is_banned(logins->failures[by], attempt.names[by], now_ns))
            continue;
        count_add(COUNT_CORE_LOGINS_BANNED, 1);
        return true;
    }
    return false;
}

void logins_failed_at(const struct core *core, const char *origin, struct slice user)
{
    uint64_t now_ns = clock_monotonic_ns();
    struct attempt attempt;

    name_attempt(origin, user, &attempt);
    for (unsigned by = 0; by < BY_COUNT; by++) {
        struct slice name = attempt.names[by];

        if (slice_is_none(name) ||
            flap_connect(core->logins->failures[by], name, now_ns) != FLAP_BANNED_NOW)
            continue;
        count_add(COUNT_CORE_LOGIN_BANS, 1);
        log_peer(LOG_WARNING, "core.login_banned", "kind=%s name=%s why=\"too many logins failed\"",
                 kinds[by], log_quote(name.at, name.len));
    }
}

/* Of a place nothing is forgotten: who has one password there may still guess others. */
void logins_succeeded_at(const struct core *core, const char *origin, struct slice user)
{
    struct attempt attempt;

    name_attempt(origin, user, &attempt);
    if (!slice_is_none(attempt.names[BY_BOTH]))
        flap_forgive(core->logins->failures[BY_BOTH], attempt.names[BY_BOTH], clock_monotonic_ns());
}

bool logins_is_banned(const struct client *client, struct slice user)
{
    return logins_is_banned_at(client->core, origin_of(client), user);
}

void logins_failed(const struct client *client, struct slice user)
{
    logins_failed_at(client->core, origin_of(client), user);
}

void logins_succeeded(const struct client *client, struct slice user)
{
    logins_succeeded_at(client->core, origin_of(client), user);
}

/* ---- what an operator sees and does ---- */

struct walk {
    login_ban_fn *visit;
    void *arg;
    const char *kind;
};

static void visit_ban(void *arg, struct slice name, uint64_t left_ms)
{
    const struct walk *walk = arg;

    walk->visit(walk->arg, walk->kind, name, left_ms);
}

void logins_each_ban(const struct core *core, login_ban_fn *visit, void *arg)
{
    for (unsigned by = 0; by < BY_COUNT; by++) {
        struct walk walk = { visit, arg, kinds[by] };

        flap_each(core->logins->failures[by], clock_monotonic_ns(), visit_ban, &walk);
    }
}

/* The name, or what stands before or behind its first space: an address has none. */
static bool is_of(const void *arg, struct slice name)
{
    const struct slice *wanted = arg;
    const uint8_t *space = name.len == 0 ? NULL : memchr(name.at, ' ', name.len);
    size_t len = space == NULL ? name.len : (size_t)(space - name.at);

    return slice_equal(name, *wanted) ||
           (space != NULL && (slice_equal(slice_of(name.at, len), *wanted) ||
                              slice_equal(slice_after(name, len + 1), *wanted)));
}

static bool is_it(const void *arg, struct slice name)
{
    return slice_equal(name, *(const struct slice *)arg);
}

unsigned logins_lift(struct core *core, struct slice name)
{
    uint64_t now_ns = clock_monotonic_ns();
    unsigned count = 0;

    for (unsigned by = 0; by < BY_COUNT; by++)
        count += flap_lift_each(core->logins->failures[by], by == BY_BOTH ? is_of : is_it, &name,
                                now_ns);
    return count;
}

/* ---- life ---- */

static struct flap_config config_of(const struct logins_config *config, enum by by)
{
    const uint64_t most[BY_COUNT] = {
        [BY_ADDRESS] = config->address_failures,
        [BY_BOTH] = config->user_failures,
        [BY_USER] = config->anywhere_failures,
    };

    return (struct flap_config){ most[by], config->window_ms, config->ban_ms, config->ban_max_ms };
}

void logins_set(struct core *core, const struct logins_config *config)
{
    for (unsigned by = 0; by < BY_COUNT; by++) {
        struct flap_config flap = config_of(config, (enum by)by);

        flap_configure(core->logins->failures[by], &flap);
    }
}

void logins_init(struct core *core)
{
    const struct logins_config config = LOGINS_CONFIG_DEFAULT;

    core->logins = mem_new(struct logins);
    for (unsigned by = 0; by < BY_COUNT; by++) {
        struct flap_config flap = config_of(&config, (enum by)by);

        core->logins->failures[by] = flap_new(&flap);
    }
}

void logins_done(struct core *core)
{
    for (unsigned by = 0; by < BY_COUNT; by++)
        flap_free(&core->logins->failures[by]);
    MEM_FREE(core->logins);
}
