/* SPDX-License-Identifier: Apache-2.0 */
/* How a client shows who it is: by nothing, a password, SCRAM, a certificate, or as guest. */
#include "broker/base/counters.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/accounts.h"
#include "broker/core/acl_int.h"
#include "broker/core/logins.h"
#include "broker/core/password_worker.h"

static const struct slice nobody = { (const uint8_t *)"anonymous", sizeof("anonymous") - 1 };

void client_login_refused(const struct client *client, struct slice user, enum rc rc)
{
    count_add(COUNT_CORE_LOGINS_REFUSED, 1);
    if (rc == RC_AUTH)
        logins_failed(client, user);
    log_peer(LOG_WARNING, "core.login_failed", "client=%llu user=%s rc=%s",
             (unsigned long long)client->number, log_quote(user.at, user.len), rc_word(rc));
}

static enum rc refuse_login(const struct client *client, struct slice user, enum rc rc)
{
    client_login_refused(client, user, rc);
    return rc;
}

void client_unname(struct client *client)
{
    if (client->principal.name.at != nobody.at)
        mem_free((void *)(uintptr_t)client->principal.name.at);
    client->principal.name = nobody;
}

void badge_name(struct client *client, struct slice user)
{
    struct slice name = nobody;

    if (!slice_is_none(user))
        name = slice_of(mem_copy_text(user), user.len);
    client_unname(client); /* `user` may lie in it */
    client->principal.name = name;
    client->badge.has_user = false; /* not before it was shown */
}

_Static_assert((int)SHOWN_SCRAM_SHA_512 == (int)ACCOUNT_SCRAM_SHA_512, "in the order of verifiers");

uint64_t account_mark(const struct account *account, enum shown shown)
{
    struct slice field = SLICE("");

    if (shown == SHOWN_PASSWORD)
        field = account->password;
    else if (shown != SHOWN_NOTHING)
        field = account->scram[shown];
    return hash_seeded(field) | 1;
}

void badge_has_account(struct client *client, const struct account *account, enum shown shown)
{
    struct credentials *credentials =
        account == NULL ? client->badge.credentials : credentials_of(client);

    if (credentials == NULL)
        return;
    credentials->roles = account == NULL ? SLICE_NONE : account->roles;
    credentials->mark = account == NULL ? 0 : account_mark(account, shown);
    credentials->shown = (uint8_t)shown;
}

/* `user` NONE: without a name. `account` NULL: none. */
static enum rc let_in(struct client *client, struct slice user, const struct account *account,
                      enum shown shown)
{
    bool is_anonymous = slice_is_none(user);

    badge_name(client, user);
    client->principal.is_anonymous = is_anonymous;
    client->badge.has_user = !client->principal.is_anonymous;
    badge_has_account(client, account, shown);
    client_set_user(client, is_anonymous ? SLICE_NONE : client->principal.name);
    client->badge.is_in = true;
    badge_forget_decisions(client);
    badge_weigh(client);
    if (!is_anonymous)
        logins_succeeded(client, user);
    count_add(COUNT_CORE_LOGINS, 1);
    return RC_OK;
}

bool badge_may_be_anonymous(const struct client *client)
{
    const struct access *access = client->badge.access;

    if (access == NULL || access->config.anonymous == ANONYMOUS_UNSAID)
        return client->principal.is_loopback && (access == NULL || access->config.accounts == NULL);
    return access->config.anonymous == ANONYMOUS_YES;
}

/* Nobody has an account: guest has, with RabbitMQ's password and its restriction to loopback. */
static enum rc login_unlisted(struct client *client, struct slice user, struct slice password)
{
    const struct access *access = client->badge.access;

    if (access != NULL && access->config.anonymous == ANONYMOUS_YES)
        return let_in(client, access->config.trusts_names ? user : SLICE_NONE, NULL, SHOWN_NOTHING);
    if (access != NULL && access->config.trusts_names) /* nor has guest one then */
        return refuse_login(client, user, RC_REFUSED);
    if (!slice_equal(user, SLICE("guest")) || !slice_equal(password, SLICE("guest")))
        return refuse_login(client, user, RC_AUTH);
    if (!client->principal.is_loopback)
        return refuse_login(client, user, RC_REFUSED);
    return let_in(client, user, NULL, SHOWN_NOTHING);
}

static enum rc login_known(struct client *client, struct slice user, enum shown shown)
{
    const struct accounts *accounts =
        client->badge.access == NULL ? NULL : client->badge.access->config.accounts;
    const struct account *account = accounts == NULL ? NULL : accounts_find(accounts, user);

    if (account == NULL)
        return refuse_login(client, user, RC_AUTH);
    return let_in(client, user, account, shown);
}

