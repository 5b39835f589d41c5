/* SPDX-License-Identifier: Apache-2.0 */
/* A mosquitto.conf's listeners. */
#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/base/text.h"
#include "broker/main/mosquitto_reading.h"
#include "protocols/mqtt/mqtt_limits.h"

#define DEFAULT_PORT  1883
#define EVERY_NETWORK "0.0.0.0/0, ::/0, unix"
#define LOOPBACK      "127.0.0.1, ::1"
#define EVERY_ADDRESS "0.0.0.0, ::"

/* ---- where ---- */

static enum mosquitto_family family_of(struct reading *r, const struct mosquitto_scope *scope)
{
    const struct mosquitto_value *value = VALUE(scope, SOCKET_DOMAIN);

    if (value->text == NULL)
        return MOSQUITTO_ANY_FAMILY;
    if (strcmp(value->text, "ipv4") == 0)
        return MOSQUITTO_IPV4;
    if (strcmp(value->text, "ipv6") == 0)
        return MOSQUITTO_IPV6;
    mosquitto_conf_error(CONF(r), value, "socket_domain: ipv4 or ipv6 must follow");
    return MOSQUITTO_ANY_FAMILY;
}

static const char *every_address(const struct reading *r, const struct mosquitto_scope *scope,
                                 enum mosquitto_family family)
{
    bool is_loopback = r->is_local_only && scope == &r->conf.main;

    if (family == MOSQUITTO_IPV4)
        return is_loopback ? "127.0.0.1" : "0.0.0.0";
    if (family == MOSQUITTO_IPV6)
        return is_loopback ? "::1" : "::";
    return is_loopback ? LOOPBACK : EVERY_ADDRESS;
}

/* Looks a name up; what it gives is the listener's address. */
static void set_addresses(struct reading *r, const struct mosquitto_value *from,
                          struct listener_settings *l, enum mosquitto_family family,
                          enum rc (*look_up)(const char *name, enum mosquitto_family family,
                                             struct text *to))
{
    struct text found = { 0 };

    if (look_up(from->text, family, &found) != RC_OK) {
        mosquitto_conf_error(CONF(r), from, "%s has no address here", from->text);
    } else {
        text_add_byte(&found, '\0');
        reading_put_here(r, from, l, "address", (const char *)found.at);
    }
    text_done(&found);
}

static void set_socket(struct reading *r, const struct mosquitto_value *from,
                       struct listener_settings *l)
{
    struct text path = { 0 };

    text_format(&path, "unix:%s", from->text);
    text_add_byte(&path, '\0');
    reading_put_here(r, from, l, "address", (const char *)path.at);
    text_done(&path);
}

static void set_place(struct reading *r, const struct mosquitto_scope *scope,
                      struct listener_settings *l)
{
    const struct mosquitto_value *line = VALUE(scope, LISTENER);
    const struct mosquitto_value *host = VALUE(scope, BIND_ADDRESS);
    enum mosquitto_family family = family_of(r, scope);
    int64_t port = line->text == NULL ? NUMBER(scope, PORT, DEFAULT_PORT) : line->number;
    struct slice rest = slice_str(line->text);
    struct mosquitto_value word = *line;

    if (line->text != NULL) {
        word.text = mem_copy_text(mosquitto_next_word(&rest));
        if (word.text[0] == '#')
            word.text[0] = '\0';
    }
    if (line->text != NULL && port == 0) {
        if (word.text[0] == '\0')
            mosquitto_conf_error(CONF(r), line, "listener 0: the path of a socket must follow");
        else
            set_socket(r, &word, l);
    } else {
        reading_put_number_here(r, line, l, "port", port);
        if (GIVEN(scope, BIND_INTERFACE))
            set_addresses(r, VALUE(scope, BIND_INTERFACE), l, family,
                          CONF(r)->door->find_interface);
        else if (line->text != NULL && word.text[0] != '\0')
            set_addresses(r, &word, l, family, CONF(r)->door->resolve);
        else if (host->text != NULL)
            set_addresses(r, host, l, family, CONF(r)->door->resolve);
        else
            reading_put_here(r, line, l, "address", every_address(r, scope, family));
        l->is_lenient = true;
        l->is_port_open = line->text == NULL && !GIVEN(scope, PORT);
    }
    if (line->text != NULL)
        mem_free(word.text);
}

