"""evenkeeld's part of one evenkeel-fs: control socket, descriptors kept, successors started at once."""
import array
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

WAIT_SECONDS = 60       # an end, not a bound: what comes is waited for
STARTER = pathlib.Path(__file__).parent / "starter.py"


def make_tls(folder):
    """A throw-away cluster CA and this node's certificate."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test", "-days", "2")
    openssl("req", *curve, "-keyout", "node.key", "-out", "node.csr", "-subj", "/CN=here")
    openssl("x509", "-req", "-in", "node.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "node.pem", "-days", "2")


def make_config(folder, directories):
    config = folder / "config"
    (config / "modules" / "m" / "bin").mkdir(parents=True)
    make_tls(config / "tls")
    (config / "node").write_text("here\n")
    (config / "cluster.yaml").write_text(
        "cluster: test\nnodes:\n"
        "  - name: here\n    id: 1\n    addresses: [127.0.0.1]\n"
        "  - name: there\n    id: 2\n    addresses: [127.0.0.2]\n")
    names = ", ".join(json.dumps(str(each)) for each in directories)
    (config / "modules" / "m" / "module.yaml").write_text(
        f"number: 1\nnodes: [here, there]\ndirectories: [{names}]\n")
    return config


class Process:
    """The evenkeel-fs that runs, a child of the starter's."""

    def __init__(self, pid, changed):
        self.pid, self.changed, self.returncode = pid, changed, None

    def poll(self):
        return self.returncode

    def wait(self, seconds=WAIT_SECONDS):
        with self.changed:
            if not self.changed.wait_for(lambda: self.returncode is not None, seconds):
                raise subprocess.TimeoutExpired("evenkeel-fs", seconds)
        return self.returncode

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class StandIn:
    def __init__(self, program, folder, directories, config=None):
        self.folder = folder
        self.config = config or make_config(folder, directories)
        for name in ("state", "run"):
            (folder / name).mkdir(exist_ok=True)      # a disk may be mounted there
        self.die_file = folder / "die"
        self.reports, self.deaths = [], 0
        self.changed = threading.Condition()
        self.is_ending, self.process, self.connection, self.hellos = False, None, None, 0
        self.listen()
        self.starter_lock = threading.Lock()
        self.starter, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self.guard = subprocess.Popen(
                [sys.executable, STARTER, str(other.fileno()), self.die_file, folder / "log", program, "--module", "m",
                 "--config", self.config, "--state", folder / "state", "--run", folder / "run"],
                pass_fds=[other.fileno()], start_new_session=True)
        threading.Thread(target=self.hear_starter, daemon=True).start()
        threading.Thread(target=self.show_life, daemon=True).start()
        self.wait_for(lambda: self.process is not None, "its start")

    # ---- the process: see starter.py ----

    def tell_starter(self, message, fds=()):
        with self.starter_lock, contextlib.suppress(OSError):       # at the end nobody hears
            self.starter.sendmsg([json.dumps(message).encode()],
                                 [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])

    def show_life(self):
        while not self.is_ending:
            self.tell_starter({"alive": True})
            time.sleep(1)

    def hear_starter(self):
        while data := self.starter.recv(4096):
            message = json.loads(data)
            with self.changed:
                if "pid" in message:
                    self.process = Process(message["pid"], self.changed)
                else:
                    self.process.returncode = message["ended"]
                    self.deaths += 1
                self.changed.notify_all()

    def kill(self):
        self.wait_for(lambda: self.process.returncode is None, "the start of the successor")
        self.process.kill()

    def kill_and_wait(self):
        """Until a successor says hello."""
        deaths, hellos = self.deaths, self.hellos
        self.kill()
        self.wait_for(lambda: self.deaths > deaths and self.hellos > hellos, "its successor")

    def be_last(self):
        """No successor."""
        self.is_ending = True
        self.tell_starter({"last": True})

    def give_up(self):
        """Ends the server and the connection, so that nobody hangs in it."""
        self.is_ending = True
        with contextlib.suppress(OSError):
            self.starter.shutdown(socket.SHUT_RDWR)

    # ---- the socket ----

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(self.folder / "run" / "control.sock"))
        self.listener.listen(4)
        threading.Thread(target=self.accept, args=[self.listener], daemon=True).start()

    def stop_listening(self):
        # close() alone would leave the thread waiting in it, and later taking what comes to the next with this number.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def leave(self):
        """As if evenkeeld were dead: nobody listens. listen() is the next one."""
        (self.folder / "run" / "control.sock").unlink()
        self.stop_listening()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.wait_for(lambda: self.connection is None, "the end of the connection")

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.hear, args=[connection], daemon=True).start()

    def hear(self, connection):
        while True:
            try:
                data, ancillary, _, _ = connection.recvmsg(8192, 1024, socket.MSG_CMSG_CLOEXEC)
            except OSError:
                data = b""
            if not data:
                with self.changed:
                    if self.connection is connection:
                        self.connection = None
                connection.close()
                return
            fds = array.array("i")
            for _, _, content in ancillary:
                fds.frombytes(content)
            with self.changed:
                self.on_message(connection, json.loads(data), list(fds))
                self.changed.notify_all()

    def on_message(self, connection, message, fds):
        if message["type"] == "hello":
            self.connection = connection
            self.hellos += 1
            self.reports.append({"report": "hello", **message})
        elif message["type"] == "store":
            self.tell_starter({"keep": message["name"]}, fds)
        elif message["type"] == "unstore":
            self.tell_starter({"forget": message["name"]})
        elif message["type"] == "report":
            self.reports.append(message)
        elif message["type"] == "verified":
            self.reports.append({"report": "verified", **message})
        for fd in fds:
            os.close(fd)

    def wait_for(self, condition, what):
        with self.changed:
            if not self.changed.wait_for(condition, WAIT_SECONDS):
                raise TimeoutError(f"{what}: {self.reports[-5:]}\n{(self.folder / 'log').read_text()}")

    def wait_while(self, condition, what):
        end = time.monotonic() + WAIT_SECONDS
        while condition():
            if time.monotonic() > end:
                raise TimeoutError(what)
            time.sleep(0.01)

    def order(self, order, answer=None, epoch=1, forced=False):
        self.wait_for(lambda: self.connection is not None, "no hello")
        before = len(self.reports)
        self.connection.send(json.dumps({
            "type": "order", "order": order, "epoch": [epoch, 1], "generation": [epoch, epoch],
            "plan": "compare", "set_id": "11" * 16, "forced": forced}).encode())
        if answer:
            self.wait_for(lambda: any(each["report"] == answer for each in self.reports[before:]), answer)

    def be_primary(self):
        self.order("primary", "is_primary")

    def stop(self, forced=False):
        self.be_last()
        self.order("stop", "is_stopped", forced=forced)
        self.process.wait()
        self.close()

    def close(self):
        self.give_up()
        self.guard.wait(WAIT_SECONDS)
        self.starter.close()
        self.stop_listening()
