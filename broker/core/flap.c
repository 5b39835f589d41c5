/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/flap.h"

#include <string.h>

#include "broker/base/list.h"
#include "broker/base/map.h"
#include "broker/base/mem.h"

#define NS_PER_MS UINT64_C(1000000)
/* Banned names that are passed over when room is needed; if there are more, one of them goes. */
#define PASSED_OVER_MAX 16

struct name {
    struct map_node by_name;
    struct link link; /* in flap->names, the one seen last at the end */
    uint64_t paid_ns; /* each connect costs a part of the window, and this is when all are paid */
    uint64_t banned_until_ns;
    uint64_t last_ban_ms;
};

struct flap {
    struct flap_config config;
    struct map by_name;
    struct list names;
};

struct flap *flap_new(const struct flap_config *config)
{
    struct flap *flap = mem_new(struct flap);

    ASSERT(config->window_ms > 0);
    flap->config = *config;
    map_init(&flap->by_name);
    list_init(&flap->names);
    return flap;
}

void flap_configure(struct flap *flap, const struct flap_config *config)
{
    ASSERT(config->window_ms > 0);
    flap->config = *config;
}

static void forget(struct flap *flap, struct name *name)
{
    map_remove(&flap->by_name, &name->by_name);
    link_remove(&name->link);
    mem_free(name);
}

void flap_free(struct flap **flap)
{
    struct flap *f = *flap;

    if (f == NULL)
        return;
    while (!list_is_empty(&f->names))
        forget(f, LIST_FIRST(&f->names, struct name, link));
    map_done(&f->by_name);
    MEM_FREE(*flap);
}

static struct name *find(const struct flap *flap, struct slice name)
{
    struct map_node *node = map_get(&flap->by_name, name);

    return node == NULL ? NULL : CONTAINER_OF(node, struct name, by_name);
}

static void make_room(struct flap *flap, uint64_t now_ns)
{
    unsigned passed = 0;

    LIST_EACH_SAFE (k, &flap->names) {
        struct name *name = CONTAINER_OF(k, struct name, link);

        if (flap->by_name.count < FLAP_NAMES_MAX)
            return;
        if (name->banned_until_ns > now_ns && passed++ < PASSED_OVER_MAX)
            continue;
        forget(flap, name);
    }
}

/* NULL without memory. */
static struct name *add(struct flap *flap, struct slice text, uint64_t now_ns)
{
    struct name *name;

    make_room(flap, now_ns);
    name = mem_try(sizeof(*name) + text.len);
    if (name == NULL)
        return NULL;
    *name = (struct name){ .paid_ns = 0 };
    if (text.len > 0)
        memcpy(name + 1, text.at, text.len);
    map_add(&flap->by_name, slice_of(name + 1, text.len), &name->by_name);
    list_append(&flap->names, &name->link);
    return name;
}

/* Who was banned, and has been quiet for as long again, begins anew. */
static uint64_t ban_ms_of(const struct flap_config *config, const struct name *name,
                          uint64_t now_ns)
{
    uint64_t quiet_ns = (name->last_ban_ms + config->window_ms) * NS_PER_MS, ms;

    if (name->last_ban_ms == 0 || now_ns - name->banned_until_ns > quiet_ns)
        return config->ban_ms;
    ms = 2 * name->last_ban_ms;
    if (ms > config->ban_max_ms)
        ms = config->ban_max_ms;
    return ms > config->ban_ms ? ms : config->ban_ms;
}

enum flap_verdict flap_connect(struct flap *flap, struct slice text, uint64_t now_ns)
{
    uint64_t window_ns = flap->config.window_ms * NS_PER_MS;
    struct name *name;

    if (flap->config.connects == 0)
        return FLAP_FINE;
    name = find(flap, text);
    if (name == NULL)
        name = add(flap, text, now_ns);
    if (name == NULL)
        return FLAP_FINE;
    if (name->banned_until_ns > now_ns)
        return FLAP_BANNED;
    link_remove(&name->link);
    list_append(&flap->names, &name->link);
    if (name->paid_ns < now_ns)
        name->paid_ns = now_ns;
    name->paid_ns += window_ns / flap->config.connects;
    if (name->paid_ns - now_ns <= window_ns)
        return FLAP_FINE;
    name->paid_ns = 0;
    name->last_ban_ms = ban_ms_of(&flap->config, name, now_ns);
    name->banned_until_ns = now_ns + name->last_ban_ms * NS_PER_MS;
    return FLAP_BANNED_NOW;
}

bool flap_is_banned(const struct flap *flap, struct slice text, uint64_t now_ns)
{
    const struct name *name = find(flap, text);

    return name != NULL && name->banned_until_ns > now_ns;
}

bool flap_lift(struct flap *flap, struct slice text, uint64_t now_ns)
{
    struct name *name = find(flap, text);

    if (name == NULL || name->banned_until_ns <= now_ns)
        return false;
    forget(flap, name);
    return true;
}

void flap_forgive(struct flap *flap, struct slice text, uint64_t now_ns)
{
    struct name *name = find(flap, text);

    if (name != NULL && name->banned_until_ns <= now_ns)
        forget(flap, name);
}

unsigned flap_lift_each(struct flap *flap, flap_match_fn *matches, const void *arg, uint64_t now_ns)
{
    unsigned count = 0;

    LIST_EACH_SAFE (k, &flap->names) {
        struct name *name = CONTAINER_OF(k, struct name, link);

        if (name->banned_until_ns <= now_ns || !matches(arg, name->by_name.key))
            continue;
        forget(flap, name);
        count++;
    }
    return count;
}

void flap_each(const struct flap *flap, uint64_t now_ns, flap_visit_fn *visit, void *arg)
{
    LIST_EACH (k, &flap->names) {
        const struct name *name = CONTAINER_OF(k, struct name, link);

        if (name->banned_until_ns > now_ns)
            visit(arg, name->by_name.key, (name->banned_until_ns - now_ns) / NS_PER_MS);
    }
}
