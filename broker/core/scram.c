/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "broker/base/base64.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/base/random.h"
#include "broker/base/utf8.h"

#define SALT_BYTES  16
#define NONCE_BYTES 18 /* 24 characters */

static const struct {
    const char *prefix;
    const char *name;
    size_t key_bytes;
    const EVP_MD *(*md)(void);
} hashes[] = {
    [SCRAM_SHA_256] = { "$scram-sha-256$", "SCRAM-SHA-256", 32, EVP_sha256 },
    [SCRAM_SHA_512] = { "$scram-sha-512$", "SCRAM-SHA-512", 64, EVP_sha512 },
};

#define HASH_COUNT (sizeof(hashes) / sizeof(hashes[0]))

const char *scram_prefix(enum scram_hash hash)
{
    return hashes[hash].prefix;
}

const char *scram_name(enum scram_hash hash)
{
    return hashes[hash].name;
}

bool scram_find(struct slice name, enum scram_hash *ret)
{
    for (unsigned i = 0; i < HASH_COUNT; i++) {
        if (slice_equal_str(name, hashes[i].name)) {
            *ret = (enum scram_hash)i;
            return true;
        }
    }
    return false;
}

/* ---- the two functions everything is made of ---- */

static bool hmac(enum scram_hash hash, const uint8_t *key, struct slice text, uint8_t *to)
{
    unsigned len;

    return HMAC(hashes[hash].md(), key, (int)hashes[hash].key_bytes, text.at, text.len, to, &len) !=
           NULL;
}

static bool digest(enum scram_hash hash, const uint8_t *key, uint8_t *to)
{
    unsigned len;

    return EVP_Digest(key, hashes[hash].key_bytes, to, &len, hashes[hash].md(), NULL) == 1;
}

/* ---- verifiers ---- */

static struct slice take_until(struct slice *rest, uint8_t end)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->at, end, rest->len);
    struct slice field = slice_of(rest->at, at == NULL ? rest->len : (size_t)(at - rest->at));

    *rest = slice_after(*rest, field.len + 1);
    return field;
}

static bool read_bytes(struct slice text, size_t least, size_t max, uint8_t *to, size_t *ret_len)
{
    struct text bytes = { 0 };
    bool is_good = base64_decode(&bytes, text) && bytes.len >= least && bytes.len <= max;

    if (is_good) {
        memcpy(to, bytes.at, bytes.len);
        *ret_len = bytes.len;
    }
    text_done(&bytes);
    return is_good;
}

bool scram_verifier_read(struct slice text, enum scram_hash hash, struct scram_verifier *ret)
{
    struct slice rest = slice_after(text, strlen(hashes[hash].prefix));
    size_t key_bytes = hashes[hash].key_bytes, len;
    uint64_t iterations;

    *ret = (struct scram_verifier){ 0 };
    if (!slice_starts(text, slice_str(hashes[hash].prefix)) ||
        number_u64(take_until(&rest, '$'), SCRAM_ITERATIONS_LEAST, SCRAM_ITERATIONS_MAX,
                   &iterations) != RC_OK)
        return false;
    ret->iterations = (unsigned)iterations;
    return read_bytes(take_until(&rest, '$'), 1, SCRAM_SALT_MAX_BYTES, ret->salt,
                      &ret->salt_bytes) &&
           read_bytes(take_until(&rest, '$'), key_bytes, key_bytes, ret->stored_key, &len) &&
           read_bytes(rest, key_bytes, key_bytes, ret->server_key, &len);
}

enum rc scram_verifier_derive(enum scram_hash hash, struct slice password, struct slice salt,
                              unsigned iterations, struct text *to)
{
    size_t bytes = hashes[hash].key_bytes;
    uint8_t salted[SCRAM_KEY_MAX_BYTES], key[SCRAM_KEY_MAX_BYTES], stored[SCRAM_KEY_MAX_BYTES],
        server[SCRAM_KEY_MAX_BYTES];
    bool is_done;

    if (iterations < SCRAM_ITERATIONS_LEAST || iterations > SCRAM_ITERATIONS_MAX ||
        salt.len > SCRAM_SALT_MAX_BYTES || password.len > INT32_MAX)
        return RC_RANGE;
    is_done =
        PKCS5_PBKDF2_HMAC((const char *)password.at, (int)password.len, salt.at, (int)salt.len,
                          (int)iterations, hashes[hash].md(), (int)bytes, salted) == 1 &&
        hmac(hash, salted, SLICE("Client Key"), key) && digest(hash, key, stored) &&
        hmac(hash, salted, SLICE("Server Key"), server);
    OPENSSL_cleanse(salted, sizeof(salted));
    OPENSSL_cleanse(key, sizeof(key));
    if (!is_done)
        return RC_MEMORY;
    text_format(to, "%s%u$", hashes[hash].prefix, iterations);
    base64_encode(to, salt);
    text_add_byte(to, '$');
    base64_encode(to, slice_of(stored, bytes));
    text_add_byte(to, '$');
    base64_encode(to, slice_of(server, bytes));
    return to->bad ? RC_MEMORY : RC_OK;
}

