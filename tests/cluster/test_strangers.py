"""What comes from the network and is not ours: garbage on every port, a foreign certificate, another protocol version."""
import random
import socket
import ssl
import struct
import subprocess
import sys
import time

import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(120)
PORT = 7600

# Runs in the gateway: throws random and half-right bytes at the node's TCP port and UDP ports.
GARBAGE = r"""
import random, socket, sys, time
random.seed(int(sys.argv[2])); target = sys.argv[1]
preface = b"EVKL\0\1\0\1\1" + bytes(7) + b"counter".ljust(64, b"\0")
end = time.monotonic() + 4
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while time.monotonic() < end:
    for port in range(7600, 7606):
        udp.sendto(random.randbytes(random.choice((0, 1, 8, 64, 200, 1400))), (target, port))
    head = random.choice((b"", b"EVKL", preface[:40], preface, preface.replace(b"counter", b"nosuch\0"), b"GET / HTTP/1.0\r\n\r\n"))
    try:
        with socket.create_connection((target, 7600), 1) as tcp:
            tcp.settimeout(0.2)
            tcp.sendall(head + random.randbytes(random.choice((0, 1, 100, 5000, 70000))))
            tcp.recv(100)
    except OSError:
        pass
silent = [socket.create_connection((target, 7600), 1) for _ in range(30)]
time.sleep(2)
"""


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster()
    made.bring_up("node1")
    return made


def daemons(cluster):
    return {(name, program): cluster.processes(name, program) for name in cluster.lab.nodes
            for program in ("evenkeel-hold", "evenkeeld", "evenkeel-fs")}


def test_garbage_on_every_port(cluster):
    primary = cluster.wait_pair(seconds=40)
    before = daemons(cluster)
    assert all(len(pids) == 1 for pids in before.values())
    clients = harness.Clients(cluster, pause=10)
    clients.wait_served()
    throwers = [cluster.lab.gateway.popen([sys.executable, "-c", GARBAGE, node.address("client"), number])
                for number, node in enumerate(cluster.lab.nodes.values())]
    for each in throwers:
        assert each.wait(30) == 0
    clients.wait_served(nodes=[primary])
    requests = clients.stop()
    assert daemons(cluster) == before, "a process ended"
    assert cluster.wait_pair(primary, 10) == primary
    assert not workload.errors(requests) and not workload.broken(requests)
    counters = cluster.node(primary).run(["evenkeel", "status", "--json"]).stdout
    assert '"garbage"' in counters
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


def preface(version=1, kind=1, node=1, module=b"counter"):
    return b"EVKL" + struct.pack(">HHB7x", version, kind, node) + module.ljust(64, b"\0")


ASK = r"""
import socket, sys
with socket.create_connection((sys.argv[1], 7600), 2) as tcp:
    tcp.settimeout(5); tcp.sendall(bytes.fromhex(sys.argv[2])); print(tcp.recv(8).hex())
"""


def ask(cluster, node, head):
    done = cluster.lab.gateway.run([sys.executable, "-c", ASK, cluster.node(node).address("client"), head.hex()])
    return bytes.fromhex(done.stdout.strip())


def test_another_protocol_version(cluster):
    """A stream of another version is answered with ours and status 1, and a sentence in the log."""
    primary = cluster.wait_pair(seconds=40)
    second = cluster.other(primary)
    answer = ask(cluster, second, preface(version=99))
    magic, version, status = struct.unpack(">4sHH", answer)
    assert (magic, version, status) == (b"EVKL", 1, 1)
    harness.wait_for("the log says so", lambda: any("version" in event["sentence"] for event in cluster.events(second)), 5)
    assert struct.unpack(">4sHH", ask(cluster, second, preface(module=b"nosuch")))[2] == 2


def test_negative_control_right_version(cluster):
    """The right version is let in as far as TLS: the answer is another one than above."""
    second = cluster.other(cluster.wait_pair(seconds=40))
    assert struct.unpack(">4sHH", ask(cluster, second, preface()))[2] != 1


