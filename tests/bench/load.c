/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/mem.h"

#define IN_BYTES        ((size_t)256 << 10)
#define EVENTS          64
#define RING_MAX_BYTES  ((size_t)16 << 20)
#define PACKET_ID_RANGE 65535
/* Nothing may come for so long before a run is given up. */
#define STUCK_NS (10 * BENCH_NS_PER_SECOND)

/* What is compared between the two ends of the measured time. */
struct mark {
    uint64_t at_ns, cpu_ns, own_cpu_ns, received, sent;
};

void load_set_packet(struct load *load, struct slice packet, size_t stamp_at, size_t packet_id_at)
{
    load->packet_bytes = packet.len;
    load->stamp_at = stamp_at;
    load->packet_id_at = packet_id_at;
    load->ring_count = 2 * load->batch;
    if (load->ring_count * packet.len > RING_MAX_BYTES)
        load->ring_count = RING_MAX_BYTES / packet.len;
    if (load->ring_multiple > 0)
        load->ring_count += load->ring_multiple - load->ring_count % load->ring_multiple;
    if (load->ring_count == 0 || load->size < LOAD_STAMP_BYTES)
        bench_fail("size out of range", 0);
    load->ring = mem_get(load->ring_count * packet.len);
    for (size_t i = 0; i < load->ring_count; i++)
        memcpy(load->ring + i * packet.len, packet.at, packet.len);
}

void load_set_peer(struct load_peer *peer, int fd, load_take_fn *take)
{
    *peer = (struct load_peer){ .fd = fd, .take = take, .in = mem_get(IN_BYTES), .step = 1 };
    bench_set_blocking(fd, false);
}

void load_received(struct load *load, struct load_peer *peer, const uint8_t *payload, size_t len,
                   size_t expected_len)
{
    uint64_t number;

    if (len != expected_len)
        bench_fail("a message of another length", 0);
    number = bench_get_u64(payload);
    if (number != peer->next)
        load->bad_order++;
    peer->next = number + peer->step;
    peer->received++;
    load->received++;
    if (load->is_measuring) {
        uint64_t sent_ns = bench_get_u64(payload + 8);

        histogram_add(&load->latency, load->now_ns > sent_ns ? load->now_ns - sent_ns : 0);
    }
}

void load_acknowledged(struct load *load, uint64_t up_to)
{
    if (up_to < load->acknowledged || up_to > load->sent)
        bench_fail("an acknowledgement of what was not sent", 0);
    for (; load->acknowledged < up_to; load->acknowledged++) {
        uint64_t sent_ns = load->sent_ns[load->acknowledged % PACKET_ID_RANGE];

        if (load->is_measuring)
            histogram_add(&load->ack_latency, load->now_ns > sent_ns ? load->now_ns - sent_ns : 0);
    }
}

static void watch(struct load *load, struct load_peer *peer, int what, bool wants_out)
{
    struct epoll_event event = { .events = EPOLLIN | (wants_out ? (uint32_t)EPOLLOUT : 0),
                                 .data.ptr = peer };

    if (epoll_ctl(load->epoll, what, peer->fd, &event) != 0)
        bench_fail("epoll_ctl", errno);
    peer->wants_out = wants_out;
}

/* Writes as much as goes; gives how much went, and watches for room when not all did. */
static size_t write_some(struct load *load, struct load_peer *peer, struct slice bytes)
{
    ssize_t n = bench_write(peer->fd, bytes.at, bytes.len);

    if (n < 0 && errno != EAGAIN)
        bench_fail("write", errno);
    if (n < 0)
        n = 0;
    if (((size_t)n < bytes.len) != peer->wants_out)
        watch(load, peer, EPOLL_CTL_MOD, (size_t)n < bytes.len);
    return (size_t)n;
}

/* A publisher's go between two packets of the ring. */
static void flush_acknowledgements(struct load *load, struct load_peer *peer)
{
    size_t n;

    if (peer->out.len == 0 ||
        (peer == &load->publisher && load->from < load->to && load->from % load->packet_bytes != 0))
        return;
    n = write_some(load, peer, text_slice(&peer->out));
    memmove(peer->out.at, peer->out.at + n, peer->out.len - n);
    peer->out.len -= n;
}

