noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = \
	%D%/acl.c %D%/acl.h %D%/acl_int.h \
	%D%/author.c \
	%D%/backup.h \
	%D%/binding.c %D%/binding_end.c %D%/binding_int.h %D%/binding_record.c \
	%D%/client.c %D%/client.h \
	%D%/compaction.c %D%/compaction.h \
	%D%/consumer.c \
	%D%/core.c %D%/core.h %D%/core_int.h \
	%D%/cursor.c %D%/cursor.h \
	%D%/deadline.c %D%/deadline.h \
	%D%/drain.c %D%/drain.h \
	%D%/definitions.h \
	%D%/delayed.c %D%/delayed.h %D%/delayed_int.h %D%/delayed_near.c %D%/delayed_turn.c \
	%D%/delayed_record.c %D%/delayed_walk.c %D%/delaying.c \
	%D%/exchange.c %D%/exchange.h %D%/exchange_int.h \
	%D%/flap.c %D%/flap.h \
	%D%/intake.c %D%/intake.h \
	%D%/lane.c %D%/lane_int.h \
	%D%/lane_purge.c \
	%D%/lane_record.c \
	%D%/limits.h \
	%D%/login.c \
	%D%/logins.c %D%/logins.h \
	%D%/message.c %D%/message.h \
	%D%/note.c \
	%D%/operations.h \
	%D%/owed.c %D%/owed.h \
	%D%/partition.c \
	%D%/policy.c %D%/policy.h \
	%D%/position.c %D%/position.h \
	%D%/producer.c %D%/producer.h \
	%D%/publish.c %D%/publish.h \
	%D%/settled.c %D%/settled.h \
	%D%/queue.c %D%/queue.h %D%/queue_bound.c %D%/queue_int.h \
	%D%/reference.c %D%/reference_int.h %D%/reference_record.c \
	%D%/references.c %D%/references.h \
	%D%/retain.c %D%/retain.h %D%/retain_int.h %D%/retain_tail.c %D%/retained_sent.c \
	%D%/retention.c %D%/retention.h \
	%D%/route.c %D%/route.h \
	%D%/routing.c \
	%D%/session.c %D%/session.h %D%/session_int.h %D%/session_pump.c %D%/session_record.c \
	%D%/will.c \
	%D%/share.c %D%/share.h \
	%D%/stream.c %D%/stream.h %D%/stream_int.h \
	%D%/stream_policy.c \
	%D%/stream_record.c \
	%D%/time_search.c \
	%D%/unlogged.c %D%/unlogged.h \
	%D%/user.c %D%/user.h
# Users, passwords and rules: no core is needed to read or ask them.
noinst_LIBRARIES += libaccess.a
libaccess_a_SOURCES = \
	%D%/accounts.c %D%/accounts.h \
	%D%/lines.c %D%/lines.h \
	%D%/password.c %D%/password.h \
	%D%/password_worker.c %D%/password_worker.h \
	%D%/rules.c %D%/rules.h \
	%D%/rules_match.c %D%/rules_read.c \
	%D%/scram.c %D%/scram.h
