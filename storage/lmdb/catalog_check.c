/* SPDX-License-Identifier: Apache-2.0 */
/* LMDB 0.9 on a 64-bit machine, in the machine's byte order:
 *
 * Page: number:8  pad:2  kind:2  lower:2 upper:2 (overflow run: pages:4), then, in a tree's page,
 * the places of nodes:2 each up to `lower`; nodes lie from `upper` on. Node: low:2 high:2 flags:2
 * key length:2 key value. In a branch low, high, flags are the child's number; in a leaf low, high
 * are the value's length, and a big value is the number of its run:8. Meta pages 0 and 1, behind
 * the header: magic:4 version:4 address:8 map:8 trees (free, main):2 * 48 last page:8
 * transaction:8. Transaction n writes page n & 1. Tree: pad:4 (free: page size) flags:2 depth:2
 * branches:8 leaves:8 runs:8 entries:8 root:8 */
#include "storage/lmdb/catalog_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/hash.h"
#include "broker/base/mem.h"

#define META_MAGIC     UINT32_C(0xbeefc0de)
#define META_VERSION   1
#define META_AT        16
#define META_TREES     40
#define META_LAST      136
#define META_TXN       144
#define TREE_BYTES     48
#define PAGE_HEADER    16
#define NODE_HEADER    8
#define PAGE_SIZE_MIN  512
#define PAGE_SIZE_MAX  65536
#define KIND_BRANCH    1
#define KIND_LEAF      2
#define KIND_RUN       4
#define NODE_BIG       1
#define KEY_MAX        511
#define DEPTH_MAX      32
#define ROOT_NONE      UINT64_MAX
#define FLAGS_INTEGER  0x08
#define FLAGS_ONE_FILE 0x4000 /* how the environment was opened */

struct tree {
    uint16_t flags;
    uint16_t depth;
    uint64_t branches;
    uint64_t leaves;
    uint64_t runs;
    uint64_t entries;
    uint64_t root;
};

struct check {
    const uint8_t *file;
    uint64_t page_count; /* whole ones in the file */
    size_t page_size;
    uint64_t last;
    uint64_t txn;
    uint8_t *seen; /* owned: a bit for each page */
    struct slice except;
    uint64_t sum;
    bool is_free; /* the tree of free pages is being walked */
    struct tree counted;
    struct slice key; /* the last one */
};

static uint16_t load16(const uint8_t *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint32_t load32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t load64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

uint64_t catalog_pair_sum(struct slice key, struct slice value)
{
    return hash_checksum(value, hash_checksum(key, 1));
}

/* A page that nothing else has used; NULL when there is none of that number. */
static const uint8_t *page_take(struct check *c, uint64_t number, uint64_t count)
{
    if (number < 2 || count == 0 || number > c->last || count - 1 > c->last - number ||
        number + count > c->page_count)
        return NULL;
    for (uint64_t i = number; i < number + count; i++) {
        if ((c->seen[i / 8] & (1u << (i % 8))) != 0)
            return NULL;
        c->seen[i / 8] |= (uint8_t)(1u << (i % 8));
    }
    return c->file + number * c->page_size;
}

/* The pages that a transaction freed: a count, then their numbers. */
static bool check_freed(struct check *c, struct slice value)
{
    uint64_t count = value.len < 8 ? UINT64_MAX : load64(value.at);

    if (count > value.len / 8 - 1)
        return false;
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t number = load64(value.at + i * 8);

        if (number < 2 || number > c->last)
            return false;
        if (number >= c->page_count)
            continue; /* never written */
        if ((c->seen[number / 8] & (1u << (number % 8))) != 0)
            return false;
        c->seen[number / 8] |= (uint8_t)(1u << (number % 8));
    }
    return true;
}

static bool is_in_order(const struct check *c, struct slice key)
{
    size_t len = key.len < c->key.len ? key.len : c->key.len;
    int order;

    if (c->is_free)
        return key.len == 8 && load64(key.at) < c->txn &&
               (c->key.len == 0 || load64(c->key.at) < load64(key.at));
    if (key.len == 0 || key.len > KEY_MAX)
        return false;
    order = memcmp(c->key.at == NULL ? key.at : c->key.at, key.at, len);
    return c->key.len == 0 || order < 0 || (order == 0 && c->key.len < key.len);
}

static bool check_pair(struct check *c, struct slice key, struct slice value)
{
    if (!is_in_order(c, key))
        return false;
    c->key = key;
    c->counted.entries++;
    if (c->is_free)
        return check_freed(c, value);
    if (!slice_equal(key, c->except))
        c->sum += catalog_pair_sum(key, value);
    return true;
}

static bool check_leaf_node(struct check *c, const uint8_t *node, size_t room)
{
    size_t key_len = load16(node + 6), len = load16(node) | (size_t)load16(node + 2) << 16;
    unsigned flags = load16(node + 4);
    struct slice key = slice_of(node + NODE_HEADER, key_len);
    const uint8_t *run;
    uint64_t number;

    if (room < NODE_HEADER + key_len || flags > NODE_BIG)
        return false;
    room -= NODE_HEADER + key_len;
    if (flags == 0)
        return room >= len && check_pair(c, key, slice_of(node + NODE_HEADER + key_len, len));
    if (room < 8)
        return false;
    number = load64(node + NODE_HEADER + key_len);
    run = page_take(c, number, (PAGE_HEADER - 1 + len) / c->page_size + 1);
    if (run == NULL || load64(run) != number || load16(run + 10) != KIND_RUN ||
        load32(run + 12) != (PAGE_HEADER - 1 + len) / c->page_size + 1)
        return false;
    c->counted.runs += load32(run + 12);
    return check_pair(c, key, slice_of(run + PAGE_HEADER, len));
}

