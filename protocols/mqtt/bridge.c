/* SPDX-License-Identifier: Apache-2.0 */
/* When a bridge connects, to which address, and how long it waits before it tries again. */
#include "protocols/mqtt/bridge.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/random.h"
#include "broker/core/core.h"
#include "broker/core/session.h"
#include "broker/net/protocol.h"
#include "broker/net/tls.h"
#include "protocols/mqtt/bridge_int.h"

#define STATE_TOPIC_BEGIN "$SYS/broker/connection/"
#define STATE_TOPIC_END   "/state"
#define HOST_NAME_MAX_    255
/* How often a lazy bridge looks how much waits for it. */
#define LAZY_LOOK_MS 500
/* How often the primary is asked for while another broker serves, at least. */
#define PROBE_MIN_MS 1000
/* Grows the wait before the next attempt. */
#define WAIT_FACTOR 2

struct bridges {
    struct list all; /* of struct bridge.link */
    struct core *core;
    struct loop *loop;
    struct timer renewal; /* of those that have no connection and are to be others */
    bool is_stopping;
};

static const struct protocol bridge_protocol, probe_protocol;

/* Not inside a call of its own. False: there is nothing to renew. */
static bool renew_soon(struct bridge *b)
{
    if (b->is_stopping || (b->next == NULL && !b->is_leaving))
        return false;
    timer_start(&b->bridges->renewal, 0);
    return true;
}

/* ---- waiting ---- */

/* Many that lost the same broker are not to come back all at once. */
static uint64_t next_wait_ms(struct bridge *b)
{
    uint64_t min = b->config->restart_min_ms, max = b->config->restart_max_ms;

    if (max <= min)
        return min;
    b->wait_ms = b->wait_ms == 0 ? min : b->wait_ms * WAIT_FACTOR;
    if (b->wait_ms > max)
        b->wait_ms = max;
    return min + random_u64() % (b->wait_ms - min + 1);
}

static void wait(struct bridge *b)
{
    b->tried = 0;
    if (!b->is_stopping && b->config->start != BRIDGE_ONCE)
        timer_start(&b->timer, next_wait_ms(b));
}

/* ---- connecting ---- */

static void dial(struct bridge *b)
{
    const struct bridge_address *a = &b->addresses[b->address];
    char *host = mem_copy_text(a->host);
    enum rc rc = dial_start(b->dial, host, a->port);

    mem_free(host);
    if (rc == RC_CLOSED) /* the loop drains */
        return;
    if (rc != RC_OK) {
        log_peer(LOG_WARNING, "bridge.failed", "name=%s rc=%s", b->config->name, rc_word(rc));
        count_add(COUNT_BRIDGE_FAILED, 1);
        wait(b);
    }
}

/* All addresses are tried before there is a wait. */
static void try_next(struct bridge *b)
{
    b->tried++;
    b->address = (b->address + 1) % b->address_count;
    if (b->is_stopping)
        return;
    if (b->tried < b->address_count) {
        dial(b);
        return;
    }
    if (!b->config->round_robin)
        b->address = 0;
    wait(b);
}

static void on_dial_failed(void *context, enum rc why, const char *what)
{
    struct bridge *b = context;
    const struct bridge_address *a = &b->addresses[b->address];

    log_peer(LOG_NOTICE, "bridge.failed", "name=%s host=%s port=%u rc=%s what=%s", b->config->name,
             log_quote(a->host.at, a->host.len), a->port, rc_word(why), what);
    count_add(COUNT_BRIDGE_FAILED, 1);
    try_next(b);
}

/* A lazy one waits until enough is there to be sent. */
static bool is_worth_it(struct bridge *b)
{
    return b->config->start != BRIDGE_LAZY ||
           sessions_owed_count(b->core, slice_str(b->local_id)) >= b->config->threshold;
}

