# The room protocols/amqp: the codec is a library of its own, so that its tests and its fuzz target
# link nothing but it and base.
noinst_LIBRARIES += libamqpcodec.a
libamqpcodec_a_SOURCES = \
	%D%/amqp_codec.c %D%/amqp_codec.h \
	%D%/amqp_methods.h \
	%D%/amqp_table.c %D%/amqp_table.h
if HAVE_CHECK
check_PROGRAMS += test_amqp_codec test_amqp_table
test_amqp_codec_SOURCES = tests/unit/test_amqp_codec.c
test_amqp_codec_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_amqp_codec_LDADD = libamqpcodec.a $(BASE_LIBS) $(CHECK_LIBS)
test_amqp_table_SOURCES = tests/unit/test_amqp_table.c
test_amqp_table_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_amqp_table_LDADD = libamqpcodec.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_amqp_codec test_amqp_table
endif
if FUZZ
noinst_PROGRAMS += fuzz_amqp_codec
fuzz_amqp_codec_SOURCES = tests/fuzz/fuzz_amqp_codec.c
fuzz_amqp_codec_LDADD = libamqpcodec.a $(BASE_LIBS)
fuzz_amqp_codec_LDFLAGS = $(FUZZ_LDFLAGS)
endif
