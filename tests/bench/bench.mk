# Programs that measure, built by `make bench-programs`, and what runs them.
EXTRA_PROGRAMS = load_mqtt load_amqp load_kafka bench_file bench_idle bench_limits bench_start bench_scale bench_churn limit_mqtt
BENCH_SHARED = %D%/bench.c %D%/bench_tls.c %D%/bench.h
BENCH_LOAD = $(BENCH_SHARED) %D%/load.c %D%/load.h
load_mqtt_SOURCES = %D%/load_mqtt.c $(BENCH_LOAD)
load_mqtt_LDADD = $(BASE_LIBS) $(OPENSSL_LIBS)
load_amqp_SOURCES = %D%/load_amqp.c $(BENCH_LOAD)
load_amqp_LDADD = $(BASE_LIBS) $(OPENSSL_LIBS)
load_kafka_SOURCES = %D%/load_kafka.c %D%/kafka_wire.c %D%/kafka_wire.h $(BENCH_SHARED)
load_kafka_LDADD = $(RECORD_LIBS) $(BASE_LIBS) $(OPENSSL_LIBS)
limit_mqtt_SOURCES = %D%/limit_mqtt.c $(BENCH_SHARED)
limit_mqtt_LDADD = $(BASE_LIBS) $(OPENSSL_LIBS)
bench_file_SOURCES = %D%/bench_file.c $(BENCH_SHARED)
bench_file_LDADD = $(BASE_LIBS) $(OPENSSL_LIBS)
bench_idle_SOURCES = %D%/bench_idle.c $(BENCH_SHARED)
bench_idle_LDADD = $(BASE_LIBS) $(OPENSSL_LIBS)
bench_limits_SOURCES = %D%/bench_limits.c $(BENCH_SHARED)
bench_limits_LDADD = $(BASE_LIBS) $(OPENSSL_LIBS)
bench_start_SOURCES = %D%/bench_start.c $(BENCH_SHARED)
bench_start_LDADD = $(BASE_LIBS) $(OPENSSL_LIBS)
bench_churn_SOURCES = %D%/bench_churn.c $(BENCH_SHARED)
bench_churn_LDADD = $(STORAGE_LIBS) $(BASE_LIBS) $(OPENSSL_LIBS) -lm
bench_scale_SOURCES = %D%/bench_scale.c %D%/scale_rig.c %D%/scale_rig.h $(BENCH_SHARED)
bench_scale_LDADD = $(CORE_LIBS) $(STORAGE_LIBS) $(RECORD_LIBS) $(BASE_LIBS) $(OPENSSL_LIBS)
CLEANFILES += $(EXTRA_PROGRAMS)
EXTRA_DIST += %D%/run %D%/storage %D%/turns %D%/stuck %D%/RESULTS.md
.PHONY: bench-programs
bench-programs: $(EXTRA_PROGRAMS)
if HAVE_CHECK
check_PROGRAMS += test_histogram
test_histogram_SOURCES = %D%/test_histogram.c $(BENCH_SHARED)
test_histogram_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_histogram_LDADD = $(BASE_LIBS) $(CHECK_LIBS) $(OPENSSL_LIBS)
TESTS += test_histogram
endif
