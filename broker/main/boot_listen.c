/* SPDX-License-Identifier: Apache-2.0 */
/* Which sockets the settings ask for, and opening them. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "broker/base/log.h"
#include "broker/base/text.h"
#include "broker/main/boot.h"
#include "broker/main/boot_int.h"
#include "broker/net/listener.h"
#include "broker/net/protocol.h"
#include "broker/net/tls.h"

/* A free port of 127.0.0.1 may be taken on ::1: then another one is tried. */
#define FREE_PORT_TRIES 16
#define LOOPBACK_IPV4   "127.0.0.1"
#define LOOPBACK_IPV6   "::1"

/* ---- who could reach it ---- */

static bool is_local(const char *address)
{
    struct in_addr in;
    struct in6_addr in6;

    if (inet_pton(AF_INET, address, &in) == 1)
        return ntohl(in.s_addr) >> 24 == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, address, &in6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&in6);
    return slice_starts(slice_str(address), SLICE("unix:"));
}

/* Takes the next address of a list with commas; false at its end. */
static bool next_address(struct slice *list, char **ret)
{
    struct slice one;

    if (!slice_next_listed(list, &one))
        return false;
    *ret = mem_copy_text(one);
    return true;
}

enum rc boot_check_exposure(const struct settings *settings, struct text *why)
{
    enum rc rc = RC_OK;

    if (settings->allow_anonymous_remote)
        return RC_OK;
    LIST_EACH (k, &settings->listeners) {
        const struct listener_settings *l = CONTAINER_OF(k, struct listener_settings, link);
        struct slice list = slice_str(l->address);
        char *address;

        if (boot_is_guarded(settings, l))
            continue;
        while (next_address(&list, &address)) {
            if (rc == RC_OK && !is_local(address)) {
                text_format(why,
                            "listener %s: others can reach %s, and there are no users: everybody "
                            "could do everything. Name a password_file, or say "
                            "allow_anonymous_remote = yes if that is meant",
                            l->name, address);
                rc = RC_REFUSED;
            }
            mem_free(address);
        }
    }
    return rc;
}

enum rc boot_test(const struct settings *settings, struct text *why)
{
    enum rc rc = boot_check_exposure(settings, why), tls_rc = RC_OK;

    if (rc != RC_OK)
        text_add_byte(why, '\n');
    LIST_EACH (k, &settings->listeners) {
        const struct listener_settings *l = CONTAINER_OF(k, struct listener_settings, link);
        struct tls *tls = NULL;

        if (!listener_settings_has_tls(l))
            continue;
        if (boot_make_tls(l, &tls, why) != RC_OK) {
            text_add_byte(why, '\n');
            tls_rc = RC_INVALID;
        }
        tls_free(&tls);
    }
    return rc != RC_OK ? rc : tls_rc;
}

/* ---- opening ---- */

static void explain(const struct listener_config *config, enum rc rc, struct text *why)
{
    const char *name = config->protocol->name;

    switch ((int)rc) {
    case RC_IN_USE:
        text_format(why,
                    "%s: port %u of %s is in use by another program; --port-%s N takes another "
                    "one, and 0 any free one",
                    name, config->port, config->address, name);
        return;
    case RC_REFUSED:
        text_format(
            why,
            "%s: this user may not listen on %s port %u; ports below 1024 need root (option "
            "user) or CAP_NET_BIND_SERVICE",
            name, config->address, config->port);
        return;
    case RC_INVALID:
        text_format(why, "%s: %s is no address of this machine", name, config->address);
        return;
    default:
        text_format(why, "%s: cannot listen on %s port %u: %s", name, config->address, config->port,
                    rc_word(rc));
        return;
    }
}

static const char *const websocket_words[] = {
    [WEBSOCKET_NO] = "no", [WEBSOCKET_ONLY] = "yes", [WEBSOCKET_DETECTED] = "detected"
};

enum rc boot_open_listener(struct broker *b, const struct listener_config *config)
{
    struct listener *l = NULL;
    enum rc rc;

