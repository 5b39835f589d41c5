# MQTT 3.1, 3.1.1 and 5.0: the pure codec is a library of its own.
noinst_LIBRARIES += libmqttcodec.a
libmqttcodec_a_SOURCES = \
	%D%/mqtt_codec.h \
	%D%/mqtt_decode.c \
	%D%/mqtt_encode.c \
	%D%/mqtt_properties.c \
	%D%/mqtt_describe.c %D%/mqtt_describe.h \
	%D%/mqtt_topic.c

noinst_LIBRARIES += libmqtt.a
libmqtt_a_SOURCES = \
	%D%/bridge.c %D%/bridge.h \
	%D%/bridge_config.c %D%/bridge_config.h \
	%D%/mqtt_auth.c \
	%D%/mqtt_control.c %D%/mqtt_control.h \
	%D%/bridge_int.h \
	%D%/bridge_link.c \
	%D%/bridge_local.c \
	%D%/bridge_message.c \
	%D%/bridge_topics.c %D%/bridge_topics.h \
	%D%/mqtt_delayed.c %D%/mqtt_delayed.h \
	%D%/mqtt_deliver.c \
	%D%/mqtt_errors.c %D%/mqtt_errors.h \
	%D%/mqtt_alias.c %D%/mqtt_alias.h \
	%D%/mqtt_inflight.c %D%/mqtt_inflight.h \
	%D%/mqtt_int.h \
	%D%/mqtt_limits.h \
	%D%/mqtt_kept.c %D%/mqtt_kept.h \
	%D%/mqtt_listener.c %D%/mqtt_listener.h \
	%D%/mqtt_map.c %D%/mqtt_map.h \
	%D%/mqtt_mount.c %D%/mqtt_mount.h \
	%D%/mqtt_on_ack.c \
	%D%/mqtt_on_connect.c \
	%D%/mqtt_on_end.c \
	%D%/mqtt_on_publish.c \
	%D%/mqtt_on_subscribe.c \
	%D%/mqtt_pending.c %D%/mqtt_pending.h \
	%D%/mqtt_profile.c %D%/mqtt_profile.h \
	%D%/mqtt_queue_sub.c \
	%D%/mqtt_rate.c \
	%D%/mqtt_session.c %D%/mqtt_session.h \
	%D%/mqtt_told.c %D%/mqtt_told.h \
	%D%/mqtt_trace.c %D%/mqtt_trace.h

if HAVE_CHECK
check_PROGRAMS += test_bridge_topics
test_bridge_topics_SOURCES = tests/unit/test_bridge_topics.c
test_bridge_topics_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_bridge_topics_LDADD = libmqtt.a libmqttcodec.a $(CORE_TEST_LIBS)
TESTS += test_bridge_topics
check_PROGRAMS += test_bridge_config
test_bridge_config_SOURCES = tests/unit/test_bridge_config.c
test_bridge_config_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_bridge_config_LDADD = libmqtt.a libmqttcodec.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_bridge_config
check_PROGRAMS += test_mqtt_codec
test_mqtt_codec_SOURCES = tests/unit/test_mqtt_codec.c
test_mqtt_codec_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_mqtt_codec_LDADD = libmqttcodec.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_mqtt_codec
check_PROGRAMS += test_mqtt_parts
test_mqtt_parts_SOURCES = tests/unit/test_mqtt_parts.c
test_mqtt_parts_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_mqtt_parts_LDADD = libmqtt.a libmqttcodec.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_mqtt_parts
check_PROGRAMS += test_mqtt_session
test_mqtt_session_SOURCES = tests/unit/test_mqtt_session.c $(NET_RIG)
test_mqtt_session_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_mqtt_session_LDADD = libmqtt.a libmqttcodec.a $(CORE_TEST_LIBS)
TESTS += test_mqtt_session
check_PROGRAMS += test_mqtt_map
test_mqtt_map_SOURCES = tests/unit/test_mqtt_map.c
test_mqtt_map_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_mqtt_map_LDADD = libmqtt.a libmqttcodec.a $(CORE_TEST_LIBS)
TESTS += test_mqtt_map
endif

EXTRA_DIST += %D%/CONFORMANCE
if FUZZ
noinst_PROGRAMS += fuzz_mqtt_codec fuzz_mqtt_session fuzz_mqtt_bridge
fuzz_mqtt_bridge_SOURCES = tests/fuzz/fuzz_mqtt_bridge.c $(NET_RIG) $(MEM_CORE)
fuzz_mqtt_bridge_LDADD = libmqtt.a libmqttcodec.a \
	$(CORE_LIBS) $(STORAGE_LIBS) $(RECORD_LIBS) $(BASE_LIBS)
fuzz_mqtt_bridge_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_mqtt_session_SOURCES = tests/fuzz/fuzz_mqtt_session.c $(NET_RIG) $(MEM_CORE)
fuzz_mqtt_session_LDADD = libmqtt.a libmqttcodec.a \
	$(CORE_LIBS) $(STORAGE_LIBS) $(RECORD_LIBS) $(BASE_LIBS)
fuzz_mqtt_session_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_mqtt_codec_SOURCES = tests/fuzz/fuzz_mqtt_codec.c
fuzz_mqtt_codec_LDADD = libmqttcodec.a $(BASE_LIBS)
fuzz_mqtt_codec_LDFLAGS = $(FUZZ_LDFLAGS)
endif
