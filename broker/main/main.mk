# The daemon. Each protocol brings its library.
sbin_PROGRAMS += tercetd
noinst_LIBRARIES += libsettings.a
libsettings_a_SOURCES = \
	%D%/bridge_settings.c %D%/bridge_settings.h \
	%D%/mosquitto_bridges.c \
	%D%/mosquitto_line.c %D%/mosquitto_line.h \
	%D%/mosquitto_man.c \
	%D%/mosquitto_conf.c %D%/mosquitto_conf.h \
	%D%/mosquitto_options.def \
	%D%/mosquitto_listeners.c \
	%D%/mosquitto_reading.c %D%/mosquitto_reading.h \
	%D%/mosquitto_settings.c %D%/mosquitto_settings.h \
	%D%/mosquitto_system.c \
	%D%/settings.c %D%/settings.h %D%/settings_int.h \
	%D%/settings_begin.c \
	%D%/settings_options.c
tercetd_SOURCES = \
	%D%/balance.c %D%/balance.h \
	%D%/boot.c %D%/boot.h %D%/boot_int.h \
	%D%/boot_access.c %D%/boot_users.c \
	%D%/boot_admin.c \
	%D%/boot_listen.c \
	%D%/main.c \
	%D%/notify.c %D%/notify.h \
	%D%/place.c %D%/place.h \
	%D%/process.c %D%/process.h \
	%D%/protocols.c %D%/protocols.h \
	%D%/log_places.c %D%/log_places.h \
	%D%/ready.c %D%/ready.h \
	%D%/sys_topics.c %D%/sys_topics.h \
	%D%/syslog_line.c %D%/syslog_line.h \
	%D%/verify.c %D%/verify.h
tercetd_LDADD = libsettings.a $(ADMIN_LIBS) libamqp.a libamqpcodec.a libkafka.a libkafkacodec.a \
	libmqtt.a libmqttcodec.a \
	$(CORE_LIBS) $(STORAGE_LIBS) $(RECORD_LIBS) $(NET_LIBS) $(BASE_LIBS) -lm

# tercet.conf(5) is written by the table of options.
dist_man_MANS += man/tercetd.8 man/tercet.conf.5 man/tercet-mosquitto.7
CLEANFILES += man/tercet.conf.5 man/tercet-mosquitto.7
man/tercet.conf.5: tercetd$(EXEEXT)
	$(AM_V_GEN)mkdir -p man && ./tercetd$(EXEEXT) --print-man >$@.new && mv $@.new $@
man/tercet-mosquitto.7: tercetd$(EXEEXT)
	$(AM_V_GEN)mkdir -p man && ./tercetd$(EXEEXT) --print-mosquitto-man >$@.new && mv $@.new $@

if HAVE_CHECK
check_PROGRAMS += test_mosquitto_conf
test_mosquitto_conf_SOURCES = tests/unit/test_mosquitto_conf.c
test_mosquitto_conf_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_mosquitto_conf_LDADD = libsettings.a libmqtt.a libmqttcodec.a $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_mosquitto_conf
endif

if FUZZ
noinst_PROGRAMS += fuzz_mosquitto_conf
fuzz_mosquitto_conf_SOURCES = tests/fuzz/fuzz_mosquitto_conf.c
fuzz_mosquitto_conf_LDADD = libsettings.a libmqtt.a libmqttcodec.a $(NET_LIBS) $(BASE_LIBS)
fuzz_mosquitto_conf_LDFLAGS = $(FUZZ_LDFLAGS)
endif
