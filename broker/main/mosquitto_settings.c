/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/mosquitto_settings.h"

#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/base/text.h"
#include "broker/main/mosquitto_reading.h"
#include "protocols/mqtt/mqtt_limits.h"

#define DEFAULT_QUEUED       1000
#define QUEUED_UNLIMITED     67108864
#define CONNECTIONS_ALL_MOST 10000000
#define STORE_NAME           "tercet"

/* ---- clients and their messages ---- */

static void set_limits(struct reading *r)
{
    const struct mosquitto_scope *head = &CONF(r)->head;
    int64_t inflight = NUMBER(head, MAX_INFLIGHT_MESSAGES, MOSQUITTO_DEFAULT_INFLIGHT);
    int64_t queued = NUMBER(head, MAX_QUEUED_MESSAGES, DEFAULT_QUEUED);
    int64_t packet = NUMBER(head, MAX_PACKET_SIZE, 0);
    int64_t payload = NUMBER(head, MESSAGE_SIZE_LIMIT, 0);

    reading_put_number(r, VALUE(head, MAX_INFLIGHT_MESSAGES), "mqtt_receive_maximum",
                       inflight == 0 ? UINT16_MAX : inflight, "");
    reading_put_number(r, VALUE(head, MAX_INFLIGHT_MESSAGES), "mqtt_send_window",
                       inflight == 0 ? UINT16_MAX : inflight, "");
    reading_put_number(r, VALUE(head, MAX_QUEUED_MESSAGES), "session_max_messages",
                       queued == 0 ? QUEUED_UNLIMITED : mosquitto_most(queued, QUEUED_UNLIMITED),
                       "");
    reading_put_text(r, VALUE(head, MAX_QUEUED_MESSAGES), "session_overflow", "drop_newest");
    reading_put_switch(r, VALUE(head, QUEUE_QOS0_MESSAGES), "session_qos0",
                       NUMBER(head, QUEUE_QOS0_MESSAGES, 0));
    reading_put_switch(r, VALUE(head, UPGRADE_OUTGOING_QOS), "mqtt_upgrade_qos",
                       NUMBER(head, UPGRADE_OUTGOING_QOS, 0));
    reading_put_switch(r, VALUE(head, CHECK_RETAIN_SOURCE), "retained_check_source",
                       NUMBER(head, CHECK_RETAIN_SOURCE, 1));
    reading_put_number(r, VALUE(head, MAX_INFLIGHT_BYTES), "mqtt_send_bytes",
                       NUMBER(head, MAX_INFLIGHT_BYTES, 0), "");
    reading_put_number(r, VALUE(head, MAX_QUEUED_BYTES), "session_max_bytes",
                       NUMBER(head, MAX_QUEUED_BYTES, 0), "");
    if (NUMBER(head, GLOBAL_MAX_CLIENTS, -1) > 0)
        reading_put_number(r, VALUE(head, GLOBAL_MAX_CLIENTS), "sessions_max",
                           NUMBER(head, GLOBAL_MAX_CLIENTS, 0), "");
    if (NUMBER(head, GLOBAL_MAX_CONNECTIONS, -1) > 0)
        reading_put_number(
            r, VALUE(head, GLOBAL_MAX_CONNECTIONS), "connections_max",
            mosquitto_most(NUMBER(head, GLOBAL_MAX_CONNECTIONS, 0), CONNECTIONS_ALL_MOST), "");
    if (NUMBER(head, MEMORY_LIMIT, 0) > 0)
        reading_put_number(r, VALUE(head, MEMORY_LIMIT), "memory_limit",
                           mosquitto_most(NUMBER(head, MEMORY_LIMIT, 0), INT64_C(1) << 50), "");
    if (GIVEN(head, CLIENTID_PREFIXES))
        reading_put_text(r, VALUE(head, CLIENTID_PREFIXES), "mqtt_id_must_begin",
                         VALUE(head, CLIENTID_PREFIXES)->text);
    if (GIVEN(head, MAX_PACKET_SIZE))
        reading_put_number(r, VALUE(head, MAX_PACKET_SIZE), "mqtt_max_packet",
                           packet == 0 ? MOSQUITTO_PACKET_MOST
                                       : mosquitto_most(packet, MOSQUITTO_PACKET_MOST),
                           "");
    reading_put_number(r, VALUE(head, MESSAGE_SIZE_LIMIT), "mqtt_max_payload",
                       mosquitto_most(payload, MOSQUITTO_PACKET_MOST), "");
    reading_put_number(r, VALUE(head, MAX_KEEPALIVE), "mqtt_max_keep_alive",
                       NUMBER(head, MAX_KEEPALIVE, 0), "s");
    reading_put_switch(r, VALUE(head, RETAIN_AVAILABLE), "mqtt_retain",
                       NUMBER(head, RETAIN_AVAILABLE, 1));
    reading_put_number(r, VALUE(head, SYS_INTERVAL), "sys_interval", NUMBER(head, SYS_INTERVAL, 10),
                       "s");
    /* there is no limit to what mosquitto keeps of them */
    reading_put_text(r, VALUE(head, PERSISTENCE), "retained_max", "0");
    reading_put_text(r, VALUE(head, PERSISTENCE), "retained_max_bytes", "0");
}