/* Behind a proxy it is the proxy that speaks TLS with clients, and tells of it in version 2. */
static void set_proxied_tls(struct reading *r, const struct mosquitto_scope *scope,
                            struct listener_settings *l)
{
    static const enum mosquitto_option_id ids[] = { MOSQUITTO_REQUIRE_CERTIFICATE,
                                                    MOSQUITTO_PROXY_PROTOCOL_V2_REQUIRE_TLS,
                                                    MOSQUITTO_USE_IDENTITY_AS_USERNAME };
    bool is_2 = VALUE(scope, ENABLE_PROXY_PROTOCOL)->number == 2;

    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (!is_2 && mosquitto_number(scope, ids[i], 0) != 0)
            mosquitto_conf_error(CONF(r), mosquitto_value(scope, ids[i]),
                                 "%s needs enable_proxy_protocol 2",
                                 mosquitto_options[ids[i]].name);
    if (NUMBER(scope, USE_SUBJECT_AS_USERNAME, 0) != 0)
        mosquitto_conf_error(CONF(r), VALUE(scope, USE_SUBJECT_AS_USERNAME),
                             "a proxy tells the common name alone: use_identity_as_username");
    if (NUMBER(scope, REQUIRE_CERTIFICATE, 0) != 0)
        reading_put_here(r, VALUE(scope, REQUIRE_CERTIFICATE), l, "proxy_client", "certificate");
    else if (NUMBER(scope, PROXY_PROTOCOL_V2_REQUIRE_TLS, 0) != 0)
        reading_put_here(r, VALUE(scope, PROXY_PROTOCOL_V2_REQUIRE_TLS), l, "proxy_client", "tls");
    if (NUMBER(scope, USE_IDENTITY_AS_USERNAME, 0) != 0)
        reading_put_here(r, VALUE(scope, USE_IDENTITY_AS_USERNAME), l, "certificate_is_user",
                         "yes");
}

/* The keys are everybody's or the listener's, as the other files of users. */
static void set_psk(struct reading *r, const struct mosquitto_scope *scope,
                    struct listener_settings *l)
{
    const struct mosquitto_value *hint = VALUE(scope, PSK_HINT);
    const struct mosquitto_scope *security = r->is_per_listener ? scope : &CONF(r)->head;

    if (hint->text == NULL)
        return;
    if (!GIVEN(security, PSK_FILE)) {
        mosquitto_conf_error(CONF(r), hint, "psk_hint needs psk_file");
        return;
    }
    reading_put_here(r, hint, l, "tls", "yes");
    reading_put_here(r, VALUE(security, PSK_FILE), l, "psk_file", VALUE(security, PSK_FILE)->text);
    if (hint->text[0] != '\0')
        reading_put_here(r, hint, l, "psk_hint", hint->text);
    if (NUMBER(scope, USE_IDENTITY_AS_USERNAME, 0) != 0)
        reading_put_here(r, VALUE(scope, USE_IDENTITY_AS_USERNAME), l, "psk_is_user", "yes");
}

/* False: one of them stands alone. */
static bool set_tls_files(struct reading *r, const struct mosquitto_scope *scope,
                          struct listener_settings *l, bool asks)
{
    static const struct {
        enum mosquitto_option_id id;
        const char *name;
        const char *otherwise; /* when no certificates are asked for; NULL: nothing */
        bool is_of_psk;        /* shared keys have it too */
    } same[] = { { MOSQUITTO_CERTFILE, "certificate", "certificate", false },
                 { MOSQUITTO_KEYFILE, "key", "key", false },
                 { MOSQUITTO_CIPHERS, "tls_ciphers", "tls_ciphers", true },
                 { MOSQUITTO_CIPHERS_TLS1_3, "tls_ciphersuites", "tls_ciphersuites", true },
                 { MOSQUITTO_DHPARAMFILE, "dh_params", "dh_params", true },
                 { MOSQUITTO_CAFILE, "client_ca", "chain_ca", false },
                 { MOSQUITTO_CAPATH, "client_ca_path", "chain_ca_path", false },
                 { MOSQUITTO_CRLFILE, "client_crl", NULL, false } };

    for (unsigned i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        const struct mosquitto_value *value = mosquitto_value(scope, same[i].id);
        bool is_psk = same[i].is_of_psk && GIVEN(scope, PSK_HINT);

        if (value->text == NULL)
            continue;
        if ((!GIVEN(scope, CERTFILE) || !GIVEN(scope, KEYFILE)) && !is_psk) {
            mosquitto_conf_error(CONF(r), value, "certfile and keyfile must both be given for TLS");
            return false;
        }
        if (asks || same[i].otherwise != NULL)
            reading_put_here(r, value, l, asks ? same[i].name : same[i].otherwise, value->text);
    }
    return true;
}

