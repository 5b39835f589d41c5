/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/manifest.h"

#include "broker/base/number.h"

#define HEAD       "tercet backup 1\n"
#define SUM_DIGITS 16

void manifest_begin(struct text *to)
{
    text_add(to, SLICE(HEAD));
}

void manifest_add(struct text *to, const struct manifest_file *file)
{
    text_format(to, "file %s %llu ", file->name, (unsigned long long)file->bytes);
    if (file->has_sum)
        text_format(to, "%016llx\n", (unsigned long long)file->sum);
    else
        text_add(to, SLICE("-\n"));
}

void manifest_end(struct text *to, unsigned files)
{
    text_format(to, "end %u\n", files);
}

bool manifest_is_name(struct slice name)
{
    static const struct slice folder = { (const uint8_t *)MANIFEST_FOLDER "/",
                                         sizeof(MANIFEST_FOLDER) };
    static const struct slice ending = { (const uint8_t *)".seg", 4 };

    if (slice_equal_str(name, MANIFEST_CATALOG))
        return true;
    if (name.len >= MANIFEST_PATH_MAX || name.len <= folder.len + ending.len ||
        !slice_starts(name, folder) ||
        !slice_equal(slice_after(name, name.len - ending.len), ending))
        return false;
    for (size_t i = folder.len; i < name.len - ending.len; i++) {
        if (name.at[i] < '0' || name.at[i] > '9')
            return false;
    }
    return true;
}

/* What stands before `byte`; the rest begins behind it. */
static bool take(struct slice *rest, uint8_t byte, struct slice *ret)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->at, byte, rest->len);

    if (at == NULL)
        return false;
    *ret = slice_of(rest->at, (size_t)(at - rest->at));
    *rest = slice_after(*rest, ret->len + 1);
    return true;
}

static bool read_sum(struct slice digits, struct manifest_file *ret)
{
    ret->has_sum = !slice_equal_str(digits, "-");
    ret->sum = 0;
    if (!ret->has_sum)
        return true;
    if (digits.len != SUM_DIGITS)
        return false;
    for (size_t i = 0; i < SUM_DIGITS; i++) {
        uint8_t c = digits.at[i];

        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return false;
        ret->sum = ret->sum << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static bool read_file(struct slice line, struct manifest_file *ret)
{
    struct slice name, bytes;

    if (!take(&line, ' ', &name) || !take(&line, ' ', &bytes) || !manifest_is_name(name) ||
        number_u64(bytes, 0, INT64_MAX, &ret->bytes) != RC_OK || !read_sum(line, ret))
        return false;
    memcpy(ret->name, name.at, name.len);
    ret->name[name.len] = '\0';
    return true;
}

static enum rc walk(struct slice manifest, manifest_visit_fn *visit, void *arg)
{
    struct slice line, word;
    uint64_t files = 0, told;

    if (!slice_starts(manifest, SLICE(HEAD)))
        return RC_CORRUPT;
    manifest = slice_after(manifest, sizeof(HEAD) - 1);
    while (take(&manifest, '\n', &line)) {
        struct manifest_file file;
        enum rc rc;

        if (!take(&line, ' ', &word))
            return RC_CORRUPT;
        if (slice_equal_str(word, "end"))
            return number_u64(line, files, files, &told) == RC_OK && manifest.len == 0 ? RC_OK
                                                                                       : RC_CORRUPT;
        if (!slice_equal_str(word, "file") || !read_file(line, &file))
            return RC_CORRUPT;
        files++;
        rc = visit == NULL ? RC_OK : visit(arg, &file);
        if (rc != RC_OK)
            return rc;
    }
    return RC_CORRUPT;
}

enum rc manifest_each(struct slice manifest, manifest_visit_fn *visit, void *arg)
{
    enum rc rc = walk(manifest, NULL, NULL);

    return rc == RC_OK ? walk(manifest, visit, arg) : rc;
}
