"""Networks that let some things pass: large packets are lost, or heartbeats. The pair goes on, and says what is wrong."""
import time

import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(150)
HOLE_BYTES = 1400
BIG = "dd if=/dev/urandom of=/srv/counter/big bs=256k count=32 conv=fsync status=none"


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(arbiter="ping")
    made.bring_up("node1")
    return made


def marks_of(cluster):
    return {name: len(cluster.events(name)) for name in cluster.lab.nodes}


def ids_since(cluster, marks):
    return [event["id"] for name in cluster.lab.nodes for event in cluster.events(name)[marks[name]:]]


def test_large_packets_are_lost_on_network_1(cluster):
    """A switch or a VPN with a smaller MTU: small packets pass, so HELLO does. The session goes over another network."""
    primary = cluster.wait_pair(seconds=40)
    clients = harness.Clients(cluster)
    clients.wait_served()
    marks = marks_of(cluster)
    cluster.lab.hole("hb1", HOLE_BYTES)
    cluster.node(primary).run(["sh", "-c", BIG], seconds=40)
    cluster.wait_pair(primary, 40)
    said = ids_since(cluster, marks)
    assert said.count("module.alone") <= 1, f"the pair broke again and again: {said}"
    assert "module.takeover" not in said
    clients.wait_served(nodes=[primary])
    requests = clients.stop()
    cluster.lab.heal()
    assert not workload.errors(requests) and not workload.broken(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


def test_heartbeats_are_filtered(cluster):
    """UDP passes on no network, TCP does: the stream, which lives, contradicts the silence. A warning, and the pair stays."""
    primary = cluster.wait_pair(seconds=40)
    second = cluster.other(primary)
    clients = harness.Clients(cluster)
    clients.wait_served()
    marks, epoch = marks_of(cluster), cluster.status(primary)["epoch"]
    cluster.lab.filter("meta l4proto udp")
    harness.wait_for("both nodes say so", lambda: ids_since(cluster, marks).count("mesh.streamed") == 2, 20)
    clients.wait_busy(time.time_ns(), 300)
    assert cluster.states() == {primary: "PRIM Ready", second: "SECOND Ready"}
    said = cluster.say(second, "swap", "counter", check=False)      # the stream would end, and nobody serve
    assert said.returncode != 0 and "stream" in said.stdout + said.stderr
    assert cluster.wait_pair(primary, 1) == primary
    cluster.lab.heal()
    harness.wait_for("heartbeats pass again", lambda: ids_since(cluster, marks).count("mesh.streamed_over") == 2, 30)
    clients.wait_served(nodes=[primary])
    requests = clients.stop()
    said = ids_since(cluster, marks)
    assert not {"module.held", "module.alone", "module.takeover", "peer.dropped"} & set(said), said
    assert cluster.status(primary)["epoch"] == epoch
    assert not workload.errors(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()
