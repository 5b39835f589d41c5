/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/settings_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/options.h"
#include "broker/base/text.h"
#include "broker/main/bridge_settings.h"
#include "broker/main/mosquitto_settings.h"
#include "broker/net/networks.h"
#include "config.h"
#include "protocols/mqtt/mqtt_mount.h"

#define FILE_CHUNK_BYTES 65536

unsigned settings_row_of(const struct option_section *section, const char *name)
{
    unsigned i = 0;

    while (strcmp(section->options[i].name, name) != 0) {
        i++;
        ASSERT(i < section->count); /* the name is one of the table */
    }
    return i;
}

static bool is_given(const struct option_section *section, const void *settings, const char *name)
{
    return option_is_given(section, settings, settings_row_of(section, name));
}

/* ---- what the table cannot say ---- */

static bool are_networks(const char *list)
{
    struct networks *networks = NULL;
    bool are = networks_new(list, &networks) == RC_OK;

    networks_free(&networks);
    return are;
}

/* The versions of a list as bits, that of 3.1 the lowest; 0: one of them is none. */
static unsigned read_versions(const char *list)
{
    static const char *const versions[] = { "3.1", "3.1.1", "5" };
    struct slice rest = slice_str(list), one;
    unsigned bits = 0, i;

    while (slice_next_listed(&rest, &one)) {
        for (i = 0; i < 3 && !slice_equal_str(one, versions[i]); i++)
            continue;
        if (i == 3)
            return 0;
        bits |= 1u << i;
    }
    return bits;
}

unsigned listener_settings_mqtt_versions(const struct listener_settings *l)
{
    return read_versions(l->mqtt_versions);
}

/* Each mistake in a line; true when there was none. */
static bool is_consistent(const struct listener_settings *l, struct text *errors)
{
    bool has_ca = l->client_ca != NULL || l->client_ca_path != NULL;
    const struct {
        bool is_wrong;
        const char *why;
    } checks[] = {
        { !is_given(LISTENER, l, "protocol"), "protocol must be given" },
        { l->tls && l->psk_file == NULL && (l->certificate == NULL || l->key == NULL),
          "with tls = yes, certificate and key, or psk_file, must be given" },
        { (!l->tls || l->psk_file != NULL) && (l->certificate == NULL) != (l->key == NULL),
          "certificate and key belong together" },
        { !l->tls && !l->detect &&
              (l->certificate != NULL || l->key != NULL || has_ca || l->psk_file != NULL),
          "certificate, key, client_ca and psk_file need tls = yes, or detect = yes" },
        { l->psk_file == NULL && (l->psk_hint != NULL || l->psk_is_user),
          "psk_hint and psk_is_user need psk_file" },
        { l->psk_is_user && l->certificate_is_user,
          "psk_is_user and certificate_is_user exclude each other" },
        { l->dh_params != NULL && !listener_settings_has_tls(l),
          "dh_params needs certificate and key, or psk_file" },
        { has_ca && l->certificate == NULL, "client_ca needs certificate and key" },
        { l->require_client_certificate && !has_ca,
          "require_client_certificate needs client_ca or client_ca_path" },
        { l->certificate_is_user && !has_ca && !l->proxy_protocol,
          "certificate_is_user needs client_ca or client_ca_path, or proxy_protocol" },
        { (l->chain_ca != NULL || l->chain_ca_path != NULL) && l->certificate == NULL,
          "chain_ca and chain_ca_path need certificate and key" },
        { l->client_crl != NULL && !has_ca, "client_crl needs client_ca or client_ca_path" },
        { l->websocket && !is_given(LISTENER, l, "port") &&
              !slice_starts(slice_str(l->address), SLICE("unix:")),
          "with websocket = yes, port must be given" },
        { (l->websocket_origins != NULL || l->websocket_paths != NULL) && !l->websocket &&
              !l->detect,
          "websocket_origins and websocket_paths need websocket = yes, or detect = yes" },
        { l->protocol != 0 &&
              (is_given(LISTENER, l, "message_rate") || is_given(LISTENER, l, "byte_rate") ||
               is_given(LISTENER, l, "client_message_rate") ||
               is_given(LISTENER, l, "client_byte_rate") || is_given(LISTENER, l, "rate_action") ||
               l->mount_point != NULL),
          "rates of messages and mount_point are for protocol = mqtt alone" },
        { l->mount_point != NULL && !mqtt_mount_is_valid(slice_str(l->mount_point)),
          "mount_point must be a topic that ends in / and does not begin with $" },
        { l->proxy_client != 0 && !l->proxy_protocol, "proxy_client needs proxy_protocol = yes" },
        { is_given(LISTENER, l, "proxy_peers") && !l->proxy_protocol,
          "proxy_peers needs proxy_protocol = yes" },
        { !are_networks(l->proxy_peers),
          "proxy_peers must be addresses, networks as 10.0.0.0/8, or unix, with commas between" },
        { read_versions(l->mqtt_versions) == 0,
          "mqtt_versions must be some of 3.1, 3.1.1 and 5, with commas between" },
    };
    bool is_right = true;

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (!checks[i].is_wrong)
            continue;
        text_format(errors, "listener %s: %s\n", l->name, checks[i].why);
        is_right = false;
    }
    return is_right;
}