static bool check_page(struct check *c, uint64_t number, unsigned level, unsigned depth)
{
    const uint8_t *page = page_take(c, number, 1), *node;
    bool is_leaf = level + 1 == depth;
    size_t lower, upper, at;

    if (page == NULL || load64(page) != number ||
        load16(page + 10) != (is_leaf ? KIND_LEAF : KIND_BRANCH))
        return false;
    lower = load16(page + 12);
    upper = load16(page + 14);
    if (lower <= PAGE_HEADER || lower % 2 != 0 || lower > upper || upper > c->page_size)
        return false;
    *(is_leaf ? &c->counted.leaves : &c->counted.branches) += 1;
    for (size_t i = PAGE_HEADER; i < lower; i += 2) {
        at = load16(page + i);
        if (at < upper || at + NODE_HEADER > c->page_size || at % 2 != 0)
            return false;
        node = page + at;
        if (is_leaf && !check_leaf_node(c, node, c->page_size - at))
            return false;
        if (!is_leaf && (at + NODE_HEADER + load16(node + 6) > c->page_size ||
                         !check_page(c,
                                     load16(node) | (uint64_t)load16(node + 2) << 16 |
                                         (uint64_t)load16(node + 4) << 32,
                                     level + 1, depth)))
            return false;
    }
    return true;
}

static bool check_tree(struct check *c, const uint8_t *at)
{
    const struct tree tree = { load16(at + 4),  load16(at + 6),  load64(at + 8), load64(at + 16),
                               load64(at + 24), load64(at + 32), load64(at + 40) };

    c->counted = (struct tree){ 0 };
    c->key = slice_of(NULL, 0);
    if ((tree.flags & ~FLAGS_ONE_FILE) != (c->is_free ? FLAGS_INTEGER : 0) ||
        tree.depth > DEPTH_MAX || (tree.root == ROOT_NONE) != (tree.depth == 0))
        return false;
    if (tree.depth > 0 && !check_page(c, tree.root, 0, tree.depth))
        return false;
    return c->counted.branches == tree.branches && c->counted.leaves == tree.leaves &&
           c->counted.runs == tree.runs && c->counted.entries == tree.entries;
}

/* The newer of the two; NULL when they cannot both have been written. */
static const uint8_t *meta_choose(struct check *c)
{
    const uint8_t *metas[2] = { c->file + META_AT, c->file + c->page_size + META_AT };
    uint64_t txns[2];

    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *page = metas[i] - META_AT;

        txns[i] = load64(page + META_TXN);
        if (load32(metas[i]) != META_MAGIC || load32(metas[i] + 4) != META_VERSION ||
            load32(page + META_TREES) != c->page_size || (txns[i] != 0 && txns[i] % 2 != i))
            return NULL;
    }
    if (txns[0] != txns[1] && txns[0] + 1 != txns[1] && txns[1] + 1 != txns[0])
        return NULL;
    return metas[txns[0] < txns[1] ? 1 : 0] - META_AT;
}

static bool check_file(struct check *c, size_t len)
{
    const uint8_t *meta;
    bool is_sound;

    c->page_size = load32(c->file + META_TREES);
    if (load32(c->file + META_AT) != META_MAGIC || c->page_size < PAGE_SIZE_MIN ||
        c->page_size > PAGE_SIZE_MAX || (c->page_size & (c->page_size - 1)) != 0 ||
        len < 2 * c->page_size)
        return false;
    c->page_count = len / c->page_size;
    meta = meta_choose(c);
    if (meta == NULL)
        return false;
    c->last = load64(meta + META_LAST);
    c->txn = load64(meta + META_TXN) + 1;
    if (c->last < 1)
        return false;
    c->seen = mem_zeroed((size_t)(c->page_count / 8 + 1));
    is_sound = check_tree(c, meta + META_TREES + TREE_BYTES);
    c->is_free = true;
    is_sound = is_sound && check_tree(c, meta + META_TREES);
    mem_free(c->seen);
    return is_sound;
}

enum rc catalog_check(const char *path, struct slice except, uint64_t *ret_sum)
{
    struct check check = { .except = except };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum rc rc = RC_OK;
    struct stat stat;
    void *at;

    *ret_sum = 0;
    if (fd < 0)
        return rc_of_errno(errno);
    if (fstat(fd, &stat) != 0)
        rc = rc_of_errno(errno);
    else if (stat.st_size < META_TXN + 8)
        rc = RC_CORRUPT;
    if (rc == RC_OK) {
        at = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED) {
            rc = rc_of_errno(errno);
        } else {
            check.file = at;
            rc = check_file(&check, (size_t)stat.st_size) ? RC_OK : RC_CORRUPT;
            (void)munmap(at, (size_t)stat.st_size);
        }
    }
    (void)close(fd);
    *ret_sum = check.sum;
    return rc;
}
