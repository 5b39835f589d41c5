/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/boot.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/api.h"
#include "broker/base/log.h"
#include "broker/base/text.h"
#include "broker/core/core.h"
#include "broker/core/policy.h"
#include "broker/main/boot_int.h"
#include "broker/main/bridge_settings.h"
#include "broker/main/log_places.h"
#include "broker/main/place.h"
#include "broker/main/settings.h"
#include "broker/main/sys_topics.h"
#include "broker/net/listener.h"
#include "broker/net/tls.h"
#include "protocols/mqtt/bridge.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/mem/mem_store.h"
#include "storage/space.h"

/* Where everything is kept in memory, a stream that nobody made on purpose keeps less. */
#define EPHEMERAL_RETENTION_BYTES (UINT64_C(64) << 20)

/* What tercet-durability(7) promises of `memory` is twice as much: a timer of the loop is not
 * exact, and the commit follows. */
#define GATHER_MS 5

/* What is kept for being quick, or for nobody in particular, must leave room below the limit. */
static uint64_t part_of_limit(const struct settings *s, uint64_t otherwise, unsigned parts)
{
    uint64_t part = s->memory_limit_bytes / parts;

    return part > 0 && part < otherwise ? part : otherwise;
}

#define US_PER_MS 1000u

/* ---- core and loop together ---- */

static void hear_space(struct broker *b)
{
    struct space_room room;

    if (b->space != NULL && space_answer(b->space, &room))
        core_disk_room(b->core, room.total_bytes, room.free_bytes);
}

static void ask_space(void *arg)
{
    struct broker *b = arg;

    space_ask(b->space);
}

static void poll_core(void *arg)
{
    struct broker *b = arg;

    atomic_store(&b->is_woken, false); /* before the look: what comes later wakes again */
    hear_space(b);
    core_poll(b->core);
}

/* Any thread. The call is in the loop's list at most once. */
static void wake_core(void *arg)
{
    struct broker *b = arg;

    if (!atomic_exchange(&b->is_woken, true))
        loop_post(b->loop, &b->wake_call);
}