/* Stamps the next `n` messages, which lie in one run of the ring. */
static void stamp(struct load *load, uint64_t n)
{
    size_t slot = load->sent % load->ring_count;

    load->from = slot * load->packet_bytes;
    for (uint64_t i = 0; i < n; i++) {
        uint8_t *packet = load->ring + (slot + i) * load->packet_bytes;
        uint64_t number = load->sent + i;
        uint64_t due_ns = load->rate == 0
                              ? load->now_ns
                              : load->started_ns + number * BENCH_NS_PER_SECOND / load->rate;

        bench_put_u64(packet + load->stamp_at, number);
        bench_put_u64(packet + load->stamp_at + 8, due_ns);
        load->sent_ns[number % PACKET_ID_RANGE] = due_ns;
        if (load->packet_id_at > 0) {
            unsigned id = (unsigned)(number % PACKET_ID_RANGE) + 1;

            packet[load->packet_id_at] = (uint8_t)(id >> 8);
            packet[load->packet_id_at + 1] = (uint8_t)id;
        }
    }
    load->sent += n;
    load->to = load->from + n * load->packet_bytes;
}

/* How many messages may go now. */
static uint64_t allowed(const struct load *load)
{
    uint64_t done = load->received / (load->fan == 0 ? 1 : load->fan);
    uint64_t under_way;
    uint64_t due;

    if (load->fan == 0 || (load->is_acknowledged && load->acknowledged < done))
        done = load->acknowledged;
    under_way = load->sent - done;
    if (load->rate > 0) {
        due = (load->now_ns - load->started_ns) * load->rate / BENCH_NS_PER_SECOND + 1;
        due = due > load->sent ? due - load->sent : 0;
        return under_way + due < PACKET_ID_RANGE ? due : 0;
    }
    if (under_way + load->batch > load->window)
        return under_way == 0 ? load->window : 0;
    return load->window - under_way;
}

/* Writes what is stamped; true when all of it went. */
static bool flush_ring(struct load *load)
{
    flush_acknowledgements(load, &load->publisher);
    if (load->publisher.out.len > 0 && load->from % load->packet_bytes == 0)
        return false;
    if (load->from < load->to)
        load->from += write_some(load, &load->publisher,
                                 slice_of(load->ring + load->from, load->to - load->from));
    return load->from == load->to;
}

/* Sends until the window, the time table or the socket says stop. */
static void send_some(struct load *load)
{
    while (flush_ring(load)) {
        uint64_t n = allowed(load);

        if (n > load->batch)
            n = load->batch;
        if (n > load->ring_count - load->sent % load->ring_count)
            n = load->ring_count - load->sent % load->ring_count;
        if (n == 0)
            return;
        stamp(load, n);
    }
}

/* The whole length of a head, as far as what came of it tells. */
static size_t frame_head_bytes(const struct load_peer *peer)
{
    uint8_t len = peer->frame_head[1];

    return peer->frame_head_len < 2 || len < 126 ? 2 : len == 126 ? 4 : 10;
}

static void begin_frame(struct load_peer *peer)
{
    size_t len = peer->frame_head_len;

    if (peer->frame_head[0] != 0x82)
        bench_fail("not a whole binary frame", 0);
    peer->frame_left = 0;
    for (size_t i = len == 2 ? 1 : 2; i < len; i++)
        peer->frame_left = peer->frame_left << 8 | peer->frame_head[i];
    peer->frame_head_len = 0;
}

/* Takes the heads out of the `n` bytes that came at `at`; gives what is left. */
static size_t unframe(struct load_peer *peer, uint8_t *at, size_t n)
{
    size_t done = 0;

    for (size_t i = 0; i < n;) {
        size_t part = n - i < peer->frame_left ? n - i : (size_t)peer->frame_left;

        memmove(at + done, at + i, part);
        done += part;
        i += part;
        peer->frame_left -= part;
        if (part > 0)
            continue;
        peer->frame_head[peer->frame_head_len++] = at[i++];
        if (peer->frame_head_len == frame_head_bytes(peer))
            begin_frame(peer);
    }
    return done;
}