static void set_tls_version(struct reading *r, const struct mosquitto_value *version,
                            struct listener_settings *l)
{
    if (version->text == NULL)
        return;
    if (strcmp(version->text, "tlsv1.3") == 0)
        reading_put_here(r, version, l, "tls_min_version", "1.3");
    else if (strcmp(version->text, "tlsv1.1") == 0 || strcmp(version->text, "tlsv1") == 0)
        mosquitto_conf_warn(CONF(r), version, "TLS before 1.2 is not spoken");
    else if (strcmp(version->text, "tlsv1.2") != 0)
        mosquitto_conf_error(CONF(r), version, "tls_version: tlsv1.2 or tlsv1.3 must follow");
}

static void set_tls(struct reading *r, const struct mosquitto_scope *scope,
                    struct listener_settings *l)
{
    bool asks = NUMBER(scope, REQUIRE_CERTIFICATE, 0) != 0;
    bool names_subject = NUMBER(scope, USE_SUBJECT_AS_USERNAME, 0) != 0 &&
                         NUMBER(scope, USE_IDENTITY_AS_USERNAME, 0) == 0;
    bool names = (NUMBER(scope, USE_IDENTITY_AS_USERNAME, 0) != 0 || names_subject) &&
                 !GIVEN(scope, PSK_HINT);
    const struct mosquitto_value *namer = names_subject ? VALUE(scope, USE_SUBJECT_AS_USERNAME)
                                                        : VALUE(scope, USE_IDENTITY_AS_USERNAME);

    set_psk(r, scope, l);
    if (!set_tls_files(r, scope, l, asks || names))
        return;
    if (GIVEN(scope, CERTFILE))
        reading_put_here(r, VALUE(scope, CERTFILE), l, "tls", "yes");
    if (GIVEN(scope, ENABLE_PROXY_PROTOCOL)) {
        set_proxied_tls(r, scope, l);
        return;
    }
    if (asks && !GIVEN(scope, CAFILE) && !GIVEN(scope, CAPATH))
        mosquitto_conf_error(CONF(r), VALUE(scope, REQUIRE_CERTIFICATE),
                             "require_certificate needs cafile or capath");
    else if (asks)
        reading_put_here(r, VALUE(scope, REQUIRE_CERTIFICATE), l, "require_client_certificate",
                         "yes");
    if (names && !GIVEN(scope, CAFILE) && !GIVEN(scope, CAPATH))
        mosquitto_conf_error(CONF(r), namer, "%s needs cafile or capath",
                             names_subject ? "use_subject_as_username"
                                           : "use_identity_as_username");
    else if (names)
        reading_put_here(r, namer, l, "certificate_is_user", "yes");
    if (names && names_subject)
        reading_put_here(r, namer, l, "certificate_user", "subject");
    if (NUMBER(scope, DISABLE_CLIENT_CERT_DATE_CHECKS, 0) != 0)
        reading_put_here(r, VALUE(scope, DISABLE_CLIENT_CERT_DATE_CHECKS), l, "check_client_dates",
                         "no");
    set_tls_version(r, VALUE(scope, TLS_VERSION), l);
}

static void set_websocket(struct reading *r, const struct mosquitto_scope *scope,
                          struct listener_settings *l)
{
    const struct mosquitto_value *protocol = VALUE(scope, PROTOCOL);
    const struct mosquitto_value *origins = VALUE(scope, WEBSOCKETS_ORIGIN);
    struct text list = { 0 };
    struct slice lines = slice_str(origins->text);

    if (protocol->text == NULL || strcmp(protocol->text, "mqtt") == 0)
        return;
    if (strcmp(protocol->text, "websockets") != 0) {
        mosquitto_conf_error(CONF(r), protocol, "protocol: mqtt or websockets must follow");
        return;
    }
    reading_put_here(r, protocol, l, "websocket", "yes");
    reading_put_here(r, protocol, l, "websocket_paths", "*");
    while (lines.len > 0) {
        struct slice line = mosquitto_next_line(&lines);

        text_format(&list, "%s%.*s", list.len == 0 ? "" : ", ", SLICE_FMT(line));
    }
    text_format(&list, "%s", list.len == 0 ? "*" : "");
    text_add_byte(&list, '\0');
    reading_put_here(r, origins, l, "websocket_origins", (const char *)list.at);
    text_done(&list);
}