static void on_timer(void *arg)
{
    struct bridge *b = arg;

    if (b->is_stopping || b->session != NULL || dial_is_busy(b->dial) || renew_soon(b))
        return;
    if (is_worth_it(b))
        dial(b);
    else
        timer_start(&b->timer, LAZY_LOOK_MS);
}

/* ---- back to the primary ---- */

static void look_for_primary(struct bridge *b)
{
    uint64_t ms = b->config->restart_max_ms;

    if (b->probe != NULL && b->address > 0)
        timer_start(&b->probe_timer, ms < PROBE_MIN_MS ? PROBE_MIN_MS : ms);
}

static void on_probe_timer(void *arg)
{
    struct bridge *b = arg;
    const struct bridge_address *a = &b->addresses[0];
    char *host;

    if (b->is_stopping || !b->is_up || dial_is_busy(b->probe))
        return;
    host = mem_copy_text(a->host);
    b->is_primary_met = false;
    if (dial_start(b->probe, host, a->port) != RC_OK)
        look_for_primary(b);
    mem_free(host);
}

/* That it took the connection is all that was asked. */
static enum rc on_probe_open(void *context, struct conn *conn, void **ret_session)
{
    struct bridge *b = context;

    (void)conn;
    (void)ret_session;
    b->is_primary_met = true;
    return RC_REFUSED;
}

static void on_probe_failed(void *context, enum rc why, const char *what)
{
    struct bridge *b = context;

    (void)why;
    (void)what;
    if (!b->is_primary_met) {
        look_for_primary(b);
        return;
    }
    if (b->session == NULL || b->address == 0)
        return;
    log_event(LOG_NOTICE, "bridge.back_to_primary", "name=%s", b->config->name);
    bridge_link_goodbye(b->session);
}

/* ---- a connection ---- */

static void on_connected(struct bridge *b)
{
    b->is_up = true;
    b->wait_ms = 0;
    b->tried = 0;
    b->last_message_ns = loop_now_ns(b->loop);
    count_add(COUNT_BRIDGE_UP, 1);
    count_add(COUNT_BRIDGE_CONNECTS, 1);
    bridge_local_notify(b, true);
    bridge_link_watch(b->session);
    look_for_primary(b);
}

static enum rc on_open(void *context, struct conn *conn, void **ret_session)
{
    struct bridge *b = context;
    enum rc rc = bridge_link_open(b, conn, &b->session);

    if (rc == RC_OK)
        *ret_session = b;
    return rc;
}

static size_t on_input(void *context, struct slice in)
{
    return mqtt_session_input(((struct bridge *)context)->session, in);
}

static void on_drained(void *context)
{
    mqtt_session_drained(((struct bridge *)context)->session);
}

static void on_shutdown(void *context)
{
    bridge_link_goodbye(((struct bridge *)context)->session);
}

static void on_closed(void *context, enum rc why)
{
    struct bridge *b = context;
    bool was_up = b->is_up;

    b->is_up = false;
    timer_stop(&b->probe_timer);
    b->last_id = b->session->inflight.last_id;
    mqtt_session_close(&b->session, why);
    if (!was_up) {
        count_add(COUNT_BRIDGE_FAILED, 1);
        if (!renew_soon(b))
            try_next(b);
        return;
    }
    count_add(COUNT_BRIDGE_UP, -1);
    log_event(LOG_NOTICE, "bridge.disconnected", "name=%s rc=%s", b->config->name, rc_word(why));
    bridge_local_notify(b, false);
    if (renew_soon(b))
        return;
    b->address = b->config->round_robin ? (b->address + 1) % b->address_count : 0;
    if (b->config->start == BRIDGE_LAZY && !b->is_stopping)
        timer_start(&b->timer, LAZY_LOOK_MS);
    else
        wait(b);
}

static const struct protocol bridge_protocol = {
    .name = "mqtt",
    .on_open = on_open,
    .on_input = on_input,
    .on_drained = on_drained,
    .on_closed = on_closed,
    .on_shutdown = on_shutdown,
};

static const struct protocol probe_protocol = { .name = "mqtt", .on_open = on_probe_open };