    if (b->listener_count == BROKER_LISTENERS_MAX)
        return RC_LIMIT;
    rc = listener_open(b->loop, config, &l);
    if (rc != RC_OK)
        return rc;
    b->listeners[b->listener_count++] = l;
    log_event(LOG_NOTICE, "broker.listening",
              "protocol=%s address=%s port=%u tls=%s websocket=%s proxy=%s", config->protocol->name,
              config->address, listener_port(l),
              config->tls == NULL       ? "no"
              : config->is_tls_optional ? "detected"
                                        : "yes",
              websocket_words[config->websocket], config->is_proxied ? "yes" : "no");
    return RC_OK;
}

/* Loopback of both families on one port. A machine without IPv6 has the one. */
static enum rc try_loopback(struct broker *b, struct listener_config *config)
{
    unsigned before = b->listener_count;
    enum rc rc;

    config->address = LOOPBACK_IPV4;
    rc = boot_open_listener(b, config);
    if (rc != RC_OK)
        return rc;
    config->port = listener_port(b->listeners[before]);
    config->address = LOOPBACK_IPV6;
    rc = boot_open_listener(b, config);
    if (rc == RC_OK || rc == RC_INVALID)
        return RC_OK;
    listener_close(&b->listeners[before]);
    b->listener_count = before;
    return rc;
}

enum rc boot_listen_on_loopback(struct broker *b, struct listener_config *config, uint16_t port,
                                struct text *why)
{
    unsigned tries = port == 0 ? FREE_PORT_TRIES : 1;
    enum rc rc = RC_IN_USE;

    while (rc == RC_IN_USE && tries-- > 0) {
        config->port = port;
        rc = try_loopback(b, config);
    }
    if (rc != RC_OK)
        explain(config, rc, why);
    return rc;
}

static enum rc listen_on_loopback(struct broker *b, unsigned i, struct text *why)
{
    struct listener_config config = { .name = protocol_names[i],
                                      .max_connections = (unsigned)b->settings->max_connections,
                                      .protocol = protocols[i].protocol,
                                      .context = b->contexts[i] };

    return boot_listen_on_loopback(b, &config, (uint16_t)b->settings->port[i], why);
}

enum rc boot_make_tls(const struct listener_settings *l, struct tls **ret, struct text *why)
{
    struct tls_config config = { .certificate_file = l->certificate,
                                 .key_file = l->key,
                                 .chain_file = l->chain_ca,
                                 .chain_path = l->chain_ca_path,
                                 .ca_file = l->client_ca,
                                 .ca_path = l->client_ca_path,
                                 .crl_file = l->client_crl,
                                 .is_client_certificate_required = l->require_client_certificate,
                                 .is_date_unchecked = !l->check_client_dates,
                                 .is_1_3_required = l->tls_min_version == 1,
                                 .ciphers = l->tls_ciphers,
                                 .ciphersuites = l->tls_ciphersuites,
                                 .dh_file = l->dh_params,
                                 .psk_file = l->psk_file,
                                 .psk_hint = l->psk_hint };
    enum rc rc = tls_new(&config, ret);

    if (rc != RC_OK)
        text_format(
            why,
            "listener %s: its certificate, key, shared keys or ciphers cannot be used (the log "
            "says why)",
            l->name);
    return rc;
}

enum rc boot_keep_keys(const struct settings *settings, struct text *why)
{
    if (settings->tls_keylog == NULL || tls_keep_keys(settings->tls_keylog) == RC_OK)
        return RC_OK;
    text_format(why, "tls_keylog: %s cannot be opened: %s", settings->tls_keylog, strerror(errno));
    return RC_IO;
}

static enum rc load_tls(struct broker *b, const struct listener_settings *l, struct tls **ret,
                        struct text *why)
{
    enum rc rc = boot_make_tls(l, ret, why);

    if (rc != RC_OK)
        return rc;
    b->tls[b->tls_count].listener = l->name;
    b->tls[b->tls_count++].tls = *ret;
    return RC_OK;
}

