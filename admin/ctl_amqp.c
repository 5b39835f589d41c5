/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's AMQP side, on librabbitmq: one connection, one channel, publisher confirms. */
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <sys/time.h>

#include "admin/ctl.h"
#include "broker/base/clock.h"
#include "broker/base/mem.h"

#define AMQP_HEARTBEAT_S 30
#define AMQP_PREFETCH    200
/* Room for a number of a header as text. */
#define AMQP_NUMBER_BYTES 32

struct amqp_run {
    struct ctl_job *job;
    amqp_connection_state_t connection; /* owned */
    amqp_channel_t channel;
    amqp_bytes_t queue; /* owned: what is consumed */
    uint64_t sent;
    uint64_t confirmed; /* all tags up to here, and `beyond` single ones above */
    uint64_t beyond;
    bool is_open;
};

static struct slice slice_of_bytes(amqp_bytes_t bytes)
{
    return slice_of(bytes.bytes == NULL ? "" : bytes.bytes, bytes.len);
}

static amqp_bytes_t bytes_of(struct slice s)
{
    return (amqp_bytes_t){ s.len, (void *)(uintptr_t)s.at };
}

/* Says why the broker closed the channel or the connection; always false. */
static bool closed(const char *what, amqp_method_t method)
{
    const amqp_channel_close_t *channel = method.decoded;
    const amqp_connection_close_t *connection = method.decoded;

    if (method.id == AMQP_CHANNEL_CLOSE_METHOD)
        return ctl_fail("%s: %u %.*s", what, channel->reply_code, (int)channel->reply_text.len,
                        (const char *)channel->reply_text.bytes);
    if (method.id == AMQP_CONNECTION_CLOSE_METHOD)
        return ctl_fail("%s: %u %.*s", what, connection->reply_code,
                        (int)connection->reply_text.len,
                        (const char *)connection->reply_text.bytes);
    return ctl_fail("%s: unexpected method %s", what, amqp_method_name(method.id));
}

static bool check_reply(struct amqp_run *run, const char *what, amqp_rpc_reply_t reply)
{
    switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
        return true;
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
        run->is_open = false;
        return ctl_fail("%s: %s", what, amqp_error_string2(reply.library_error));
    case AMQP_RESPONSE_SERVER_EXCEPTION:
        return closed(what, reply.reply);
    case AMQP_RESPONSE_NONE:
        break;
    }
    run->is_open = false;
    return ctl_fail("%s: no answer", what);
}

static bool check_last(struct amqp_run *run, const char *what)
{
    return check_reply(run, what, amqp_get_rpc_reply(run->connection));
}

static struct timeval time_until(uint64_t deadline_ns, uint64_t most_ms)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t left_us = deadline_ns > now ? (deadline_ns - now) / 1000 : 0;

    if (left_us > most_ms * 1000)
        left_us = most_ms * 1000;
    return (struct timeval){ (time_t)(left_us / 1000000), (suseconds_t)(left_us % 1000000) };
}

static const char *ca_file(const struct ctl_job *job)
{
    return job->ca_file == NULL ? "/etc/ssl/certs/ca-certificates.crt" : job->ca_file;
}

static amqp_socket_t *new_socket(struct amqp_run *run)
{
    amqp_socket_t *socket;

    if (!run->job->url.has_tls)
        return amqp_tcp_socket_new(run->connection);
    socket = amqp_ssl_socket_new(run->connection);
    if (socket == NULL)
        return NULL;
    return amqp_ssl_socket_set_cacert(socket, ca_file(run->job)) == 0 ? socket : NULL;
}

static bool open_channel(struct amqp_run *run)
{
    run->channel++;
    (void)amqp_channel_open(run->connection, run->channel);
    return check_last(run, "channel");
}

