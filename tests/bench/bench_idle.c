/* SPDX-License-Identifier: Apache-2.0 */
/* Opens many connections of one protocol that then do nothing, and tells what each costs the
 * broker: resident memory, and processor time to open it and while it idles. */
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "tests/bench/bench.h"

#define UNDER_WAY   64 /* opened at once before their answers are read */
#define PER_SOURCE  20000
#define SPARE_FILES 64
#define MAX_ANSWER  4096
#define SETTLE_MS   700
#define IDLE_MS     2000

static const char *protocol = "mqtt";
static uint64_t port = 1883, pid, connections = 1000, subscribe, tls;

static void add_amqp_method(struct text *t, uint16_t channel, uint32_t method, struct slice rest)
{
    text_add_byte(t, 1);
    text_add_u16(t, channel);
    text_add_u32(t, (uint32_t)(4 + rest.len));
    text_add_u32(t, method);
    text_add(t, rest);
    text_add_byte(t, 0xce);
}

static void add_mqtt_connect(struct text *t, uint64_t number)
{
    char id[32];
    int len = snprintf(id, sizeof(id), "idle-%llu", (unsigned long long)number);

    text_add_byte(t, 0x10);
    text_add_byte(t, (uint8_t)(12 + len));
    text_add(t, SLICE("\0\4MQTT\4\2\0\0"));
    text_add_u16(t, (uint16_t)len);
    text_add(t, slice_of(id, (size_t)len));
}

/* One topic of its own for each. */
static void add_mqtt_subscribe(struct text *t, uint64_t number)
{
    char topic[48];
    int len = snprintf(topic, sizeof(topic), "idle/%llu/state", (unsigned long long)number);

    text_add_byte(t, 0x82);
    text_add_byte(t, (uint8_t)(5 + len));
    text_add_u16(t, 1);
    text_add_u16(t, (uint16_t)len);
    text_add(t, slice_of(topic, (size_t)len));
    text_add_byte(t, 0);
}

/* The bytes of step `step` of connection `number`; false when there is no such step. */
static bool write_step(struct text *t, unsigned step, uint64_t number)
{
    text_clear(t);
    if (strcmp(protocol, "mqtt") == 0) {
        if (step == 0)
            add_mqtt_connect(t, number);
        else if (step == 1 && subscribe)
            add_mqtt_subscribe(t, number);
    } else if (strcmp(protocol, "kafka") == 0) {
        if (step == 0)
            text_add(t, SLICE("\0\0\0\x0b\0\x12\0\0\0\0\0\0\0\1b"));
    } else if (step == 0) {
        text_add(t, SLICE("AMQP\0\0\x09\x01"));
    } else if (step == 1) {
        add_amqp_method(t, 0, 10 << 16 | 11,
                        SLICE("\0\0\0\0\5PLAIN\0\0\0\x0c\0guest\0guest\5en_US"));
    } else if (step == 2) { /* tune-ok and open: one answer */
        add_amqp_method(t, 0, 10 << 16 | 31, SLICE("\0\x0a\0\2\0\0\0\0"));
        add_amqp_method(t, 0, 10 << 16 | 40, SLICE("\1/\0\0"));
    } else if (step == 3) {
        add_amqp_method(t, 1, 20 << 16 | 10, SLICE("\0"));
    }
    return t->len > 0;
}

static void allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_fail("getrlimit", errno);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_fail("setrlimit", errno);
    if (connections + SPARE_FILES > limit.rlim_max)
        bench_fail("more connections than files may be open", 0);
}

static void read_answer(int fd)
{
    struct pollfd answer = { fd, POLLIN, 0 };
    uint8_t bytes[MAX_ANSWER];

    if ((!bench_has_pending(fd) && poll(&answer, 1, 10000) != 1) ||
        bench_read(fd, bytes, sizeof(bytes)) <= 0)
        bench_fail("no answer", errno);
}

/* Opens connections from..from+count, all their steps together. */
static void open_group(int *fds, uint64_t from, uint64_t count)
{
    struct text t = { 0 };
    bool is_more = true;

    for (uint64_t i = from; i < from + count; i++) {
        char source[16];

        (void)snprintf(source, sizeof(source), "127.0.0.%u", (unsigned)(2 + i / PER_SOURCE));
        fds[i] = bench_try_connect("127.0.0.1", port, source);
        if (fds[i] < 0)
            bench_fail("connect", errno);
        if (tls)
            bench_start_tls(fds[i]);
    }
    for (unsigned step = 0; is_more; step++) {
        for (uint64_t i = from; i < from + count && is_more; i++) {
            is_more = write_step(&t, step, i);
            if (is_more)
                bench_write_all(fds[i], text_slice(&t));
        }
        for (uint64_t i = from; i < from + count && is_more; i++)
            read_answer(fds[i]);
    }
    text_done(&t);
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        { "protocol", NULL, &protocol, "mqtt, amqp (with a channel) or kafka" },
        { "port", &port, NULL, "of the broker" },
        { "pid", &pid, NULL, "its process" },
        { "connections", &connections, NULL, "how many" },
        { "subscribe", &subscribe, NULL, "1: each MQTT client subscribes one topic" },
        { "tls", &tls, NULL, "1: by TLS" },
        { NULL, NULL, NULL, NULL },
    };
    uint64_t before, after, cpu_ns, idle_ns, start_ns;
    double opened_s;
    int *fds;

    if (bench_options(argc, argv, options) != argc || connections == 0)
        bench_fail("options", 0);
    allow_files();
    fds = mem_zeroed_array(connections, sizeof(*fds));
    open_group(fds, 0, 1); /* what the first one alone makes the broker allocate does not count */
    before = bench_rss_bytes((pid_t)pid);
    cpu_ns = bench_cpu_ns((pid_t)pid);
    start_ns = bench_now_ns();
    for (uint64_t at = 1; at < connections; at += UNDER_WAY)
        open_group(fds, at, connections - at < UNDER_WAY ? connections - at : UNDER_WAY);
    opened_s = (double)(bench_now_ns() - start_ns) / 1e9;
    cpu_ns = bench_cpu_ns((pid_t)pid) - cpu_ns;
    (void)poll(NULL, 0, SETTLE_MS);
    after = bench_rss_bytes((pid_t)pid);
    idle_ns = bench_cpu_ns((pid_t)pid);
    (void)poll(NULL, 0, IDLE_MS);
    idle_ns = bench_cpu_ns((pid_t)pid) - idle_ns;
    printf("{\"scenario\":\"idle %s%s\",\"connections\":%llu,\"bytes_each\":%.0f"
           ",\"connect_cpu_us\":%.1f,\"connects_s\":%.0f,\"idle_cpu_percent\":%.3f"
           ",\"rss_kb\":%llu}\n",
           protocol, subscribe ? " subscribed" : "", (unsigned long long)connections,
           ((double)after - (double)before) / (double)(connections - 1),
           (double)cpu_ns / 1e3 / (double)(connections - 1), (double)(connections - 1) / opened_s,
           (double)idle_ns / IDLE_MS / 1e4, (unsigned long long)after / 1024);
    for (uint64_t i = 0; i < connections; i++)
        close(fds[i]);
    mem_free(fds);
    return 0;
}
