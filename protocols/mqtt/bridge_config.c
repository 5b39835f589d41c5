/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/bridge_config.h"

#include "broker/base/number.h"
#include "broker/base/text.h"
#include "protocols/mqtt/mqtt_codec.h"

#define PORT_MAX       65535
#define KEEP_ALIVE_MAX 65535
#define MS_PER_S       1000
#define UNIX_PREFIX    "unix:"

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word; "" is an empty one, and a word in quotation marks may have blanks in it. */
static bool next_word(struct slice *list, struct slice *ret)
{
    size_t n = 0;

    while (list->len > 0 && is_blank(list->at[0]))
        *list = slice_after(*list, 1);
    if (list->len == 0)
        return false;
    if (list->at[0] == '"') {
        const uint8_t *end = memchr(list->at + 1, '"', list->len - 1);

        if (end != NULL) {
            *ret = slice_of(list->at + 1, (size_t)(end - list->at) - 1);
            *list = slice_after(*list, ret->len + 2);
            return true;
        }
    }
    while (n < list->len && !is_blank(list->at[n]))
        n++;
    *ret = slice_of(list->at, n);
    *list = slice_after(*list, n);
    return true;
}

/* ---- addresses ---- */

static const uint8_t *last_colon(struct slice s)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.at[i - 1] == ':')
            return s.at + i - 1;
    return NULL;
}

static bool read_port(struct slice text, uint16_t *ret)
{
    uint64_t port = 0;

    if (number_u64(text, 1, PORT_MAX, &port) != RC_OK)
        return false;
    *ret = (uint16_t)port;
    return true;
}

/* "[::1]" or "[::1]:1883" */
static bool read_bracketed(struct slice word, struct bridge_address *ret)
{
    const uint8_t *end = memchr(word.at, ']', word.len);
    struct slice rest;

    if (end == NULL)
        return false;
    ret->host = slice_of(word.at + 1, (size_t)(end - word.at) - 1);
    rest = slice_after(word, ret->host.len + 2);
    if (rest.len == 0)
        return true;
    return rest.at[0] == ':' && read_port(slice_after(rest, 1), &ret->port);
}

static bool read_address(struct slice word, struct bridge_address *ret)
{
    const uint8_t *first = memchr(word.at, ':', word.len), *last = last_colon(word);

    ret->host = word;
    if (slice_starts(word, SLICE(UNIX_PREFIX))) {
        ret->port = 0;
        return word.len > sizeof(UNIX_PREFIX) - 1;
    }
    if (word.len > 0 && word.at[0] == '[')
        return read_bracketed(word, ret);
    if (first == NULL || first != last) /* a name, or an IPv6 address as it is */
        return true;
    ret->host = slice_of(word.at, (size_t)(first - word.at));
    return read_port(slice_after(word, ret->host.len + 1), &ret->port);
}

bool bridge_next_address(struct slice *list, uint16_t default_port, struct bridge_address *ret)
{
    struct slice word;

    if (!next_word(list, &word))
        return false;
    ret->port = default_port;
    if (word.len == 0 || !read_address(word, ret))
        ret->host = slice_of(word.at, 0);
    return true;
}

/* ---- topics ---- */

static enum rc topic_is_wrong(struct text *why, const char *what)
{
    text_format(why, "%s", what);
    return RC_INVALID;
}

static bool is_prefix(struct slice s)
{
    return s.len == 0 || (mqtt_name_is_valid(s) && mqtt_topic_is_valid(s));
}

/* The two filters are what the prefixes and the pattern make together: they are checked so. */
static bool makes_filter(struct slice prefix, struct slice pattern)
{
    uint8_t at[1024];
    struct wr w = wr_of(at, sizeof(at));

    wr_bytes(&w, prefix);
    wr_bytes(&w, pattern);
    return !w.bad && mqtt_name_is_valid(wr_slice(&w)) && mqtt_filter_is_valid(wr_slice(&w));
}

static enum rc check_topic(const struct bridge_topic_line *t, struct text *why)
{
    if (!is_prefix(t->local_prefix) || !is_prefix(t->remote_prefix))
        return topic_is_wrong(why, "a prefix is the begin of a topic, without wildcards");
    if (t->pattern.len == 0 && (t->local_prefix.len == 0 || t->remote_prefix.len == 0))
        return topic_is_wrong(why, "without a pattern both prefixes must be given");
    if (slice_starts(t->pattern, SLICE("$share/")) || slice_starts(t->pattern, SLICE("$queue/")))
        return topic_is_wrong(why, "shared subscriptions and queues cannot be bridged");
    if (!makes_filter(t->local_prefix, t->pattern) || !makes_filter(t->remote_prefix, t->pattern))
        return topic_is_wrong(why, "prefix and pattern make no topic filter, or a longer one than "
                                   "1024 bytes");
    return RC_OK;
}

static enum rc read_direction(struct slice word, struct bridge_topic_line *t, struct text *why)
{
    bool is_both = slice_equal_str(word, "both");

    t->is_out = is_both || slice_equal_str(word, "out");
    t->is_in = is_both || slice_equal_str(word, "in");
    if (!t->is_out && !t->is_in)
        return topic_is_wrong(why, "the direction is out, in or both");
    return RC_OK;
}

