/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/matcher.h"

#include "broker/base/mem.h"
#include "broker/core/filter.h"
#include "broker/core/matcher_table.h"

/* A trie over levels whose literal children all live in one open-addressing table, keyed by
 * (parent, level). Two things keep it small and quick:
 *
 *  - A filter without wildcards and of three levels or more is one node, child of its first level
 *    and keyed by all that follows it ("exact"): `devices/17/temp` costs one look-up, not two.
 *  - A final many needs no node: such entries hang at `rest` of the node before it.
 *
 *   root ── devices ─┬─ exact "17/temp"   here: devices/17/temp
 *                    ├─ "17"              rest: devices/17/#
 *                    └─ one ── "temp"     here: devices/+/temp
 *
 * A find walks level by level with the set of nodes that the levels so far can reach. Without a
 * many in the middle, each node is reached at one level at most. Below such a many ("looped") a
 * node can be reached at several; stamps keep the set free of doubles, so that the work is bounded
 * by levels times nodes, never by the number of ways. */

struct node_set {
    struct match_node **at; /* owned */
    size_t count;
};

struct matcher {
    struct match_table table;
    size_t node_count; /* without the roots */
    size_t entry_count;
    size_t room;              /* of each node set: never less than the nodes that can be in it */
    struct match_node *root;  /* owned */
    struct match_node *plain; /* owned: leading wildcards that `$` names are hidden from */
    struct node_set sets[2];  /* reached by the levels so far; by one level more */
    struct node_set loops;    /* manys entered: they stay */
    uint64_t epoch;
    uint64_t step; /* counts levels of all finds */
    bool is_finding;
};

struct find {
    struct matcher *matcher;
    match_fn *on_match;
    void *arg;
    size_t count;
    uint64_t first_step;
    struct node_set *now;
    struct node_set *next;
};

#define FIRST_ROOM 16

static struct match_node *node_new(struct match_node *parent, enum node_kind kind,
                                   struct slice level)
{
    struct match_node *node = mem_try(node_head_bytes(kind) + level.len);

    ASSERT(level.len <= NAME_MAX_BYTES);
    if (node == NULL)
        return NULL;
    memset(node, 0, node_head_bytes(kind));
    node->parent = parent;
    node->kind = (uint8_t)kind;
    node->level_len = (uint16_t)level.len;
    node->is_looped = parent->is_looped || parent->kind == NODE_MANY;
    if (level.len > 0)
        memcpy((uint8_t *)node + node_head_bytes(kind), level.at, level.len);
    return node;
}

struct matcher *matcher_new(void)
{
    struct matcher *m = mem_new(struct matcher);

    match_table_init(&m->table);
    m->root = mem_new(struct match_node);
    m->plain = mem_new(struct match_node);
    m->room = FIRST_ROOM;
    m->sets[0].at = mem_new_array(struct match_node *, FIRST_ROOM);
    m->sets[1].at = mem_new_array(struct match_node *, FIRST_ROOM);
    m->loops.at = mem_new_array(struct match_node *, FIRST_ROOM);
    return m;
}

void matcher_free(struct matcher **matcher)
{
    struct matcher *m = *matcher;

    if (m == NULL)
        return;
    ASSERT(m->entry_count == 0);
    ASSERT(m->node_count == 0);
    mem_free(m->sets[0].at);
    mem_free(m->sets[1].at);
    mem_free(m->loops.at);
    mem_free(m->root);
    mem_free(m->plain);
    match_table_done(&m->table);
    MEM_FREE(*matcher);
}

static bool is_idle(const struct match_node *node)
{
    if (node->kind == NODE_EXACT || node->here != NULL)
        return node->here == NULL;
    return node->rest == NULL && node->one == NULL && node->many == NULL &&
           node->literal_count == 0;
}

/* Frees the node and its parents as far as nothing hangs on them. */
static void prune(struct matcher *m, struct match_node *node)
{
    while (node->kind != NODE_ROOT && is_idle(node)) {
        struct match_node *parent = node->parent;

        if (node->kind == NODE_ONE) {
            parent->one = NULL;
        } else if (node->kind == NODE_MANY) {
            parent->many = NULL;
        } else {
            match_table_remove(&m->table, node);
            parent->literal_count--;
            parent->exact_count -= node->kind == NODE_EXACT;
        }
        m->node_count--;
        mem_free(node);
        node = parent;
    }
}

