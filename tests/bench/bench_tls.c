/* SPDX-License-Identifier: Apache-2.0 */
/* TLS for generators: once a socket has it, bench_read() and bench_write() go through it. The
 * certificate is not looked at. */
#include <errno.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define FILES_MAX 65536

static SSL *tls_of[FILES_MAX]; /* by descriptor; owned */
static SSL_CTX *context;

void bench_start_tls(int fd)
{
    SSL *tls;

    if (context == NULL) {
        context = SSL_CTX_new(TLS_client_method());
        if (context == NULL)
            bench_fail("SSL_CTX_new", 0);
        (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                            SSL_MODE_RELEASE_BUFFERS);
    }
    tls = SSL_new(context);
    if (tls == NULL || fd >= FILES_MAX || SSL_set_fd(tls, fd) != 1 || SSL_connect(tls) != 1)
        bench_fail("TLS handshake", 0);
    tls_of[fd] = tls;
}

bool bench_has_pending(int fd)
{
    return tls_of[fd] != NULL && SSL_pending(tls_of[fd]) > 0;
}

/* What read() and write() return for what went in parts: `done` bytes, then `n`. */
static ssize_t outcome(const SSL *tls, int n, size_t done)
{
    int error = SSL_get_error(tls, n);

    if (done > 0)
        return (ssize_t)done;
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

ssize_t bench_read(int fd, void *at, size_t room)
{
    SSL *tls = tls_of[fd];
    size_t done = 0;
    int n;

    if (tls == NULL)
        return read(fd, at, room);
    do {
        n = SSL_read(tls, (uint8_t *)at + done, (int)(room - done));
        done += n > 0 ? (size_t)n : 0;
    } while (n > 0 && done < room && SSL_has_pending(tls));
    return outcome(tls, n, done);
}

ssize_t bench_write(int fd, const void *at, size_t len)
{
    SSL *tls = tls_of[fd];
    size_t done = 0;
    int n;

    if (tls == NULL)
        return write(fd, at, len);
    do {
        n = SSL_write(tls, (const uint8_t *)at + done, (int)(len - done));
        done += n > 0 ? (size_t)n : 0;
    } while (n > 0 && done < len);
    return outcome(tls, n, done);
}