/* Between the question and the answer the accounts may have been read anew. */
static enum rc login_asked(struct client *client, struct slice user)
{
    const struct accounts *accounts = client->badge.access->config.accounts;
    const struct account *account = accounts == NULL ? NULL : accounts_find(accounts, user);

    if (account == NULL || account_mark(account, SHOWN_PASSWORD) != client->badge.credentials->mark)
        return refuse_login(client, user, RC_AUTH);
    return let_in(client, user, account, SHOWN_PASSWORD);
}

static void on_password(void *arg, enum rc rc)
{
    struct client *client = arg;
    struct slice user = client->principal.name;
    char *name = mem_copy_text(user); /* a login renames the client */

    client->badge.credentials->request = NULL;
    if (rc != RC_OK)
        client_login_refused(client, user, rc);
    else
        rc = login_asked(client, slice_of(name, user.len));
    mem_free(name);
    if (client->ops->on_login != NULL)
        client->ops->on_login(client->session, rc);
}

static enum rc login_listed(struct client *client, const struct accounts *accounts,
                            struct slice user, struct slice password)
{
    const struct account *account = accounts_find(accounts, user);
    bool is_decoy = account == NULL || slice_is_none(account->password);
    enum rc rc;

    if (password.len == 0 && client->badge.access->config.refuses_empty)
        return refuse_login(client, user, RC_AUTH);
    if (is_decoy) /* who has none waits as long as who has one */
        account = accounts_decoy(accounts);
    if (account == NULL)
        return refuse_login(client, user, RC_AUTH);
    rc = password_worker_ask(client->core->passwords, account->password, password, is_decoy,
                             on_password, client, &credentials_of(client)->request);
    if (rc == RC_OK)
        return login_known(client, user, SHOWN_PASSWORD);
    if (rc != RC_AGAIN)
        return refuse_login(client, user, rc);
    credentials_of(client)->mark = account_mark(account, SHOWN_PASSWORD);
    badge_name(client, user);
    return rc;
}

static enum rc login_certified(struct client *client)
{
    const struct accounts *accounts = client->badge.access->config.accounts;
    const struct credentials *credentials = client->badge.credentials;
    struct slice name = slice_str(credentials == NULL ? NULL : credentials->certificate);

    if (name.len == 0 || name.len > ACCOUNT_NAME_MAX_BYTES)
        return refuse_login(client, name, RC_AUTH);
    client->principal.is_certified = true;
    return let_in(client, name, accounts == NULL ? NULL : accounts_find(accounts, name),
                  SHOWN_NOTHING);
}

enum rc client_login(struct client *client, struct slice user, struct slice password)
{
    const struct access *access = client->badge.access;

    if (client->badge.credentials != NULL)
        password_worker_cancel(&client->badge.credentials->request);
    if (access != NULL && access->config.needs_certificate)
        return login_certified(client);
    if (slice_is_none(user))
        return badge_may_be_anonymous(client) ? let_in(client, user, NULL, SHOWN_NOTHING)
                                              : refuse_login(client, user, RC_REFUSED);
    if (logins_is_banned(client, user))
        return RC_BANNED;
    if (access == NULL || access->config.accounts == NULL)
        return login_unlisted(client, user, password);
    return login_listed(client, access->config.accounts, user, password);
}

bool client_needs_no_name(const struct client *client)
{
    const struct access *access = client->badge.access;

    return badge_may_be_anonymous(client) || (access != NULL && access->config.needs_certificate);
}

bool client_takes_scram(const struct client *client)
{
    const struct access *access = client->badge.access;

    return access != NULL && access->config.accounts != NULL && !access->config.needs_certificate;
}

bool client_needs_certificate(const struct client *client)
{
    return client->badge.access != NULL && client->badge.access->config.needs_certificate;
}

void client_scram_verifier(const struct client *client, struct slice user, enum scram_hash hash,
                           struct scram_verifier *ret)
{
    const struct access *access = client->badge.access;
    const struct account *account = access == NULL || access->config.accounts == NULL
                                        ? NULL
                                        : accounts_find(access->config.accounts, user);

    if (account == NULL || !scram_verifier_read(account->scram[hash], hash, ret))
        scram_verifier_pretend(slice_of(client->core->secret, sizeof(client->core->secret)), user,
                               ret);
}

enum rc client_may_try(const struct client *client, struct slice user)
{
    return logins_is_banned(client, user) ? RC_BANNED : RC_OK;
}

enum rc client_login_by_scram(struct client *client, struct slice user, enum scram_hash hash)
{
    if (logins_is_banned(client, user))
        return RC_AUTH;
    return login_known(client, user,
                       hash == SCRAM_SHA_256 ? SHOWN_SCRAM_SHA_256 : SHOWN_SCRAM_SHA_512);
}

enum rc client_login_as(struct client *client, struct slice user)
{
    return login_known(client, user, SHOWN_NOTHING);
}