ACCESS_LIBS = libaccess.a libnames.a $(ARGON2_LIBS) $(CRYPTO_LIBS)
CORE_LIBS = libcore.a $(ACCESS_LIBS)
if HAVE_CHECK
check_LIBRARIES += libcorerig.a
libcorerig_a_SOURCES = tests/lib/core_rig.c tests/lib/core_rig.h
libcorerig_a_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
CORE_TEST_LIBS = libcorerig.a $(CORE_LIBS) $(STORAGE_LIBS) $(RECORD_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += test_rules test_accounts test_scram test_password_worker
test_password_worker_SOURCES = tests/unit/test_password_worker.c
test_password_worker_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_password_worker_LDADD = $(ACCESS_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
test_rules_SOURCES = tests/unit/test_rules.c
test_rules_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_rules_LDADD = $(ACCESS_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
test_accounts_SOURCES = tests/unit/test_accounts.c
test_accounts_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_accounts_LDADD = $(ACCESS_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
test_scram_SOURCES = tests/unit/test_scram.c
test_scram_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_scram_LDADD = $(ACCESS_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_rules test_accounts test_scram test_password_worker
check_PROGRAMS += test_core_queue test_core_session test_core_exchange test_core_retention
test_core_retention_SOURCES = tests/unit/test_core_retention.c
test_core_retention_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_retention_LDADD = $(CORE_TEST_LIBS)
test_core_queue_SOURCES = tests/unit/test_core_queue.c
test_core_queue_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_queue_LDADD = $(CORE_TEST_LIBS)
test_core_session_SOURCES = tests/unit/test_core_session.c
test_core_session_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_session_LDADD = $(CORE_TEST_LIBS)
check_PROGRAMS += test_core_session_parts
test_core_session_parts_SOURCES = tests/unit/test_core_session_parts.c
test_core_session_parts_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_session_parts_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_session_parts

check_PROGRAMS += test_core_rows
test_core_rows_SOURCES = tests/unit/test_core_rows.c
test_core_rows_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_rows_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_rows

check_PROGRAMS += test_core_cold
test_core_cold_SOURCES = tests/unit/test_core_cold.c
test_core_cold_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_cold_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_cold

check_PROGRAMS += test_core_bindings
test_core_bindings_SOURCES = tests/unit/test_core_bindings.c
test_core_bindings_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_bindings_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_bindings
check_PROGRAMS += test_core_retained_sent
test_core_retained_sent_SOURCES = tests/unit/test_core_retained_sent.c
test_core_retained_sent_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_retained_sent_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_retained_sent
test_core_exchange_SOURCES = tests/unit/test_core_exchange.c
test_core_exchange_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_exchange_LDADD = $(CORE_TEST_LIBS)
check_PROGRAMS += test_core_references
test_core_references_SOURCES = tests/unit/test_core_references.c
test_core_references_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_references_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_references
check_PROGRAMS += test_core_tail
test_core_tail_SOURCES = tests/unit/test_core_tail.c
test_core_tail_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_tail_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_tail
check_PROGRAMS += test_core_share
test_core_share_SOURCES = tests/unit/test_core_share.c
test_core_share_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_share_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_share
check_PROGRAMS += test_core_scale
test_core_scale_SOURCES = tests/unit/test_core_scale.c
test_core_scale_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_scale_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_scale
check_PROGRAMS += test_flap
test_flap_SOURCES = tests/unit/test_flap.c
test_flap_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_flap_LDADD = libcore.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_flap
check_PROGRAMS += test_core_trim
test_core_trim_SOURCES = tests/unit/test_core_trim.c
test_core_trim_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_trim_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_trim

check_PROGRAMS += test_core_delayed
test_core_delayed_SOURCES = tests/unit/test_core_delayed.c
test_core_delayed_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_delayed_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_delayed
check_PROGRAMS += test_core_unlogged
test_core_unlogged_SOURCES = tests/unit/test_core_unlogged.c
test_core_unlogged_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_unlogged_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_unlogged
check_PROGRAMS += test_core_intake
test_core_intake_SOURCES = tests/unit/test_core_intake.c
test_core_intake_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_intake_LDADD = $(CORE_TEST_LIBS)
check_PROGRAMS += test_core_gather
test_core_gather_SOURCES = tests/unit/test_core_gather.c
test_core_gather_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_core_gather_LDADD = $(CORE_TEST_LIBS)
TESTS += test_core_gather
TESTS += test_core_queue test_core_session test_core_exchange test_core_retention test_core_intake
endif
# Names and matching: pure, so they are a library of their own that tests and fuzzers link alone.
noinst_LIBRARIES += libnames.a
libnames_a_SOURCES = \
	%D%/filter.c %D%/filter.h \
	%D%/headers_match.c %D%/headers_match.h \
	%D%/matcher.c %D%/matcher.h \
	%D%/matcher_table.c %D%/matcher_table.h \
	%D%/name.c %D%/name.h \
	%D%/ordered.c %D%/ordered.h
if HAVE_CHECK
check_PROGRAMS += test_ordered
test_ordered_SOURCES = tests/unit/test_ordered.c
test_ordered_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_ordered_LDADD = libnames.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_ordered
check_PROGRAMS += test_name
test_name_SOURCES = tests/unit/test_name.c
test_name_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_name_LDADD = libnames.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_name
check_PROGRAMS += test_filter
test_filter_SOURCES = tests/unit/test_filter.c
test_filter_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_filter_LDADD = libnames.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_filter
check_PROGRAMS += test_matcher
test_matcher_SOURCES = tests/unit/test_matcher.c
test_matcher_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_matcher_LDADD = libnames.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_matcher
check_PROGRAMS += test_headers_match
test_headers_match_SOURCES = tests/unit/test_headers_match.c
test_headers_match_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_headers_match_LDADD = libnames.a $(BASE_LIBS) $(CHECK_LIBS)
TESTS += test_headers_match
endif
if FUZZ
noinst_PROGRAMS += fuzz_access fuzz_name fuzz_filter fuzz_references fuzz_scram
fuzz_access_SOURCES = tests/fuzz/fuzz_access.c
fuzz_access_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_access_LDADD = $(ACCESS_LIBS) $(BASE_LIBS)
fuzz_scram_SOURCES = tests/fuzz/fuzz_scram.c
fuzz_scram_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_scram_LDADD = $(ACCESS_LIBS) $(BASE_LIBS)
fuzz_name_SOURCES = tests/fuzz/fuzz_name.c
fuzz_name_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_name_LDADD = libnames.a $(BASE_LIBS)
fuzz_filter_SOURCES = tests/fuzz/fuzz_filter.c
fuzz_filter_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_filter_LDADD = libnames.a $(BASE_LIBS)
fuzz_references_SOURCES = tests/fuzz/fuzz_references.c
fuzz_references_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_references_LDADD = libcore.a $(BASE_LIBS)
endif
