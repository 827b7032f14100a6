"""Negative controls: the judges of the cluster tests must turn red when a promise is broken on purpose.

    clients --- switch --- node1 (server by hand)
                     \\---- node2 (server by hand)          no Evenkeel runs here
"""
import sys
import time

import harness
import pytest
import workload


@pytest.fixture(scope="module")
def bare(make_cluster):
    """A lab without the product: two nodes that both serve the address when the test says so."""
    cluster = make_cluster(build=None, start=False)
    harness.make_module(cluster.folder / "lab" / "modules")
    cluster.open_underneath()
    return cluster


def with_prefix(address):
    return f"{address}/128" if ":" in address else f"{address}/24"


def serve_by_hand(cluster, name, address=harness.ADDRESS):
    node = cluster.node(name)
    node.run(["ip", "address", "add", with_prefix(address), "dev", "eth0"])
    announce(cluster, name, address)
    node.run(["env", f"EVENKEEL_ADDRESSES={address}", "/run/lab/modules/counter/bin/start_prim"])


def stop_by_hand(cluster, name, address=harness.ADDRESS):
    node = cluster.node(name)
    node.run(["/run/lab/modules/counter/bin/stop_prim"])
    node.run(["ip", "address", "del", with_prefix(address), "dev", "eth0"])


def test_judges_turn_red(bare):
    """Unreplicated: what was acknowledged by one node is missing on the other, and trees differ."""
    serve_by_hand(bare, "node1")
    clients = harness.Clients(bare)
    clients.wait_served()
    wait_count(clients, 500)
    requests = clients.stop()
    assert not workload.find_missing(requests, bare.underneath("node1")), "nothing is missing where it was written"
    assert len(workload.find_missing(requests, bare.underneath("node2"))) > 0
    assert any("only in the first tree" in line for line in bare.compare_trees())
    take_away(bare.underneath("node1"), requests)
    stop_by_hand(bare, "node1")


def wait_count(clients, count):
    harness.wait_for(f"{count} acknowledged requests", lambda: len(workload.acknowledged(clients.requests())) >= count, 20)


def take_away(folder, requests):
    """One row, one record, one file: each is missed, and nothing else."""
    numbers = {each.writer: each.number for each in workload.acknowledged(requests)}
    rows = f"{folder}/rows/w0"
    with open(rows, encoding="ascii") as file:
        lines = file.readlines()
    with open(rows, "w", encoding="ascii") as file:
        file.writelines(lines[:7] + lines[8:])
    place = numbers["w1"] % workload.PLACES
    with open(f"{folder}/table/w1", "r+b") as file:
        file.seek(place * workload.RECORD)
        file.write(b"%*d\n" % (workload.RECORD - 1, numbers["w1"] - workload.PLACES))
    with open(f"{folder}/current/w2.{numbers['w2'] % workload.PLACES}", "w", encoding="ascii") as file:
        file.write("0\n")
    missing = workload.find_missing(requests, folder)
    assert [line.split(" of ")[0].split()[0] for line in missing] == ["append", "overwrite", "rename"], missing


@pytest.mark.parametrize("address", [harness.ADDRESS, harness.ADDRESS6])
def test_two_writers_are_seen(bare, address):
    """Both nodes answer at the same address: packets and answers must show both."""
    serve_by_hand(bare, "node1", address)
    sniffer = harness.Sniffer(bare, address)
    clients = harness.Clients(bare, address=address)
    clients.wait_served(nodes=["node1"])
    serve_by_hand(bare, "node2", address)   # its announcement moves new connections there; old ones break
    clients.wait_served(nodes=["node2"])
    announce(bare, "node1", address)
    clients.wait_served(nodes=["node1"])
    requests, packets = clients.stop(), sniffer.stop()
    for name in ("node1", "node2"):
        stop_by_hand(bare, name, address)
    assert [node for node, *_ in workload.tenures(requests)][:3] == ["node1", "node2", "node1"]
    assert [node for node, *_ in packets][:3] == ["node1", "node2", "node1"]


def announce(cluster, name, address):
    how = [sys.executable, harness.HERE / "announce6.py"] if ":" in address else ["arping", "-q", "-c1", "-A", "-I"]
    cluster.node(name).run([*how, "eth0", address], check=":" in address)


def test_in_flight_is_counted():
    requests = [workload.Request(10, 20, "w1", 1, "append", "ok", "a", ""), workload.Request(30, 90, "w1", 2, "append", "lost", "", ""),
                workload.Request(5, 90, "probe", 1, "append", "ok", "a", ""), workload.Request(40, 99, "w2", 1, "mmap", "open", "", "")]
    assert [workload.in_flight(requests, at) for at in (5, 15, 25, 35, 45, 95)] == [0, 1, 0, 1, 2, 1]


def test_gap_is_measured():
    second = 10**9
    base = time.time_ns()
    requests = [workload.Request(base + at - 1, base + at, "w1", 1, "append", "ok", "a", "")
                for at in (0, second, 2 * second, 5 * second, 5 * second + 10, 6 * second)]
    before, after = workload.gap_around(requests, base + 2 * second + 1000)
    assert (before - base, after - base) == (2 * second, 5 * second)
