/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/near.h"

#include <stdbool.h>
#include <string.h>

#define LETTERS_PER_MISTAKE 3

static bool is_same(uint8_t a, uint8_t b)
{
    return (a == '_' ? '-' : a) == (b == '_' ? '-' : b);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many mistakes make `b` of `a`. Of the table whose field (i, k) says it for the first i and k
 * letters, three rows are kept. */
static unsigned count_mistakes(struct slice a, struct slice b)
{
    unsigned rows[3][NEAR_MAX_BYTES + 1];

    for (unsigned k = 0; k <= b.len; k++)
        rows[0][k] = k;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        row[0] = i;
        for (unsigned k = 1; k <= b.len; k++) {
            row[k] = above[k - 1] + !is_same(a.at[i - 1], b.at[k - 1]);
            row[k] = least(row[k], least(above[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && is_same(a.at[i - 1], b.at[k - 2]) &&
                is_same(a.at[i - 2], b.at[k - 1]))
                row[k] = least(row[k], before[k - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

void near_look(struct near *near, const char *word)
{
    struct slice known = slice_str(word);
    unsigned mistakes;

    if (near->typed.len > NEAR_MAX_BYTES || known.len > NEAR_MAX_BYTES)
        return;
    mistakes = count_mistakes(near->typed, known);
    if (mistakes * LETTERS_PER_MISTAKE > near->typed.len)
        return;
    if (near->word == NULL || mistakes < near->mistakes) {
        near->word = word;
        near->mistakes = mistakes;
    }
}
