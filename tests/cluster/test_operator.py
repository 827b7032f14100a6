"""Arbiter `operator`: nobody goes on without a person. All cables pulled: never two writers; and stale never serves."""
import time

import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(180)
RETURN_SECONDS = 45


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(arbiter="operator")
    made.bring_up("node1")
    return made


def test_all_links_pulled(cluster):
    """The primary's cables: it holds its answers, the secondary waits for a person and says so; healed, it goes on, with
    the same session: nothing was recorded, no copy is compared."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    before = cluster.status(primary)
    other = cluster.other(primary)
    sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster)
    clients.wait_served()
    at_ns = time.time_ns()
    for link in ("client", "hb1", "hb2"):
        cluster.lab.pull(link, primary)
    harness.wait_for("eight seconds", lambda: time.time_ns() > at_ns + 8 * 10**9, 12)
    assert not cluster.state(other).startswith(("PRIM", "ALONE")), "nobody was asked"
    assert "prim" in str(cluster.status(other)["to_do"]), "the secondary must say what a person can do"
    cluster.lab.heal()
    now = cluster.wait_pair(seconds=RETURN_SECONDS)
    clients.wait_served(nodes=[now])
    requests, packets = clients.stop(), sniffer.stop()
    assert now == primary
    after = cluster.status(primary)
    assert (after["epoch"], after["generation"]) == (before["epoch"], before["generation"]), "the other copy was dropped"
    assert [node for node, *_ in packets] == [primary]
    assert not workload.errors(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


def test_person_decides_while_cut(cluster):
    """A person makes the secondary primary while the old one is cut off: one writer before, one after, none between."""
    lost = cluster.wait_pair(seconds=RETURN_SECONDS)
    other = cluster.other(lost)
    sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster)
    clients.wait_served()
    for link in ("client", "hb1", "hb2"):
        cluster.lab.pull(link, lost)
    harness.wait_for("the secondary sees that its peer is gone", lambda: not cluster.status(other)["peer_heard"], 10)
    refused = cluster.say(other, "prim", cluster.module, check=False)
    if refused.returncode != 0:
        assert "--force" in refused.stdout + refused.stderr
        cluster.say(other, "prim", "--force", cluster.module)
    clients.wait_served(nodes=[other], seconds=20)
    cluster.lab.heal()
    cluster.wait_pair(other, RETURN_SECONDS)
    clients.wait_served(nodes=[other])
    requests, packets = clients.stop(), sniffer.stop()
    cluster.assert_writer_moved(requests, packets, lost, other)


def test_old_primary_started_first(cluster):
    """The other went on without it, then both stopped: started first, alone, it stays WAIT and says why and what to do."""
    old = cluster.wait_pair(seconds=RETURN_SECONDS)
    new = cluster.other(old)
    clients = harness.Clients(cluster)
    clients.wait_served()
    cluster.node(old).kill()
    harness.wait_for("the secondary sees that its peer is gone", lambda: not cluster.status(new)["peer_heard"], 10)
    cluster.say(new, "prim", "--force", cluster.module)
    clients.wait_served(nodes=[new], seconds=20)
    requests = clients.stop()
    cluster.node(new).kill()

    cluster.boot(old)
    cluster.wait_state(old, "WAIT NotReady", "WAIT Transient")
    at_ns = time.time_ns()
    harness.wait_for("six seconds", lambda: time.time_ns() > at_ns + 6 * 10**9, 10)
    status = cluster.status(old)
    assert status["state"] == "WAIT"
    assert "other node" in status["now"] and "start the other node" in status["to_do"], f"does not say why and what to do: {status}"
    refused = cluster.say(old, "prim", cluster.module, check=False)
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0 and "--force" in said and any(word in said for word in ("lost", "lose", "miss", "set aside")), said
    assert cluster.state(old).startswith("WAIT")

    cluster.boot(new)
    harness.wait_for("someone serves or asks", lambda: cluster.state(new) != "off", 20)
    if not cluster.state(new).startswith(("PRIM", "ALONE")):
        cluster.say(new, "prim", cluster.module, check=False)
    cluster.wait_pair(new, RETURN_SECONDS)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()
