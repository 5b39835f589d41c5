// SPDX-License-Identifier: Apache-2.0
// usage: java Mqtt paho3|paho5|hivemq3|hivemq5 tcp|ssl|ws|wss://HOST:PORT[/PATH] [CA]: a round by one
// client: every QoS in order, retained messages, wills, a takeover, shared subscriptions, and what
// waits for a kept session.

import java.io.FileInputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

import com.hivemq.client.mqtt.MqttClientBuilder;
import com.hivemq.client.mqtt.MqttClientSslConfig;
import com.hivemq.client.mqtt.MqttGlobalPublishFilter;
import com.hivemq.client.mqtt.MqttWebSocketConfig;
import com.hivemq.client.mqtt.datatypes.MqttQos;
import com.hivemq.client.mqtt.mqtt3.Mqtt3AsyncClient;
import com.hivemq.client.mqtt.mqtt5.Mqtt5AsyncClient;
import com.hivemq.client.mqtt.mqtt5.message.disconnect.Mqtt5DisconnectReasonCode;

public class Mqtt {
    static final int COUNT = 20;
    static final int SECONDS = 20;
    static final String BASE = "java/" + System.nanoTime();

    static String kind;
    static URI url;
    static TrustManagerFactory trust;

    /* What the round asks of a client; `arrived` has "payload qos retained". */
    abstract static class Client {
        final BlockingQueue<String> arrived = new LinkedBlockingQueue<>();

        abstract boolean connect(boolean isKept, String willTopic) throws Exception;
        abstract int subscribe(String filter, int qos) throws Exception;
        abstract void unsubscribe(String filter) throws Exception;
        abstract void publish(String topic, String value, int qos, boolean isRetained) throws Exception;
        abstract void end() throws Exception;
        /* Ends it so that its will is published. False: this client cannot. */
        abstract boolean crash() throws Exception;
        abstract boolean isConnected();

