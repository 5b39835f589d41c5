noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	%D%/conn.c %D%/conn.h \
	%D%/input.c \
	%D%/listener.c %D%/listener.h \
	%D%/loop.c %D%/loop.h \
	%D%/net_int.h \
	%D%/output.c \
	%D%/protocol.h \
	%D%/shutdown.c \
	%D%/tls.c %D%/tls.h
NET_LIBS = libnet.a $(EVENT_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS)

if HAVE_CHECK
check_PROGRAMS += test_loop test_conn test_conn_tls
test_loop_SOURCES = tests/unit/test_loop.c
test_loop_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_loop_LDADD = $(NET_LIBS) $(CHECK_LIBS)
test_conn_SOURCES = tests/unit/test_conn.c tests/unit/net_fixture.h
test_conn_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_conn_LDADD = $(NET_LIBS) $(CHECK_LIBS)
test_conn_tls_SOURCES = tests/unit/test_conn_tls.c tests/unit/net_fixture.h
test_conn_tls_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_conn_tls_LDADD = $(NET_LIBS) $(CHECK_LIBS)
TESTS += test_loop test_conn test_conn_tls
endif
