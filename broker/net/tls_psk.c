/* SPDX-License-Identifier: Apache-2.0 */
/* TLS with keys that both sides were given before (RFC 4279, and RFC 8446 2.2 for 1.3). A key is
 * compared by OpenSSL, inside the handshake; here it is only looked up. Who says an unknown
 * identity is answered as if it were known and the key wrong, so that nobody learns which there
 * are. */
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/map.h"
#include "broker/base/mem.h"
#include "broker/base/utf8.h"
#include "broker/net/net_int.h"
#include "broker/net/tls_int.h"

/* Longer ones OpenSSL does not take. */
#define IDENTITY_MAX_BYTES 256
#define KEY_MAX_BYTES      512
/* An identity, a colon, a key in hexadecimal, the line's end, and one more to see that it is too
 * long. */
#define LINE_ROOM_BYTES (IDENTITY_MAX_BYTES + 1 + 2 * KEY_MAX_BYTES + 2 + 1 + 1)
/* Keys lie in memory: this many are a gigabyte at worst. */
#define KEYS_MAX 1000000
/* Below this a listener to one handshake can find the key by trying (RFC 9257 6). */
#define KEY_GOOD_BYTES 16

struct psk_key {
    struct map_node node; /* by identity */
    char *identity;       /* owned; a text */
    size_t len;
    unsigned char *key; /* owned */
};

struct psk_keys {
    struct map by_identity; /* of a server */
    struct psk_key *own;    /* owned; of a client */
    unsigned short_count;   /* keys that are easily found */
};

/* ---- keys ---- */

static void key_free(struct psk_key *key)
{
    if (key == NULL)
        return;
    if (key->key != NULL)
        OPENSSL_cleanse(key->key, key->len);
    mem_free(key->key);
    mem_free(key->identity);
    mem_free(key);
}

static struct psk_keys *keys_new(void)
{
    struct psk_keys *keys = mem_new(struct psk_keys);

    map_init(&keys->by_identity);
    return keys;
}

void psk_keys_free(struct psk_keys **keys)
{
    struct psk_keys *k = *keys;
    struct map_node *node;

    *keys = NULL;
    if (k == NULL)
        return;
    while ((node = map_any(&k->by_identity)) != NULL) {
        map_remove(&k->by_identity, node);
        key_free(CONTAINER_OF(node, struct psk_key, node));
    }
    map_done(&k->by_identity);
    key_free(k->own);
    mem_free(k);
}

/* With an odd number of digits the first byte has one, as in any number. NULL: it is none. */
static unsigned char *read_hex(struct slice digits, size_t *ret_len)
{
    size_t len = (digits.len + 1) / 2, odd = digits.len % 2;
    unsigned char *key;

    if (len == 0 || len > KEY_MAX_BYTES)
        return NULL;
    key = mem_zeroed(len);
    for (size_t i = 0; i < digits.len; i++) {
        int digit = OPENSSL_hexchar2int(digits.at[i]);

        if (digit < 0) {
            OPENSSL_cleanse(key, len);
            mem_free(key);
            return NULL;
        }
        key[(i + odd) / 2] |= (unsigned char)((i + odd) % 2 == 0 ? digit << 4 : digit);
    }
    *ret_len = len;
    return key;
}

/* *ret_why says what is wrong when it is NULL. */
static struct psk_key *key_new(struct slice identity, struct slice digits, const char **ret_why)
{
    struct psk_key *key = NULL;
    unsigned char *bytes;
    size_t len = 0;

    *ret_why = "an identity has 1 to 256 bytes of UTF-8";
    if (identity.len == 0 || identity.len > IDENTITY_MAX_BYTES || !utf8_is_valid(identity) ||
        memchr(identity.at, '\0', identity.len) != NULL)
        return NULL;
    *ret_why = "a key has 1 to 512 bytes, each two digits in hexadecimal";
    bytes = read_hex(digits, &len);
    if (bytes == NULL)
        return NULL;
    key = mem_new(struct psk_key);
    key->identity = mem_copy_text(identity);
    key->key = bytes;
    key->len = len;
    return key;
}

/* ---- the file ---- */