static void read_some(struct load *load, struct load_peer *peer)
{
    ssize_t n = bench_read(peer->fd, peer->in + peer->in_len, IN_BYTES - peer->in_len);
    size_t taken;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        bench_fail(n == 0 ? "the broker closed a connection" : "read", n == 0 ? 0 : errno);
    if (peer->is_framed)
        n = (ssize_t)unframe(peer, peer->in + peer->in_len, (size_t)n);
    peer->in_len += (size_t)n;
    taken = peer->take(load, peer, slice_of(peer->in, peer->in_len));
    peer->in_len -= taken;
    if (peer->in_len == IN_BYTES)
        bench_fail("a packet larger than the buffer", 0);
    memmove(peer->in, peer->in + taken, peer->in_len);
    flush_acknowledgements(load, peer);
}

/* Waits for something, at most until `until_ns` or the next message is due, and handles it. */
static void turn(struct load *load, uint64_t until_ns, bool is_sending)
{
    struct epoll_event events[EVENTS];
    struct timespec wait;
    uint64_t at_ns = until_ns;
    int count;

    if (is_sending && load->rate > 0) {
        uint64_t due_ns = load->started_ns + load->sent * BENCH_NS_PER_SECOND / load->rate;

        at_ns = due_ns < at_ns ? due_ns : at_ns;
    }
    load->now_ns = bench_now_ns();
    at_ns = at_ns > load->now_ns ? at_ns - load->now_ns : 0;
    wait = (struct timespec){ (time_t)(at_ns / BENCH_NS_PER_SECOND),
                              (long)(at_ns % BENCH_NS_PER_SECOND) };
    count = epoll_pwait2(load->epoll, events, EVENTS, &wait, NULL);
    if (count < 0 && errno != EINTR)
        bench_fail("epoll_pwait2", errno);
    load->now_ns = bench_now_ns();
    for (int i = 0; i < count; i++) {
        struct load_peer *peer = events[i].data.ptr;

        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            do
                read_some(load, peer);
            while (bench_has_pending(peer->fd));
        } else if (peer != &load->publisher)
            flush_acknowledgements(load, peer);
        if (peer == &load->publisher && events[i].events & EPOLLOUT)
            (void)flush_ring(load); /* send_some() looks again */
    }
    if (is_sending)
        send_some(load);
}

static struct mark mark_now(const struct load *load)
{
    return (struct mark){ bench_now_ns(), bench_cpu_ns((pid_t)load->pid), bench_own_cpu_ns(),
                          load->received, load->sent };
}

/* Runs until `until_ns`, or until load->messages were sent when that is set. */
static void run_until(struct load *load, uint64_t until_ns, bool counts_messages)
{
    uint64_t seen = load->received + load->acknowledged;
    uint64_t seen_ns = bench_now_ns();

    send_some(load);
    while (load->now_ns < until_ns) {
        if (counts_messages && load->messages > 0 && load->sent >= load->messages)
            return;
        turn(load, until_ns, true);
        if (load->received + load->acknowledged != seen) {
            seen = load->received + load->acknowledged;
            seen_ns = load->now_ns;
        }
        if (load->now_ns - seen_ns > STUCK_NS)
            bench_fail("nothing comes any more", 0);
    }
}

static bool is_all_back(const struct load *load)
{
    return load->received >= load->sent * load->fan &&
           (!load->is_acknowledged || load->acknowledged == load->sent) && load->from == load->to;
}

static void drain(struct load *load)
{
    uint64_t until_ns = bench_now_ns() + load->drain_ms * 1000000;

    while (!is_all_back(load) && bench_now_ns() < until_ns)
        turn(load, until_ns, false);
    /* What comes twice comes soon after. */
    until_ns = bench_now_ns() + 50 * 1000000;
    while (bench_now_ns() < until_ns)
        turn(load, until_ns, false);
}

