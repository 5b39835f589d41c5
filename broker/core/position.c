/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/position.h"

#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/base/wire.h"
#include "broker/core/core_int.h"
#include "broker/core/queue_int.h"

/* What a client may say with a position; Kafka's offset.metadata.max.bytes. */
#define POSITION_METADATA_MAX_BYTES 4096

/* What all groups have in one stream: a stream that goes takes them along. */
struct place_stream {
    struct map_node by_name;
    char *name; /* owned */
    struct list places;
};

struct group {
    struct map_node by_name;
    char *name; /* owned */
    struct map places;
};

/* The key: stream name, NUL, partition u32. A stream name has no NUL in its canonical spelling. */
struct place {
    struct map_node by_key;
    struct group *group; /* borrowed: its owner */
    struct place_stream *stream;
    struct link of_stream;
    uint8_t *key;             /* owned */
    struct position position; /* metadata owned */
};

struct place_key {
    uint8_t bytes[STREAM_NAME_MAX_BYTES + 5];
    size_t len;
};

static struct slice place_key(struct place_key *key, struct slice stream, uint32_t partition)
{
    struct wr w = wr_of(key->bytes, sizeof(key->bytes));

    wr_bytes(&w, stream);
    wr_u8(&w, 0);
    wr_u32(&w, partition);
    key->len = w.len;
    return wr_slice(&w);
}

static struct group *group_find(struct core *core, struct slice name)
{
    struct map_node *node = map_get(&core->groups, name);

    return node == NULL ? NULL : CONTAINER_OF(node, struct group, by_name);
}

static struct group *group_make(struct core *core, struct slice name)
{
    struct group *group = group_find(core, name);

    if (group != NULL)
        return group;
    group = mem_new(struct group);
    group->name = mem_copy_text(name);
    map_init(&group->places);
    map_add(&core->groups, slice_of(group->name, name.len), &group->by_name);
    return group;
}

static void group_drop_if_empty(struct core *core, struct group *group)
{
    if (group->places.count > 0)
        return;
    map_done(&group->places);
    map_remove(&core->groups, &group->by_name);
    mem_free(group->name);
    mem_free(group);
}

static struct place_stream *place_stream_find(struct core *core, struct slice name)
{
    struct map_node *node = map_get(&core->place_streams, name);

    return node == NULL ? NULL : CONTAINER_OF(node, struct place_stream, by_name);
}

static struct place_stream *place_stream_make(struct core *core, struct slice name)
{
    struct place_stream *stream = place_stream_find(core, name);

    if (stream != NULL)
        return stream;
    stream = mem_new(struct place_stream);
    stream->name = mem_copy_text(name);
    list_init(&stream->places);
    map_add(&core->place_streams, slice_of(stream->name, name.len), &stream->by_name);
    return stream;
}

static void place_free(struct core *core, struct place *place)
{
    struct place_stream *stream = place->stream;

    map_remove(&place->group->places, &place->by_key);
    link_remove(&place->of_stream);
    if (list_is_empty(&stream->places)) {
        map_remove(&core->place_streams, &stream->by_name);
        mem_free(stream->name);
        mem_free(stream);
    }
    mem_free(place->key);
    mem_free((void *)(uintptr_t)place->position.metadata.at);
    mem_free(place);
}

static struct slice stream_of_key(struct slice key, uint32_t *ret_partition)
{
    struct rd rd = rd_of(slice_after(key, key.len - 4));

    *ret_partition = rd_u32(&rd);
    return slice_of(key.at, key.len - 5);
}

static struct place *place_find(const struct group *group, struct slice key)
{
    struct map_node *node = map_get(&group->places, key);

    return node == NULL ? NULL : CONTAINER_OF(node, struct place, by_key);
}

static void place_set(struct core *core, struct group *group, struct slice key,
                      const struct position *position)
{
    struct place *place = place_find(group, key);
    uint32_t partition;

    if (place == NULL) {
        place = mem_new(struct place);
        place->group = group;
        place->stream = place_stream_make(core, stream_of_key(key, &partition));
        list_append(&place->stream->places, &place->of_stream);
        place->key = (uint8_t *)mem_copy_text(key);
        map_add(&group->places, slice_of(place->key, key.len), &place->by_key);
    }
    mem_free((void *)(uintptr_t)place->position.metadata.at);
    place->position = *position;
    place->position.metadata = slice_of(mem_copy_text(position->metadata), position->metadata.len);
}

/* ---- the catalogue: key: group length u16, group, place key; value: offset u64, epoch i32, time
 * u64, metadata ---- */

static struct slice meta_key(struct text *out, struct slice group, struct slice place)
{
    text_clear(out);
    text_add_u16(out, (uint16_t)group.len);
    text_add(out, group);
    text_add(out, place);
    return text_slice(out);
}