/* As the option socket_access names them. */
static const unsigned socket_modes[] = { 0600, 0660, 0666 };

/* All of one port: what the first was given when 0 was asked for. */
static enum rc open_addresses(struct broker *b, const struct listener_settings *l,
                              struct listener_config *config, struct text *why)
{
    struct slice list = slice_str(l->address);
    unsigned opened = b->listener_count;
    enum rc rc = RC_OK;
    char *address;

    while (rc == RC_OK && next_address(&list, &address)) {
        config->address = address;
        rc = boot_open_listener(b, config);
        if (rc == RC_INVALID && (l->is_lenient || !listener_settings_has_address(l)))
            rc = RC_OK; /* it names ::1 or :: too, which not every machine has */
        else if (rc != RC_OK)
            explain(config, rc, why);
        else if (config->port == 0)
            config->port = listener_port(b->listeners[b->listener_count - 1]);
        mem_free(address);
    }
    if (rc == RC_OK && b->listener_count == opened) {
        text_format(why, "listener %s: none of %s is an address of this machine", l->name,
                    l->address);
        return RC_INVALID;
    }
    return rc;
}

static enum rc listen_as_told(struct broker *b, const struct listener_settings *l, struct text *why)
{
    const struct protocol_row *row = &protocols[l->protocol];
    struct listener_config config = { .name = l->name,
                                      .max_connections = (unsigned)l->max_connections,
                                      .is_subject_name = l->certificate_user == 1,
                                      .is_psk_name = l->psk_is_user,
                                      .accepts_per_s = l->accept_rate,
                                      .is_trusting = b->settings->allow_anonymous_remote,
                                      .socket_mode = socket_modes[l->socket_access],
                                      .is_tls_optional = l->detect && !l->tls,
                                      .websocket = l->websocket ? WEBSOCKET_ONLY
                                                   : l->detect  ? WEBSOCKET_DETECTED
                                                                : WEBSOCKET_NO,
                                      .is_as_mosquitto = b->settings->is_mosquitto,
                                      .websocket_paths = l->websocket_paths,
                                      .websocket_origins = l->websocket_origins,
                                      .is_proxied = l->proxy_protocol,
                                      .proxy_client = (enum proxy_client)l->proxy_client,
                                      .proxy_peers = l->proxy_peers,
                                      .protocol = row->protocol,
                                      .context = b->contexts[l->protocol] };
    enum rc rc = RC_OK;

    if (row->protocol == NULL) {
        text_format(why, "listener %s: this build does not speak %s", l->name,
                    protocol_names[l->protocol]);
        return RC_UNSUPPORTED;
    }
    if (listener_settings_has_tls(l))
        rc = load_tls(b, l, &config.tls, why);
    if (row->listen != NULL) {
        config.context = row->listen(config.context, l);
        b->listen_contexts[b->listen_context_count++] =
            (struct listen_context){ row, config.context };
    }
    config.port = l->tls ? row->protocol->default_tls_port : row->protocol->default_port;
    if (listener_settings_has_port(l))
        config.port = (uint16_t)l->port;
    return rc == RC_OK ? open_addresses(b, l, &config, why) : rc;
}

static bool has_own_listener(const struct settings *s, unsigned i)
{
    LIST_EACH (k, &s->listeners) {
        if (CONTAINER_OF(k, struct listener_settings, link)->protocol == i)
            return true;
    }
    return false;
}

enum rc boot_listen(struct broker *b, struct text *why)
{
    const struct settings *s = b->settings;

    for (unsigned i = 0; i < SETTINGS_PROTOCOLS; i++) {
        enum rc rc;

        if (protocols[i].protocol == NULL ||
            ((has_own_listener(s, i) || s->is_mosquitto) && !s->port_given[i]))
            continue;
        rc = listen_on_loopback(b, i, why);
        if (rc != RC_OK)
            return rc;
    }
    LIST_EACH (k, &s->listeners) {
        enum rc rc = listen_as_told(b, CONTAINER_OF(k, struct listener_settings, link), why);

        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}
