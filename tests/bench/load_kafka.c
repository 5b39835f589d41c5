/* SPDX-License-Identifier: Apache-2.0 */
/* Load by the Kafka protocol on one partition: produce prebuilt batches with several requests in
 * flight; fetch a topic from its start; or produce at a rate while a second connection fetches by
 * long poll. Each batch carries its number, so that it is seen to come once and in order. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "broker/record/batch.h"
#include "tests/bench/kafka_wire.h"

#define MAX_IN_FLIGHT 1024
#define STUCK_MS      10000
#define MAX_POLL_MS   10

static const char *host = "127.0.0.1", *topic = "bench-kafka", *mode = "produce";
static uint64_t port = 9092, pid, size = 1024, records = 16, acks_all, in_flight = 5, seconds = 3;
static uint64_t warm_ms = 700, messages, fetch_bytes = 1 << 20, rate;

struct mark {
    uint64_t at_ns, cpu_ns, own_ns, count;
};

static struct mark mark_now(uint64_t count)
{
    return (struct mark){ bench_now_ns(), bench_cpu_ns((pid_t)pid), bench_own_cpu_ns(), count };
}

static void report(const char *scenario, const struct mark *from, const struct mark *to,
                   const struct histogram *latency, const struct histogram *ack_latency)
{
    double time = (double)(to->at_ns - from->at_ns) / 1e9;
    double count = (double)(to->count - from->count);

    if (to->count == from->count)
        bench_fail("no record came while measuring", 0);
    printf("{\"scenario\":\"%s\",\"size\":%llu,\"records_per_batch\":%llu,\"messages\":%.0f"
           ",\"seconds\":%.3f,\"rate\":%.0f,\"mb_s\":%.1f,\"cpu_us\":%.4f,\"cores\":%.3f"
           ",\"generator_us\":%.4f",
           scenario, (unsigned long long)size, (unsigned long long)records, count, time,
           count / time, count * (double)size / time / 1e6,
           (double)(to->cpu_ns - from->cpu_ns) / 1e3 / count,
           (double)(to->cpu_ns - from->cpu_ns) / 1e9 / time,
           (double)(to->own_ns - from->own_ns) / 1e3 / count);
    histogram_print(latency, "");
    if (ack_latency != NULL)
        histogram_print(ack_latency, "ack_");
    printf(",\"rss_kb\":%llu}\n", (unsigned long long)bench_rss_bytes((pid_t)pid) / 1024);
}

/* --- fetching --- */

struct fetching {
    struct kafka_wire wire;
    struct text request;
    size_t stamp_at; /* of the number in a batch */
    uint64_t offset, end;
    uint64_t batches;
    uint64_t records;
    bool is_measuring;
    struct histogram latency;
};

static void start_fetching(struct fetching *f)
{
    struct kafka_produce like;

    kafka_open(&f->wire, host, port);
    kafka_make_topic(&f->wire, topic);
    kafka_make_produce(&like, topic, records, size, false);
    f->stamp_at = like.stamp_at;
    text_done(&like.request);
}

static void stop_fetching(struct fetching *f)
{
    kafka_close(&f->wire);
    text_done(&f->request);
    mem_free(f);
}

/* All whole batches of an answer: each must be the next. */
static void take_batches(struct fetching *f, struct slice bytes, uint64_t now_ns)
{
    struct batch_header h;
    size_t whole;

    while (bytes.len > 0 && batch_peek(bytes, &h, NULL, &whole) == RC_OK) {
        if (batch_check_crc(slice_of(bytes.at, whole)) != RC_OK)
            bench_fail("a batch whose CRC is wrong", 0);
        if (h.base_offset != f->offset || h.record_count != records)
            bench_fail("a batch that is not the next", 0);
        if (bench_get_u64(bytes.at + f->stamp_at) != f->batches)
            bench_fail("a batch lost, repeated or out of order", 0);
        if (f->is_measuring && now_ns > 0)
            histogram_add(&f->latency, now_ns - bench_get_u64(bytes.at + f->stamp_at + 8));
        f->offset += h.record_count;
        f->records += h.record_count;
        f->batches++;
        bytes = slice_after(bytes, whole);
    }
}

/* From the start to the end, once. */
static void fetch_all(struct fetching *f)
{
    f->offset = 0;
    f->batches = 0;
    do {
        uint64_t sent_ns = bench_now_ns();
        uint64_t before = f->offset;
        struct rd r;

        kafka_make_fetch(&f->request, topic, f->offset, fetch_bytes);
        r = kafka_ask(&f->wire, &f->request);
        histogram_add(&f->latency, bench_now_ns() - sent_ns);
        take_batches(f, kafka_take_fetched(r, &f->end), 0);
        if (f->offset == before && f->offset < f->end)
            bench_fail("a fetch answer without records", 0);
    } while (f->offset < f->end);
}

