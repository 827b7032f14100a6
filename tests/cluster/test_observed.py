"""What a node believes of itself is looked at from outside (R23): a mount that somebody takes away, a disk that hangs
without an error, an evenkeel-fs that stands still. On a pair under load: what was acknowledged is there, the status says
what is so, and the service goes on wherever it can.
"""
import contextlib
import os
import pathlib
import signal

import harness
import pytest
from harness import wait_for

pytestmark = pytest.mark.deadline(240)
FOUND_SECONDS = 30     # disk_timeout is 5 s; what a busy machine adds
RETURN_SECONDS = 60


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster()
    made.bring_up("node1")
    return made


@contextlib.contextmanager
def frozen(cluster, name):
    """The disk of the data: every write waits, none fails."""
    cluster.node(name).run(["fsfreeze", "--freeze", "/srv"])
    try:
        yield
    finally:
        cluster.node(name).run(["fsfreeze", "--unfreeze", "/srv"])


@contextlib.contextmanager
def stopped(cluster, name):
    """evenkeel-fs stands still; it may be gone, or another one, when it would go on."""
    pids = cluster.processes(name, "evenkeel-fs")
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def words(cluster, name):
    found = cluster.status(name) or {}
    return " ".join(str(found.get(key, "")) for key in ("now", "if_dies", "to_do", "observed"))


def wait_said(cluster, name, *wanted, seconds=FOUND_SECONDS):
    """Until all of these stand in the node's status, or in its events."""
    def is_said():
        text = words(cluster, name) + " ".join(event["sentence"] for event in cluster.events(name))
        return all(each in text for each in wanted)
    try:
        wait_for("", is_said, seconds, every=0.2)
    except harness.LabError:
        raise AssertionError(f"{name} does not say {wanted}: {cluster.status(name)}") from None


def judge(cluster, clients):
    requests = clients.stop()
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


def hand_over(cluster, break_it):
    """The primary cannot serve any more: the other one does, nothing is missing, and the first returns as second."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    second = cluster.other(primary)
    clients = harness.Clients(cluster)
    clients.wait_served()
    clients.wait_busy(count=100)
    with break_it(cluster, primary):
        cluster.wait_state(second, "ALONE Ready", "PRIM Ready", seconds=FOUND_SECONDS)
        clients.wait_served(nodes=[second])
        wait_said(cluster, primary, "it takes over")
        assert cluster.state(primary).split()[0] in ("WAIT", "SECOND", "STOP"), cluster.status(primary)
    cluster.wait_pair(second, RETURN_SECONDS)
    clients.wait_served(nodes=[second])
    judge(cluster, clients)


@contextlib.contextmanager
def unmounted(cluster, name):
    cluster.node(name).run(["sh", "-c", "umount --lazy /srv/counter; echo here >/srv/counter/plain"])
    yield


@contextlib.contextmanager
def aborted(cluster, name):
    """The kernel ends the connection, as it does at a protocol error."""
    rows = cluster.node(name).run(["cat", "/proc/self/mountinfo"]).stdout.splitlines()
    (device,) = [row.split()[2] for row in rows if row.split()[4] == "/srv/counter" and " - fuse.evenkeel " in row]
    minor = device.split(":")[1]
    pathlib.Path(f"/sys/fs/fuse/connections/{minor}/abort").write_text("1", encoding="ascii")
    yield


def test_all_is_said(cluster):
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    for name in cluster.lab.nodes:
        wait_said(cluster, name, "observed", "mount, evenkeel-fs, disk (", "state disk (")
    wait_for(f"{primary} does not say what was observed on the other node",
             lambda: "mount, evenkeel-fs, disk (" in cluster.status(primary)["peer_observed"], FOUND_SECONDS)
    wait_said(cluster, primary, "takes over in about")


def test_mount_taken_away_from_the_primary(cluster):
    """What was written in the plain folder meanwhile is kept, and said, when that copy is brought up to date (R12, R13)."""
    first = cluster.wait_pair(seconds=RETURN_SECONDS)
    hand_over(cluster, unmounted)
    wait_said(cluster, first, "written here by hand and not on the primary, kept in .evenkeel/kept", "plain")
    assert "look into .evenkeel/kept" in cluster.status(first)["to_do"]


def test_connection_of_the_primary_aborted(cluster):
    hand_over(cluster, aborted)


def test_disk_of_the_primary_hangs(cluster):
    hand_over(cluster, frozen)


def test_server_of_the_primary_stands_still(cluster):
    hand_over(cluster, stopped)


def test_disk_of_the_second_hangs(cluster):
    """Writes wait for as long as disk_timeout says, and no longer; then for nobody."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    second = cluster.other(primary)
    clients = harness.Clients(cluster)
    clients.wait_served()
    clients.wait_busy(count=100)
    with frozen(cluster, second):
        cluster.wait_state(primary, "ALONE Ready", seconds=FOUND_SECONDS)
        clients.wait_served()
        wait_said(cluster, second, "the disk of the data does not answer")
        assert "is not up to date" in cluster.status(primary)["if_dies"]
        epoch = cluster.status(primary)["epoch"]
        clients.wait_busy(count=100)
        assert cluster.status(primary)["epoch"] == epoch, "no attempt while the disk there hangs"
    cluster.wait_pair(primary, RETURN_SECONDS)
    judge(cluster, clients)
