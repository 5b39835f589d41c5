/* SPDX-License-Identifier: Apache-2.0 */
/* Files of users and of rules, and questions to the rules. The first byte chooses which. */
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/accounts.h"
#include "broker/core/filter.h"
#include "broker/core/rules.h"

#define NAMES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first lines of the file serve as names, filters and who asks. */
static void ask(const struct rules *rules, struct slice text)
{
    struct subject subject = { .user = SLICE("user"),
                               .client_id = SLICE("c"),
                               .roles = SLICE("r") };

    for (unsigned i = 0; i < NAMES_MAX && text.len > 0; i++) {
        const uint8_t *end = memchr(text.at, '\n', text.len);
        struct slice line = slice_of(text.at, end == NULL ? text.len : (size_t)(end - text.at));
        struct filter *filter = NULL;
        bool is_whole, is_named;

        is_named = rules_allow(rules, &subject, OPERATION_CONSUME, RESOURCE_TOPIC, line);
        is_whole = rules_allow_whole(rules, &subject, OPERATION_CONSUME, RESOURCE_TOPIC, line);
        /* who may have all of a stream may have the stream's own name, be it a topic at all */
        if (is_whole && memchr(line.at, '$', line.len == 0 ? 0 : 1) == NULL)
            ASSERT(is_named);
        /* what may be received may be subscribed to */
        if (is_named && filter_from_mqtt(line, &filter) == RC_OK && filter_is_literal(filter))
            ASSERT(rules_allow_filter(rules, &subject, OPERATION_CONSUME, line));
        filter_free(&filter);
        subject.user = i % 3 == 2 ? SLICE_NONE : line;
        subject.client_id = i % 2 == 0 ? line : SLICE("c");
        text = slice_after(text, line.len + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct accounts *accounts = NULL;
    struct rules *rules = NULL;
    struct text errors = { 0 };

    if (size == 0)
        return 0;
    text = slice_after(text, 1);
    if (data[0] % 2 == 0) {
        if (accounts_read("users", text, &accounts, &errors) == RC_OK) {
            ASSERT(errors.len == 0);
            ASSERT(accounts_count(accounts) > 0 || accounts_decoy(accounts) == NULL);
        } else {
            ASSERT(accounts == NULL && errors.len > 0);
        }
    } else if (rules_read("rules", text, &rules, &errors) == RC_OK) {
        ask(rules, text);
    } else {
        ASSERT(rules == NULL && errors.len > 0);
    }
    accounts_free(&accounts);
    rules_free(&rules);
    text_done(&errors);
    return 0;
}
