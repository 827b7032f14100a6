"""Our processes die or stand still; the applications and their clients must not notice. And the machine is busy."""
import contextlib
import os
import signal
import time

import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(180)
RETURN_SECONDS = 45


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster()
    made.bring_up("node1")
    return made


def kill_and_wait(cluster, name, program, clients):
    pids = cluster.processes(name, program)
    assert len(pids) == 1, f"{program} runs {len(pids)} times on {name}"
    at_ns = time.time_ns()
    os.kill(pids[0], signal.SIGKILL)
    harness.wait_for(f"{program} of {name} is not started again",
                     lambda: cluster.processes(name, program) not in ([], pids), 5)
    clients.wait_served(time.time_ns())
    return at_ns


@pytest.mark.deadline(400)
@pytest.mark.parametrize("where", ["primary", "secondary"])
@pytest.mark.parametrize("program", ["evenkeel-fs", "evenkeeld", "evenkeel-hold"])
def test_killed_under_load(cluster, program, where, is_soak):
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    name = primary if where == "primary" else cluster.other(primary)
    sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster, pause=0)
    clients.wait_served()
    kills = []
    wanted = 20 if is_soak else 3
    for _ in range(wanted + 2):     # now and then one hits a moment in which nobody waits for an answer
        kills.append(kill_and_wait(cluster, name, program, clients))
        cluster.wait_pair(primary, 20)
    requests, packets = clients.stop(), sniffer.stop()
    in_flight = [at_ns for at_ns in kills if workload.in_flight(requests, at_ns) > 0]
    assert len(in_flight) >= wanted, f"{len(kills)} kills, {len(in_flight)} of them while something was in flight"
    assert not workload.errors(requests), workload.errors(requests)[:5]
    assert not workload.broken(requests), workload.broken(requests)[:5]
    assert [node for node, *_ in packets] == [primary], "the service moved"
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


def stop_applier(cluster):
    """SIGSTOP to the secondary's evenkeel-fs under load; gives what was acknowledged around it."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    second = cluster.other(primary)
    clients = harness.Clients(cluster)
    clients.wait_served()
    pid, = cluster.processes(second, "evenkeel-fs")
    os.kill(pid, signal.SIGSTOP)
    at_ns = time.time_ns()
    try:
        cluster.wait_state(primary, "ALONE Ready", seconds=15)
        clients.wait_served(nodes=[primary])
    finally:
        os.kill(pid, signal.SIGCONT)
    cluster.wait_pair(primary, RETURN_SECONDS)
    requests = clients.stop()
    return at_ns, requests


def too_early(requests, at_ns, seconds):
    """Requests sent after the moment and answered before the peer can have been dropped."""
    limit_ns = at_ns + int(seconds * 1e9)
    return [each for each in workload.acknowledged(requests) if each.sent_ns > at_ns + 5_000_000 and each.ended_ns < limit_ns]


def test_stopped_applier(cluster):
    """durability call: no call returns before the peer is dropped (2 s without progress)."""
    at_ns, requests = stop_applier(cluster)
    assert not too_early(requests, at_ns, 1.5), too_early(requests, at_ns, 1.5)[:3]
    gap = workload.gap_around(requests, at_ns)
    assert gap[1] is not None and gap[1] - at_ns < 4 * 10**9, "the primary did not go on within 4 s"
    assert not workload.errors(requests) and not workload.broken(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


@pytest.mark.deadline(420)
def test_saturated(cluster, is_soak):
    """Both cores busy, default settings: no failover."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    seconds = 300 if is_soak else 20
    sniffer, clients = harness.Sniffer(cluster), harness.Clients(cluster, pause=20)
    clients.wait_served()
    load = [cluster.node(name).popen(["stress-ng", "--quiet", "--cpu", "2", "--vm", "1", "--vm-bytes", "64M",
                                      "--timeout", f"{seconds}s"]) for name in cluster.lab.nodes]
    for each in load:
        each.wait(seconds + 60)
    clients.wait_served(nodes=[primary])
    requests, packets = clients.stop(), sniffer.stop()
    assert [node for node, *_ in packets] == [primary]
    assert not workload.errors(requests) and not workload.broken(requests)
    assert cluster.wait_pair(primary) == primary
    dropped = [event for event in cluster.events(primary) if "alone" in str(event.get("id", ""))
               and event.get("time_ns", 0) > requests[0].sent_ns]
    assert not dropped, dropped
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


