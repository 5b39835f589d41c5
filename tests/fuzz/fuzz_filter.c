/* SPDX-License-Identifier: Apache-2.0 */
/* The input is lines: the first an address, the others filters of either protocol. The matcher must
 * find each filter as often as the plain rule says, and be empty when they have gone. */
#include "broker/base/list.h"
#include "broker/base/mem.h"
#include "broker/core/filter.h"
#include "broker/core/matcher.h"

#define FILTERS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct found {
    struct match_entry entry;
    struct filter *filter;
    unsigned times;
};

static void on_match(void *arg, struct match_entry *entry)
{
    (void)arg; /* the entry says all */
    CONTAINER_OF(entry, struct found, entry)->times++;
}

static struct slice take_line(struct slice *rest)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->at, '\n', rest->len);
    struct slice line = slice_of(rest->at, end == NULL ? rest->len : (size_t)(end - rest->at));

    *rest = slice_after(*rest, line.len + 1);
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size), address;
    struct found found[FILTERS_MAX] = { 0 };
    struct matcher *matcher = matcher_new();
    size_t count = 0;

    address = take_line(&rest);
    while (rest.len > 0 && count < FILTERS_MAX) {
        struct slice line = take_line(&rest);
        struct filter **filter = &found[count].filter;

        if (line.len > 0 && line.at[0] == '!'
                ? filter_from_amqp(slice_after(line, 1), NAME_DOTS_ESCAPE, filter) != RC_OK
                : filter_from_mqtt(line, filter) != RC_OK)
            continue;
        ASSERT(matcher_add(matcher, *filter, &found[count].entry) == RC_OK);
        count++;
    }
    (void)matcher_find(matcher, address, on_match, NULL); /* counted one by one */
    for (size_t i = 0; i < count; i++) {
        ASSERT(found[i].times == filter_matches(found[i].filter, address));
        if (found[i].times > 0)
            ASSERT(matcher_touches(matcher, name_stream(address)));
        matcher_remove(matcher, &found[i].entry);
        filter_free(&found[i].filter);
    }
    ASSERT(matcher_node_count(matcher) == 0);
    matcher_free(&matcher);
    return 0;
}
