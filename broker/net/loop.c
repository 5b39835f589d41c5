/* SPDX-License-Identifier: Apache-2.0 */
/* One turn: wait for sockets, timers and posted calls and handle them; then, in this order, until
 * nothing new comes of it: hooks, output to the kernel, unread input of resumed connections, ends.
 * Output is gathered during the turn, so a turn costs one write for each connection, however many
 * messages went to it. */
#include "broker/net/loop.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/doing.h"
#include "broker/base/log.h"
#include "broker/net/net_int.h"

/* How often the end of one turn goes round before sockets get their share again. */
#define LOOP_ROUNDS_MAX 3
/* Connections that a turn writes to, 8 us each: the others of a message to ten thousand are written
 * to in the next turns, in their order, and sockets get their share between. */
#define LOOP_SENDS_MAX 128u
#define NS_PER_US      1000u
#define TURN_SLOW_US   2000
/* Of what a slow turn did, in the log. */
#define SLOW_WORDS_BYTES 160
/* See processor_us(). */
#define TURN_SHORT_US   100
#define TURNS_SHORT_MAX 15

void loop_begin(struct loop *loop)
{
    if (loop->is_now_known)
        return;
    loop->now_ns = clock_monotonic_ns();
    loop->is_now_known = true;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

const struct durations *loop_turns(const struct loop *loop)
{
    return &loop->turns;
}

const struct durations *loop_turns_processor(const struct loop *loop)
{
    return &loop->turns_processor;
}

void loop_add_work(struct loop *loop, struct conn *conn)
{
    if (!link_is_linked(&conn->work))
        list_append(&loop->work, &conn->work);
}

/* ---- calls from other threads ---- */

static void wake(struct loop *loop)
{
    /* It can only fail when the counter is full, and then the loop is being woken already. */
    (void)eventfd_write(loop->wake_fd, 1);
}

/* The loop whose turn runs on this thread: what it posts to itself needs no wake-up. */
static _Thread_local struct loop *running;

void loop_post(struct loop *loop, struct loop_call *call)
{
    if (!mailbox_put(&loop->posted, &call->link))
        return;
    if (running == loop)
        loop->is_posted_inside = true;
    else
        wake(loop);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->is_stopping, true);
    wake(loop);
}

static void run_posted(struct loop *loop)
{
    struct list calls;

    list_init(&calls);
    mailbox_take(&loop->posted, &calls);
    while (!list_is_empty(&calls)) {
        struct loop_call *call = LIST_FIRST(&calls, struct loop_call, link);

        link_remove(&call->link);
        call->call(call->arg);
    }
}

/* The descriptor is edge-triggered and never read: each write is an edge, and saves a read. */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    loop_begin(arg);
    run_posted(arg);
}

/* ---- timers ---- */

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;

    (void)fd;
    (void)what;
    loop->wait_until_ns = 0; /* libevent's timer has to be set again */
    loop_begin(loop);        /* ours run at the end of the turn's events, whoever woke us */
}

void timer_init(struct timer *timer, struct loop *loop, loop_call_fn *call, void *arg)
{
    *timer = (struct timer){ .loop = loop, .call = call, .arg = arg };
}

void timer_start(struct timer *timer, uint64_t after_ms)
{
    struct loop *loop = timer->loop;

    if (!loop->is_now_known)
        loop->now_ns = clock_monotonic_ns();
    /* One more than asked: a timer that starts itself anew never runs twice in one turn. */
    timer->deadline_ns = loop->now_ns + after_ms * NS_PER_MS + 1;
    if (heap_node_is_in(&timer->node)) {
        /* Later than before, as with every keep-alive: the heap need not know until then. */
        if (timer->deadline_ns >= timer->node.key)
            return;
        heap_remove(&loop->timers, &timer->node);
    }
    heap_add(&loop->timers, &timer->node, timer->deadline_ns);
}

void timer_stop(struct timer *timer)
{
    if (heap_node_is_in(&timer->node))
        heap_remove(&timer->loop->timers, &timer->node);
}

bool timer_is_running(const struct timer *timer)
{
    return heap_node_is_in(&timer->node);
}

