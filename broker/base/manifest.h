/* SPDX-License-Identifier: Apache-2.0 */
/* The list of what a backup consists of, written last: a folder without it is no whole backup. The
 * store writes it and checks by it, the tools copy by it. Pure.
 *
 *   tercet backup 1
 *   file catalog.mdb <bytes> <sum, in hexadecimal>
 *   file seg/0000000001.seg <bytes> -      (its frames and its index prove themselves)
 *   end <files>
 *
 * The file of a segment may be longer: behind `bytes` lies nothing that counts. */
#ifndef TERCET_BROKER_BASE_MANIFEST_H
#define TERCET_BROKER_BASE_MANIFEST_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/text.h"

#define MANIFEST_NAME    "backup.manifest"
#define MANIFEST_CATALOG "catalog.mdb"
#define MANIFEST_FOLDER  "seg"
/* A sum is chained over pieces of this size, the last one being shorter: the XXH3 of each, seeded
 * with that of the piece before, the first with 0. */
#define MANIFEST_PIECE_BYTES ((size_t)1 << 20)
/* Some hundred thousand segments. */
#define MANIFEST_MAX_BYTES ((size_t)16 << 20)
#define MANIFEST_PATH_MAX  32

struct manifest_file {
    char name[MANIFEST_PATH_MAX]; /* catalog.mdb or seg/<digits>.seg */
    uint64_t bytes;
    uint64_t sum;
    bool has_sum;
};

void manifest_begin(struct text *to);
void manifest_add(struct text *to, const struct manifest_file *file);
void manifest_end(struct text *to, unsigned files);

/* Is it the name of a file that a backup may hold? */
bool manifest_is_name(struct slice name);
/* Calls visit for each file, when the whole is well-formed; stops at the first rc that is not
 * RC_OK. RC_CORRUPT: it is not, and nothing was visited. */
typedef enum rc manifest_visit_fn(void *arg, const struct manifest_file *file);
MUST_CHECK enum rc manifest_each(struct slice manifest, manifest_visit_fn *visit, void *arg);

#endif
