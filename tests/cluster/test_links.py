"""Cables pulled. With the client network left, nothing happens but a warning; with nothing left, what status had announced.

    node1 --hb1-- node2      node1 --hb2-- node2      node1 --client network-- node2, gateway (ping target), clients
"""
import time

import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(150)
SILENCE_SECONDS = 2
RETURN_SECONDS = 45
ANNOUNCED_SECONDS = 10


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(arbiter="ping")
    made.bring_up("node1")
    return made


def pull(cluster, name, links):
    for link in links:
        cluster.lab.pull(link, name)


def assert_one_writer(cluster, requests, packets, expected):
    assert [node for node, *_ in workload.tenures(requests)] == expected
    assert [node for node, *_ in packets] == expected
    assert not workload.errors(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


@pytest.mark.parametrize("way", ["pull", "cut"])
def test_heartbeat_links_gone(cluster, way):
    """Both heartbeat networks: the client network still beats. Only a warning."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster)
    clients.wait_served()
    at_ns = time.time_ns()
    for link in ("hb1", "hb2"):
        cluster.lab.pull(link, primary) if way == "pull" else cluster.lab.cut(link)
    wait_warning(cluster, at_ns)
    until_ns = at_ns + 4 * SILENCE_SECONDS * 10**9      # well beyond what would kill a node
    clients.wait_served(until_ns, 30, [primary])
    assert cluster.state(primary).startswith(("PRIM", "ALONE"))
    cluster.lab.heal()
    cluster.wait_pair(primary, RETURN_SECONDS)
    requests, packets = clients.stop(), sniffer.stop()
    assert not workload.broken(requests)
    assert_one_writer(cluster, requests, packets, [primary])


def wait_warning(cluster, after_ns):
    def is_said():
        return any(event.get("severity") in ("warning", "error") and "link" in json_of(event)
                   for name in cluster.lab.nodes for event in cluster.events(name)[-30:])
    harness.wait_for("no node says that links are down", is_said, 15)


def json_of(event):
    return " ".join(str(value) for value in event.values()).lower()


def wait_announced(cluster, name):
    """The case before may have ended with a cable put back: the target's next answer is a second or two away (ARP)."""
    try:
        harness.wait_for("", lambda: "this node takes over" in cluster.status(name)["if_dies"], ANNOUNCED_SECONDS)
    except harness.LabError:
        raise AssertionError(f"status of {name} announces: {cluster.status(name)['if_dies']}") from None


@pytest.mark.parametrize("way", ["pull", "cut"])
def test_primary_cut_off_with_ping(cluster, way):
    """Everything pulled at the primary. The other reaches the gateway: it takes over, as status had announced."""
    lost = cluster.wait_pair(seconds=RETURN_SECONDS)
    other = cluster.other(lost)
    wait_announced(cluster, other)
    sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster)
    clients.wait_served()
    at_ns = time.time_ns()
    for link in ("client", "hb1", "hb2"):
        cluster.lab.pull(link, lost) if way == "pull" else cluster.lab.cut(link, lost)
    clients.wait_served(at_ns, 20, [other])
    cluster.lab.heal()
    cluster.wait_pair(other, RETURN_SECONDS)
    requests, packets = clients.stop(), sniffer.stop()
    cluster.assert_writer_moved(requests, packets, lost, other)


def test_secondary_cut_off_with_ping(cluster):
    """Everything pulled at the secondary: the primary goes on alone; the secondary cannot reach the gateway, and waits."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster)
    clients.wait_served()
    pull(cluster, cluster.other(primary), ("hb1", "hb2", "client"))
    cluster.wait_state(primary, "ALONE Ready")
    clients.wait_served(nodes=[primary])
    assert not cluster.state(cluster.other(primary)).startswith(("PRIM", "ALONE"))
    cluster.lab.heal()
    cluster.wait_pair(primary, RETURN_SECONDS)
    requests, packets = clients.stop(), sniffer.stop()
    assert not workload.broken(requests)
    assert_one_writer(cluster, requests, packets, [primary])
    told = [event["id"] for event in cluster.events(cluster.other(primary)) if event["id"].startswith("arbiter.")]
    assert "arbiter.unreachable" in told
    assert all(before != after for before, after in zip(told, told[1:])), f"said twice: {told}"


def test_one_way_link(cluster):
    """The primary hears nobody but is heard, on all networks for two seconds less margin: at most one writer."""
    old = cluster.wait_pair(seconds=RETURN_SECONDS)
    sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster)
    clients.wait_served()
    at_ns = time.time_ns()
    for link in ("hb1", "hb2", "client"):
        cluster.lab.cut(link, cluster.other(old), one_way=True)
    harness.wait_for("five seconds", lambda: time.time_ns() > at_ns + 5 * 10**9, 10)
    cluster.lab.heal()
    new = cluster.wait_pair(seconds=RETURN_SECONDS)
    clients.wait_served(nodes=[new])
    requests, packets = clients.stop(), sniffer.stop()
    if new != old:
        cluster.assert_writer_moved(requests, packets, old, new)
    else:
        assert_one_writer(cluster, requests, packets, [old])
