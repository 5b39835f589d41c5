/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/password.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "broker/base/base64.h"
#include "broker/base/number.h"
#include "broker/base/random.h"
#include "broker/base/text.h"

/* OWASP's minimum: 32 ms of one core here, as much memory as a phone has to spare. */
#define ARGON2_PASSES        2
#define ARGON2_MEMORY_KIB    (19 * 1024)
#define ARGON2_LANES         1
#define ARGON2_SALT_BYTES    16
#define ARGON2_HASH_BYTES    32
#define ARGON2_TEXT_BYTES    256
#define ARGON2_TEXT_MAX      512
#define SHA512_BYTES         64
#define MOSQUITTO_SALT_MAX   64 /* mosquitto_passwd writes 12 */
#define MOSQUITTO_SALT_LEAST 1

void password_wipe(void *at, size_t len)
{
    OPENSSL_cleanse(at, len);
}

/* ---- mosquitto's ---- */

struct mosquitto_hash {
    unsigned iterations; /* 0: the old form */
    uint8_t salt[MOSQUITTO_SALT_MAX];
    size_t salt_bytes;
    uint8_t hash[SHA512_BYTES];
};

/* What stands before the next '$'. */
static struct slice take_field(struct slice *rest)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->at, '$', rest->len);
    struct slice field = slice_of(rest->at, end == NULL ? rest->len : (size_t)(end - rest->at));

    *rest = slice_after(*rest, field.len + 1);
    return field;
}

/* Exactly `least`..`max` bytes in base64. */
static bool take_bytes(struct slice *rest, size_t least, size_t max, uint8_t *to, size_t *ret_len)
{
    struct text bytes = { 0 };
    bool is_good =
        base64_decode(&bytes, take_field(rest)) && bytes.len >= least && bytes.len <= max;

    if (is_good) {
        memcpy(to, bytes.at, bytes.len);
        *ret_len = bytes.len;
    }
    text_done(&bytes);
    return is_good;
}

static bool read_mosquitto(struct slice text, struct mosquitto_hash *ret)
{
    struct slice rest = slice_after(text, 3);
    uint64_t iterations = 0;
    size_t hash_bytes;

    *ret = (struct mosquitto_hash){ 0 };
    if (slice_starts(text, SLICE("$7$"))) {
        if (number_u64(take_field(&rest), 1, PASSWORD_ITERATIONS_MAX, &iterations) != RC_OK)
            return false;
    } else if (!slice_starts(text, SLICE("$6$"))) {
        return false;
    }
    ret->iterations = (unsigned)iterations;
    return take_bytes(&rest, MOSQUITTO_SALT_LEAST, MOSQUITTO_SALT_MAX, ret->salt,
                      &ret->salt_bytes) &&
           take_bytes(&rest, SHA512_BYTES, SHA512_BYTES, ret->hash, &hash_bytes) && rest.len == 0;
}

static bool digest_salted(const struct mosquitto_hash *h, struct slice password, uint8_t *to)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned len = 0;
    bool is_done = context != NULL && EVP_DigestInit_ex(context, EVP_sha512(), NULL) == 1 &&
                   EVP_DigestUpdate(context, password.at, password.len) == 1 &&
                   EVP_DigestUpdate(context, h->salt, h->salt_bytes) == 1 &&
                   EVP_DigestFinal_ex(context, to, &len) == 1;

    EVP_MD_CTX_free(context);
    return is_done;
}

static enum rc check_mosquitto(struct slice text, struct slice password)
{
    struct mosquitto_hash h;
    uint8_t digest[SHA512_BYTES];
    bool is_done;

    if (!read_mosquitto(text, &h))
        return RC_AUTH;
    if (h.iterations == 0)
        is_done = digest_salted(&h, password, digest);
    else
        is_done = PKCS5_PBKDF2_HMAC((const char *)password.at, (int)password.len, h.salt,
                                    (int)h.salt_bytes, (int)h.iterations, EVP_sha512(),
                                    SHA512_BYTES, digest) == 1;
    if (!is_done)
        return RC_MEMORY;
    return CRYPTO_memcmp(digest, h.hash, SHA512_BYTES) == 0 ? RC_OK : RC_AUTH;
}

