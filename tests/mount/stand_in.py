"""evenkeeld's part of one evenkeel-fs: control socket, descriptors kept, successors started at once."""
import array
import contextlib
import json
import os
import socket
import subprocess
import threading
import time

WAIT_SECONDS = 60       # an end, not a bound: what comes is waited for


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


class StandIn:
    def __init__(self, program, folder, directories, config=None):
        self.program, self.folder = program, folder
        self.config = config or make_config(folder, directories)
        for name in ("state", "run"):
            (folder / name).mkdir()
        self.die_file = folder / "die"
        self.kept, self.reports, self.deaths = {}, [], 0
        self.changed = threading.Condition()
        self.is_ending, self.process, self.connection = False, None, None
        self.log = open(folder / "log", "ab")
        self.listen()
        threading.Thread(target=self.restart, daemon=True).start()

    # ---- the process ----

    def launch(self):
        with self.changed:
            names, fds = list(self.kept), [os.dup(fd) for fd in self.kept.values()]

        def place():
            high = [os.dup2(fd, 500 + i) for i, fd in enumerate(fds)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)

        environment = dict(os.environ, EVENKEEL_DIE_FILE=str(self.die_file), LISTEN_FDS=str(len(fds)),
                           LISTEN_FDNAMES=":".join(names))
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", self.program, "--module", "m", "--config", self.config,
             "--state", self.folder / "state", "--run", self.folder / "run"],
            env=environment, preexec_fn=place, close_fds=False, stdout=self.log, stderr=self.log)
        for fd in fds:
            os.close(fd)
        return process

    def restart(self):
        while not self.is_ending:
            self.process = self.launch()
            self.process.wait()
            with self.changed:
                self.deaths += 1
                self.changed.notify_all()
            if self.process.returncode >= 0:
                time.sleep(0.1)

    def kill(self):
        self.process.kill()

    def kill_and_wait(self):
        """Until a successor says hello. For callers whose next step would keep this very process from starting one:
        a page fault, unlike a system call, waits with Python's lock held."""
        deaths = self.deaths
        self.kill()
        self.wait_for(lambda: self.deaths > deaths and self.connection is not None, "its successor")

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
                data, ancillary, _, _ = connection.recvmsg(8192, 1024)
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
            self.reports.append({"report": "hello", **message})
        elif message["type"] == "store":
            old = self.kept.pop(message["name"], None)
            if old is not None:
                os.close(old)
            self.kept[message["name"]] = fds.pop()
        elif message["type"] == "unstore":
            old = self.kept.pop(message["name"], None)
            if old is not None:
                os.close(old)
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

    def order(self, order, answer=None, epoch=1):
        self.wait_for(lambda: self.connection is not None, "no hello")
        before = len(self.reports)
        self.connection.send(json.dumps({
            "type": "order", "order": order, "epoch": [epoch, 1], "generation": [epoch, epoch],
            "plan": "compare", "set_id": "11" * 16, "forced": False}).encode())
        if answer:
            self.wait_for(lambda: any(each["report"] == answer for each in self.reports[before:]), answer)

    def be_primary(self):
        self.order("primary", "is_primary")

    def stop(self):
        self.is_ending = True
        self.order("stop", "is_stopped")
        self.process.wait(WAIT_SECONDS)
        self.close()

    def close(self):
        self.is_ending = True
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.stop_listening()
        for fd in self.kept.values():
            os.close(fd)
        self.kept = {}
        self.log.close()