static void end_turn(void *arg)
{
    struct broker *b = arg;
    uint64_t now_ns = loop_now_ns(b->loop);
    uint64_t deadline_ns;

    core_turn_end(b->core);
    deadline_ns = core_next_deadline_ns(b->core);
    if (deadline_ns == b->deadline_ns)
        return;
    b->deadline_ns = deadline_ns;
    timer_stop(&b->deadline);
    if (deadline_ns != UINT64_MAX)
        timer_start(&b->deadline,
                    deadline_ns <= now_ns ? 0 : (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void on_deadline(void *arg)
{
    struct broker *b = arg;

    b->deadline_ns = 0; /* whatever it says next, the timer starts anew */
    core_poll(b->core);
}

/* ---- the store ---- */

static void explain_store(const struct broker *b, enum rc rc, struct text *why)
{
    const char *place = b->place;

    switch ((int)rc) {
    case RC_LOCKED:
        text_format(why,
                    "the store in %s is in use by another tercetd; --data DIR names another one, "
                    "and --ephemeral needs none",
                    place);
        return;
    case RC_VERSION:
        text_format(
            why,
            "the store in %s was written by a newer version of tercet, which alone can read "
            "it; nothing was changed",
            place);
        return;
    case RC_REFUSED:
        text_format(why,
                    "the store in %s may not be read or written by this user (uid %u): the "
                    "directory and all in it must be this user's; --data DIR names another one",
                    place, (unsigned)geteuid());
        return;
    default:
        text_format(why, "the store in %s cannot be opened: %s (the log says more)", place,
                    rc_word(rc));
        return;
    }
}

static enum rc open_store(struct broker *b, struct text *why)
{
    const struct settings *s = b->settings;
    struct store_config config = STORE_CONFIG_DEFAULT;
    enum rc rc;

    config.cache_bytes =
        settings_has_cache(s) ? s->cache_bytes : part_of_limit(s, s->cache_bytes, 8);
    config.segment_first_bytes = s->segment_first_bytes;
    config.segment_max_bytes = s->segment_max_bytes;
    config.interval_ms = (unsigned)s->sync_interval_ms;
    config.is_prewritten = s->prewrite;
    config.has_sync = s->sync;
    if (s->ephemeral)
        return mem_store_open(&config, &b->store);
    rc = place_find(s->data, &b->place, why);
    if (rc != RC_OK)
        return rc;
    config.directory = b->place;
    rc = lmdb_store_open(&config, &b->store);
    if (rc != RC_OK) {
        explain_store(b, rc, why);
        return rc;
    }
    rc = space_open(b->place, wake_core, b, &b->space);
    if (rc != RC_OK)
        text_format(why, "a thread cannot be started");
    return rc;
}

static int64_t or_unlimited(uint64_t n)
{
    return n == 0 ? POLICY_UNLIMITED : (int64_t)n;
}

static unsigned make_rules(struct broker *b)
{
    unsigned count = 0;

    LIST_EACH (k, &b->settings->streams) {
        const struct stream_settings *s = CONTAINER_OF(k, struct stream_settings, link);
        struct policy_rule *rule;

        b->rules = mem_resize(b->rules, (count + 1) * sizeof(*b->rules));
        rule = &b->rules[count++];
        *rule = (struct policy_rule){ slice_str(s->pattern), STREAM_POLICY_OPEN };
        if (stream_settings_has_retention(s))
            rule->policy.retention_ms = or_unlimited(s->retention_ms);
        if (stream_settings_has_retention_bytes(s))
            rule->policy.retention_bytes = or_unlimited(s->retention_bytes);
        if (stream_settings_has_durability(s))
            rule->policy.durability = (int64_t)s->durability;
    }
    return count;
}

/* How much is kept, which memory_limit makes less. */
static void set_kept(struct core_config *config, const struct settings *s)
{
    config->retention_ms = s->retention_ms;
    config->retention_bytes = s->retention_bytes;
    if (s->ephemeral && !settings_has_retention_bytes(s))
        config->retention_bytes = part_of_limit(s, EPHEMERAL_RETENTION_BYTES, 32);
    config->consumed_retention_ms = s->consumed_retention_ms;
    config->consumed_retention_bytes = s->consumed_retention_bytes;
    if (s->ephemeral && !settings_has_consumed_retention_bytes(s))
        config->consumed_retention_bytes = part_of_limit(s, EPHEMERAL_RETENTION_BYTES, 32);
    config->unlogged_bytes = s->unlogged_bytes;
    config->unlogged_total_bytes = settings_has_unlogged_total_bytes(s)
                                       ? s->unlogged_total_bytes
                                       : part_of_limit(s, s->unlogged_total_bytes, 8);
    config->memory_limit_bytes = s->memory_limit_bytes;
}

static enum rc open_core(struct broker *b, struct text *why)
{
    const struct settings *s = b->settings;
    struct core_config config = CORE_CONFIG_DEFAULT;
    enum rc rc;

    config.auto_stream = s->auto_stream;
    config.default_partitions = (unsigned)s->default_partitions;
    config.dots_as_rabbitmq = s->mqtt_dots != 0;
    set_kept(&config, s);
    config.session_max_messages = s->session_max_messages;
    config.session_max_bytes = s->session_max_bytes;
    config.sessions_max = s->sessions_max;
    config.session_overflow = (enum session_overflow)s->session_overflow;
    config.keeps_qos0 = s->session_qos0;
    config.upgrades_qos = s->mqtt_upgrade_qos;
    config.checks_retain_source = s->retained_check_source;
    config.retained_max = s->retained_max;
    config.retained_max_bytes = s->retained_max_bytes;
    config.retained_expiry_ms = s->retained_expiry_ms;
    config.delayed_max = s->delayed_max;
    config.delayed_max_bytes = s->delayed_max_bytes;
    config.delayed_max_delay_ms = s->delayed_max_delay_ms;
    config.share_grace_ms = s->share_grace_ms;
    config.durability = (int64_t)s->durability;
    config.sync_interval_ms = s->sync_interval_ms;
    config.gather_ms = GATHER_MS;
    config.disk_warn_percent = (unsigned)s->disk_warn_percent;
    config.disk_stop_percent = (unsigned)s->disk_stop_percent;
    config.disk_free_min_bytes = s->disk_free_min_bytes;
    config.disk_free_enough_bytes = s->disk_free_enough_bytes;
    if (b->space != NULL)
        config.ask_room = ask_space;
    config.rule_count = make_rules(b);
    config.rules = b->rules;
    config.wake = wake_core;
    config.wake_arg = b;
    rc = core_new(b->store, &config, &b->core);
    if (rc != RC_OK) {
        text_format(why, "the catalogue of the store cannot be read: %s (the log says more)",
                    rc_word(rc));
        return rc;
    }
    boot_apply_users(b->core, s);
    boot_watch_logins(b->core, b->loop);
    rc = boot_apply_access(b->core, s, why);
    if (rc != RC_OK)
        return rc;
    log_places_open(b->core, b->loop);
    timer_init(&b->deadline, b->loop, on_deadline, b);
    loop_add_turn_end(b->loop, end_turn, b);
    loop_set_slow_us(b->loop, s->turn_slow_ms * US_PER_MS);
    for (unsigned i = 0; i < SETTINGS_PROTOCOLS; i++)
        if (protocols[i].start != NULL)
            b->contexts[i] = protocols[i].start(b->core, b->loop, s);
    boot_start_admin(b);
    if (s->sys_interval_ms > 0)
        b->sys_topics = sys_topics_new(b->core, b->loop, s->sys_interval_ms);
    /* what fell due while we were down happens before the first client, and what falls due later
     * needs its timer though no client may ever come */
    core_poll(b->core);
    end_turn(b);
    return RC_OK;
}

/* ---- the end ---- */

static void on_all_gone(void *arg)
{
    struct broker *b = arg;

    loop_stop(b->loop);
}

/* The first signal asks for a clean end, the second for one that does not wait for clients. */
static void on_end_signal(void *arg)
{
    struct broker *b = arg;
    uint64_t grace_ms = b->shutdown_grace_ms;

    if (b->is_ending) {
        loop_stop(b->loop);
        return;
    }
    b->is_ending = true;
    log_event(LOG_NOTICE, "broker.stopping", "grace_ms=%llu", (unsigned long long)grace_ms);
    for (unsigned i = 0; i < b->listener_count; i++)
        listener_close(&b->listeners[i]);
    b->listener_count = 0;
    bridges_stop(b->bridges);
    net_shutdown(b->loop, (unsigned)grace_ms, on_all_gone, b);
}

static void on_hangup(void *arg)
{
    struct broker *b = arg;

    if (b->on_reload == NULL)
        on_end_signal(b);
    else if (!b->is_ending)
        b->on_reload(b->reload_arg);
}

static enum rc watch_signals(struct broker *b, struct text *why)
{
    if (loop_on_signal(b->loop, SIGTERM, on_end_signal, b) == RC_OK &&
        loop_on_signal(b->loop, SIGINT, on_end_signal, b) == RC_OK &&
        loop_on_signal(b->loop, SIGHUP, on_hangup, b) == RC_OK)
        return RC_OK;
    text_format(why, "signals cannot be watched");
    return RC_SYSTEM;
}

/* ---- start and stop ---- */

enum rc broker_start(const struct settings *settings, struct broker **ret, struct text *why)
{
    struct broker *b = mem_new(struct broker);
    enum rc rc, stop_rc;

    b->settings = settings;
    list_init(&b->bridge_configs);
    b->shutdown_grace_ms = settings->shutdown_grace_ms;
    b->wake_call = (struct loop_call){ .call = poll_core, .arg = b };
    rc = loop_new(&b->loop);
    if (rc != RC_OK) {
        text_format(why, "the event loop cannot be made");
        goto out;
    }
    rc = watch_signals(b, why);
    if (rc != RC_OK)
        goto out;
    rc = boot_check_exposure(settings, why);
    if (rc != RC_OK)
        goto out;
    rc = boot_keep_keys(settings, why);
    if (rc != RC_OK)
        goto out;
    rc = open_store(b, why);
    if (rc != RC_OK)
        goto out;
    rc = open_core(b, why);
    if (rc != RC_OK)
        goto out;
    net_limit_connections(b->loop, (unsigned)settings->connections_max);
    rc = boot_listen(b, why);
    if (rc != RC_OK)
        goto out;
    rc = boot_listen_admin(b, why);
    if (rc != RC_OK)
        goto out;
    rc = bridges_start(b->core, b->loop, &settings->bridges, &b->bridges, why);
    if (rc != RC_OK)
        goto out;
    *ret = b;
    b = NULL; /* given */
out:
    stop_rc = broker_stop(&b);
    return rc != RC_OK ? rc : stop_rc;
}

void broker_on_reload(struct broker *broker, void (*on_reload)(void *arg), void *arg)
{
    broker->on_reload = on_reload;
    broker->reload_arg = arg;
}

/* New connections get the new certificate; those that are open keep the one they have. */
static enum rc renew_tls(struct broker *b, const struct listener_settings *l, struct text *why)
{
    struct tls *fresh = NULL;
    enum rc rc;

    for (unsigned i = 0; i < b->tls_count; i++) {
        if (strcmp(b->tls[i].listener, l->name) != 0)
            continue;
        rc = boot_make_tls(l, &fresh, why);
        if (rc != RC_OK)
            return rc;
        for (unsigned j = 0; j < b->listener_count; j++)
            if (strcmp(listener_name(b->listeners[j]), l->name) == 0 &&
                listener_takes_tls(b->listeners[j]))
                listener_set_tls(b->listeners[j], fresh);
        tls_free(&b->tls[i].tls);
        b->tls[i].tls = fresh;
    }
    return RC_OK;
}

/* Those of a reload live as long as a bridge is what they say. */
static void drop_bridge_configs(struct broker *b)
{
    LIST_EACH_SAFE (k, &b->bridge_configs) {
        struct bridge_config *config = CONTAINER_OF(k, struct bridge_config, link);

        if (b->bridges != NULL && bridges_use(b->bridges, config))
            continue;
        link_remove(&config->link);
        bridge_settings_free(config);
    }
}

static enum rc reload_bridges(struct broker *b, struct settings *fresh, struct text *why)
{
    enum rc rc = bridges_reload(b->bridges, &fresh->bridges, bridge_settings_are_same, why);

    while (!list_is_empty(&fresh->bridges)) {
        struct bridge_config *config = LIST_FIRST(&fresh->bridges, struct bridge_config, link);

        link_remove(&config->link);
        list_append(&b->bridge_configs, &config->link);
    }
    drop_bridge_configs(b);
    return rc;
}

enum rc broker_reload(struct broker *broker, struct settings *fresh, struct text *why)
{
    enum rc rc = RC_OK;

    rc = boot_apply_access(broker->core, fresh, why);
    if (rc == RC_OK)
        boot_apply_users(broker->core, fresh);
    log_set_threshold((enum log_level)fresh->log_level);
    broker->shutdown_grace_ms = fresh->shutdown_grace_ms;
    loop_set_slow_us(broker->loop, fresh->turn_slow_ms * US_PER_MS);
    LIST_EACH (k, &fresh->listeners) {
        const struct listener_settings *l = CONTAINER_OF(k, struct listener_settings, link);

        if (listener_settings_has_tls(l) && rc == RC_OK)
            rc = renew_tls(broker, l, why);
    }
    if (rc == RC_OK)
        rc = reload_bridges(broker, fresh, why);
    return rc;
}

void broker_run(struct broker *broker)
{
    loop_run(broker->loop);
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

/* After a second signal, or a failed start: connections that are left go now. */
static void close_connections(struct broker *b)
{
    bool is_done = false;

    if (b->loop == NULL || b->core == NULL)
        return;
    net_shutdown(b->loop, 0, set_true, &is_done);
    while (!is_done)
        loop_turn(b->loop, 1);
}

enum rc broker_stop(struct broker **broker)
{
    struct broker *b = *broker;
    enum rc rc = RC_OK;

    if (b == NULL)
        return RC_OK;
    for (unsigned i = 0; i < b->listener_count; i++)
        listener_close(&b->listeners[i]);
    bridges_stop(b->bridges);
    close_connections(b);
    bridges_free(&b->bridges);
    drop_bridge_configs(b);
    sys_topics_free(&b->sys_topics);
    api_free(&b->api);
    for (unsigned i = 0; i < b->listen_context_count; i++)
        b->listen_contexts[i].row->stop(b->listen_contexts[i].context);
    for (unsigned i = 0; i < SETTINGS_PROTOCOLS; i++)
        if (protocols[i].stop != NULL && b->contexts[i] != NULL)
            protocols[i].stop(b->contexts[i]);
    if (b->core != NULL)
        core_stop(b->core);
    if (b->store != NULL && b->core != NULL)
        rc = store_flush(b->store);
    space_close(&b->space);
    core_free(&b->core);
    if (b->store != NULL)
        store_close(&b->store);
    log_places_close();
    timer_done(&b->deadline);
    for (unsigned i = 0; i < b->tls_count; i++)
        tls_free(&b->tls[i].tls);
    tls_keep_no_keys();
    loop_free(&b->loop);
    mem_free(b->rules);
    free(b->real_place);
    mem_free(b->place);
    MEM_FREE(*broker);
    return rc;
}

unsigned broker_listener_count(const struct broker *broker)
{
    return broker->listener_count;
}

const struct listener *broker_listener(const struct broker *broker, unsigned i)
{
    ASSERT(i < broker->listener_count);
    return broker->listeners[i];
}

const char *broker_store_place(const struct broker *broker)
{
    return broker->place == NULL ? "in memory" : broker->place;
}
