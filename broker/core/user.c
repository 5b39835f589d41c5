/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/user.h"

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/session_int.h"

/* ---- rules ---- */

static bool fits(struct slice pattern, struct slice name)
{
    bool is_begin = pattern.len > 0 && pattern.at[pattern.len - 1] == '*';

    return is_begin ? slice_starts(name, slice_of(pattern.at, pattern.len - 1))
                    : slice_equal(pattern, name);
}

static const struct user_caps *caps_of(const struct core *core, struct slice name)
{
    const struct users *users = &core->users;

    for (unsigned i = 0; i < users->rule_count; i++) {
        if (fits(users->rules[i].pattern, name))
            return &users->rules[i].caps;
    }
    return &users->nobody.caps;
}

static void free_rules(struct users *users)
{
    for (unsigned i = 0; i < users->rule_count; i++)
        mem_free((void *)(uintptr_t)users->rules[i].pattern.at);
    MEM_FREE(users->rules);
    users->rule_count = 0;
}

static void copy_rules(struct users *users, const struct users_config *config)
{
    users->rejects = config->common.overflow == OVERFLOW_REJECT;
    if (config->rule_count > 0)
        users->rules = mem_new_array(struct user_rule, config->rule_count);
    users->rule_count = config->rule_count;
    for (unsigned i = 0; i < config->rule_count; i++) {
        struct slice pattern = config->rules[i].pattern;

        users->rules[i].pattern = slice_of(mem_copy_text(pattern), pattern.len);
        users->rules[i].caps = config->rules[i].caps;
        users->rejects |= config->rules[i].caps.overflow == OVERFLOW_REJECT;
    }
}

/* Those of nobody are also the broker's own: groups of shared subscriptions, and bridges. */
static void cut_expiry(struct session *session)
{
    uint64_t max_ms = session->user->caps.session_expiry_ms;

    if (max_ms > 0 && session->user != &session->core->users.nobody)
        session_cut_expiry(session, max_ms);
}

/* To the caps that its user has now. */
static void suit(struct session *session)
{
    cut_expiry(session);
    session_trim(session);
}

void users_set(struct core *core, const struct users_config *config)
{
    struct users *users = &core->users;

    core->config.sessions_max = config->sessions_max;
    free_rules(users);
    copy_rules(users, config);
    users->nobody.caps = config->common;
    LIST_EACH (k, &users->list) {
        struct user *user = CONTAINER_OF(k, struct user, link);

        user->caps = *caps_of(core, user->by_name.key);
    }
    MAP_EACH (node, &core->sessions)
        suit(CONTAINER_OF(node, struct session, by_id));
}

/* ---- life ---- */

void users_init(struct core *core)
{
    const struct core_config *c = &core->config;
    struct users_config config = { .sessions_max = c->sessions_max,
                                   .common = { .session_messages = c->session_max_messages,
                                               .session_bytes = c->session_max_bytes,
                                               .overflow = c->session_overflow } };

    map_init(&core->users.by_name);
    list_init(&core->users.list);
    users_set(core, &config);
}

/* All that it had is gone. Bytes that do not come to nothing are no reason to stop. */
static void check_even(const struct user *user)
{
    ASSERT(user->connections == 0 && user->sessions == 0 && user->owed_count == 0);
    if (user->owed_bytes != 0)
        count_add(COUNT_CORE_UNEVEN, 1);
}

void users_done(struct core *core)
{
    ASSERT(core->users.by_name.count == 0); /* whoever had one is gone */
    check_even(&core->users.nobody);
    map_done(&core->users.by_name);
    free_rules(&core->users);
}

static struct user *add(struct core *core, struct slice name)
{
    struct user *user = mem_zeroed(sizeof(*user) + name.len + 1);

    memcpy(user + 1, name.at, name.len);
    user->caps = *caps_of(core, name);
    map_add(&core->users.by_name, slice_of(user + 1, name.len), &user->by_name);
    list_append(&core->users.list, &user->link);
    return user;
}

