/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the folder that a power cut leaves.
 *
 *   power_cut BASE TRACE OUT SEED [OPS]
 *
 * BASE is the folder as it was, all of it on the device, when the process began that TRACE was
 * recorded of; the power goes after so many ops (all). SEED chooses which part of what was not
 * synced is in OUT. Tells how many ops the trace has. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/number.h"
#include "tests/crash/power/disk.h"

static uint64_t number_or_end(const char *text)
{
    uint64_t ret;

    if (number_u64(slice_str(text), 0, UINT64_MAX, &ret) != RC_OK) {
        (void)fprintf(stderr, "usage: power_cut BASE TRACE OUT SEED [OPS]\n");
        exit(EXIT_FAILURE);
    }
    return ret;
}

int main(int argc, char **argv)
{
    struct trace_view view;
    struct trace_item item;
    struct disk *disk;
    uint64_t seed = number_or_end(argc < 5 ? "" : argv[4]);
    uint64_t until = argc < 6 ? UINT64_MAX : number_or_end(argv[5]), ops = 0;

    disk = disk_new(argv[1]);
    trace_view_open(&view, argv[2]);
    for (; trace_view_next(&view, &item); ops++) {
        if (ops < until)
            disk_apply(disk, &item);
    }
    disk_write(disk, argv[3], DISK_RANDOM, seed);
    (void)printf("%llu\n", (unsigned long long)ops);
    disk_free(&disk);
    trace_view_close(&view);
    return EXIT_SUCCESS;
}
