/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a trace. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/crash/power/disk.h"

_Noreturn static void die(const char *what, const char *name)
{
    (void)fprintf(stderr, "power: %s: %s\n", what, name);
    exit(EXIT_FAILURE);
}

void trace_view_open(struct trace_view *view, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    void *at;

    *view = (struct trace_view){ 0 };
    if (fd < 0 || fstat(fd, &stat) != 0)
        die("cannot open the trace", path);
    if (stat.st_size > 0) {
        at = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
            die("cannot map the trace", path);
        view->at = at;
        view->len = (size_t)stat.st_size;
    }
    (void)close(fd);
}

void trace_view_close(struct trace_view *view)
{
    if (view->at != NULL)
        (void)munmap((void *)(uintptr_t)view->at, view->len);
    view->at = NULL;
}

bool trace_view_next(struct trace_view *view, struct trace_item *ret)
{
    size_t left = view->len - view->offset, bytes;
    const uint8_t *at;
    struct trace_item item = { 0 };

    if (left < sizeof(item.op))
        return false; /* an empty trace is nowhere */
    at = view->at + view->offset;
    memcpy(&item.op, at, sizeof(item.op));
    at += sizeof(item.op);
    left -= sizeof(item.op);
    bytes = item.op.kind == TRACE_MARK || (item.op.kind == TRACE_WRITE && !item.op.is_zero)
                ? (size_t)item.op.len
                : 0;
    if (left < (size_t)item.op.name_len + item.op.to_len || left - item.op.name_len < bytes)
        return false;
    item.name = item.op.name_len == 0 ? "" : (const char *)at;
    item.to = item.op.to_len == 0 ? "" : (const char *)at + item.op.name_len;
    item.bytes = at + item.op.name_len + item.op.to_len;
    item.end = (size_t)(item.bytes + bytes - view->at);
    if (item.end > view->len)
        return false;
    view->offset = item.end;
    *ret = item;
    return true;
}
