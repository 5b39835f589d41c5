noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	%D%/block.c %D%/block.h \
	%D%/clock.c %D%/clock.h \
	%D%/counters.c %D%/counters.h %D%/counters.def \
	%D%/fault.c %D%/fault.h \
	%D%/hash.c %D%/hash.h \
	%D%/list.h \
	%D%/log.c %D%/log.h \
	%D%/map.c %D%/map.h \
	%D%/mem.c %D%/mem.h \
	%D%/number.c %D%/number.h \
	%D%/random.c %D%/random.h \
	%D%/rc.c %D%/rc.h \
	%D%/slice.h \
	%D%/text.c %D%/text.h \
	%D%/thread.c %D%/thread.h \
	%D%/utf8.c %D%/utf8.h \
	%D%/wire.h
BASE_LIBS = libbase.a $(XXHASH_LIBS) -lpthread