/* "3,4,5" as the versions' names. */
static void set_versions(struct reading *r, const struct mosquitto_scope *scope,
                         struct listener_settings *l)
{
    static const char *const names[] = { "3.1", "3.1.1", "5" };
    const struct mosquitto_value *value = VALUE(scope, ACCEPT_PROTOCOL_VERSIONS);
    struct slice list = slice_str(value->text), one;
    struct text told = { 0 };
    uint64_t version;

    if (value->text == NULL)
        return;
    while (slice_next_listed(&list, &one)) {
        if (one.len == 0)
            continue;
        if (number_u64(one, 3, 5, &version) != RC_OK) {
            mosquitto_conf_error(CONF(r), value,
                                 "accept_protocol_versions: 3, 4 and 5 may follow, with commas");
            text_done(&told);
            return;
        }
        text_format(&told, "%s%s", told.len == 0 ? "" : ", ", names[version - 3]);
    }
    text_add_byte(&told, '\0');
    reading_put_here(r, value, l, "mqtt_versions", (const char *)told.at);
    text_done(&told);
}

/* Where the options of security stand that hold for a listener. */
static const struct mosquitto_scope *security_of(const struct reading *r,
                                                 const struct mosquitto_scope *scope)
{
    return r->is_per_listener ? scope : &r->conf.head;
}

static bool is_anonymous(const struct reading *r, const struct mosquitto_scope *scope)
{
    const struct mosquitto_scope *security = security_of(r, scope);
    int64_t unsaid = NUMBER(security, ALLOW_ANONYMOUS, r->is_local_only);

    return NUMBER(scope, LISTENER_ALLOW_ANONYMOUS, unsaid) != 0;
}

static void set_clients(struct reading *r, const struct mosquitto_scope *scope,
                        struct listener_settings *l)
{
    const struct mosquitto_scope *security = security_of(r, scope);
    const struct mosquitto_value *prefix = VALUE(security, AUTO_ID_PREFIX);
    int64_t connections = NUMBER(scope, MAX_CONNECTIONS, -1);

    if (GIVEN(scope, LISTENER_AUTO_ID_PREFIX))
        prefix = VALUE(scope, LISTENER_AUTO_ID_PREFIX);
    if (prefix->text != NULL)
        reading_put_here(r, prefix, l, "mqtt_id_prefix", prefix->text);
    reading_put_here(r, VALUE(security, ALLOW_ZERO_LENGTH_CLIENTID), l, "mqtt_assign_id",
                     NUMBER(security, ALLOW_ZERO_LENGTH_CLIENTID, 1) != 0 ? "yes" : "no");
    if (connections == 0)
        mosquitto_conf_error(CONF(r), VALUE(scope, MAX_CONNECTIONS),
                             "max_connections: none at all could connect");
    else
        reading_put_number_here(r, VALUE(scope, MAX_CONNECTIONS), l, "max_connections",
                                connections < 0 ? CONNECTIONS_MOST
                                                : mosquitto_most(connections, CONNECTIONS_MOST));
    if (GIVEN(scope, MAX_QOS))
        reading_put_number_here(r, VALUE(scope, MAX_QOS), l, "mqtt_maximum_qos",
                                VALUE(scope, MAX_QOS)->number);
    if (GIVEN(scope, MAX_TOPIC_ALIAS))
        reading_put_number_here(
            r, VALUE(scope, MAX_TOPIC_ALIAS), l, "mqtt_topic_alias_maximum",
            mosquitto_most(VALUE(scope, MAX_TOPIC_ALIAS)->number, MQTT_ALIAS_MAX));
    if (GIVEN(scope, MAX_TOPIC_ALIAS_BROKER))
        reading_put_number_here(
            r, VALUE(scope, MAX_TOPIC_ALIAS_BROKER), l, "mqtt_topic_alias_given",
            mosquitto_most(VALUE(scope, MAX_TOPIC_ALIAS_BROKER)->number, MQTT_ALIAS_GIVEN_MAX));
    if (NUMBER(scope, USE_USERNAME_AS_CLIENTID, 0) != 0)
        reading_put_here(r, VALUE(scope, USE_USERNAME_AS_CLIENTID), l, "mqtt_user_is_id", "yes");
    set_versions(r, scope, l);
    if (GIVEN(scope, ENABLE_PROXY_PROTOCOL)) {
        reading_put_here(r, VALUE(scope, ENABLE_PROXY_PROTOCOL), l, "proxy_protocol", "yes");
        reading_put_here(r, VALUE(scope, ENABLE_PROXY_PROTOCOL), l, "proxy_peers", EVERY_NETWORK);
    }
    if (GIVEN(scope, MOUNT_POINT))
        reading_put_here(r, VALUE(scope, MOUNT_POINT), l, "mount_point",
                         VALUE(scope, MOUNT_POINT)->text);
}

