/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's MQTT side, on libmosquitto: MQTT 5, everything in this one thread. */
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdlib.h>

#include "admin/ctl.h"
#include "broker/base/clock.h"
#include "broker/base/mem.h"

#define MQTT_KEEPALIVE_S 60
/* Reason codes from here on are refusals (MQTT 5, 2.4). */
#define MQTT_REFUSAL 0x80

struct mqtt_run {
    struct ctl_job *job;
    struct mosquitto *client; /* owned */
    bool is_publishing;
    bool is_connected;
    bool is_finished; /* all was shown: we say goodbye */
    bool has_failed;
    uint64_t unconfirmed;
};

static int qos_of(const struct mqtt_run *run)
{
    return run->job->qos < 0 ? 1 : run->job->qos;
}

static void fail(struct mqtt_run *run, const char *what, int reason)
{
    (void)ctl_fail("%s: %s", what, mosquitto_reason_string(reason));
    run->has_failed = true;
}

/* True when the library did what was asked. */
static bool check(struct mqtt_run *run, const char *what, int error)
{
    if (error == MOSQ_ERR_SUCCESS)
        return true;
    if (!run->has_failed)
        (void)ctl_fail("%s: %s", what, mosquitto_strerror(error));
    run->has_failed = true;
    return false;
}

static void on_connect(struct mosquitto *client, void *arg, int reason, int flags,
                       const mosquitto_property *properties)
{
    struct mqtt_run *run = arg;

    (void)flags;
    (void)properties;
    if (reason != 0) {
        fail(run, "the broker refused the connection", reason);
        return;
    }
    run->is_connected = true;
    if (!run->is_publishing)
        (void)check(run, run->job->topic,
                    mosquitto_subscribe(client, NULL, run->job->topic, qos_of(run)));
}

static void on_disconnect(struct mosquitto *client, void *arg, int reason,
                          const mosquitto_property *properties)
{
    struct mqtt_run *run = arg;

    (void)client;
    (void)properties;
    run->is_connected = false;
    if (run->is_finished || run->has_failed)
        return;
    if (reason >= MQTT_REFUSAL) {
        fail(run, "the broker closed the connection", reason);
    } else {
        (void)ctl_fail("the connection was lost");
        run->has_failed = true;
    }
}

static void on_subscribe(struct mosquitto *client, void *arg, int id, int count, const int *granted,
                         const mosquitto_property *properties)
{
    (void)client;
    (void)id;
    (void)properties;
    for (int i = 0; i < count; i++) {
        if (granted[i] >= MQTT_REFUSAL)
            fail(arg, "the broker refused the subscription", granted[i]);
    }
}

static void on_publish(struct mosquitto *client, void *arg, int id, int reason,
                       const mosquitto_property *properties)
{
    struct mqtt_run *run = arg;

    (void)client;
    (void)id;
    (void)properties;
    run->unconfirmed--;
    if (reason >= MQTT_REFUSAL)
        fail(run, "the broker refused a message", reason);
    else
        run->job->done++;
}

/* The user properties, which the library copies: the caller frees them. */
static void read_headers(const mosquitto_property *properties, struct ctl_message *message)
{
    bool is_later = false;

    while (properties != NULL && message->header_count < CTL_HEADERS_MAX) {
        char *name, *value;

        properties = mosquitto_property_read_string_pair(properties, MQTT_PROP_USER_PROPERTY, &name,
                                                         &value, is_later);
        if (properties == NULL)
            break;
        message->headers[message->header_count++] =
            (struct ctl_header){ slice_str(name), slice_str(value) };
        is_later = true;
    }
}

static void on_message(struct mosquitto *client, void *arg, const struct mosquitto_message *got,
                       const mosquitto_property *properties)
{
    struct mqtt_run *run = arg;
    struct ctl_message message = { .time_ms = -1, .offset = -1, .partition = -1 };

    if (run->is_finished)
        return;
    message.topic = slice_str(got->topic);
    message.value = slice_of(got->payload == NULL ? "" : got->payload, (size_t)got->payloadlen);
    message.qos = got->qos;
    message.is_retained = got->retain;
    read_headers(properties, &message);
    if (!ctl_show(run->job, &message)) {
        run->is_finished = true;
        (void)mosquitto_disconnect(client);
    }
    for (unsigned i = 0; i < message.header_count; i++) {
        free((void *)(uintptr_t)message.headers[i].name.at);
        free((void *)(uintptr_t)message.headers[i].value.at);
    }
}

static bool turn(struct mqtt_run *run)
{
    int error = mosquitto_loop(run->client, CTL_TURN_MS, 1);

    if (run->is_finished && !run->is_connected)
        return true;
    return check(run, run->job->url.host, error);
}