/* Sets hold a node at most once, so room for all nodes and the roots is room enough. Nothing is in
 * them between two finds: none is copied. */
static enum rc reserve(struct matcher *m)
{
    struct match_node ***sets[] = { &m->sets[0].at, &m->sets[1].at, &m->loops.at };
    size_t room = m->room * 2;

    if (m->node_count + 3 <= m->room)
        return RC_OK;
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        struct match_node **at = mem_try(room * sizeof(struct match_node *));

        if (at == NULL)
            return RC_MEMORY;
        mem_free(*sets[i]);
        *sets[i] = at;
    }
    m->room = room;
    return RC_OK;
}

/* The child, made when it is missing. NULL without memory. */
static struct match_node *child_get(struct matcher *m, struct match_node *parent,
                                    enum node_kind kind, struct slice level)
{
    struct match_node **single = kind == NODE_ONE ? &parent->one : &parent->many;
    bool in_table = kind == NODE_LITERAL || kind == NODE_EXACT;
    struct match_node *node = in_table ? match_table_get(&m->table, parent, level, kind) : *single;

    if (node != NULL)
        return node;
    if (reserve(m) != RC_OK)
        return NULL;
    node = node_new(parent, kind, level);
    if (node == NULL)
        return NULL;
    if (in_table) {
        node->hash = match_hash(parent, level);
        if (match_table_add(&m->table, node) != RC_OK) {
            mem_free(node);
            return NULL;
        }
        parent->literal_count++;
        parent->exact_count += kind == NODE_EXACT;
    } else {
        *single = node;
    }
    m->node_count++;
    return node;
}

/* The node at which the filter's entries hang, made as far as it is missing; `*rest` says that they
 * hang at its `rest`. */
static struct match_node *path_get(struct matcher *m, const struct filter *filter, bool *rest)
{
    size_t count = filter_token_count(filter);
    struct match_node *node = filter_hides_dollar(filter) ? m->plain : m->root;

    *rest = false;
    if (filter_is_literal(filter) && count >= 3) {
        struct slice address = filter_address(filter);
        struct match_node *first = child_get(m, node, NODE_LITERAL, name_stream(address));

        if (first == NULL)
            return NULL;
        node = child_get(m, first, NODE_EXACT, name_subject(address));
        if (node == NULL)
            prune(m, first);
        return node;
    }
    for (size_t i = 0; i < count; i++) {
        static const enum node_kind kinds[] = {
            [FILTER_LITERAL] = NODE_LITERAL, [FILTER_ONE] = NODE_ONE, [FILTER_MANY] = NODE_MANY
        };
        struct filter_token token = filter_token(filter, i);
        struct match_node *child;

        if (token.kind == FILTER_MANY && i + 1 == count && !node->is_looped &&
            node->kind != NODE_MANY) {
            *rest = true;
            break;
        }
        child = child_get(m, node, kinds[token.kind], token.level);
        if (child == NULL) {
            prune(m, node);
            return NULL;
        }
        node = child;
    }
    return node;
}

enum rc matcher_add(struct matcher *matcher, const struct filter *filter, struct match_entry *entry)
{
    struct match_entry **head;
    struct match_node *node;
    bool rest;

    ASSERT(!matcher->is_finding);
    ASSERT(entry->node == NULL);
    node = path_get(matcher, filter, &rest);
    if (node == NULL)
        return RC_MEMORY;
    head = rest ? &node->rest : &node->here;
    entry->node = node;
    entry->next = *head;
    entry->back = head;
    if (entry->next != NULL)
        entry->next->back = &entry->next;
    *head = entry;
    matcher->entry_count++;
    matcher->epoch++;
    return RC_OK;
}

void matcher_remove(struct matcher *matcher, struct match_entry *entry)
{
    struct match_node *node = entry->node;

    ASSERT(!matcher->is_finding);
    ASSERT(node != NULL);
    *entry->back = entry->next;
    if (entry->next != NULL)
        entry->next->back = entry->back;
    *entry = (struct match_entry){ 0 };
    matcher->entry_count--;
    matcher->epoch++;
    prune(matcher, node);
}

static void report(struct find *f, struct match_entry *entry)
{
    for (; entry != NULL; entry = entry->next) {
        f->on_match(f->arg, entry);
        f->count++;
    }
}

