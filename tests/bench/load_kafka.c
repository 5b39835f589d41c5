/* SPDX-License-Identifier: Apache-2.0 */
/* Load by the Kafka protocol on one partition: produce prebuilt batches with several requests in
 * flight, or fetch a topic from its start. Each batch carries its number in its first record, so
 * that a fetch proves that all came once and in order. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/record/builder.h"
#include "broker/record/crc32c.h"
#include "broker/record/record.h"
#include "tests/bench/bench.h"

#define API_PRODUCE      0
#define PRODUCE_VERSION  7
#define API_FETCH        1
#define FETCH_VERSION    11
#define API_METADATA     3
#define METADATA_VERSION 4
#define CLIENT_ID        "bench"
#define AT_CORRELATION   8
#define AT_CRC           17
#define AT_ATTRIBUTES    21
#define STAMP_BYTES      16
#define MAX_IN_FLIGHT    1024
#define TIMEOUT_MS       10000
#define MAX_ANSWER_BYTES ((size_t)64 << 20)

static const char *host = "127.0.0.1", *topic = "bench-kafka", *mode = "produce";
static uint64_t port = 9092, pid, size = 1024, records = 16, acks_all, in_flight = 5, seconds = 3;
static uint64_t warm_ms = 700, messages, fetch_bytes = 1 << 20, first_batch, rate;

static int connection;
static struct text request;        /* one request, patched for each send */
static size_t batch_at;            /* of the batch in it */
static size_t stamp_at;            /* of the number in it */
static uint32_t next_correlation;  /* of the request that goes next */
static uint32_t await_correlation; /* of the answer that comes next */

/* --- requests and answers --- */

static void add_string(struct text *t, const char *s)
{
    text_add_u16(t, (uint16_t)strlen(s));
    text_add(t, slice_str(s));
}

static void begin_request(struct text *t, uint16_t api, uint16_t version)
{
    text_clear(t);
    text_add_u32(t, 0); /* length */
    text_add_u16(t, api);
    text_add_u16(t, version);
    text_add_u32(t, 0); /* correlation */
    add_string(t, CLIENT_ID);
}

static void end_request(struct text *t)
{
    if (t->bad)
        bench_fail("memory", 0);
    put_u32(t->at, (uint32_t)(t->len - 4));
}

static void number_request(struct text *t)
{
    put_u32(t->at + AT_CORRELATION, next_correlation++);
}

/* One answer in `in`, behind its correlation; gives its whole length, 0 when it is not whole. */
static size_t whole_answer(struct slice in, struct rd *ret)
{
    struct rd r = rd_of(in);
    uint32_t len = rd_u32(&r);

    if (!r.bad && len > MAX_ANSWER_BYTES)
        bench_fail("an answer of senseless length", 0);
    *ret = rd_fence(&r, len);
    if (r.bad)
        return 0;
    if (rd_u32(ret) != await_correlation++)
        bench_fail("answers out of order", 0);
    return in.len - r.left;
}

/* Blocking: sends `t`, and reads the answer into `in`. */
static struct rd ask(struct text *t, struct text *in)
{
    struct rd r;
    uint8_t head[4];
    size_t len;

    number_request(t);
    bench_write_all(connection, text_slice(t));
    bench_read_exactly(connection, head, sizeof(head));
    len = rd_u32(&(struct rd){ head, sizeof(head), false });
    text_clear(in);
    if (len > MAX_ANSWER_BYTES || !text_reserve(in, len + 4))
        bench_fail("an answer of senseless length", 0);
    memcpy(in->at, head, sizeof(head));
    bench_read_exactly(connection, in->at + 4, len);
    in->len = len + 4;
    if (whole_answer(text_slice(in), &r) == 0)
        bench_fail("answer", 0);
    return r;
}

static void check_error(int16_t error)
{
    if (error == 0)
        return;
    fprintf(stderr, "bench: the broker answers error %d\n", error);
    exit(EXIT_FAILURE);
}

/* Asks for the topic until it is there. */
static void make_topic(void)
{
    struct text t = { 0 }, in = { 0 };
    int16_t error = -1;

    for (int i = 0; i < 100 && error != 0; i++) {
        struct rd r;

        begin_request(&t, API_METADATA, METADATA_VERSION);
        text_add_u32(&t, 1);
        add_string(&t, topic);
        text_add_byte(&t, 1); /* create it */
        end_request(&t);
        r = ask(&t, &in);
        (void)rd_u32(&r); /* throttle */
        for (uint32_t brokers = rd_u32(&r); brokers > 0 && !r.bad; brokers--) {
            uint16_t rack;

            (void)rd_u32(&r);
            (void)rd_bytes(&r, rd_u16(&r));
            (void)rd_u32(&r);
            rack = rd_u16(&r);
            (void)rd_bytes(&r, rack == UINT16_MAX ? 0 : rack);
        }
        (void)rd_bytes(&r, rd_u16(&r)); /* cluster */
        (void)rd_u32(&r);               /* controller */
        if (rd_u32(&r) != 1)
            bench_fail("metadata without the topic", 0);
        error = rd_i16(&r);
        if (r.bad)
            bench_fail("metadata", 0);
        if (error != 0 && poll(NULL, 0, 50) < 0)
            bench_fail("poll", errno);
    }
    check_error(error);
    text_done(&t);
    text_done(&in);
}

