"""A secondary that does what it is told and no more: it takes the stream of a real primary, and says that it applied so many
operations, that so many are durable, that a sync is done, when a test says so. It writes nothing down.

    evenkeel-fs A ===== TLS =====> Peer: ops, acknowledge(n), synced(sequence)

It speaks from docs/architecture.md ("The stream"), not from the product's code.
"""
import socket
import ssl
import struct
import threading
import time

import test_pair

HELLO, OP, ACK, SYNCED, PROGRESS, COMPLETE, KEEP = 1, 2, 3, 4, 6, 8, 9
HELLO_FIELDS = struct.Struct(">H16sQBQQQQQQB")
OP_SYNC, OP_RESYNC_END = 11, 22
PULSE_SECONDS = 0.1


class Op:
    def __init__(self, payload):
        self.type, self.sequence = payload[9], struct.unpack_from(">Q", payload, 12)[0]
        self.object = struct.unpack_from(">Q", payload, 36)[0]


class Peer:
    """Node b. While is_automatic it acknowledges everything at once: so a copy becomes a pair."""

    def __init__(self, keys):
        self.changed = threading.Condition(threading.RLock())
        self.ops, self.applied, self.durable, self.epoch = [], 0, 0, 0
        self.is_automatic, self.is_over, self.stream = True, False, None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_cert_chain(keys / "b.pem", keys / "b.key")
        self.context.load_verify_locations(keys / "ca.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.listeners = [socket.create_server((f"{net}.2", test_pair.PORT)) for net in test_pair.NETS]
        for listener in self.listeners:
            threading.Thread(target=self.listen, args=[listener], daemon=True).start()
        threading.Thread(target=self.pulse, daemon=True).start()

    def close(self):
        self.is_over = True
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        if self.stream:
            self.stream.close()

    # ---- the stream ----

    def listen(self, listener):
        while not self.is_over:
            try:
                connection, _ = listener.accept()
                preface = connection.recv(80, socket.MSG_WAITALL)
                if len(preface) == 80 and preface[:4] == b"EVKL":
                    connection.send(b"EVKL\0\1\0\0")
                    self.serve(self.context.wrap_socket(connection, server_side=True))
            except OSError:
                continue

    def receive(self, stream, size):
        data = b""
        while len(data) < size:
            more = stream.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def serve(self, stream):
        while True:
            size, kind = struct.unpack(">IB", self.receive(stream, 5))
            payload = self.receive(stream, size - 1)
            if kind == HELLO:
                self.greet(stream, payload)
            elif kind == OP:
                self.take(Op(payload))

    def greet(self, stream, payload):
        fields = list(HELLO_FIELDS.unpack(payload))
        self.epoch = fields[2]
        fields[7], fields[8] = fields[7], 0         # received: where it begins; durable: no history of its own
        with self.changed:
            self.ops, self.stream = [], stream
            self.applied = fields[7]
        self.send(HELLO, HELLO_FIELDS.pack(*fields))

    def send(self, kind, payload):
        with self.changed:
            self.stream.sendall(struct.pack(">IB", len(payload) + 1, kind) + payload)

    def take(self, op):
        with self.changed:
            self.ops.append(op)
            self.changed.notify_all()
        if self.is_automatic:
            self.acknowledge(op.sequence, op.sequence)
            if op.type == OP_SYNC:
                self.synced(op.sequence)
            if op.type == OP_RESYNC_END:
                self.send(COMPLETE, struct.pack(">Q", op.sequence))

    def pulse(self):
        """At work on the next one, and alive: a test is slower than an applier, and must not be taken for a dead one."""
        while not self.is_over:
            time.sleep(PULSE_SECONDS)
            with self.changed:
                stream, applied = self.stream, self.applied
            if stream:
                try:
                    self.send(PROGRESS, struct.pack(">QQq", applied, applied + 1, 10**6))
                except OSError:
                    self.stream = None

    # ---- what it is told ----

    def acknowledge(self, applied, durable=0):
        with self.changed:
            self.applied, self.durable = max(self.applied, applied), max(self.durable, durable)
            self.send(ACK, struct.pack(">QQQ", self.epoch, self.applied, self.durable))

    def synced(self, sequence):
        self.send(SYNCED, struct.pack(">Qi", sequence, 0))

    def wait_ops(self, count):
        """The first so many since the last forget()."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.ops) >= count, 30):
                raise TimeoutError(f"{len(self.ops)} operations came, not {count}")
            return self.ops[:count]

    def forget(self):
        with self.changed:
            self.ops = []
