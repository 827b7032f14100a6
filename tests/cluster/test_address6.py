"""A service with an IPv6 address, beside one of IPv4.

    clients --> fd00:77:3::100 and 10.77.3.100 (node1 PRIM) ====> node2 SECOND
"""
import json
import os
import signal
import subprocess
import sys
import time

import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(150)
RETURN_SECONDS, LIFETIME_SECONDS = harness.RETURN_SECONDS, 3
BOTH = [harness.ADDRESS6, harness.ADDRESS]


@pytest.fixture(scope="module")
def cluster(make_cluster):
    return make_cluster(address=BOTH)


def in_network_of(cluster, name, *command):
    """Runs in a node's network, whatever its processes do."""
    pid = cluster.node(name).state["network"]["pid"]
    return subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", *command], capture_output=True, text=True, check=True).stdout


def entries(cluster, name):
    """What the kernel says of each service address that the node has: {address: entry}."""
    shown = json.loads(in_network_of(cluster, name, "ip", "-json", "address", "show", "dev", "eth0"))
    return {entry["local"]: entry for link in shown for entry in link["addr_info"] if entry["local"] in BOTH}


def gateway_mac(cluster):
    return json.loads(cluster.lab.gateway.run(["ip", "-json", "link", "show", "eth0"]).stdout)[0]["address"]


def wait_served_over_both(cluster, node):
    """Two sets of clients, one after the other, are served by this node."""
    for address in BOTH:
        clients = harness.Clients(cluster, writers=2, address=address)
        clients.wait_served(nodes=[node])
        assert not workload.errors(clients.stop())


def test_address_used_by_another_host(cluster):
    """The gateway machine has the IPv6 address: the first primary takes neither; the sentence names the other's MAC."""
    gateway, mac = cluster.lab.gateway, gateway_mac(cluster)
    gateway.run(["ip", "address", "add", f"{harness.ADDRESS6}/128", "dev", "eth0", "nodad"])
    try:
        for name in cluster.lab.nodes:
            cluster.say(name, "start", cluster.module)
        for name in cluster.lab.nodes:
            cluster.wait_state(name, "WAIT NotReady", "WAIT Transient", "WAIT Ready")
        cluster.say("node1", "prim", cluster.module, check=False)
        harness.wait_for(f"node1 does not name the host that has the address ({mac})",
                         lambda: mac in cluster.status("node1")["now"], 20)
        assert cluster.state("node1").startswith("WAIT")
        assert not entries(cluster, "node1")
    finally:
        gateway.run(["ip", "address", "del", f"{harness.ADDRESS6}/128", "dev", "eth0"])
    if cluster.primary() is None:
        cluster.say("node1", "prim", cluster.module, check=False)
    cluster.wait_pair("node1", RETURN_SECONDS)
    wait_served_over_both(cluster, "node1")


