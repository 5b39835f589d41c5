/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator says of one bridge: a connection of ours to another MQTT broker. Plain values,
 * filled from tables of options or from another broker's configuration; bridge_config_check() tells
 * what does not fit together. */
#ifndef TERCET_PROTOCOLS_MQTT_BRIDGE_CONFIG_H
#define TERCET_PROTOCOLS_MQTT_BRIDGE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/base/list.h"
#include "broker/base/options.h"
#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct text;

enum bridge_version { BRIDGE_V31, BRIDGE_V311, BRIDGE_V5 };
enum bridge_start {
    BRIDGE_AUTOMATIC, /* connects at the start, and again whenever the link is lost */
    BRIDGE_LAZY,      /* connects when `threshold` messages wait, leaves after `idle_timeout_ms` */
    BRIDGE_ONCE,      /* connects at the start, and not again */
};
enum bridge_reload {
    BRIDGE_RELOAD_NOW,  /* what was changed holds at once, for which it connects again */
    BRIDGE_RELOAD_LAZY, /* it holds when it connects the next time */
};
enum bridge_local_session { BRIDGE_LOCAL_AS_REMOTE, BRIDGE_LOCAL_KEPT, BRIDGE_LOCAL_CLEAN };

#define BRIDGE_ADDRESSES_MAX 16   /* brokers that one bridge may turn to */
#define BRIDGE_TOPICS_MAX    1000 /* each is compared with every message under way */
#define BRIDGES_MAX          256
#define BRIDGE_NAME_MAX      64
#define BRIDGE_PORT          1883
#define BRIDGE_TLS_PORT      8883

/* The texts are owned by whoever fills it; NULL: not given. */
struct bridge_config {
    struct link link; /* the filler's */
    char *name;
    /* "HOST", "HOST:PORT", "[v6]:PORT", "unix:/PATH", with blanks or line ends between: the first
     * is the primary. */
    char *addresses;
    /* One a line: PATTERN [out|in|both [QOS [LOCAL-PREFIX [REMOTE-PREFIX]]]], "" for no prefix. */
    char *topics;
    unsigned version;       /* enum bridge_version */
    unsigned start;         /* enum bridge_start */
    bool round_robin;       /* no address is the primary: the next one is tried each time */
    char *remote_client_id; /* default: HOSTNAME.NAME */
    char *remote_user;
    char *remote_password;
    char *local_client_id;  /* of the session that holds what waits; default: local.REMOTE-ID */
    char *local_user;       /* whose rights it has here */
    char *local_password;   /* not looked at: who configures bridges may lend them any rights */
    bool clean_session;     /* the session at the other broker ends with the connection */
    unsigned local_session; /* enum bridge_local_session: whether messages wait while it is away */
    uint64_t keep_alive_ms; /* whole seconds */
    uint64_t restart_min_ms;
    uint64_t restart_max_ms; /* between these, growing, at random; not larger: always the first */
    uint64_t idle_timeout_ms;
    uint64_t threshold;
    bool notifications;            /* says on a retained topic whether it is connected */
    bool notifications_local_only; /* here alone */
    char *notification_topic;      /* default: $SYS/broker/connection/REMOTE-ID/state */
    bool try_private;              /* says that it is a bridge, by a private bit of 3.1 and 3.1.1 */
    bool attempt_unsubscribe; /* from what it only sends, which it may have subscribed to before */
    bool relay; /* what came over bridges goes out, and what comes over it to others' bridges */
    bool outgoing_retain;      /* retain flags go out */
    uint64_t max_packet_bytes; /* larger packets are not sent, nor taken; 0: no limit of its own */
    uint64_t max_topic_alias;  /* that we use, if the other broker takes so many */
    uint64_t receive_maximum;  /* messages of QoS 1 and 2 under way to us, MQTT 5 */
    uint64_t max_inflight;     /* and to the other broker */
    char *bind_address;
    bool tls;
    char *ca_file; /* neither: the system's authorities */
    char *ca_path;
    char *certificate;
    char *key;
    bool insecure; /* the name in the other broker's certificate is not looked at */
    char *alpn;
    unsigned tls_min_version; /* index: 1.2, 1.3 */
    char *tls_ciphers;
    char *tls_ciphersuites;
    bool require_ocsp;         /* the other broker shows that its certificate is not revoked */
    char *psk_identity;        /* both or neither: a shared key instead of certificates */
    char *psk;                 /* in hexadecimal */
    uint64_t session_expiry_s; /* of the session at the other broker */
    uint64_t tcp_keepalive_idle_s;
    uint64_t tcp_keepalive_interval_s;
    uint64_t tcp_keepalive_probes;
    uint64_t tcp_user_timeout_ms; /* 0: the system's */
    unsigned reload;              /* enum bridge_reload */
    uint16_t default_port;        /* no option; 0: MQTT's, with TLS or without */
    bool is_plain;                /* no option: it says no more than mosquitto's bridges do */
    struct option_marks given;
};

/* RC_INVALID: a line for each mistake was added to `errors`. */
MUST_CHECK enum rc bridge_config_check(const struct bridge_config *config, struct text *errors);

/* ---- what the texts mean; all slices are borrowed from them ---- */

struct bridge_address {
    struct slice host; /* without brackets; "unix:/PATH" whole */
    uint16_t port;     /* 0: a Unix socket's */
};

/* The next address of the list; false at its end. An address that is none has an empty host. */
bool bridge_next_address(struct slice *list, uint16_t default_port, struct bridge_address *ret);

struct bridge_topic_line {
    struct slice pattern; /* empty: the prefixes are two names for one topic */
    bool is_out;
    bool is_in;
    uint8_t qos;
    struct slice local_prefix;
    struct slice remote_prefix;
};

/* The next topic; false at the end. RC_INVALID in *ret_rc: the line makes no sense, and `why` says
 * why. */
bool bridge_next_topic(struct slice *list, struct bridge_topic_line *ret, enum rc *ret_rc,
                       struct text *why);

#endif