/* --- producing --- */

/* The batch: `records` values of `size` bytes, no keys. */
static struct block *make_batch(void)
{
    struct batch_builder b;
    struct block *block;
    uint8_t *value = mem_zeroed(size);

    memset(value, 'x', size);
    batch_builder_init(&b, (size_t)512 << 20, 0);
    for (uint64_t i = 0; i < records; i++)
        if (batch_builder_add(&b, 1, SLICE_NONE, slice_of(value, size), 0, SLICE_NONE) != RC_OK)
            bench_fail("batch", 0);
    batch_builder_seal(&b, 0, &block);
    mem_free(value);
    return block;
}

static void make_produce(void)
{
    struct block *batch = make_batch();
    struct record_reader reader;
    struct record first;

    begin_request(&request, API_PRODUCE, PRODUCE_VERSION);
    text_add_u16(&request, UINT16_MAX); /* no transaction */
    text_add_u16(&request, acks_all ? UINT16_MAX : 1);
    text_add_u32(&request, TIMEOUT_MS);
    text_add_u32(&request, 1);
    add_string(&request, topic);
    text_add_u32(&request, 1);
    text_add_u32(&request, 0); /* partition */
    text_add_u32(&request, (uint32_t)batch->len);
    batch_at = request.len;
    text_add(&request, block_slice(batch));
    end_request(&request);
    if (record_reader_open(block_slice(batch), 0, NULL, &reader, NULL, NULL) != RC_OK ||
        record_next(&reader, &first) != RC_OK)
        bench_fail("batch", 0);
    stamp_at = (size_t)(first.value.at - batch->at);
    block_unref(&batch);
}

static void stamp_batch(uint64_t number)
{
    uint8_t *batch = request.at + batch_at;
    size_t len = request.len - batch_at;

    bench_put_u64(batch + stamp_at, number);
    put_u32(batch + AT_CRC, crc32c(slice_of(batch + AT_ATTRIBUTES, len - AT_ATTRIBUTES)));
    number_request(&request);
}

struct producing {
    uint64_t sent, answered; /* batches */
    size_t written;          /* of the request that is being written */
    uint64_t next_offset;
    bool is_measuring;
    uint64_t started_ns;
    uint64_t sent_ns[MAX_IN_FLIGHT];
    struct histogram latency;
    struct text in;
};

static void take_produced(struct producing *p, struct rd r, uint64_t now_ns)
{
    uint64_t offset;

    if (rd_u32(&r) != 1)
        bench_fail("a produce answer without the topic", 0);
    (void)rd_bytes(&r, rd_u16(&r));
    (void)rd_u32(&r);
    (void)rd_u32(&r); /* partition */
    check_error(rd_i16(&r));
    offset = rd_u64(&r);
    if (r.bad || (p->answered > 0 && offset != p->next_offset))
        bench_fail("the offset answered is not the next", 0);
    p->next_offset = offset + records;
    if (p->is_measuring)
        histogram_add(&p->latency, now_ns - p->sent_ns[p->answered % MAX_IN_FLIGHT]);
    p->answered++;
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
    uint64_t now_ns = bench_now_ns();

    while (p->written > 0 || may_send(p, now_ns)) {
        ssize_t n;

        if (p->written == 0) {
            stamp_batch(first_batch + p->sent);
            p->sent_ns[p->sent % MAX_IN_FLIGHT] =
                rate == 0 ? now_ns : p->started_ns + p->sent * BENCH_NS_PER_SECOND / rate;
        }
        n = write(connection, request.at + p->written, request.len - p->written);
        if (n < 0 && errno != EAGAIN)
            bench_fail("write", errno);
        if (n > 0)
            p->written += (size_t)n;
        if (p->written < request.len)
            return false;
        p->written = 0;
        p->sent++;
    }
    return true;
}

static void read_answers(struct producing *p)
{
    uint64_t now_ns;
    size_t taken = 0;
    struct rd r;
    ssize_t n;
    size_t len;

    if (!text_reserve(&p->in, 65536))
        bench_fail("memory", 0);
    n = read(connection, p->in.at + p->in.len, p->in.room - p->in.len);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        bench_fail("the broker closed the connection", n < 0 ? errno : 0);
    now_ns = bench_now_ns();
    p->in.len += (size_t)n;
    while ((len = whole_answer(slice_after(text_slice(&p->in), taken), &r)) > 0) {
        take_produced(p, r, now_ns);
        taken += len;
    }
    memmove(p->in.at, p->in.at + taken, p->in.len - taken);
    p->in.len -= taken;
}

