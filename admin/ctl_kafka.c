/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's Kafka side, on librdkafka. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>

#include "admin/ctl.h"

#define KAFKA_WHY_BYTES 512

struct kafka_run {
    struct ctl_job *job;
    rd_kafka_t *client; /* owned */
    bool has_failed;
};

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[KAFKA_WHY_BYTES];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return true;
    return ctl_fail("%s=%s: %s", name, value, why);
}

static bool set_number(rd_kafka_conf_t *conf, const char *name, uint64_t value)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return set(conf, name, text);
}

/* The library tells each lost broker here; we tell what that means for the job, once. */
static void on_error(rd_kafka_t *client, int error, const char *why, void *arg)
{
    struct kafka_run *run = arg;

    (void)client;
    if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && error != RD_KAFKA_RESP_ERR__AUTHENTICATION)
        return;
    if (!run->has_failed)
        (void)ctl_fail("%s: %s", run->job->url.host, why);
    run->has_failed = true;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    struct kafka_run *run = arg;

    (void)client;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        run->job->done++;
        return;
    }
    if (!run->has_failed)
        (void)ctl_fail("%s: %s", run->job->topic, rd_kafka_err2str(message->err));
    run->has_failed = true;
}

static void quiet(const rd_kafka_t *client, int level, const char *facility, const char *line)
{
    (void)client;
    (void)level;
    (void)facility;
    (void)line;
}

static bool configure_login(rd_kafka_conf_t *conf, const struct ctl_job *job)
{
    const struct ctl_url *url = &job->url;
    const char *protocol = url->user == NULL ? (url->has_tls ? "ssl" : "plaintext")
                                             : (url->has_tls ? "sasl_ssl" : "sasl_plaintext");

    if (!set(conf, "security.protocol", protocol))
        return false;
    if (job->ca_file != NULL && !set(conf, "ssl.ca.location", job->ca_file))
        return false;
    return url->user == NULL ||
           (set(conf, "sasl.mechanism", "PLAIN") && set(conf, "sasl.username", url->user) &&
            set(conf, "sasl.password", url->password));
}

static bool configure(rd_kafka_conf_t *conf, struct kafka_run *run)
{
    const struct ctl_url *url = &run->job->url;
    char server[300];

    if (snprintf(server, sizeof(server), strchr(url->host, ':') == NULL ? "%s:%u" : "[%s]:%u",
                 url->host, url->port) >= (int)sizeof(server))
        return ctl_fail("the host's name is too long");
    rd_kafka_conf_set_opaque(conf, run);
    rd_kafka_conf_set_log_cb(conf, quiet);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return set(conf, "bootstrap.servers", server) && set(conf, "client.id", "tercet") &&
           configure_login(conf, run->job);
}

static bool configure_producer(rd_kafka_conf_t *conf, const struct ctl_job *job)
{
    uint64_t timeout_ms = job->timeout_ms > 0 ? job->timeout_ms : CTL_ANSWER_MS;

    return set(conf, "acks", "all") && set(conf, "linger.ms", "2") &&
           set_number(conf, "message.timeout.ms", timeout_ms);
}

static bool configure_consumer(rd_kafka_conf_t *conf, const struct ctl_job *job)
{
    /* Without a group nothing is committed, and the library still wants a name. */
    return set(conf, "group.id", job->group == NULL ? "tercet-sub" : job->group) &&
           set(conf, "enable.auto.commit", job->group == NULL ? "false" : "true") &&
           set(conf, "enable.auto.offset.store", "false") &&
           set(conf, "fetch.wait.max.ms", "100") &&
           set(conf, "auto.offset.reset", job->from_beginning ? "earliest" : "latest");
}

static bool open_run(struct kafka_run *run, rd_kafka_type_t type)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[KAFKA_WHY_BYTES];

    if (!configure(conf, run) ||
        !(type == RD_KAFKA_PRODUCER ? configure_producer(conf, run->job)
                                    : configure_consumer(conf, run->job))) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    run->client = rd_kafka_new(type, conf, why, sizeof(why));
    if (run->client != NULL)
        return true;
    rd_kafka_conf_destroy(conf);
    return ctl_fail("%s", why);
}

static rd_kafka_headers_t *headers_of(const struct ctl_job *job)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(job->header_count);

    for (unsigned i = 0; i < job->header_count; i++) {
        const struct ctl_header *header = &job->headers[i];

        (void)rd_kafka_header_add(headers, (const char *)header->name.at, (ssize_t)header->name.len,
                                  header->value.at, (ssize_t)header->value.len);
    }
    return headers;
}

/* Hands one message to the library, waiting while its queue is full. */
static bool produce(struct kafka_run *run, struct slice value)
{
    struct ctl_job *job = run->job;
    size_t key_len = job->key == NULL ? 0 : strlen(job->key);

    while (!run->has_failed) {
        rd_kafka_headers_t *headers = headers_of(job);
        rd_kafka_resp_err_t error = rd_kafka_producev(
            run->client, RD_KAFKA_V_TOPIC(job->topic),
            RD_KAFKA_V_KEY((void *)(uintptr_t)job->key, key_len),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)value.at, value.len),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);

        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        rd_kafka_headers_destroy(headers);
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return ctl_fail("%s: %s", job->topic, rd_kafka_err2str(error));
        (void)rd_kafka_poll(run->client, CTL_TURN_MS);
    }
    return false;
}