static bool open_run(struct amqp_run *run)
{
    const struct ctl_url *url = &run->job->url;
    uint64_t deadline = ctl_answer_deadline_ns(run->job);
    struct timeval limit = time_until(deadline, CTL_ANSWER_MS);
    const char *user = url->user == NULL ? "guest" : url->user;
    const char *password = url->user == NULL ? "guest" : url->password;
    amqp_socket_t *socket;
    int error;

    run->connection = amqp_new_connection();
    socket = new_socket(run);
    if (socket == NULL)
        return ctl_fail("TLS cannot be set up with %s", ca_file(run->job));
    error = amqp_socket_open_noblock(socket, url->host, (int)url->port, &limit);
    if (error != AMQP_STATUS_OK)
        return ctl_fail("%s: %s", url->host, amqp_error_string2(error));
    run->is_open = true;
    (void)amqp_set_handshake_timeout(run->connection, &limit);
    (void)amqp_set_rpc_timeout(run->connection, &limit);
    return check_reply(run, url->host,
                       amqp_login(run->connection, url->path == NULL ? "/" : url->path, 0,
                                  AMQP_DEFAULT_FRAME_SIZE, AMQP_HEARTBEAT_S, AMQP_SASL_METHOD_PLAIN,
                                  user, password)) &&
           open_channel(run);
}

static void close_run(struct amqp_run *run)
{
    if (run->is_open)
        (void)amqp_connection_close(run->connection, AMQP_REPLY_SUCCESS);
    amqp_bytes_free(run->queue);
    (void)amqp_destroy_connection(run->connection);
}

/* Reads the message behind a basic.return, and says that nothing took it. */
static bool returned(struct amqp_run *run, const amqp_basic_return_t *method)
{
    uint16_t code = method->reply_code;
    amqp_message_t message;
    amqp_rpc_reply_t reply;

    (void)ctl_fail("%s: %u %.*s (no queue takes it)", run->job->topic, code,
                   (int)method->reply_text.len, (const char *)method->reply_text.bytes);
    reply = amqp_read_message(run->connection, run->channel, &message, 0);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        amqp_destroy_message(&message);
    return false;
}

static void confirm(struct amqp_run *run, const amqp_basic_ack_t *ack)
{
    if (ack->multiple && ack->delivery_tag > run->confirmed) {
        run->confirmed = ack->delivery_tag;
        run->beyond = 0;
    } else {
        run->beyond++;
    }
    run->job->done = run->confirmed + run->beyond;
    if (run->job->done == run->sent) {
        run->confirmed = run->sent;
        run->beyond = 0;
    }
}

/* Takes one frame of confirms, if there is one before `limit` passed. */
static bool turn(struct amqp_run *run, struct timeval limit)
{
    amqp_frame_t frame;
    int error;

    amqp_maybe_release_buffers(run->connection);
    error = amqp_simple_wait_frame_noblock(run->connection, &frame, &limit);
    if (error == AMQP_STATUS_TIMEOUT)
        return true;
    if (error != AMQP_STATUS_OK) {
        run->is_open = false;
        return ctl_fail("%s: %s", run->job->url.host, amqp_error_string2(error));
    }
    if (frame.frame_type != AMQP_FRAME_METHOD)
        return true;
    switch (frame.payload.method.id) {
    case AMQP_BASIC_ACK_METHOD:
        confirm(run, frame.payload.method.decoded);
        return true;
    case AMQP_BASIC_NACK_METHOD:
        return ctl_fail("%s: the broker refused a message", run->job->topic);
    case AMQP_BASIC_RETURN_METHOD:
        return returned(run, frame.payload.method.decoded);
    default:
        return closed(run->job->topic, frame.payload.method);
    }
}

static bool wait_confirms(struct amqp_run *run, uint64_t most_left)
{
    uint64_t deadline = ctl_answer_deadline_ns(run->job);

    while (run->sent - run->job->done > most_left) {
        if (clock_monotonic_ns() > deadline)
            return ctl_fail("%llu messages were not confirmed",
                            (unsigned long long)(run->sent - run->job->done));
        if (!turn(run, time_until(deadline, CTL_TURN_MS)))
            return false;
    }
    return true;
}