void timer_done(struct timer *timer)
{
    if (timer->loop != NULL)
        timer_stop(timer);
    timer->call = NULL;
}

static void run_timers(struct loop *loop)
{
    for (;;) {
        struct heap_node *node = heap_first(&loop->timers);
        struct timer *timer;

        if (node == NULL || node->key > loop->now_ns)
            return;
        timer = CONTAINER_OF(node, struct timer, node);
        heap_remove(&loop->timers, node);
        if (timer->deadline_ns > loop->now_ns)
            heap_add(&loop->timers, node, timer->deadline_ns);
        else
            timer->call(timer->arg);
    }
}

/* Sets libevent's timer to the first of ours. It rounds up to milliseconds and uses a coarse clock,
 * which is why whether a timer is due is decided by our own. */
static void arm_wait(struct loop *loop)
{
    struct heap_node *first = heap_first(&loop->timers);
    uint64_t now_ns, wait_ns;
    struct timeval wait;

    if (first == NULL) {
        if (loop->wait_until_ns != 0)
            (void)event_del(&loop->wait_event);
        loop->wait_until_ns = 0;
        return;
    }
    if (first->key == loop->wait_until_ns)
        return;
    now_ns = clock_monotonic_ns();
    wait_ns = first->key > now_ns ? first->key - now_ns : 0;
    wait.tv_sec = (time_t)(wait_ns / 1000000000);
    wait.tv_usec = (suseconds_t)(wait_ns % 1000000000 / 1000) + 1;
    (void)event_add(&loop->wait_event, &wait);
    loop->wait_until_ns = first->key;
}

/* ---- signals ---- */

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    struct signalfd_siginfo got;

    (void)what;
    loop_begin(loop);
    while (read(fd, &got, sizeof(got)) == sizeof(got))
        for (unsigned i = 0; i < loop->signal_count; i++)
            if ((uint32_t)loop->signals[i].number == got.ssi_signo)
                loop->signals[i].call(loop->signals[i].arg);
}

enum rc loop_on_signal(struct loop *loop, int signal, loop_call_fn *call, void *arg)
{
    bool is_first = loop->signal_fd < 0;
    sigset_t taken;
    int fd;

    ASSERT(loop->signal_count < LOOP_SIGNALS_MAX);
    loop->signals[loop->signal_count++] = (struct loop_signal){ signal, call, arg };
    (void)sigemptyset(&taken);
    for (unsigned i = 0; i < loop->signal_count; i++)
        (void)sigaddset(&taken, loop->signals[i].number);
    if (pthread_sigmask(SIG_BLOCK, &taken, NULL) != 0)
        return RC_SYSTEM;
    fd = signalfd(loop->signal_fd, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return RC_SYSTEM;
    loop->signal_fd = fd;
    if (!is_first)
        return RC_OK;
    (void)event_assign(&loop->signal_event, loop->base, fd, EV_READ | EV_PERSIST, on_signal, loop);
    return event_add(&loop->signal_event, NULL) == 0 ? RC_OK : RC_SYSTEM;
}

/* ---- life ---- */

static enum rc make_base(struct loop *loop)
{
    struct event_config *config = event_config_new();

    if (config == NULL)
        return RC_MEMORY;
    (void)event_config_avoid_method(config, "select");
    (void)event_config_avoid_method(config, "poll");
    (void)event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_O1);
    /* Only the eventfd is touched by other threads. */
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    return loop->base == NULL ? RC_SYSTEM : RC_OK;
}

static enum rc make_wake(struct loop *loop)
{
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return RC_SYSTEM;
    (void)event_assign(&loop->wake_event, loop->base, loop->wake_fd, EV_READ | EV_PERSIST | EV_ET,
                       on_wake, loop);
    return event_add(&loop->wake_event, NULL) == 0 ? RC_OK : RC_SYSTEM;
}

enum rc loop_new(struct loop **ret)
{
    struct loop *loop = mem_new(struct loop);
    enum rc rc;

