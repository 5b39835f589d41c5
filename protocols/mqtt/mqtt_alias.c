/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_alias.h"

#include "broker/base/hash.h"
#include "broker/base/mem.h"

/* The property takes three bytes: a shorter topic is better sent as it is. */
#define WORTH_BYTES 6u
/* A topic that was sent so often is safe from as many others. */
#define USES_MAX 8u

struct mqtt_given {
    char *topic; /* owned; NULL: free */
    uint32_t len;
    uint32_t hash;
    uint8_t uses;
};

void mqtt_aliases_done(struct mqtt_aliases *t)
{
    for (unsigned i = 0; t->given != NULL && i < t->max; i++)
        mem_free(t->given[i].topic);
    MEM_FREE(t->given);
}

/* One that is free, or whose topic has not come for long; 0: all are in use. */
static uint16_t make_room(struct mqtt_aliases *t)
{
    uint16_t at = t->hand;
    struct mqtt_given *given = &t->given[at];

    t->hand = (uint16_t)((at + 1u) % t->max);
    if (given->topic != NULL && given->uses > 0) {
        given->uses--;
        return 0;
    }
    return (uint16_t)(at + 1u);
}

uint16_t mqtt_aliases_find(struct mqtt_aliases *t, struct slice topic, bool *ret_known)
{
    uint32_t hash;

    *ret_known = false;
    if (t->max == 0 || topic.len < WORTH_BYTES)
        return 0;
    if (t->given == NULL)
        t->given = mem_new_array(struct mqtt_given, t->max);
    hash = (uint32_t)hash_seeded(topic);
    for (unsigned i = 0; i < t->max; i++) {
        struct mqtt_given *given = &t->given[i];

        if (given->hash != hash || given->topic == NULL ||
            !slice_equal(slice_of(given->topic, given->len), topic))
            continue;
        given->uses = (uint8_t)(given->uses < USES_MAX ? given->uses + 1u : USES_MAX);
        *ret_known = true;
        return (uint16_t)(i + 1);
    }
    return make_room(t);
}

void mqtt_aliases_give(struct mqtt_aliases *t, uint16_t alias, struct slice topic)
{
    struct mqtt_given *given = &t->given[alias - 1];

    ASSERT(alias > 0 && alias <= t->max);
    mem_free(given->topic);
    *given = (struct mqtt_given){ .topic = mem_copy_text(topic),
                                  .len = (uint32_t)topic.len,
                                  .hash = (uint32_t)hash_seeded(topic),
                                  .uses = 1 };
}
