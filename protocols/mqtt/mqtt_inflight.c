/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_inflight.h"

#include <string.h>

#include "broker/base/mem.h"

#define FIRST_ROOM 16u

void mqtt_inflight_done(struct mqtt_inflight *t)
{
    MEM_FREE(t->slots);
    *t = (struct mqtt_inflight){ 0 };
}

static struct mqtt_flight *slot_of(const struct mqtt_inflight *t, uint16_t packet_id)
{
    return &t->slots[packet_id & (t->room - 1)];
}

/* Doubling never makes two ids meet: those that shared no slot before share none after. */
static enum rc grow(struct mqtt_inflight *t)
{
    struct mqtt_inflight bigger = *t;
    size_t bytes;

    bigger.room = t->room == 0 ? FIRST_ROOM : t->room * 2;
    bytes = bigger.room * sizeof(*bigger.slots);
    bigger.slots = mem_try(bytes);
    if (bigger.slots == NULL)
        return RC_MEMORY;
    memset(bigger.slots, 0, bytes);
    for (unsigned i = 0; i < t->room; i++) {
        if (t->slots[i].packet_id != 0)
            *slot_of(&bigger, t->slots[i].packet_id) = t->slots[i];
    }
    mem_free(t->slots);
    *t = bigger;
    return RC_OK;
}

/* A mantissa of 12 bits over an exponent of 4. */
#define WEIGHT_BITS 12

uint16_t mqtt_weight(size_t bytes)
{
    unsigned exponent = 0;

    while (bytes >> WEIGHT_BITS != 0 && exponent < 15) {
        bytes = (bytes + 1) >> 1;
        exponent++;
    }
    if (bytes >> WEIGHT_BITS != 0)
        bytes = (1u << WEIGHT_BITS) - 1;
    return (uint16_t)(exponent << WEIGHT_BITS | bytes);
}

static uint64_t bytes_of(uint16_t weight)
{
    return (uint64_t)(weight & ((1u << WEIGHT_BITS) - 1)) << (weight >> WEIGHT_BITS);
}

uint64_t mqtt_inflight_bytes(const struct mqtt_inflight *t)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < t->room; i++)
        bytes += bytes_of(t->slots[i].weight);
    return bytes;
}

enum rc mqtt_inflight_add(struct mqtt_inflight *t, struct mqtt_flight **ret)
{
    struct mqtt_flight *flight;

    if (t->count >= MQTT_INFLIGHT_MAX)
        return RC_LIMIT;
    if (t->count * 2 >= t->room && grow(t) != RC_OK)
        return RC_MEMORY;
    do {
        t->last_id = t->last_id == UINT16_MAX ? 1 : (uint16_t)(t->last_id + 1);
        flight = slot_of(t, t->last_id);
    } while (flight->packet_id != 0);
    *flight = (struct mqtt_flight){ .packet_id = t->last_id };
    t->count++;
    *ret = flight;
    return RC_OK;
}

enum rc mqtt_inflight_restore(struct mqtt_inflight *t, uint16_t packet_id, struct mqtt_flight **ret)
{
    struct mqtt_flight *flight;

    ASSERT(packet_id != 0);
    while (t->room == 0 || slot_of(t, packet_id)->packet_id != 0) {
        if (t->room != 0 && slot_of(t, packet_id)->packet_id == packet_id)
            return RC_EXISTS;
        if (t->room > UINT16_MAX || grow(t) != RC_OK)
            return RC_MEMORY;
    }
    flight = slot_of(t, packet_id);
    *flight = (struct mqtt_flight){ .packet_id = packet_id };
    t->count++;
    *ret = flight;
    return RC_OK;
}

static bool is_counted(unsigned state)
{
    return state == FLIGHT_HELD || state == FLIGHT_PUBLISH || state == FLIGHT_RECEIVE ||
           state == FLIGHT_RELEASE || state == FLIGHT_DROPPED;
}

void mqtt_inflight_set(struct mqtt_inflight *t, struct mqtt_flight *flight,
                       enum mqtt_flight_state state)
{
    t->sent = (uint16_t)(t->sent - is_counted(flight->state) + is_counted(state));
    flight->state = (uint8_t)state;
}

struct mqtt_flight *mqtt_inflight_get(const struct mqtt_inflight *t, uint16_t packet_id)
{
    struct mqtt_flight *flight;

    if (t->room == 0 || packet_id == 0)
        return NULL;
    flight = slot_of(t, packet_id);
    return flight->packet_id == packet_id ? flight : NULL;
}

struct mqtt_flight *mqtt_inflight_resumed(struct mqtt_inflight *t, uint64_t handle)
{
    /* they are asked for in the order in which their ids were given: mostly the next slot is it */
    for (unsigned n = 0; n < t->room; n++) {
        unsigned i = (t->resumed_at + n) & (t->room - 1);

        if (t->slots[i].state == FLIGHT_RESUME && t->slots[i].handle == handle) {
            t->resumed_at = (uint16_t)i;
            return &t->slots[i];
        }
    }
    return NULL;
}

void mqtt_inflight_remove(struct mqtt_inflight *t, struct mqtt_flight *flight)
{
    mqtt_inflight_set(t, flight, FLIGHT_FREE);
    *flight = (struct mqtt_flight){ 0 };
    t->count--;
}

struct mqtt_flight *mqtt_inflight_next(const struct mqtt_inflight *t, struct mqtt_flight *after)
{
    size_t i = after == NULL ? 0 : (size_t)(after - t->slots) + 1;

    for (; i < t->room; i++) {
        if (t->slots[i].packet_id != 0)
            return &t->slots[i];
    }
    return NULL;
}