/* Until the time, and until `most` batches were sent when that is not 0. */
static void produce_until(struct producing *p, uint64_t until_ns, uint64_t most)
{
    while (bench_now_ns() < until_ns && (most == 0 || p->sent < most)) {
        bool is_written = send_requests(p);
        struct pollfd fd = { connection, (short)(is_written ? POLLIN : POLLIN | POLLOUT), 0 };
        int wait_ms = rate == 0 ? TIMEOUT_MS : p->sent - p->answered < in_flight ? 0 : 1;
        int n = poll(&fd, 1, wait_ms);

        if (n < 0 || (n == 0 && rate == 0))
            bench_fail("nothing comes any more", n < 0 ? errno : 0);
        if (fd.revents & (POLLIN | POLLERR | POLLHUP))
            read_answers(p);
    }
}

static void drain(struct producing *p)
{
    bench_set_blocking(connection, true);
    if (p->written > 0) {
        bench_write_all(connection, slice_after(text_slice(&request), p->written));
        p->sent++;
    }
    while (p->answered < p->sent)
        read_answers(p);
}

struct mark {
    uint64_t at_ns, cpu_ns, own_ns, count;
};

static struct mark mark_now(uint64_t count)
{
    return (struct mark){ bench_now_ns(), bench_cpu_ns((pid_t)pid), bench_own_cpu_ns(), count };
}

static void report(const char *scenario, const struct mark *from, const struct mark *to,
                   const struct histogram *latency)
{
    double time = (double)(to->at_ns - from->at_ns) / 1e9;
    double count = (double)(to->count - from->count);

    printf("{\"scenario\":\"%s\",\"size\":%llu,\"records_per_batch\":%llu,\"messages\":%.0f"
           ",\"seconds\":%.3f,\"rate\":%.0f,\"mb_s\":%.1f,\"cpu_us\":%.4f,\"cores\":%.3f"
           ",\"generator_us\":%.4f",
           scenario, (unsigned long long)size, (unsigned long long)records, count, time,
           count / time, count * (double)size / time / 1e6,
           (double)(to->cpu_ns - from->cpu_ns) / 1e3 / count,
           (double)(to->cpu_ns - from->cpu_ns) / 1e9 / time,
           (double)(to->own_ns - from->own_ns) / 1e3 / count);
    histogram_print(latency, "");
    printf(",\"rss_kb\":%llu}\n", (unsigned long long)bench_rss_bytes((pid_t)pid) / 1024);
}

static int produce(void)
{
    struct producing *p = mem_new(struct producing);
    struct mark from, to;
    char scenario[64];

    make_produce();
    bench_set_blocking(connection, false);
    p->started_ns = bench_now_ns();
    produce_until(p, p->started_ns + warm_ms * 1000000, 0);
    from = mark_now(p->answered * records);
    p->is_measuring = true;
    produce_until(p, from.at_ns + seconds * BENCH_NS_PER_SECOND, messages / records);
    to = mark_now(p->answered * records);
    if (to.count == from.count)
        bench_fail("no batch was answered while measuring", 0);
    drain(p);
    (void)snprintf(scenario, sizeof(scenario), "kafka produce acks=%s", acks_all ? "all" : "1");
    report(scenario, &from, &to, &p->latency);
    fprintf(stderr, "batches %llu batch bytes %zu\n", (unsigned long long)p->answered,
            request.len - batch_at);
    text_done(&p->in);
    text_done(&request);
    mem_free(p);
    return 0;
}

/* --- fetching --- */

struct fetching {
    uint64_t offset, end;
    uint64_t batches;
    uint64_t records;
    struct histogram latency;
};

static void make_fetch(const struct fetching *f)
{
    begin_request(&request, API_FETCH, FETCH_VERSION);
    text_add_u32(&request, UINT32_MAX); /* no replica */
    text_add_u32(&request, 500);        /* wait */
    text_add_u32(&request, 1);          /* bytes at least */
    text_add_u32(&request, (uint32_t)fetch_bytes);
    text_add_byte(&request, 0); /* read uncommitted */
    text_add_u32(&request, 0);  /* no session */
    text_add_u32(&request, UINT32_MAX);
    text_add_u32(&request, 1);
    add_string(&request, topic);
    text_add_u32(&request, 1);
    text_add_u32(&request, 0); /* partition */
    text_add_u32(&request, UINT32_MAX);
    text_add_u64(&request, f->offset);
    text_add_u64(&request, UINT64_MAX);
    text_add_u32(&request, (uint32_t)fetch_bytes);
    text_add_u32(&request, 0); /* nothing forgotten */
    add_string(&request, "");
    end_request(&request);
}

