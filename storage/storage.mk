noinst_LIBRARIES += libstorage.a
libstorage_a_SOURCES = \
	%D%/backend.h \
	%D%/log.c %D%/log.h \
	%D%/meta.c %D%/meta.h \
	%D%/tail.c %D%/tail.h \
	%D%/mem/mem_store.c %D%/mem/mem_store.h \
	%D%/lmdb/lmdb_store.h
# What a program that opens a store links, before $(BASE_LIBS).
STORAGE_LIBS = libstorage.a $(LMDB_LIBS)
if HAVE_CHECK
check_PROGRAMS += test_store
test_store_SOURCES = tests/contract/test_store.c
test_store_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_store_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_store
endif
