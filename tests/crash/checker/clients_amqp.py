# SPDX-License-Identifier: Apache-2.0
"""AMQP 0-9-1: producers with confirms and with transactions, a consumer, objects that come and
go."""

from checker.wire import Amqp, require, spec
from checker.worker import HEADER, Consumer, Producer, Worker

WINDOW = 12
PREFETCH = 20
ACK_EVERY = 7


def routing_key(to, subject):
    return to if subject is None else to + "." + subject.replace("/", ".")


def properties(note):
    return spec.BasicProperties(delivery_mode=2, content_type="text/plain", headers=note.headers)


def seen(routing_key_, props):
    """Fields of a message as a history has them."""
    headers = props.headers or {}
    _, dot, subject = routing_key_.partition(".")
    return {"key": subject.replace(".", "/") if dot else None,
            "headers": {name: value for name, value in headers.items() if name.startswith(HEADER)}}


class AmqpProducer(Producer):
    """Persistent messages with publisher confirms, many on the way."""

    protocol = "amqp"

    def __init__(self, bench, name, exchange, to, subjects=(None,)):
        super().__init__(bench, name, to, subjects)
        self.exchange = exchange

    def publishing(self, wire, note):
        return wire.publishing(self.exchange, routing_key(self.to, note.subject), properties(note),
                               note.body)

    def run(self):
        wire = Amqp(self.bench.address("amqp"))
        wire.ask(spec.Confirm.Select(), spec.Confirm.SelectOk)
        tags, way = 0, {}
        while way or not self.stopping:
            if len(way) <= WINDOW // 2 and not self.stopping:
                notes = [self.note() for _ in range(WINDOW - len(way))]
                for note in notes:
                    tags += 1
                    way[tags] = note
                wire.send(b"".join(self.publishing(wire, note) for note in notes))
            found = wire.next()
            while found is not None:
                self.confirmed(found, way)
                found = wire.whole()
            self.breathe()
        wire.end()

    def confirmed(self, found, way):
        method = getattr(found, "method", None)
        require(isinstance(method, spec.Basic.Ack), "unexpected", found)
        tags = [tag for tag in way if tag <= method.delivery_tag] if method.multiple \
            else [method.delivery_tag]
        for tag in tags:
            self.acked(way.pop(tag))


class AmqpTransactions(Producer):
    """Each transaction publishes to a queue and to a stream; some are rolled back."""

    protocol = "amqp"

    def __init__(self, bench, name, queue, stream):
        super().__init__(bench, name, queue + " " + stream)
        self.queue, self.stream = queue, stream
        self.tx = 0

    def run(self):
        wire = Amqp(self.bench.address("amqp"))
        wire.ask(spec.Tx.Select(), spec.Tx.SelectOk)
        while not self.stopping:
            tx, self.tx = self.tx, self.tx + 1
            self.publish(wire, tx)
            if self.rng.random() < 0.2:
                self.history.put("rollback", tx=tx)
                wire.ask(spec.Tx.Rollback(), spec.Tx.RollbackOk)
                self.history.put("rolled-back", tx=tx)
            else:
                self.history.put("commit", tx=tx)
                wire.ask(spec.Tx.Commit(), spec.Tx.CommitOk)
                self.history.put("committed", tx=tx)
            self.breathe()
        wire.end()

    def publish(self, wire, tx):
        for at in range(self.rng.choice((2, 3, 6))):
            to, exchange = ((self.queue, ""), (self.stream, "amq.topic"))[at % 2]
            note = self.note(tx=tx, to=to)
            wire.send(wire.publishing(exchange, to, properties(note), note.body))


