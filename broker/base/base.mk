noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	%D%/base64.c %D%/base64.h \
	%D%/block.c %D%/block.h \
	%D%/clock.c %D%/clock.h \
	%D%/counters.c %D%/counters.h %D%/counters.def \
	%D%/doing.c %D%/doing.h \
	%D%/durations.c %D%/durations.h \
	%D%/fault.c %D%/fault.h \
	%D%/hash.c %D%/hash.h %D%/hash_wide.h \
	%D%/heap.c %D%/heap.h \
	%D%/list.h \
	%D%/log.c %D%/log.h \
	%D%/manifest.c %D%/manifest.h \
	%D%/map.c %D%/map.h \
	%D%/mem.c %D%/mem.h \
	%D%/near.c %D%/near.h \
	%D%/number.c %D%/number.h \
	%D%/options.c %D%/options.h %D%/options_int.h \
	%D%/options_file.c %D%/options_write.c \
	%D%/plant.c %D%/plant.h \
	%D%/random.c %D%/random.h \
	%D%/rate.c %D%/rate.h \
	%D%/rc.c %D%/rc.h \
	%D%/ring.c %D%/ring.h \
	%D%/slice.h \
	%D%/state_home.c %D%/state_home.h \
	%D%/table.c %D%/table.h \
	%D%/text.c %D%/text.h \
	%D%/thread.c %D%/thread.h \
	%D%/utf8.c %D%/utf8.h \
	%D%/wire.h
if WIDE_HASH
noinst_LIBRARIES += libbase_wide.a
libbase_wide_a_SOURCES = %D%/hash_wide.c %D%/hash_wide.h
libbase_wide_a_CFLAGS = $(AM_CFLAGS) -mavx2
WIDE_LIBS = libbase_wide.a
endif
BASE_LIBS = libbase.a $(WIDE_LIBS) $(XXHASH_LIBS) -lpthread

BASE_TEST_LIBS = $(BASE_LIBS) $(CHECK_LIBS)
if HAVE_CHECK
BASE_TESTS = test_wire \
	test_near \
	test_rate \
	test_slice \
	test_list \
	test_hash \
	test_manifest \
	test_map \
	test_text \
	test_utf8 \
	test_number \
	test_mem \
	test_fault \
	test_plant \
	test_options \
	test_block \
	test_log \
	test_counters \
	test_thread \
	test_durations \
	test_heap \
	test_ring \
	test_table
check_PROGRAMS += $(BASE_TESTS)
TESTS += $(BASE_TESTS)
test_wire_SOURCES = tests/unit/test_wire.c
test_wire_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_wire_LDADD = $(BASE_TEST_LIBS)
test_near_SOURCES = tests/unit/test_near.c
test_near_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_near_LDADD = $(BASE_TEST_LIBS)
test_rate_SOURCES = tests/unit/test_rate.c
test_rate_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_rate_LDADD = $(BASE_TEST_LIBS)
test_slice_SOURCES = tests/unit/test_slice.c
test_slice_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_slice_LDADD = $(BASE_TEST_LIBS)
test_list_SOURCES = tests/unit/test_list.c
test_list_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_list_LDADD = $(BASE_TEST_LIBS)
test_hash_SOURCES = tests/unit/test_hash.c
test_hash_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_hash_LDADD = $(BASE_TEST_LIBS)
test_manifest_SOURCES = tests/unit/test_manifest.c
test_manifest_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_manifest_LDADD = $(BASE_TEST_LIBS)
test_map_SOURCES = tests/unit/test_map.c
test_map_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_map_LDADD = $(BASE_TEST_LIBS)
test_text_SOURCES = tests/unit/test_text.c
test_text_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_text_LDADD = $(BASE_TEST_LIBS)
test_utf8_SOURCES = tests/unit/test_utf8.c
test_utf8_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_utf8_LDADD = $(BASE_TEST_LIBS)
test_number_SOURCES = tests/unit/test_number.c
test_number_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_number_LDADD = $(BASE_TEST_LIBS)
test_mem_SOURCES = tests/unit/test_mem.c
test_mem_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_mem_LDADD = $(BASE_TEST_LIBS)
test_fault_SOURCES = tests/unit/test_fault.c
test_fault_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_fault_LDADD = $(BASE_TEST_LIBS)
test_plant_SOURCES = tests/unit/test_plant.c
test_plant_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_plant_LDADD = $(BASE_TEST_LIBS)
test_options_SOURCES = tests/unit/test_options.c
test_options_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_options_LDADD = $(BASE_TEST_LIBS)
test_block_SOURCES = tests/unit/test_block.c
test_block_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_block_LDADD = $(BASE_TEST_LIBS)
test_log_SOURCES = tests/unit/test_log.c
test_log_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_log_LDADD = $(BASE_TEST_LIBS)
test_counters_SOURCES = tests/unit/test_counters.c
test_counters_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_counters_LDADD = $(BASE_TEST_LIBS)
test_thread_SOURCES = tests/unit/test_thread.c
test_thread_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_thread_LDADD = $(BASE_TEST_LIBS)
test_durations_SOURCES = tests/unit/test_durations.c
test_durations_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_durations_LDADD = $(BASE_TEST_LIBS)
test_heap_SOURCES = tests/unit/test_heap.c
test_heap_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_heap_LDADD = $(BASE_TEST_LIBS)
test_ring_SOURCES = tests/unit/test_ring.c
test_ring_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_ring_LDADD = $(BASE_TEST_LIBS)
test_table_SOURCES = tests/unit/test_table.c
test_table_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_table_LDADD = $(BASE_TEST_LIBS)
endif

if FUZZ
noinst_PROGRAMS += fuzz_options
fuzz_options_SOURCES = tests/fuzz/fuzz_options.c
fuzz_options_LDADD = $(BASE_LIBS)
fuzz_options_LDFLAGS = $(FUZZ_LDFLAGS)
endif