        void arrive(byte[] payload, int qos, boolean isRetained) {
            arrived.add(text(payload) + " " + qos + " " + isRetained);
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static Client client(String id) throws Exception {
        return switch (kind) {
        case "paho3" -> new Paho3(id);
        case "paho5" -> new Paho5(id);
        case "hivemq3" -> new Hive3(id);
        case "hivemq5" -> new Hive5(id);
        default -> throw new IllegalArgumentException(kind);
        };
    }

    static class Paho3 extends Client {
        final org.eclipse.paho.client.mqttv3.MqttClient client;

        Paho3(String id) throws Exception {
            client = new org.eclipse.paho.client.mqttv3.MqttClient(url.toString(), id,
                    new org.eclipse.paho.client.mqttv3.persist.MemoryPersistence());
            client.setCallback(new org.eclipse.paho.client.mqttv3.MqttCallback() {
                public void connectionLost(Throwable cause) { }
                public void messageArrived(String topic,
                        org.eclipse.paho.client.mqttv3.MqttMessage message) {
                    arrive(message.getPayload(), message.getQos(), message.isRetained());
                }
                public void deliveryComplete(
                        org.eclipse.paho.client.mqttv3.IMqttDeliveryToken token) { }
            });
        }

        boolean connect(boolean isKept, String willTopic) throws Exception {
            var options = new org.eclipse.paho.client.mqttv3.MqttConnectOptions();
            options.setMqttVersion(4);
            options.setCleanSession(!isKept);
            options.setMaxInflight(1000); /* what is acknowledged counts until another thread hears */
            if (willTopic != null)
                options.setWill(willTopic, bytes("gone"), 1, true);
            if (trust != null)
                options.setSocketFactory(context().getSocketFactory());
            return client.connectWithResult(options).getSessionPresent();
        }

        int subscribe(String filter, int qos) throws Exception {
            return client.subscribeWithResponse(filter, qos).getGrantedQos()[0];
        }

        void unsubscribe(String filter) throws Exception {
            client.unsubscribe(filter);
        }

        void publish(String topic, String value, int qos, boolean isRetained) throws Exception {
            client.publish(topic, bytes(value), qos, isRetained);
        }

        void end() throws Exception {
            client.disconnect();
            client.close();
        }

        boolean crash() throws Exception {
            client.disconnectForcibly(0, 1, false);
            client.close();
            return true;
        }

        boolean isConnected() {
            return client.isConnected();
        }
    }

    static class Paho5 extends Client {
        final org.eclipse.paho.mqttv5.client.MqttClient client;

        Paho5(String id) throws Exception {
            client = new org.eclipse.paho.mqttv5.client.MqttClient(url.toString(), id,
                    new org.eclipse.paho.mqttv5.client.persist.MemoryPersistence());
            client.setCallback(new org.eclipse.paho.mqttv5.client.MqttCallback() {
                public void messageArrived(String topic,
                        org.eclipse.paho.mqttv5.common.MqttMessage message) {
                    arrive(message.getPayload(), message.getQos(), message.isRetained());
                }
                public void disconnected(
                        org.eclipse.paho.mqttv5.client.MqttDisconnectResponse response) { }
                public void mqttErrorOccurred(
                        org.eclipse.paho.mqttv5.common.MqttException error) { }
                public void deliveryComplete(
                        org.eclipse.paho.mqttv5.client.IMqttToken token) { }
                public void connectComplete(boolean isAgain, String server) { }
                public void authPacketArrived(int reason,
                        org.eclipse.paho.mqttv5.common.packet.MqttProperties properties) { }
            });
        }

        boolean connect(boolean isKept, String willTopic) throws Exception {
            var options = new org.eclipse.paho.mqttv5.client.MqttConnectionOptions();
            options.setCleanStart(!isKept);
            options.setSessionExpiryInterval(isKept ? 600L : 0L);
            if (willTopic != null)
                options.setWill(willTopic, new org.eclipse.paho.mqttv5.common.MqttMessage(
                        bytes("gone"), 1, true, null));
            if (trust != null)
                options.setSocketFactory(context().getSocketFactory());
            return client.connectWithResult(options).getSessionPresent();
        }

        int subscribe(String filter, int qos) throws Exception {
            return client.subscribe(filter, qos).getReasonCodes()[0];
        }

        void unsubscribe(String filter) throws Exception {
            client.unsubscribe(filter);
        }

        void publish(String topic, String value, int qos, boolean isRetained) throws Exception {
            client.publish(topic, bytes(value), qos, isRetained);
        }

        void end() throws Exception {
            client.disconnect();
            client.close();
        }

        boolean crash() throws Exception {
            if (url.getScheme().equals("ssl"))
                return false; /* it says that it has ended, and keeps its socket open */
            client.disconnectForcibly(0, 1, false);
            client.close();
            return true;
        }

        boolean isConnected() {
            return client.isConnected();
        }
    }

    static MqttClientBuilder hive(String id) {
        var builder = com.hivemq.client.mqtt.MqttClient.builder().identifier(id)
                .serverHost(url.getHost()).serverPort(url.getPort());
        if (trust != null)
            builder = builder.sslConfig(MqttClientSslConfig.builder().trustManagerFactory(trust).build());
        if (url.getScheme().startsWith("ws"))
            builder = builder.webSocketConfig(
                    MqttWebSocketConfig.builder().serverPath(url.getPath().substring(1)).build());
        return builder;
    }

    static class Hive3 extends Client {
        final Mqtt3AsyncClient client;

        Hive3(String id) {
            client = hive(id).useMqttVersion3().buildAsync();
            client.publishes(MqttGlobalPublishFilter.ALL, message -> arrive(
                    message.getPayloadAsBytes(), message.getQos().getCode(), message.isRetain()));
        }

        boolean connect(boolean isKept, String willTopic) throws Exception {
            var connect = client.connectWith().cleanSession(!isKept);
            if (willTopic != null)
                connect = connect.willPublish().topic(willTopic).payload(bytes("gone"))
                        .qos(MqttQos.AT_LEAST_ONCE).retain(true).applyWillPublish();
            return connect.send().get(SECONDS, TimeUnit.SECONDS).isSessionPresent();
        }

        int subscribe(String filter, int qos) throws Exception {
            return client.subscribeWith().topicFilter(filter).qos(MqttQos.fromCode(qos)).send()
                    .get(SECONDS, TimeUnit.SECONDS).getReturnCodes().get(0).getCode();
        }

        void unsubscribe(String filter) throws Exception {
            client.unsubscribeWith().topicFilter(filter).send().get(SECONDS, TimeUnit.SECONDS);
        }

        void publish(String topic, String value, int qos, boolean isRetained) throws Exception {
            client.publishWith().topic(topic).payload(bytes(value)).qos(MqttQos.fromCode(qos))
                    .retain(isRetained).send().get(SECONDS, TimeUnit.SECONDS);
        }

        void end() throws Exception {
            client.disconnect().get(SECONDS, TimeUnit.SECONDS);
        }

        boolean crash() {
            return false;
        }

        boolean isConnected() {
            return client.getState().isConnected();
        }
    }

    static class Hive5 extends Client {
        final Mqtt5AsyncClient client;

        Hive5(String id) {
            client = hive(id).useMqttVersion5().buildAsync();
            client.publishes(MqttGlobalPublishFilter.ALL, message -> arrive(
                    message.getPayloadAsBytes(), message.getQos().getCode(), message.isRetain()));
        }

        boolean connect(boolean isKept, String willTopic) throws Exception {
            var connect = client.connectWith().cleanStart(!isKept).sessionExpiryInterval(isKept ? 600 : 0);
            if (willTopic != null)
                connect = connect.willPublish().topic(willTopic).payload(bytes("gone"))
                        .qos(MqttQos.AT_LEAST_ONCE).retain(true).applyWillPublish();
            return connect.send().get(SECONDS, TimeUnit.SECONDS).isSessionPresent();
        }

        int subscribe(String filter, int qos) throws Exception {
            return client.subscribeWith().topicFilter(filter).qos(MqttQos.fromCode(qos)).send()
                    .get(SECONDS, TimeUnit.SECONDS).getReasonCodes().get(0).getCode();
        }

        void unsubscribe(String filter) throws Exception {
            client.unsubscribeWith().topicFilter(filter).send().get(SECONDS, TimeUnit.SECONDS);
        }

        void publish(String topic, String value, int qos, boolean isRetained) throws Exception {
            client.publishWith().topic(topic).payload(bytes(value)).qos(MqttQos.fromCode(qos))
                    .retain(isRetained).send().get(SECONDS, TimeUnit.SECONDS);
        }

        void end() throws Exception {
            client.disconnect().get(SECONDS, TimeUnit.SECONDS);
        }

        boolean crash() throws Exception {
            client.disconnectWith().reasonCode(Mqtt5DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE)
                    .send().get(SECONDS, TimeUnit.SECONDS);
            return true;
        }

        boolean isConnected() {
            return client.getState().isConnected();
        }
    }

    static SSLContext context() throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    static TrustManagerFactory trustIn(String path) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var file = new FileInputStream(path)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory;
    }

