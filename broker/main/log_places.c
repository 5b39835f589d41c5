/* SPDX-License-Identifier: Apache-2.0 */
/* A line comes on any thread, and in the middle of anything; it is published at a later turn of the
 * loop, on its thread. */
#include "broker/main/log_places.h"

#include <stdatomic.h>
#include <string.h>

#include "broker/base/list.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/thread.h"
#include "broker/core/core.h"
#include "broker/core/message.h"
#include "broker/core/publish.h"
#include "broker/main/settings.h"
#include "broker/main/syslog_line.h"
#include "broker/net/loop.h"

/* Lines that may wait for the loop; what comes while so many do is in the log alone. */
#define WAITING_MAX 1000
#define TOPIC       "$SYS/broker/log/"

struct line {
    struct link link;
    enum log_level level;
    size_t len;
    char text[];
};

static struct {
    struct mailbox waiting; /* struct line: owned */
    struct core *core;      /* borrowed; NULL: there is no broker */
    struct loop *loop;      /* borrowed */
    struct loop_call call;
} topics;

static _Atomic unsigned waiting_count;
static _Atomic bool is_open;
static _Atomic bool has_topics;
/* What publishing logs is not published: it would never end. */
static _Thread_local bool is_publishing;

/* ---- topics ---- */

static void publish(struct core *core, const struct line *line)
{
    static const char *const names[] = { TOPIC "E", TOPIC "W", TOPIC "N", TOPIC "I", TOPIC "D" };
    struct message_spec spec = { .address = slice_str(names[line->level]),
                                 .value = slice_of(line->text, line->len),
                                 .timestamp_ms = core_wall_ms(core) };
    struct message *message = message_new(&spec);

    if (message != NULL) /* else it stands in the log */
        publish_transient(core, &message);
}

static void publish_all(void *arg)
{
    struct list lines;

    (void)arg;
    list_init(&lines);
    mailbox_take(&topics.waiting, &lines);
    is_publishing = true;
    while (!list_is_empty(&lines)) {
        struct line *line = LIST_FIRST(&lines, struct line, link);

        link_remove(&line->link);
        if (topics.core != NULL)
            publish(topics.core, line);
        mem_free(line);
        atomic_fetch_sub(&waiting_count, 1);
    }
    is_publishing = false;
}

static void wait_for_turn(enum log_level level, const char *text, size_t len)
{
    struct line *line = NULL;

    if (atomic_fetch_add(&waiting_count, 1) < WAITING_MAX)
        line = mem_try(sizeof(*line) + len);
    if (line == NULL) {
        atomic_fetch_sub(&waiting_count, 1);
        return;
    }
    *line = (struct line){ .level = level, .len = len };
    memcpy(line->text, text, len);
    if (mailbox_put(&topics.waiting, &line->link))
        loop_post(topics.loop, &topics.call);
}

/* ---- both ---- */

static void on_line(enum log_level level, const char *line, size_t len)
{
    syslog_line(level, line, len);
    if (atomic_load(&is_open) && atomic_load(&has_topics) && !is_publishing)
        wait_for_turn(level, line, len);
}

void log_places_set(const struct settings *s)
{
    log_set_time_format(s->log_time_format);
    syslog_set_facility(s->log_syslog);
    atomic_store(&has_topics, s->log_topics);
    log_set_sink(s->log_syslog != 0 || s->log_topics ? on_line : NULL);
}

void log_places_open(struct core *core, struct loop *loop)
{
    mailbox_init(&topics.waiting);
    topics.core = core;
    topics.loop = loop;
    topics.call = (struct loop_call){ .call = publish_all };
    atomic_store(&is_open, true);
}

/* The threads that log have ended by now. */
void log_places_close(void)
{
    if (!atomic_exchange(&is_open, false))
        return;
    topics.core = NULL;
    publish_all(NULL);
    mailbox_done(&topics.waiting);
}
