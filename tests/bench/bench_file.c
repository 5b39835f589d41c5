/* SPDX-License-Identifier: Apache-2.0 */
/* What the disk can do: the same bytes in the same commits, to a plain file written before. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "tests/bench/bench.h"

#define PREPARE_BYTES ((size_t)1 << 20)

static const char *directory = ".";
static uint64_t commit_bytes = 256 << 10, total_bytes = 256 << 20, size = 1024, has_sync = 1;

static void write_at(int fd, const uint8_t *bytes, size_t len, uint64_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, (off_t)at);

        if (n < 0)
            bench_fail("pwrite", errno);
        bytes += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
}

/* An unnamed file whose every block was written once. */
static int prepare(const uint8_t *bytes)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        bench_fail(directory, errno);
    for (uint64_t at = 0; at < total_bytes; at += PREPARE_BYTES)
        write_at(fd, bytes, PREPARE_BYTES, at);
    if (fsync(fd) != 0)
        bench_fail("fsync", errno);
    return fd;
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        { "dir", NULL, &directory, "where the file lies" },
        { "commit", &commit_bytes, NULL, "bytes a sync" },
        { "total", &total_bytes, NULL, "bytes in all" },
        { "size", &size, NULL, "bytes of what is counted as a message" },
        { "sync", &has_sync, NULL, "0: no sync" },
        { NULL, NULL, NULL, NULL },
    };
    static struct histogram latency;
    uint64_t started_ns, cpu_ns, done = 0;
    uint8_t *bytes;
    double seconds;
    int fd;

    if (bench_options(argc, argv, options) != argc || commit_bytes == 0)
        bench_fail("options", 0);
    bytes = mem_zeroed(commit_bytes < PREPARE_BYTES ? PREPARE_BYTES : commit_bytes);
    fd = prepare(bytes);
    memset(bytes, 'x', commit_bytes);
    started_ns = bench_now_ns();
    cpu_ns = bench_own_cpu_ns();
    for (; done + commit_bytes <= total_bytes; done += commit_bytes) {
        uint64_t at_ns = bench_now_ns();

        write_at(fd, bytes, commit_bytes, done);
        if (has_sync && fdatasync(fd) != 0)
            bench_fail("fdatasync", errno);
        histogram_add(&latency, bench_now_ns() - at_ns);
    }
    seconds = (double)(bench_now_ns() - started_ns) / 1e9;
    printf("{\"scenario\":\"plain file\",\"commit_bytes\":%llu,\"mb_s\":%.1f,\"rate\":%.0f"
           ",\"cpu_us\":%.4f",
           (unsigned long long)commit_bytes, (double)done / 1e6 / seconds,
           (double)done / (double)size / seconds,
           (double)(bench_own_cpu_ns() - cpu_ns) / 1e3 / ((double)done / (double)size));
    histogram_print(&latency, "");
    printf("}\n");
    close(fd);
    mem_free(bytes);
    return 0;
}
