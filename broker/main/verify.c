/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/verify.h"

#include "admin/jot.h"
#include "broker/base/map.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/stream.h"
#include "storage/verify.h"

enum { STATUS_SOUND = 0, STATUS_DAMAGED = 1, STATUS_UNREAD = 2 };

/* Whose a log is. */
struct named_log {
    struct map_node node; /* key: the number below */
    uint32_t number;
    unsigned partition;
    char *stream; /* owned */
    size_t stream_len;
};

struct report {
    struct text *to;
    struct map logs;
    struct text losses;   /* JSON is told list by list */
    struct text problems; /* likewise */
    bool is_json;
    bool has_bad_stream;
};

static const char *const states[] = {
    [VERIFY_SEALED] = "sealed",
    [VERIFY_OPEN] = "open",
    [VERIFY_MISSING] = "missing",
};

/* ---- names of logs ---- */

static void on_stream_log(void *arg, struct slice stream, unsigned partition, uint32_t number)
{
    struct report *r = arg;
    struct named_log *log;

    if (map_get(&r->logs, slice_of(&number, sizeof(number))) != NULL)
        return;
    log = mem_new(struct named_log);
    log->number = number;
    log->partition = partition;
    log->stream = mem_copy_text(stream);
    log->stream_len = stream.len;
    map_add(&r->logs, slice_of(&log->number, sizeof(log->number)), &log->node);
}

static void on_meta(void *arg, enum meta_table table, struct slice key, struct slice value)
{
    struct report *r = arg;

    if (table == META_STREAMS && stream_entry_each(key, value, on_stream_log, r) != RC_OK)
        r->has_bad_stream = true;
}

static const struct named_log *name_of(const struct report *r, uint32_t number)
{
    struct map_node *node = map_get(&r->logs, slice_of(&number, sizeof(number)));

    return node == NULL ? NULL : CONTAINER_OF(node, struct named_log, node);
}

static void logs_free(struct report *r)
{
    struct map_node *node;

    while ((node = map_any(&r->logs)) != NULL) {
        struct named_log *log = CONTAINER_OF(node, struct named_log, node);

        map_remove(&r->logs, node);
        mem_free(log->stream);
        mem_free(log);
    }
    map_done(&r->logs);
}

/* ---- events ---- */

static void segment_as_json(struct text *to, const struct verify_segment *s)
{
    jot_open(to, NULL, '{');
    jot_count(to, "segment", s->number);
    jot_string(to, "state", states[s->state]);
    jot_count(to, "bytes", s->bytes);
    jot_count(to, "frames", s->frames);
    jot_count(to, "entries", s->entries);
    jot_count(to, "records", s->records);
    jot_count(to, "frames_lost", s->frames_lost);
    jot_count(to, "frames_torn", s->frames_torn);
    jot_switch(to, "index_damaged", s->is_index_damaged);
    jot_switch(to, "sound", s->is_sound);
    jot_close(to, '}');
}

static void on_segment(void *arg, const struct verify_segment *s)
{
    const struct report *r = arg;

    if (r->is_json) {
        segment_as_json(r->to, s);
        return;
    }
    text_format(r->to, "segment %-6u %-7s %12llu bytes %8llu frames %10llu records  %s",
                (unsigned)s->number, states[s->state], (unsigned long long)s->bytes,
                (unsigned long long)s->frames, (unsigned long long)s->records,
                s->is_sound ? "sound" : "DAMAGED:");
    if (s->frames_lost > 0)
        text_format(r->to, " %llu frames lost", (unsigned long long)s->frames_lost);
    if (s->is_index_damaged)
        text_format(r->to, "%s index", s->frames_lost > 0 ? "," : "");
    if (s->frames_torn > 0)
        text_format(r->to, " (%llu frames of a commit that never ended)",
                    (unsigned long long)s->frames_torn);
    text_add_byte(r->to, '\n');
}

