"""A cluster whose nodes know each other by IPv6 alone: beats, stream, ping target, service address."""
import json
import time

import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(150)
FAILOVER_SECONDS, RETURN_SECONDS = 15, 45


def take_ipv4_away(cluster, name):
    for interface in ("hb1", "hb2", "eth0"):
        cluster.node(name).run(["ip", "-4", "address", "flush", "dev", interface])


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(family=6, address=harness.ADDRESS6)
    for name in made.lab.nodes:
        take_ipv4_away(made, name)
    made.bring_up("node1")
    return made


def test_is_shown(cluster):
    """`status` and `cluster list` name addresses as people write them, and each network is heard."""
    whole = json.loads(cluster.node("node1").run(["evenkeel", "status", "--json"]).stdout)
    shown = {node["name"]: node["addresses"] for node in whole["nodes"]}
    assert [each["address"] for each in shown["node2"]] == ["fd00:77:1::2", "fd00:77:2::2", "fd00:77:3::2"]
    assert all(each["is_up"] for each in shown["node2"])
    assert whole["arbiter"]["target"] == "fd00:77:3::fe" and whole["arbiter"]["is_reachable"]
    assert "fd00:77:1::1 fd00:77:2::1 fd00:77:3::1" in cluster.say("node1", "cluster", "list").stdout
    assert harness.ADDRESS6 in cluster.say("node1", "module", "list").stdout


def test_power_cut(cluster):
    """The arbiter's target answers over IPv6, the stream and the beats go over it: the other node takes over."""
    lost = cluster.wait_pair(seconds=RETURN_SECONDS)
    other = cluster.other(lost)
    sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster)
    clients.wait_served()
    clients.wait_busy()
    at_ns = time.time_ns()
    cluster.node(lost).kill()
    clients.wait_served(at_ns, FAILOVER_SECONDS, [other])
    cluster.wait_state(other, "ALONE Ready")
    cluster.boot(lost)
    take_ipv4_away(cluster, lost)
    cluster.wait_pair(other, RETURN_SECONDS)
    clients.wait_served(nodes=[other])
    requests, packets = clients.stop(), sniffer.stop()
    assert workload.in_flight(requests, at_ns) > 0
    assert [node for node, *_ in packets] == [lost, other]
    assert not workload.errors(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


def test_networks_cut_one_by_one(cluster):
    """One network is enough; applications notice nothing."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    clients = harness.Clients(cluster)
    clients.wait_served()
    for link in ("hb1", "hb2"):
        cluster.lab.cut(link)
        clients.wait_served(time.time_ns() + 3 * 10**9)
    cluster.wait_pair(primary, RETURN_SECONDS)
    cluster.lab.heal()
    requests = clients.stop()
    assert not workload.errors(requests) and not workload.broken(requests)
    cluster.assert_nothing_missing(requests)


def test_target_is_lost(cluster):
    """The ping target falls silent: said beforehand, with its address."""
    cluster.wait_pair(seconds=RETURN_SECONDS)
    cluster.lab.gateway.run(["ip", "-6", "address", "del", "fd00:77:3::fe/64", "dev", "eth0"])
    try:
        def is_said():
            status = json.loads(cluster.node("node1").run(["evenkeel", "status", "--json"]).stdout)
            return "fd00:77:3::fe does not answer" in status["arbiter"]["promise"]
        harness.wait_for("nobody says that the target is lost", is_said, 20)
    finally:
        cluster.lab.gateway.run(["ip", "address", "add", "fd00:77:3::fe/64", "dev", "eth0", "nodad"])


def test_control_ipv4_reaches_nobody(cluster):
    """Without this, the cases above could go over IPv4."""
    for name in cluster.lab.nodes:
        assert not cluster.node(name).run(["ip", "-4", "-o", "address", "show", "scope", "global"]).stdout
    assert cluster.node("node2").run(["ping", "-c", "1", "-W", "1", "10.77.3.1"], check=False).returncode != 0
