// SPDX-License-Identifier: Apache-2.0
// usage: java Round kafka|amqp|mqtt HOST PORT: 50 messages go out and come back, whole and in order.

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
import org.eclipse.paho.mqttv5.client.IMqttMessageListener;
import org.eclipse.paho.mqttv5.client.IMqttToken;
import org.eclipse.paho.mqttv5.client.MqttCallback;
import org.eclipse.paho.mqttv5.client.MqttClient;
import org.eclipse.paho.mqttv5.client.MqttConnectionOptions;
import org.eclipse.paho.mqttv5.client.MqttDisconnectResponse;
import org.eclipse.paho.mqttv5.client.persist.MemoryPersistence;
import org.eclipse.paho.mqttv5.common.MqttException;
import org.eclipse.paho.mqttv5.common.MqttMessage;
import org.eclipse.paho.mqttv5.common.MqttSubscription;
import org.eclipse.paho.mqttv5.common.packet.MqttProperties;

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

    static MqttClient connect(String url, String id, boolean isKept) throws Exception {
        MqttClient client = new MqttClient(url, id, new MemoryPersistence());
        MqttConnectionOptions options = new MqttConnectionOptions();
        options.setCleanStart(!isKept);
        options.setSessionExpiryInterval(isKept ? 600L : 0L);
        client.connect(options);
        return client;
    }

    static BlockingQueue<String> subscribe(MqttClient client, String filter, int qos) throws Exception {
        BlockingQueue<String> arrived = new LinkedBlockingQueue<>();
        client.subscribe(new MqttSubscription[] { new MqttSubscription(filter, qos) },
                new IMqttMessageListener[] { (name, message) -> arrived.add(
                        new String(message.getPayload(), StandardCharsets.UTF_8) + " " + message.getQos()
                        + " " + message.isRetained()) });
        return arrived;
    }

    static void publish(MqttClient client, String topic, String value, int qos, boolean isRetained) throws Exception {
        client.publish(topic, new MqttMessage(value.getBytes(StandardCharsets.UTF_8), qos, isRetained, null));
    }

    static void end(MqttClient client) throws Exception {
        client.disconnect();
        client.close();
    }

    static void everyQos(MqttClient client, String topic) throws Exception {
        for (int qos = 0; qos < 3; qos++) {
            String suffix = " " + qos + " false";
            BlockingQueue<String> arrived = subscribe(client, topic + "/" + qos + "/+", qos);
            for (String value : values())
                publish(client, topic + "/" + qos + "/a", value, qos, false);
            expect(take(arrived), values().stream().map(value -> value + suffix).toList());
        }
    }

    static void retained(MqttClient client, String topic) throws Exception {
        publish(client, topic + "/kept", "old", 1, true);
        publish(client, topic + "/kept", "new", 1, true);
        expect(subscribe(client, topic + "/kept/#", 1).poll(SECONDS, TimeUnit.SECONDS), "new 1 true");
    }

    /* All that comes, whatever it was subscribed to: paho finds no listener of a shared one. */
    static BlockingQueue<String> listen(MqttClient client) {
        BlockingQueue<String> arrived = new LinkedBlockingQueue<>();
        client.setCallback(new MqttCallback() {
            public void messageArrived(String name, MqttMessage message) {
                arrived.add(new String(message.getPayload(), StandardCharsets.UTF_8) + " " + message.getQos());
            }
            public void disconnected(MqttDisconnectResponse response) { }
            public void mqttErrorOccurred(MqttException error) { }
            public void deliveryComplete(IMqttToken token) { }
            public void connectComplete(boolean isAgain, String server) { }
            public void authPacketArrived(int reason, MqttProperties properties) { }
        });
        return arrived;
    }

    static void shared(String url, MqttClient publisher, String topic) throws Exception {
        MqttClient first = connect(url, "java-first", false), second = connect(url, "java-second", false);
        BlockingQueue<String> firsts = listen(first), seconds = listen(second), all = new LinkedBlockingQueue<>();
        first.subscribe("$share/g/" + topic + "/s", 1);
        second.subscribe("$share/g/" + topic + "/s", 1);
        for (String value : values())
            publish(publisher, topic + "/s", value, 1, false);
        for (int turns = 0; all.size() < COUNT && turns < SECONDS * 100; turns++) {
            firsts.drainTo(all);
            seconds.drainTo(all);
            Thread.sleep(10);
        }
        expect(all.stream().sorted().toList(), values().stream().map(value -> value + " 1").sorted().toList());
        end(first);
        end(second);
    }

    static void resumed(String url, MqttClient publisher, String topic) throws Exception {
        MqttClient kept = connect(url, "java-kept", true);
        kept.subscribe(topic + "/later", 2);
        end(kept);
        for (String value : values())
            publish(publisher, topic + "/later", value, 2, false);
        kept = new MqttClient(url, "java-kept", new MemoryPersistence());
        BlockingQueue<String> arrived = listen(kept);
        MqttConnectionOptions options = new MqttConnectionOptions();
        options.setCleanStart(false);
        options.setSessionExpiryInterval(0L);
        kept.connect(options);
        expect(take(arrived), values().stream().map(value -> value + " 2").toList());
        end(kept);
    }

    static void mqtt(String host, int port) throws Exception {
        String url = "tcp://" + host + ":" + port, topic = "java/" + System.nanoTime();
        MqttClient client = connect(url, "java", false);
        everyQos(client, topic);
        retained(client, topic);
        shared(url, client, topic);
        resumed(url, client, topic);
        end(client);
    }

    public static void main(String[] words) throws Exception {
        int port = Integer.parseInt(words[2]);
        switch (words[0]) {
        case "kafka" -> kafka(words[1], port);
        case "amqp" -> amqp(words[1], port);
        case "mqtt" -> mqtt(words[1], port);
        default -> throw new IllegalArgumentException(words[0]);
        }
        System.out.println("ok");
        System.exit(0);
    }
}
