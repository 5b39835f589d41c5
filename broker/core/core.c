/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/core.h"

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/random.h"
#include "broker/base/wire.h"
#include "broker/core/backup.h"
#include "broker/core/delayed.h"
#include "broker/core/exchange_int.h"
#include "broker/core/logins.h"
#include "broker/core/password_worker.h"
#include "broker/core/retention.h"
#include "broker/core/settled.h"
#include "broker/core/unlogged.h"

/* Numbers are recorded as given in steps of this many, so that few puts are needed for them. */
#define NUMBERS_STEP 1000

static const char key_identity[] = "identity";
static const char key_numbers[] = "numbers";
static const char key_stopped[] = "stopped"; /* there while nobody runs, after an orderly end */

/* ---- puts ---- */

void core_took_ticket(struct core *core, uint64_t ticket)
{
    core->last_ticket = core->awaited_ticket = ticket;
    core->has_put = true;
}

void core_took_unawaited(struct core *core, uint64_t ticket)
{
    core->last_ticket = ticket;
    core->has_put = true;
}

void core_put(struct core *core, enum meta_table table, struct slice key, struct slice value,
              enum durability durability)
{
    ASSERT(!core->is_loading);
    core_took_ticket(core, meta_put(core->store, table, key, value, durability));
}

/* Removing what was acknowledged as made is acknowledged too, and must not come back after a power
 * cut. What only follows from deliveries may: it is delivered again. */
static enum durability durability_of_delete(enum meta_table table)
{
    return table == META_SETTLED || table == META_REFERENCES || table == META_PRODUCERS
               ? DURABILITY_MEMORY
               : DURABILITY_ALWAYS;
}

void core_delete(struct core *core, enum meta_table table, struct slice key)
{
    ASSERT(!core->is_loading);
    core_took_ticket(core, meta_delete(core->store, table, key, durability_of_delete(table)));
}

static void put_number(struct core *core)
{
    uint8_t value[8];

    put_u64(value, core->reserved_number);
    core_put(core, META_BROKER, slice_str(key_numbers), slice_of(value, sizeof(value)),
             DURABILITY_MEMORY);
}

uint64_t core_number(struct core *core)
{
    if (core->next_number >= core->reserved_number) {
        core->reserved_number = core->next_number + NUMBERS_STEP;
        put_number(core);
    }
    return core->next_number++;
}

/* ---- rows of what is gone ---- */

void core_stray(struct core *core, enum meta_table table, struct slice key)
{
    ASSERT(core->is_loading);
    text_add_byte(&core->strays, (uint8_t)table);
    text_add_u16(&core->strays, (uint16_t)key.len);
    text_add(&core->strays, key);
}

static void delete_strays(struct core *core)
{
    struct rd rd = rd_of(text_slice(&core->strays));
    size_t count = 0;

    for (; rd.left > 0; count++) {
        enum meta_table table = (enum meta_table)rd_u8(&rd);

        core_delete(core, table, rd_bytes(&rd, rd_u16(&rd)));
    }
    if (count > 0)
        log_event(LOG_INFO, "core.strays_deleted", "rows=%zu", count);
    text_done(&core->strays);
}

/* ---- what the store reports ---- */

static void on_durable(void *arg, uint64_t ticket)
{
    struct core *core = arg;

    ASSERT(ticket >= core->durable_ticket);
    core->durable_ticket = ticket;
    partitions_advance(core);
    awaits_complete(core);
}

static enum pressure pressure_wanted(const struct core *core)
{
    uint64_t backlog = store_backlog_bytes(core->store);

    if (core->stall != RC_OK)
        return PRESSURE_STALLED;
    if (backlog > BACKLOG_HIGH_BYTES)
        return PRESSURE_BACKLOG;
    if (core->pressure == PRESSURE_BACKLOG && backlog > BACKLOG_LOW_BYTES)
        return PRESSURE_BACKLOG;
    return PRESSURE_NONE;
}

static void update_pressure(struct core *core)
{
    enum pressure wanted = pressure_wanted(core);

    if (wanted == core->pressure)
        return;
    core->pressure = wanted;
    clients_press(core, wanted);
}

void core_stall_changed(struct core *core)
{
    core->stall = core->store_stall != RC_OK    ? core->store_stall
                  : core->intake.is_stopped     ? RC_FULL
                  : core->intake.is_memory_full ? RC_MEMORY
                                                : RC_OK;
    update_pressure(core);
}

static void on_stall(void *arg, enum rc rc)
{
    struct core *core = arg;

    if (rc == core->store_stall)
        return;
    core->store_stall = rc;
    count_set(COUNT_STORE_STALLED, rc != RC_OK);
    if (rc == RC_OK)
        log_event(LOG_NOTICE, "core.store_works", "backlog_bytes=%llu",
                  (unsigned long long)store_backlog_bytes(core->store));
    else
        log_event(LOG_ERROR, "core.store_stalled", "rc=%s what=\"publishers are refused\"",
                  rc_word(rc));
    core_stall_changed(core);
}

void core_wake(struct core *core)
{
    core->config.wake(core->config.wake_arg);
}

