/* SPDX-License-Identifier: Apache-2.0 */
/* Notes: small durable facts that a protocol keeps with a session. */
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/core/session_int.h"

struct note_key {
    uint8_t bytes[12];
};

static struct note_key note_key(const struct session *session, uint32_t key)
{
    struct note_key out;

    put_u64(out.bytes, session->number);
    put_u32(out.bytes + 8, key);
    return out;
}

static struct note *note_find(const struct session *session, uint32_t key)
{
    uint8_t bytes[4];
    struct map_node *node;

    if (session->extra == NULL)
        return NULL;
    put_u32(bytes, key);
    node = map_get(&session->extra->notes, slice_of(bytes, sizeof(bytes)));
    return node == NULL ? NULL : CONTAINER_OF(node, struct note, by_key);
}

static struct note *note_set(struct session *session, uint32_t key, struct slice value)
{
    struct note *note = note_find(session, key);

    if (note == NULL) {
        note = mem_new(struct note);
        note->key = key;
        put_u32(note->key_bytes, key);
        map_add(&session_extra(session)->notes, slice_of(note->key_bytes, sizeof(note->key_bytes)),
                &note->by_key);
    }
    mem_free((void *)(uintptr_t)note->value.at);
    note->value = slice_of(mem_copy_text(value), value.len);
    return note;
}

static void note_record(const struct session *session, const struct note *note)
{
    struct note_key key = note_key(session, note->key);

    core_put(session->core, META_INFLIGHT, slice_of(key.bytes, sizeof(key.bytes)), note->value,
             DURABILITY_ALWAYS);
}

void session_note_put(struct session *session, uint32_t key, struct slice value)
{
    struct note *note = note_set(session, key, value);

    if (session_is_durable(session))
        note_record(session, note);
}

static void note_free(struct session *session, struct note *note)
{
    map_remove(&session->extra->notes, &note->by_key);
    mem_free((void *)(uintptr_t)note->value.at);
    mem_free(note);
}

void session_note_delete(struct session *session, uint32_t key)
{
    struct note *note = note_find(session, key);
    struct note_key bytes = note_key(session, key);

    if (note == NULL)
        return;
    note_free(session, note);
    if (session_is_durable(session))
        core_delete(session->core, META_INFLIGHT, slice_of(bytes.bytes, sizeof(bytes.bytes)));
}

struct slice session_note_get(const struct session *session, uint32_t key)
{
    const struct note *note = note_find(session, key);

    return note == NULL ? SLICE_NONE : note->value;
}

static int compare_keys(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

    return (first > second) - (first < second);
}

/* A client may have 65,535 of a kind: they are sorted as so many are. */
void session_note_each(const struct session *session, uint32_t first, uint32_t last,
                       session_note_fn *visit, void *arg)
{
    size_t bytes, room = session_note_count(session, first, last, &bytes), count = 0;
    uint32_t *keys;

    if (room == 0)
        return;
    keys = mem_new_array(uint32_t, room);
    MAP_EACH (node, &session->extra->notes) {
        uint32_t key = CONTAINER_OF(node, struct note, by_key)->key;

        if (key >= first && key <= last)
            keys[count++] = key;
    }
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (size_t i = 0; i < count; i++)
        visit(arg, keys[i], note_find(session, keys[i])->value);
    mem_free(keys);
}

size_t session_note_count(const struct session *session, uint32_t first, uint32_t last,
                          size_t *ret_bytes)
{
    size_t count = 0;

    *ret_bytes = 0;
    if (session->extra == NULL)
        return 0;
    MAP_EACH (node, &session->extra->notes) {
        const struct note *note = CONTAINER_OF(node, struct note, by_key);

        if (note->key < first || note->key > last)
            continue;
        *ret_bytes += note->value.len;
        count++;
    }
    return count;
}

void notes_record(struct session *session)
{
    if (session->extra == NULL)
        return;
    MAP_EACH (node, &session->extra->notes)
        note_record(session, CONTAINER_OF(node, struct note, by_key));
}

void notes_forget(struct session *session)
{
    if (session->extra == NULL)
        return;
    MAP_EACH (node, &session->extra->notes) {
        struct note_key key = note_key(session, CONTAINER_OF(node, struct note, by_key)->key);

        core_delete(session->core, META_INFLIGHT, slice_of(key.bytes, sizeof(key.bytes)));
    }
}

void notes_free(struct session *session)
{
    struct map *notes = &session->extra->notes;

    while (notes->count > 0)
        note_free(session, CONTAINER_OF(map_any(notes), struct note, by_key));
    map_done(notes);
}

enum rc note_load(struct session *session, uint32_t key, struct slice value)
{
    (void)note_set(session, key, value);
    return RC_OK;
}
