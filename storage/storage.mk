noinst_LIBRARIES += libstorage.a
libstorage_a_SOURCES = \
	%D%/backend.h \
	%D%/backup.h \
	%D%/log.c %D%/log.h \
	%D%/meta.c %D%/meta.h \
	%D%/sifting.c %D%/sifting.h \
	%D%/slots.c %D%/slots.h \
	%D%/space.c %D%/space.h \
	%D%/tail.c %D%/tail.h \
	%D%/verify.h \
	%D%/mem/mem_compact.c \
	%D%/mem/mem_int.h \
	%D%/mem/mem_store.c %D%/mem/mem_store.h \
	%D%/lmdb/backup.c \
	%D%/lmdb/backup.h \
	%D%/lmdb/active.c \
	%D%/lmdb/ahead.c \
	%D%/lmdb/catalog.c \
	%D%/lmdb/catalog.h \
	%D%/lmdb/catalog_check.c \
	%D%/lmdb/catalog_check.h \
	%D%/lmdb/catalog_int.h \
	%D%/lmdb/catalog_open.c \
	%D%/lmdb/checkpoint.c \
	%D%/lmdb/compact.c \
	%D%/lmdb/compaction.c \
	%D%/lmdb/copied.c \
	%D%/lmdb/copier.c \
	%D%/lmdb/copy.c \
	%D%/lmdb/copy.h \
	%D%/lmdb/forget.c \
	%D%/lmdb/format.h \
	%D%/lmdb/frame.c \
	%D%/lmdb/frame.h \
	%D%/lmdb/index.c \
	%D%/lmdb/index.h \
	%D%/lmdb/items.c \
	%D%/lmdb/lmdb_open.c \
	%D%/lmdb/lmdb_store.c \
	%D%/lmdb/lmdb_store.h \
	%D%/lmdb/logs.c \
	%D%/lmdb/maintain.c \
	%D%/lmdb/plan.c \
	%D%/lmdb/reader.c \
	%D%/lmdb/reads.c \
	%D%/lmdb/recover.c \
	%D%/lmdb/recover_apply.c \
	%D%/lmdb/recover_int.h \
	%D%/lmdb/rescue.c \
	%D%/lmdb/rows.c \
	%D%/lmdb/rows.h \
	%D%/lmdb/scan.c \
	%D%/lmdb/scan.h \
	%D%/lmdb/seal.c \
	%D%/lmdb/upgrade.c \
	%D%/lmdb/segment.c \
	%D%/lmdb/segment.h \
	%D%/lmdb/store_int.h \
	%D%/lmdb/verify.c \
	%D%/lmdb/verify_int.h \
	%D%/lmdb/verify_segment.c \
	%D%/lmdb/writer.c \
	%D%/lmdb/writer_int.h
