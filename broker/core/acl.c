/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/acl_int.h"

#include "broker/base/counters.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/random.h"
#include "broker/base/text.h"
#include "broker/base/wire.h"
#include "broker/core/accounts.h"
#include "broker/core/core_int.h"
#include "broker/core/name.h"
#include "broker/core/password_worker.h"
#include "broker/core/rules.h"

struct credentials *credentials_of(struct client *client)
{
    struct badge *badge = &client->badge;

    if (badge->credentials == NULL) {
        badge->credentials = mem_new(struct credentials);
        badge->credentials->client = client;
    }
    return badge->credentials;
}

static void set_id(struct client *client, const char *id, uint16_t len, bool is_lent)
{
    struct badge *badge = &client->badge;

    if (!badge->is_id_lent)
        mem_free((void *)(uintptr_t)badge->id);
    badge->id = id;
    badge->id_len = len;
    badge->is_id_lent = is_lent;
}

/* ---- answers that were given before ---- */

#define DECISIONS           16u /* a power of two */
#define DECISION_NAME_BYTES 55u /* longer names are decided each time */

struct decision {
    uint32_t epoch; /* 0: none */
    uint8_t operation;
    uint8_t resource;
    bool is_allowed;
    bool is_whole;
    uint8_t len;
    uint8_t name[DECISION_NAME_BYTES];
};

_Static_assert(sizeof(struct decision) == 64, "a decision is a cache line");

static struct decision *decision_of(struct client *client, enum operation operation,
                                    enum resource resource, struct slice name)
{
    uint64_t hash = hash_seeded(name) + (uint64_t)operation * 5 + (uint64_t)resource * 3;
    struct credentials *credentials;

    if (name.len > DECISION_NAME_BYTES)
        return NULL;
    credentials = credentials_of(client);
    if (credentials->decided == NULL)
        credentials->decided = mem_new_array(struct decision, DECISIONS);
    return &credentials->decided[hash & (DECISIONS - 1)];
}

void badge_forget_decisions(struct client *client)
{
    if (client->badge.credentials != NULL)
        MEM_FREE(client->badge.credentials->decided);
}

static bool is_about(const struct decision *d, const struct decision *key, struct slice name)
{
    return d->epoch == key->epoch && d->operation == key->operation &&
           d->resource == key->resource && d->is_whole == key->is_whole &&
           slice_equal(slice_of(d->name, d->len), name);
}

static struct subject subject_of(const struct client *client)
{
    const struct badge *badge = &client->badge;
    struct slice id = slice_of(badge->id, badge->id_len);

    return (struct subject){
        .user = badge->has_user ? client->principal.name : SLICE_NONE,
        .client_id = badge->id == NULL ? SLICE_NONE : id,
        .roles = badge->credentials == NULL ? SLICE_NONE : badge->credentials->roles,
    };
}

static bool ask(const struct client *client, const struct decision *key, struct slice name)
{
    const struct rules *rules = client->badge.access->config.rules;
    struct subject subject = subject_of(client);
    enum operation operation = (enum operation)key->operation;
    enum resource resource = (enum resource)key->resource;

    return key->is_whole ? rules_allow_whole(rules, &subject, operation, resource, name)
                         : rules_allow(rules, &subject, operation, resource, name);
}

/* There are rules, and the client is subject to them. */
static bool decide(struct client *client, enum operation operation, enum resource resource,
                   struct slice name, bool is_whole)
{
    struct decision key = { .epoch = client->badge.access->epoch,
                            .operation = (uint8_t)operation,
                            .resource = (uint8_t)resource,
                            .is_whole = is_whole };
    struct decision *d = decision_of(client, operation, resource, name);

    if (d == NULL)
        return ask(client, &key, name);
    if (is_about(d, &key, name))
        return d->is_allowed;
    key.is_allowed = ask(client, &key, name);
    key.len = (uint8_t)name.len;
    if (name.len > 0)
        memcpy(key.name, name.at, name.len);
    *d = key;
    return d->is_allowed;
}

/* ---- questions ---- */

static bool has_rules(const struct badge *badge)
{
    return badge->access != NULL && badge->access->config.rules != NULL;
}

/* Who has not shown who it is, or is to go, may do nothing. */
static bool is_ruled(const struct badge *badge)
{
    return badge->is_in && has_rules(badge);
}

static enum rc refuse(const struct client *client, enum operation operation, struct slice name)
{
    count_add(COUNT_CORE_DENIED, 1);
    log_peer(LOG_WARNING, "core.denied", "client=%llu principal=%s operation=%u name=%s",
             (unsigned long long)client->number,
             log_quote(client->principal.name.at, client->principal.name.len), (unsigned)operation,
             log_quote(name.at, name.len));
    return RC_REFUSED;
}

/* Who consumes from a queue gets all that is in it. */
static bool is_about_all(enum operation operation, enum resource resource)
{
    return operation == OPERATION_CONSUME && resource == RESOURCE_QUEUE;
}

