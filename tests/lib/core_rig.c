/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/core_rig.h"

#include <check.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "broker/core/filter.h"
#include "broker/core/name.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/log.h"
#include "storage/mem/mem_store.h"

static void on_wake(void *arg)
{
    struct rig *rig = arg;

    __atomic_store_n(&rig->is_woken, true, __ATOMIC_SEQ_CST);
    ck_assert_int_eq(eventfd_write(rig->wake_fd, 1), 0);
}

static void start(struct rig *rig)
{
    struct store_config store_config = STORE_CONFIG_DEFAULT;
    struct core_config config = rig->config;

    store_config.directory = rig->directory;
    store_config.is_prewritten = false;
    store_config.segment_first_bytes = store_config.segment_max_bytes = (uint64_t)4 << 20;
    config.wake = on_wake;
    config.wake_arg = rig;
    if (rig->directory[0] == '\0')
        ck_assert_int_eq(mem_store_open(&store_config, &rig->store), RC_OK);
    else
        ck_assert_int_eq(lmdb_store_open(&store_config, &rig->store), RC_OK);
    ck_assert_int_eq(core_new(rig->store, &config, &rig->core), RC_OK);
}

static void stop(struct rig *rig, bool is_in_order)
{
    rig_settle(rig);
    if (is_in_order)
        core_stop(rig->core);
    core_free(&rig->core);
    store_close(&rig->store);
}

void rig_open(struct rig *rig, bool is_durable)
{
    const struct core_config config = CORE_CONFIG_DEFAULT;

    rig_open_as(rig, is_durable, &config);
}

