/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/number.h"

_Noreturn void bench_fail(const char *what, int error)
{
    fprintf(stderr, "bench: %s%s%s\n", what, error == 0 ? "" : ": ",
            error == 0 ? "" : strerror(error));
    exit(EXIT_FAILURE);
}

static _Noreturn void usage(const struct bench_option *options)
{
    for (; options->name != NULL; options++) {
        if (options->number != NULL)
            fprintf(stderr, "  --%-12s %s (%llu)\n", options->name, options->help,
                    (unsigned long long)*options->number);
        else
            fprintf(stderr, "  --%-12s %s (%s)\n", options->name, options->help,
                    *options->text == NULL ? "none" : *options->text);
    }
    exit(2);
}

static const struct bench_option *find_option(const struct bench_option *options, const char *word)
{
    for (; options->name != NULL; options++)
        if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, options->name) == 0)
            return options;
    return NULL;
}

int bench_options(int argc, char **argv, const struct bench_option *options)
{
    int i = 1;

    for (; i < argc && strcmp(argv[i], "--") != 0; i += 2) {
        const struct bench_option *option = find_option(options, argv[i]);

        if (option == NULL || i + 1 == argc)
            usage(options);
        if (option->text != NULL)
            *option->text = argv[i + 1];
        else if (number_u64(slice_str(argv[i + 1]), 0, UINT64_MAX, option->number) != RC_OK)
            usage(options);
    }
    return i < argc ? i + 1 : argc;
}

static uint64_t read_clock(clockid_t id)
{
    struct timespec t;

    if (clock_gettime(id, &t) != 0)
        bench_fail("clock (has the broker died?)", errno);
    return (uint64_t)t.tv_sec * BENCH_NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(pid_t pid)
{
    clockid_t id;
    int error;

    if (pid == 0)
        return 0;
    error = clock_getcpuclockid(pid, &id);
    if (error != 0)
        bench_fail("processor clock of the broker", error);
    return read_clock(id);
}

uint64_t bench_own_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t bench_rss_bytes(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kilobytes = 0;
    FILE *file;

    if (pid == 0)
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "r");
    if (file == NULL)
        bench_fail(path, errno);
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "VmRSS: %llu", &kilobytes) == 1)
            break;
    fclose(file);
    return kilobytes * 1024;
}

static struct sockaddr_in address_of(const char *host, uint64_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        bench_fail("not an IPv4 address", 0);
    return address;
}

int bench_try_connect(const char *host, uint64_t port, const char *source)
{
    struct sockaddr_in to = address_of(host, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0)
        bench_fail("socket", errno);
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
        bench_fail("TCP_NODELAY", errno);
    if (source != NULL) {
        struct sockaddr_in from = address_of(source, 0);

        /* A port is chosen when the other end is known: it may be one that another end has. */
        if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) != 0 ||
            bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0)
            bench_fail("bind", errno);
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int bench_connect(const char *host, uint64_t port)
{
    int fd = bench_try_connect(host, port, NULL);

    if (fd < 0)
        bench_fail("connect", errno);
    return fd;
}

void bench_set_blocking(int fd, bool is_blocking)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 ||
        fcntl(fd, F_SETFL, is_blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) != 0)
        bench_fail("fcntl", errno);
}

void bench_write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = bench_write(fd, bytes.at, bytes.len);

        if (n < 0)
            bench_fail("write", errno);
        bytes = slice_after(bytes, (size_t)n);
    }
}

void bench_read_exactly(int fd, void *at, size_t len)
{
    uint8_t *to = at;

    while (len > 0) {
        ssize_t n = bench_read(fd, to, len);

        if (n <= 0)
            bench_fail(n == 0 ? "the broker closed the connection" : "read", n == 0 ? 0 : errno);
        to += n;
        len -= (size_t)n;
    }
}

/* Values below HISTOGRAM_STEPS have a class each; above, each power of two has half as many. */
static unsigned class_of(uint64_t value)
{
    unsigned power;
    uint64_t index;

    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    power = 64 - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
    index = power * (HISTOGRAM_STEPS / 2) + (value >> power);
    return index < HISTOGRAM_CLASSES ? (unsigned)index : HISTOGRAM_CLASSES - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->counts[class_of(value)]++;
    h->total++;
    if (value > h->max)
        h->max = value;
}

/* The least value of a class: the inverse of class_of(). */
static uint64_t value_of(unsigned index)
{
    unsigned power;

    if (index < HISTOGRAM_STEPS)
        return index;
    power = index / (HISTOGRAM_STEPS / 2) - 1;
    return (uint64_t)(index - power * (HISTOGRAM_STEPS / 2)) << power;
}

uint64_t histogram_at(const struct histogram *h, unsigned per_mille)
{
    uint64_t below = 0;
    uint64_t want = h->total * per_mille / 1000;

    for (unsigned i = 0; i < HISTOGRAM_CLASSES && h->total > 0; i++) {
        below += h->counts[i];
        if (below > want)
            return value_of(i);
    }
    return h->max;
}

void histogram_print(const struct histogram *h, const char *prefix)
{
    printf(",\"%sp50_us\":%.1f,\"%sp99_us\":%.1f,\"%sp999_us\":%.1f,\"%smax_us\":%.1f", prefix,
           (double)histogram_at(h, 500) / 1000, prefix, (double)histogram_at(h, 990) / 1000, prefix,
           (double)histogram_at(h, 999) / 1000, prefix, (double)h->max / 1000);
}
