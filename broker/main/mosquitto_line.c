/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/mosquitto_line.h"

#include <stddef.h>
#include <string.h>

#include "broker/base/text.h"

#define MOSQUITTO_NAME "mosquitto"
/* What one of its words becomes. */
#define WORDS_MAX 2

static const struct {
    const char *name;
    const char *long_name;
    const char *ours[WORDS_MAX];
    bool has_value; /* which follows ours */
} words[] = {
    { "-c", "--config-file", { "--mosquitto-conf", NULL }, true },
    { "-p", "--port", { "--port-mqtt", NULL }, true },
    { "-v", "--verbose", { "--log-level", "debug" }, false },
    { "-q", "--quiet", { "--log-level", "error" }, false },
    { "-h", "--help", { "--help", NULL }, false },
    { "--test-config", "--test-config", { "--test-config", NULL }, false },
    { "--version", "--version", { "--version", NULL }, false },
};

#define WORDS (sizeof(words) / sizeof(words[0]))

bool mosquitto_line_is(int argc, char *const argv[])
{
    const char *slash;

    if (argc == 0)
        return false;
    slash = strrchr(argv[0], '/');
    return strcmp(slash == NULL ? argv[0] : slash + 1, MOSQUITTO_NAME) == 0;
}

static size_t find(const char *word)
{
    size_t i = 0;

    while (i < WORDS && strcmp(word, words[i].name) != 0 && strcmp(word, words[i].long_name) != 0)
        i++;
    return i;
}

enum rc mosquitto_line_read(int argc, char *const argv[], const char *ret[MOSQUITTO_LINE_MAX],
                            int *ret_argc, struct text *errors)
{
    bool has_file = false;
    int count = 0;

    ret[count++] = argv[0];
    for (int i = 1; i < argc; i++) {
        size_t word = find(argv[i]);

        if (word == WORDS || count + WORDS_MAX + 3 > MOSQUITTO_LINE_MAX) {
            text_format(errors, "%s: there is nothing for this here; see tercet-mosquitto(7)\n",
                        argv[i]);
            return RC_INVALID;
        }
        has_file |= word == 0;
        for (unsigned k = 0; k < WORDS_MAX && words[word].ours[k] != NULL; k++)
            ret[count++] = words[word].ours[k];
        if (words[word].has_value && i + 1 == argc) {
            text_format(errors, "%s: a value must follow\n", argv[i]);
            return RC_INVALID;
        }
        if (words[word].has_value)
            ret[count++] = argv[++i];
    }
    if (!has_file) { /* and no file is mosquitto's too, with all its defaults */
        ret[count++] = "--mosquitto-conf";
        ret[count++] = "/dev/null";
    }
    ret[count] = NULL;
    *ret_argc = count;
    return RC_OK;
}