void rig_open_as(struct rig *rig, bool is_durable, const struct core_config *config)
{
    *rig = (struct rig){ .directory = "",
                         .config = *config,
                         .wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
    ck_assert_int_ge(rig->wake_fd, 0);
    if (is_durable) {
        (void)snprintf(rig->directory, sizeof(rig->directory), "/tmp/tercet-core-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(rig->directory));
    }
    start(rig);
}

void rig_reopen(struct rig *rig)
{
    stop(rig, true);
    start(rig);
}

void rig_reopen_after_crash(struct rig *rig)
{
    stop(rig, false);
    start(rig);
}

void rig_reopen_amid(struct rig *rig)
{
    core_free(&rig->core);
    store_close(&rig->store);
    start(rig);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *place)
{
    (void)stat;
    (void)type;
    (void)place;
    return remove(path);
}

void rig_close(struct rig *rig)
{
    stop(rig, true);
    (void)close(rig->wake_fd);
    if (rig->directory[0] != '\0')
        ck_assert_int_eq(nftw(rig->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void rig_settle(struct rig *rig)
{
    do {
        __atomic_store_n(&rig->is_woken, false, __ATOMIC_SEQ_CST);
        core_turn_end(rig->core);
        ck_assert_int_eq(store_flush(rig->store), RC_OK);
        core_poll(rig->core);
        core_turn_end(rig->core);
    } while (__atomic_load_n(&rig->is_woken, __ATOMIC_SEQ_CST));
}

void rig_settle_until(struct rig *rig, const unsigned *count, unsigned wanted)
{
    eventfd_t wakes;

    for (rig_settle(rig); *count < wanted; rig_settle(rig)) {
        struct pollfd fd = { .fd = rig->wake_fd, .events = POLLIN };

        ck_assert_int_eq(poll(&fd, 1, 10000), 1);
        ck_assert_int_eq(eventfd_read(rig->wake_fd, &wakes), 0);
    }
}

/* ---- what clients are told ---- */

static void see(struct rig_client *c, const struct delivery *d, uint64_t queue)
{
    struct rig_seen *seen = &c->seen[c->count++];

    ck_assert_uint_le(c->count, RIG_SEEN_MAX);
    (void)snprintf(seen->value, sizeof(seen->value), "%.*s", SLICE_FMT(d->message->value));
    (void)snprintf(seen->address, sizeof(seen->address), "%.*s", SLICE_FMT(d->message->address));
    seen->handle = d->handle;
    seen->queue = queue;
    seen->qos = d->qos;
    seen->is_retained = d->is_retained;
    seen->is_redelivered = d->is_redelivered;
    seen->id_count = d->subscription_id_count;
    seen->first_id = d->subscription_id_count > 0 ? d->subscription_ids[0] : 0;
}

static void on_durable(void *session, uint64_t token, enum rc rc)
{
    struct rig_client *c = session;

    ck_assert_int_eq(rc, RC_OK);
    c->durable[c->durable_count++] = token;
}

static void on_durable_end(void *session)
{
    ((struct rig_client *)session)->durable_ends++;
}

static enum rc on_queue_delivery(void *session, struct consumer *consumer,
                                 const struct delivery *delivery)
{
    struct rig_client *c = session;

    if (c->credit == 0)
        return RC_AGAIN;
    c->credit--;
    see(c, delivery, queue_number(consumer_queue(consumer)));
    return RC_OK;
}

static void on_consumer_cancelled(void *session, struct consumer *consumer, enum rc why)
{
    (void)consumer;
    ck_assert_int_eq(why, RC_NOT_FOUND);
    ((struct rig_client *)session)->cancelled++;
}

static enum rc on_session_delivery(void *session, const struct delivery *delivery)
{
    struct rig_client *c = session;

    if (c->credit == 0)
        return RC_AGAIN;
    c->credit--;
    see(c, delivery, 0);
    return RC_OK;
}

static void on_taken_over(void *session)
{
    ((struct rig_client *)session)->is_taken_over = true;
}

static const struct client_ops ops = {
    .protocol = "rig",
    .on_durable = on_durable,
    .on_durable_end = on_durable_end,
    .on_queue_delivery = on_queue_delivery,
    .on_consumer_cancelled = on_consumer_cancelled,
    .on_session_delivery = on_session_delivery,
    .on_taken_over = on_taken_over,
};

void rig_client_open(struct rig *rig, struct rig_client *c, unsigned credit)
{
    memset(c, 0, sizeof(*c));
    c->client = client_open(rig->core, &ops, c, true);
    c->credit = credit;
}

void rig_client_close(struct rig_client *c)
{
    client_close(&c->client);
}

/* ---- what clients do ---- */

static struct message *message_of(struct rig *rig, struct slice address, struct slice key,
                                  const char *value, unsigned qos, unsigned flags)
{
    struct text headers = { 0 };
    struct message_spec spec = { .address = address,
                                 .key = key,
                                 .value = slice_str(value),
                                 .timestamp_ms = core_wall_ms(rig->core),
                                 .qos = (uint8_t)qos,
                                 .flags = (uint8_t)flags };
    struct message *message;
    char digit = (char)('0' + qos);

    message_add_header(&headers, &spec.header_count, SLICE(HEADER_MQTT_QOS), slice_of(&digit, 1));
    spec.headers = text_slice(&headers);
    message = message_new(&spec);
    ck_assert_ptr_nonnull(message);
    text_done(&headers);
    return message;
}

enum rc rig_publish(struct rig *rig, struct rig_client *c, const char *address, const char *value,
                    unsigned qos, unsigned flags)
{
    struct slice at = slice_str(address);
    struct message *message = message_of(rig, at, name_subject(at), value, qos, flags);

    return publish_address(c->client, &message);
}

enum rc rig_publish_exchange(struct rig *rig, struct rig_client *c, const char *exchange,
                             const char *key, const char *value)
{
    struct slice keys[] = { slice_str(key) };
    struct publish_exchange publish = {
        .exchange = exchange_find(rig->core, slice_str(exchange)),
        .routing_keys = keys,
        .routing_key_count = 1,
    };
    struct text scratch = { 0 };
    struct slice address = slice_str(key);
    struct message *message;
    enum rc rc;

    ck_assert_ptr_nonnull(publish.exchange);
    if (exchange_is_shared(publish.exchange))
        ck_assert_int_eq(name_from_amqp_key(slice_str(key), NAME_DOTS_ESCAPE, &scratch, &address),
                         RC_OK);
    message = message_of(rig, address,
                         exchange_is_shared(publish.exchange) ? name_subject(address) : SLICE_NONE,
                         value, 1, MESSAGE_PERSISTENT);
    rc = publish_exchange(c->client, &publish, &message);
    text_done(&scratch);
    return rc;
}

struct queue *rig_queue(struct rig *rig, struct rig_client *c, const char *name, bool is_durable)
{
    struct queue_spec spec = { .name = slice_str(name),
                               .is_durable = is_durable,
                               .arguments = SLICE("") };
    struct queue *queue = NULL;
    enum rc rc = queue_declare(c->client, &spec, &queue);

    (void)rig;
    ck_assert(rc == RC_OK || rc == RC_EXISTS);
    return queue;
}

void rig_bind(struct rig *rig, struct rig_client *c, const char *exchange, const char *queue,
              const char *key)
{
    struct binding_spec spec = {
        .source = exchange_find(rig->core, slice_str(exchange)),
        .queue = queue_find(rig->core, slice_str(queue)),
        .key = slice_str(key),
        .arguments = SLICE(""),
    };

    ck_assert_int_eq(binding_add(c->client, &spec), RC_OK);
}

struct session *rig_session(struct rig *rig, struct rig_client *c, const char *id, bool is_clean,
                            uint64_t expiry_ms, bool *ret_present)
{
    struct session_spec spec = { .id = slice_str(id),
                                 .is_clean_start = is_clean,
                                 .expiry_ms = expiry_ms };
    struct session *session = NULL;

    (void)rig;
    ck_assert_int_eq(session_open(c->client, &spec, &session, ret_present), RC_OK);
    session_ready(session);
    return session;
}

void rig_subscribe(struct session *session, const char *text, unsigned qos, uint32_t id)
{
    struct filter *filter = NULL;
    struct subscription_spec spec = { .text = slice_str(text), .id = id, .qos = (uint8_t)qos };
    bool is_replaced;

    ck_assert_int_eq(filter_from_mqtt(spec.text, &filter), RC_OK);
    spec.filter = filter;
    ck_assert_int_eq(session_subscribe(session, &spec, RETAINED_ALWAYS, &is_replaced), RC_OK);
    filter_free(&filter);
}

static void on_got(void *session, uint64_t token, enum rc rc, struct queue *queue,
                   const struct delivery *delivery)
{
    struct rig_client *c = session;

    (void)token;
    c->got = rc;
    if (rc == RC_OK)
        see(c, delivery, queue_number(queue));
}

void rig_get(struct rig_client *c, struct queue *queue, bool is_no_ack)
{
    c->got = RC_AGAIN;
    ck_assert_int_eq(queue_get(c->client, queue, is_no_ack, on_got, 0), RC_OK);
}
