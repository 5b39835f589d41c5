// SPDX-License-Identifier: Apache-2.0
// usage: java Round kafka|amqp HOST PORT: 50 messages go out and come back, whole and in order.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.ConnectionFactory;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

public class Round {
    static final int COUNT = 50;
    static final int SECONDS = 30;

    static List<String> values() {
        List<String> values = new ArrayList<>();
        for (int i = 0; i < COUNT; i++)
            values.add("value " + i);
        return values;
    }

    static void expect(Object got, Object wanted) {
        if (!wanted.equals(got))
            throw new AssertionError(got + ", wanted " + wanted);
    }

    static List<String> take(BlockingQueue<String> arrived) throws Exception {
        List<String> got = new ArrayList<>();
        while (got.size() < COUNT) {
            String one = arrived.poll(SECONDS, TimeUnit.SECONDS);
            if (one == null)
                throw new AssertionError("only " + got.size() + " came");
            got.add(one);
        }
        return got;
    }

    static void kafka(String host, int port) throws Exception {
        String topic = "java-" + System.nanoTime();
        Properties common = new Properties();
        common.put("bootstrap.servers", host + ":" + port);
        common.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        common.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        common.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        common.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        try (Admin admin = Admin.create(common)) {
            admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1))).all().get();
            expect(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size(), 3);
        }
        for (String compression : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            Properties options = new Properties();
            options.putAll(common);
            options.put("compression.type", compression);
            options.put("linger.ms", "5");
            try (KafkaProducer<String, String> producer = new KafkaProducer<>(options)) {
                for (String value : values())
                    producer.send(new ProducerRecord<>(topic, compression, value)).get(SECONDS, TimeUnit.SECONDS);
            }
        }
        Properties options = new Properties();
        options.putAll(common);
        options.put("group.id", "group-" + topic);
        options.put("auto.offset.reset", "earliest");
        Map<String, List<String>> got = new java.util.HashMap<>();
        int count = 0;
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(options)) {
            consumer.subscribe(List.of(topic));
            long deadline = System.nanoTime() + SECONDS * 1_000_000_000L;
            while (count < 5 * COUNT && System.nanoTime() < deadline) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    got.computeIfAbsent(record.key(), key -> new ArrayList<>()).add(record.value());
                    count++;
                }
            }
            consumer.commitSync();
        }
        expect(got.size(), 5);
        for (List<String> one : got.values())
            expect(one, values());
    }

    static void amqp(String host, int port) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(host);
        factory.setPort(port);
        try (var connection = factory.newConnection(); var channel = connection.createChannel()) {
            String queue = "java-" + System.nanoTime();
            BlockingQueue<String> arrived = new LinkedBlockingQueue<>();
            channel.queueDeclare(queue, true, false, false, null);
            channel.confirmSelect();
            var properties = new AMQP.BasicProperties.Builder().deliveryMode(2).headers(Map.of("n", 1L)).build();
            for (String value : values())
                channel.basicPublish("", queue, true, properties, value.getBytes(StandardCharsets.UTF_8));
            channel.waitForConfirmsOrDie(SECONDS * 1000);
            channel.basicQos(10);
            channel.basicConsume(queue, false, (tag, delivery) -> {
                arrived.add(new String(delivery.getBody(), StandardCharsets.UTF_8)
                        + " " + delivery.getProperties().getHeaders().get("n"));
                channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
            }, tag -> { });
            expect(take(arrived), values().stream().map(value -> value + " 1").toList());
            channel.queueDelete(queue);
        }
    }

    public static void main(String[] words) throws Exception {
        int port = Integer.parseInt(words[2]);
        switch (words[0]) {
        case "kafka" -> kafka(words[1], port);
        case "amqp" -> amqp(words[1], port);
        default -> throw new IllegalArgumentException(words[0]);
        }
        System.out.println("ok");
        System.exit(0);
    }
}