/* A number and one of h, d, w, m (30 days) and y. */
static void set_expiration(struct reading *r)
{
    static const char units[] = "hdwmy";
    static const unsigned hours[] = { 1, 24, 168, 720, 8760 };
    const struct mosquitto_value *value = VALUE(&CONF(r)->head, PERSISTENT_CLIENT_EXPIRATION);
    struct slice number = slice_str(value->text);
    const char *unit = number.len == 0 ? NULL : strchr(units, number.at[number.len - 1]);
    uint64_t count;

    if (value->text == NULL)
        return;
    number.len--;
    if (unit == NULL || *unit == '\0' || number_u64(number, 1, UINT16_MAX, &count) != RC_OK)
        mosquitto_conf_error(CONF(r), value,
                             "persistent_client_expiration: a number from 1 to %u and one of h, d, "
                             "w, m and y must follow",
                             UINT16_MAX);
    else
        reading_put_number(r, value, "mqtt_max_session_expiry",
                           mosquitto_most((int64_t)(count * hours[unit - units]), INT64_C(876000)),
                           "h");
}

/* ---- what is kept ---- */

static void set_store(struct reading *r)
{
    const struct mosquitto_scope *head = &CONF(r)->head;
    const struct mosquitto_value *place = VALUE(head, PERSISTENCE_LOCATION);
    bool is_kept = NUMBER(head, PERSISTENCE, 0) != 0;
    const char *directory = place->text == NULL ? "." : place->text;
    const char *file = VALUE(head, PERSISTENCE_FILE)->text;
    size_t len = strlen(directory);
    struct text path = { 0 };

    if (!is_kept) {
        r->to->ephemeral = true; /* not as if it were given: the command line may say otherwise */
        return;
    }
    text_format(&path, "%s%s", directory, len > 0 && directory[len - 1] == '/' ? "" : "/");
    text_format(&path, "%s%s" STORE_NAME, file == NULL ? "" : file, file == NULL ? "" : ".");
    text_add_byte(&path, '\0');
    reading_put_text(r, VALUE(head, PERSISTENCE), "data", (const char *)path.at);
    text_done(&path);
}

/* ---- the process and its log ---- */

static void set_log_file(struct reading *r, struct slice path)
{
    const struct mosquitto_value *value = VALUE(&CONF(r)->head, LOG_DEST);
    char *text = mem_copy_text(path);

    if (path.len == 0)
        mosquitto_conf_error(CONF(r), value, "log_dest: a file must follow");
    else if (settings_is_given(r->to, "log_file"))
        mosquitto_conf_warn(CONF(r), value,
                            "log_dest is given more than once; the first place is taken");
    else
        reading_put_text(r, value, "log_file", text);
    mem_free(text);
}

static void set_syslog(struct reading *r)
{
    const struct mosquitto_scope *head = &CONF(r)->head;
    char facility[] = "local0";

    facility[sizeof(facility) - 2] = (char)('0' + NUMBER(head, LOG_FACILITY, 0));
    reading_put_text(r, VALUE(head, LOG_DEST), "log_syslog",
                     GIVEN(head, LOG_FACILITY) ? facility : "daemon");
}

static void set_log_places(struct reading *r)
{
    const struct mosquitto_value *value = VALUE(&CONF(r)->head, LOG_DEST);
    struct slice lines = slice_str(value->text);
    bool has_stderr = value->text == NULL;

    while (lines.len > 0) {
        struct slice line = mosquitto_next_line(&lines), word = mosquitto_next_word(&line);

        if (slice_equal_str(word, "file"))
            set_log_file(r, line);
        else if (slice_equal_str(word, "stdout"))
            set_log_file(r, SLICE("/dev/stdout"));
        else if (slice_equal_str(word, "none"))
            set_log_file(r, SLICE("/dev/null"));
        else if (slice_equal_str(word, "syslog"))
            set_syslog(r);
        else if (slice_equal_str(word, "topic"))
            reading_put_switch(r, value, "log_topics", true);
        else if (slice_equal_str(word, "dlt") || slice_equal_str(word, "android"))
            mosquitto_conf_warn(CONF(r), value, "log_dest %.*s is passed over", SLICE_FMT(word));
        else if (slice_equal_str(word, "stderr"))
            has_stderr = true;
        else
            mosquitto_conf_error(CONF(r), value, "log_dest: %.*s is none", SLICE_FMT(word));
    }
    /* syslog or topics alone */
    if (!has_stderr && !settings_is_given(r->to, "log_file") &&
        (settings_is_given(r->to, "log_syslog") || settings_is_given(r->to, "log_topics")))
        reading_put_text(r, value, "log_file", "/dev/null");
}

