/* SPDX-License-Identifier: Apache-2.0 */
/* The secrets of TLS in a file, as programs that look at traffic read them. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/log.h"
#include "broker/net/tls_int.h"

#define FILE_MODE 0600
/* Longer lines than any that OpenSSL makes. */
#define LINE_ROOM_BYTES 1024

static int keys_fd = -1; /* since the start; -1: none are kept */

static void on_key(const SSL *ssl, const char *line)
{
    char whole[LINE_ROOM_BYTES];
    int len = snprintf(whole, sizeof(whole), "%s\n", line);

    (void)ssl;
    if (len > 0 && (size_t)len < sizeof(whole) && write(keys_fd, whole, (size_t)len) != len)
        log_event(LOG_WARNING, "tls.key_lost", "why=\"the file of keys cannot be written\"");
}

enum rc tls_keep_keys(const char *file)
{
    keys_fd =
        open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, FILE_MODE);
    if (keys_fd < 0)
        return RC_IO;
    log_event(LOG_WARNING, "tls.keys_kept",
              "file=%s why=\"whoever has it can read what went over TLS\"",
              log_quote(file, strlen(file)));
    return RC_OK;
}

void tls_keep_no_keys(void)
{
    if (keys_fd >= 0)
        (void)close(keys_fd);
    keys_fd = -1;
}

void tls_keep_keys_of(SSL_CTX *context)
{
    if (keys_fd >= 0)
        SSL_CTX_set_keylog_callback(context, on_key);
}
