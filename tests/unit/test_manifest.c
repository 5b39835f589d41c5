/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/manifest.h"

#include "tests/lib/suite.h"

static const char whole[] = "tercet backup 1\n"
                            "file catalog.mdb 12288 00ff00000000beef\n"
                            "file seg/0000000001.seg 77 -\n"
                            "end 2\n";

struct seen {
    unsigned count;
    struct manifest_file files[4];
};

static enum rc on_file(void *arg, const struct manifest_file *file)
{
    struct seen *seen = arg;

    ck_assert_uint_lt(seen->count, COUNT_OF(seen->files));
    seen->files[seen->count++] = *file;
    return RC_OK;
}

START_TEST(what_was_written_is_read)
{
    struct manifest_file catalog = {
        .name = "catalog.mdb", .bytes = 12288, .sum = 0x00ff00000000beef, .has_sum = true
    };
    struct manifest_file segment = { .name = "seg/0000000001.seg", .bytes = 77 };
    struct seen seen = { 0 };
    struct text out = { 0 };

    manifest_begin(&out);
    manifest_add(&out, &catalog);
    manifest_add(&out, &segment);
    manifest_end(&out, 2);
    ck_assert_slice(text_slice(&out), slice_of(whole, sizeof(whole) - 1));
    ck_assert_int_eq(manifest_each(text_slice(&out), on_file, &seen), RC_OK);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_str_eq(seen.files[0].name, catalog.name);
    ck_assert(seen.files[0].has_sum && seen.files[0].sum == catalog.sum);
    ck_assert_str_eq(seen.files[1].name, segment.name);
    ck_assert(!seen.files[1].has_sum && seen.files[1].bytes == 77);
    text_done(&out);
}
END_TEST

START_TEST(every_truncation_is_refused_and_visits_nothing)
{
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        struct slice cut = exact_copy(slice_of(whole, n));
        struct seen seen = { 0 };

        ck_assert_int_eq(manifest_each(cut, on_file, &seen), RC_CORRUPT);
        ck_assert_uint_eq(seen.count, 0);
        exact_free(cut);
    }
}
END_TEST

START_TEST(what_is_no_manifest_is_refused)
{
    static const char *const rows[] = {
        "tercet backup 2\nend 0\n",
        "tercet backup 1\nend 1\n",
        "tercet backup 1\nend 0\nmore\n",
        "tercet backup 1\nfile catalog.mdb 1 -\nend 0\n",
        "tercet backup 1\nfile catalog.mdb -1 -\nend 1\n",
        "tercet backup 1\nfile catalog.mdb 1 ff\nend 1\n",
        "tercet backup 1\nfile catalog.mdb 1 00FF00000000beef\nend 1\n",
        "tercet backup 1\nfile catalog.mdb 9223372036854775808 -\nend 1\n",
        "tercet backup 1\nlink catalog.mdb 1 -\nend 1\n",
        "tercet backup 1\nfile /etc/passwd 1 -\nend 1\n",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_msg(manifest_each(slice_str(rows[i]), NULL, NULL) == RC_CORRUPT, "%s", rows[i]);
    ck_assert_int_eq(manifest_each(SLICE("tercet backup 1\nend 0\n"), on_file, NULL), RC_OK);
}
END_TEST

START_TEST(only_files_of_a_store_have_a_name)
{
    static const char *const good[] = { "catalog.mdb", "seg/1.seg", "seg/4294967295.seg" };
    static const char *const bad[] = {
        "",           "seg/",       "seg/.seg",        "seg/../1.seg",
        "../1.seg",   "seg/1.mdb",  "seg/1a.seg",      "seg/1.seg/",
        "/seg/1.seg", "catalog.md", "backup.manifest", "seg/00000000000000000000000001.seg",
    };

    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_msg(manifest_is_name(slice_str(good[i])), "%s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!manifest_is_name(slice_str(bad[i])), "%s", bad[i]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("manifest");

    tcase_add_test(tests, what_was_written_is_read);
    tcase_add_test(tests, every_truncation_is_refused_and_visits_nothing);
    tcase_add_test(tests, what_is_no_manifest_is_refused);
    tcase_add_test(tests, only_files_of_a_store_have_a_name);
    return suite_run("manifest", tests);
}