/* NULL: it is a line of the file. */
static const char *take_line(struct psk_keys *keys, struct slice line)
{
    const uint8_t *colon;
    struct psk_key *key;
    const char *why;

    while (line.len > 0 && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
        line.len--;
    if (line.len == 0 || line.at[0] == '#')
        return NULL;
    colon = memchr(line.at, ':', line.len);
    if (colon == NULL)
        return "IDENTITY:KEY is expected";
    key = key_new(slice_of(line.at, (size_t)(colon - line.at)),
                  slice_after(line, (size_t)(colon - line.at) + 1), &why);
    if (key == NULL)
        return why;
    why = map_get(&keys->by_identity, slice_str(key->identity)) != NULL ? "a second key of this "
                                                                          "identity"
          : keys->by_identity.count == KEYS_MAX                         ? "too many keys"
                                                                        : NULL;
    if (why != NULL) {
        key_free(key);
        return why;
    }
    keys->short_count += key->len < KEY_GOOD_BYTES;
    map_add(&keys->by_identity, slice_str(key->identity), &key->node);
    return NULL;
}

static enum rc read_keys(struct psk_keys *keys, const char *path)
{
    BIO *file = BIO_new_file(path, "r");
    char line[LINE_ROOM_BYTES];
    const char *why = NULL;
    unsigned number = 0;
    int len;

    if (file == NULL) {
        tls_log(LOG_ERROR, "the shared keys cannot be read", path);
        return RC_INVALID;
    }
    while (why == NULL && (len = BIO_gets(file, line, sizeof(line))) > 0) {
        number++;
        why = (size_t)len == sizeof(line) - 1 ? "the line is too long"
                                              : take_line(keys, slice_of(line, (size_t)len));
    }
    OPENSSL_cleanse(line, sizeof(line));
    BIO_free(file);
    if (why == NULL)
        return RC_OK;
    log_event(LOG_ERROR, "tls.configuration", "file=%s line=%u why=\"%s\"",
              log_quote(path, strlen(path)), number, why);
    return RC_INVALID;
}

/* ---- who counts logins ---- */

static bool is_banned(const struct conn *conn, const char *identity)
{
    const struct net_logins *logins = &conn->loop->logins;
    const char *origin = conn_origin(conn);

    return origin != NULL && logins->is_banned != NULL &&
           logins->is_banned(logins->arg, origin, identity);
}

static void tell_login(const struct conn *conn, const char *identity, bool is_right)
{
    const struct net_logins *logins = &conn->loop->logins;
    const char *origin = conn_origin(conn);

    if (origin != NULL && logins->on_login != NULL)
        logins->on_login(logins->arg, origin, identity, is_right);
}

/* ---- a server's part of the handshake ---- */

/* A key that nobody has: the handshake goes on and fails, as with a wrong one. */
static unsigned make_up(const struct conn *conn, const char *identity, const char *why,
                        unsigned char *at, unsigned max)
{
    unsigned len = max < KEY_GOOD_BYTES ? max : KEY_GOOD_BYTES;

    count_add(COUNT_NET_PSK_REFUSED, 1);
    log_peer(LOG_NOTICE, "tls.refused", "conn=%llu peer=%s why=\"%s\" identity=%s",
             (unsigned long long)conn_id(conn), conn_peer(conn), why,
             log_quote(identity, strlen(identity)));
    return RAND_bytes(at, (int)len) == 1 ? len : 0;
}

/* 1.3 asks for each identity that a client names, and tickets look like some: where there is a
 * certificate, an unknown one is passed over. */
static unsigned on_identity(SSL *ssl, const char *identity, unsigned char *at, unsigned max)
{
    struct tls_conn *conn = SSL_get_app_data(ssl);
    const struct tls *tls = conn->tls;
    struct map_node *node =
        identity == NULL ? NULL : map_get(&tls->keys->by_identity, slice_str(identity));

    conn->key = NULL;
    if (node != NULL && is_banned(conn->conn, identity))
        return make_up(conn->conn, identity, "too many logins failed", at, max);
    if (node != NULL) {
        conn->key = CONTAINER_OF(node, struct psk_key, node);
        if (conn->key->len > max)
            return 0;
        memcpy(at, conn->key->key, conn->key->len);
        return (unsigned)conn->key->len;
    }
    if (!tls->is_psk_alone && SSL_version(ssl) >= TLS1_3_VERSION)
        return 0;
    identity = identity == NULL ? "" : identity;
    if (!is_banned(conn->conn, identity)) /* what comes meanwhile does not prolong it */
        tell_login(conn->conn, identity, false);
    return make_up(conn->conn, identity, "unknown identity of a shared key", at, max);
}

void tls_psk_failed(const struct tls_conn *tls, const struct conn *conn, const char *reason)
{
    const char *identity = tls->key->identity;

    if (tls->tls->keys->own == NULL) {
        count_add(COUNT_NET_PSK_REFUSED, 1);
        tell_login(conn, identity, false);
    }
    log_peer(LOG_NOTICE, "tls.refused", "conn=%llu peer=%s why=%s identity=%s",
             (unsigned long long)conn_id(conn), conn_peer(conn), log_quote(reason, strlen(reason)),
             log_quote(identity, strlen(identity)));
}

/* No tickets: they would let clients in whose key is gone. */
enum rc tls_use_psk(struct tls *tls, const char *file, const char *hint)
{
    enum rc rc;

    tls->keys = keys_new();
    rc = read_keys(tls->keys, file);
    if (rc != RC_OK)
        return rc;
    if (tls->keys->short_count > 0)
        log_event(LOG_WARNING, "tls.short_keys",
                  "file=%s keys=%u why=\"keys of less than %u bytes can be found by trying\"",
                  log_quote(file, strlen(file)), tls->keys->short_count, KEY_GOOD_BYTES);
    if (hint != NULL && SSL_CTX_use_psk_identity_hint(tls->context, hint) != 1) {
        tls_log(LOG_ERROR, "the hint for shared keys is too long", hint);
        return RC_INVALID;
    }
    (void)SSL_CTX_set_options(tls->context, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_num_tickets(tls->context, 0);
    SSL_CTX_set_psk_server_callback(tls->context, on_identity);
    return RC_OK;
}

/* In 1.3 a client may name several identities, and get in by its certificate all the same. */
static bool is_used(const struct tls_conn *tls)
{
    return tls->key != NULL && SSL_is_init_finished(tls->ssl) != 0 &&
           (SSL_version(tls->ssl) >= TLS1_3_VERSION ? SSL_session_reused(tls->ssl) == 1
                                                    : SSL_get_psk_identity(tls->ssl) != NULL);
}

char *tls_psk_name(const struct tls_conn *tls)
{
    return is_used(tls) ? mem_copy_text(slice_str(tls->key->identity)) : NULL;
}

void tls_psk_shown(const struct tls_conn *tls, const struct conn *conn)
{
    if (tls->tls->keys->own == NULL && is_used(tls))
        tell_login(conn, tls->key->identity, true);
}

/* A handshake under way looks for keys where it began to. */
bool tls_psk_holds(const struct tls_conn *tls, const struct tls *fresh)
{
    const struct psk_key *key;
    struct map_node *node;

    if (tls->tls->keys == NULL)
        return true;
    if (!is_used(tls))
        return SSL_is_init_finished(tls->ssl) != 0;
    node = fresh->keys == NULL ? NULL
                               : map_get(&fresh->keys->by_identity, slice_str(tls->key->identity));
    if (node == NULL)
        return false;
    key = CONTAINER_OF(node, struct psk_key, node);
    return key->len == tls->key->len && CRYPTO_memcmp(key->key, tls->key->key, key->len) == 0;
}

/* ---- a client's part ---- */

static unsigned on_hint(SSL *ssl, const char *hint, char *identity, unsigned identity_room,
                        unsigned char *at, unsigned max)
{
    struct tls_conn *conn = SSL_get_app_data(ssl);
    const struct psk_key *own = conn->tls->keys->own;
    size_t len = strlen(own->identity);

    (void)hint; /* there is one identity, whatever the server would like */
    if (len >= identity_room || own->len > max)
        return 0;
    conn->key = own;
    memcpy(identity, own->identity, len + 1);
    memcpy(at, own->key, own->len);
    return (unsigned)own->len;
}

/* No authority is trusted: a peer that shows a certificate instead is none. */
enum rc tls_use_psk_as(struct tls *tls, const char *identity, const char *key)
{
    const char *why = NULL;

    tls->keys = keys_new();
    tls->keys->own = key_new(slice_str(identity), slice_str(key), &why);
    if (tls->keys->own == NULL) {
        log_event(LOG_ERROR, "tls.configuration", "identity=%s why=\"%s\"",
                  log_quote(identity, strlen(identity)), why);
        return RC_INVALID;
    }
    SSL_CTX_set_psk_client_callback(tls->context, on_hint);
    return RC_OK;
}