static int fetch(void)
{
    struct fetching *f = mem_new(struct fetching);
    struct mark from, to;

    start_fetching(f);
    fetch_all(f);
    if (f->end == 0 || (messages > 0 && f->end < messages))
        bench_fail("the topic holds fewer records than it should", 0);
    memset(&f->latency, 0, sizeof(f->latency));
    from = mark_now(f->records);
    do
        fetch_all(f);
    while (bench_now_ns() < from.at_ns + seconds * BENCH_NS_PER_SECOND);
    to = mark_now(f->records);
    report("kafka fetch", &from, &to, &f->latency, NULL);
    stop_fetching(f);
    return 0;
}

/* --- producing, and fetching what is produced --- */

struct producing {
    struct kafka_wire wire;
    struct kafka_produce produce;
    uint64_t sent, answered; /* batches */
    size_t written;          /* of the request that is being written */
    uint64_t next_offset;
    bool is_measuring;
    uint64_t started_ns;
    uint64_t sent_ns[MAX_IN_FLIGHT];
    struct histogram latency;
    struct fetching *fetching; /* NULL: nobody reads along */
};

static void read_answers(struct producing *p)
{
    uint64_t now_ns;
    size_t taken = 0;
    struct rd r;

    if (!kafka_read(&p->wire))
        return;
    now_ns = bench_now_ns();
    while (kafka_next_answer(&p->wire, &taken, &r)) {
        uint64_t offset = kafka_take_produced(r);

        if (p->answered > 0 && offset != p->next_offset)
            bench_fail("the offset answered is not the next", 0);
        p->next_offset = offset + records;
        if (p->is_measuring)
            histogram_add(&p->latency, now_ns - p->sent_ns[p->answered % MAX_IN_FLIGHT]);
        p->answered++;
    }
    kafka_taken(&p->wire, taken);
}

static void send_fetch(struct fetching *f)
{
    kafka_make_fetch(&f->request, topic, f->offset, fetch_bytes);
    kafka_number(&f->wire, &f->request);
    bench_write_all(f->wire.fd, text_slice(&f->request)); /* small: it fits the socket */
}

static void read_fetched(struct fetching *f)
{
    size_t taken = 0;
    struct rd r;

    if (!kafka_read(&f->wire) || !kafka_next_answer(&f->wire, &taken, &r))
        return;
    take_batches(f, kafka_take_fetched(r, &f->end), bench_now_ns());
    kafka_taken(&f->wire, taken);
    send_fetch(f);
}

static bool may_send(const struct producing *p, uint64_t now_ns)
{
    if (p->sent - p->answered >= in_flight)
        return false;
    return rate == 0 || (now_ns - p->started_ns) * rate / BENCH_NS_PER_SECOND > p->sent;
}

/* Writes as many requests as may be in flight; false when the socket is full. */
static bool send_requests(struct producing *p)
{
    const struct text *request = &p->produce.request;
    uint64_t now_ns = bench_now_ns();

    while (p->written > 0 || may_send(p, now_ns)) {
        ssize_t n;

        if (p->written == 0) {
            uint64_t due_ns =
                rate == 0 ? now_ns : p->started_ns + (p->sent + 1) * BENCH_NS_PER_SECOND / rate;

            kafka_stamp(&p->wire, &p->produce, p->sent, due_ns);
            p->sent_ns[p->sent % MAX_IN_FLIGHT] = due_ns;
        }
        n = write(p->wire.fd, request->at + p->written, request->len - p->written);
        if (n < 0 && errno != EAGAIN)
            bench_fail("write", errno);
        if (n > 0)
            p->written += (size_t)n;
        if (p->written < request->len)
            return false;
        p->written = 0;
        p->sent++;
    }
    return true;
}

/* How long to wait when nothing happens: until the next request is due. */
static struct timespec pause_of(const struct producing *p)
{
    uint64_t now_ns = bench_now_ns();
    uint64_t due_ns;

    if (rate == 0)
        return (struct timespec){ STUCK_MS / 1000, 0 };
    due_ns = p->started_ns + (p->sent + 1) * BENCH_NS_PER_SECOND / rate;
    if (due_ns <= now_ns) /* waits for an answer: more may not be in flight */
        return (struct timespec){ 0, MAX_POLL_MS * 1000000 };
    due_ns -= now_ns;
    return (struct timespec){ (time_t)(due_ns / BENCH_NS_PER_SECOND),
                              (long)(due_ns % BENCH_NS_PER_SECOND) };
}

