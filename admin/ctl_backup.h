/* SPDX-License-Identifier: Apache-2.0 */
/* tercet backup and tercet restore. */
#ifndef TERCET_ADMIN_CTL_BACKUP_H
#define TERCET_ADMIN_CTL_BACKUP_H

#include <stdbool.h>

struct ctl_place;

/* Into a folder, or as a tar stream to standard output with "-". False, and it has said why. */
bool ctl_backup(const struct ctl_place *place, const char *to);
/* From a folder, or a tar stream on standard input with "-", into a folder that is empty or not
 * there. What is restored was verified. */
bool ctl_restore(const char *from, const char *to);

#endif