/* The levels so far lead to `node`. */
static void enter(struct find *f, struct match_node *node)
{
    struct match_node *many = node->many;

    if (node->is_looped) {
        if (node->stamp == f->matcher->step)
            return;
        node->stamp = f->matcher->step;
    }
    f->next->at[f->next->count++] = node;
    report(f, node->rest);
    if (many == NULL || many->stamp >= f->first_step)
        return;
    many->stamp = f->matcher->step;
    /* Whatever levels follow, what ends in this many has matched. */
    report(f, many->here);
    f->matcher->loops.at[f->matcher->loops.count++] = many;
}

static void step_from(struct find *f, const struct match_node *node, struct slice level)
{
    struct match_node *child;

    if (node->literal_count > node->exact_count) {
        child = match_table_get(&f->matcher->table, node, level, NODE_LITERAL);
        if (child != NULL)
            enter(f, child);
    }
    if (node->one != NULL)
        enter(f, node->one);
}

static void find_exact(struct find *f, const struct match_node *first, struct slice subject)
{
    const struct match_node *node = NULL;

    if (first->exact_count > 0)
        node = match_table_get(&f->matcher->table, first, subject, NODE_EXACT);
    if (node != NULL)
        report(f, node->here);
}

/* One level on: from every node reached so far, and from every many passed. */
static void step(struct find *f, struct slice level)
{
    const struct node_set *loops = &f->matcher->loops;
    size_t loop_count = loops->count; /* those entered by this very level take the next ones */
    struct node_set *now = f->next;

    f->next = f->now;
    f->now = now;
    f->next->count = 0;
    f->matcher->step++;
    for (size_t i = 0; i < now->count; i++)
        step_from(f, now->at[i], level);
    for (size_t i = 0; i < loop_count; i++)
        step_from(f, loops->at[i], level);
}

static void walk(struct find *f, struct slice address)
{
    struct slice rest = address;
    struct slice level = name_stream(rest);

    step(f, level);
    rest = name_subject(rest);
    for (size_t i = 0; !slice_is_none(rest) && i < f->next->count; i++) {
        if (f->next->at[i]->parent == f->matcher->root && f->next->at[i]->kind == NODE_LITERAL)
            find_exact(f, f->next->at[i], rest);
    }
    while (!slice_is_none(rest) && (f->next->count > 0 || f->matcher->loops.count > 0)) {
        level = name_stream(rest);
        rest = name_subject(rest);
        step(f, level);
    }
}

size_t matcher_find(struct matcher *matcher, struct slice address, match_fn *on_match, void *arg)
{
    struct find f = {
        .matcher = matcher,
        .on_match = on_match,
        .arg = arg,
        .now = &matcher->sets[0],
        .next = &matcher->sets[1],
    };

    ASSERT(!matcher->is_finding);
    if (matcher->entry_count == 0)
        return 0;
    match_table_advance(&matcher->table);
    matcher->is_finding = true;
    matcher->loops.count = 0;
    f.now->count = 0;
    f.next->count = 0;
    f.first_step = ++matcher->step;
    enter(&f, matcher->root);
    if (address.len == 0 || address.at[0] != '$')
        enter(&f, matcher->plain);
    if (address.len > 0)
        walk(&f, address);
    for (size_t i = 0; i < f.next->count; i++)
        report(&f, f.next->at[i]->here);
    matcher->is_finding = false;
    return f.count;
}

static bool begins_with_wildcard(const struct match_node *root)
{
    return root->one != NULL || root->many != NULL || root->rest != NULL;
}

bool matcher_touches(struct matcher *matcher, struct slice stream)
{
    bool is_dollar = stream.len > 0 && stream.at[0] == '$';

    if (matcher->entry_count == 0)
        return false;
    return begins_with_wildcard(matcher->root) ||
           (stream.len == 0 && matcher->root->here != NULL) ||
           (!is_dollar && begins_with_wildcard(matcher->plain)) ||
           match_table_get(&matcher->table, matcher->root, stream, NODE_LITERAL) != NULL;
}

uint64_t matcher_epoch(const struct matcher *matcher)
{
    return matcher->epoch;
}

size_t matcher_entry_count(const struct matcher *matcher)
{
    return matcher->entry_count;
}

size_t matcher_node_count(const struct matcher *matcher)
{
    return matcher->node_count;
}
