/* SPDX-License-Identifier: Apache-2.0 */
/* What all measuring programs share: options, clocks, sockets, histograms. They stop at any error.
 */
#ifndef TERCET_TESTS_BENCH_BENCH_H
#define TERCET_TESTS_BENCH_BENCH_H

#include <stdio.h>
#include <sys/types.h>

#include "broker/base/slice.h"
#include "broker/base/text.h"

#define BENCH_NS_PER_SECOND UINT64_C(1000000000)

/* Says what went wrong, with errno's text when it is not 0, and exits with 1. */
_Noreturn void bench_fail(const char *what, int error);

/* --- options: `--name value`, one row each; the last row has no name --- */

struct bench_option {
    const char *name;
    uint64_t *number;  /* exactly one of these two is set */
    const char **text; /* borrowed from argv */
    const char *help;
};

/* What stands behind a lone `--` is left: gives its index in argv, or argc. */
int bench_options(int argc, char **argv, const struct bench_option *options);

/* --- the broker's process --- */

uint64_t bench_now_ns(void);
/* Processor time of a process, all threads, user and system; 0 for pid 0. */
uint64_t bench_cpu_ns(pid_t pid);
uint64_t bench_own_cpu_ns(void);
/* Resident bytes; 0 for pid 0. */
uint64_t bench_rss_bytes(pid_t pid);

/* --- sockets --- */

/* A blocking TCP connection without Nagle. `source` is an address to bind to, or NULL. -1 when it
 * is refused. */
int bench_try_connect(const char *host, uint64_t port, const char *source);
int bench_connect(const char *host, uint64_t port);
void bench_set_blocking(int fd, bool is_blocking);
/* Shakes hands over a blocking socket. */
void bench_start_tls(int fd);
/* As read() and write(), through TLS where it was started. */
ssize_t bench_read(int fd, void *at, size_t room);
ssize_t bench_write(int fd, const void *at, size_t len);
/* Something was read from the socket and not yet given: no poll tells. */
bool bench_has_pending(int fd);
void bench_write_all(int fd, struct slice bytes);
/* Exactly `len` bytes. */
void bench_read_exactly(int fd, void *at, size_t len);

/* --- latencies: counts in classes that grow, at most 1.6 % wide --- */

#define HISTOGRAM_BITS    7 /* of a value that are told apart */
#define HISTOGRAM_STEPS   (1u << HISTOGRAM_BITS)
#define HISTOGRAM_CLASSES (HISTOGRAM_STEPS * 20) /* up to 2^43 ns */

struct histogram {
    uint64_t counts[HISTOGRAM_CLASSES];
    uint64_t total;
    uint64_t max;
};

void histogram_add(struct histogram *h, uint64_t value);
/* The value below which `per_mille` of all lie; 0 when there are none. */
uint64_t histogram_at(const struct histogram *h, unsigned per_mille);
/* Prints ,"p50_us":… for 50, 99 and 99.9 %, and the most. */
void histogram_print(const struct histogram *h, const char *prefix);

/* Stamps inside payloads: nobody but us reads them, so any byte order does. */
static inline uint64_t bench_get_u64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static inline void bench_put_u64(uint8_t *at, uint64_t v)
{
    memcpy(at, &v, sizeof(v));
}

#endif
