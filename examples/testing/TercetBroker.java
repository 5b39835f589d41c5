// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A broker for tests, of JUnit or another kind: it keeps nothing and takes any free ports, so that
 * many may run at once. With JUnit 5:
 *
 * <pre>
 * static TercetBroker broker;
 * {@literal @}BeforeAll static void start() throws Exception { broker = new TercetBroker(); }
 * {@literal @}AfterAll static void stop() throws Exception { broker.close(); }
 * </pre>
 *
 * The variable TERCETD names the program when it is not on the path.
 */
public final class TercetBroker implements AutoCloseable {
    private static final long READY_MS = 20_000;
    private static final Pattern LISTENER = Pattern.compile(
        "\"protocol\": \"(\\w+)\"[^}]*\"address\": \"127.0.0.1\", \"port\": (\\d+)");

    private final Process process;
    private final Path folder = Files.createTempDirectory("tercet-");
    private final Map<String, Integer> ports = new HashMap<>();

    public TercetBroker() throws IOException, InterruptedException {
        String program = System.getenv().getOrDefault("TERCETD", "tercetd");
        Path ready = folder.resolve("ready");
        Path log = folder.resolve("log");

        process = new ProcessBuilder(List.of(
            program, "--ephemeral", "--quiet", "--ready-file", ready.toString(),
            "--port-mqtt=0", "--port-amqp=0", "--port-kafka=0"))
            .redirectErrorStream(true).redirectOutput(log.toFile()).start();
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
        long deadline = System.currentTimeMillis() + READY_MS;
        while (!Files.exists(ready)) {
            if (!process.isAlive() || System.currentTimeMillis() > deadline) {
                process.destroyForcibly();
                throw new IOException("tercetd did not start:\n" + Files.readString(log));
            }
            Thread.sleep(2);
        }
        for (Matcher m = LISTENER.matcher(Files.readString(ready)); m.find();)
            ports.put(m.group(1), Integer.valueOf(m.group(2)));
    }

    /** The port on 127.0.0.1 of "mqtt", "amqp" or "kafka". */
    public int port(String protocol) {
        return ports.get(protocol);
    }

    @Override
    public void close() throws IOException, InterruptedException {
        process.destroyForcibly().waitFor(); // it keeps nothing: there is nothing to wait for
        for (String name : List.of("ready", "log"))
            Files.deleteIfExists(folder.resolve(name));
        Files.delete(folder);
    }

    /** Shows that it runs: java TercetBroker.java */
    public static void main(String[] arguments) throws Exception {
        try (TercetBroker one = new TercetBroker(); TercetBroker other = new TercetBroker()) {
            for (String protocol : List.of("mqtt", "amqp", "kafka")) {
                new java.net.Socket("127.0.0.1", one.port(protocol)).close();
                if (one.port(protocol) == other.port(protocol))
                    throw new IllegalStateException("one port for two brokers");
                System.out.println(protocol + " answers");
            }
        }
    }
}
