# The house's own checks, and what all tests share. A room's unit tests stand in its fragment.
TESTS += %D%/style/tidy %D%/style/tidy_finds %D%/style/format
EXTRA_DIST += .clang-format .editorconfig %D%/run \
	%D%/style/tidy %D%/style/tidy.awk %D%/style/tidy_finds %D%/style/format \
	%D%/style/layers %D%/style/long-functions \
	%D%/lib/tercet.py %D%/lib/suite.h
EXTRA_DIST += dev .ci/run
EXTRA_DIST += %D%/clients/against.py %D%/clients/test_amqp_tools.py \
	%D%/clients/test_confluent.py %D%/clients/test_kafka_python.py %D%/clients/test_kcat.py \
	%D%/clients/test_mosquitto_tools.py %D%/clients/test_paho.py %D%/clients/test_pika.py
EXTRA_DIST += README.md ARCHITECTURE.md CONTRIBUTING.md SECURITY.md CHANGELOG.md LICENSE \
	examples/README.md examples/jobs_kafka.py examples/log_kafka.py examples/sensor_mqtt.py \
	examples/worker_amqp.py
EXTRA_DIST += %D%/cross/sides.py %D%/cross/test_nine_pairs.py %D%/cross/test_queue_workers.py
