# fragment of the room broker/record
noinst_LIBRARIES += librecord.a
librecord_a_SOURCES = \
	%D%/batch.c %D%/batch.h \
	%D%/builder.c %D%/builder.h \
	%D%/compression.c %D%/compression.h \
	%D%/crc32c.c %D%/crc32c.h \
	%D%/partition_hash.c %D%/partition_hash.h \
	%D%/record.c %D%/record.h
librecord_a_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS) $(LZ4_CFLAGS) $(ZSTD_CFLAGS) $(ISAL_CFLAGS)
RECORD_LIBS = librecord.a $(ZLIB_LIBS) $(LZ4_LIBS) $(ZSTD_LIBS) $(SNAPPY_LIBS) $(ISAL_LIBS)