    loop->wake_fd = -1;
    loop->signal_fd = -1;
    list_init(&loop->conns);
    list_init(&loop->listeners);
    list_init(&loop->work);
    list_init(&loop->waiting);
    mailbox_init(&loop->posted);
    heap_init(&loop->timers);
    timer_init(&loop->sweep, loop, conn_sweep, loop);
    loop->input = mem_get(LOOP_INPUT_BYTES);
    loop->sink = mem_get(CONN_RESERVE_MAX);
    loop->now_ns = clock_monotonic_ns();
    (void)signal(SIGPIPE, SIG_IGN);
    rc = make_base(loop);
    if (rc != RC_OK)
        goto out;
    (void)evtimer_assign(&loop->wait_event, loop->base, on_time, loop);
    (void)evtimer_assign(&loop->turn_event, loop->base, on_time, loop);
    rc = make_wake(loop);
    if (rc != RC_OK)
        goto out;
    *ret = loop;
    loop = NULL; /* given */
out:
    loop_free(&loop);
    return rc;
}

/* What came after the last turn: its poster stops with the loop. */
static void drop_posted(struct loop *loop)
{
    struct list calls;

    list_init(&calls);
    mailbox_take(&loop->posted, &calls);
    while (!list_is_empty(&calls))
        link_remove(calls.head.next);
}

void loop_free(struct loop **loop)
{
    struct loop *l = *loop;

    if (l == NULL)
        return;
    ASSERT(list_is_empty(&l->conns));
    ASSERT(list_is_empty(&l->listeners));
    timer_done(&l->sweep);
    timer_done(&l->grace);
    if (l->signal_fd >= 0) {
        (void)event_del(&l->signal_event);
        (void)close(l->signal_fd);
    }
    if (l->wake_fd >= 0) {
        (void)event_del(&l->wake_event);
        (void)close(l->wake_fd);
    }
    if (l->base != NULL) {
        (void)event_del(&l->wait_event);
        (void)event_del(&l->turn_event);
        event_base_free(l->base);
    }
    output_free_pools(l);
    drop_posted(l);
    mailbox_done(&l->posted);
    heap_done(&l->timers);
    mem_free(l->input);
    mem_free(l->sink);
    MEM_FREE(*loop);
}

/* ---- the turn ---- */

void loop_add_turn_end(struct loop *loop, loop_call_fn *call, void *arg)
{
    ASSERT(loop->hook_count < LOOP_HOOKS_MAX);
    loop->hooks[loop->hook_count++] = (struct loop_hook){ call, arg };
}

/* The work of every connection that had some, but for what the turn has no `sends_left` for. True
 * when a session was called, which may have made more: for the hooks and for other connections. */
static bool do_work(struct loop *loop, unsigned *sends_left)
{
    struct list work;
    bool was_called = false;

    list_init(&work);
    while (*sends_left > 0 && !list_is_empty(&loop->work)) {
        struct conn *conn = LIST_FIRST(&loop->work, struct conn, work);

        link_remove(&conn->work);
        list_append(&work, &conn->work);
        *sends_left -= conn->is_output_fresh;
    }
    LIST_EACH (k, &work) {
        output_send(CONTAINER_OF(k, struct conn, work));
    }
    LIST_EACH (k, &work) {
        was_called = conn_redeliver(CONTAINER_OF(k, struct conn, work)) || was_called;
    }
    while (!list_is_empty(&work)) {
        struct conn *conn = LIST_FIRST(&work, struct conn, work);

        link_remove(&conn->work);
        if (conn_has_work(conn))
            list_append(&loop->work, &conn->work); /* a session wrote after its output was sent */
        was_called = conn_reap(conn) || was_called;
    }
    return was_called;
}

static void end_turn(struct loop *loop)
{
    unsigned sends_left = LOOP_SENDS_MAX;
    bool was_called = true;

    for (unsigned round = 0; was_called && round < LOOP_ROUNDS_MAX; round++) {
        for (unsigned i = 0; i < loop->hook_count; i++)
            loop->hooks[i].call(loop->hooks[i].arg);
        was_called = do_work(loop, &sends_left);
    }
    loop->is_work_left = was_called || !list_is_empty(&loop->work) || loop->is_posted_inside;
}

