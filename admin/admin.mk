# The admin door of the daemon.
noinst_LIBRARIES += libadmin.a
libadmin_a_SOURCES = \
	%D%/api.c %D%/api.h %D%/api_int.h \
	%D%/api_accounts.c \
	%D%/api_delayed.c \
	%D%/api_backup.c \
	%D%/api_definitions.c \
	%D%/api_listing.c \
	%D%/api_metrics.c \
	%D%/api_operate.c \
	%D%/api_routes.c \
	%D%/definitions.h \
	%D%/definitions_entry.c \
	%D%/definitions_export.c \
	%D%/definitions_import.c \
	%D%/definitions_item.c %D%/definitions_item.h \
	%D%/jot.c %D%/jot.h \
	%D%/pieces.c %D%/pieces.h \
	%D%/users_file.c %D%/users_file.h
libadmin_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
ADMIN_LIBS = libadmin.a $(JANSSON_LIBS)

# The tool `tercet`.
bin_PROGRAMS += tercet
tercet_SOURCES = %D%/ctl.c %D%/ctl.h \
	%D%/ctl_admin.c %D%/ctl_admin.h \
	%D%/ctl_amqp.c \
	%D%/ctl_ask.c %D%/ctl_ask.h \
	%D%/ctl_backup.c %D%/ctl_backup.h \
	%D%/ctl_daemon.c %D%/ctl_daemon.h \
	%D%/ctl_format.c %D%/ctl_format.h \
	%D%/ctl_help.c %D%/ctl_help.h \
	%D%/ctl_kafka.c %D%/ctl_mqtt.c \
	%D%/ctl_operate.c %D%/ctl_operate.h \
	%D%/ctl_tar.c %D%/ctl_tar.h \
	%D%/ctl_url.c \
	%D%/ctl_user.c %D%/ctl_users.c %D%/ctl_users.h \
	%D%/users_file.c %D%/users_file.h \
	%D%/jot.c %D%/jot.h
tercet_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(MOSQUITTO_CFLAGS) $(RABBITMQ_CFLAGS) $(RDKAFKA_CFLAGS)
tercet_LDADD = $(ACCESS_LIBS) $(BASE_LIBS) $(JANSSON_LIBS) $(MOSQUITTO_LIBS) $(RABBITMQ_LIBS) $(RDKAFKA_LIBS)

if HAVE_CHECK
check_PROGRAMS += test_ctl_tar test_ctl_url test_jot
TESTS += test_ctl_tar test_ctl_url test_jot
test_ctl_tar_SOURCES = tests/unit/test_ctl_tar.c %D%/ctl_tar.c
test_ctl_tar_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_ctl_tar_LDADD = $(BASE_TEST_LIBS)
test_jot_SOURCES = tests/unit/test_jot.c %D%/jot.c
test_jot_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_jot_LDADD = $(BASE_TEST_LIBS)
test_ctl_url_SOURCES = tests/unit/test_ctl_url.c %D%/ctl_url.c
test_ctl_url_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_ctl_url_LDADD = $(BASE_TEST_LIBS)
endif