class AmqpQueue(Consumer):
    """A durable queue with manual acks, consumed while the broker is killed, and in peace."""

    protocol = "amqp"

    def __init__(self, bench, name, queue, producers, binding=None):
        super().__init__(bench, name, "queue", producers, group="queue " + queue, flags=True,
                         reads=queue)
        self.queue, self.binding = queue, binding
        self.unproved = []  # acknowledged since the last proof

    def make(self):
        """The queue and its binding, once."""
        wire = Amqp(self.bench.address("amqp"))
        for name in (self.queue, self.queue + "-marks"):
            wire.ask(spec.Queue.Declare(queue=name, durable=True), spec.Queue.DeclareOk)
        if self.binding is not None:
            wire.ask(spec.Queue.Bind(queue=self.queue, exchange="amq.topic",
                                     routing_key=self.binding), spec.Queue.BindOk)
        wire.end()

    def open(self, prefetch):
        self.opened()
        wire = Amqp(self.bench.address("amqp"))
        wire.ask(spec.Basic.Qos(prefetch_count=prefetch), spec.Basic.QosOk)
        return wire

    def take(self, wire, seconds):
        """Delivery tag of what came, or None in time."""
        found = wire.next(seconds)
        if found is None:
            return None
        require(isinstance(getattr(found, "method", None), spec.Basic.Deliver), "unexpected", found)
        props, body = wire.content()
        fields = seen(found.method.routing_key, props)
        if self.binding is None:
            del fields["key"]  # the queue's name, whatever the subject was
        else:
            fields["time"] = (props.headers or {}).get("timestamp_in_ms")
        one = self.got(body, again=found.method.redelivered, **fields)
        self.unproved.append(one)
        return found.method.delivery_tag

    def run(self):
        self.unproved = []
        try:
            wire = self.open(PREFETCH)
            wire.ask(spec.Basic.Consume(queue=self.queue), spec.Basic.ConsumeOk)
            count, tag = 0, None
            while not self.stopping:
                tag = self.take(wire, 0.05)
                count += tag is not None
                if tag is not None and count % ACK_EVERY == 0:
                    wire.method(1, spec.Basic.Ack(delivery_tag=tag, multiple=True))
            self.closed()
            wire.end()
        finally:
            self.closed()

    def take_all(self):
        """Everything is taken out; then the acks are proved to be on disk."""
        self.unproved = []
        try:
            self.empty()
        finally:
            self.closed()

    def empty(self):
        wire = self.open(0)
        left = wire.ask(spec.Queue.Declare(queue=self.queue, passive=True),
                        spec.Queue.DeclareOk).message_count
        wire.ask(spec.Basic.Consume(queue=self.queue), spec.Basic.ConsumeOk)
        tag = None
        for _ in range(left):
            taken = self.wait(lambda seconds: self.take(wire, seconds))
            if taken is None:
                break
            tag = taken
        if tag is not None:
            wire.method(1, spec.Basic.Ack(delivery_tag=tag, multiple=True))
        self.prove(wire)
        self.closed()
        wire.end()

    def prove(self, wire):
        """A publish that is confirmed after the acks shows that they are on disk as well."""
        wire.ask(spec.Confirm.Select(), spec.Confirm.SelectOk)
        wire.send(wire.publishing("", self.queue + "-marks",
                                  spec.BasicProperties(delivery_mode=2), b"x"))
        wire.expect(spec.Basic.Ack)
        self.history.put("settled", of=[one for one in self.unproved if one is not None])
        self.unproved = []


class AmqpObjects(Worker):
    """Exchanges and queues are made and removed, and asked for after each start."""

    protocol = "amqp"

    def __init__(self, bench, name):
        super().__init__(bench, name)
        self.count = 0
        self.known = []  # (kind, name), the oldest first

    def run(self):
        wire = Amqp(self.bench.address("amqp"))
        while not self.stopping:
            self.count += 1
            self.make(wire, "queue", "o-q%d" % self.count)
            self.make(wire, "exchange", "o-x%d" % self.count)
            while len(self.known) > 6:
                self.remove(wire, *self.known.pop(0))
            self.breathe()
            self.breathe()
        wire.end()

    def make(self, wire, kind, name):
        self.known.append((kind, name))
        self.history.put("making", what="%s %s" % (kind, name))
        if kind == "queue":
            wire.ask(spec.Queue.Declare(queue=name, durable=True), spec.Queue.DeclareOk)
        else:
            wire.ask(spec.Exchange.Declare(exchange=name, type="fanout", durable=True),
                     spec.Exchange.DeclareOk)
        self.history.put("made", what="%s %s" % (kind, name))

    def remove(self, wire, kind, name):
        self.history.put("removing", what="%s %s" % (kind, name))
        if kind == "queue":
            wire.ask(spec.Queue.Delete(queue=name), spec.Queue.DeleteOk)
        else:
            wire.ask(spec.Exchange.Delete(exchange=name), spec.Exchange.DeleteOk)
        self.history.put("removed", what="%s %s" % (kind, name))

    def drain(self):
        return self.guarded(self.look)

    def look(self):
        wire = Amqp(self.bench.address("amqp"))
        for kind, name in list(self.known):
            if kind == "queue":
                wire.method(1, spec.Queue.Declare(queue=name, passive=True))
            else:
                wire.method(1, spec.Exchange.Declare(exchange=name, type="fanout", passive=True))
            method = wire.next().method
            is_there = not isinstance(method, spec.Channel.Close)
            if not is_there:
                require(method.reply_code == 404, "refused:", method)
                self.known.remove((kind, name))
                wire.method(1, spec.Channel.CloseOk())
                wire.ask(spec.Channel.Open(), spec.Channel.OpenOk)
            self.history.put("asked", what="%s %s" % (kind, name), there=is_there)
        wire.end()