static enum rc check(const struct settings *s, struct text *errors)
{
    enum rc rc = RC_OK;

    LIST_EACH (k, &s->listeners) {
        if (!is_consistent(CONTAINER_OF(k, struct listener_settings, link), errors))
            rc = RC_INVALID;
    }
    if (bridge_settings_check(&s->bridges, errors) != RC_OK)
        rc = RC_INVALID;
    if (s->json && s->verify == NULL) {
        text_format(errors, "json means nothing without verify\n");
        rc = RC_INVALID;
    }
    if (s->ephemeral && s->data != NULL) {
        text_format(errors, "ephemeral and data exclude each other\n");
        rc = RC_INVALID;
    }
    if (s->disk_warn_percent > s->disk_stop_percent) {
        text_format(errors, "disk_warn is larger than disk_stop\n");
        rc = RC_INVALID;
    }
    if (s->segment_first_bytes > s->segment_max_bytes) {
        text_format(errors, "segment_first is larger than segment_max\n");
        rc = RC_INVALID;
    }
    return rc;
}

/* ---- reading ---- */

void settings_start(struct settings *s)
{
    *s = (struct settings){ 0 };
    list_init(&s->listeners);
    list_init(&s->streams);
    list_init(&s->users);
    list_init(&s->bridges);
    options_set_defaults(HEAD, s);
}

void settings_done(struct settings *s)
{
    text_done(&s->warnings);
    options_done(HEAD, s);
    bridge_settings_done(&s->bridges);
    while (!list_is_empty(&s->listeners)) {
        struct listener_settings *l = LIST_FIRST(&s->listeners, struct listener_settings, link);

        link_remove(&l->link);
        options_done(LISTENER, l);
        mem_free(l->name);
        mem_free(l);
    }
    while (!list_is_empty(&s->streams)) {
        struct stream_settings *stream = LIST_FIRST(&s->streams, struct stream_settings, link);

        link_remove(&stream->link);
        options_done(STREAM, stream);
        mem_free(stream->pattern);
        mem_free(stream);
    }
    while (!list_is_empty(&s->users)) {
        struct user_settings *user = LIST_FIRST(&s->users, struct user_settings, link);

        link_remove(&user->link);
        options_done(USER, user);
        mem_free(user->pattern);
        mem_free(user);
    }
}

enum rc settings_load_file(const char *path, struct text *to, struct text *errors)
{
    FILE *file = fopen(path, "re");
    size_t n = 1;

    if (file == NULL) {
        text_format(errors, "%s: %s\n", path, strerror(errno));
        return RC_INVALID;
    }
    while (n > 0 && to->len <= OPTIONS_FILE_MAX_BYTES && text_reserve(to, FILE_CHUNK_BYTES)) {
        n = fread(to->at + to->len, 1, FILE_CHUNK_BYTES, file);
        to->len += n;
    }
    n = (size_t)ferror(file);
    (void)fclose(file); /* it was only read */
    if (n != 0 || to->bad) {
        text_format(errors, "%s: cannot be read\n", path);
        return RC_INVALID;
    }
    return RC_OK;
}

