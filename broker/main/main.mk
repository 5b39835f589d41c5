# The daemon. Each protocol brings its library.
sbin_PROGRAMS += tercetd
tercetd_SOURCES = \
	%D%/boot.c %D%/boot.h %D%/boot_int.h \
	%D%/boot_admin.c \
	%D%/boot_listen.c \
	%D%/bridge_settings.c %D%/bridge_settings.h \
	%D%/main.c \
	%D%/place.c %D%/place.h \
	%D%/protocols.c %D%/protocols.h \
	%D%/ready.c %D%/ready.h \
	%D%/settings.c %D%/settings.h \
	%D%/verify.c %D%/verify.h
tercetd_LDADD = $(ADMIN_LIBS) libamqp.a libamqpcodec.a libkafka.a libkafkacodec.a \
	libmqtt.a libmqttcodec.a \
	$(CORE_LIBS) $(STORAGE_LIBS) $(RECORD_LIBS) $(NET_LIBS) $(BASE_LIBS)

# tercet.conf(5) is written by the table of options.
dist_man_MANS += man/tercetd.8 man/tercet.conf.5
CLEANFILES += man/tercet.conf.5
man/tercet.conf.5: tercetd$(EXEEXT)
	$(AM_V_GEN)mkdir -p man && ./tercetd$(EXEEXT) --print-man >$@.new && mv $@.new $@