static bool send_all(struct amqp_run *run, const amqp_basic_properties_t *properties)
{
    const struct ctl_job *job = run->job;
    amqp_bytes_t exchange =
        job->exchange == NULL ? amqp_empty_bytes : amqp_cstring_bytes(job->exchange);
    struct slice value;
    int error;

    while (ctl_next(run->job, &value)) {
        /* Mandatory: what no queue takes comes back, so that it is never lost unsaid. */
        error = amqp_basic_publish(run->connection, run->channel, exchange,
                                   amqp_cstring_bytes(job->topic), job->exchange == NULL, 0,
                                   properties, bytes_of(value));
        if (error != AMQP_STATUS_OK) {
            run->is_open = false;
            return ctl_fail("%s: %s", job->topic, amqp_error_string2(error));
        }
        run->sent++;
        if (!wait_confirms(run, CTL_UNCONFIRMED_MAX))
            return false;
    }
    return wait_confirms(run, 0);
}

static bool amqp_publish(struct ctl_job *job)
{
    struct amqp_run run = { .job = job };
    amqp_table_entry_t entries[CTL_HEADERS_MAX];
    amqp_basic_properties_t properties = { ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG };
    bool is_good = open_run(&run);

    properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    for (unsigned i = 0; i < job->header_count; i++) {
        entries[i].key = bytes_of(job->headers[i].name);
        entries[i].value.kind = AMQP_FIELD_KIND_UTF8;
        entries[i].value.value.bytes = bytes_of(job->headers[i].value);
    }
    if (job->header_count > 0) {
        properties._flags |= AMQP_BASIC_HEADERS_FLAG;
        properties.headers = (amqp_table_t){ (int)job->header_count, entries };
    }
    if (is_good) {
        (void)amqp_confirm_select(run.connection, run.channel);
        is_good = check_last(&run, "publisher confirms") && send_all(&run, &properties);
    }
    close_run(&run);
    return is_good;
}

/* The queue of that name as it is, or a new durable one. */
static bool declare_queue(struct amqp_run *run)
{
    amqp_bytes_t name = amqp_cstring_bytes(run->job->topic);
    amqp_queue_declare_ok_t *declared =
        amqp_queue_declare(run->connection, run->channel, name, 1, 0, 0, 0, amqp_empty_table);

    if (declared == NULL) { /* none there: the broker has closed the channel */
        amqp_rpc_reply_t reply = amqp_get_rpc_reply(run->connection);
        amqp_channel_close_ok_t ok = { 0 };

        if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION ||
            reply.reply.id != AMQP_CHANNEL_CLOSE_METHOD ||
            ((amqp_channel_close_t *)reply.reply.decoded)->reply_code != AMQP_NOT_FOUND)
            return check_reply(run, run->job->topic, reply);
        if (amqp_send_method(run->connection, run->channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok) <
                0 ||
            !open_channel(run))
            return false;
        declared =
            amqp_queue_declare(run->connection, run->channel, name, 0, 1, 0, 0, amqp_empty_table);
        if (declared == NULL)
            return check_last(run, run->job->topic);
    }
    run->queue = amqp_bytes_malloc_dup(declared->queue);
    return true;
}

/* A queue of our own that the exchange's messages come to. */
static bool bind_queue(struct amqp_run *run)
{
    amqp_queue_declare_ok_t *declared = amqp_queue_declare(
        run->connection, run->channel, amqp_empty_bytes, 0, 0, 1, 1, amqp_empty_table);

    if (declared == NULL)
        return check_last(run, "queue");
    run->queue = amqp_bytes_malloc_dup(declared->queue);
    (void)amqp_queue_bind(run->connection, run->channel, run->queue,
                          amqp_cstring_bytes(run->job->exchange),
                          amqp_cstring_bytes(run->job->topic), amqp_empty_table);
    return check_last(run, run->job->exchange);
}

/* A header's value as text. Numbers are written to `room`. */
static struct slice value_of(const amqp_field_value_t *value, char room[AMQP_NUMBER_BYTES])
{
    int len;

