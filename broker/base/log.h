/* SPDX-License-Identifier: Apache-2.0 */
/* One line, one event: time level name key=value ... on standard error or a file. Any thread. */
#ifndef TERCET_BROKER_BASE_LOG_H
#define TERCET_BROKER_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

/* log_event(LOG_INFO, "mqtt.connected", "conn=%llu client=%s", ...): the event's name, then a
 * printf format of key=value pairs. Values from peers go through log_quote(). A control byte that
 * comes in otherwise becomes '?', so that an event is always one line; a line is cut at 2 KB. */
#define log_event(level, name, ...) \
    ((level) <= log_threshold() ? log_write((level), (name), __VA_ARGS__) : (void)0)

/* The same for what a peer can cause: at most LOG_PEER_LINES_PER_SECOND for one call site, the rest
 * counted and told, before the next line it lets through, as log.suppressed event=NAME lines=N. */
#define log_peer(level, name, ...)                                           \
    do {                                                                     \
        static struct log_limit limit_;                                      \
        if ((level) <= log_threshold() && log_limit_allows(&limit_, (name))) \
            log_write((level), (name), __VA_ARGS__);                         \
    } while (0)

#define LOG_PEER_LINES_PER_SECOND 5

/* Words alone, without level and name: what other programs look for in logs of LOG_AS_MOSQUITTO.
 * They may miss less: LOG_SAID_LINES_PER_SECOND for one call site. */
#define log_said(level, what, ...)                                              \
    do {                                                                        \
        static struct log_limit limit_;                                         \
        if ((level) <= log_threshold() &&                                       \
            log_limit_allows_up_to(&limit_, (what), LOG_SAID_LINES_PER_SECOND)) \
            log_write((level), NULL, __VA_ARGS__);                              \
    } while (0)

#define LOG_SAID_LINES_PER_SECOND 100

struct log_limit {
    _Atomic uint64_t second;
    _Atomic unsigned lines;
    _Atomic unsigned suppressed;
};

bool log_limit_allows(struct log_limit *limit, const char *name);
bool log_limit_allows_up_to(struct log_limit *limit, const char *name, unsigned max);
/* `name` NULL: the words alone. */
void log_write(enum log_level level, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum log_level log_threshold(void);
void log_set_threshold(enum log_level level);
/* Where lines go from now on; the descriptor stays the caller's. */
void log_set_fd(int fd);
/* How lines begin, and in whose words they tell of clients (protocols ask). As mosquitto's: with
 * the seconds since 1970, or what log_set_time_format() says, a colon and a space. */
enum log_style { LOG_AS_OURSELVES, LOG_AS_MOSQUITTO };
void log_set_style(enum log_style style);
enum log_style log_style(void);
/* Lines begin with the time, unless this says no. */
void log_set_stamped(bool is_stamped);
/* How the time is told, for strftime() and in local time; NULL: as ISO 8601 has it, in UTC. Copied,
 * up to LOG_TIME_FORMAT_MAX bytes. */
#define LOG_TIME_FORMAT_MAX 63
void log_set_time_format(const char *format);
/* Gets each line too, without its time and end; called on any thread, within whatever it does.
 * NULL: nobody. */
typedef void log_sink_fn(enum log_level level, const char *line, size_t len);
void log_set_sink(log_sink_fn *sink);
/* `len` bytes as "..." with escapes, cut at 200 bytes; a buffer of this thread's that the fourth
 * call from now reuses. */
const char *log_quote(const void *at, size_t len);

#endif