static enum rc read_file(struct settings *s, const char *path, struct text *errors)
{
    struct text content = { 0 };
    enum rc rc = settings_load_file(path, &content, errors);

    if (rc == RC_OK)
        rc = options_read(settings_sections, SETTINGS_SECTIONS, s, s, path, text_slice(&content),
                          errors);
    text_done(&content);
    return rc;
}

/* Files first and then the line: what it says comes after what they say. */
static enum rc read_files(struct settings *s, const char *own, const char *mosquitto,
                          struct text *errors)
{
    enum rc rc = RC_OK, own_rc = RC_OK;

    if (mosquitto != NULL)
        rc = mosquitto_settings_read(s, mosquitto, &mosquitto_system, errors);
    if (own != NULL)
        own_rc = read_file(s, own, errors);
    return rc != RC_OK ? rc : own_rc;
}

/* Where the command line says otherwise than a file of mosquitto's. */
static void settle_store(struct settings *s, bool is_ephemeral, bool has_data)
{
    if (is_ephemeral)
        MEM_FREE(s->data);
    else if (has_data)
        s->ephemeral = false;
}

/* The port of a command line is that of mosquitto's default listener, when nothing else is said of
 * that, and no second one where the file has it already. */
static void settle_port(struct settings *s)
{
    LIST_EACH (k, &s->listeners) {
        struct listener_settings *l = CONTAINER_OF(k, struct listener_settings, link);

        if (l->is_port_open)
            l->port = s->port[0];
        if (l->port == s->port[0])
            s->port_given[0] = false;
    }
}

enum rc settings_read(struct settings *s, int argc, const char *const argv[], struct text *errors)
{
    char *own, *mosquitto;
    bool is_ephemeral, has_data;
    enum rc rc, file_rc;

    settings_start(s);
    rc = options_read_line(HEAD, s, argc, argv, errors);
    if (rc != RC_OK)
        return rc;
    own = s->config;
    mosquitto = s->mosquitto_conf;
    if (mosquitto == NULL && own != NULL && mosquitto_settings_is_named(own)) {
        mosquitto = own;
        own = NULL;
    }
    if (own != NULL || mosquitto != NULL) {
        is_ephemeral = s->ephemeral;
        has_data = s->data != NULL;
        s->config = s->mosquitto_conf = NULL;
        settings_done(s);
        settings_start(s);
        file_rc = read_files(s, own, mosquitto, errors);
        mem_free(own);
        mem_free(mosquitto);
        rc = options_read_line(HEAD, s, argc, argv, errors);
        if (s->is_mosquitto)
            settle_store(s, is_ephemeral, has_data);
        if (rc != RC_OK || file_rc != RC_OK)
            return RC_INVALID;
    }
    s->port_given[0] = is_given(HEAD, s, "port_mqtt");
    s->port_given[1] = is_given(HEAD, s, "port_amqp");
    s->port_given[2] = is_given(HEAD, s, "port_kafka");
    if (s->bridge_profile != 0)
        bridge_settings_make_plain(&s->bridges);
    if (s->is_mosquitto && s->port_given[0])
        settle_port(s);
    return check(s, errors);
}

bool settings_has_mqtt_receive_maximum(const struct settings *s)
{
    return is_given(HEAD, s, "mqtt_receive_maximum");
}

bool settings_has_mqtt_send_window(const struct settings *s)
{
    return is_given(HEAD, s, "mqtt_send_window");
}

bool settings_has_mqtt_max_packet(const struct settings *s)
{
    return is_given(HEAD, s, "mqtt_max_packet");
}

bool settings_has_mqtt_topic_alias_maximum(const struct settings *s)
{
    return is_given(HEAD, s, "mqtt_topic_alias_maximum");
}

bool settings_has_consumed_retention_bytes(const struct settings *s)
{
    return is_given(HEAD, s, "consumed_retention_bytes");
}

bool settings_has_cache(const struct settings *s)
{
    return is_given(HEAD, s, "cache");
}

bool settings_has_unlogged_total_bytes(const struct settings *s)
{
    return is_given(HEAD, s, "unlogged_total_bytes");
}

