# fragment of the room protocols/kafka
KAFKA_GENERATED = %D%/kafka_messages.h %D%/kafka_messages.c
BUILT_SOURCES += $(KAFKA_GENERATED)
CLEANFILES += $(KAFKA_GENERATED)
EXTRA_DIST += %D%/CONFORMANCE %D%/kafka_messages.tbl %D%/kafka_messages.awk
%D%/kafka_messages.h: $(top_srcdir)/%D%/kafka_messages.tbl $(top_srcdir)/%D%/kafka_messages.awk
	$(AM_V_GEN)$(MKDIR_P) %D% && $(AWK) -v part=h -f $(top_srcdir)/%D%/kafka_messages.awk \
		$(top_srcdir)/%D%/kafka_messages.tbl > $@.new && mv $@.new $@
%D%/kafka_messages.c: $(top_srcdir)/%D%/kafka_messages.tbl $(top_srcdir)/%D%/kafka_messages.awk
	$(AM_V_GEN)$(MKDIR_P) %D% && $(AWK) -v part=c -f $(top_srcdir)/%D%/kafka_messages.awk \
		$(top_srcdir)/%D%/kafka_messages.tbl > $@.new && mv $@.new $@
noinst_LIBRARIES += libkafkacodec.a
libkafkacodec_a_SOURCES = \
	%D%/kafka_arena.c %D%/kafka_arena.h \
	%D%/kafka_codec.c %D%/kafka_codec.h
nodist_libkafkacodec_a_SOURCES = $(KAFKA_GENERATED)
noinst_LIBRARIES += libkafka.a
libkafka_a_SOURCES = \
	%D%/kafka_all_topics.c %D%/kafka_all_topics.h \
	%D%/kafka_errors.c %D%/kafka_errors.h \
	%D%/kafka_group.c %D%/kafka_group.h %D%/kafka_group_int.h \
	%D%/kafka_int.h \
	%D%/kafka_listener.c %D%/kafka_listener.h \
	%D%/kafka_map.c %D%/kafka_map.h \
	%D%/kafka_on_configs.c \
	%D%/kafka_on_fetch.c \
	%D%/kafka_on_group.c \
	%D%/kafka_on_list_offsets.c \
	%D%/kafka_on_meta.c \
	%D%/kafka_on_offsets.c \
	%D%/kafka_on_produce.c \
	%D%/kafka_on_topics.c \
	%D%/kafka_rebalance.c \
	%D%/kafka_rules.c \
	%D%/kafka_sasl.c %D%/kafka_sasl.h \
	%D%/kafka_session.c %D%/kafka_session.h \
	%D%/kafka_topic_config.c %D%/kafka_topic_config.h
# So that one target alone can be made in a new tree.
$(libkafkacodec_a_OBJECTS) $(libkafka_a_OBJECTS): %D%/kafka_messages.h
KAFKA_RIG = tests/lib/kafka_rig.c tests/lib/kafka_rig.h $(NET_RIG) $(MEM_CORE)
KAFKA_RIG_LIBS = libkafka.a libkafkacodec.a $(CORE_LIBS) $(STORAGE_LIBS) $(RECORD_LIBS) $(BASE_LIBS)
if HAVE_CHECK
$(test_kafka_codec_OBJECTS): %D%/kafka_messages.h
check_PROGRAMS += test_kafka_codec
test_kafka_codec_SOURCES = tests/unit/test_kafka_codec.c
test_kafka_codec_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_kafka_codec_LDADD = libkafkacodec.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_kafka_codec
$(test_kafka_session_OBJECTS): %D%/kafka_messages.h
check_PROGRAMS += test_kafka_session
test_kafka_session_SOURCES = tests/unit/test_kafka_session.c $(KAFKA_RIG)
test_kafka_session_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_kafka_session_LDADD = $(KAFKA_RIG_LIBS) $(CHECK_LIBS)
TESTS += test_kafka_session
check_PROGRAMS += test_kafka_errors
test_kafka_errors_SOURCES = tests/unit/test_kafka_errors.c
test_kafka_errors_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_kafka_errors_LDADD = libkafka.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_kafka_errors
check_PROGRAMS += test_kafka_topic_config
test_kafka_topic_config_SOURCES = tests/unit/test_kafka_topic_config.c
test_kafka_topic_config_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_kafka_topic_config_LDADD = libkafka.a $(CORE_LIBS) $(STORAGE_LIBS) $(RECORD_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_kafka_topic_config
endif
EXTRA_DIST += tests/unit/kafka_vectors.txt tests/unit/kafka_vectors.py
if FUZZ
$(fuzz_kafka_codec_OBJECTS): %D%/kafka_messages.h
noinst_PROGRAMS += fuzz_kafka_codec
fuzz_kafka_codec_SOURCES = tests/fuzz/fuzz_kafka_codec.c
fuzz_kafka_codec_LDADD = libkafkacodec.a $(BASE_LIBS)
fuzz_kafka_codec_LDFLAGS = $(FUZZ_LDFLAGS)
$(fuzz_kafka_session_OBJECTS): %D%/kafka_messages.h
noinst_PROGRAMS += fuzz_kafka_session
fuzz_kafka_session_SOURCES = tests/fuzz/fuzz_kafka_session.c $(KAFKA_RIG)
fuzz_kafka_session_LDADD = $(KAFKA_RIG_LIBS)
fuzz_kafka_session_LDFLAGS = $(FUZZ_LDFLAGS)
endif
