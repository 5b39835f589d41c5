/* SPDX-License-Identifier: Apache-2.0 */
/* Who left something that is published later: kept with it, and asked then what it may. */
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/base/wire.h"
#include "broker/core/accounts.h"
#include "broker/core/acl_int.h"

struct author {
    char *listener; /* owned, like the others; NULL: one without an access of its own */
    char *user;     /* NULL: nobody by name */
    char *id;       /* NULL: it had none */
};

struct author *author_of(const struct client *client)
{
    const struct badge *badge = &client->badge;
    struct author *author;

    if (badge->access == NULL)
        return NULL;
    author = mem_new(struct author);
    if (badge->access->listener != NULL)
        author->listener = mem_copy_text(slice_str(badge->access->listener));
    if (badge->has_user)
        author->user = mem_copy_text(client->principal.name);
    if (badge->id != NULL)
        author->id = mem_copy_text(slice_of(badge->id, badge->id_len));
    return author;
}

void author_free(struct author **ref)
{
    if (*ref == NULL)
        return;
    mem_free((*ref)->listener);
    mem_free((*ref)->user);
    mem_free((*ref)->id);
    MEM_FREE(*ref);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool author_is_same(const struct author *a, const struct author *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return is_same_text(a->listener, b->listener) && is_same_text(a->user, b->user) &&
           is_same_text(a->id, b->id);
}

/* Three texts: a byte for whether there is one, u16 length, bytes. */
static void write_text(struct text *to, const char *text)
{
    struct slice s = slice_str(text);

    text_add_byte(to, text != NULL);
    text_add_u16(to, (uint16_t)s.len);
    text_add(to, s);
}

static char *read_text(struct rd *rd)
{
    bool is_there = rd_u8(rd) != 0;
    struct slice s = rd_bytes(rd, rd_u16(rd));

    return is_there && !rd->bad ? mem_copy_text(s) : NULL;
}

void author_write(struct text *to, const struct author *author)
{
    write_text(to, author->listener);
    write_text(to, author->user);
    write_text(to, author->id);
}

struct author *author_read(struct rd *rd)
{
    struct author *author = mem_new(struct author);

    author->listener = read_text(rd);
    author->user = read_text(rd);
    author->id = read_text(rd);
    if (rd->bad)
        author_free(&author);
    return author;
}

/* Whether who comes by that name has an account, or needs none. */
static bool is_known(const struct client *client, const struct account *account)
{
    const struct access_config *config = &client->badge.access->config;

    if (!client->badge.has_user)
        return badge_may_be_anonymous(client);
    return account != NULL || config->accounts == NULL || config->needs_certificate;
}

void client_act_for(struct client *client, const struct author *author)
{
    struct badge *badge = &client->badge;
    const struct accounts *accounts;
    const struct account *account = NULL;

    if (author == NULL)
        return;
    badge->access = access_find(client->core, author->listener);
    if (badge->access == NULL) /* the listener is there no more */
        badge->access = access_find(client->core, NULL);
    if (author->user != NULL)
        badge_name(client, slice_str(author->user));
    badge->has_user = author->user != NULL;
    if (author->id != NULL)
        client_set_id(client, slice_str(author->id));
    accounts = badge->access->config.accounts;
    if (accounts != NULL && author->user != NULL)
        account = accounts_find(accounts, slice_str(author->user));
    badge_has_account(client, account, SHOWN_NOTHING);
    badge->is_in = is_known(client, account);
    badge_weigh(client);
}