/* All whole batches of an answer: each must be the next. */
static void take_batches(struct fetching *f, struct slice bytes)
{
    struct batch_header h;
    size_t whole;

    while (bytes.len > 0 && batch_peek(bytes, &h, NULL, &whole) == RC_OK) {
        if (batch_check_crc(slice_of(bytes.at, whole)) != RC_OK)
            bench_fail("a batch whose CRC is wrong", 0);
        if (h.base_offset != f->offset || h.record_count != h.last_offset_delta + 1)
            bench_fail("a batch that is not the next", 0);
        if (h.record_count == records && bench_get_u64(bytes.at + stamp_at) != f->batches)
            bench_fail("a batch lost, repeated or out of order", 0);
        f->offset += h.record_count;
        f->records += h.record_count;
        f->batches++;
        bytes = slice_after(bytes, whole);
    }
}

static void take_fetched(struct fetching *f, struct rd r)
{
    uint64_t before = f->offset;
    uint32_t aborted;

    (void)rd_u32(&r); /* throttle */
    check_error(rd_i16(&r));
    (void)rd_u32(&r); /* session */
    if (rd_u32(&r) != 1)
        bench_fail("a fetch answer without the topic", 0);
    (void)rd_bytes(&r, rd_u16(&r));
    (void)rd_u32(&r);
    (void)rd_u32(&r); /* partition */
    check_error(rd_i16(&r));
    f->end = rd_u64(&r);
    (void)rd_u64(&r);
    (void)rd_u64(&r);
    aborted = rd_u32(&r);
    for (uint32_t i = 0; aborted != UINT32_MAX && i < aborted && !r.bad; i++)
        (void)rd_bytes(&r, 16);
    (void)rd_u32(&r);
    take_batches(f, rd_bytes(&r, rd_u32(&r)));
    if (r.bad || (f->offset == before && f->offset < f->end))
        bench_fail("a fetch answer without records", 0);
}

/* From the start to the end, once. */
static void fetch_all(struct fetching *f, struct text *in)
{
    f->offset = 0;
    f->batches = 0;
    do {
        uint64_t sent_ns = bench_now_ns();
        struct rd r;

        make_fetch(f);
        r = ask(&request, in);
        histogram_add(&f->latency, bench_now_ns() - sent_ns);
        take_fetched(f, r);
    } while (f->offset < f->end);
}

static int fetch(void)
{
    struct fetching *f = mem_new(struct fetching);
    struct text in = { 0 };
    struct mark from, to;

    make_produce(); /* tells where a batch has its number */
    fetch_all(f, &in);
    if (f->end == 0 || (messages > 0 && f->end < messages))
        bench_fail("the topic holds fewer records than it should", 0);
    memset(&f->latency, 0, sizeof(f->latency));
    from = mark_now(f->records);
    do
        fetch_all(f, &in);
    while (bench_now_ns() < from.at_ns + seconds * BENCH_NS_PER_SECOND);
    to = mark_now(f->records);
    report("kafka fetch", &from, &to, &f->latency);
    text_done(&in);
    text_done(&request);
    mem_free(f);
    return 0;
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        { "host", NULL, &host, "address of the broker" },
        { "port", &port, NULL, "its port" },
        { "pid", &pid, NULL, "its process, to read its processor time; 0: not" },
        { "mode", NULL, &mode, "produce or fetch" },
        { "topic", NULL, &topic, "partition 0 of it" },
        { "size", &size, NULL, "bytes of a value, at least 16" },
        { "records", &records, NULL, "records a batch" },
        { "acks-all", &acks_all, NULL, "1: acks=all, 0: acks=1" },
        { "in-flight", &in_flight, NULL, "requests under way" },
        { "rate", &rate, NULL, "requests a second; 0: as many as go" },
        { "seconds", &seconds, NULL, "how long to measure" },
        { "warm-ms", &warm_ms, NULL, "how long to produce before" },
        { "messages", &messages, NULL,
          "produce: stop after so many; fetch: there must be so many" },
        { "first-batch", &first_batch, NULL, "number of the first batch" },
        { "fetch-bytes", &fetch_bytes, NULL, "most bytes of one answer" },
        { NULL, NULL, NULL, NULL },
    };
    bool is_fetch;
    int status;

    if (bench_options(argc, argv, options) != argc || size < STAMP_BYTES || records == 0 ||
        in_flight == 0 || in_flight > MAX_IN_FLIGHT)
        bench_fail("options", 0);
    is_fetch = strcmp(mode, "fetch") == 0;
    if (!is_fetch && strcmp(mode, "produce") != 0)
        bench_fail("--mode produce or fetch", 0);
    connection = bench_connect(host, port);
    make_topic();
    status = is_fetch ? fetch() : produce();
    close(connection);
    return status;
}
