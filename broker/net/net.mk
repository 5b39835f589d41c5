noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	%D%/carrier.c \
	%D%/conn.c %D%/conn.h \
	%D%/dial.c %D%/dial.h \
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
	%D%/tls.c %D%/tls.h %D%/tls_int.h \
	%D%/tls_client.c \
	%D%/tls_ocsp.c \
	%D%/tls_keylog.c %D%/tls_psk.c \
	%D%/upgrade.c %D%/upgrade.h \
	%D%/websocket.c %D%/websocket.h
NET_LIBS = libnet.a $(EVENT_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS)

if HAVE_CHECK
check_PROGRAMS += test_dial
test_dial_SOURCES = tests/unit/test_dial.c tests/unit/net_fixture.h
test_dial_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_dial_LDADD = $(NET_LIBS) $(CHECK_LIBS)
TESTS += test_dial
check_PROGRAMS += test_http test_loop test_conn test_conn_tls test_conn_opening test_websocket \
	test_upgrade test_proxy
test_conn_opening_SOURCES = tests/unit/test_conn_opening.c tests/unit/net_fixture.h
test_conn_opening_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_conn_opening_LDADD = $(NET_LIBS) $(CHECK_LIBS)
test_websocket_SOURCES = tests/unit/test_websocket.c
test_websocket_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_websocket_LDADD = libnet.a $(BASE_TEST_LIBS)
test_upgrade_SOURCES = tests/unit/test_upgrade.c
test_upgrade_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_upgrade_LDADD = $(NET_LIBS) $(CHECK_LIBS)
test_proxy_SOURCES = tests/unit/test_proxy.c
test_proxy_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_proxy_LDADD = libnet.a $(BASE_TEST_LIBS)
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
TESTS += test_http test_loop test_conn test_conn_tls test_conn_opening test_websocket test_upgrade \
	test_proxy
endif

if FUZZ
noinst_PROGRAMS += fuzz_http fuzz_websocket fuzz_proxy fuzz_upgrade
fuzz_websocket_SOURCES = tests/fuzz/fuzz_websocket.c
fuzz_websocket_LDADD = libnet.a $(BASE_LIBS)
fuzz_websocket_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_proxy_SOURCES = tests/fuzz/fuzz_proxy.c
fuzz_proxy_LDADD = libnet.a $(BASE_LIBS)
fuzz_proxy_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_upgrade_SOURCES = tests/fuzz/fuzz_upgrade.c
fuzz_upgrade_LDADD = $(NET_LIBS)
fuzz_upgrade_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_http_SOURCES = tests/fuzz/fuzz_http.c
fuzz_http_LDADD = libnet.a $(BASE_LIBS)
fuzz_http_LDFLAGS = $(FUZZ_LDFLAGS)
endif
