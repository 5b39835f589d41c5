/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/bridge_topics.h"

#include "broker/base/mem.h"
#include "broker/core/filter.h"
#include "protocols/mqtt/mqtt_codec.h"

static char *joined(struct slice prefix, struct slice pattern)
{
    char *at = mem_get(prefix.len + pattern.len + 1);

    memcpy(at, prefix.at, prefix.len);
    memcpy(at + prefix.len, pattern.at, pattern.len);
    at[prefix.len + pattern.len] = '\0';
    return at;
}

static enum rc topic_init(struct bridge_topic *topic, const struct bridge_topic_line *line)
{
    enum rc rc;

    topic->line = *line;
    topic->local = joined(line->local_prefix, line->pattern);
    topic->remote = joined(line->remote_prefix, line->pattern);
    rc = filter_from_mqtt(slice_str(topic->local), &topic->local_filter);
    return rc == RC_OK ? filter_from_mqtt(slice_str(topic->remote), &topic->remote_filter) : rc;
}

enum rc bridge_topics_init(struct bridge_topics *topics, const char *lines)
{
    struct slice list = slice_str(lines);
    struct bridge_topic_line line;
    struct text why = { 0 };
    enum rc rc = RC_OK;

    *topics = (struct bridge_topics){ 0 };
    while (rc == RC_OK && bridge_next_topic(&list, &line, &rc, &why)) {
        if (rc != RC_OK)
            break;
        topics->at = mem_resize(topics->at, (topics->count + 1) * sizeof(*topics->at));
        topics->at[topics->count] = (struct bridge_topic){ .local = NULL };
        rc = topic_init(&topics->at[topics->count++], &line);
    }
    text_done(&why);
    return rc;
}

void bridge_topics_done(struct bridge_topics *topics)
{
    for (unsigned i = 0; i < topics->count; i++) {
        mem_free(topics->at[i].local);
        mem_free(topics->at[i].remote);
        filter_free(&topics->at[i].local_filter);
        filter_free(&topics->at[i].remote_filter);
    }
    MEM_FREE(topics->at);
    topics->count = 0;
}

static bool exchange(struct slice topic, struct slice from, struct slice to, struct text *ret)
{
    text_add(ret, to);
    text_add(ret, slice_after(topic, from.len));
    return !ret->bad && mqtt_topic_is_valid(text_slice(ret));
}

bool bridge_topic_out(const struct bridge_topics *topics, struct slice local, struct text *to)
{
    text_clear(to);
    for (unsigned i = 0; i < topics->count; i++) {
        const struct bridge_topic *t = &topics->at[i];

        if (t->line.is_out && filter_matches(t->local_filter, local))
            return exchange(local, t->line.local_prefix, t->line.remote_prefix, to);
    }
    return false;
}

bool bridge_topic_in(const struct bridge_topics *topics, struct slice remote, struct text *to)
{
    text_clear(to);
    for (unsigned i = 0; i < topics->count; i++) {
        const struct bridge_topic *t = &topics->at[i];

        if (t->line.is_in && filter_matches(t->remote_filter, remote))
            return exchange(remote, t->line.remote_prefix, t->line.local_prefix, to);
    }
    return false;
}
