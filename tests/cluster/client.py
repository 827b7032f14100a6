#!/usr/bin/python3
"""The clients of the module `counter`: write as fast as they are answered, and keep a log of what was acknowledged.

usage: client.py ADDRESS PORT LOG [--writers N] [--pause MS] [--first N]

Runs until SIGTERM, then prints nothing. A line of LOG for each request that ended:
    sent_ns  ended_ns  writer  number  kind  outcome  node  text
outcome: ok; error (the application's own call failed); lost (no answer: the connection broke, or timed out).
What is still waiting at the end is logged with outcome `open`. Times are the real-time clock's. Writer `probe` opens
a new connection for each of its requests, with short limits: its log shows when there was service.
"""
import argparse
import errno
import selectors
import signal
import socket
import sys
import time

KINDS = ("append", "overwrite", "rename", "fsync", "mmap")
CONNECT_S, RETRY_S, FLUSH_S = 0.25, 0.02, 0.05


class Writer:
    """One client: connects, sends a request, waits for its answer, and again."""

    def __init__(self, program, name, kind, first, pause_s, answer_s, is_probe=False):
        self.program, self.name, self.kind, self.number = program, name, kind, first
        self.pause_s, self.answer_s, self.is_probe = pause_s, answer_s, is_probe
        self.socket = None
        self.state = "idle"         # idle, connecting, waiting
        self.sent_ns = 0
        self.deadline = 0.0         # idle: when to go on; else: when to give up
        self.received = b""

    def watch(self, events):
        self.program.selector.register(self.socket, events, self)

    def close(self):
        if self.socket:
            try:
                self.program.selector.unregister(self.socket)
            except KeyError:
                pass
            self.socket.close()
            self.socket = None

    def go_idle(self, seconds):
        self.state, self.deadline = "idle", time.monotonic() + seconds

    def begin(self):
        if self.socket:
            self.send()
            return
        self.socket = socket.socket(socket.AF_INET6 if ":" in self.program.target[0] else socket.AF_INET)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.state, self.deadline = "connecting", time.monotonic() + CONNECT_S
        if self.socket.connect_ex(self.program.target) not in (0, errno.EINPROGRESS):
            self.close()
            self.go_idle(RETRY_S)
            return
        self.watch(selectors.EVENT_WRITE)

    def send(self):
        self.number += 1
        self.state, self.received = "waiting", b""
        self.deadline = time.monotonic() + self.answer_s
        self.sent_ns = time.time_ns()
        try:
            self.socket.send(f"{self.name} {self.number} {self.kind}\n".encode())
        except OSError as error:
            self.end("lost", "", str(error))

    def end(self, outcome, node="", text=""):
        self.program.log(self, outcome, node, text)
        if outcome == "lost" or self.is_probe:
            self.close()
        self.go_idle(RETRY_S if outcome == "lost" else self.pause_s)

    def on_ready(self):
        if self.state == "connecting":
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.close()
                self.go_idle(RETRY_S)
                return
            self.program.selector.modify(self.socket, selectors.EVENT_READ, self)
            self.send()
            return
        try:
            data = self.socket.recv(4096)
        except OSError as error:
            data, text = b"", str(error)
        else:
            text = "the connection was closed"
        if self.state != "waiting":     # idle: the server closed between two requests
            self.close()
            return
        self.received += data
        if not data:
            self.end("lost", "", text)
        elif self.received.endswith(b"\n"):
            outcome, node, *rest = self.received.decode().strip().split(" ", 2)
            self.end(outcome, node, *rest)

    def on_deadline(self):
        if self.state == "idle":
            self.begin()
        elif self.state == "connecting":
            self.close()
            self.go_idle(0)
        else:
            self.end("lost", "", f"no answer within {self.answer_s} s")


class Program:
    def __init__(self, options):
        self.target = (options.address, options.port)
        self.selector = selectors.DefaultSelector()
        self.file = open(options.log, "w", encoding="utf-8")
        self.is_stopping = False
        self.writers = [Writer(self, f"w{number}", KINDS[number % len(KINDS)], options.first, options.pause / 1000, 20.0)
                        for number in range(options.writers)]
        self.writers.append(Writer(self, "probe", "append", options.first, 0.02, 0.3, True))
        signal.signal(signal.SIGTERM, self.on_stop)

    def on_stop(self, *_):
        self.is_stopping = True

    def log(self, writer, outcome, node, text):
        self.file.write(f"{writer.sent_ns}\t{time.time_ns()}\t{writer.name}\t{writer.number}\t{writer.kind}\t"
                        f"{outcome}\t{node}\t{text}\n")

    def run(self):
        flush_at = 0.0
        while not self.is_stopping:
            now = time.monotonic()
            for writer in self.writers:
                if writer.deadline <= now:
                    writer.on_deadline()
            if now >= flush_at:
                self.file.flush()
                flush_at = now + FLUSH_S
            wait = min(writer.deadline for writer in self.writers) - time.monotonic()
            for key, _ in self.selector.select(min(max(wait, 0), FLUSH_S)):
                if key.data.socket is key.fileobj:
                    key.data.on_ready()
        self.drain()
        for writer in self.writers:
            if writer.state == "waiting":
                self.log(writer, "open", "", "still waiting at the end")
        self.file.close()

    def drain(self):
        """Lets answers that are under way come in; begins nothing new."""
        end = time.monotonic() + 1
        while time.monotonic() < end and any(writer.state == "waiting" for writer in self.writers):
            for key, _ in self.selector.select(0.05):
                if key.data.socket is key.fileobj and key.data.state == "waiting":
                    key.data.on_ready()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("log")
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--pause", type=float, default=1.0, help="ms between an answer and the next request (1)")
    parser.add_argument("--first", type=int, default=0, help="numbers begin above this one")
    Program(parser.parse_args()).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