# What a program that opens a store links, before $(BASE_LIBS).
STORAGE_LIBS = libstorage.a $(LMDB_LIBS) $(RECORD_LIBS)
if HAVE_CHECK
check_PROGRAMS += test_store
STORE_FIXTURE = tests/contract/store_fixture.c tests/contract/store_fixture.h
test_store_SOURCES = tests/contract/test_store.c $(STORE_FIXTURE)
test_store_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_store_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_store
check_PROGRAMS += test_space
test_space_SOURCES = tests/unit/test_space.c
test_space_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_space_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_space
check_PROGRAMS += test_slots
test_slots_SOURCES = tests/unit/test_slots.c
test_slots_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_slots_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_slots
check_PROGRAMS += test_lmdb_frame
test_lmdb_frame_SOURCES = tests/unit/test_lmdb_frame.c
test_lmdb_frame_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_lmdb_frame_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_lmdb_frame
check_PROGRAMS += test_lmdb_rows
test_lmdb_rows_SOURCES = tests/unit/test_lmdb_rows.c
test_lmdb_rows_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_lmdb_rows_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_lmdb_rows
check_PROGRAMS += test_lmdb_backup
test_lmdb_backup_SOURCES = tests/unit/test_lmdb_backup.c $(STORE_FIXTURE)
test_lmdb_backup_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_lmdb_backup_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_lmdb_backup
check_PROGRAMS += test_lmdb_recover
test_lmdb_recover_SOURCES = tests/unit/test_lmdb_recover.c $(STORE_FIXTURE)
test_lmdb_recover_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_lmdb_recover_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_lmdb_recover
check_PROGRAMS += test_lmdb_ahead
test_lmdb_ahead_SOURCES = tests/unit/test_lmdb_ahead.c $(STORE_FIXTURE)
test_lmdb_ahead_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_lmdb_ahead_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_lmdb_ahead
check_PROGRAMS += test_lmdb_faults
test_lmdb_faults_SOURCES = tests/unit/test_lmdb_faults.c $(STORE_FIXTURE)
test_lmdb_faults_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_lmdb_faults_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_lmdb_faults
check_PROGRAMS += test_lmdb_copy
test_lmdb_copy_SOURCES = tests/unit/test_lmdb_copy.c $(STORE_FIXTURE)
test_lmdb_copy_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_lmdb_copy_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_lmdb_copy
check_PROGRAMS += test_lmdb_compact
COMPACTION_RIG = tests/contract/compaction_rig.c tests/contract/compaction_rig.h $(STORE_FIXTURE)
test_lmdb_compact_SOURCES = tests/unit/test_lmdb_compact.c $(COMPACTION_RIG)
test_lmdb_compact_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_lmdb_compact_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_lmdb_compact

check_PROGRAMS += test_compaction
test_compaction_SOURCES = tests/contract/test_compaction.c $(COMPACTION_RIG)
test_compaction_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_compaction_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_compaction
check_PROGRAMS += store_kill
store_kill_SOURCES = tests/crash/store_kill.c tests/crash/store_load.c tests/crash/store_load.h
store_kill_LDADD = $(STORAGE_LIBS) $(BASE_LIBS)
TESTS += store_kill
if !SANITIZE
# It stands where the sanitizers stand: between the program and the C library.
check_PROGRAMS += store_power
POWER_RECORDER = tests/crash/power/trace.c tests/crash/power/trace.h tests/crash/power/trace_int.h \
	tests/crash/power/hooks.c tests/crash/power/hooks_names.c tests/crash/power/fail.c
POWER_DISK = tests/crash/power/disk.c tests/crash/power/disk.h tests/crash/power/view.c
STORE_REPLAY = tests/crash/store_load.c tests/crash/store_load.h tests/crash/store_replay.c \
	tests/crash/store_replay.h $(POWER_RECORDER) $(POWER_DISK)
store_power_SOURCES = tests/crash/store_power.c $(STORE_REPLAY)
store_power_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) -ldl
TESTS += store_power
noinst_PROGRAMS += power_preload.so power_cut
power_preload_so_SOURCES = $(POWER_RECORDER)
power_preload_so_CFLAGS = $(AM_CFLAGS) -fPIC
power_preload_so_LDFLAGS = $(AM_LDFLAGS) -shared -Wl,-Bsymbolic
power_preload_so_LDADD = -ldl
power_cut_SOURCES = tests/crash/power/cut.c $(POWER_DISK)
power_cut_LDADD = $(BASE_LIBS)
check_PROGRAMS += store_faults
store_faults_SOURCES = tests/crash/store_faults.c $(STORE_REPLAY)
store_faults_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) -ldl
TESTS += store_faults
check_PROGRAMS += store_rot
store_rot_SOURCES = tests/crash/store_rot.c $(STORE_REPLAY)
store_rot_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) -ldl
TESTS += store_rot
endif
check_PROGRAMS += bench_store
bench_store_SOURCES = tests/bench/bench_store.c tests/bench/bench.c tests/bench/bench_tls.c tests/bench/bench.h
bench_store_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(OPENSSL_LIBS)
endif
if FUZZ
noinst_PROGRAMS += fuzz_frame
fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c
fuzz_frame_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
fuzz_frame_LDADD = $(STORAGE_LIBS) $(BASE_LIBS)
endif