/* ---- making one ---- */

static char *joined(const char *a, const char *b, const char *c)
{
    struct text t = { 0 };
    char *ret;

    text_format(&t, "%s%s%s", a, b, c);
    ret = mem_copy_text(text_slice(&t));
    text_done(&t);
    return ret;
}

static void name_it(struct bridge *b)
{
    const struct bridge_config *c = b->config;
    char host[HOST_NAME_MAX_ + 1] = "tercet";

    (void)gethostname(host, sizeof(host) - 1); /* without one the default stays */
    b->remote_id = c->remote_client_id != NULL ? joined(c->remote_client_id, "", "")
                                               : joined(host, ".", c->name);
    b->local_id = c->local_client_id != NULL ? joined(c->local_client_id, "", "")
                                             : joined("local.", b->remote_id, "");
    if (c->notification_topic != NULL)
        b->state_topic = joined(c->notification_topic, "", "");
    else
        b->state_topic = joined(STATE_TOPIC_BEGIN, b->remote_id, STATE_TOPIC_END);
    if (!c->notifications)
        MEM_FREE(b->state_topic);
    bridge_name_here(b);
}

static void configure(struct bridge *b)
{
    const struct bridge_config *c = b->config;
    struct mqtt_config config = MQTT_CONFIG_DEFAULT;
    uint16_t default_port = c->default_port != 0 ? c->default_port
                            : c->tls             ? BRIDGE_TLS_PORT
                                                 : BRIDGE_PORT;
    struct slice list = slice_str(c->addresses);

    config.receive_maximum = (uint16_t)c->receive_maximum;
    config.topic_alias_maximum =
        (uint16_t)(c->max_topic_alias < MQTT_ALIAS_MAX ? c->max_topic_alias : MQTT_ALIAS_MAX);
    if (c->max_packet_bytes != 0)
        config.max_packet_bytes = (uint32_t)c->max_packet_bytes;
    b->profile = mqtt_profiles[MQTT_PROFILE_OWN];
    if (c->is_plain) {
        b->profile.stray_reason = MQTT_SUCCESS;
        b->profile.is_wordless = true;
    }
    config.profile = &b->profile;
    b->server = (struct mqtt_server){ .core = b->core, .config = config, .bridge = b };
    b->qos_max = 2;
    b->has_retain = true;
    b->version = (uint8_t)c->version;
    b->on_connected = on_connected;
    b->is_local_kept = c->local_session == BRIDGE_LOCAL_KEPT ||
                       (c->local_session == BRIDGE_LOCAL_AS_REMOTE && !c->clean_session);
    while (b->address_count < BRIDGE_ADDRESSES_MAX &&
           bridge_next_address(&list, default_port, &b->addresses[b->address_count]))
        b->address_count++;
    ASSERT(b->address_count > 0); /* the configuration was checked */
}

static enum rc make_tls(struct bridge *b)
{
    const struct bridge_config *c = b->config;
    struct tls_client_config config = { .ca_file = c->ca_file,
                                        .ca_path = c->ca_path,
                                        .certificate_file = c->certificate,
                                        .key_file = c->key,
                                        .alpn = c->alpn,
                                        .ciphers = c->tls_ciphers,
                                        .ciphersuites = c->tls_ciphersuites,
                                        .psk_identity = c->psk_identity,
                                        .psk = c->psk,
                                        .is_ocsp_required = c->require_ocsp,
                                        .is_1_3_required = c->tls_min_version == 1,
                                        .is_name_unchecked = c->insecure };

    return c->tls ? tls_client_new(&config, &b->tls) : RC_OK;
}

