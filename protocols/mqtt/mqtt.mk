# MQTT 3.1, 3.1.1 and 5.0: the pure codec is a library of its own.
noinst_LIBRARIES += libmqttcodec.a
libmqttcodec_a_SOURCES = \
	%D%/mqtt_codec.h \
	%D%/mqtt_decode.c \
	%D%/mqtt_encode.c \
	%D%/mqtt_properties.c \
	%D%/mqtt_topic.c

if HAVE_CHECK
check_PROGRAMS += test_mqtt_codec
test_mqtt_codec_SOURCES = tests/unit/test_mqtt_codec.c
test_mqtt_codec_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_mqtt_codec_LDADD = libmqttcodec.a libbase.a $(CHECK_LIBS) $(XXHASH_LIBS)
TESTS += test_mqtt_codec
endif

if FUZZ
noinst_PROGRAMS += fuzz_mqtt_codec
fuzz_mqtt_codec_SOURCES = tests/fuzz/fuzz_mqtt_codec.c
fuzz_mqtt_codec_LDADD = libmqttcodec.a libbase.a $(XXHASH_LIBS)
fuzz_mqtt_codec_LDFLAGS = $(FUZZ_LDFLAGS)
endif