# Runs in the gateway: for so many seconds connections with a right preface, and then garbage, nothing, or a foreign certificate.
RIGHT_PREFACE = r"""
import os, socket, ssl, sys, threading, time
target, head, name, seconds = sys.argv[1], bytes.fromhex(sys.argv[2]), sys.argv[3], float(sys.argv[4])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
context.load_cert_chain(name + ".pem", name + ".key")
end, let_in, silent = time.monotonic() + seconds, [0, 0, 0], []

def call(kind):
    tcp = socket.create_connection((target, 7600), 2)
    tcp.settimeout(2); tcp.sendall(head)
    let_in[kind] += tcp.recv(8)[7] == 0
    return tcp

def garbage():
    with call(0) as tcp:
        tcp.sendall(os.urandom(5000)); tcp.recv(100)

def nothing():
    silent.append(call(1))
    if len(silent) > 50: silent.pop(0).close()

def foreign():
    with call(2) as tcp, context.wrap_socket(tcp) as tls:
        tls.sendall(bytes(64)); tls.recv(64)

def run(act):
    while time.monotonic() < end:
        try:
            act()
        except (OSError, IndexError):
            pass
        time.sleep(0.005)

threads = [threading.Thread(target=run, args=[act]) for act in (garbage, nothing, foreign)]
for each in threads: each.start()
for each in threads: each.join()
print(*let_in)
"""


def foreign_keys(cluster, name):
    """A certificate of nobody's authority, for a node's name. Gives the path without .pem and .key."""
    path = str(cluster.folder / "foreign")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", f"{path}.key", "-out", f"{path}.pem"], check=True, capture_output=True)
    return path


def longest_silence(requests, begin_ns, end_ns):
    """Seconds without any acknowledgement, between two moments."""
    answered = sorted(each.sent_ns for each in requests if each.outcome == "ok" and begin_ns < each.sent_ns < end_ns)
    moments = [begin_ns, *answered, end_ns]
    return max(after - before for before, after in zip(moments, moments[1:])) / 1e9


def test_right_preface_and_then_a_stranger(cluster):
    """Whoever gets as far as TLS proves himself beside the stream: it stays, and so do primary and secondary."""
    primary = cluster.wait_pair(seconds=40)
    second = cluster.other(primary)
    keys = foreign_keys(cluster, primary)
    clients = harness.Clients(cluster, pause=2)
    clients.wait_served()
    clients.wait_busy()
    marks = {name: len(cluster.events(name)) for name in cluster.lab.nodes}
    begin_ns = time.time_ns()
    done = cluster.lab.gateway.run([sys.executable, "-c", RIGHT_PREFACE, cluster.node(second).address("client"),
                                    preface(node=cluster.node(primary).number).hex(), keys, "6"])
    end_ns = time.time_ns()
    let_in = [int(word) for word in done.stdout.split()]
    assert all(count > 50 for count in let_in), f"too few strangers got past the preface to prove anything: {let_in}"
    assert cluster.states() == {primary: "PRIM Ready", second: "SECOND Ready"}
    requests = clients.stop()
    silence = longest_silence(requests, begin_ns, end_ns)
    assert silence < 1, f"nothing was acknowledged for {silence:.2f} s"
    assert not workload.errors(requests) and not workload.broken(requests)
    new = [event for name in cluster.lab.nodes for event in cluster.events(name)[marks[name]:]]
    others = [event["sentence"] for event in new if event["id"] not in ("fs.notice", "stream.foreign")]
    assert not others, f"something happened that is worth an event: {others}"
    assert len(new) < 10, f"each stranger must not be an event: {len(new)}"
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


FOREIGN = r"""
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
context.load_cert_chain(sys.argv[3] + ".pem", sys.argv[3] + ".key")
with socket.create_connection((sys.argv[1], 7600), 2) as tcp:
    tcp.settimeout(5); tcp.sendall(bytes.fromhex(sys.argv[2]))
    status = tcp.recv(8)[7]
    if status: sys.exit(f"preface refused with {status}")
    try:
        with context.wrap_socket(tcp) as tls:
            tls.sendall(b"\0" * 64); print("data:", tls.recv(64).hex())
    except ssl.SSLError as error:
        print("tls:", error)
    except OSError as error:
        print("closed:", error)
"""


def test_foreign_certificate(cluster):
    """A peer with a certificate of another authority, named like the primary: not let in, and the pair stays."""
    primary = cluster.wait_pair(seconds=40)
    second = cluster.other(primary)
    name = foreign_keys(cluster, primary)
    number = cluster.node(primary).number
    done = cluster.lab.gateway.run([sys.executable, "-c", FOREIGN, cluster.node(second).address("client"),
                                    preface(node=number).hex(), name], check=False)
    assert "data: " not in done.stdout or done.stdout.strip() == "data:", f"a foreigner got an answer: {done.stdout}"
    assert cluster.wait_pair(primary, 20) == primary
    harness.wait_for("no event says that a certificate was refused", lambda: any(
        "certificate" in event["sentence"] for event in cluster.events(second) if event["id"] == "fs.notice"), 5)