static int report(const struct load *load, const char *scenario, const struct mark *from,
                  const struct mark *to)
{
    double seconds = (double)(to->at_ns - from->at_ns) / 1e9;
    double deliveries = (double)(to->received - from->received);
    double messages =
        load->fan == 0 ? (double)(to->sent - from->sent) : deliveries / (double)load->fan;
    double cpu_us = (double)(to->cpu_ns - from->cpu_ns) / 1e3;
    double own_us = (double)(to->own_cpu_ns - from->own_cpu_ns) / 1e3;
    uint64_t due = load->sent * load->fan;
    uint64_t lost = due > load->received ? due - load->received : 0;
    uint64_t extra = load->received > due ? load->received - due : 0;
    uint64_t unacknowledged = load->is_acknowledged ? load->sent - load->acknowledged : 0;

    printf("{\"scenario\":\"%s\",\"size\":%llu,\"messages\":%.0f,\"seconds\":%.3f,\"rate\":%.0f"
           ",\"cpu_us\":%.4f,\"cpu_us_delivery\":%.4f,\"cores\":%.3f,\"generator_us\":%.4f",
           scenario, (unsigned long long)load->size, messages, seconds, messages / seconds,
           cpu_us / messages, deliveries == 0 ? 0 : cpu_us / deliveries, cpu_us / seconds / 1e6,
           own_us / messages);
    histogram_print(&load->latency, "");
    if (load->is_acknowledged)
        histogram_print(&load->ack_latency, "ack_");
    printf(",\"sent\":%llu,\"lost\":%llu,\"extra\":%llu,\"bad_order\":%llu,\"unacknowledged\":%llu"
           ",\"rss_kb\":%llu}\n",
           (unsigned long long)load->sent, (unsigned long long)lost, (unsigned long long)extra,
           (unsigned long long)load->bad_order, (unsigned long long)unacknowledged,
           (unsigned long long)bench_rss_bytes((pid_t)load->pid) / 1024);
    return lost + extra + load->bad_order + unacknowledged > 0;
}

static void start(struct load *load)
{
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0)
        bench_fail("epoll_create1", errno);
    watch(load, &load->publisher, EPOLL_CTL_ADD, false);
    for (uint64_t i = 0; i < load->receivers_wanted; i++)
        watch(load, &load->receivers[i], EPOLL_CTL_ADD, false);
    load->sent_ns = mem_zeroed_array(PACKET_ID_RANGE, sizeof(*load->sent_ns));
    load->started_ns = load->now_ns = bench_now_ns();
}

static void finish(struct load *load)
{
    close(load->publisher.fd);
    mem_free(load->publisher.in);
    text_done(&load->publisher.out);
    for (uint64_t i = 0; i < load->receivers_wanted; i++) {
        close(load->receivers[i].fd);
        mem_free(load->receivers[i].in);
        text_done(&load->receivers[i].out);
    }
    close(load->epoll);
    MEM_FREE(load->receivers);
    MEM_FREE(load->ring);
    MEM_FREE(load->sent_ns);
}

int load_run(struct load *load, const char *scenario)
{
    struct mark from, to;
    int status;

    if (load->window >= PACKET_ID_RANGE || load->window < load->batch || load->batch == 0)
        bench_fail("window and batch: 1 <= batch <= window < 65535", 0);
    if (load->fan == 0)
        load->fan = load->receivers_wanted;
    start(load);
    run_until(load, load->started_ns + load->warm_ms * 1000000, false);
    from = mark_now(load);
    load->is_measuring = true;
    run_until(load, from.at_ns + load->seconds * BENCH_NS_PER_SECOND, true);
    to = mark_now(load);
    load->is_measuring = false;
    if (to.sent == from.sent || (to.received == from.received && load->fan > 0))
        bench_fail("no message came while measuring", 0);
    drain(load);
    status = report(load, scenario, &from, &to);
    finish(load);
    return status;
}
