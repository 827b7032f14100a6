"""Heartbeat datagrams of all lives of both nodes, recorded by somebody without a key and sent again: they mean nothing (R21)."""
import pathlib
import signal
import subprocess
import sys
import time

import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(150)
REPLAYER = pathlib.Path(__file__).resolve().parent / "replayer.py"
LIVES, PLAY_SECONDS = 2, 4


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(arbiter="ping")
    made.bring_up("node1")
    return made


def on_switch(cluster, *words, **options):
    pid = cluster.lab.state["switch"]["pid"]
    return subprocess.Popen(["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, REPLAYER, *map(str, words)],
                            stdin=subprocess.DEVNULL, **options)


class Recorder:
    def __init__(self, cluster):
        self.cluster, self.path = cluster, cluster.folder / "beats"
        self.process = on_switch(cluster, "record", self.path)

    def size(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def wait_more(self):
        """So much that there are beats of each node over each network, of the life that runs now."""
        begin = self.size()
        harness.wait_for("datagrams are recorded", lambda: self.size() > begin + 20_000, 10)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(5) == 0

    def play(self, seed, seconds=PLAY_SECONDS):
        return on_switch(self.cluster, "play", self.path, seconds, seed, stdout=subprocess.PIPE, text=True)


def played(process):
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and int(out) > 300, "too few were played to prove anything"


def kill_daemons(cluster):
    """Both at once: what is still on its way is heard by the lives that follow."""
    pids = [pid for name in cluster.lab.nodes for pid in cluster.processes(name, "evenkeeld")]
    for pid in pids:
        cluster.node("node1").signal(pid, signal.SIGKILL)


def event_counts(cluster):
    return {name: len(cluster.events(name)) for name in cluster.lab.nodes}


def new_events(cluster, marks):
    ids = [event["id"] for name in cluster.lab.nodes for event in cluster.events(name)[marks[name]:]]
    return [each for each in ids if each != "mesh.foreign"]


def test_recorded_and_played_again(cluster):
    """While all is well they are not even an event; a failover comes in its time while they are played."""
    primary = cluster.wait_pair(seconds=40)
    recorder = Recorder(cluster)
    recorder.wait_more()
    for _ in range(LIVES - 1):
        kill_daemons(cluster)
        cluster.wait_pair(primary, 20)
        recorder.wait_more()
    recorder.stop()
    before = event_counts(cluster)
    kill_daemons(cluster)                  # none of the recorded lives is alive
    cluster.wait_pair(primary, 20)
    harness.wait_for("every network is heard", lambda: new_events(cluster, before).count("mesh.link_up") == 6, 20)
    clients = harness.Clients(cluster)
    clients.wait_served()
    marks = event_counts(cluster)
    played(recorder.play(1))
    assert not new_events(cluster, marks), "old datagrams were worth an event"
    assert cluster.wait_pair(primary, 1) == primary
    clients.wait_served(nodes=[primary])
    other = cluster.other(primary)
    playing = recorder.play(2, 8)
    at_ns = time.time_ns()
    cluster.node(primary).kill()
    clients.wait_served(at_ns, harness.FAILOVER_SECONDS, [other])
    cluster.wait_state(other, "ALONE Ready")
    played(playing)
    cluster.boot(primary)
    cluster.wait_pair(other, harness.RETURN_SECONDS)
    requests = clients.stop()
    assert [node for node, *_ in workload.tenures(requests)] == [primary, other]
    assert not workload.errors(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()
