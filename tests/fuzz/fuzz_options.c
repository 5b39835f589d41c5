/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file: either it is refused with a message, or it is taken. */
#include <stddef.h>
#include <stdint.h>

#include "broker/base/mem.h"
#include "broker/base/options.h"
#include "broker/base/text.h"

struct settings {
    bool flag;
    uint64_t number;
    uint64_t bytes;
    uint64_t time_ms;
    char *text;
    unsigned choice;
    struct option_marks given;
};

static const char *const choices[] = { "a", "b", NULL };

#define AT(field) offsetof(struct settings, field)

static const struct option rows[] = {
    { "f", OPTION_SWITCH, "no", 0, 0, NULL, OPTION_IN_FILE, AT(flag), NULL, "A flag." },
    { "n", OPTION_NUMBER, "7", 1, 100, NULL, OPTION_IN_FILE, AT(number), NULL, "A number." },
    { "b", OPTION_BYTES, "1k", 0, UINT64_MAX, NULL, OPTION_IN_FILE, AT(bytes), NULL, "Bytes." },
    { "t", OPTION_TIME, "1s", 0, UINT64_MAX, NULL, OPTION_IN_FILE, AT(time_ms), NULL, "A time." },
    { "x", OPTION_TEXT, NULL, 0, 9, NULL, OPTION_IN_FILE, AT(text), NULL, "A text." },
    { "c", OPTION_CHOICE, "a", 0, 0, choices, OPTION_IN_FILE, AT(choice), NULL, "A choice." },
};

static struct settings part;

static void *begin(void *arg, struct slice name, struct text *why);

static const struct option_section sections[] = {
    { NULL, "The head.", rows, sizeof(rows) / sizeof(rows[0]), AT(given), NULL },
    { "p", "A part.", rows, sizeof(rows) / sizeof(rows[0]), AT(given), begin },
};

static void *begin(void *arg, struct slice name, struct text *why)
{
    if (arg != NULL || name.len > 3) {
        text_format(why, "no");
        return NULL;
    }
    options_set_defaults(&sections[1], &part);
    return &part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings head = { 0 };
    struct text errors = { 0 };
    enum rc rc;

    options_set_defaults(&sections[0], &head);
    rc = options_read(sections, 2, &head, NULL, "f", slice_of(data, size), &errors);
    ASSERT((rc == RC_OK) == (errors.len == 0));
    ASSERT(head.number >= 1 && head.number <= 100 && head.choice < 2);
    ASSERT(errors.len == 0 || errors.at[errors.len - 1] == '\n');
    options_done(&sections[0], &head);
    options_done(&sections[1], &part);
    text_done(&errors);
    return 0;
}