static enum rc make_dials(struct bridge *b)
{
    struct dial_config config = { .name = b->config->name,
                                  .bind_address = b->config->bind_address,
                                  .keepalive_idle_s = (unsigned)b->config->tcp_keepalive_idle_s,
                                  .keepalive_interval_s =
                                      (unsigned)b->config->tcp_keepalive_interval_s,
                                  .keepalive_probes = (unsigned)b->config->tcp_keepalive_probes,
                                  .user_timeout_ms = (unsigned)b->config->tcp_user_timeout_ms,
                                  .tls = b->tls,
                                  .protocol = &bridge_protocol,
                                  .context = b,
                                  .on_failed = on_dial_failed };
    enum rc rc = dial_new(b->loop, &config, &b->dial);

    if (rc != RC_OK || b->address_count == 1 || b->config->round_robin)
        return rc;
    config.protocol = &probe_protocol;
    config.on_failed = on_probe_failed;
    return dial_new(b->loop, &config, &b->probe);
}

static const struct client_ops nobody = { .protocol = "bridge" };

/* From now on what is to go out waits. */
static enum rc open_local(struct bridge *b)
{
    struct client *client;
    struct session *session;
    bool is_present;
    enum rc rc;

    if (!b->is_local_kept)
        return RC_OK;
    client = client_open(b->core, &nobody, b, true);
    rc = bridge_local_open(b, client, &session, &is_present);
    if (rc == RC_OK)
        session_detach(&session);
    client_close(&client);
    return rc;
}

static void bridge_free(struct bridge *b)
{
    ASSERT(b->session == NULL);
    dial_free(&b->dial);
    dial_free(&b->probe);
    timer_done(&b->timer);
    timer_done(&b->probe_timer);
    tls_free(&b->tls);
    bridge_topics_done(&b->topics);
    text_done(&b->topic);
    mem_free(b->remote_id);
    mem_free(b->local_id);
    mem_free(b->state_topic);
    link_remove(&b->link);
    mem_free(b);
}

static enum rc start_one(struct bridge *b, struct text *why)
{
    const char *what = "its topics";
    enum rc rc;

    timer_init(&b->timer, b->loop, on_timer, b);
    timer_init(&b->probe_timer, b->loop, on_probe_timer, b);
    configure(b);
    name_it(b);
    rc = bridge_topics_init(&b->topics, b->config->topics);
    if (rc == RC_OK) {
        what = "certificates, keys or alpn (the log says more)";
        rc = make_tls(b);
    }
    if (rc == RC_OK) {
        what = "bind_address";
        rc = make_dials(b);
    }
    if (rc == RC_OK) {
        what = "its user or session here";
        rc = open_local(b);
    }
    if (rc != RC_OK) {
        text_format(why, "bridge %s: %s cannot be used: %s", b->config->name, what, rc_word(rc));
        return RC_INVALID;
    }
    bridge_local_notify(b, false);
    timer_start(&b->timer, 0);
    return RC_OK;
}

/* One that cannot be is not in the list either. */
static enum rc add(struct bridges *bridges, const struct bridge_config *config, struct text *why)
{
    struct bridge *b = mem_new(struct bridge);
    enum rc rc;

    b->bridges = bridges;
    b->config = config;
    b->core = bridges->core;
    b->loop = bridges->loop;
    list_append(&bridges->all, &b->link);
    rc = start_one(b, why);
    if (rc != RC_OK)
        bridge_free(b);
    return rc;
}

static void renew(void *arg)
{
    struct bridges *bridges = arg;
    struct text why = { 0 };

    LIST_EACH_SAFE (k, &bridges->all) {
        struct bridge *b = CONTAINER_OF(k, struct bridge, link);
        const struct bridge_config *next = b->is_leaving ? NULL : b->next;

        if ((b->next == NULL && !b->is_leaving) || b->session != NULL || b->is_stopping)
            continue;
        log_event(LOG_NOTICE, next == NULL ? "bridge.removed" : "bridge.renewed", "name=%s",
                  b->config->name);
        bridge_free(b);
        if (next != NULL && add(bridges, next, &why) != RC_OK)
            log_event(LOG_ERROR, "bridge.renewal_failed", "why=%s", log_quote(why.at, why.len));
        text_clear(&why);
    }
    text_done(&why);
    bridge_local_end_others(bridges->core, &bridges->all);
}

