# The room protocols/amqp: the codec is a library of its own, so that its tests and its fuzz target
# link nothing but it and base.
EXTRA_DIST += %D%/CONFORMANCE
noinst_LIBRARIES += libamqpcodec.a libamqp.a
libamqpcodec_a_SOURCES = \
	%D%/amqp_codec.c %D%/amqp_codec.h \
	%D%/amqp_methods.h \
	%D%/amqp_table.c %D%/amqp_table.h
libamqp_a_SOURCES = \
	%D%/amqp_answer.c \
	%D%/amqp_bind.h \
	%D%/amqp_channel.c \
	%D%/amqp_confirm.c \
	%D%/amqp_content.c \
	%D%/amqp_definitions.c %D%/amqp_definitions.h \
	%D%/amqp_deliver.c \
	%D%/amqp_errors.c %D%/amqp_errors.h \
	%D%/amqp_frames.c \
	%D%/amqp_int.h \
	%D%/amqp_listener.c %D%/amqp_listener.h \
	%D%/amqp_many.c \
	%D%/amqp_map.h %D%/amqp_map_int.h \
	%D%/amqp_map_delay.c \
	%D%/amqp_map_deliver.c \
	%D%/amqp_map_headers.c \
	%D%/amqp_map_publish.c \
	%D%/amqp_map_value.c \
	%D%/amqp_name.c \
	%D%/amqp_on_basic.c \
	%D%/amqp_on_connection.c \
	%D%/amqp_on_exchange.c \
	%D%/amqp_on_queue.c \
	%D%/amqp_publish.c \
	%D%/amqp_queue_arguments.c \
	%D%/amqp_session.c %D%/amqp_session.h \
	%D%/amqp_tx.c %D%/amqp_tx.h \
	%D%/amqp_unacked.c %D%/amqp_unacked.h
AMQP_LIBS = libamqp.a libamqpcodec.a
AMQP_RIG = tests/lib/amqp_rig.c tests/lib/amqp_rig.h $(NET_RIG) $(MEM_CORE)
AMQP_RIG_LIBS = $(AMQP_LIBS) $(CORE_LIBS) $(STORAGE_LIBS) $(RECORD_LIBS) $(BASE_LIBS)
if HAVE_CHECK
check_PROGRAMS += test_amqp_codec test_amqp_table test_amqp_parts test_amqp_map test_amqp_session
test_amqp_codec_SOURCES = tests/unit/test_amqp_codec.c
test_amqp_codec_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_amqp_codec_LDADD = libamqpcodec.a $(BASE_LIBS) $(CHECK_LIBS)
test_amqp_table_SOURCES = tests/unit/test_amqp_table.c
test_amqp_table_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_amqp_table_LDADD = libamqpcodec.a $(BASE_LIBS) $(CHECK_LIBS)
test_amqp_parts_SOURCES = tests/unit/test_amqp_parts.c
test_amqp_parts_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_amqp_parts_LDADD = $(AMQP_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
test_amqp_map_SOURCES = tests/unit/test_amqp_map.c
test_amqp_map_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_amqp_map_LDADD = $(AMQP_LIBS) $(CORE_TEST_LIBS)
test_amqp_session_SOURCES = tests/unit/test_amqp_session.c $(AMQP_RIG)
test_amqp_session_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_amqp_session_LDADD = $(AMQP_RIG_LIBS) $(CHECK_LIBS)
TESTS += test_amqp_codec test_amqp_table test_amqp_parts test_amqp_map test_amqp_session
endif
if FUZZ
noinst_PROGRAMS += fuzz_amqp_codec fuzz_amqp_session
fuzz_amqp_codec_SOURCES = tests/fuzz/fuzz_amqp_codec.c
fuzz_amqp_codec_LDADD = libamqpcodec.a $(BASE_LIBS)
fuzz_amqp_codec_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_amqp_session_SOURCES = tests/fuzz/fuzz_amqp_session.c $(AMQP_RIG)
fuzz_amqp_session_LDADD = $(AMQP_RIG_LIBS)
fuzz_amqp_session_LDFLAGS = $(FUZZ_LDFLAGS)
endif