/* The least grave of what is asked for. */
static void set_log_level(struct reading *r)
{
    static const struct {
        const char *name;
        const char *level; /* NULL: no lines of its own */
        int rank;
    } types[] = { { "error", "error", 1 },   { "warning", "warning", 2 },
                  { "notice", "notice", 3 }, { "information", "info", 4 },
                  { "debug", "debug", 5 },   { "all", "debug", 5 },
                  { "subscribe", NULL, 0 },  { "unsubscribe", NULL, 0 },
                  { "websockets", NULL, 0 }, { "internal", NULL, 0 },
                  { "none", NULL, -1 } };
    const struct mosquitto_value *value = VALUE(&CONF(r)->head, LOG_TYPE);
    struct slice lines = slice_str(value->text);
    int best = 0, i;

    while (lines.len > 0) {
        struct slice line = mosquitto_next_line(&lines), word = mosquitto_next_word(&line);
        int count = (int)(sizeof(types) / sizeof(types[0]));

        for (i = 0; i < count && !slice_equal_str(word, types[i].name); i++)
            continue;
        if (i == count) {
            mosquitto_conf_error(CONF(r), value, "log_type: %.*s is none", SLICE_FMT(word));
            return;
        }
        if (types[i].rank < 0 && !settings_is_given(r->to, "log_file"))
            reading_put_text(r, value, "log_file", "/dev/null");
        if (types[i].rank > best) {
            best = types[i].rank;
            reading_put_text(r, value, "log_level", types[i].level);
        }
    }
}

static void set_process(struct reading *r)
{
    const struct mosquitto_scope *head = &CONF(r)->head;

    set_log_places(r);
    set_log_level(r);
    reading_put_text(r, NULL, "log_format", "mosquitto");
    reading_put_switch(r, VALUE(head, LOG_TIMESTAMP), "log_time", NUMBER(head, LOG_TIMESTAMP, 1));
    if (GIVEN(head, LOG_TIMESTAMP_FORMAT))
        reading_put_text(r, VALUE(head, LOG_TIMESTAMP_FORMAT), "log_time_format",
                         VALUE(head, LOG_TIMESTAMP_FORMAT)->text);
    reading_put_switch(r, VALUE(head, CONNECTION_MESSAGES), "log_connections",
                       NUMBER(head, CONNECTION_MESSAGES, 1));
    if (GIVEN(head, PID_FILE))
        reading_put_text(r, VALUE(head, PID_FILE), "pid_file", VALUE(head, PID_FILE)->text);
    if (GIVEN(head, USER))
        reading_put_text(r, VALUE(head, USER), "user", VALUE(head, USER)->text);
    reading_put_switch(r, VALUE(head, LOG_DEST), "quiet", true);
}

/* ---- all of it ---- */

enum rc mosquitto_settings_read(struct settings *s, const char *path,
                                const struct mosquitto_files *door, struct text *errors)
{
    struct reading r = { .to = s };
    enum rc rc = mosquitto_conf_read(CONF(&r), path, door, errors, &s->warnings);

    s->is_mosquitto = true;
    /* other mistakes show all the same, but not those of values that were not taken */
    reading_put_text(&r, VALUE(&CONF(&r)->head, LISTENER), "mqtt_profile", "mosquitto");
    set_limits(&r);
    set_expiration(&r);
    set_store(&r);
    set_process(&r);
    mosquitto_listeners_set(&r);
    mosquitto_bridges_set(CONF(&r), &s->bridges);
    if (CONF(&r)->error_count > 0)
        rc = RC_INVALID;
    mosquitto_conf_done(CONF(&r));
    return rc;
}

bool mosquitto_settings_is_named(const char *path)
{
    static const char *const ends[] = { "mosquitto.conf", ".mosquitto" };
    size_t len = strlen(path);

    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end = strlen(ends[i]);

        if (len >= end && strcmp(path + len - end, ends[i]) == 0)
            return true;
    }
    return false;
}