enum rc bridges_start(struct core *core, struct loop *loop, const struct list *configs,
                      struct bridges **ret, struct text *why)
{
    struct bridges *bridges = mem_new(struct bridges);
    enum rc rc = RC_OK;

    list_init(&bridges->all);
    bridges->core = core;
    bridges->loop = loop;
    timer_init(&bridges->renewal, loop, renew, bridges);
    LIST_EACH (k, configs) {
        rc = add(bridges, CONTAINER_OF(k, struct bridge_config, link), why);
        if (rc != RC_OK)
            break;
    }
    if (rc == RC_OK) {
        bridge_local_end_others(core, &bridges->all);
        *ret = bridges;
    } else {
        bridges_free(&bridges);
    }
    return rc;
}

/* ---- a new configuration ---- */

static const struct bridge_config *find_config(const struct list *configs, const char *name)
{
    LIST_EACH (k, configs) {
        const struct bridge_config *config = CONTAINER_OF(k, struct bridge_config, link);

        if (strcmp(config->name, name) == 0)
            return config;
    }
    return NULL;
}

static struct bridge *find_bridge(const struct bridges *bridges, const char *name)
{
    LIST_EACH (k, &bridges->all) {
        struct bridge *b = CONTAINER_OF(k, struct bridge, link);

        if (strcmp(b->config->name, name) == 0)
            return b;
    }
    return NULL;
}

/* Whoever is connected and may go on is renewed when the connection is lost. */
static void turn_to(struct bridge *b, const struct bridge_config *config, bridge_same_fn *is_same)
{
    b->is_leaving = config == NULL;
    b->next = config == NULL || is_same(b->config, config) ? NULL : config;
    if (!b->is_leaving && b->next == NULL)
        return;
    if (b->session == NULL)
        (void)renew_soon(b);
    else if (b->is_leaving || config->reload == BRIDGE_RELOAD_NOW)
        bridge_link_goodbye(b->session);
}

enum rc bridges_reload(struct bridges *bridges, const struct list *configs, bridge_same_fn *is_same,
                       struct text *why)
{
    enum rc rc = RC_OK, add_rc;

    LIST_EACH (k, &bridges->all) {
        struct bridge *b = CONTAINER_OF(k, struct bridge, link);

        turn_to(b, find_config(configs, b->config->name), is_same);
    }
    LIST_EACH (k, configs) {
        const struct bridge_config *config = CONTAINER_OF(k, struct bridge_config, link);

        if (find_bridge(bridges, config->name) != NULL)
            continue;
        add_rc = add(bridges, config, why);
        rc = rc == RC_OK ? add_rc : rc;
    }
    return rc;
}

bool bridges_use(const struct bridges *bridges, const struct bridge_config *config)
{
    LIST_EACH (k, &bridges->all) {
        const struct bridge *b = CONTAINER_OF(k, struct bridge, link);

        if (b->config == config || b->next == config)
            return true;
    }
    return false;
}

void bridges_stop(struct bridges *bridges)
{
    if (bridges == NULL || bridges->is_stopping)
        return;
    bridges->is_stopping = true;
    timer_stop(&bridges->renewal);
    LIST_EACH (k, &bridges->all) {
        struct bridge *b = CONTAINER_OF(k, struct bridge, link);

        b->is_stopping = true;
        timer_stop(&b->timer);
        timer_stop(&b->probe_timer);
        dial_free(&b->probe);
        if (b->session == NULL)
            dial_free(&b->dial);
    }
}

void bridges_free(struct bridges **ref)
{
    struct bridges *bridges = *ref;

    *ref = NULL;
    if (bridges == NULL)
        return;
    timer_done(&bridges->renewal);
    while (!list_is_empty(&bridges->all))
        bridge_free(LIST_FIRST(&bridges->all, struct bridge, link));
    mem_free(bridges);
}