bool settings_has_retention_bytes(const struct settings *s)
{
    return is_given(HEAD, s, "retention_bytes");
}

bool stream_settings_has_retention(const struct stream_settings *s)
{
    return is_given(STREAM, s, "retention");
}

bool stream_settings_has_retention_bytes(const struct stream_settings *s)
{
    return is_given(STREAM, s, "retention_bytes");
}

bool stream_settings_has_durability(const struct stream_settings *s)
{
    return is_given(STREAM, s, "durability");
}

bool user_settings_is_given(const struct user_settings *u, const char *name)
{
    return is_given(USER, u, name);
}

bool settings_has_admin_port(const struct settings *s)
{
    return is_given(HEAD, s, "admin_port");
}

bool listener_settings_has_port(const struct listener_settings *l)
{
    return is_given(LISTENER, l, "port");
}

enum rc settings_put(struct settings *s, const char *name, struct slice value, struct text *why)
{
    return option_set(HEAD, settings_row_of(HEAD, name), s, value, why);
}

enum rc settings_put_listener(struct listener_settings *l, const char *name, struct slice value,
                              struct text *why)
{
    return option_set(LISTENER, settings_row_of(LISTENER, name), l, value, why);
}

struct listener_settings *settings_add_listener(struct settings *s, struct slice name,
                                                struct text *why)
{
    return LISTENER->begin(s, name, why);
}

bool settings_is_given(const struct settings *s, const char *name)
{
    return is_given(HEAD, s, name);
}

bool listener_settings_is_given(const struct listener_settings *l, const char *name)
{
    return is_given(LISTENER, l, name);
}

bool listener_settings_has_tls(const struct listener_settings *l)
{
    return l->certificate != NULL || l->psk_file != NULL;
}

bool listener_settings_has_address(const struct listener_settings *l)
{
    return is_given(LISTENER, l, "address");
}

/* ---- writing ---- */

void settings_write_help(struct text *to)
{
    text_format(to, "usage: tercetd [OPTION]...\n"
                    "One broker for MQTT, AMQP 0-9-1 and Kafka clients, who share topics and "
                    "queues.\n\n");
    options_write_help(HEAD, to);
    text_format(to, "\nThe configuration file is described in tercet.conf(5); "
                    "--print-config prints a sample.\n");
}

void settings_write_sample(struct text *to)
{
    text_format(to, "# Configuration of tercetd. What is commented out is the default.\n\n");
    options_write_sample(settings_sections, SETTINGS_SECTIONS, to);
}

void settings_write_man(struct text *to)
{
    text_format(to,
                ".\\\" Made by tercetd \\-\\-print\\-man from its table of options.\n"
                ".TH TERCET.CONF 5 \"\" \"tercet %s\" \"tercet manual\"\n"
                ".SH NAME\ntercet.conf \\- configuration file of tercetd(8)\n"
                ".SH SYNOPSIS\n.B tercetd \\-\\-config\n.I FILE\n"
                ".SH DESCRIPTION\n",
                PACKAGE_VERSION);
    options_write_troff(
        to, "The file has one option on a line, as key = value. A value may stand in quotation "
            "marks. Lines that begin with # are comments. Options at the head of the file concern "
            "the whole broker; sections that begin with [listener NAME] say where to listen.\n"
            "An unknown option, a value out of its range or an option set twice is an error: the "
            "broker names file and line and does not start. tercetd --test-config reads a file "
            "without starting; tercetd --print-config prints a sample with all options.\n"
            "What the command line says comes before what the file says. No file is read unless "
            "--config names it.\n");
    text_format(to, ".SH OPTIONS\n");
    options_write_man(settings_sections, SETTINGS_SECTIONS, to);
    text_format(to, ".SH EXAMPLE\n.nf\ndata = /srv/tercet\n\n[listener secure]\nprotocol = mqtt\n"
                    "address = 127.0.0.1\ntls = yes\ncertificate = /etc/tercet/cert.pem\n"
                    "key = /etc/tercet/key.pem\n.fi\n"
                    ".SH SEE ALSO\n.BR tercetd (8),\n.BR tercet (1)\n");
}