enum rc scram_verifier_make(enum scram_hash hash, struct slice password, unsigned iterations,
                            struct text *to)
{
    uint8_t salt[SALT_BYTES];

    random_bytes(salt, sizeof(salt));
    return scram_verifier_derive(hash, password, slice_of(salt, sizeof(salt)), iterations, to);
}

void scram_verifier_pretend(struct slice secret, struct slice user, struct scram_verifier *ret)
{
    uint8_t key[SCRAM_KEY_MAX_BYTES] = { 0 }, salt[SCRAM_KEY_MAX_BYTES];

    ASSERT(secret.len <= sizeof(key));
    memcpy(key, secret.at, secret.len);
    *ret = (struct scram_verifier){ .iterations = SCRAM_ITERATIONS, .salt_bytes = SALT_BYTES };
    if (hmac(SCRAM_SHA_512, key, user, salt))
        memcpy(ret->salt, salt, SALT_BYTES);
    random_bytes(ret->stored_key, sizeof(ret->stored_key));
    random_bytes(ret->server_key, sizeof(ret->server_key));
}

/* ---- the client's first message ---- */

void scram_init(struct scram *scram, enum scram_hash hash)
{
    *scram = (struct scram){ .hash = hash };
}

void scram_done(struct scram *scram)
{
    text_done(&scram->user);
    text_done(&scram->first_bare);
    text_done(&scram->head);
    text_done(&scram->nonce);
    text_done(&scram->server_first);
    OPENSSL_cleanse(&scram->verifier, sizeof(scram->verifier));
}

/* RFC 5802 5.1: "=2C" and "=3D" stand for ',' and '='. */
static bool read_name(struct slice name, struct text *to)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.at[i];

        if (byte == '=') {
            struct slice code = slice_after(name, i);

            if (slice_starts(code, SLICE("=2C")))
                byte = ',';
            else if (!slice_starts(code, SLICE("=3D")))
                return false;
            i += 2;
        }
        text_add_byte(to, byte);
    }
    return to->len > 0 && utf8_is_valid(text_slice(to)) && memchr(to->at, 0, to->len) == NULL;
}

static bool is_nonce(struct slice nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        if (nonce.at[i] < 0x21 || nonce.at[i] > 0x7e || nonce.at[i] == ',')
            return false;
    }
    return nonce.len > 0;
}

/* "x=value": false when it is another attribute. */
static bool take_attribute(struct slice *rest, uint8_t letter, struct slice *ret)
{
    struct slice field = take_until(rest, ',');

    if (field.len < 2 || field.at[0] != letter || field.at[1] != '=')
        return false;
    *ret = slice_after(field, 2);
    return true;
}

/* The head: what of channel binding the client can do, and whom it wants to be. */
static enum rc take_head(struct scram *scram, struct slice *rest, struct slice *ret_act_as)
{
    struct slice all = *rest, binding = take_until(rest, ','), act_as = take_until(rest, ',');

    if (binding.len >= 2 && binding.at[0] == 'p' && binding.at[1] == '=')
        return RC_UNSUPPORTED;
    /* 'y': it could bind, and takes us for one that cannot, which is so */
    if (!slice_equal_str(binding, "n") && !slice_equal_str(binding, "y"))
        return RC_MALFORMED;
    if (act_as.len > 0 && !slice_starts(act_as, SLICE("a=")))
        return RC_MALFORMED;
    *ret_act_as = slice_after(act_as, 2);
    text_add(&scram->head, slice_of(all.at, all.len - rest->len));
    return RC_OK;
}

enum rc scram_take_first(struct scram *scram, struct slice message)
{
    struct slice rest = message, act_as = SLICE_NONE, name, nonce;
    struct text other = { 0 };
    bool is_itself;
    enum rc rc;

    if (message.len == 0 || message.len > SCRAM_MESSAGE_MAX_BYTES)
        return RC_MALFORMED;
    rc = take_head(scram, &rest, &act_as);
    if (rc != RC_OK)
        return rc;
    text_add(&scram->first_bare, rest);
    if (slice_starts(rest, SLICE("m=")))
        return RC_UNSUPPORTED;
    if (!take_attribute(&rest, 'n', &name) || !take_attribute(&rest, 'r', &nonce) ||
        !is_nonce(nonce) || !read_name(name, &scram->user))
        return RC_MALFORMED;
    text_add(&scram->nonce, nonce);
    scram->client_nonce_bytes = nonce.len;
    is_itself = act_as.len == 0 || (read_name(act_as, &other) &&
                                    slice_equal(text_slice(&other), text_slice(&scram->user)));
    text_done(&other);
    if (!is_itself)
        return RC_REFUSED;
    return scram->user.bad || scram->nonce.bad || scram->first_bare.bad || scram->head.bad
               ? RC_MEMORY
               : RC_OK;
}

