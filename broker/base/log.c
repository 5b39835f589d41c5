/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/clock.h"

#define LOG_LINE_BYTES   2048
#define LOG_QUOTE_BYTES  200
#define TIME_MAX_BYTES   256 /* of a line */
#define LOG_QUOTE_SLOTS  4
#define LOG_ESCAPE_BYTES 4 /* \xHH */

static _Atomic int threshold = LOG_INFO;
static _Atomic int log_fd = STDERR_FILENO;
static _Atomic bool is_log_stamped = true;
static _Atomic int log_styled = LOG_AS_OURSELVES;
static _Atomic(log_sink_fn *) log_sink;
static _Atomic(const char *) time_format;

enum log_level log_threshold(void)
{
    return (enum log_level)atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_set_threshold(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

void log_set_fd(int fd)
{
    atomic_store(&log_fd, fd);
}

void log_set_style(enum log_style style)
{
    atomic_store(&log_styled, (int)style);
}

enum log_style log_style(void)
{
    return (enum log_style)atomic_load_explicit(&log_styled, memory_order_relaxed);
}

void log_set_stamped(bool is_stamped)
{
    atomic_store(&is_log_stamped, is_stamped);
}

/* Whoever reads the one of before still may: it is written again at the next but one reload. */
void log_set_time_format(const char *format)
{
    static char formats[2][LOG_TIME_FORMAT_MAX + 1];
    static unsigned next;
    char *to = formats[next++ % 2];

    if (format != NULL)
        (void)snprintf(to, sizeof(formats[0]), "%s", format);
    atomic_store(&time_format, format == NULL ? NULL : to);
}

void log_set_sink(log_sink_fn *sink)
{
    atomic_store(&log_sink, sink);
}

bool log_limit_allows(struct log_limit *limit, const char *name)
{
    return log_limit_allows_up_to(limit, name, LOG_PEER_LINES_PER_SECOND);
}

bool log_limit_allows_up_to(struct log_limit *limit, const char *name, unsigned max)
{
    uint64_t second = clock_monotonic_ns() / 1000000000;
    unsigned suppressed;

    if (atomic_load(&limit->second) != second &&
        atomic_exchange(&limit->second, second) != second) {
        atomic_store(&limit->lines, 0);
        suppressed = atomic_exchange(&limit->suppressed, 0);
        if (suppressed > 0)
            log_write(LOG_NOTICE, "log.suppressed", "event=%s lines=%u", name, suppressed);
    }
    if (atomic_fetch_add(&limit->lines, 1) < max)
        return true;
    (void)atomic_fetch_add(&limit->suppressed, 1);
    return false;
}

/* The operator's format: no compiler can check it. */
static size_t (*const by_format)(char *, size_t, const char *, const struct tm *) = strftime;

static size_t write_time(char *to, size_t room)
{
    const char *format;
    int64_t now_ms;
    time_t seconds;
    struct tm parts;
    size_t len;

    if (!atomic_load_explicit(&is_log_stamped, memory_order_relaxed))
        return 0;
    now_ms = clock_wall_ms();
    seconds = (time_t)(now_ms / 1000);
    format = atomic_load_explicit(&time_format, memory_order_relaxed);
    if (format != NULL) {
        (void)localtime_r(&seconds, &parts);
        len = by_format(to, TIME_MAX_BYTES, format, &parts);
        if (log_style() == LOG_AS_MOSQUITTO)
            to[len++] = ':';
        to[len] = ' ';
        return len + 1;
    }
    if (log_style() == LOG_AS_MOSQUITTO)
        return (size_t)snprintf(to, room, "%lld: ", (long long)seconds);
    (void)gmtime_r(&seconds, &parts);
    len = strftime(to, room, "%Y-%m-%dT%H:%M:%S", &parts);
    return len + (size_t)snprintf(to + len, room - len, ".%03dZ ", (int)(now_ms % 1000));
}

void log_write(enum log_level level, const char *name, const char *format, ...)
{
    static const char *const words[] = { "error", "warning", "notice", "info", "debug" };
    char line[LOG_LINE_BYTES];
    size_t len = write_time(line, sizeof(line)), text_at = len;
    log_sink_fn *sink = atomic_load_explicit(&log_sink, memory_order_relaxed);
    va_list list;
    int more;

    if (name != NULL)
        len += (size_t)snprintf(line + len, sizeof(line) - len, "%s %s ", words[level], name);
    va_start(list, format);
    more = vsnprintf(line + len, sizeof(line) - len - 1, format, list);
    va_end(list);
    if (more > 0)
        len += (size_t)more;
    if (len > sizeof(line) - 2)
        len = sizeof(line) - 2;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[len++] = '\n';
    if (sink != NULL)
        sink(level, line + text_at, len - 1 - text_at);
    /* A log that cannot be written has nowhere to say so. */
    if (write(atomic_load(&log_fd), line, len) < 0)
        return;
}

const char *log_quote(const void *at, size_t len)
{
    static _Thread_local char slots[LOG_QUOTE_SLOTS][LOG_QUOTE_BYTES * LOG_ESCAPE_BYTES + 8];
    static _Thread_local unsigned next;
    char *to = slots[next++ % LOG_QUOTE_SLOTS];
    char *out = to;
    const unsigned char *from = at;
    size_t shown = len > LOG_QUOTE_BYTES ? LOG_QUOTE_BYTES : len;

    *out++ = '"';
    for (size_t i = 0; i < shown; i++) {
        if (from[i] < 0x20 || from[i] == '"' || from[i] == '\\' || from[i] == 0x7f)
            out += snprintf(out, LOG_ESCAPE_BYTES + 1, "\\x%02x", (unsigned)from[i]);
        else
            *out++ = (char)from[i];
    }
    if (shown < len) {
        *out++ = '.';
        *out++ = '.';
    }
    *out++ = '"';
    *out = '\0';
    return to;
}
