/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/net/networks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/number.h"

#define MAPPED_BITS 96 /* ::ffff:0.0.0.0/96 */

struct network {
    struct in6_addr address; /* IPv4 as mapped */
    unsigned bits;
};

struct networks {
    struct network all[NETWORKS_MAX];
    unsigned count;
    bool has_unix;
};

static struct in6_addr mapped(struct in_addr in)
{
    struct in6_addr in6 = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

    memcpy(in6.s6_addr + 12, &in, sizeof(in));
    return in6;
}

static enum rc parse(struct slice one, struct network *ret)
{
    const uint8_t *slash = memchr(one.at, '/', one.len);
    struct slice digits = SLICE_NONE;
    char text[INET6_ADDRSTRLEN];
    struct in_addr in;
    unsigned max = 128;
    uint64_t bits;

    if (slash != NULL) {
        digits = slice_after(one, (size_t)(slash - one.at) + 1);
        one.len = (size_t)(slash - one.at);
    }
    if (one.len >= sizeof(text))
        return RC_INVALID;
    memcpy(text, one.at, one.len);
    text[one.len] = '\0';
    if (inet_pton(AF_INET, text, &in) == 1) {
        ret->address = mapped(in);
        max = 32;
    } else if (inet_pton(AF_INET6, text, &ret->address) != 1) {
        return RC_INVALID;
    }
    bits = max;
    if (slash != NULL && number_u64(digits, 0, max, &bits) != RC_OK)
        return RC_INVALID;
    ret->bits = (unsigned)bits + (max == 32 ? MAPPED_BITS : 0);
    return RC_OK;
}

static enum rc add(struct networks *n, struct slice one)
{
    if (slice_equal_str(one, "unix")) {
        n->has_unix = true;
        return RC_OK;
    }
    if (one.len == 0 || n->count == NETWORKS_MAX)
        return RC_INVALID;
    return parse(one, &n->all[n->count++]);
}

enum rc networks_new(const char *list, struct networks **ret)
{
    struct networks *n = mem_new(struct networks);
    struct slice rest = slice_str(list), one;
    enum rc rc = rest.len == 0 ? RC_INVALID : RC_OK;

    while (rc == RC_OK && slice_next_listed(&rest, &one))
        rc = add(n, one);
    if (rc == RC_OK) {
        *ret = n;
        n = NULL; /* given */
    }
    networks_free(&n);
    return rc;
}

void networks_free(struct networks **networks)
{
    MEM_FREE(*networks);
}

static bool is_inside(const struct network *network, const struct in6_addr *address)
{
    unsigned whole = network->bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> network->bits % 8);

    if (memcmp(network->address.s6_addr, address->s6_addr, whole) != 0)
        return false;
    return network->bits % 8 == 0 ||
           ((network->address.s6_addr[whole] ^ address->s6_addr[whole]) & mask) == 0;
}

bool networks_have(const struct networks *networks, const struct sockaddr_storage *address)
{
    struct in6_addr in6;

    if (address->ss_family == AF_INET)
        in6 = mapped(((const struct sockaddr_in *)address)->sin_addr);
    else if (address->ss_family == AF_INET6)
        in6 = ((const struct sockaddr_in6 *)address)->sin6_addr;
    else
        return networks->has_unix;
    for (unsigned i = 0; i < networks->count; i++) {
        if (is_inside(&networks->all[i], &in6))
            return true;
    }
    return false;
}
