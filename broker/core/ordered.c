/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/ordered.h"

#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "broker/core/filter.h"

/* The first of all bytes behind '/' in this order: none of an address, so that a level with it is
 * where the range under that level ends. */
#define PAST_LEVEL 0x01u

/* '/' counts as the lowest byte. */
static unsigned weight(uint8_t byte)
{
    return byte == '/' ? 0 : byte;
}

int ordered_compare(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len, i = 0;

    while (i + 8 <= shorter && memcmp(a.at + i, b.at + i, 8) == 0)
        i += 8;
    while (i < shorter && a.at[i] == b.at[i])
        i++;
    if (i < shorter)
        return weight(a.at[i]) < weight(b.at[i]) ? -1 : 1;
    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

/* ---- the tree ---- */

static struct ordered_node **place_of(struct ordered *ordered, const struct ordered_node *node)
{
    if (node->parent == NULL)
        return &ordered->root;
    return node->parent->left == node ? &node->parent->left : &node->parent->right;
}

/* The node takes its parent's place, which becomes its child. */
static void rotate_up(struct ordered *ordered, struct ordered_node *node)
{
    struct ordered_node *parent = node->parent, *moved;

    *place_of(ordered, parent) = node;
    if (parent->left == node) {
        moved = node->right;
        parent->left = moved;
        node->right = parent;
    } else {
        moved = node->left;
        parent->right = moved;
        node->left = parent;
    }
    if (moved != NULL)
        moved->parent = parent;
    node->parent = parent->parent;
    parent->parent = node;
}

void ordered_add(struct ordered *ordered, struct ordered_node *node, struct slice address)
{
    struct ordered_node **place = &ordered->root, *parent = NULL;

    while (*place != NULL) {
        int order = ordered_compare(address, (*place)->address);

        ASSERT(order != 0);
        parent = *place;
        place = order < 0 ? &parent->left : &parent->right;
    }
    *node = (struct ordered_node){ .parent = parent, .address = address };
    node->priority = (uint32_t)hash_seeded(address);
    *place = node;
    while (node->parent != NULL && node->parent->priority < node->priority)
        rotate_up(ordered, node);
    ordered->count++;
}

void ordered_remove(struct ordered *ordered, struct ordered_node *node)
{
    while (node->left != NULL || node->right != NULL) {
        bool is_left = node->right == NULL ||
                       (node->left != NULL && node->left->priority > node->right->priority);

        rotate_up(ordered, is_left ? node->left : node->right);
    }
    *place_of(ordered, node) = NULL;
    node->parent = NULL;
    ordered->count--;
}

struct ordered_node *ordered_seek(const struct ordered *ordered, struct slice address)
{
    struct ordered_node *node = ordered->root, *found = NULL;

    while (node != NULL) {
        if (ordered_compare(node->address, address) >= 0) {
            found = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return found;
}

struct ordered_node *ordered_next(const struct ordered_node *node)
{
    struct ordered_node *next = node->right;

    if (next != NULL) {
        while (next->left != NULL)
            next = next->left;
        return next;
    }
    while ((next = node->parent) != NULL && next->right == node)
        node = next;
    return next;
}

/* ---- filters ---- */

void ordered_go_behind(struct text *from, struct slice address)
{
    text_clear(from);
    text_add(from, address);
    text_add_byte(from, '/');
}

static size_t level_end(struct slice address, size_t at)
{
    const uint8_t *slash = at < address.len ? memchr(address.at + at, '/', address.len - at) : NULL;

    return slash == NULL ? address.len : (size_t)(slash - address.at);
}

/* What one address tells of the place to go on at, when it does not match. */
struct step {
    struct slice address;
    size_t end;        /* of the level that decided */
    size_t wild_end;   /* of the last level before it that a wildcard took; 0: none did */
    bool has_wildcard; /* wild_end counts */
};

/* Behind everything under the address's first `end` bytes. */
static void go_past(struct text *from, struct slice address, size_t end)
{
    text_clear(from);
    text_add(from, slice_of(address.at, end));
    text_add_byte(from, PAST_LEVEL);
}

/* To the literal level in this place, which lies ahead. */
static void go_to(struct text *from, struct slice address, size_t start, struct slice level)
{
    text_clear(from);
    text_add(from, slice_of(address.at, start));
    text_add(from, level);
}

/* Nothing under the wildcard's present level can match any more. False: nothing at all can. */
static bool go_up(struct text *from, const struct step *step)
{
    if (!step->has_wildcard)
        return false;
    go_past(from, step->address, step->wild_end);
    return true;
}

enum verdict { MATCHES, GO_ON, NEVER_AGAIN };

/* The address ended where the filter goes on: what may match lies under it. */
static enum verdict descend(struct text *from, struct slice address, struct filter_token token)
{
    if (token.kind == FILTER_MANY)
        return MATCHES;
    ordered_go_behind(from, address);
    if (token.kind == FILTER_LITERAL)
        text_add(from, token.level);
    return GO_ON;
}

/* Compares level by level; on GO_ON `from` is the next place that may match. */
static enum verdict judge(const struct filter *filter, struct slice address, struct text *from)
{
    size_t count = filter_token_count(filter), start = 0;
    struct step step = { .address = address };

    for (size_t i = 0; i < count; i++) {
        struct filter_token token = filter_token(filter, i);
        struct slice level;
        int order;

        if (start > address.len)
            return descend(from, address, token);
        step.end = level_end(address, start);
        level = slice_of(address.at + start, step.end - start);
        if (i == 0 && token.kind != FILTER_LITERAL && filter_hides_dollar(filter) &&
            level.len > 0 && level.at[0] == '$') {
            go_past(from, address, step.end);
            return GO_ON;
        }
        if (token.kind == FILTER_MANY)
            return MATCHES;
        if (token.kind == FILTER_ONE) {
            step.has_wildcard = true;
            step.wild_end = step.end;
        } else {
            order = ordered_compare(level, token.level);
            if (order < 0) {
                go_to(from, address, start, token.level);
                return GO_ON;
            }
            if (order > 0)
                return go_up(from, &step) ? GO_ON : NEVER_AGAIN;
        }
        start = step.end + 1;
    }
    if (start > address.len)
        return MATCHES;
    go_past(from, address, start - 1);
    return GO_ON;
}

struct ordered_node *ordered_match(const struct ordered *ordered, const struct filter *filter,
                                   struct text *from, unsigned *budget)
{
    while (*budget > 0 && !from->bad) {
        struct ordered_node *node = ordered_seek(ordered, text_slice(from));
        enum verdict verdict;

        --*budget;
        if (node == NULL)
            return NULL;
        verdict = judge(filter, node->address, from);
        if (verdict == MATCHES)
            return node;
        if (verdict == NEVER_AGAIN)
            return NULL;
    }
    return NULL;
}
