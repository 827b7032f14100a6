"""Who watches sees each change as it happens: `status -w` and subscribers of admin.sock, through a failover and a kill
of evenkeeld.

    evenkeel status -w --json (node2) --- admin.sock --- evenkeeld (node2) --- beats --- node1 PRIM, which is killed
"""
import json
import signal
import socket
import threading
import time

import harness
import pytest

pytestmark = pytest.mark.deadline(150)


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster()
    made.bring_up("node1")
    return made


class Watcher:
    """What `status -w --json` prints, each status with the time when it came. A line without one says why there is none now."""

    def __init__(self, cluster, name):
        self.module, self.seen = cluster.module, []
        self.process = cluster.node(name).popen(["evenkeel", "status", "-w", "--json"], stdout=-1, stderr=-3, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "modules" in said:
                self.seen.append((time.monotonic(), said))
            else:
                assert said["ok"] is False and said["sentence"], said

    def states(self, since=0.0):
        found = []
        for at, status in list(self.seen):
            module = next(each for each in status["modules"] if each["name"] == self.module)
            shown = f"{module['state']} {module['readiness']}"
            if at >= since and (not found or found[-1] != shown):
                found.append(shown)
        return found

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def watcher(cluster):
    cluster.wait_pair()
    made = Watcher(cluster, "node2")
    yield made
    made.close()


def test_a_watcher_sees_the_takeover_and_what_is_now(cluster, watcher):
    harness.wait_for("the first status", lambda: watcher.seen, 5)
    cluster.wait_pair("node1")
    at = time.monotonic()
    cluster.node("node1").kill()
    cluster.wait_state("node2", "ALONE Ready")
    harness.wait_for("the takeover is seen", lambda: watcher.states(at)[-1:] == ["ALONE Ready"], 2)
    assert watcher.states(at)[0] == "SECOND Ready"
    assert len(watcher.states(at)) > 2, "steps between were not seen"
    status = json.loads(cluster.say("node2", "status", "--json").stdout)
    last = watcher.seen[-1][1]
    assert {key: last[key] for key in last if key != "counters"}.keys() == \
        {key: status[key] for key in status if key != "counters"}.keys()
    harness.wait_for("who is heard is seen", lambda: watcher.seen[-1][1]["nodes"] == json.loads(
        cluster.say("node2", "status", "--json").stdout)["nodes"], 5)
    cluster.boot("node1")
    cluster.wait_pair("node2", seconds=45)
    harness.wait_for("the pair is seen", lambda: watcher.states(at)[-1] == "PRIM Ready", 2)


def test_a_watcher_is_told_when_evenkeeld_is_killed_and_goes_on(cluster, watcher):
    harness.wait_for("the first status", lambda: watcher.seen, 5)
    [pid] = cluster.processes("node2", "evenkeeld")
    at = time.monotonic()
    cluster.node("node2").signal(pid, signal.SIGKILL)
    harness.wait_for("a status of its successor", lambda: [each for each in watcher.seen if each[0] > at + 1], 10)
    assert watcher.states(at)[-1] == cluster.state("node2")


def test_many_subscribers_and_ones_who_never_read(cluster):
    """40 connections, half of which do not read: the others hear every second, and commands are answered."""
    cluster.wait_pair()
    path = f"/proc/{cluster.node('node2').state['init']['pid']}/root/run/evenkeel/admin.sock"
    clients = []
    for _ in range(40):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(path)
        client.sendall(b'{"command":"subscribe"}\n')
        client.settimeout(5)
        clients.append(client)
    for client in clients[::2]:
        lines = client.makefile("r")
        first, second = json.loads(lines.readline()), json.loads(lines.readline())
        assert first["type"] == "snapshot" and first["modules"][0]["name"] == cluster.module
        assert second["type"] in ("alive", "changes")
    assert cluster.state("node2") in ("PRIM Ready", "SECOND Ready")
    for client in clients:
        client.close()