/* ---- the turn ---- */

static void on_gathered_enough(void *arg)
{
    struct core *core = arg;

    core->gathered.is_due = true;
}

static void limit_gathering(struct core *core)
{
    if (core->gathered.deadline.place == 0)
        deadline_start_in_ms(&core->deadlines, &core->gathered.deadline, core->config.gather_ms,
                             on_gathered_enough, core);
}

/* Nobody waits for anything of this turn, or of those before whose records it still has, and there
 * is not much of it. A batch, a commit and the writer's wake-up cost the same whatever they hold;
 * with a turn for each message they are most of what it costs. */
static bool may_gather(const struct core *core)
{
    const struct gathered *g = &core->gathered;

    if (core->config.gather_ms == 0 || g->is_due || g->bytes > GATHER_MAX_BYTES ||
        store_due(core->store) == STORE_DUE_NOW)
        return false;
    return core->turn_awaits == 0 ||
           (!g->is_awaited && core->awaited_ticket <= core->durable_ticket);
}

/* There is something to hand over, or to be seen to be done. */
static bool has_gathered(const struct core *core)
{
    return !list_is_empty(&core->dirty_partitions) ||
           core->gathered.quiet_ticket > core->durable_ticket ||
           store_due(core->store) != STORE_DUE_NEVER; /* the store itself puts, too */
}

static void hand_over(struct core *core)
{
    struct gathered *g = &core->gathered;

    partitions_seal(core);
    awaits_end_turn(core);
    if (g->has_readers)
        store_hurry(core->store);
    intake_turn_end(core);
    if (core->config.gather_ms > 0 && store_due(core->store) == STORE_DUE_LATER) {
        store_submit_quietly(core->store);
        g->quiet_ticket = core->last_ticket;
    } else {
        store_submit(core->store); /* also what the store itself has put */
    }
    core->has_put = false;
    g->bytes = 0;
    g->is_due = g->is_awaited = g->has_readers = false;
    deadline_stop(&core->deadlines, &g->deadline);
}

void core_turn_end(struct core *core)
{
    if (store_has_news(core->store))
        store_poll(core->store);
    holdings_turn(core);
    queues_pump(core);
    sessions_pump(core);
    queues_record(core);
    settled_turn(core);
    sessions_record(core);
    unlogged_turn_end(core);
    if (may_gather(core))
        awaits_end_turn(core);
    else
        hand_over(core);
    if (core->config.gather_ms > 0 && has_gathered(core))
        limit_gathering(core);
    awaits_complete(core);
    intake_look_at_memory(core);
    update_pressure(core);
    core->wall_ms = 0;
}

void core_poll(struct core *core)
{
    store_poll(core->store);
    password_worker_poll(core->passwords);
    deadlines_run(&core->deadlines, clock_monotonic_ns());
    intake_look_at_memory(core);
    update_pressure(core);
}

uint64_t core_next_deadline_ns(const struct core *core)
{
    return deadlines_next_ns(&core->deadlines);
}

/* ---- life ---- */

static enum rc visit_broker(void *arg, struct slice key, struct slice value)
{
    struct core *core = arg;
    struct rd rd = rd_of(value);

    if (slice_equal_str(key, key_identity) && value.len == CORE_IDENTITY_BYTES) {
        memcpy(core->identity, value.at, CORE_IDENTITY_BYTES);
    } else if (slice_equal_str(key, key_numbers)) {
        core->next_number = core->reserved_number = rd_u64(&rd);
    } else if (slice_equal_str(key, key_stopped)) {
        core->was_stopped = true;
    }
    return rd.bad ? RC_CORRUPT : RC_OK;
}

static bool identity_is_set(const struct core *core)
{
    static const uint8_t none[CORE_IDENTITY_BYTES];

    return memcmp(core->identity, none, sizeof(none)) != 0;
}

static void init_tables(struct core *core)
{
    streams_init(core);
    map_init(&core->queues);
    map_init(&core->queues_by_number);
    map_init(&core->exchanges);
    map_init(&core->sessions);
    map_init(&core->retained);
    list_init(&core->tails);
    list_init(&core->tail_waiters);
    map_init(&core->groups);
    map_init(&core->place_streams);
    map_init(&core->routes);
    list_init(&core->route_list);
    map_init(&core->bindings);
    ring_init(&core->walk, sizeof(struct exchange *));
    ring_init(&core->delaying, sizeof(struct delaying));
    list_init(&core->queue_list);
    list_init(&core->exchange_list);
    list_init(&core->clients);
    list_init(&core->busy_queues);
    list_init(&core->dirty_queues);
    list_init(&core->sweeps);
    list_init(&core->orphans);
    list_init(&core->settlings);
    list_init(&core->busy_sessions);
    list_init(&core->busy_groups);
    list_init(&core->ending_sessions);
    list_init(&core->overflowing);
    list_init(&core->trimming);
    list_init(&core->dirty_sessions);
    ring_init(&core->awaits, sizeof(struct await));
    ring_init(&core->await_groups, sizeof(struct await_group));
    deadlines_init(&core->deadlines);
    deadlines_init(&core->retention_dues);
    accesses_init(core);
    users_init(core);
    logins_init(core);
}