/* ---- the server's, and the end ---- */

enum rc scram_give_first(struct scram *scram, const struct scram_verifier *verifier,
                         struct slice nonce, struct text *to)
{
    uint8_t bytes[NONCE_BYTES];
    struct text *first = &scram->server_first;

    scram->verifier = *verifier;
    if (slice_is_none(nonce)) {
        random_bytes(bytes, sizeof(bytes));
        base64_encode(&scram->nonce, slice_of(bytes, sizeof(bytes)));
    } else {
        text_add(&scram->nonce, nonce);
    }
    text_add(first, SLICE("r="));
    text_add(first, text_slice(&scram->nonce));
    text_add(first, SLICE(",s="));
    base64_encode(first, slice_of(verifier->salt, verifier->salt_bytes));
    text_format(first, ",i=%u", verifier->iterations);
    text_add(to, text_slice(first));
    return first->bad || to->bad || scram->nonce.bad ? RC_MEMORY : RC_OK;
}

/* c= is the head once more, so that nobody has changed it under way. */
static bool is_same_head(const struct scram *scram, struct slice binding)
{
    struct text bytes = { 0 };
    bool is_same =
        base64_decode(&bytes, binding) && slice_equal(text_slice(&bytes), text_slice(&scram->head));

    text_done(&bytes);
    return is_same;
}

static bool is_same_nonce(const struct scram *scram, struct slice nonce)
{
    struct slice both = text_slice(&scram->nonce);
    struct slice own = slice_of(both.at, scram->client_nonce_bytes);

    if (scram->takes_doubled_nonce && slice_starts(nonce, own) && nonce.len == own.len + both.len)
        nonce = slice_after(nonce, own.len);
    return slice_equal(nonce, both);
}

/* What both sides sign. */
static bool add_signed(const struct scram *scram, struct slice without_proof, struct text *to)
{
    text_add(to, text_slice(&scram->first_bare));
    text_add_byte(to, ',');
    text_add(to, text_slice(&scram->server_first));
    text_add_byte(to, ',');
    text_add(to, without_proof);
    return !to->bad;
}

static enum rc check_proof(const struct scram *scram, struct slice without_proof,
                           const uint8_t *proof, struct text *to)
{
    size_t bytes = hashes[scram->hash].key_bytes;
    uint8_t key[SCRAM_KEY_MAX_BYTES], stored[SCRAM_KEY_MAX_BYTES], server[SCRAM_KEY_MAX_BYTES];
    struct text all = { 0 };
    bool is_done = add_signed(scram, without_proof, &all) &&
                   hmac(scram->hash, scram->verifier.stored_key, text_slice(&all), key) &&
                   hmac(scram->hash, scram->verifier.server_key, text_slice(&all), server);
    enum rc rc = RC_MEMORY;

    text_done(&all);
    for (size_t i = 0; is_done && i < bytes; i++)
        key[i] ^= proof[i];
    if (is_done && digest(scram->hash, key, stored))
        rc = CRYPTO_memcmp(stored, scram->verifier.stored_key, bytes) == 0 ? RC_OK : RC_AUTH;
    OPENSSL_cleanse(key, sizeof(key));
    if (rc != RC_OK)
        return rc;
    text_add(to, SLICE("v="));
    base64_encode(to, slice_of(server, bytes));
    return to->bad ? RC_MEMORY : RC_OK;
}

/* Where ",p=" begins: the proof is the last attribute. */
static bool find_proof(struct slice message, size_t *ret)
{
    for (size_t i = message.len; i-- > 0;) {
        if (message.at[i] == ',') {
            *ret = i;
            return slice_starts(slice_after(message, i), SLICE(",p="));
        }
    }
    return false;
}

enum rc scram_take_final(struct scram *scram, struct slice message, struct text *to)
{
    uint8_t proof[SCRAM_KEY_MAX_BYTES];
    size_t proof_at, key_bytes = hashes[scram->hash].key_bytes, len;
    struct slice rest = message, binding, nonce;

    ASSERT(scram->server_first.len > 0);
    if (message.len > SCRAM_MESSAGE_MAX_BYTES || !find_proof(message, &proof_at))
        return RC_MALFORMED;
    if (!take_attribute(&rest, 'c', &binding) || !take_attribute(&rest, 'r', &nonce) ||
        !read_bytes(slice_after(message, proof_at + 3), key_bytes, key_bytes, proof, &len))
        return RC_MALFORMED;
    if (!is_same_head(scram, binding) || !is_same_nonce(scram, nonce))
        return RC_AUTH;
    return check_proof(scram, slice_of(message.at, proof_at), proof, to);
}
