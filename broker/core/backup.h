/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of everything while it is in use: storage/backup.h for those above core. */
#ifndef TERCET_BROKER_CORE_BACKUP_H
#define TERCET_BROKER_CORE_BACKUP_H

#include "broker/base/rc.h"
#include "storage/backup.h"

struct core;

/* What store_backup() does, with all that was published before in it. */
MUST_CHECK enum rc core_backup(struct core *core, const char *directory,
                               struct store_backup *backup);
void core_backup_cancel(struct core *core, struct store_backup *backup);

#endif