def test_the_kernel_ends_it(cluster):
    """A lifetime that must be renewed; the address alone, and no source for what the node itself begins."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    found = entries(cluster, primary)
    assert set(found) == set(BOTH)
    entry = found[harness.ADDRESS6]
    assert 1 <= entry["valid_life_time"] <= LIFETIME_SECONDS and entry["preferred_life_time"] == 0
    assert entry["prefixlen"] == 128 and not entry.get("tentative") and entry.get("nodad")
    route = in_network_of(cluster, primary, "ip", "-6", "route", "get", "fd00:77:3::fe")
    assert f"src {cluster.node(primary).address('client', 6)}" in route, route
    assert not entries(cluster, cluster.other(primary))


def lose_primary(cluster, how):
    lost = harness.lose_primary(cluster, how)
    assert set(entries(cluster, lost[3])) == set(BOTH)
    return lost


def judge(cluster, clients, sniffer, lost, other, at_ns):
    harness.judge_failover(cluster, clients, sniffer, lost, other, at_ns)
    wait_served_over_both(cluster, other)


def test_power_cut(cluster):
    clients, sniffer, lost, other, at_ns = lose_primary(cluster, "kill")
    cluster.boot(lost)
    judge(cluster, clients, sniffer, lost, other, at_ns)


def test_crash_of_all_processes(cluster):
    """Its kernel answers for the address until the lifetime ends: that is noticed, and waited for."""
    clients, sniffer, lost, other, at_ns = lose_primary(cluster, "crash")
    cluster.boot(lost)
    judge(cluster, clients, sniffer, lost, other, at_ns)


def test_frozen_node(cluster):
    """Nobody renews it: the kernel takes it away by itself, before anybody wakes up."""
    clients, sniffer, lost, other, at_ns = lose_primary(cluster, "freeze")
    assert harness.ADDRESS6 not in entries(cluster, lost)
    cluster.node(lost).thaw()
    judge(cluster, clients, sniffer, lost, other, at_ns)


def test_swap(cluster):
    """A planned move and back again: nothing missing, no error."""
    for _ in range(2):
        old = cluster.wait_pair(seconds=RETURN_SECONDS)
        sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster)
        clients.wait_served()
        clients.wait_busy()
        cluster.say(cluster.other(old), "swap", cluster.module)
        new = cluster.wait_pair(cluster.other(old), RETURN_SECONDS)
        clients.wait_served(nodes=[new])
        requests, packets = clients.stop(), sniffer.stop()
        assert [node for node, *_ in packets] == [old, new]
        assert not workload.errors(requests)
        assert not entries(cluster, old)
        cluster.assert_nothing_missing(requests)
        cluster.assert_equal()


# A server that is no part of the module: it takes connections of both families on one socket, and outlives the swap.
BYSTANDER = """
import socket, time
server = socket.create_server(("", 7999), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
kept = [server.accept() for _ in range(2)]
time.sleep(60)
"""


def test_connections_are_reset(cluster):
    """Who is connected when the address goes hears of it at once, over both families, whatever kept the connection."""
    old = cluster.wait_pair(seconds=RETURN_SECONDS)
    server = cluster.node(old).popen([sys.executable, "-c", BYSTANDER], stdout=subprocess.PIPE)
    client = ("import socket, sys\n"
              "ends = [socket.create_connection((address, 7999), 5) for address in sys.argv[1:]]\n"
              "print('ready', flush=True)\n"
              "for end in ends:\n"
              "    end.settimeout(20)\n"
              "    try:\n        print(end.recv(1))\n"
              "    except OSError as error:\n        print(type(error).__name__, flush=True)\n")
    try:
        assert server.stdout.readline() == b"ready\n"
        caller = cluster.lab.gateway.popen([sys.executable, "-c", client, *BOTH], stdout=subprocess.PIPE, text=True)
        assert caller.stdout.readline() == "ready\n"
        cluster.say(cluster.other(old), "swap", cluster.module)
        said, _ = caller.communicate(timeout=25)
        assert said.split() == ["ConnectionResetError"] * 2, said
    finally:
        server.kill()
        server.wait()
    cluster.wait_pair(cluster.other(old), RETURN_SECONDS)


def test_removed_by_hand(cluster):
    """Put back at once, with an event; clients go on."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    clients = harness.Clients(cluster)
    clients.wait_served()
    at_ns = time.time_ns()
    cluster.node(primary).run(["ip", "address", "del", f"{harness.ADDRESS6}/128", "dev", "eth0"])
    harness.wait_for("the address is not put back", lambda: harness.ADDRESS6 in entries(cluster, primary), 5, every=0.05)
    clients.wait_served(time.time_ns())
    requests = clients.stop()
    assert not workload.errors(requests)
    said = [event for event in cluster.events(primary) if event["time_ns"] >= at_ns - 10**6]
    assert any(f"removed the address {harness.ADDRESS6}" in event["sentence"] for event in said)


def test_interface_down_and_up(cluster):
    """The kernel forgets IPv6 addresses of an interface that goes down; ours is there again, and answers."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    node = cluster.node(primary)
    own = f"{node.address('client', 6)}/64"
    node.run(["sh", "-c", f"ip link set eth0 down && sleep 0.3 && ip link set eth0 up && ip address replace {own} dev eth0 nodad "
                          "&& ip route replace default via 10.77.3.254"])
    harness.wait_for("the address is not back", lambda: harness.ADDRESS6 in entries(cluster, primary), 10, every=0.1)
    harness.wait_for("the address does not answer", lambda: cluster.lab.gateway.run(
        ["ping", "-6", "-c", "1", "-W", "1", harness.ADDRESS6], check=False).returncode == 0, 10)
    cluster.wait_pair(seconds=RETURN_SECONDS)
    wait_served_over_both(cluster, cluster.primary())


def test_daemon_killed(cluster):
    """The address stays where it is: no deletion, no failover (R15)."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    pid = cluster.node(primary).state["network"]["pid"]
    monitor = subprocess.Popen(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-6", "monitor", "address"],
                               stdout=subprocess.PIPE, text=True)
    clients = harness.Clients(cluster)
    clients.wait_served()
    for _ in range(5):
        pids = cluster.processes(primary, "evenkeeld")
        os.kill(pids[0], signal.SIGKILL)
        harness.wait_for("evenkeeld is not started again",
                         lambda pids=pids: cluster.processes(primary, "evenkeeld") not in ([], pids), 5)
        clients.wait_served(time.time_ns())
        time.sleep(0.5)
    requests = clients.stop()
    monitor.terminate()
    said = monitor.communicate()[0]
    assert harness.ADDRESS6 in said, "no renewal was seen: the case proves nothing"
    assert not [line for line in said.splitlines() if "Deleted" in line and harness.ADDRESS6 in line]
    assert not workload.errors(requests) and not workload.broken(requests)
    cluster.wait_pair(primary, RETURN_SECONDS)


def neighbour_of_gateway(cluster):
    shown = json.loads(cluster.lab.gateway.run(["ip", "-6", "-json", "neigh", "show", harness.ADDRESS6]).stdout)
    return shown[0].get("lladdr") if shown else None


def test_claimed_by_another_host(cluster):
    """A host that begins to use the address while it is held: said with its MAC, and defended."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    gateway, mac, at_ns = cluster.lab.gateway, gateway_mac(cluster), time.time_ns()
    gateway.run(["ip", "address", "add", f"{harness.ADDRESS6}/128", "dev", "eth0", "nodad"])
    try:
        gateway.run(["ip", "-6", "neigh", "flush", "dev", "eth0"])
        gateway.run(["ping", "-6", "-c", "1", "-W", "1", "-I", harness.ADDRESS6, cluster.node(primary).address("client", 6)],
                    check=False)

        def is_said():
            return any(mac in event["sentence"] and harness.ADDRESS6 in event["sentence"] for event in cluster.events(primary)
                       if event["time_ns"] >= at_ns)
        harness.wait_for(f"{primary} does not name the host that claims the address ({mac})", is_said, 10)
    finally:
        gateway.run(["ip", "address", "del", f"{harness.ADDRESS6}/128", "dev", "eth0"])
    cluster.wait_pair(primary, RETURN_SECONDS)
    wait_served_over_both(cluster, primary)


def test_claimed_by_the_other_node(cluster):
    """The module's other node uses the address as well: it is named by its name, and nobody is sent to look for a stranger."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    other, at_ns = cluster.other(primary), time.time_ns()
    in_network_of(cluster, other, "ip", "address", "add", f"{harness.ADDRESS6}/128", "dev", "eth0", "nodad")

    def said():
        return [event for event in cluster.events(primary)
                if event["time_ns"] >= at_ns and event["id"] in ("address.both", "address.conflict")]

    def is_said():
        in_network_of(cluster, other, "ip", "-6", "neigh", "flush", "dev", "eth0")
        cluster.node(other).run(["ping", "-6", "-c", "1", "-W", "1", "-I", harness.ADDRESS6,
                                 cluster.node(primary).address("client", 6)], check=False)
        return said()
    try:
        harness.wait_for(f"{primary} does not say that {other} claims the address", is_said, 20)
    finally:
        in_network_of(cluster, other, "ip", "address", "del", f"{harness.ADDRESS6}/128", "dev", "eth0")
    assert [event for event in said() if event["id"] == "address.conflict"] == []
    assert said()[0]["severity"] == "warning" and said()[0]["sentence"].startswith(other), said()
    cluster.wait_pair(primary, RETURN_SECONDS)
    wait_served_over_both(cluster, primary)


def test_clients_learn_at_once(cluster):
    """After a swap a client's table names the new node, though it asked nobody: it was told."""
    old = cluster.wait_pair(seconds=RETURN_SECONDS)
    new = cluster.other(old)
    cluster.lab.gateway.run(["ping", "-6", "-c", "1", "-W", "1", harness.ADDRESS6])
    assert neighbour_of_gateway(cluster) == cluster.mac(old)
    cluster.say(new, "swap", cluster.module)
    harness.wait_for("the gateway still knows the old node", lambda: neighbour_of_gateway(cluster) == cluster.mac(new), 10,
                     every=0.1)
    cluster.wait_pair(new, RETURN_SECONDS)


def members(cluster, name):
    """How many on this node are members of the address's group."""
    shown = json.loads(in_network_of(cluster, name, "ip", "-6", "-json", "maddress", "show", "dev", "eth0"))
    groups = {each["address"]: each.get("users", 1) for link in shown for each in link["maddr"] if "address" in each}
    return groups.get("ff02::1:ff00:100", 0)


def test_both_listen_where_it_is_asked_for(cluster):
    """Both nodes are members of the address's group all the time: a switch that snoops passes them who asks for it. At once
    when evenkeeld starts anew, not when it happens to look at its interfaces again."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    for name in cluster.lab.nodes:
        for _ in range(2):
            # On the primary the kernel itself is one too, for as long as it has the address.
            wanted, seen = 2 if name == primary else 1, []

            def is_member(name=name, wanted=wanted, seen=seen):
                seen[:] = [members(cluster, name)]
                return seen == [wanted]
            try:
                harness.wait_for("", is_member, 5, every=0.05)
            except harness.LabError:
                raise AssertionError(f"{name} is {seen[0]} times a member of the address's group, not {wanted}") from None
            pids = cluster.processes(name, "evenkeeld")
            os.kill(pids[0], signal.SIGKILL)
            harness.wait_for("evenkeeld is not started again",
                             lambda name=name, pids=pids: cluster.processes(name, "evenkeeld") not in ([], pids), 5, every=0.05)
    cluster.wait_pair(primary, RETURN_SECONDS)