    static List<String> values(String suffix) {
        List<String> values = new ArrayList<>();
        for (int i = 0; i < COUNT; i++)
            values.add("value " + i + suffix);
        return values;
    }

    static void expect(Object got, Object wanted) {
        if (!wanted.equals(got))
            throw new AssertionError(got + ", wanted " + wanted);
    }

    static String next(Client client) throws Exception {
        return client.arrived.poll(SECONDS, TimeUnit.SECONDS);
    }

    static List<String> take(Client client, int count) throws Exception {
        List<String> got = new ArrayList<>();
        while (got.size() < count) {
            String one = next(client);
            if (one == null)
                throw new AssertionError("only " + got.size() + " came");
            got.add(one);
        }
        return got;
    }

    static Client connected(String word) throws Exception {
        Client client = client(BASE + word);
        expect(client.connect(false, null), false);
        return client;
    }

    static void everyQos() throws Exception {
        Client client = connected("all");
        for (int qos = 0; qos < 3; qos++) {
            String topic = BASE + "/" + qos;
            expect(client.subscribe(topic + "/+", qos), qos);
            for (String value : values(""))
                client.publish(topic + "/a", value, qos, false);
            expect(take(client, COUNT), values(" " + qos + " false"));
            client.unsubscribe(topic + "/+");
            client.publish(topic + "/a", "nobody's", 1, false);
        }
        expect(client.subscribe(BASE + "/last", 1), 1);
        client.publish(BASE + "/last", "last", 1, false);
        expect(next(client), "last 1 false");
        client.end();
    }

