/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration file and the command line say, as read from the tables of options. */
#ifndef TERCET_BROKER_MAIN_SETTINGS_H
#define TERCET_BROKER_MAIN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/list.h"
#include "broker/base/options.h"
#include "broker/base/rc.h"
#include "broker/base/text.h"

/* A [listener NAME]. */
struct listener_settings {
    struct link link;
    char *name;        /* owned, like all texts here */
    unsigned protocol; /* index into protocol_names */
    char *address;     /* one or more, with commas */
    uint64_t port;
    bool tls;
    char *certificate;
    char *key;
    char *chain_ca;
    char *chain_ca_path;
    char *client_ca;
    char *client_ca_path;
    char *client_crl;
    bool require_client_certificate;
    unsigned tls_min_version; /* index: 1.2, 1.3 */
    char *tls_ciphers;
    char *tls_ciphersuites;
    char *dh_params;
    char *psk_file;
    char *psk_hint;
    bool psk_is_user;
    bool websocket;
    char *websocket_paths;
    char *websocket_origins;
    bool detect;
    bool proxy_protocol;
    unsigned proxy_client; /* index: any, tls, certificate */
    char *proxy_peers;
    char *password_file;
    char *acl_file;
    bool allow_anonymous;
    bool certificate_is_user;
    unsigned certificate_user; /* index: name, subject */
    bool check_client_dates;
    unsigned socket_access; /* index: owner, group, all */
    uint64_t max_connections;
    char *mqtt_versions;
    uint64_t mqtt_maximum_qos;
    uint64_t mqtt_topic_alias_maximum;
    uint64_t mqtt_topic_alias_given;
    bool mqtt_assign_id;
    bool mqtt_user_is_id;
    char *mqtt_id_prefix;
    bool is_port_open; /* the command line may say another */
    bool is_lenient;   /* not all of its addresses need be there, but one */
    uint64_t accept_rate;
    uint64_t message_rate;
    uint64_t byte_rate;
    uint64_t client_message_rate;
    uint64_t client_byte_rate;
    char *mount_point;
    unsigned rate_action; /* index: pause, disconnect */
    struct option_marks given;
};

/* A [stream NAME]: what streams of that name have instead of what holds for all. */
struct stream_settings {
    struct link link;
    char *pattern; /* owned: a name, or how it begins with '*' behind */
    uint64_t retention_ms;
    uint64_t retention_bytes;
    unsigned durability;
    struct option_marks given;
};

/* A [user NAME]: what users of that name may have instead of what holds for all. */
struct user_settings {
    struct link link;
    char *pattern; /* owned: a name, or how it begins with '*' behind */
    uint64_t max_connections;
    uint64_t max_sessions;
    uint64_t max_session_expiry_ms;
    uint64_t session_max_messages;
    uint64_t session_max_bytes;
    unsigned session_overflow;
    struct option_marks given;
};

#define STREAM_RULES_MAX   1000 /* each is compared when a stream is made or loaded */
#define SETTINGS_PROTOCOLS 3
#define LISTENERS_MAX      64

struct settings {
    char *config;
    char *mosquitto_conf;
    char *data;
    bool ephemeral;
    uint64_t port[SETTINGS_PROTOCOLS];
    char *admin_socket;
    uint64_t admin_port;
    char *ready_file;
    bool quiet;
    unsigned log_level;
    char *log_file;
    bool log_time;
    char *log_time_format;
    unsigned log_format; /* enum log_style */
    unsigned log_syslog; /* index: no, user, daemon, local0 and so on */
    bool log_topics;
    bool log_connections;
    char *pid_file;
    char *tls_keylog;
    char *user;
    uint64_t sys_interval_ms;
    uint64_t turn_slow_ms;
    bool allow_anonymous_remote;
    char *password_file;
    char *acl_file;
    bool allow_anonymous;
    bool trusts_names; /* no option: as acl.h says, when a mosquitto.conf was read */
    uint64_t max_connections;
    uint64_t shutdown_grace_ms;

    bool auto_stream;
    uint64_t default_partitions;
    uint64_t retention_ms;
    uint64_t retention_bytes;
    uint64_t consumed_retention_ms;
    uint64_t consumed_retention_bytes;
    uint64_t session_max_messages;
    uint64_t session_max_bytes;
    uint64_t sessions_max;
    unsigned session_overflow;
    bool session_qos0;
    bool retained_check_source;
    uint64_t connections_max;
    uint64_t retained_max;
    uint64_t retained_max_bytes;
    uint64_t retained_expiry_ms;
    uint64_t delayed_max;
    uint64_t delayed_max_bytes;
    uint64_t delayed_max_delay_ms;
    uint64_t share_grace_ms;
    unsigned durability;
    uint64_t unlogged_bytes;
    uint64_t unlogged_total_bytes;
    uint64_t flap_client_connects;
    uint64_t flap_address_connects;
    uint64_t flap_window_ms;
    uint64_t flap_ban_ms;
    uint64_t login_failures_address;
    uint64_t login_failures_user;
    uint64_t login_failures_anywhere;
    uint64_t login_window_ms;
    uint64_t login_ban_ms;
    uint64_t login_ban_max_ms;
    unsigned mqtt_dots;
    unsigned mqtt_profile;
    unsigned bridge_profile;
    uint64_t mqtt_max_keep_alive_ms;
    uint64_t mqtt_max_session_expiry_ms;
    uint64_t mqtt_receive_maximum;
    uint64_t mqtt_max_packet_bytes;
    uint64_t mqtt_max_payload_bytes;
    uint64_t mqtt_topic_alias_maximum;
    uint64_t mqtt_maximum_qos;
    bool mqtt_retain;
    uint64_t mqtt_send_window;
    bool mqtt_assign_id;
    char *mqtt_id_prefix;
    char *mqtt_id_must_begin;
    bool mqtt_upgrade_qos;
    uint64_t mqtt_send_bytes;