enum rc authorise(struct client *client, enum operation operation, enum resource resource,
                  struct slice name)
{
    ASSERT(operation < OPERATION_COUNT && resource < RESOURCE_COUNT);
    if (__builtin_expect(client->badge.is_free, 1))
        return RC_OK;
    if (is_ruled(&client->badge) &&
        decide(client, operation, resource, name, is_about_all(operation, resource)))
        return RC_OK;
    return refuse(client, operation, name);
}

enum rc authorise_kept(const struct client *client, enum operation operation, struct slice name)
{
    if (client->badge.access == NULL || !name_is_kept(name))
        return RC_OK;
    return refuse(client, operation, name);
}

enum rc authorise_stream(struct client *client, enum operation operation, struct slice stream)
{
    if (operation == OPERATION_PUBLISH && authorise_kept(client, operation, stream) != RC_OK)
        return RC_REFUSED;
    if (__builtin_expect(client->badge.is_free, 1))
        return RC_OK;
    if (is_ruled(&client->badge) && decide(client, operation, RESOURCE_TOPIC, stream, true))
        return RC_OK;
    return refuse(client, operation, stream);
}

bool may_use(struct client *client, enum operation operation, enum resource resource,
             struct slice name)
{
    if (client->badge.is_free)
        return true;
    return is_ruled(&client->badge) &&
           decide(client, operation, resource, name,
                  resource == RESOURCE_TOPIC || is_about_all(operation, resource));
}

enum rc authorise_filter(struct client *client, struct slice filter)
{
    const struct badge *badge = &client->badge;
    struct subject subject;

    if (badge->is_free)
        return RC_OK;
    subject = subject_of(client);
    if (is_ruled(badge) &&
        rules_allow_filter(badge->access->config.rules, &subject, OPERATION_CONSUME, filter))
        return RC_OK;
    return refuse(client, OPERATION_CONSUME, filter);
}

bool may_deliver(struct client *client, struct slice address)
{
    if (__builtin_expect(client->badge.is_free, 1))
        return true;
    if (is_ruled(&client->badge) &&
        decide(client, OPERATION_CONSUME, RESOURCE_TOPIC, address, false))
        return true;
    count_add(COUNT_CORE_DELIVERIES_DENIED, 1);
    return false;
}

/* ---- the accesses ---- */

struct access *access_find(struct core *core, const char *listener)
{
    LIST_EACH (k, &core->accesses) {
        struct access *access = CONTAINER_OF(k, struct access, link);

        if (listener == NULL ? access->listener == NULL
                             : access->listener != NULL && strcmp(access->listener, listener) == 0)
            return access;
    }
    return NULL;
}

/* ---- who published something, for later ---- */

/* LISTENER NUL NAME NUL IDENTIFIER; without a name: none is told. */
void client_source(const struct client *client, struct text *to)
{
    struct subject subject = subject_of(client);

    if (client->badge.access == NULL)
        return;
    text_add(to, slice_str(client->badge.access->listener));
    text_add_byte(to, '\0');
    text_add(to, subject.user);
    text_add_byte(to, '\0');
    text_add(to, subject.client_id);
}

static struct slice next_part(struct slice *rest)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->at, '\0', rest->len);
    struct slice part = slice_of(rest->at, end == NULL ? rest->len : (size_t)(end - rest->at));

    *rest = slice_after(*rest, part.len + 1);
    return part;
}

bool source_may_publish(struct core *core, struct slice source, struct slice address)
{
    struct slice listener = next_part(&source), user = next_part(&source);
    struct subject subject = { .client_id = source };
    const struct access *access = NULL;
    const struct account *account = NULL;

    if (slice_is_none(source))
        return true;
    LIST_EACH (k, &core->accesses) {
        const struct access *a = CONTAINER_OF(k, struct access, link);

        if (slice_equal(slice_str(a->listener), listener))
            access = a;
    }
    if (access == NULL || access->config.rules == NULL)
        return access != NULL;
    if (user.len > 0) {
        subject.user = user;
        if (access->config.accounts != NULL)
            account = accounts_find(access->config.accounts, user);
    }
    if (account != NULL)
        subject.roles = account->roles;
    return rules_allow(access->config.rules, &subject, OPERATION_PUBLISH, RESOURCE_TOPIC, address);
}

static struct access *add_access(struct core *core, const char *listener)
{
    struct access *access = mem_new(struct access);

    access->listener = listener == NULL ? NULL : mem_copy_text(slice_str(listener));
    access->epoch = 1;
    list_append(&core->accesses, &access->link);
    return access;
}

void accesses_init(struct core *core)
{
    list_init(&core->accesses);
    (void)add_access(core, NULL); /* found by its name again */
    random_bytes(core->secret, sizeof(core->secret));
    core->passwords = password_worker_new(core->config.wake, core->config.wake_arg);
}

void accesses_done(struct core *core)
{
    while (!list_is_empty(&core->accesses)) {
        struct access *access = LIST_FIRST(&core->accesses, struct access, link);

        link_remove(&access->link);
        accounts_free(&access->config.accounts);
        rules_free(&access->config.rules);
        mem_free(access->listener);
        mem_free(access);
    }
    password_worker_free(&core->passwords);
}

/* ---- badges ---- */

void badge_weigh(struct client *client)
{
    struct badge *badge = &client->badge;

    badge->is_free = badge->is_in && !has_rules(badge);
}