    static void retained() throws Exception {
        Client client = connected("retained");
        client.publish(BASE + "/kept", "old", 1, true);
        client.publish(BASE + "/kept", "new", 1, true);
        client.publish(BASE + "/gone", "old", 1, true);
        client.publish(BASE + "/gone", "", 1, true);
        client.subscribe(BASE + "/kept/#", 1);
        client.subscribe(BASE + "/gone/#", 1);
        expect(next(client), "new 1 true");
        client.publish(BASE + "/gone", "end", 1, false);
        expect(next(client), "end 1 false");
        client.end();
    }

    static void wills() throws Exception {
        Client watcher = connected("watcher"), orderly = client(BASE + "orderly");
        watcher.subscribe(BASE + "/will/#", 1);
        orderly.connect(false, BASE + "/will/never");
        orderly.end();
        Client lost = client(BASE + "lost");
        lost.connect(false, BASE + "/will/lost");
        if (lost.crash())
            expect(next(watcher), "gone 1 false");
        else
            lost.end();
        Client older = client(BASE + "same"), newer = client(BASE + "same");
        older.connect(false, BASE + "/will/same");
        newer.connect(false, null);
        expect(next(watcher), "gone 1 false");
        for (int turns = 0; older.isConnected() && turns < SECONDS * 100; turns++)
            Thread.sleep(10);
        expect(older.isConnected(), false);
        newer.publish(BASE + "/will/end", "end", 1, false);
        expect(next(watcher), "end 1 false");
        newer.end();
        watcher.end();
    }

    static void shared() throws Exception {
        List<Client> members = List.of(connected("s1"), connected("s2"), connected("s3"));
        for (Client member : members)
            member.subscribe("$share/g/" + BASE + "/shared", 1);
        for (String value : values(""))
            members.get(0).publish(BASE + "/shared", value, 1, false);
        List<String> all = new ArrayList<>();
        for (int turns = 0; all.size() < COUNT && turns < SECONDS * 100; turns++) {
            for (Client member : members)
                member.arrived.drainTo(all);
            Thread.sleep(10);
        }
        expect(all.stream().sorted().toList(), Stream.of(values(" 1 false")).flatMap(List::stream).sorted().toList());
        for (Client member : members)
            member.end();
    }

    static void kept() throws Exception {
        Client first = client(BASE + "kept"), publisher = connected("publisher");
        expect(first.connect(true, null), false);
        first.subscribe(BASE + "/later", 2);
        first.end();
        for (int qos = 1; qos < 3; qos++)
            for (String value : values(""))
                publisher.publish(BASE + "/later", value, qos, false);
        publisher.end();
        Client again = client(BASE + "kept");
        expect(again.connect(true, null), true);
        expect(take(again, COUNT), values(" 1 false"));
        expect(take(again, COUNT), values(" 2 false"));
        again.end();
    }

    public static void main(String[] words) throws Exception {
        /* the clients' own threads would keep it running, until who waits gives up and hears no why */
        Thread.currentThread().setUncaughtExceptionHandler((thread, why) -> {
            why.printStackTrace();
            System.exit(1);
        });
        kind = words[0];
        url = new URI(words[1]);
        trust = words.length > 2 ? trustIn(words[2]) : null;
        everyQos();
        retained();
        wills();
        shared();
        kept();
        System.out.println("ok");
        System.exit(0);
    }
}