static void position_record(struct core *core, struct slice group, struct slice place,
                            const struct position *position)
{
    struct text key = { .is_vital = true };
    struct text *value = &core->scratch;

    if (PLANTED("position-unrecorded"))
        return;
    text_clear(value);
    text_add_u64(value, position->offset);
    text_add_u32(value, (uint32_t)position->leader_epoch);
    text_add_u64(value, (uint64_t)position->committed_ms);
    text_add(value, position->metadata);
    core_put(core, META_GROUPS, meta_key(&key, group, place), text_slice(value), DURABILITY_ALWAYS);
    text_done(&key);
}

static void place_delete(struct core *core, struct group *group, struct place *place)
{
    struct text key = { .is_vital = true };

    core_delete(core, META_GROUPS, meta_key(&key, group->by_name.key, place->by_key.key));
    text_done(&key);
    place_free(core, place);
}

enum rc position_set(struct core *core, struct slice group, struct slice stream, uint32_t partition,
                     const struct position *position)
{
    struct place_key bytes;
    struct slice key;

    if (group.len > GROUP_NAME_MAX_BYTES || stream.len > STREAM_NAME_MAX_BYTES ||
        position->metadata.len > POSITION_METADATA_MAX_BYTES)
        return RC_LIMIT;
    key = place_key(&bytes, stream, partition);
    place_set(core, group_make(core, group), key, position);
    position_record(core, group, key, position);
    return RC_OK;
}

enum rc position_get(struct core *core, struct slice group, struct slice stream, uint32_t partition,
                     struct position *ret)
{
    struct group *found = group_find(core, group);
    struct place_key bytes;
    struct place *place = NULL;

    if (found != NULL && stream.len <= STREAM_NAME_MAX_BYTES)
        place = place_find(found, place_key(&bytes, stream, partition));
    if (place == NULL)
        return RC_NOT_FOUND;
    *ret = place->position;
    return RC_OK;
}

void position_each(struct core *core, struct slice group, position_visit_fn *visit, void *arg)
{
    struct group *found = group_find(core, group);

    if (found == NULL)
        return;
    MAP_EACH (node, &found->places) {
        struct place *place = CONTAINER_OF(node, struct place, by_key);
        uint32_t partition;
        struct slice stream = stream_of_key(place->by_key.key, &partition);

        visit(arg, stream, partition, &place->position);
    }
}

void position_each_group(struct core *core, void (*visit)(void *arg, struct slice group), void *arg)
{
    MAP_EACH (node, &core->groups)
        visit(arg, node->key);
}

void position_delete(struct core *core, struct slice group, struct slice stream, uint32_t partition)
{
    struct group *found = group_find(core, group);
    struct place_key bytes;
    struct place *place = NULL;

    if (found == NULL || stream.len > STREAM_NAME_MAX_BYTES)
        return;
    place = place_find(found, place_key(&bytes, stream, partition));
    if (place != NULL)
        place_delete(core, found, place);
    group_drop_if_empty(core, found);
}

void position_delete_group(struct core *core, struct slice group)
{
    struct group *found = group_find(core, group);

    if (found == NULL)
        return;
    while (found->places.count > 0)
        place_delete(core, found, CONTAINER_OF(map_any(&found->places), struct place, by_key));
    group_drop_if_empty(core, found);
}

void positions_forget_stream(struct core *core, struct slice stream)
{
    struct place_stream *found;

    while ((found = place_stream_find(core, stream)) != NULL) {
        struct place *place = LIST_FIRST(&found->places, struct place, of_stream);
        struct group *group = place->group;

        place_delete(core, group, place);
        group_drop_if_empty(core, group);
    }
}

static enum rc visit_position(void *arg, struct slice key, struct slice value)
{
    struct rd key_rd = rd_of(key);
    struct slice group = rd_bytes(&key_rd, rd_u16(&key_rd));
    struct slice place = rd_rest(&key_rd);
    struct rd rd = rd_of(value);
    struct position position = { .offset = rd_u64(&rd) };

    position.leader_epoch = rd_i32(&rd);
    position.committed_ms = rd_i64(&rd);
    position.metadata = rd_rest(&rd);
    if (rd.bad || key_rd.bad || place.len < 5) {
        log_event(LOG_ERROR, "core.bad_position", "group=%s", log_quote(group.at, group.len));
        return RC_CORRUPT;
    }
    place_set(arg, group_make(arg, group), place, &position);
    return RC_OK;
}

enum rc positions_load(struct core *core)
{
    return meta_each(core->store, META_GROUPS, visit_position, core);
}

static void group_free(struct core *core, struct group *group)
{
    while (group->places.count > 0) {
        struct place *place = CONTAINER_OF(map_any(&group->places), struct place, by_key);

        place_free(core, place);
    }
    group_drop_if_empty(core, group);
}

void positions_done(struct core *core)
{
    while (core->groups.count > 0)
        group_free(core, CONTAINER_OF(map_any(&core->groups), struct group, by_name));
    map_done(&core->groups);
    map_done(&core->place_streams);
}
