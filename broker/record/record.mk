# fragment of the room broker/record
noinst_LIBRARIES += librecord.a
librecord_a_SOURCES = \
	%D%/batch.c %D%/batch.h \
	%D%/builder.c %D%/builder.h \
	%D%/compression.c %D%/compression.h \
	%D%/crc32c.c %D%/crc32c.h \
	%D%/partition_hash.c %D%/partition_hash.h \
	%D%/record.c %D%/record.h \
	%D%/sift.c %D%/sift.h
librecord_a_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS) $(LZ4_CFLAGS) $(ZSTD_CFLAGS) $(ISAL_CFLAGS)
RECORD_LIBS = librecord.a $(ZLIB_LIBS) $(LZ4_LIBS) $(ZSTD_LIBS) $(SNAPPY_LIBS) $(ISAL_LIBS)
# Lets tests in other languages compare the format with other implementations.
check_PROGRAMS += record_tool
record_tool_SOURCES = tests/lib/record_tool.c
record_tool_LDADD = $(RECORD_LIBS) $(BASE_LIBS)
EXTRA_DIST += tests/lib/test_record_kafka.py tests/cross/test_record_hostile.py
if HAVE_CHECK
check_PROGRAMS += test_batch test_compression test_crc32c test_record test_record_builder \
	test_record_partition
test_batch_SOURCES = tests/unit/test_batch.c
test_batch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_batch_LDADD = $(RECORD_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
test_compression_SOURCES = tests/unit/test_compression.c
test_compression_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(ZLIB_CFLAGS) $(ZSTD_CFLAGS)
test_compression_LDADD = $(RECORD_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
test_crc32c_SOURCES = tests/unit/test_crc32c.c
test_crc32c_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_crc32c_LDADD = $(RECORD_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
test_record_SOURCES = tests/unit/test_record.c
test_record_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_record_LDADD = $(RECORD_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
test_record_builder_SOURCES = tests/unit/test_record_builder.c
test_record_builder_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_record_builder_LDADD = $(RECORD_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
test_record_partition_SOURCES = tests/unit/test_record_partition.c
test_record_partition_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_record_partition_LDADD = $(RECORD_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += test_sift
test_sift_SOURCES = tests/unit/test_sift.c
test_sift_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_sift_LDADD = $(RECORD_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_sift
TESTS += test_batch test_compression test_crc32c test_record test_record_builder \
	test_record_partition
endif
if FUZZ
noinst_PROGRAMS += fuzz_batch
fuzz_batch_SOURCES = tests/fuzz/fuzz_batch.c
fuzz_batch_LDADD = $(RECORD_LIBS) $(BASE_LIBS)
fuzz_batch_LDFLAGS = $(FUZZ_LDFLAGS)
endif