/* ---- argon2id ---- */

/* name=number and what follows it. */
static bool take_parameter(struct slice *rest, struct slice name, uint8_t end, uint64_t max)
{
    uint64_t value;
    const uint8_t *at;
    struct slice digits;

    if (!slice_starts(*rest, name))
        return false;
    *rest = slice_after(*rest, name.len);
    at = rest->len == 0 ? NULL : memchr(rest->at, end, rest->len);
    if (at == NULL)
        return false;
    digits = slice_of(rest->at, (size_t)(at - rest->at));
    *rest = slice_after(*rest, digits.len + 1);
    return number_u64(digits, 1, max, &value) == RC_OK;
}

static bool is_base64_unpadded(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.at[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return s.len >= 11 && s.len % 4 != 1; /* 8 bytes: argon2's least salt */
}

/* The library reads it too; what it would cost is ours to bound. */
static bool is_argon2(struct slice text)
{
    struct slice rest = text, salt;

    if (text.len > ARGON2_TEXT_MAX || !slice_starts(rest, SLICE("$argon2id$v=19$")))
        return false;
    rest = slice_after(rest, sizeof("$argon2id$v=19$") - 1);
    if (!take_parameter(&rest, SLICE("m="), ',', PASSWORD_MEMORY_KIB_MAX) ||
        !take_parameter(&rest, SLICE("t="), ',', PASSWORD_PASSES_MAX) ||
        !take_parameter(&rest, SLICE("p="), '$', PASSWORD_LANES_MAX))
        return false;
    salt = take_field(&rest);
    return is_base64_unpadded(salt) && is_base64_unpadded(rest);
}

static enum rc check_argon2(struct slice text, struct slice password)
{
    char at[ARGON2_TEXT_MAX + 1];
    int rc;

    memcpy(at, text.at, text.len);
    at[text.len] = '\0';
    rc = argon2id_verify(at, password.at, password.len);
    if (rc == ARGON2_MEMORY_ALLOCATION_ERROR || rc == ARGON2_THREAD_FAIL)
        return RC_MEMORY;
    return rc == ARGON2_OK ? RC_OK : RC_AUTH;
}

/* ---- all of them ---- */

bool password_hash_is_valid(struct slice hash)
{
    struct mosquitto_hash h;

    return is_argon2(hash) || read_mosquitto(hash, &h);
}

enum rc password_check(struct slice hash, struct slice password)
{
    if (slice_is_none(password))
        password = SLICE("");
    if (password.len > PASSWORD_MAX_BYTES)
        return RC_AUTH;
    return is_argon2(hash) ? check_argon2(hash, password) : check_mosquitto(hash, password);
}

enum rc password_hash(struct slice password, struct text *to)
{
    uint8_t salt[ARGON2_SALT_BYTES];
    char at[ARGON2_TEXT_BYTES];

    if (password.len > PASSWORD_MAX_BYTES)
        return RC_TOO_LARGE;
    random_bytes(salt, sizeof(salt));
    if (argon2id_hash_encoded(ARGON2_PASSES, ARGON2_MEMORY_KIB, ARGON2_LANES, password.at,
                              password.len, salt, sizeof(salt), ARGON2_HASH_BYTES, at,
                              sizeof(at)) != ARGON2_OK)
        return RC_MEMORY;
    text_add(to, slice_str(at));
    return to->bad ? RC_MEMORY : RC_OK;
}

/* Takes what stands before the next NUL. */
static enum rc take_part(struct slice *rest, struct slice *ret)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->at, 0, rest->len);

    if (end == NULL)
        return RC_MALFORMED;
    *ret = slice_of(rest->at, (size_t)(end - rest->at));
    *rest = slice_after(*rest, ret->len + 1);
    return RC_OK;
}

enum rc password_read_plain(struct slice token, struct slice *ret_act_as, struct slice *ret_user,
                            struct slice *ret_password)
{
    struct slice rest = token;
    enum rc rc = take_part(&rest, ret_act_as);

    if (rc == RC_OK)
        rc = take_part(&rest, ret_user);
    if (rc == RC_OK)
        *ret_password = rest;
    return rc;
}