void badge_init(struct client *client)
{
    client_unname(client);
    client->badge.is_in = client->principal.is_loopback;
    badge_weigh(client);
}

static void credentials_free(struct credentials **ref)
{
    struct credentials *credentials = *ref;

    *ref = NULL;
    if (credentials == NULL)
        return;
    password_worker_cancel(&credentials->request);
    link_remove_if(&credentials->revoked);
    mem_free(credentials->certificate);
    mem_free(credentials->decided);
    mem_free(credentials);
}

void badge_done(struct client *client)
{
    client_set_user(client, SLICE_NONE);
    credentials_free(&client->badge.credentials);
    set_id(client, NULL, 0, false);
    client->badge = (struct badge){ 0 };
}

void client_enter(struct client *client, const char *listener, const char *certificate)
{
    struct access *access = access_find(client->core, listener);

    client->badge.access = access != NULL ? access : access_find(client->core, NULL);
    client->badge.is_in = false;
    if (certificate != NULL)
        credentials_of(client)->certificate = mem_copy_text(slice_str(certificate));
    badge_weigh(client);
}

/* ---- what %c stands for ---- */

void client_set_id(struct client *client, struct slice id)
{
    ASSERT(id.len <= UINT16_MAX);
    set_id(client, mem_copy_text(id), (uint16_t)id.len, false);
    badge_forget_decisions(client);
}

struct slice client_id(const struct client *client)
{
    const struct badge *badge = &client->badge;

    return badge->id == NULL ? SLICE_NONE : slice_of(badge->id, badge->id_len);
}

void client_borrow_id(struct client *client, struct slice id)
{
    const struct badge *badge = &client->badge;

    if (badge->id != NULL && slice_equal(id, slice_of(badge->id, badge->id_len)))
        set_id(client, (const char *)id.at, (uint16_t)id.len, true);
}

void client_return_id(struct client *client, struct slice id)
{
    const struct badge *badge = &client->badge;

    if (badge->is_id_lent && (const uint8_t *)badge->id == id.at)
        set_id(client, mem_copy_text(id), badge->id_len, false);
}

/* ---- a change ---- */

/* Whether who came in before would come in now. */
static bool is_still_welcome(struct client *client)
{
    const struct badge *badge = &client->badge;
    const struct credentials *credentials = badge->credentials;
    const struct accounts *accounts = badge->access->config.accounts;
    const struct account *account;

    if (!badge->is_in)
        return true; /* it has still to show who it is */
    if (client->principal.is_anonymous)
        return badge_may_be_anonymous(client);
    account = accounts == NULL || !badge->has_user
                  ? NULL
                  : accounts_find(accounts, client->principal.name);
    if (account != NULL)
        credentials_of(client)->roles = account->roles;
    if (client->principal.is_certified)
        return badge->access->config.needs_certificate;
    if (credentials == NULL || credentials->mark == 0) /* guest, or a trusted name */
        return accounts == NULL;
    return account != NULL &&
           account_mark(account, (enum shown)credentials->shown) == credentials->mark;
}

/* Their rules are others now. */
static void look_at_consumers(struct core *core, const struct access *access)
{
    LIST_EACH (k, &core->clients) {
        struct client *client = CONTAINER_OF(k, struct client, link);

        if (client->badge.access == access && !client->badge.is_free)
            consumers_authorise(client);
    }
}

static void look_again(struct core *core, const struct access *access)
{
    struct list revoked;

    list_init(&revoked);
    LIST_EACH (k, &core->clients) {
        struct client *client = CONTAINER_OF(k, struct client, link);

        if (client->badge.access != access)
            continue;
        if (client->badge.credentials != NULL) /* they were the old accounts' */
            client->badge.credentials->roles = SLICE_NONE;
        if (!is_still_welcome(client)) {
            client->badge.is_in = false;
            list_append(&revoked, &credentials_of(client)->revoked);
        }
        badge_weigh(client);
    }
    while (!list_is_empty(&revoked)) { /* each may be closed in the call */
        struct credentials *credentials = LIST_FIRST(&revoked, struct credentials, revoked);
        struct client *client = credentials->client;

        link_remove(&credentials->revoked);
        count_add(COUNT_CORE_REVOKED, 1);
        log_event(LOG_NOTICE, "core.revoked", "client=%llu principal=%s",
                  (unsigned long long)client->number,
                  log_quote(client->principal.name.at, client->principal.name.len));
        if (client->ops->on_revoked != NULL)
            client->ops->on_revoked(client->session);
    }
}

void access_set(struct core *core, const char *listener, struct access_config *config)
{
    struct access *access = access_find(core, listener);
    struct access_config before;

    if (access == NULL)
        access = add_access(core, listener);
    before = access->config;
    access->config = *config;
    access->epoch++;
    config->accounts = NULL; /* taken */
    config->rules = NULL;
    look_again(core, access);
    look_at_consumers(core, access);
    accounts_free(&before.accounts);
    rules_free(&before.rules);
}

const struct accounts *access_accounts(struct core *core)
{
    return access_find(core, NULL)->config.accounts;
}