    uint64_t memory_limit_bytes;
    uint64_t cache_bytes;
    uint64_t segment_first_bytes;
    uint64_t segment_max_bytes;
    uint64_t sync_interval_ms;
    uint64_t disk_warn_percent;
    uint64_t disk_stop_percent;
    uint64_t disk_free_enough_bytes;
    uint64_t disk_free_min_bytes;
    bool prewrite;
    bool sync;

    uint64_t kafka_node_id;
    char *kafka_advertised_host;
    uint64_t kafka_advertised_port;
    bool kafka_auto_create;
    uint64_t kafka_rebalance_delay_ms;
    uint64_t kafka_max_batch_bytes;

    char *verify;
    bool json;
    bool test_config;
    bool print_config;
    bool print_man;
    bool print_mosquitto_man;
    bool help;
    bool version;

    struct option_marks given;
    bool port_given[SETTINGS_PROTOCOLS];
    bool is_mosquitto;     /* it was told in mosquitto's words */
    struct text warnings;  /* of reading, a line each */
    struct list listeners; /* of struct listener_settings */
    struct list streams;   /* of struct stream_settings */
    struct list users;     /* of struct user_settings */
    struct list bridges;   /* of struct bridge_config */
};

/* The protocols' names, in the order of `port` and of listener_settings.protocol; NULL at the end.
 */
extern const char *const protocol_names[];

/* Defaults, then the file that the command line names, then the command line. RC_INVALID: `errors`
 * has a line for each mistake. Either way settings_done() is due. */
MUST_CHECK enum rc settings_read(struct settings *s, int argc, const char *const argv[],
                                 struct text *errors);
/* Every default; nothing is read. */
void settings_start(struct settings *s);
void settings_done(struct settings *s);
/* One option, as the file would set it. RC_INVALID: `why` says what is expected. */
MUST_CHECK enum rc settings_put(struct settings *s, const char *name, struct slice value,
                                struct text *why);
MUST_CHECK enum rc settings_put_listener(struct listener_settings *l, const char *name,
                                         struct slice value, struct text *why);
/* As a [listener NAME] does. NULL: `why` says why not. */
struct listener_settings *settings_add_listener(struct settings *s, struct slice name,
                                                struct text *why);
bool settings_is_given(const struct settings *s, const char *name);
/* Bits: 3.1 the lowest, then 3.1.1 and 5. */
unsigned listener_settings_mqtt_versions(const struct listener_settings *l);
bool listener_settings_is_given(const struct listener_settings *l, const char *name);
/* False: it is the default. */
bool settings_has_mqtt_receive_maximum(const struct settings *s);
bool settings_has_mqtt_send_window(const struct settings *s);
bool settings_has_mqtt_max_packet(const struct settings *s);
bool settings_has_mqtt_topic_alias_maximum(const struct settings *s);
bool settings_has_cache(const struct settings *s);
bool settings_has_unlogged_total_bytes(const struct settings *s);
bool settings_has_retention_bytes(const struct settings *s);
bool settings_has_consumed_retention_bytes(const struct settings *s);
/* False: it is left to what holds for all streams. */
bool stream_settings_has_retention(const struct stream_settings *s);
bool stream_settings_has_retention_bytes(const struct stream_settings *s);
bool stream_settings_has_durability(const struct stream_settings *s);
bool user_settings_is_given(const struct user_settings *u, const char *name);
/* False: no admin door on TCP. */
bool settings_has_admin_port(const struct settings *s);
/* False: the port is to be the default of its protocol. */
bool listener_settings_has_port(const struct listener_settings *l);
/* It speaks TLS, or tells it by the first bytes. */
bool listener_settings_has_tls(const struct listener_settings *l);
/* False: the address is the default. */
bool listener_settings_has_address(const struct listener_settings *l);
/* The whole file, up to one byte more than a configuration may have. RC_INVALID: `errors` says why.
 */
MUST_CHECK enum rc settings_load_file(const char *path, struct text *to, struct text *errors);
/* What the command line's own words print. */
void settings_write_help(struct text *to);
void settings_write_sample(struct text *to);
void settings_write_man(struct text *to);

#endif