static enum rc read_topic(struct slice line, struct bridge_topic_line *t, struct text *why)
{
    struct slice word;
    uint64_t qos = 0;
    enum rc rc = RC_OK;

    *t = (struct bridge_topic_line){ .is_out = true,
                                     .local_prefix = SLICE(""),
                                     .remote_prefix = SLICE("") };
    if (!next_word(&line, &t->pattern))
        return topic_is_wrong(why, "a pattern is missing");
    if (next_word(&line, &word))
        rc = read_direction(word, t, why);
    if (rc == RC_OK && next_word(&line, &word) && number_u64(word, 0, 2, &qos) != RC_OK)
        rc = topic_is_wrong(why, "the QoS is 0, 1 or 2");
    if (rc != RC_OK)
        return rc;
    t->qos = (uint8_t)qos;
    if (next_word(&line, &word))
        t->local_prefix = word;
    if (next_word(&line, &word))
        t->remote_prefix = word;
    if (next_word(&line, &word))
        return topic_is_wrong(why, "there is more behind the remote prefix");
    return check_topic(t, why);
}

bool bridge_next_topic(struct slice *list, struct bridge_topic_line *ret, enum rc *ret_rc,
                       struct text *why)
{
    struct slice line;
    const uint8_t *end;

    while (list->len > 0 && is_blank(list->at[0]))
        *list = slice_after(*list, 1);
    if (list->len == 0)
        return false;
    end = memchr(list->at, '\n', list->len);
    line = slice_of(list->at, end == NULL ? list->len : (size_t)(end - list->at));
    *list = slice_after(*list, line.len + 1);
    *ret_rc = read_topic(line, ret, why);
    return true;
}

/* ---- all of it ---- */

static void check_addresses(const struct bridge_config *c, struct text *errors)
{
    struct slice list = slice_str(c->addresses);
    struct bridge_address address;
    unsigned count = 0;

    while (bridge_next_address(&list, BRIDGE_PORT, &address)) {
        count++;
        if (address.host.len == 0)
            text_format(errors, "bridge %s: address %u is not HOST, HOST:PORT or unix:/PATH\n",
                        c->name, count);
    }
    if (count == 0 || count > BRIDGE_ADDRESSES_MAX)
        text_format(errors, "bridge %s: give 1 to %u addresses\n", c->name, BRIDGE_ADDRESSES_MAX);
}

static void check_topics(const struct bridge_config *c, struct text *errors)
{
    struct slice list = slice_str(c->topics);
    struct bridge_topic_line topic;
    struct text why = { 0 };
    unsigned count = 0;
    enum rc rc;

    while (bridge_next_topic(&list, &topic, &rc, &why)) {
        count++;
        if (rc != RC_OK)
            text_format(errors, "bridge %s: topic %u: %.*s\n", c->name, count, (int)why.len,
                        (const char *)why.at);
        text_clear(&why);
    }
    if (count == 0 || count > BRIDGE_TOPICS_MAX)
        text_format(errors, "bridge %s: give 1 to %u topics\n", c->name, BRIDGE_TOPICS_MAX);
    text_done(&why);
}

static const char *mismatch(const struct bridge_config *c)
{
    uint64_t keep_alive_s = c->keep_alive_ms / MS_PER_S;
    struct slice id = slice_str(c->remote_client_id), topic = slice_str(c->notification_topic);

    if ((c->psk_identity == NULL) != (c->psk == NULL))
        return "psk_identity and psk belong together";
    if (c->psk != NULL &&
        (c->ca_file != NULL || c->ca_path != NULL || c->certificate != NULL || c->require_ocsp))
        return "a shared key and certificates exclude each other";
    if (!c->tls &&
        (c->ca_file != NULL || c->ca_path != NULL || c->certificate != NULL || c->key != NULL ||
         c->insecure || c->alpn != NULL || c->psk != NULL || c->require_ocsp))
        return "certificates, psk, insecure, require_ocsp and alpn need tls = yes";
    if ((c->certificate == NULL) != (c->key == NULL))
        return "certificate and key belong together";
    if (c->version < BRIDGE_V5 && c->remote_password != NULL && c->remote_user == NULL)
        return "before MQTT 5 a password needs a user name";
    if (keep_alive_s > KEEP_ALIVE_MAX || c->keep_alive_ms % MS_PER_S != 0)
        return "keepalive_interval is in whole seconds, at most 65535";
    if (id.len > 0 && !mqtt_name_is_valid(id))
        return "remote_clientid is no MQTT string";
    if (topic.len > 0 && (!mqtt_name_is_valid(topic) || !mqtt_topic_is_valid(topic)))
        return "notification_topic is no topic";
    if (c->restart_min_ms == 0)
        return "restart_timeout must not be 0";
    return NULL;
}

enum rc bridge_config_check(const struct bridge_config *config, struct text *errors)
{
    size_t before = errors->len;
    const char *wrong = mismatch(config);

    if (wrong != NULL)
        text_format(errors, "bridge %s: %s\n", config->name, wrong);
    check_addresses(config, errors);
    check_topics(config, errors);
    return errors->len == before && !errors->bad ? RC_OK : RC_INVALID;
}
