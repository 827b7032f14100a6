"""The first start: a person says whose data counts; never automatic; nothing is deleted (R17, R12).

Both nodes hold data of their own when the module is started for the first time.
"""
import subprocess
import time

import harness
import pytest

pytestmark = pytest.mark.deadline(150)


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster()
    for name in made.lab.nodes:
        made.node(name).run(["sh", "-c", f"mkdir -p /srv/counter/d && echo of-{name} > /srv/counter/d/file && "
                                         f"echo only > '/srv/counter/only {name}' && ln /srv/counter/d/file /srv/counter/d/link"])
    return made


def test_both_have_data(cluster):
    for name in cluster.lab.nodes:
        cluster.say(name, "start", cluster.module)
    for name in cluster.lab.nodes:
        cluster.wait_state(name, "WAIT NotReady", "WAIT Transient", "WAIT Ready")
    at_ns = time.time_ns()
    harness.wait_for("five seconds", lambda: time.time_ns() > at_ns + 5 * 10**9, 10)
    for name in cluster.lab.nodes:
        status = cluster.status(name)
        assert status["state"] == "WAIT", "a first primary is never chosen automatically"
        assert "prim" in status["to_do"], f"does not say what to do: {status}"
    cluster.say("node1", "prim", cluster.module)
    cluster.wait_pair("node1", 40)
    cluster.assert_equal()
    text = cluster.node("node2").run(["cat", "/srv/counter/d/file"]).stdout
    assert text == "of-node1\n", "the secondary shows the primary's data"


def test_losing_tree_is_kept(cluster):
    """What node2 had is set aside whole, never deleted."""
    kept = cluster.node("node2").run(["sh", "-c", "cd /run/underneath/counter/.evenkeel && find . -type f -exec grep -l . {} +"]).stdout
    assert "only node2" in kept, f"the tree of node2 is not kept: {kept}"
    found = cluster.node("node2").run(["sh", "-c", "cat /run/underneath/counter/.evenkeel/kept/*/d/file"]).stdout
    assert "of-node2" in found


def test_secondary_is_read_only(cluster):
    done = cluster.node("node2").run(["sh", "-c", "echo x > /srv/counter/new"], check=False)
    assert done.returncode != 0 and "Read-only file system" in done.stderr, done.stderr
    assert cluster.node("node2").run(["cat", "/srv/counter/d/link"]).stdout == "of-node1\n"


def test_two_persons_decide_at_once(make_cluster):
    """`prim` on both nodes: one wins; on the other the command ends soon, says who serves, and what to do."""
    made = make_cluster()
    for name in made.lab.nodes:
        made.say(name, "start", made.module)
    for name in made.lab.nodes:
        made.wait_state(name, "WAIT NotReady", "WAIT Transient", "WAIT Ready")
    words = {name: made.node(name).popen(["evenkeel", "prim", made.module], stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True) for name in made.lab.nodes}
    primary = made.wait_pair(seconds=40)
    said = {name: word.communicate(timeout=20) + (word.returncode,) for name, word in words.items()}
    assert said[primary][2] == 0, said
    _, complaint, code = said[made.other(primary)]
    assert code != 0 and f"primary on {primary}" in complaint and "evenkeel swap" in complaint, said
