/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine can do at best, to hold the broker's figures against: memory, loopback, disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "tests/bench/bench.h"

#define COPY_BYTES   ((size_t)256 << 20)
#define STREAM_BYTES ((uint64_t)2 << 30)
#define READ_BYTES   ((size_t)256 << 20)
#define CHUNK_BYTES  ((size_t)1 << 20)
#define TURNS        3
#define PING_PONGS   3000
#define FLUSHES      300
#define PAGE_BYTES   ((size_t)4096)

static const char *directory = ".";

static double mb_s(double bytes, uint64_t start_ns)
{
    return bytes / 1e6 / ((double)(bench_now_ns() - start_ns) / 1e9);
}

/* The best of some turns, for all of these: a limit is what can be had. */
static double copy_limit(void)
{
    uint8_t *from = mem_get(COPY_BYTES), *to = mem_get(COPY_BYTES);
    double best = 0;

    memset(from, 1, COPY_BYTES);
    memset(to, 2, COPY_BYTES);
    for (unsigned i = 0; i < TURNS; i++) {
        uint64_t start = bench_now_ns();
        double now;

        memcpy(to, from, COPY_BYTES);
        now = mb_s((double)COPY_BYTES, start);
        from[i] = to[COPY_BYTES - 1 - i];
        best = now > best ? now : best;
    }
    mem_free(from);
    mem_free(to);
    return best;
}

static void socket_pair(int ret[2])
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr *)&at, &len) != 0)
        bench_fail("listen", errno);
    ret[0] = bench_connect("127.0.0.1", ntohs(at.sin_port));
    ret[1] = accept(listener, NULL, NULL);
    if (ret[1] < 0)
        bench_fail("accept", errno);
    (void)close(listener);
}

/* The other side: answers single bytes, then takes all that comes. */
static void serve(int fd)
{
    static uint8_t at[CHUNK_BYTES];

    for (unsigned i = 0; i < PING_PONGS; i++) {
        bench_read_exactly(fd, at, 64);
        bench_write_all(fd, slice_of(at, 64));
    }
    while (read(fd, at, sizeof(at)) > 0)
        ;
    _exit(0);
}

static void loopback_limits(double *ret_rtt_us, double *ret_mb_s)
{
    static uint8_t at[CHUNK_BYTES];
    struct histogram *latency = mem_new(struct histogram);
    uint64_t start;
    int pair[2];
    pid_t child;

    socket_pair(pair);
    child = fork();
    if (child == 0) {
        (void)close(pair[0]);
        serve(pair[1]);
    }
    (void)close(pair[1]);
    for (unsigned i = 0; i < PING_PONGS; i++) {
        start = bench_now_ns();
        bench_write_all(pair[0], slice_of(at, 64));
        bench_read_exactly(pair[0], at, 64);
        histogram_add(latency, bench_now_ns() - start);
    }
    *ret_rtt_us = (double)histogram_at(latency, 500) / 1e3;
    start = bench_now_ns();
    for (uint64_t done = 0; done < STREAM_BYTES; done += 256 << 10)
        bench_write_all(pair[0], slice_of(at, 256 << 10));
    *ret_mb_s = mb_s((double)STREAM_BYTES, start);
    (void)close(pair[0]);
    (void)waitpid(child, NULL, 0);
    mem_free(latency);
}

static double flush_limit(int fd, const uint8_t *bytes)
{
    struct histogram *latency = mem_new(struct histogram);
    double ret;

    for (unsigned i = 0; i < FLUSHES; i++) {
        uint64_t start = bench_now_ns();

        if (pwrite(fd, bytes, PAGE_BYTES, (off_t)(i * PAGE_BYTES)) != (ssize_t)PAGE_BYTES ||
            fdatasync(fd) != 0)
            bench_fail("flush", errno);
        histogram_add(latency, bench_now_ns() - start);
    }
    ret = (double)histogram_at(latency, 500) / 1e3;
    mem_free(latency);
    return ret;
}

static double read_limit(int fd, uint8_t *to, bool is_cold)
{
    uint64_t start;

    if (is_cold && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        bench_fail("fadvise", errno);
    start = bench_now_ns();
    for (size_t at = 0; at < READ_BYTES; at += CHUNK_BYTES) {
        if (pread(fd, to, CHUNK_BYTES, (off_t)at) != (ssize_t)CHUNK_BYTES)
            bench_fail("read", errno);
    }
    return mb_s((double)READ_BYTES, start);
}

static void disk_limits(void)
{
    uint8_t *bytes = mem_get(CHUNK_BYTES);
    double cold;
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        bench_fail(directory, errno);
    memset(bytes, 'x', CHUNK_BYTES);
    for (size_t at = 0; at < READ_BYTES; at += CHUNK_BYTES) {
        if (pwrite(fd, bytes, CHUNK_BYTES, (off_t)at) != (ssize_t)CHUNK_BYTES)
            bench_fail("write", errno);
    }
    if (fsync(fd) != 0)
        bench_fail("fsync", errno);
    printf(",\"flush_us\":%.1f", flush_limit(fd, bytes));
    cold = read_limit(fd, bytes, true);
    printf(",\"read_cold_mb_s\":%.0f,\"read_warm_mb_s\":%.0f", cold, read_limit(fd, bytes, false));
    (void)close(fd);
    mem_free(bytes);
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        { "dir", NULL, &directory, "where a file may lie" },
        { NULL, NULL, NULL, NULL },
    };
    double rtt_us, stream_mb_s;

    if (bench_options(argc, argv, options) != argc)
        bench_fail("options", 0);
    loopback_limits(&rtt_us, &stream_mb_s);
    printf("{\"copy_mb_s\":%.0f,\"rtt_us\":%.1f,\"loopback_mb_s\":%.0f", copy_limit(), rtt_us,
           stream_mb_s);
    disk_limits();
    printf("}\n");
    return 0;
}