/* Processor time that a turn of `us` took. Its clock is a system call, which is a fortieth of a
 * turn with one message: of a short turn, what it took by the other clock is near enough, unless
 * some were reckoned so already. What waiting for the turns cost is in it, and is little. */
static uint64_t processor_us(struct loop *loop, uint64_t us)
{
    uint64_t now_ns, took_us, others_us = loop->short_us;

    if (us < TURN_SHORT_US && loop->short_count < TURNS_SHORT_MAX) {
        loop->short_count++;
        loop->short_us += us;
        return us;
    }
    now_ns = clock_thread_ns();
    took_us = (now_ns - loop->processor_ns) / NS_PER_US;
    took_us = took_us > others_us ? took_us - others_us : 0;
    loop->processor_ns = now_ns;
    loop->short_count = 0;
    loop->short_us = 0;
    return took_us < us ? took_us : us;
}

static void begin_turns(struct loop *loop)
{
    loop->processor_ns = clock_thread_ns(); /* what came before was no turn */
    loop->short_count = 0;
    loop->short_us = 0;
}

void loop_set_slow_us(struct loop *loop, uint64_t us)
{
    loop->slow_us = us;
}

/* Everybody waited: who reads the log can find out what for. */
static void tell_slow(const struct loop *loop, uint64_t us, uint64_t own_us)
{
    char what[SLOW_WORDS_BYTES];

    count_add(COUNT_NET_TURNS_LONG, 1);
    doing_write(what, sizeof(what));
    log_peer(LOG_NOTICE, "net.slow_turn", "us=%llu processor_us=%llu inputs=%u bytes=%llu did=%s",
             (unsigned long long)us, (unsigned long long)own_us, loop->input_count,
             (unsigned long long)loop->input_bytes, what);
}

/* A turn is what everybody else waits for: less than one in a thousand may be slow. */
static void note_turn(struct loop *loop)
{
    int64_t us = (int64_t)((clock_monotonic_ns() - loop->now_ns) / NS_PER_US);
    uint64_t own_us = processor_us(loop, (uint64_t)us);

    durations_note(&loop->turns, (uint64_t)us);
    durations_note(&loop->turns_processor, own_us);
    if (loop->slow_us > 0 && (uint64_t)us >= loop->slow_us)
        tell_slow(loop, (uint64_t)us, own_us);
    loop->input_count = 0;
    loop->input_bytes = 0;
    doing_clear();
    count_add(COUNT_NET_TURNS, 1);
    if (us >= TURN_SLOW_US)
        count_add(COUNT_NET_TURNS_SLOW, 1);
    if (us > count_get(COUNT_NET_TURN_MAX_US))
        count_set(COUNT_NET_TURN_MAX_US, us);
}

static void turn(struct loop *loop, int flags)
{
    struct loop *outer = running;

    running = loop;
    arm_wait(loop);
    (void)event_base_loop(loop->base, EVLOOP_ONCE | (loop->is_work_left ? EVLOOP_NONBLOCK : flags));
    loop_begin(loop);
    if (loop->is_posted_inside) {
        loop->is_posted_inside = false; /* in the last turn; what these post comes in the next */
        run_posted(loop);
    }
    run_timers(loop);
    end_turn(loop);
    note_turn(loop);
    loop->is_now_known = false;
    running = outer;
}

void loop_turn(struct loop *loop, unsigned max_wait_ms)
{
    struct timeval wait = { .tv_sec = max_wait_ms / 1000, .tv_usec = max_wait_ms % 1000 * 1000 };

    begin_turns(loop);
    if (max_wait_ms > 0)
        (void)event_add(&loop->turn_event, &wait);
    turn(loop, max_wait_ms > 0 ? 0 : EVLOOP_NONBLOCK);
    (void)event_del(&loop->turn_event);
}

void loop_run(struct loop *loop)
{
    begin_turns(loop);
    while (!atomic_load_explicit(&loop->is_stopping, memory_order_relaxed))
        turn(loop, 0);
    atomic_store(&loop->is_stopping, false);
}