struct user *user_ref(struct core *core, struct slice name)
{
    struct map_node *node;
    struct user *user;

    if (name.len == 0)
        return &core->users.nobody;
    node = map_get(&core->users.by_name, name);
    user = node == NULL ? add(core, name) : CONTAINER_OF(node, struct user, by_name);
    user->refs++;
    return user;
}

void user_unref(struct core *core, struct user **ref)
{
    struct user *user = *ref;

    *ref = NULL;
    if (user == NULL || user == &core->users.nobody || --user->refs > 0)
        return;
    check_even(user);
    map_remove(&core->users.by_name, &user->by_name);
    link_remove(&user->link);
    mem_free(user);
}

const struct user *user_find(const struct core *core, struct slice name)
{
    struct map_node *node = map_get(&core->users.by_name, name);

    return node == NULL ? NULL : CONTAINER_OF(node, struct user, by_name);
}

const struct user *user_next(const struct core *core, const struct user *user)
{
    struct link *next = user == NULL ? core->users.list.head.next : user->link.next;

    return next == &core->users.list.head ? NULL : CONTAINER_OF(next, struct user, link);
}

/* ---- connections ---- */

void client_set_user(struct client *client, struct slice name)
{
    struct credentials *c =
        slice_is_none(name) ? client->badge.credentials : credentials_of(client);
    struct user *before;

    if (c == NULL)
        return;
    before = c->user;
    c->user = slice_is_none(name) ? NULL : user_ref(client->core, name);
    if (before != c->user && c->is_counted) {
        before->connections--;
        c->is_counted = false;
    }
    user_unref(client->core, &before);
}

static enum rc refuse(struct user *user, enum counter counter, const char *what, uint64_t max)
{
    user->refused++;
    count_add(counter, 1);
    log_peer(LOG_WARNING, "core.user_full", "user=%s what=\"%s\" max=%llu",
             log_quote(user->by_name.key.at, user->by_name.key.len), what, (unsigned long long)max);
    return RC_LIMIT;
}

enum rc client_admit_for(struct client *client, const struct client *leaving)
{
    struct credentials *c = client->badge.credentials;
    struct user *user = c == NULL ? NULL : c->user;
    uint64_t leaves = leaving != NULL && leaving != client && user_of(leaving) == user &&
                      leaving->badge.credentials->is_counted;

    if (user == NULL || c->is_counted)
        return RC_OK;
    if (user->caps.connections > 0 && user->connections >= user->caps.connections + leaves)
        return refuse(user, COUNT_CORE_USER_CONNECTIONS_REFUSED, "connections",
                      user->caps.connections);
    user->connections++;
    c->is_counted = true;
    return RC_OK;
}

enum rc client_admit(struct client *client)
{
    return client_admit_for(client, NULL);
}

/* ---- sessions ---- */

struct user *user_of(const struct client *client)
{
    const struct credentials *c = client->badge.credentials;

    return c != NULL && c->user != NULL ? c->user : &client->core->users.nobody;
}

uint64_t client_session_expiry_max_ms(const struct client *client)
{
    uint64_t max_ms = user_of(client)->caps.session_expiry_ms;

    return max_ms == 0 ? UINT64_MAX : max_ms;
}

enum rc user_may_have_session(struct client *client)
{
    struct user *user = user_of(client);

    if (user == &client->core->users.nobody || user->caps.sessions == 0 ||
        user->sessions < user->caps.sessions)
        return RC_OK;
    return refuse(user, COUNT_CORE_SESSIONS_REFUSED, "sessions", user->caps.sessions);
}

void session_set_user(struct session *session, struct slice name)
{
    struct core *core = session->core;
    struct user *before = session->user, *user = user_ref(core, name);

    user->sessions++;
    user->owed_count += session->open_count;
    user->owed_bytes += session->open_bytes;
    session->user = user;
    if (before == NULL)
        return;
    before->sessions--;
    before->owed_count -= session->open_count;
    before->owed_bytes -= session->open_bytes;
    user_unref(core, &before);
    session_trim(session);
}