static enum rc load(struct core *core)
{
    static enum rc (*const loads[])(struct core *) = {
        streams_load,   exchanges_load, queues_load,   bindings_load,
        positions_load, retained_load,  sessions_load, delayed_load,
    };
    enum rc rc = meta_each(core->store, META_BROKER, visit_broker, core);

    for (size_t i = 0; rc == RC_OK && i < sizeof(loads) / sizeof(loads[0]); i++)
        rc = loads[i](core);
    return rc;
}

/* What is delivered is recorded a little later. So after a kill nobody knows of the last messages
 * whether they were, and all count as it; both protocols' marks mean no more than "may have been".
 * That the last life ended in order is forgotten on disk before anything can be delivered. */
static void begin_life(struct core *core)
{
    if (!core->was_stopped) {
        queues_suspect(core);
        sessions_suspect(core);
        return;
    }
    core_delete(core, META_BROKER, slice_str(key_stopped));
    if (store_flush(core->store) != RC_OK)
        log_event(LOG_WARNING, "core.start_unrecorded", "what=\"the store takes nothing\"");
}

enum rc core_new(struct store *store, const struct core_config *config, struct core **ret)
{
    struct core *core = mem_new(struct core);
    const struct store_events events = { on_durable, on_stall, config->wake, core,
                                         config->wake_arg };
    enum rc rc;

    core->store = store;
    core->config = *config;
    core->next_number = core->reserved_number = 1;
    core->scratch.is_vital = true;
    init_tables(core);
    core->is_loading = true;
    rc = load(core);
    core->is_loading = false;
    if (rc != RC_OK) {
        log_event(LOG_ERROR, "core.load_failed", "rc=%s", rc_word(rc));
        core_free(&core);
        return rc;
    }
    store_set_events(store, &events);
    if (!identity_is_set(core)) {
        random_bytes(core->identity, sizeof(core->identity));
        core_put(core, META_BROKER, slice_str(key_identity),
                 slice_of(core->identity, sizeof(core->identity)), DURABILITY_MEMORY);
    }
    streams_begin(core);
    begin_life(core);
    delete_strays(core);
    sessions_settle(core);
    streams_drop_transient(core);
    retention_begin(core);
    delayed_begin(core);
    *ret = core;
    return RC_OK;
}

void core_stop(struct core *core)
{
    static const uint8_t yes = 1;

    ASSERT(list_is_empty(&core->clients));
    core_turn_end(core);
    streams_stop(core);
    core_put(core, META_BROKER, slice_str(key_stopped), slice_of(&yes, 1), DURABILITY_ALWAYS);
    hand_over(core);
}

void core_free(struct core **ref)
{
    struct core *core = *ref;

    *ref = NULL;
    if (core == NULL)
        return;
    ASSERT(list_is_empty(&core->clients));
    core->is_ending = true;
    store_forget_user(core->store);
    accesses_done(core);
    intake_done(core);
    drain_done(core);
    delayed_done(core);
    awaits_done(core);
    settlings_done(core);
    sessions_done(core);
    count_set(COUNT_CORE_OWED, (int64_t)core->owed_count);
    count_set(COUNT_CORE_OWED_BYTES, (int64_t)core->owed_bytes);
    users_done(core);
    logins_done(core);
    routes_done(core);
    exchanges_done(core);
    queues_done(core);
    settled_done(core);
    streams_done(core);
    count_set(COUNT_CORE_UNLOGGED_BYTES, (int64_t)core->unlogged_bytes);
    retained_done(core);
    positions_done(core);
    deadlines_done(&core->deadlines);
    deadlines_done(&core->retention_dues);
    ring_done(&core->walk);
    ring_done(&core->delaying);
    routed_done(&core->routed);
    text_done(&core->scratch);
    text_done(&core->strays);
    mem_free(core);
}

enum rc core_stall(const struct core *core)
{
    return core->stall;
}

enum rc core_backup(struct core *core, const char *directory, struct store_backup *backup)
{
    enum rc rc = store_backup(core->store, directory, backup);

    if (rc == RC_OK)
        core->has_put = true; /* it goes to the writer with this turn */
    return rc;
}

void core_backup_cancel(struct core *core, struct store_backup *backup)
{
    store_backup_cancel(core->store, backup);
}

uint64_t core_backlog_bytes(const struct core *core)
{
    return store_backlog_bytes(core->store);
}

void core_commit_latency(const struct core *core, uint64_t *ret_p50_ns, uint64_t *ret_p99_ns)
{
    store_commit_latency(core->store, ret_p50_ns, ret_p99_ns);
}

int64_t core_wall_ms(struct core *core)
{
    if (core->wall_ms == 0)
        core->wall_ms = clock_wall_ms();
    return core->wall_ms;
}

const uint8_t *core_identity(const struct core *core)
{
    return core->identity;
}

const struct core_config *core_config(const struct core *core)
{
    return &core->config;
}