/* Until the time, and until `most` batches were sent when that is not 0. */
static void produce_until(struct producing *p, uint64_t until_ns, uint64_t most)
{
    while (bench_now_ns() < until_ns && (most == 0 || p->sent < most)) {
        bool is_written = send_requests(p);
        struct timespec wait = pause_of(p);
        struct pollfd fds[2] = {
            { p->wire.fd, (short)(is_written ? POLLIN : POLLIN | POLLOUT), 0 },
            { p->fetching == NULL ? -1 : p->fetching->wire.fd, POLLIN, 0 },
        };
        int n = ppoll(fds, 2, &wait, NULL);

        if (n < 0 || (n == 0 && rate == 0))
            bench_fail("nothing comes any more", n < 0 ? errno : 0);
        if (fds[0].revents & (POLLIN | POLLERR | POLLHUP))
            read_answers(p);
        if (fds[1].revents != 0)
            read_fetched(p->fetching);
    }
}

/* The answers, and the records at the reader, of all that was sent. */
static void drain(struct producing *p)
{
    bench_set_blocking(p->wire.fd, true);
    if (p->written > 0) {
        bench_write_all(p->wire.fd, slice_after(text_slice(&p->produce.request), p->written));
        p->sent++;
    }
    while (p->answered < p->sent)
        read_answers(p);
    while (p->fetching != NULL && p->fetching->batches < p->sent) {
        struct pollfd fd = { p->fetching->wire.fd, POLLIN, 0 };

        if (poll(&fd, 1, STUCK_MS) != 1)
            bench_fail("records lost: the reader does not get them", 0);
        read_fetched(p->fetching);
    }
}

static uint64_t count_of(const struct producing *p)
{
    return p->fetching == NULL ? p->answered * records : p->fetching->records;
}

static int produce(bool is_live)
{
    struct producing *p = mem_new(struct producing);
    struct mark from, to;
    char scenario[64];

    kafka_open(&p->wire, host, port);
    kafka_make_topic(&p->wire, topic);
    kafka_make_produce(&p->produce, topic, records, size, acks_all);
    bench_set_blocking(p->wire.fd, false);
    if (is_live) {
        p->fetching = mem_new(struct fetching);
        start_fetching(p->fetching);
        bench_set_blocking(p->fetching->wire.fd, false);
        send_fetch(p->fetching);
    }
    p->started_ns = bench_now_ns();
    produce_until(p, p->started_ns + warm_ms * 1000000, 0);
    from = mark_now(count_of(p));
    p->is_measuring = true;
    if (is_live)
        p->fetching->is_measuring = true;
    produce_until(p, from.at_ns + seconds * BENCH_NS_PER_SECOND, messages / records);
    to = mark_now(count_of(p));
    drain(p);
    (void)snprintf(scenario, sizeof(scenario), "kafka %s acks=%s", mode, acks_all ? "all" : "1");
    report(scenario, &from, &to, is_live ? &p->fetching->latency : &p->latency,
           is_live ? &p->latency : NULL);
    fprintf(stderr, "batches %llu batch bytes %zu\n", (unsigned long long)p->answered,
            p->produce.request.len - p->produce.batch_at);
    if (is_live)
        stop_fetching(p->fetching);
    kafka_close(&p->wire);
    text_done(&p->produce.request);
    mem_free(p);
    return 0;
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        { "host", NULL, &host, "address of the broker" },
        { "port", &port, NULL, "its port" },
        { "pid", &pid, NULL, "its process, to read its processor time; 0: not" },
        { "mode", NULL, &mode, "produce, fetch, or live: both, of a topic not yet used" },
        { "topic", NULL, &topic, "partition 0 of it" },
        { "size", &size, NULL, "bytes of a value, at least 16" },
        { "records", &records, NULL, "records a batch" },
        { "acks-all", &acks_all, NULL, "1: acks=all, 0: acks=1" },
        { "in-flight", &in_flight, NULL, "requests under way" },
        { "rate", &rate, NULL, "requests a second; 0: as many as go" },
        { "seconds", &seconds, NULL, "how long to measure" },
        { "warm-ms", &warm_ms, NULL, "how long to produce before" },
        { "messages", &messages, NULL,
          "produce: so many and no more; fetch: there must be so many" },
        { "fetch-bytes", &fetch_bytes, NULL, "most bytes of one answer" },
        { NULL, NULL, NULL, NULL },
    };

    if (bench_options(argc, argv, options) != argc || size < KAFKA_STAMP_BYTES || records == 0 ||
        in_flight == 0 || in_flight > MAX_IN_FLIGHT)
        bench_fail("options", 0);
    if (strcmp(mode, "fetch") == 0)
        return fetch();
    if (strcmp(mode, "live") == 0)
        return produce(true);
    if (strcmp(mode, "produce") != 0)
        bench_fail("--mode produce, fetch or live", 0);
    return produce(false);
}