static bool kafka_publish(struct ctl_job *job)
{
    struct kafka_run run = { .job = job };
    bool is_good = open_run(&run, RD_KAFKA_PRODUCER);
    struct slice value;

    while (is_good && !run.has_failed && ctl_next(job, &value)) {
        is_good = produce(&run, value);
        (void)rd_kafka_poll(run.client, 0);
    }
    /* Each message ends by its own time limit at the latest, confirmed or not. */
    while (is_good && !run.has_failed && rd_kafka_outq_len(run.client) > 0)
        (void)rd_kafka_poll(run.client, CTL_TURN_MS);
    if (run.client != NULL)
        rd_kafka_destroy(run.client);
    return is_good && !run.has_failed;
}

/* All partitions of the topic, from where the job says. */
static bool assign_all(struct kafka_run *run)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(run->client, run->job->topic, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t error;

    if (topic == NULL)
        return ctl_fail("%s: %s", run->job->topic, rd_kafka_err2str(rd_kafka_last_error()));
    error = rd_kafka_metadata(run->client, 0, topic, &metadata, CTL_ANSWER_MS);
    rd_kafka_topic_destroy(topic);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1)
        error = metadata->topics[0].err;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (metadata != NULL)
            rd_kafka_metadata_destroy(metadata);
        return run->has_failed ? false
                               : ctl_fail("%s: %s", run->job->topic, rd_kafka_err2str(error));
    }
    list = rd_kafka_topic_partition_list_new(metadata->topics[0].partition_cnt);
    for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
        rd_kafka_topic_partition_list_add(list, run->job->topic,
                                          metadata->topics[0].partitions[i].id)
            ->offset = run->job->from_beginning ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
    rd_kafka_metadata_destroy(metadata);
    error = rd_kafka_assign(run->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR || ctl_fail("%s", rd_kafka_err2str(error));
}

static bool join_group(struct kafka_run *run)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t error;

    (void)rd_kafka_topic_partition_list_add(list, run->job->topic, RD_KAFKA_PARTITION_UA);
    error = rd_kafka_subscribe(run->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR || ctl_fail("%s", rd_kafka_err2str(error));
}

static void read_headers(const rd_kafka_message_t *got, struct ctl_message *message)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len;

    if (rd_kafka_message_headers(got, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    while (message->header_count < CTL_HEADERS_MAX &&
           rd_kafka_header_get_all(headers, message->header_count, &name, &value, &len) ==
               RD_KAFKA_RESP_ERR_NO_ERROR)
        message->headers[message->header_count++] =
            (struct ctl_header){ slice_str(name), slice_of(value, len) };
}

static void show(struct kafka_run *run, const rd_kafka_message_t *got)
{
    struct ctl_message message = { .qos = -1 };
    rd_kafka_timestamp_type_t type;

    message.topic = slice_str(rd_kafka_topic_name(got->rkt));
    message.key = slice_of(got->key, got->key_len);
    message.value = slice_of(got->payload, got->len);
    message.time_ms = rd_kafka_message_timestamp(got, &type);
    message.offset = got->offset;
    message.partition = got->partition;
    read_headers(got, &message);
    (void)ctl_show(run->job, &message);
    if (run->job->group != NULL)
        (void)rd_kafka_offset_store(got->rkt, got->partition, got->offset);
}

static bool receive(struct kafka_run *run)
{
    rd_kafka_message_t *got = rd_kafka_consumer_poll(run->client, CTL_TURN_MS);
    bool is_good = !run->has_failed;

    if (got == NULL)
        return is_good;
    if (got->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        show(run, got);
    else if (got->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        is_good = ctl_fail("%s: %s", run->job->topic, rd_kafka_message_errstr(got));
    rd_kafka_message_destroy(got);
    return is_good;
}

static bool kafka_subscribe(struct ctl_job *job)
{
    struct kafka_run run = { .job = job };
    bool is_good = open_run(&run, RD_KAFKA_CONSUMER);

    if (is_good) {
        (void)rd_kafka_poll_set_consumer(run.client);
        is_good = job->group == NULL ? assign_all(&run) : join_group(&run);
    }
    while (is_good && ctl_goes_on(job))
        is_good = receive(&run);
    if (run.client != NULL) {
        (void)rd_kafka_consumer_close(run.client);
        rd_kafka_destroy(run.client);
    }
    return is_good;
}

const struct ctl_transport ctl_kafka = {
    .scheme = "kafka",
    .port = 9092,
    .tls_port = 9093,
    .takes = CTL_KEY | CTL_GROUP | CTL_FROM,
    .publish = kafka_publish,
    .subscribe = kafka_subscribe,
};