def age_ring(pid):
    """As if another version of evenkeel-fs had made it: the header's second word is the version."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        path, link = f"/proc/{pid}/fd/{fd}", ""
        with contextlib.suppress(FileNotFoundError):    # it opens and closes others all the time
            link = os.readlink(path)
        if link.startswith("/memfd:evenkeel-ring"):
            with open(path, "r+b", buffering=0) as ring:
                os.pwrite(ring.fileno(), (2**32).to_bytes(8, "little"), 8)


@pytest.mark.parametrize("where", ["primary", "secondary", "alone"])
def test_successor_of_another_version(cluster, where):
    """It cannot carry on with its predecessor's requests. It is not started over and over: what to do is said once, and
    the other node goes on, if there is one."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    name = cluster.other(primary) if where == "secondary" else primary
    other = cluster.other(name)
    if where == "alone":
        cluster.say(other, "stop", cluster.module)
        cluster.wait_state(name, "ALONE Ready")
    clients = harness.Clients(cluster)
    clients.wait_served()
    pid, = cluster.processes(name, "evenkeel-fs")
    age_ring(pid)
    at_ns, events = time.time_ns(), len(cluster.events(name))
    os.kill(pid, signal.SIGKILL)
    harness.wait_for("a successor has found what it cannot carry on with",   # until then they are a pair still
                     lambda: "fs.other_version" in [event["id"] for event in cluster.events(name)[events:]], 20)
    if where != "alone":
        clients.wait_served(at_ns, 20, [other])
    if where != "secondary":
        cluster.wait_state(name, "WAIT NotReady", seconds=20)
        assert "another version" in cluster.status(name)["now"], cluster.status(name)
        assert not cluster.processes(name, "server"), "the application still runs"
        cluster.say(name, "start", cluster.module)
    if where == "alone":
        cluster.wait_state(name, "ALONE Ready")
        cluster.say(other, "start", cluster.module)
    cluster.wait_pair(name if where == "alone" else other, RETURN_SECONDS)
    said = [event for event in cluster.events(name)[events:] if event["id"] in ("fs.other_version", "fs.ended")]
    # One that was on its way out in order when `start` came ends with 0, and that is said as well.
    said = [event for event in said if not event["sentence"].endswith("status 0.")]
    assert [event["id"] for event in said] == ["fs.other_version"] and "evenkeel start" in said[0]["sentence"], said
    requests = clients.stop()
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


@pytest.mark.parametrize("evenkeeld", ["lives", "killed too"])
def test_no_successor_can_start(cluster, evenkeeld):
    """Nobody waits for it for ever: what hangs in its mount comes free, the other node serves, the reason is said, and
    the role is left without it."""
    name = cluster.wait_pair(seconds=RETURN_SECONDS)
    other = cluster.other(name)
    clients = harness.Clients(cluster)
    clients.wait_served()
    pid, = cluster.processes(name, "evenkeel-fs")
    program, servers = os.readlink(f"/proc/{pid}/exe"), cluster.processes(name, "server")
    assert servers, "the application does not run"
    at_ns, events = time.time_ns(), len(cluster.events(name))
    cluster.node(name).run(["mount", "--bind", "/bin/false", program])
    try:
        os.kill(pid, signal.SIGKILL)
        if evenkeeld != "lives":
            os.kill(cluster.processes(name, "evenkeeld")[0], signal.SIGKILL)
        clients.wait_served(at_ns, 40, [other])
        harness.wait_for("the application of the node that lost evenkeel-fs has ended",
                         lambda: not set(servers) & set(cluster.processes(name, "server")), 40)
        if evenkeeld == "lives":
            cluster.wait_state(name, "WAIT NotReady", seconds=40)
            assert "cannot be started again" in cluster.status(name)["now"], cluster.status(name)["now"]
    finally:
        cluster.node(name).run(["umount", program])
    cluster.say(name, "start", cluster.module)
    cluster.wait_pair(other, RETURN_SECONDS)
    said = [event["sentence"] for event in cluster.events(name)[events:] if event["id"] == "fs.given_up"]
    assert said and "evenkeel start" in said[0], cluster.events(name)[events:]
    requests = clients.stop()
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()
