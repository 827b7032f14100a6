"""The first copy of much data over a slow network, interrupted: it goes on where it was, and leaves no halves behind."""
import os
import signal

import harness
import pytest

pytestmark = pytest.mark.deadline(150)
FILES, FILE_MIB = 8, 8


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster()
    made.node("node1").run(["sh", "-c", f"cd /srv/counter && for i in $(seq {FILES}); do "
                                        f"dd if=/dev/urandom of=f$i bs=1M count={FILE_MIB} 2>/dev/null; done"])
    made.node("node2").run(["sh", "-c", "echo mine > /srv/counter/of-node2"])
    return made


def copied_mib(cluster):
    text = cluster.node("node2").run(["sh", "-c", "cd /run/underneath/counter && cat f* 2>/dev/null | wc -c"]).stdout
    return int(text) >> 20


def test_interrupted_first_copy(cluster):
    for link in ("hb1", "hb2", "client"):
        cluster.lab.cap(link, "100mbit")
    for name in cluster.lab.nodes:
        cluster.say(name, "start", cluster.module)
        cluster.wait_state(name, "WAIT NotReady", "WAIT Ready", "WAIT Transient")
    cluster.say("node1", "prim", cluster.module)
    for wanted in (8, 24):
        harness.wait_for(f"{wanted} MiB are not copied", lambda: copied_mib(cluster) >= wanted, 30)
        pid, = cluster.processes("node2", "evenkeel-fs")
        os.kill(pid, signal.SIGKILL)
        harness.wait_for("nothing is copied any more", lambda: copied_mib(cluster) >= wanted, 5)
    for link in ("hb1", "hb2", "client"):
        cluster.lab.cap(link, "off")
    cluster.wait_pair("node1", 40)
    kept = cluster.node("node2").run(["sh", "-c", "cd /run/underneath/counter/.evenkeel/kept && find . -type f"]).stdout
    assert [line.split("/")[-1] for line in kept.splitlines()] == ["of-node2"], f"kept: {kept}"
    cluster.assert_equal()
