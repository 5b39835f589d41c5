noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	%D%/carrier.c \
	%D%/conn.c %D%/conn.h \
	%D%/http.c %D%/http.h \
	%D%/input.c \
	%D%/listener.c %D%/listener.h \
	%D%/loop.c %D%/loop.h \
	%D%/net_int.h \
	%D%/networks.c %D%/networks.h \
	%D%/opening.c \
	%D%/output.c \
	%D%/protocol.h \
	%D%/proxy.c %D%/proxy.h \
	%D%/shutdown.c \
	%D%/tls.c %D%/tls.h \
	%D%/upgrade.c %D%/upgrade.h \
	%D%/websocket.c %D%/websocket.h
NET_LIBS = libnet.a $(EVENT_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS)

if HAVE_CHECK
check_PROGRAMS += test_http test_loop test_conn test_conn_tls
test_http_SOURCES = tests/unit/test_http.c
test_http_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_http_LDADD = libnet.a $(BASE_TEST_LIBS)
test_loop_SOURCES = tests/unit/test_loop.c
test_loop_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_loop_LDADD = $(NET_LIBS) $(CHECK_LIBS)
test_conn_SOURCES = tests/unit/test_conn.c tests/unit/net_fixture.h
test_conn_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_conn_LDADD = $(NET_LIBS) $(CHECK_LIBS)
test_conn_tls_SOURCES = tests/unit/test_conn_tls.c tests/unit/net_fixture.h
test_conn_tls_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_conn_tls_LDADD = $(NET_LIBS) $(CHECK_LIBS)
TESTS += test_http test_loop test_conn test_conn_tls
endif

if FUZZ
noinst_PROGRAMS += fuzz_http
fuzz_http_SOURCES = tests/fuzz/fuzz_http.c
fuzz_http_LDADD = libnet.a $(BASE_LIBS)
fuzz_http_LDFLAGS = $(FUZZ_LDFLAGS)
endif