    switch (value->kind) {
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
        return slice_of_bytes(value->value.bytes);
    case AMQP_FIELD_KIND_BOOLEAN:
        return value->value.boolean ? SLICE("true") : SLICE("false");
    case AMQP_FIELD_KIND_I8:
        len = snprintf(room, AMQP_NUMBER_BYTES, "%d", value->value.i8);
        break;
    case AMQP_FIELD_KIND_I16:
        len = snprintf(room, AMQP_NUMBER_BYTES, "%d", value->value.i16);
        break;
    case AMQP_FIELD_KIND_I32:
        len = snprintf(room, AMQP_NUMBER_BYTES, "%d", value->value.i32);
        break;
    case AMQP_FIELD_KIND_I64:
        len = snprintf(room, AMQP_NUMBER_BYTES, "%lld", (long long)value->value.i64);
        break;
    case AMQP_FIELD_KIND_TIMESTAMP:
        len = snprintf(room, AMQP_NUMBER_BYTES, "%llu", (unsigned long long)value->value.u64);
        break;
    case AMQP_FIELD_KIND_F64:
        len = snprintf(room, AMQP_NUMBER_BYTES, "%.17g", value->value.f64);
        break;
    default: /* tables, arrays and what is rare: the type's letter tells what stood there */
        len = snprintf(room, AMQP_NUMBER_BYTES, "(%c)", value->kind);
        break;
    }
    return slice_of(room, (size_t)len);
}

static bool show(struct amqp_run *run, const amqp_envelope_t *envelope)
{
    const amqp_basic_properties_t *properties = &envelope->message.properties;
    struct ctl_message message = { .time_ms = -1, .offset = -1, .partition = -1, .qos = -1 };
    char numbers[CTL_HEADERS_MAX][AMQP_NUMBER_BYTES];

    message.topic = slice_of_bytes(envelope->routing_key);
    message.value = slice_of_bytes(envelope->message.body);
    if ((properties->_flags & AMQP_BASIC_TIMESTAMP_FLAG) != 0)
        message.time_ms = (int64_t)properties->timestamp * 1000;
    if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) != 0) {
        for (int i = 0; i < properties->headers.num_entries && i < CTL_HEADERS_MAX; i++) {
            const amqp_table_entry_t *entry = &properties->headers.entries[i];

            message.headers[message.header_count++] =
                (struct ctl_header){ slice_of_bytes(entry->key),
                                     value_of(&entry->value, numbers[i]) };
        }
    }
    return ctl_show(run->job, &message);
}

/* One message, shown before it is acknowledged. *goes_on: whether more are wanted. */
static bool receive(struct amqp_run *run, bool *goes_on)
{
    struct timeval limit = time_until(UINT64_MAX, CTL_TURN_MS);
    amqp_envelope_t envelope;
    amqp_rpc_reply_t reply;
    int error;

    amqp_maybe_release_buffers(run->connection);
    reply = amqp_consume_message(run->connection, &envelope, &limit, 0);
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        if (reply.library_error == AMQP_STATUS_TIMEOUT)
            return true;
        if (reply.library_error == AMQP_STATUS_UNEXPECTED_STATE)
            return turn(run, limit); /* a frame that is no delivery */
    }
    if (!check_reply(run, run->job->topic, reply))
        return false;
    *goes_on = show(run, &envelope);
    error = amqp_basic_ack(run->connection, run->channel, envelope.delivery_tag, 0);
    amqp_destroy_envelope(&envelope);
    return error == AMQP_STATUS_OK || ctl_fail("%s", amqp_error_string2(error));
}

static bool amqp_subscribe(struct ctl_job *job)
{
    struct amqp_run run = { .job = job };
    bool goes_on = true;
    bool is_good =
        open_run(&run) && (job->exchange == NULL ? declare_queue(&run) : bind_queue(&run));

    if (is_good) {
        (void)amqp_basic_qos(run.connection, run.channel, 0, AMQP_PREFETCH, 0);
        is_good = check_last(&run, "prefetch");
    }
    if (is_good) {
        (void)amqp_basic_consume(run.connection, run.channel, run.queue, amqp_empty_bytes, 0, 0, 0,
                                 amqp_empty_table);
        is_good = check_last(&run, job->topic);
    }
    while (is_good && goes_on && ctl_goes_on(job))
        is_good = receive(&run, &goes_on);
    close_run(&run);
    return is_good;
}

const struct ctl_transport ctl_amqp = {
    .scheme = "amqp",
    .port = 5672,
    .tls_port = 5671,
    .takes = CTL_EXCHANGE,
    .publish = amqp_publish,
    .subscribe = amqp_subscribe,
};