/* Who may come in, and do what. */
static void set_security(struct reading *r, const struct mosquitto_scope *scope,
                         struct listener_settings *l)
{
    const struct mosquitto_scope *security = security_of(r, scope);
    bool is_open = is_anonymous(r, scope);

    reading_put_here(r, VALUE(security, ALLOW_ANONYMOUS), l, "allow_anonymous",
                     is_open ? "yes" : "no");
    if (GIVEN(security, PASSWORD_FILE))
        reading_put_here(r, VALUE(security, PASSWORD_FILE), l, "password_file",
                         VALUE(security, PASSWORD_FILE)->text);
    if (GIVEN(security, ACL_FILE))
        reading_put_here(r, VALUE(security, ACL_FILE), l, "acl_file",
                         VALUE(security, ACL_FILE)->text);
    if (!is_open && !GIVEN(security, PASSWORD_FILE) && !l->certificate_is_user && !l->psk_is_user)
        mosquitto_conf_warn(CONF(r),
                            GIVEN(scope, LISTENER) ? VALUE(scope, LISTENER) : VALUE(scope, PORT),
                            "nobody can connect here: allow_anonymous is not true, and there is no "
                            "password_file");
}

/* The same for listeners that the command line asks for. */
static void set_common_security(struct reading *r)
{
    const struct mosquitto_scope *head = &CONF(r)->head;

    r->to->trusts_names = true;
    if (r->is_per_listener)
        return;
    reading_put_switch(r, VALUE(head, ALLOW_ANONYMOUS), "allow_anonymous",
                       NUMBER(head, ALLOW_ANONYMOUS, r->is_local_only) != 0);
    if (GIVEN(head, PASSWORD_FILE))
        reading_put_text(r, VALUE(head, PASSWORD_FILE), "password_file",
                         VALUE(head, PASSWORD_FILE)->text);
    if (GIVEN(head, ACL_FILE))
        reading_put_text(r, VALUE(head, ACL_FILE), "acl_file", VALUE(head, ACL_FILE)->text);
}

static void set_listener(struct reading *r, const struct mosquitto_scope *scope, unsigned number)
{
    const struct mosquitto_value *line = VALUE(scope, LISTENER);
    struct text name = { 0 }, why = { 0 };
    struct listener_settings *l;

    if (number == 0)
        text_add(&name, SLICE("default"));
    else
        text_format(&name, "listener-%u", number);
    l = settings_add_listener(r->to, text_slice(&name), &why);
    text_done(&name);
    if (l == NULL)
        mosquitto_conf_error(CONF(r), line, "%.*s", SLICE_FMT(text_slice(&why)));
    text_done(&why);
    if (l == NULL)
        return;
    reading_put_here(r, line, l, "protocol", "mqtt");
    set_place(r, scope, l);
    set_tls(r, scope, l);
    set_websocket(r, scope, l);
    set_clients(r, scope, l);
    set_security(r, scope, l);
}

/* mosquitto has its default listener when there is no other, or an option is about it. */
static bool has_default_listener(const struct mosquitto_conf *conf)
{
    if (list_is_empty(&conf->listeners))
        return true;
    for (unsigned i = 0; i < MOSQUITTO_OPTION_COUNT; i++)
        if (mosquitto_is_given(&conf->main, (enum mosquitto_option_id)i))
            return true;
    return false;
}

void mosquitto_listeners_set(struct reading *r)
{
    struct mosquitto_conf *conf = CONF(r);
    unsigned number = 0;

    r->is_per_listener = NUMBER(&conf->head, PER_LISTENER_SETTINGS, 0) != 0;
    r->is_local_only = list_is_empty(&conf->listeners) && !GIVEN(&conf->main, PORT) &&
                       !GIVEN(&conf->main, BIND_ADDRESS);
    set_common_security(r);
    if (has_default_listener(conf))
        set_listener(r, &conf->main, 0);
    LIST_EACH (k, &conf->listeners)
        set_listener(r, CONTAINER_OF(k, struct mosquitto_scope, link), ++number);
}
