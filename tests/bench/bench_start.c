/* SPDX-License-Identifier: Apache-2.0 */
/* From exec to the first accepted connection, and to the first answer, on every listener of a
 * broker; then its resident memory, and how long it takes to stop. The command follows `--`. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define LIMIT_NS       (120 * BENCH_NS_PER_SECOND)
#define POLL_NS        20000
#define PROTOCOLS      3
#define ANSWER_WAIT_MS 30000

static uint64_t ports[PROTOCOLS], settle_ms = 500;
static const char *log_path = "/dev/null";

/* What makes each protocol's server answer: CONNECT of MQTT 3.1.1, AMQP's header, ApiVersions 0. */
static const struct slice greetings[PROTOCOLS] = {
    { (const uint8_t *)"\x10\x0d\0\4MQTT\4\2\0\0\0\1b", 15 },
    { (const uint8_t *)"AMQP\0\0\x09\x01", 8 },
    { (const uint8_t *)"\0\0\0\x0b\0\x12\0\0\0\0\0\0\0\1b", 15 },
};

static pid_t launch(char **command)
{
    pid_t pid = fork();

    if (pid < 0)
        bench_fail("fork", errno);
    if (pid == 0) {
        int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

        if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
            _exit(126);
        execvp(command[0], command);
        _exit(127);
    }
    return pid;
}

static void check_alive(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, WNOHANG) == pid)
        bench_fail("the broker ended at its start", 0);
}

/* Connects again and again until it works; gives the connection. */
static int connect_when_ready(pid_t pid, uint64_t port, uint64_t until_ns)
{
    struct timespec pause = { 0, POLL_NS };
    int fd;

    while ((fd = bench_try_connect("127.0.0.1", port, NULL)) < 0) {
        check_alive(pid);
        if (bench_now_ns() > until_ns)
            bench_fail("no connection in time", 0);
        (void)ppoll(NULL, 0, &pause, NULL); /* too early or too late does not matter */
    }
    return fd;
}

static void await_answer(int fd)
{
    struct pollfd answer = { fd, POLLIN, 0 };
    uint8_t byte;

    if (poll(&answer, 1, ANSWER_WAIT_MS) != 1 || read(fd, &byte, 1) != 1)
        bench_fail("no answer", errno);
}

static double since_ms(uint64_t ns)
{
    return (double)(bench_now_ns() - ns) / 1e6;
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        { "mqtt", &ports[0], NULL, "port; 0: has none" },
        { "amqp", &ports[1], NULL, "port; 0: has none" },
        { "kafka", &ports[2], NULL, "port; 0: has none" },
        { "settle-ms", &settle_ms, NULL, "how long to wait before reading its memory" },
        { "log", NULL, &log_path, "file for its output" },
        { NULL, NULL, NULL, NULL },
    };
    int command = bench_options(argc, argv, options);
    double connected_ms = 0, answered_ms = 0;
    uint64_t start_ns, stop_ns, cpu_ns;
    int fds[PROTOCOLS];
    pid_t pid;
    int status;

    if (command >= argc)
        bench_fail("usage: bench_start [options] -- command...", 0);
    start_ns = bench_now_ns();
    pid = launch(argv + command);
    for (int i = 0; i < PROTOCOLS; i++)
        fds[i] = ports[i] == 0 ? -1 : connect_when_ready(pid, ports[i], start_ns + LIMIT_NS);
    connected_ms = since_ms(start_ns);
    for (int i = 0; i < PROTOCOLS; i++)
        if (fds[i] >= 0)
            bench_write_all(fds[i], greetings[i]);
    for (int i = 0; i < PROTOCOLS; i++)
        if (fds[i] >= 0)
            await_answer(fds[i]);
    answered_ms = since_ms(start_ns);
    cpu_ns = bench_cpu_ns(pid);
    for (int i = 0; i < PROTOCOLS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    (void)poll(NULL, 0, (int)settle_ms);
    printf("{\"scenario\":\"start\",\"connected_ms\":%.2f,\"answered_ms\":%.2f,\"cpu_ms\":%.2f"
           ",\"rss_kb\":%llu",
           connected_ms, answered_ms, (double)cpu_ns / 1e6,
           (unsigned long long)bench_rss_bytes(pid) / 1024);
    stop_ns = bench_now_ns();
    if (kill(pid, SIGTERM) != 0 || waitpid(pid, &status, 0) != pid)
        bench_fail("stop", errno);
    printf(",\"stop_ms\":%.2f,\"status\":%d}\n", since_ms(stop_ns),
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
