# The tool `tercet`.
bin_PROGRAMS += tercet
tercet_SOURCES = %D%/ctl.c %D%/ctl.h %D%/ctl_amqp.c %D%/ctl_format.c %D%/ctl_format.h \
	%D%/ctl_kafka.c %D%/ctl_mqtt.c %D%/ctl_url.c
tercet_CFLAGS = $(AM_CFLAGS) $(MOSQUITTO_CFLAGS) $(RABBITMQ_CFLAGS) $(RDKAFKA_CFLAGS)
tercet_LDADD = $(BASE_LIBS) $(MOSQUITTO_LIBS) $(RABBITMQ_LIBS) $(RDKAFKA_LIBS)

if HAVE_CHECK
check_PROGRAMS += test_ctl_url
TESTS += test_ctl_url
test_ctl_url_SOURCES = tests/unit/test_ctl_url.c %D%/ctl_url.c
test_ctl_url_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_ctl_url_LDADD = $(BASE_TEST_LIBS)
endif
