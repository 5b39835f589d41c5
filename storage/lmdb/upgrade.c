/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a store of an older format one of ours. Each step can be done twice: a crash between them
 * leaves what the next open goes on with. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/log.h"
#include "broker/base/number.h"
#include "storage/lmdb/store_int.h"

#define OLD_NAME_BYTES 14 /* 0000000042.mdb */

static bool is_old_name(const char *name)
{
    uint64_t number;

    return strlen(name) == OLD_NAME_BYTES && strcmp(name + 10, ".mdb") == 0 &&
           number_u64(slice_of(name, 10), 1, UINT32_MAX, &number) == RC_OK;
}

/* Segments of format 1 are read as they are, under the name of today. */
static int rename_segment(const struct place *place, const char *name)
{
    char to[SEGMENT_NAME_MAX];

    (void)snprintf(to, sizeof(to), "%.10s.seg", name);
    return renameat(place->seg_fd, name, place->seg_fd, to);
}

static int remove_spare(const struct place *place, const char *name)
{
    return unlinkat(place->spare_fd, name, 0);
}

static enum rc each_old_file(const struct place *place, int folder,
                             int (*act)(const struct place *place, const char *name),
                             unsigned *ret_count)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    enum rc rc = RC_OK;

    *ret_count = 0;
    if (dir == NULL)
        return rc_of_errno(errno);
    while (rc == RC_OK && (entry = readdir(dir)) != NULL) {
        if (!is_old_name(entry->d_name))
            continue;
        rc = act(place, entry->d_name) == 0 ? RC_OK : rc_of_errno(errno);
        (*ret_count)++;
    }
    (void)closedir(dir); /* read only */
    return rc == RC_OK && *ret_count > 0 ? sync_directory(place, folder) : rc;
}

/* First the catalogue says that the store is of our format: an older tercetd refuses it from then
 * on, instead of missing the files that have their new name. */
enum rc store_upgrade(struct lmdb_store *s, uint64_t from_format)
{
    unsigned segments = 0, spares;
    enum rc rc = RC_OK;

    if (from_format < STORE_FORMAT) {
        rc = catalog_begin(&s->catalog);
        if (rc == RC_OK)
            rc = catalog_put_number(&s->catalog, "format", STORE_FORMAT);
        if (rc == RC_OK)
            rc = catalog_commit(&s->catalog);
        catalog_abort(&s->catalog);
    }
    if (rc == RC_OK)
        rc = each_old_file(&s->place, s->place.seg_fd, rename_segment, &segments);
    if (rc == RC_OK)
        rc = each_old_file(&s->place, s->place.spare_fd, remove_spare, &spares);
    if (from_format < STORE_FORMAT || segments > 0)
        log_event(LOG_NOTICE, "storage.upgraded", "from=%u to=%u segments=%u rc=%s",
                  (unsigned)from_format, STORE_FORMAT, segments, rc_word(rc));
    return rc;
}