static bool set_up(struct mqtt_run *run)
{
    const struct ctl_url *url = &run->job->url;

    (void)mosquitto_lib_init();
    run->client = mosquitto_new(run->job->client_id, true, run);
    if (run->client == NULL)
        return ctl_fail("the client id is not allowed");
    mosquitto_connect_v5_callback_set(run->client, on_connect);
    mosquitto_disconnect_v5_callback_set(run->client, on_disconnect);
    mosquitto_subscribe_v5_callback_set(run->client, on_subscribe);
    mosquitto_publish_v5_callback_set(run->client, on_publish);
    mosquitto_message_v5_callback_set(run->client, on_message);
    if (!check(run, "MQTT 5",
               mosquitto_int_option(run->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5)))
        return false;
    (void)mosquitto_int_option(run->client, MOSQ_OPT_TCP_NODELAY, 1);
    if (url->user != NULL &&
        !check(run, "login", mosquitto_username_pw_set(run->client, url->user, url->password)))
        return false;
    return !url->has_tls ||
           check(run, "TLS",
                 mosquitto_tls_set(run->client, run->job->ca_file,
                                   run->job->ca_file == NULL ? "/etc/ssl/certs" : NULL, NULL, NULL,
                                   NULL));
}

static bool open_run(struct mqtt_run *run)
{
    const struct ctl_url *url = &run->job->url;
    uint64_t deadline = ctl_answer_deadline_ns(run->job);

    if (!set_up(run) ||
        !check(run, url->host,
               mosquitto_connect(run->client, url->host, (int)url->port, MQTT_KEEPALIVE_S)))
        return false;
    while (!run->is_connected && !run->has_failed) {
        if (clock_monotonic_ns() > deadline)
            return ctl_fail("%s: no answer", url->host);
        if (!turn(run))
            return false;
    }
    return !run->has_failed;
}

static bool headers_to_properties(const struct ctl_job *job, mosquitto_property **ret)
{
    for (unsigned i = 0; i < job->header_count; i++) {
        char *name = mem_copy_text(job->headers[i].name);
        char *value = mem_copy_text(job->headers[i].value);
        int error = mosquitto_property_add_string_pair(ret, MQTT_PROP_USER_PROPERTY, name, value);

        mem_free(name);
        mem_free(value);
        if (error != MOSQ_ERR_SUCCESS)
            return ctl_fail("header %u: %s", i + 1, mosquitto_strerror(error));
    }
    return true;
}

static bool send_all(struct mqtt_run *run, const mosquitto_property *properties)
{
    struct ctl_job *job = run->job;
    uint64_t deadline;
    struct slice value;

    while (!run->has_failed && ctl_next(job, &value)) {
        if (value.len > MQTT_MAX_PAYLOAD)
            return ctl_fail("a message of %zu bytes is too long for MQTT", value.len);
        if (!check(run, job->topic,
                   mosquitto_publish_v5(run->client, NULL, job->topic, (int)value.len, value.at,
                                        qos_of(run), job->is_retained, properties)))
            return false;
        run->unconfirmed++;
        while (run->unconfirmed >= CTL_UNCONFIRMED_MAX && !run->has_failed) {
            if (!turn(run))
                return false;
        }
    }
    deadline = ctl_answer_deadline_ns(job);
    while (run->unconfirmed > 0 && !run->has_failed) {
        if (clock_monotonic_ns() > deadline)
            return ctl_fail("%llu messages were not confirmed",
                            (unsigned long long)run->unconfirmed);
        if (!turn(run))
            return false;
    }
    return !run->has_failed;
}

static void close_run(struct mqtt_run *run)
{
    if (run->is_connected) {
        run->is_finished = true;
        (void)mosquitto_disconnect(run->client);
    }
    mosquitto_destroy(run->client);
    (void)mosquitto_lib_cleanup();
}

static bool mqtt_publish(struct ctl_job *job)
{
    struct mqtt_run run = { .job = job, .is_publishing = true };
    mosquitto_property *properties = NULL;
    bool is_good =
        headers_to_properties(job, &properties) && open_run(&run) && send_all(&run, properties);

    mosquitto_property_free_all(&properties);
    close_run(&run);
    return is_good;
}

static bool mqtt_subscribe(struct ctl_job *job)
{
    struct mqtt_run run = { .job = job };
    bool is_good = open_run(&run);

    while (is_good && !run.is_finished && ctl_goes_on(job))
        is_good = turn(&run) && !run.has_failed;
    /* The last acknowledgements and the DISCONNECT are on their way when the socket is empty. */
    while (is_good && run.is_finished && run.is_connected)
        is_good = turn(&run);
    close_run(&run);
    return is_good;
}

const struct ctl_transport ctl_mqtt = {
    .scheme = "mqtt",
    .port = 1883,
    .tls_port = 8883,
    .takes = CTL_QOS | CTL_RETAIN | CTL_CLIENT_ID,
    .publish = mqtt_publish,
    .subscribe = mqtt_subscribe,
};
