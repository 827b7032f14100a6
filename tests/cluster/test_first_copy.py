"""The first copy of much data over a slow network, interrupted: it goes on where it was, and leaves no halves behind.

Meanwhile the application makes files in a directory that hands an ACL down, on one side before the other knows of it.
"""
import os
import signal
import struct

import harness
import pytest

pytestmark = pytest.mark.deadline(150)
FILES, FILE_MIB = 8, 8
NOBODY = 0xffffffff


def default_acl(user):
    entries = (1, 7, NOBODY), (2, 7, user), (4, 5, NOBODY), (0x10, 7, NOBODY), (0x20, 0, NOBODY)
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster()
    made.node("node1").run(["sh", "-c", f"cd /srv/counter && for i in $(seq {FILES}); do "
                                        f"dd if=/dev/urandom of=f$i bs=1M count={FILE_MIB} 2>/dev/null; done"])
    made.node("node2").run(["sh", "-c", "echo mine > /srv/counter/of-node2"])
    folder = f"{made.underneath('node1')}/handed down"
    os.mkdir(folder)
    os.setxattr(folder, "system.posix_acl_default", default_acl(1234))
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
        cluster.node("node1").run(["sh", "-c", f"cd '/srv/counter/handed down' && echo x > {wanted} && "
                                               f"mkdir d{wanted} && echo x > d{wanted}/x && chmod 660 {wanted}"])
        pid, = cluster.processes("node2", "evenkeel-fs")
        os.kill(pid, signal.SIGKILL)
        harness.wait_for("nothing is copied any more", lambda: copied_mib(cluster) >= wanted, 5)
    for link in ("hb1", "hb2", "client"):
        cluster.lab.cap(link, "off")
    cluster.wait_pair("node1", 40)
    kept = cluster.node("node2").run(["sh", "-c", "cd /run/underneath/counter/.evenkeel/kept && find . -type f"]).stdout
    assert [line.split("/")[-1] for line in kept.splitlines()] == ["of-node2"], f"kept: {kept}"
    cluster.node("node1").run(["sh", "-c", "cd '/srv/counter/handed down' && echo x > paired && mkdir d8/paired"])
    cluster.assert_equal()
