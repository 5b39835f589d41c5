/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/scale_rig.h"

#include <semaphore.h>
#include <time.h>

#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/core/message.h"
#include "broker/core/name.h"
#include "broker/core/publish.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/log.h"

#define WAIT_NS 2000000

static sem_t woken;

/* ---- what things cost ---- */

/* The number behind `name` in a file of /proc, in `unit` bytes; 0 when it is not told there. */
static uint64_t proc_number(const char *path, const char *name, uint64_t unit)
{
    FILE *file = fopen(path, "re");
    uint64_t found = 0;
    char line[256];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *at = line + strlen(name);

        if (strncmp(line, name, strlen(name)) != 0)
            continue;
        at += strspn(at, " \t");
        if (number_u64(slice_of(at, strspn(at, "0123456789")), 0, UINT64_MAX, &found) != RC_OK)
            bench_fail(path, 0);
        found *= unit;
    }
    if (file != NULL)
        (void)fclose(file);
    return found;
}

static uint64_t thread_ns(void)
{
    struct timespec used;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * BENCH_NS_PER_SECOND + (uint64_t)used.tv_nsec;
}

struct usage usage_now(void)
{
    return (struct usage){
        .wall_ns = bench_now_ns(),
        .cpu_ns = bench_own_cpu_ns(),
        .thread_ns = thread_ns(),
        .written_bytes = proc_number("/proc/self/io", "wchar:", 1),
        .anonymous_bytes = proc_number("/proc/self/smaps_rollup", "Anonymous:", 1024),
        .resident_bytes = proc_number("/proc/self/smaps_rollup", "Rss:", 1024),
        .store_bytes = count_get(COUNT_STORE_BYTES),
        .commits = count_get(COUNT_STORE_COMMITS),
    };
}

struct usage usage_since(const struct usage *before)
{
    struct usage now = usage_now();

    now.wall_ns -= before->wall_ns;
    now.cpu_ns -= before->cpu_ns;
    now.thread_ns -= before->thread_ns;
    now.written_bytes -= before->written_bytes;
    now.anonymous_bytes -= before->anonymous_bytes;
    now.resident_bytes -= before->resident_bytes;
    now.store_bytes -= before->store_bytes;
    now.commits -= before->commits;
    return now;
}

void scale_tell(const char *what, double value, const char *unit, double base)
{
    if (base == 0)
        (void)printf("%-52s %12.4g %s\n", what, value, unit);
    else
        (void)printf("%-52s %12.4g %-10s base %10.4g   ratio %.3g\n", what, value, unit, base,
                     value / base);
    (void)fflush(stdout);
}

/* ---- the client ---- */

static enum rc on_queue_delivery(void *session, struct consumer *consumer,
                                 const struct delivery *delivery)
{
    struct scale *s = session;

    s->delivered++;
    if (s->taken == NULL)
        return RC_OK;
    if (s->taken_count == s->taken_room) {
        s->taken_room *= 2;
        s->taken = mem_resize(s->taken, s->taken_room * sizeof(*s->taken));
    }
    s->taken[s->taken_count++] =
        (struct scale_taken){ queue_number(consumer_queue(consumer)), delivery->handle };
    return RC_OK;
}

static enum rc on_session_delivery(void *session, const struct delivery *delivery)
{
    struct scale *s = session;

    s->delivered++;
    if (s->taken == NULL)
        return RC_OK;
    if (s->taken_count == s->taken_room) {
        s->taken_room *= 2;
        s->taken = mem_resize(s->taken, s->taken_room * sizeof(*s->taken));
    }
    s->taken[s->taken_count++] = (struct scale_taken){ 0, delivery->handle };
    return RC_OK;
}

static const struct client_ops ops = {
    .protocol = "scale",
    .on_queue_delivery = on_queue_delivery,
    .on_session_delivery = on_session_delivery,
};

/* ---- life ---- */

static void on_wake(void *arg)
{
    (void)arg;
    (void)sem_post(&woken);
}

void scale_open(struct scale *s, const char *directory, bool has_sync)
{
    struct store_config store_config = STORE_CONFIG_DEFAULT;
    struct core_config config = CORE_CONFIG_DEFAULT;
    uint64_t start = bench_now_ns();

    *s = (struct scale){ 0 };
    if (sem_init(&woken, 0, 0) != 0)
        bench_fail("sem_init", 0);
    store_config.directory = directory;
    store_config.has_sync = has_sync;
    store_config.is_prewritten = false; /* the zeros would count as written */
    config.wake = on_wake;
    config.retention_ms = 0; /* nothing goes while it is measured */
    config.retention_bytes = 0;
    if (lmdb_store_open(&store_config, &s->store) != RC_OK)
        bench_fail("the store does not open", 0);
    s->open_store_ns = bench_now_ns() - start;
    start = bench_now_ns();
    if (core_new(s->store, &config, &s->core) != RC_OK)
        bench_fail("the core does not open", 0);
    s->open_core_ns = bench_now_ns() - start;
    s->client = client_open(s->core, &ops, s, true);
}

void scale_close(struct scale *s)
{
    client_close(&s->client);
    scale_flush(s);
    core_free(&s->core);
    store_close(&s->store);
    MEM_FREE(s->taken);
    (void)sem_destroy(&woken);
}

void scale_turn(struct scale *s)
{
    core_turn_end(s->core);
    while (sem_trywait(&woken) == 0)
        ;
    core_poll(s->core);
}

static void wait_a_moment(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_NS;
    if (until.tv_nsec >= (long)BENCH_NS_PER_SECOND) {
        until.tv_nsec -= (long)BENCH_NS_PER_SECOND;
        until.tv_sec++;
    }
    (void)sem_timedwait(&woken, &until);
}

void scale_drain_to(struct scale *s, uint64_t bytes)
{
    scale_turn(s);
    while (store_backlog_bytes(s->store) > bytes) {
        wait_a_moment();
        scale_turn(s);
    }
}

void scale_flush(struct scale *s)
{
    core_turn_end(s->core);
    if (store_flush(s->store) != RC_OK)
        bench_fail("the store is stalled", 0);
    scale_turn(s);
}

void scale_until_delivered(struct scale *s, uint64_t count)
{
    uint64_t before;

    while (s->delivered < count) {
        before = s->delivered;
        scale_turn(s);
        if (s->delivered == before)
            wait_a_moment();
    }
}

void scale_publish(struct scale *s, const char *address, struct slice value, bool is_persistent)
{
    struct slice at = slice_str(address);
    struct message_spec spec = { .address = at,
                                 .key = name_subject(at),
                                 .value = value,
                                 .timestamp_ms = core_wall_ms(s->core),
                                 .qos = 1,
                                 .flags = is_persistent ? MESSAGE_PERSISTENT : 0 };
    struct message *message = message_new(&spec);
    enum rc rc = publish_address(s->client, &message);

    if (rc != RC_OK && rc != RC_NO_ROUTE)
        bench_fail(rc_word(rc), 0);
}

struct queue *scale_queue(struct scale *s, const char *name)
{
    const struct queue_spec spec = { .name = slice_str(name),
                                     .is_durable = true,
                                     .arguments = SLICE("") };
    struct queue *queue = NULL;
    enum rc rc = queue_declare(s->client, &spec, &queue);

    if (rc != RC_OK && rc != RC_EXISTS)
        bench_fail(rc_word(rc), 0);
    return queue;
}