static void on_loss(void *arg, const struct verify_loss *loss)
{
    struct report *r = arg;
    const struct named_log *log = name_of(r, loss->log);
    struct slice stream = log == NULL ? SLICE_NONE : slice_of(log->stream, log->stream_len);

    if (!r->is_json) {
        text_format(r->to, "  LOST log %u", (unsigned)loss->log);
        if (log != NULL)
            text_format(r->to, " (stream %.*s, partition %u)", SLICE_FMT(stream), log->partition);
        text_format(r->to, " offsets %llu to %llu, in segment %u\n", (unsigned long long)loss->from,
                    (unsigned long long)loss->to - 1, (unsigned)loss->segment);
        return;
    }
    jot_open(&r->losses, NULL, '{');
    jot_count(&r->losses, "log", loss->log);
    jot_bytes(&r->losses, "stream", stream);
    if (log != NULL)
        jot_count(&r->losses, "partition", log->partition);
    jot_count(&r->losses, "from", loss->from);
    jot_count(&r->losses, "to", loss->to - 1);
    jot_count(&r->losses, "segment", loss->segment);
    jot_close(&r->losses, '}');
}

static void on_problem(void *arg, const char *what)
{
    struct report *r = arg;

    if (r->is_json)
        jot_string(&r->problems, NULL, what);
    else
        text_format(r->to, "PROBLEM %s\n", what);
}

/* ---- the end of it ---- */

static const char *explain(enum rc rc)
{
    switch ((int)rc) {
    case RC_NOT_FOUND:
        return "there is no store in this directory";
    case RC_LOCKED:
        return "a broker has this store open: stop it first, or take a backup and verify that";
    case RC_VERSION:
        return "the store is of another format than this program's; an older one is made new by "
               "opening it with tercetd";
    case RC_REFUSED:
        return "this user may not read it";
    default:
        return rc_word(rc);
    }
}

static void finish_json(struct report *r, enum rc rc, const struct verify_totals *totals)
{
    struct text *to = r->to;

    jot_close(to, ']');
    jot_open(to, "lost", '[');
    text_add(to, text_slice(&r->losses));
    jot_close(to, ']');
    jot_open(to, "problems", '[');
    text_add(to, text_slice(&r->problems));
    jot_close(to, ']');
    if (rc != RC_OK) {
        jot_string(to, "error", rc_word(rc));
        jot_string(to, "reason", explain(rc));
    } else {
        jot_switch(to, "backup", totals->is_backup);
        jot_count(to, "values", totals->values);
        jot_count(to, "records", totals->records);
        jot_count(to, "offsets_lost", totals->offsets_lost);
        jot_switch(to, "sound", totals->is_sound);
    }
    jot_close(to, '}');
    text_add_byte(to, '\n');
}

static void finish_text(struct report *r, const char *directory, enum rc rc,
                        const struct verify_totals *totals)
{
    if (rc != RC_OK)
        text_format(r->to, "%s: %s\n", directory, explain(rc));
    else
        text_format(r->to,
                    "%s: %s%s; %u segments with %llu records, %llu values in the catalogue; "
                    "%u segments damaged, %llu offsets lost\n",
                    directory, totals->is_sound ? "sound" : "DAMAGED",
                    totals->is_backup ? " (a backup)" : "", totals->segments,
                    (unsigned long long)totals->records, (unsigned long long)totals->values,
                    totals->damaged, (unsigned long long)totals->offsets_lost);
}

int verify_and_tell(const char *directory, bool is_json, struct text *to)
{
    struct report r = { .to = to, .is_json = is_json };
    struct verify_events events = { .on_meta = on_meta,
                                    .on_segment = on_segment,
                                    .on_loss = on_loss,
                                    .on_problem = on_problem,
                                    .arg = &r };
    struct verify_totals totals = { 0 };
    enum rc rc;

    map_init(&r.logs);
    if (is_json) {
        jot_open(to, NULL, '{');
        jot_string(to, "directory", directory);
        jot_open(to, "segments", '[');
    }
    rc = store_verify(directory, &events, &totals);
    if (r.has_bad_stream) {
        on_problem(&r, "an entry of the streams' table makes no sense");
        totals.is_sound = false;
    }
    if (is_json)
        finish_json(&r, rc, &totals);
    else
        finish_text(&r, directory, rc, &totals);
    logs_free(&r);
    text_done(&r.losses);
    text_done(&r.problems);
    return rc != RC_OK ? STATUS_UNREAD : totals.is_sound ? STATUS_SOUND : STATUS_DAMAGED;
}
