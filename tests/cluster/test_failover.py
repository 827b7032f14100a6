"""The primary's node dies in three ways, 16 writers at work: service moves, nothing acknowledged is missing, one writer.

    clients --> address (node1 PRIM) ====> node2 SECOND          then node1 is killed, crashes, or freezes
"""
import time

import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(150)
RETURN_SECONDS = 45


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster()
    made.bring_up("node1")
    return made


def test_power_cut(cluster):
    clients, sniffer, lost, other, at_ns = harness.lose_primary(cluster, "kill")
    cluster.boot(lost)
    harness.judge_failover(cluster, clients, sniffer, lost, other, at_ns)
    move = cluster.status(other)["last_move"]
    assert "began to serve: the other node is silent" in move, move


def test_crash_of_all_processes(cluster):
    """The node's network stack still answers for a while: the address must not be in two places."""
    clients, sniffer, lost, other, at_ns = harness.lose_primary(cluster, "crash")
    cluster.boot(lost)
    harness.judge_failover(cluster, clients, sniffer, lost, other, at_ns)


def test_frozen_node_wakes_up(cluster):
    """A primary that is mute on every network, and alive: no second writer when it wakes."""
    clients, sniffer, lost, other, at_ns = harness.lose_primary(cluster, "freeze")
    cluster.node(lost).thaw()
    harness.judge_failover(cluster, clients, sniffer, lost, other, at_ns)


def test_secondary_lost(cluster):
    """The secondary's node dies: the primary goes on alone, and says so; applications see no error."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    second = cluster.other(primary)
    clients = harness.Clients(cluster)
    clients.wait_served()
    at_ns = time.time_ns()
    cluster.node(second).kill()
    cluster.wait_state(primary, "ALONE Ready")
    clients.wait_served(nodes=[primary])
    assert workload.in_flight(clients.requests(), at_ns) > 0
    cluster.boot(second)
    cluster.wait_pair(primary, RETURN_SECONDS)
    requests = clients.stop()
    assert not workload.errors(requests) and not workload.broken(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


def test_swap(cluster):
    """A planned move: nothing missing, no error of the application, and back again."""
    for _ in range(2):
        old = cluster.wait_pair(seconds=RETURN_SECONDS)
        sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster)
        clients.wait_served()
        cluster.say(cluster.other(old), "swap", cluster.module)
        new = cluster.wait_pair(cluster.other(old), RETURN_SECONDS)
        clients.wait_served(nodes=[new])
        requests, packets = clients.stop(), sniffer.stop()
        assert [node for node, *_ in packets] == [old, new]
        assert not workload.errors(requests)
        cluster.assert_nothing_missing(requests)
        cluster.assert_equal()


def test_stop_and_start(cluster):
    """Stopped, the directory is plain on both nodes; started, the pair finds itself without a question."""
    cluster.wait_pair(seconds=RETURN_SECONDS)
    clients = harness.Clients(cluster)
    clients.wait_served()
    requests = clients.stop()
    primary = cluster.primary()
    cluster.say(cluster.other(primary), "stop", cluster.module)
    cluster.wait_state(cluster.other(primary), "STOP NotReady", "STOP Ready", "STOP Transient")
    cluster.say(primary, "stop", cluster.module)
    cluster.wait_state(primary, "STOP NotReady", "STOP Ready", "STOP Transient")
    for name in cluster.lab.nodes:
        mounts = cluster.node(name).run(["cat", "/proc/mounts"]).stdout
        assert " /srv/counter " not in mounts, f"still mounted on {name}"
        assert not workload.find_missing(requests, cluster.underneath(name))
        cluster.say(name, "start", cluster.module)
    cluster.wait_pair(seconds=RETURN_SECONDS)
    cluster.assert_equal()
