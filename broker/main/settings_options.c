/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of all options but those of bridges. */
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/accounts.h"
#include "broker/core/delayed.h"
#include "broker/core/user.h"
#include "broker/main/bridge_settings.h"
#include "broker/main/settings_int.h"
#include "config.h"
#include "protocols/mqtt/mqtt_limits.h"

#define FILE_ONLY OPTION_IN_FILE
#define LINE_ONLY OPTION_ON_LINE
#define BOTH      (OPTION_IN_FILE | OPTION_ON_LINE)
#define RELOAD    OPTION_RELOAD

#define PATH_MAX_BYTES        4000
#define SOCKET_PATH_MAX_BYTES 107 /* Linux */
#define PSK_HINT_MAX_BYTES    128 /* OpenSSL's */
#define KIB                   (UINT64_C(1) << 10)
#define MIB                   (UINT64_C(1) << 20)
#define GIB                   (UINT64_C(1) << 30)
#define SECOND_MS             UINT64_C(1000)
#define RATE_MAX              (UINT64_C(1) << 40)
#define DAY_MS                (24 * 3600 * SECOND_MS)
#define YEARS_MS              (36500 * DAY_MS)

const char *const protocol_names[] = { "mqtt", "amqp", "kafka", NULL };
static const char *const log_levels[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const log_formats[] = { "tercet", "mosquitto", NULL };
static const char *const durabilities[] = { "memory", "interval", "always", "none", NULL };
static const char *const overflows[] = { "drop_oldest", "drop_newest", "reject", "end", NULL };
static const char *const tls_versions[] = { "1.2", "1.3", NULL };
static const char *const accesses[] = { "owner", "group", "all", NULL };
static const char *const profiles[] = { "own", "mosquitto", NULL };
static const char *const facilities[] = { "no",     "user",   "daemon", "local0",
                                          "local1", "local2", "local3", "local4",
                                          "local5", "local6", "local7", NULL };
static const char *const certificate_users[] = { "name", "subject", NULL };
static const char *const proxy_clients[] = { "any", "tls", "certificate", NULL };
static const char *const rate_actions[] = { "pause", "disconnect", NULL };
static const char *const dots[] = { "exact", "rabbitmq", NULL };

#define AT(field) offsetof(struct settings, field)

/* A row each, in the order of manual page and help. */
static const struct option head_options[] = {
    { "config", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, LINE_ONLY, AT(config), "FILE",
      "The configuration file; without it every option has its default." },
    { "mosquitto_conf", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, LINE_ONLY, AT(mosquitto_conf),
      "FILE",
      "A configuration in mosquitto's words, as tercet-mosquitto(7) tells; --config takes one too, "
      "by a name that ends in mosquitto.conf or .mosquitto." },
    { "data", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, BOTH, AT(data), "DIR",
      "The directory of the store, made when it is missing. By default /var/lib/tercet for root, "
      "else tercet in $XDG_STATE_HOME or ~/.local/state." },
    { "ephemeral", OPTION_SWITCH, "no", 0, 0, NULL, BOTH, AT(ephemeral), NULL,
      "Keep everything in memory alone; nothing outlives the process." },
    { "port_mqtt", OPTION_NUMBER, "1883", 0, 65535, NULL, BOTH, AT(port[0]), "N",
      "The port of the loopback listener for MQTT; 0 takes any free one." },
    { "port_amqp", OPTION_NUMBER, "5672", 0, 65535, NULL, BOTH, AT(port[1]), "N",
      "The port of the loopback listener for AMQP 0-9-1; 0 takes any free one." },
    { "port_kafka", OPTION_NUMBER, "9092", 0, 65535, NULL, BOTH, AT(port[2]), "N",
      "The port of the loopback listener for Kafka; 0 takes any free one." },
    { "admin_socket", OPTION_TEXT, NULL, 1, SOCKET_PATH_MAX_BYTES, NULL, BOTH, AT(admin_socket),
      "FILE",
      "The Unix socket of the admin door, which tercet(1) uses; by default admin.sock in the "
      "store's directory, and none when everything is kept in memory." },
    { "admin_port", OPTION_NUMBER, NULL, 0, 65535, NULL, BOTH, AT(admin_port), "N",
      "Open the admin door on this port of loopback too, where it tells everything and changes "
      "nothing; 0 takes any free one. Without it there is none." },
    { "ready_file", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, BOTH, AT(ready_file), "FILE",
      "Written whole, as JSON with process id and listeners, when every listener accepts." },
    { "quiet", OPTION_SWITCH, "no", 0, 0, NULL, BOTH, AT(quiet), NULL,
      "Do not print at the start what is listened on and what to try." },
    { "log_level", OPTION_CHOICE, "info", 0, 0, log_levels, BOTH | RELOAD, AT(log_level), "LEVEL",
      "The least grave events that are logged, on standard error: error, warning, notice, info or "
      "debug." },
    { "log_file", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD, AT(log_file),
      "FILE",
      "Log to the end of this file, which is opened again at a reload, and not to standard "
      "error." },
    { "log_format", OPTION_CHOICE, "tercet", 0, 0, log_formats, FILE_ONLY | RELOAD, AT(log_format),
      "WORDS",
      "In whose words the log tells of MQTT clients that come and go: tercet, or mosquitto, as its "
      "version 2.1 does, for programs that look for those; lines then begin with the seconds since "
      "1970, unless log_time_format says otherwise, and a colon. All other lines are ours. At most "
      "100 of a kind are written in a second." },
    { "log_time", OPTION_SWITCH, "yes", 0, 0, NULL, FILE_ONLY | RELOAD, AT(log_time), NULL,
      "Begin each line of the log with the time." },
    { "log_time_format", OPTION_TEXT, NULL, 1, LOG_TIME_FORMAT_MAX, NULL, FILE_ONLY | RELOAD,
      AT(log_time_format), "FORMAT",
      "How it is told, in the notation of strftime(3) and in local time; by default as ISO 8601 "
      "has "
      "it, in UTC and with milliseconds." },
    { "log_syslog", OPTION_CHOICE, "no", 0, 0, facilities, FILE_ONLY | RELOAD, AT(log_syslog),
      "FACILITY",
      "Log to syslog(3) too, as this facility: user, daemon or local0 to local7; no: not." },
    { "log_topics", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY | RELOAD, AT(log_topics), NULL,
      "Publish what is logged too: errors to $SYS/broker/log/E, warnings to W, notices to N, infos "
      "to I, debugging to D." },
    { "log_connections", OPTION_SWITCH, "yes", 0, 0, NULL, FILE_ONLY, AT(log_connections), NULL,
      "Log at the level info which MQTT clients come and go; without it, at debug." },
    { "tls_keylog", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, BOTH, AT(tls_keylog), "FILE",
      "Append the secrets of all TLS connections to this file, which is the owner's alone and no "
      "symbolic link, for programs that look at traffic. Only to look for faults: whoever has it "
      "can read what went over them." },
    { "pid_file", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, BOTH, AT(pid_file), "FILE",
      "Gets the process id, and is removed at the end." },
    { "user", OPTION_TEXT, NULL, 1, NAME_MAX_BYTES, NULL, BOTH, AT(user), "NAME",
      "Started by root, become this user, with its groups, before any file but the configuration, "
      "the log and pid_file is opened." },
    { "sys_interval", OPTION_TIME, "10s", 0, 65535 * SECOND_MS, NULL, FILE_ONLY,
      AT(sys_interval_ms), "TIME",
      "How often the topics under $SYS are brought up to date, in whole seconds; 0: there are "
      "none." },
    { "turn_slow", OPTION_TIME, "10ms", 0, 3600 * SECOND_MS, NULL, FILE_ONLY | RELOAD,
      AT(turn_slow_ms), "TIME",
      "A turn of the loop that takes so long is told in the log, as net.slow_turn with how much of "
      "it was the processor's and what it did last; 0: none is." },
    { "allow_anonymous_remote", OPTION_SWITCH, "no", 0, 0, NULL, BOTH, AT(allow_anonymous_remote),
      NULL,
      "Let a listener be reached from other machines although there are no users: whoever reaches "
      "it may do everything." },
    { "password_file", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, BOTH | RELOAD, AT(password_file),
      "FILE",
      "The users, as tercet passwd or mosquitto_passwd writes them, for every listener that has no "
      "password_file of its own. See tercet-security(7)." },
    { "acl_file", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, BOTH | RELOAD, AT(acl_file), "FILE",
      "The rules of who may do what, mosquitto's or our own, for every listener that has no "
      "acl_file of its own. Without rules whoever comes in may do all." },
    { "allow_anonymous", OPTION_SWITCH, "no", 0, 0, NULL, BOTH | RELOAD, AT(allow_anonymous), NULL,
      "Let clients in that give no name. When it is not given, those may who come by loopback, "
      "while there is no password_file." },
    { "max_connections", OPTION_NUMBER, "10000", 1, 1000000, NULL, FILE_ONLY, AT(max_connections),
      "N", "Connections that each loopback listener takes at a time." },
    { "shutdown_grace", OPTION_TIME, "3s", 0, 3600 * SECOND_MS, NULL, FILE_ONLY | RELOAD,
      AT(shutdown_grace_ms), "TIME",
      "How long clients that do not say goodbye may hold up a stop." },

    { "auto_stream", OPTION_SWITCH, "yes", 0, 0, NULL, FILE_ONLY, AT(auto_stream), NULL,
      "The first publish to an address makes its stream." },
    { "default_partitions", OPTION_NUMBER, "1", 1, 1024, NULL, FILE_ONLY, AT(default_partitions),
      "N", "Partitions of a stream that is made without saying how many." },
    { "retention", OPTION_TIME, "7d", 0, YEARS_MS, NULL, FILE_ONLY, AT(retention_ms), "TIME",
      "How long a stream keeps its records; 0 keeps them for ever." },
    { "retention_bytes", OPTION_BYTES, "1g", 0, UINT64_C(1) << 50, NULL, FILE_ONLY,
      AT(retention_bytes), "BYTES",
      "How much a stream keeps that came into being by a publish; 0 sets no limit. With ephemeral, "
      "the default is 64m." },
    { "consumed_retention", OPTION_TIME, "10m", 0, YEARS_MS, NULL, FILE_ONLY,
      AT(consumed_retention_ms), "TIME",
      "How long what a queue has consumed stays readable for Kafka consumers." },
    { "consumed_retention_bytes", OPTION_BYTES, "1g", 0, UINT64_C(1) << 50, NULL, FILE_ONLY,
      AT(consumed_retention_bytes), "BYTES",
      "How much of that a queue keeps at most; 0 sets no limit. With ephemeral, the default is "
      "64m." },
    { "session_max_messages", OPTION_NUMBER, "10000000", 1, UINT64_C(1) << 26, NULL,
      FILE_ONLY | RELOAD, AT(session_max_messages), "N",
      "Messages that may wait for one MQTT session, or for a group of shared subscriptions." },
    { "session_max_bytes", OPTION_BYTES, "0", 0, UINT64_C(1) << 50, NULL, FILE_ONLY | RELOAD,
      AT(session_max_bytes), "BYTES",
      "Bytes of them that may; 0 sets no limit. Each is counted as up to half as much again." },
    { "sessions_max", OPTION_NUMBER, "0", 0, UINT32_MAX, NULL, FILE_ONLY | RELOAD, AT(sessions_max),
      "N",
      "MQTT sessions that there may be, connected or not; 0 sets no limit. A client that would "
      "make "
      "one more is refused (MQTT 5: 0x97)." },
    { "session_overflow", OPTION_CHOICE, "drop_oldest", 0, 0, overflows, FILE_ONLY | RELOAD,
      AT(session_overflow), "WHAT",
      "What happens to one more: drop_oldest or drop_newest, which are counted and logged; reject, "
      "the publisher is refused (MQTT 5: 0x97); end, the session ends. What Kafka clients and "
      "AMQP's "
      "default exchange bring cannot be refused and is dropped. When a reload lowers a limit, "
      "drop_oldest and end act at once on what waits already." },
    { "session_qos0", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY, AT(session_qos0), NULL,
      "Messages of QoS 0 wait for sessions whose client is away, as the others do." },
    { "connections_max", OPTION_NUMBER, "0", 0, 10000000, NULL, FILE_ONLY, AT(connections_max), "N",
      "Connections that all listeners together take at a time, whatever each of them may; one more "
      "is closed. 0 sets no limit." },
    { "retained_max", OPTION_NUMBER, "1000000", 0, UINT32_MAX, NULL, FILE_ONLY, AT(retained_max),
      "N",
      "Retained messages that are kept at most; a publish that would make one more is refused. 0 "
      "sets no limit." },
    { "retained_max_bytes", OPTION_BYTES, "256m", 0, UINT64_C(1) << 40, NULL, FILE_ONLY,
      AT(retained_max_bytes), "BYTES",
      "Bytes of retained messages, with their topics, that are kept at most, for they are kept in "
      "memory too; 0 sets no limit." },
    { "retained_expiry", OPTION_TIME, "0", 0, YEARS_MS, NULL, FILE_ONLY, AT(retained_expiry_ms),
      "TIME", "How long a retained message is kept at most; 0 sets no limit." },
    { "retained_check_source", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY,
      AT(retained_check_source), NULL,
      "Keep with a retained message who published it, and give it to nobody while the rules of "
      "that "
      "one's listener would not let it be published any more." },
    { "delayed_max", OPTION_NUMBER, "10000000", 0, UINT64_C(1) << 40, NULL, FILE_ONLY,
      AT(delayed_max), "N",
      "Messages that may wait for their time, as those published to $delayed/SECONDS/TOPIC, or "
      "with "
      "x-delay to an exchange of type x-delayed-message; one more is refused. 0 sets no limit." },
    { "delayed_max_bytes", OPTION_BYTES, "4g", 0, UINT64_C(1) << 50, NULL, FILE_ONLY,
      AT(delayed_max_bytes), "BYTES", "Bytes of them, which lie on the disk; 0 sets no limit." },
    { "delayed_max_delay", OPTION_TIME, "50d", SECOND_MS, DELAY_MAX_MS, NULL, FILE_ONLY,
      AT(delayed_max_delay_ms), "TIME", "The longest delay; a longer one is refused." },
    { "share_grace", OPTION_TIME, "5s", 0, 3600 * SECOND_MS, NULL, FILE_ONLY, AT(share_grace_ms),
      "TIME",
      "How long messages that a member of a shared subscription was sent, and did not acknowledge, "
      "are kept for it when its connection is lost; then another member gets them." },
    { "durability", OPTION_CHOICE, "always", 0, 0, durabilities, FILE_ONLY, AT(durability), "WHEN",
      "When what is published is confirmed: always, when it is synced to the device; interval, "
      "when "
      "it is written, and synced within sync_interval; memory, at once; none, at once, and it is "
      "kept in memory alone. See tercet-durability(7)." },
    { "unlogged_bytes", OPTION_BYTES, "256k", 0, UINT64_C(1) << 40, NULL, FILE_ONLY,
      AT(unlogged_bytes), "BYTES",
      "What a stream of durability none keeps in memory, its partitions together, when its section "
      "names no retention_bytes; 64 times as much while MQTT sessions wait for it or Kafka's "
      "consumers read it. 0 sets no limit but the next." },
    { "unlogged_total_bytes", OPTION_BYTES, "64m", 1 << 20, UINT64_C(1) << 40, NULL, FILE_ONLY,
      AT(unlogged_total_bytes), "BYTES",
      "What all such streams keep together; the one that got nothing for longest loses records "
      "first." },
    { "flap_client_connects", OPTION_NUMBER, "0", 0, 1000000, NULL, FILE_ONLY,
      AT(flap_client_connects), "N",
      "An MQTT client identifier that connects more often than this within flap_window is banned "
      "for flap_ban; 0: never." },
    { "flap_address_connects", OPTION_NUMBER, "0", 0, 1000000, NULL, FILE_ONLY,
      AT(flap_address_connects), "N",
      "The same for the address that MQTT clients connect from; many may share one." },
    { "flap_window", OPTION_TIME, "1m", SECOND_MS, DAY_MS, NULL, FILE_ONLY, AT(flap_window_ms),
      "TIME", "The time in which connects are counted." },
    { "flap_ban", OPTION_TIME, "5m", SECOND_MS, 365 * DAY_MS, NULL, FILE_ONLY, AT(flap_ban_ms),
      "TIME", "How long a ban lasts, if tercet unban does not lift it." },
    { "login_failures_user", OPTION_NUMBER, "10", 0, 1000000, NULL, FILE_ONLY | RELOAD,
      AT(login_failures_user), "N",
      "How often in login_window a login may fail for one user from one address, by whatever "
      "protocol; with one more no login of that user is taken from there for login_ban. 0 sets no "
      "limit, as for the next two. Loopback, Unix sockets and proxies that do not tell addresses "
      "(proxy_protocol) are not limited by any of the three; IPv6 addresses are taken together in "
      "networks of 64 bits." },
    { "login_failures_address", OPTION_NUMBER, "100", 0, 1000000, NULL, FILE_ONLY | RELOAD,
      AT(login_failures_address), "N",
      "How often in login_window logins may fail from one address, for whomever; with one more no "
      "login is taken from there for login_ban. What a user is refused by login_failures_user does "
      "not count." },
    { "login_failures_anywhere", OPTION_NUMBER, "0", 0, 1000000, NULL, FILE_ONLY | RELOAD,
      AT(login_failures_anywhere), "N",
      "How often in login_window a login may fail for one user, wherever it comes from; with one "
      "more no login of that user is taken for login_ban. Whoever knows a name can shut its user "
      "out with this." },
    { "login_window", OPTION_TIME, "1m", SECOND_MS, DAY_MS, NULL, FILE_ONLY | RELOAD,
      AT(login_window_ms), "TIME", "See login_failures_user." },
    { "login_ban", OPTION_TIME, "1m", SECOND_MS, 365 * DAY_MS, NULL, FILE_ONLY | RELOAD,
      AT(login_ban_ms), "TIME",
      "How long the first ban lasts; each that follows on another is twice as long. tercet bans "
      "shows who is banned, tercet unban lifts a ban." },
    { "login_ban_max", OPTION_TIME, "1h", SECOND_MS, 365 * DAY_MS, NULL, FILE_ONLY | RELOAD,
      AT(login_ban_max_ms), "TIME", "How long the longest of them lasts." },
    { "mqtt_dots", OPTION_CHOICE, "exact", 0, 0, dots, FILE_ONLY, AT(mqtt_dots), "WAY",
      "How MQTT topics and AMQP routing keys become each other: exact keeps every name apart, "
      "rabbitmq swaps dots and slashes as RabbitMQ does." },
    { "mqtt_profile", OPTION_CHOICE, "own", 0, 0, profiles, BOTH, AT(mqtt_profile), "PROFILE",
      "What MQTT clients are told where the specification leaves a choice: own, or mosquitto, "
      "which "
      "has the numbers, properties and reason codes of that broker." },
    { "bridge_profile", OPTION_CHOICE, "own", 0, 0, profiles, BOTH, AT(bridge_profile), "PROFILE",
      "What bridges say in MQTT 5 to the other broker: own, the marks by which messages are kept "
      "from going round in circles too; mosquitto, no more than that broker's do." },
    { "mqtt_max_keep_alive", OPTION_TIME, "0", 0, 65535 * SECOND_MS, NULL, FILE_ONLY,
      AT(mqtt_max_keep_alive_ms), "TIME",
      "The longest keep alive of an MQTT client, in whole seconds; a longer one, or none, is cut "
      "to "
      "it. 0 sets no limit." },
    { "mqtt_max_session_expiry", OPTION_TIME, "0", 0, YEARS_MS, NULL, FILE_ONLY | RELOAD,
      AT(mqtt_max_session_expiry_ms), "TIME",
      "How long an MQTT session may outlive its connection at most, in whole seconds; 0 sets no "
      "limit." },
    { "mqtt_receive_maximum", OPTION_NUMBER, "1024", 1, 65535, NULL, FILE_ONLY,
      AT(mqtt_receive_maximum), "N",
      "Messages of QoS 1 and 2 that an MQTT 5 client may have under way to the broker. With "
      "mqtt_profile = mosquitto the default is 20." },
    { "mqtt_send_window", OPTION_NUMBER, "1000", 1, 65535, NULL, FILE_ONLY, AT(mqtt_send_window),
      "N",
      "Messages of QoS 1 and 2 under way to an MQTT client of 3.1 and 3.1.1, which cannot say how "
      "many it takes; when this is given, also to one of MQTT 5 that does not say it." },
    { "mqtt_max_packet", OPTION_BYTES, "128m", MQTT_PACKET_LEAST_BYTES, 128 * MIB, NULL, FILE_ONLY,
      AT(mqtt_max_packet_bytes), "BYTES",
      "The largest packet taken from an MQTT client. With mqtt_profile = mosquitto the default is "
      "2000000." },
    { "mqtt_max_payload", OPTION_BYTES, "0", 0, 128 * MIB, NULL, FILE_ONLY,
      AT(mqtt_max_payload_bytes), "BYTES",
      "The largest payload taken from an MQTT client; a message with a larger one is refused (MQTT "
      "5: 0x83) or, from older clients, acknowledged and dropped, and the connection goes on. 0 "
      "leaves it to mqtt_max_packet." },
    { "mqtt_topic_alias_maximum", OPTION_NUMBER, "10", 0, MQTT_ALIAS_MAX, NULL, FILE_ONLY,
      AT(mqtt_topic_alias_maximum), "N",
      "Topic aliases that an MQTT 5 client may set; 0 for none." },
    { "mqtt_maximum_qos", OPTION_NUMBER, "2", 0, 2, NULL, FILE_ONLY, AT(mqtt_maximum_qos), "QOS",
      "The highest QoS that MQTT clients may publish with; who uses a higher one is disconnected, "
      "and subscriptions are granted no higher one." },
    { "mqtt_retain", OPTION_SWITCH, "yes", 0, 0, NULL, FILE_ONLY, AT(mqtt_retain), NULL,
      "Take retained messages from MQTT clients; without it, who sends one is disconnected." },
    { "mqtt_assign_id", OPTION_SWITCH, "yes", 0, 0, NULL, FILE_ONLY, AT(mqtt_assign_id), NULL,
      "Give MQTT clients that come without a client identifier one; without it, they are turned "
      "away." },
    { "mqtt_id_prefix", OPTION_TEXT, "auto-", 0, MQTT_ID_PREFIX_MAX_BYTES, NULL, FILE_ONLY,
      AT(mqtt_id_prefix), "TEXT", "How the client identifiers begin that the broker gives." },

    { "mqtt_id_must_begin", OPTION_TEXT, NULL, 1, NAME_MAX_BYTES, NULL, FILE_ONLY,
      AT(mqtt_id_must_begin), "TEXT",
      "An MQTT client whose identifier does not begin so is turned away." },
    { "mqtt_upgrade_qos", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY, AT(mqtt_upgrade_qos), NULL,
      "Deliver with the QoS of the subscription also what was published with a lower one, against "
      "3.8.4-8 of MQTT 5." },
    { "mqtt_send_bytes", OPTION_BYTES, "0", 0, 2 * GIB, NULL, FILE_ONLY, AT(mqtt_send_bytes),
      "BYTES",
      "When payloads of QoS 1 and 2 under way to one MQTT client reach this, no more are sent "
      "before it acknowledges some; 0 sets no limit but their number." },

    { "memory_limit", OPTION_BYTES, "0", 0, UINT64_C(1) << 50, NULL, FILE_ONLY,
      AT(memory_limit_bytes), "BYTES",
      "When the broker holds this much memory, publishers are paused or refused, each in its "
      "protocol's own way, until there is room again; consumers go on. cache and "
      "unlogged_total_bytes are an eighth of it then by default, and what ephemeral streams keep a "
      "32nd, when that is less than otherwise. 0 sets no limit." },
    { "cache", OPTION_BYTES, "64m", MIB, 64 * GIB, NULL, FILE_ONLY, AT(cache_bytes), "BYTES",
      "Memory for the newest records, from which consumers that keep up are served." },
    { "segment_first", OPTION_BYTES, "16m", 4 * MIB, GIB, NULL, FILE_ONLY, AT(segment_first_bytes),
      "BYTES", "Size of the first file of the log." },
    { "segment_max", OPTION_BYTES, "128m", 4 * MIB, 4 * GIB, NULL, FILE_ONLY, AT(segment_max_bytes),
      "BYTES", "Size up to which the files of the log grow with traffic." },
    { "sync_interval", OPTION_TIME, "200ms", 1, 3600 * SECOND_MS, NULL, FILE_ONLY,
      AT(sync_interval_ms), "TIME",
      "The longest time between two syncs for what need not be synced before it is confirmed." },
    { "disk_warn", OPTION_NUMBER, "75", 1, 100, NULL, FILE_ONLY, AT(disk_warn_percent), "PERCENT",
      "When this much of the store's file system is in use, it is logged; the counter "
      "core_disk_low "
      "is 1." },
    { "disk_stop", OPTION_NUMBER, "85", 1, 100, NULL, FILE_ONLY, AT(disk_stop_percent), "PERCENT",
      "When this much of the store's file system is in use, publishers are paused, each in its "
      "protocol's own way, until there is room again; consumers go on. 100: only when it is "
      "full." },
    { "disk_free_enough", OPTION_BYTES, "32g", 0, UINT64_C(1) << 50, NULL, FILE_ONLY,
      AT(disk_free_enough_bytes), "BYTES",
      "While this is free, nobody is paused, and while twice this is, nothing is logged, whatever "
      "part of a large disk is in use; 0: the percentages alone count." },
    { "disk_free_min", OPTION_BYTES, "16m", 0, UINT64_C(1) << 50, NULL, FILE_ONLY,
      AT(disk_free_min_bytes), "BYTES", "Publishers are paused too when less than this is free." },
    { "prewrite", OPTION_SWITCH, "yes", 0, 0, NULL, FILE_ONLY, AT(prewrite), NULL,
      "Write the files of the log full ahead of use, while it does not grow fast: slower to "
      "prepare, faster to sync." },
    { "sync", OPTION_SWITCH, "yes", 0, 0, NULL, FILE_ONLY, AT(sync), NULL,
      "Sync what is confirmed to the device. Without it a power cut loses confirmed messages." },

    { "kafka_node_id", OPTION_NUMBER, "1", 0, INT32_MAX, NULL, FILE_ONLY, AT(kafka_node_id), "N",
      "The number by which Kafka clients know this broker." },
    { "kafka_advertised_host", OPTION_TEXT, NULL, 1, 255, NULL, FILE_ONLY,
      AT(kafka_advertised_host), "HOST",
      "The host that Kafka clients are told to connect to; by default the address they came to." },
    { "kafka_advertised_port", OPTION_NUMBER, "0", 0, 65535, NULL, FILE_ONLY,
      AT(kafka_advertised_port), "N",
      "The port that Kafka clients are told to connect to; 0 is the port they came to." },
    { "kafka_auto_create", OPTION_SWITCH, "yes", 0, 0, NULL, FILE_ONLY, AT(kafka_auto_create), NULL,
      "A Kafka client that asks for an unknown topic makes it, when the client allows that." },
    { "kafka_rebalance_delay", OPTION_TIME, "0", 0, 60 * SECOND_MS, NULL, FILE_ONLY,
      AT(kafka_rebalance_delay_ms), "TIME",
      "How long a new consumer group waits for further members before its first assignment." },
    { "kafka_max_batch", OPTION_BYTES, "1048588", KIB, GIB, NULL, FILE_ONLY,
      AT(kafka_max_batch_bytes), "BYTES", "The largest record batch that producers may send." },

    { "verify", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, LINE_ONLY, AT(verify), "DIR",
      "Read the store, or the backup, in this directory, tell what of it is sound, and end with "
      "status 0, 1 when something is damaged, or 2 when it could not be read." },
    { "json", OPTION_SWITCH, "no", 0, 0, NULL, LINE_ONLY, AT(json), NULL,
      "With verify, tell it as JSON." },
    { "test_config", OPTION_SWITCH, "no", 0, 0, NULL, LINE_ONLY, AT(test_config), NULL,
      "Read the configuration, say what is wrong with it, and end." },
    { "print_config", OPTION_SWITCH, "no", 0, 0, NULL, LINE_ONLY, AT(print_config), NULL,
      "Print a sample configuration with every option and its default, and end." },
    { "print_mosquitto_man", OPTION_SWITCH, "no", 0, 0, NULL, LINE_ONLY, AT(print_mosquitto_man),
      NULL, "Print the manual page that tells what becomes of mosquitto's options, and end." },
    { "print_man", OPTION_SWITCH, "no", 0, 0, NULL, LINE_ONLY, AT(print_man), NULL,
      "Print the manual page of the configuration file, and end." },
    { "help", OPTION_SWITCH, "no", 0, 0, NULL, LINE_ONLY, AT(help), NULL, "Print this, and end." },
    { "version", OPTION_SWITCH, "no", 0, 0, NULL, LINE_ONLY, AT(version), NULL,
      "Print the version, and end." },
};

#undef AT
#define AT(field) offsetof(struct listener_settings, field)

static const struct option listener_options[] = {
    { "protocol", OPTION_CHOICE, NULL, 0, 0, protocol_names, FILE_ONLY, AT(protocol), "PROTOCOL",
      "What is spoken here; must be given." },
    { "address", OPTION_TEXT, "127.0.0.1, ::1", 1, PATH_MAX_BYTES, NULL, FILE_ONLY, AT(address),
      "ADDRESSES",
      "Where to listen: IPv4 and IPv6 addresses (0.0.0.0 and :: are all of them) or unix:/PATH, "
      "with commas between." },
    { "port", OPTION_NUMBER, NULL, 0, 65535, NULL, FILE_ONLY, AT(port), "N",
      "The port, 0 for any free one; by default the protocol's own, with TLS or without. For "
      "WebSocket it must be given." },
    { "socket_access", OPTION_CHOICE, "owner", 0, 0, accesses, FILE_ONLY, AT(socket_access), "WHO",
      "Who may connect to a Unix socket: its owner, its group too, or all users of this machine. "
      "Who connects is trusted like whoever comes by loopback." },
    { "tls", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY, AT(tls), NULL,
      "Speak TLS, 1.2 or newer; certificate and key, or psk_file, must then be given." },
    { "certificate", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD,
      AT(certificate), "FILE",
      "The certificate and the chain that leads to its authority, in PEM." },
    { "key", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD, AT(key), "FILE",
      "The certificate's private key, in PEM." },
    { "chain_ca", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD, AT(chain_ca),
      "FILE", "Where what is missing of the chain behind the certificate is taken from, in PEM." },
    { "chain_ca_path", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD,
      AT(chain_ca_path), "DIR", "The same from a directory as openssl-rehash(1) leaves it." },
    { "client_ca", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD, AT(client_ca),
      "FILE", "Ask clients for certificates, and trust those of these authorities, in PEM." },
    { "client_ca_path", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD,
      AT(client_ca_path), "DIR",
      "The same for authorities in a directory, with the names that openssl-rehash(1) gives." },
    { "client_crl", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD, AT(client_crl),
      "FILE", "Turn clients away whose certificate is in this list of revoked ones, in PEM." },
    { "require_client_certificate", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY | RELOAD,
      AT(require_client_certificate), NULL, "Turn clients away that show no certificate." },
    { "tls_min_version", OPTION_CHOICE, "1.2", 0, 0, tls_versions, FILE_ONLY | RELOAD,
      AT(tls_min_version), "VERSION", "The oldest version of TLS that is spoken: 1.2 or 1.3." },
    { "tls_ciphers", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD,
      AT(tls_ciphers), "LIST",
      "The ciphers for TLS 1.2, in the notation of openssl-ciphers(1); by default OpenSSL's." },
    { "tls_ciphersuites", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD,
      AT(tls_ciphersuites), "LIST",
      "The cipher suites for TLS 1.3, the best first, with colons between; by default AES-128-GCM, "
      "AES-256-GCM and ChaCha20, the last one first for a client that puts it first." },
    { "dh_params", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD, AT(dh_params),
      "FILE",
      "Parameters of Diffie-Hellman, in PEM, for clients of TLS 1.2 that know no elliptic curves; "
      "without them such clients are turned away." },
    { "psk_file", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD, AT(psk_file),
      "FILE",
      "Take clients that have a key of this file, lines of IDENTITY:KEY with the key in "
      "hexadecimal, by TLS without certificates; nobody else, when no certificate is given. Keys "
      "should have 16 bytes or more. Whoever has one needs no client certificate." },
    { "psk_hint", OPTION_TEXT, NULL, 1, PSK_HINT_MAX_BYTES, NULL, FILE_ONLY | RELOAD, AT(psk_hint),
      "TEXT", "Told to clients of TLS 1.2 with keys, before they say which identity theirs is." },
    { "psk_is_user", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY, AT(psk_is_user), NULL,
      "A client's name is the identity of its key, whatever it says itself, and it needs no "
      "password; without a key nobody comes in." },
    { "websocket", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY, AT(websocket), NULL,
      "Speak the protocol inside WebSocket. The sub-protocols are mqtt and mqttv3.1 (one of them "
      "must be asked for), amqp, "
      "kafka." },
    { "websocket_paths", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY, AT(websocket_paths),
      "PATHS",
      "Where a WebSocket may be asked for, with commas between, * for anywhere; by default /ws and "
      "/PROTOCOL, where PROTOCOL is the listener's." },
    { "websocket_origins", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY,
      AT(websocket_origins), "ORIGINS",
      "The web pages that may connect, with commas between: https://app.example for one origin, "
      "app.example for a host whatever its port, * for all. By default those of localhost, and, "
      "for a browser on another machine, those of the host that it connects to." },
    { "detect", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY, AT(detect), NULL,
      "Tell by a connection's first bytes whether it speaks TLS (certificate and key must be given "
      "for that) and whether it speaks WebSocket, and take all of it; with tls or websocket, that "
      "one is nevertheless required." },
    { "proxy_protocol", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY, AT(proxy_protocol), NULL,
      "Every connection begins with a PROXY protocol header, version 1 or 2, which tells who the "
      "client is; one without it is closed." },
    { "proxy_peers", OPTION_TEXT, "127.0.0.0/8, ::1, unix", 1, PATH_MAX_BYTES, NULL, FILE_ONLY,
      AT(proxy_peers), "NETWORKS",
      "The proxies that proxy_protocol believes, as addresses and networks with commas between, "
      "unix for those on a Unix socket; who else connects is turned away." },
    { "proxy_client", OPTION_CHOICE, "any", 0, 0, proxy_clients, FILE_ONLY, AT(proxy_client),
      "WHAT",
      "What the proxy must say, by version 2 of the header, of its client: any, nothing; tls, that "
      "it "
      "came by TLS; certificate, that it showed one which the proxy found good. Whoever else comes "
      "is "
      "turned away." },
    { "password_file", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD,
      AT(password_file), "FILE", "The users of this listener." },
    { "acl_file", OPTION_TEXT, NULL, 1, PATH_MAX_BYTES, NULL, FILE_ONLY | RELOAD, AT(acl_file),
      "FILE", "The rules for those who come by this listener." },
    { "allow_anonymous", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY | RELOAD, AT(allow_anonymous),
      NULL, "Let clients in here that give no name." },
    { "certificate_is_user", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY, AT(certificate_is_user),
      NULL,
      "A client's name is the common name of its certificate, whatever it says itself, and it "
      "needs no password; without a certificate nobody comes in." },
    { "certificate_user", OPTION_CHOICE, "name", 0, 0, certificate_users, FILE_ONLY,
      AT(certificate_user), "WHAT",
      "What of it that is: name, its common name; subject, all of its subject, as RFC 2253 spells "
      "it." },
    { "check_client_dates", OPTION_SWITCH, "yes", 0, 0, NULL, FILE_ONLY | RELOAD,
      AT(check_client_dates), NULL,
      "Turn clients away whose certificate is over, or does not hold yet." },
    { "max_connections", OPTION_NUMBER, "10000", 1, 1000000, NULL, FILE_ONLY, AT(max_connections),
      "N", "Connections that it takes at a time." },
    { "mqtt_user_is_id", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY, AT(mqtt_user_is_id), NULL,
      "An MQTT client's identifier is its user name, whatever it says itself; who gives no name is "
      "turned away." },
    { "mqtt_versions", OPTION_TEXT, "3.1, 3.1.1, 5", 1, NAME_MAX_BYTES, NULL, FILE_ONLY,
      AT(mqtt_versions), "VERSIONS",
      "The versions of MQTT that are spoken here, with commas between." },
    { "mqtt_maximum_qos", OPTION_NUMBER, NULL, 0, 2, NULL, FILE_ONLY, AT(mqtt_maximum_qos), "QOS",
      "As at the head of the file, for this listener." },
    { "mqtt_topic_alias_maximum", OPTION_NUMBER, NULL, 0, MQTT_ALIAS_MAX, NULL, FILE_ONLY,
      AT(mqtt_topic_alias_maximum), "N", "As at the head of the file, for this listener." },
    { "mqtt_topic_alias_given", OPTION_NUMBER, "16", 0, MQTT_ALIAS_GIVEN_MAX, NULL, FILE_ONLY,
      AT(mqtt_topic_alias_given), "N",
      "Topic aliases that are used towards an MQTT 5 client that takes so many." },
    { "mqtt_assign_id", OPTION_SWITCH, "no", 0, 0, NULL, FILE_ONLY, AT(mqtt_assign_id), NULL,
      "As at the head of the file, for this listener." },
    { "mqtt_id_prefix", OPTION_TEXT, NULL, 0, MQTT_ID_PREFIX_MAX_BYTES, NULL, FILE_ONLY,
      AT(mqtt_id_prefix), "TEXT", "As at the head of the file, for this listener." },
    { "accept_rate", OPTION_NUMBER, "0", 0, 1000000, NULL, FILE_ONLY, AT(accept_rate), "N",
      "Connections that it takes in a second; what comes faster waits, and is not refused. 0 sets "
      "no limit." },
    { "mount_point", OPTION_TEXT, NULL, 1, 1024, NULL, FILE_ONLY, AT(mount_point), "TOPIC/",
      "A topic that ends in a slash: its MQTT clients see what lies below it as if that were all, "
      "and publish below it." },
    { "message_rate", OPTION_NUMBER, "0", 0, RATE_MAX, NULL, FILE_ONLY, AT(message_rate), "N",
      "Messages that all its MQTT clients together may publish in a second, and as many again at "
      "once; 0 sets no limit, as for the three that follow." },
    { "byte_rate", OPTION_BYTES, "0", 0, RATE_MAX, NULL, FILE_ONLY, AT(byte_rate), "BYTES",
      "Bytes of PUBLISH packets that they may send in a second." },
    { "client_message_rate", OPTION_NUMBER, "0", 0, RATE_MAX, NULL, FILE_ONLY,
      AT(client_message_rate), "N", "Messages that each MQTT client may publish in a second." },
    { "client_byte_rate", OPTION_BYTES, "0", 0, RATE_MAX, NULL, FILE_ONLY, AT(client_byte_rate),
      "BYTES", "Bytes of PUBLISH packets that each may send in a second." },
    { "rate_action", OPTION_CHOICE, "pause", 0, 0, rate_actions, FILE_ONLY, AT(rate_action), "WHAT",
      "What happens to a client that is faster: pause, it is not read until it may go on; "
      "disconnect, its connection ends, in MQTT 5 with 0x96." },
};

#undef AT

#define AT(field) offsetof(struct stream_settings, field)

static const struct option stream_options[] = {
    { "retention", OPTION_TIME, "7d", 0, YEARS_MS, NULL, FILE_ONLY, AT(retention_ms), "TIME",
      "How long these streams keep their records; 0 keeps them for ever." },
    { "retention_bytes", OPTION_BYTES, "0", 0, UINT64_C(1) << 50, NULL, FILE_ONLY,
      AT(retention_bytes), "BYTES",
      "How much each of their partitions keeps, however they came into being; 0 sets no limit." },
    { "durability", OPTION_CHOICE, "always", 0, 0, durabilities, FILE_ONLY, AT(durability), "WHEN",
      "When what is published to them is confirmed: always, interval, memory or none." },
};

#undef AT

#define AT(field) offsetof(struct user_settings, field)

static const struct option user_options[] = {
    { "max_connections", OPTION_NUMBER, "0", 0, UINT32_MAX, NULL, FILE_ONLY | RELOAD,
      AT(max_connections), "N",
      "How many connections each of these users may have at a time, whichever protocols they "
      "speak; 0 sets no limit. One more is refused: in MQTT 5 with 0x97, unless it takes over a "
      "session from another one of the user's, in AMQP with 530 when it opens, by Kafka after its "
      "login." },
    { "max_sessions", OPTION_NUMBER, "0", 0, UINT32_MAX, NULL, FILE_ONLY | RELOAD, AT(max_sessions),
      "N",
      "How many MQTT sessions each of them may have, connected or kept; 0 sets no limit. One more "
      "is refused, in MQTT 5 with 0x97." },
    { "max_session_expiry", OPTION_TIME, "0", 0, YEARS_MS, NULL, FILE_ONLY | RELOAD,
      AT(max_session_expiry_ms), "TIME",
      "How long their sessions may outlive a connection, instead of mqtt_max_session_expiry; 0 "
      "sets no limit. Sessions that were promised more are cut to it at once." },
    { "session_max_messages", OPTION_NUMBER, "10000000", 1, UINT64_C(1) << 26, NULL,
      FILE_ONLY | RELOAD, AT(session_max_messages), "N",
      "How many messages may wait for one of their sessions." },
    { "session_max_bytes", OPTION_BYTES, "0", 0, UINT64_C(1) << 50, NULL, FILE_ONLY | RELOAD,
      AT(session_max_bytes), "BYTES", "How many bytes of them; 0 sets no limit." },
    { "session_overflow", OPTION_CHOICE, "drop_oldest", 0, 0, overflows, FILE_ONLY | RELOAD,
      AT(session_overflow), "WHAT", "What happens to one more, as at the head of the file." },
};

#undef AT

#define COUNT(rows) ((unsigned)(sizeof(rows) / sizeof((rows)[0])))

const struct option_section settings_sections[SETTINGS_SECTIONS] = {
    { NULL, "What concerns the whole broker.", head_options, COUNT(head_options),
      offsetof(struct settings, given), NULL },
    { "listener",
      "Where clients of a protocol connect. A protocol that has no such section listens on "
      "loopback, "
      "on the port that its option at the head of the file says; one that has does so too when "
      "that option is given.",
      listener_options, COUNT(listener_options), offsetof(struct listener_settings, given),
      settings_begin_listener },
    { "stream",
      "What the streams of a name do otherwise than what the head of the file says for all. The "
      "name is spelled as in MQTT; with * behind it stands for all that begin so. The first "
      "section "
      "that fits holds, and what it leaves out is as for all. What a client has set for a stream "
      "(Kafka's topic configurations, AMQP's queue arguments) comes before it.",
      stream_options, COUNT(stream_options), offsetof(struct stream_settings, given),
      settings_begin_stream },
    { "user",
      "What the users of a name may have, of all listeners, instead of what the head of the file "
      "says for all. With * behind it the name stands for all that begin so. The first section "
      "that fits holds, and what it leaves out is as for all. Who gives no name is no user. What "
      "users have, and were refused, tercet users tells.",
      user_options, COUNT(user_options), offsetof(struct user_settings, given),
      settings_begin_user },
    BRIDGE_SECTION,
};
