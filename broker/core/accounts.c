/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/accounts.h"

#include "broker/base/list.h"
#include "broker/base/map.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/base/utf8.h"
#include "broker/core/lines.h"
#include "broker/core/password.h"
#include "broker/core/scram.h"

struct entry {
    struct map_node by_name;
    struct account account;
};

struct accounts {
    uint8_t *text;         /* owned: what all slices borrow from */
    struct map by_name;    /* of struct entry */
    struct account *decoy; /* borrowed from an entry */
};

/* ---- one line ---- */

static bool is_role(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] <= ' ' || s.at[i] == 0x7f)
            return false;
    }
    return s.len > 0;
}

static const char *set_roles(struct account *account, struct slice roles)
{
    struct slice rest = roles, one;
    unsigned count = 0;

    if (!slice_is_none(account->roles))
        return "its roles stand twice";
    while (slice_next_listed(&rest, &one)) {
        if (!is_role(one) || ++count > ACCOUNT_ROLES_MAX)
            return "roles are words with commas between, at most 16";
    }
    if (count == 0)
        return "no role is named behind @";
    account->roles = roles;
    return NULL;
}

static const char *set_once(struct slice *at, struct slice field, bool is_valid)
{
    if (!is_valid)
        return "a hash or verifier that cannot be used";
    if (!slice_is_none(*at))
        return "two hashes or verifiers of one kind";
    *at = field;
    return NULL;
}

static const char *set_field(struct account *account, struct slice field)
{
    static const enum scram_hash hashes[] = { SCRAM_SHA_256, SCRAM_SHA_512 };
    struct scram_verifier verifier;

    if (field.len > 0 && field.at[0] == '@')
        return set_roles(account, slice_after(field, 1));
    for (unsigned i = 0; i < ACCOUNT_SCRAM_COUNT; i++) {
        if (slice_starts(field, slice_str(scram_prefix(hashes[i]))))
            return set_once(&account->scram[i], field,
                            scram_verifier_read(field, hashes[i], &verifier));
    }
    return set_once(&account->password, field, password_hash_is_valid(field));
}

static struct slice take_field(struct slice *rest)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->at, ':', rest->len);
    struct slice field = slice_of(rest->at, end == NULL ? rest->len : (size_t)(end - rest->at));

    *rest = slice_after(*rest, field.len + 1);
    return lines_trim(field);
}

static bool is_name(struct slice name)
{
    if (name.len == 0 || name.len > ACCOUNT_NAME_MAX_BYTES || !utf8_is_valid(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] < ' ' || name.at[i] == 0x7f)
            return false;
    }
    return true;
}

/* NULL: it is a user. Else what is wrong. */
static const char *read_account(struct slice line, struct account *ret)
{
    struct slice rest = line;

    *ret = (struct account){ .line = line };
    if (memchr(line.at, ':', line.len) == NULL)
        return "no colon: expected NAME:HASH, as mosquitto_passwd and `tercet passwd` write it";
    ret->name = take_field(&rest);
    if (!is_name(ret->name))
        return "the user's name must be 1 to 255 bytes of UTF-8 without control characters";
    if (rest.len == 0)
        return "no hash behind the name";
    while (rest.len > 0) {
        const char *wrong = set_field(ret, take_field(&rest));

        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

/* ---- all of them ---- */

static const char *add(struct accounts *accounts, struct slice line)
{
    struct entry *entry = mem_try(sizeof(*entry));
    const char *wrong;

    if (entry == NULL)
        return "out of memory";
    *entry = (struct entry){ 0 };
    wrong = read_account(line, &entry->account);
    if (wrong == NULL && map_get(&accounts->by_name, entry->account.name) != NULL)
        wrong = "a second user of this name";
    if (wrong == NULL && accounts->by_name.count >= ACCOUNTS_MAX)
        wrong = "more than 1000000 users";
    if (wrong != NULL) {
        mem_free(entry);
        return wrong;
    }
    map_add(&accounts->by_name, entry->account.name, &entry->by_name);
    if (accounts->decoy == NULL && !slice_is_none(entry->account.password))
        accounts->decoy = &entry->account;
    return NULL;
}

static struct accounts *new_accounts(struct slice text)
{
    struct accounts *accounts = mem_new(struct accounts);

    map_init(&accounts->by_name);
    accounts->text = mem_try(text.len + 1);
    if (accounts->text != NULL && text.len > 0)
        memcpy(accounts->text, text.at, text.len);
    return accounts;
}

static enum rc read_all(const char *file, struct slice text, bool skips_wrong,
                        struct accounts **ret, struct text *errors)
{
    struct accounts *accounts = new_accounts(text);
    struct lines lines;
    struct slice line;

    if (accounts->text == NULL) {
        accounts_free(&accounts);
        text_format(errors, "%s: out of memory", file);
        return RC_MEMORY;
    }
    lines = lines_of(slice_of(accounts->text, text.len));
    while ((skips_wrong || lines.errors < ACCOUNTS_ERRORS_MAX) && lines_next(&lines, &line)) {
        const char *wrong = add(accounts, line);

        if (wrong != NULL && lines.errors < ACCOUNTS_ERRORS_MAX)
            lines_complain(&lines, file, wrong, errors);
    }
    if (lines.errors > 0 && !skips_wrong) {
        accounts_free(&accounts);
        return RC_INVALID;
    }
    *ret = accounts;
    return RC_OK;
}

enum rc accounts_read(const char *file, struct slice text, struct accounts **ret,
                      struct text *errors)
{
    return read_all(file, text, false, ret, errors);
}

enum rc accounts_load(const char *file, bool skips_wrong, struct accounts **ret,
                      struct text *errors)
{
    struct text text = { 0 };
    enum rc rc = lines_load(file, ACCOUNTS_FILE_MAX_BYTES, &text, errors);

    if (rc == RC_OK)
        rc = read_all(file, text_slice(&text), skips_wrong, ret, errors);
    text_done(&text);
    return rc;
}

void accounts_free(struct accounts **ref)
{
    struct accounts *accounts = *ref;
    struct map_node *node;

    *ref = NULL;
    if (accounts == NULL)
        return;
    while ((node = map_any(&accounts->by_name)) != NULL) {
        map_remove(&accounts->by_name, node);
        mem_free(CONTAINER_OF(node, struct entry, by_name));
    }
    map_done(&accounts->by_name);
    mem_free(accounts->text);
    mem_free(accounts);
}

size_t accounts_count(const struct accounts *accounts)
{
    return accounts->by_name.count;
}

const struct account *accounts_find(const struct accounts *accounts, struct slice name)
{
    struct map_node *node = map_get(&accounts->by_name, name);

    return node == NULL ? NULL : &CONTAINER_OF(node, struct entry, by_name)->account;
}

const struct account *accounts_decoy(const struct accounts *accounts)
{
    return accounts->decoy;
}

const struct account *accounts_next(const struct accounts *accounts, const struct account *account)
{
    const struct entry *entry =
        account == NULL ? NULL
                        : CONTAINER_OF((struct account *)(uintptr_t)account, struct entry, account);
    struct map_node *node = map_next(&accounts->by_name, entry == NULL ? NULL : &entry->by_name);

    return node == NULL ? NULL : &CONTAINER_OF(node, struct entry, by_name)->account;
}
