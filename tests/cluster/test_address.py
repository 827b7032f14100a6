"""The service address and the clock: another host has the address; somebody removes it; a node's clock is an hour off."""
import json
import subprocess
import time

import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(150)
RETURN_SECONDS = 45


@pytest.fixture(scope="module")
def cluster(make_cluster):
    return make_cluster()


def own_addresses(cluster, name):
    done = cluster.node(name).run(["ip", "-json", "address", "show"])
    return [entry["local"] for link in json.loads(done.stdout) for entry in link["addr_info"]]


def test_address_used_by_another_host(cluster):
    """The gateway machine has the address: the first primary does not take it; the sentence names the other's MAC."""
    gateway = cluster.lab.gateway
    gateway.run(["ip", "address", "add", f"{harness.ADDRESS}/32", "dev", "eth0"])
    mac = json.loads(gateway.run(["ip", "-json", "link", "show", "eth0"]).stdout)[0]["address"]
    try:
        for name in cluster.lab.nodes:
            cluster.say(name, "start", cluster.module)
        for name in cluster.lab.nodes:
            cluster.wait_state(name, "WAIT NotReady", "WAIT Transient", "WAIT Ready")
        cluster.say("node1", "prim", cluster.module, check=False)

        def is_said():
            words = json.dumps(cluster.status("node1")) + "".join(each["sentence"] for each in cluster.events("node1"))
            return mac in words.lower()
        harness.wait_for(f"node1 does not name the host that has the address ({mac})", is_said, 20)
        assert harness.ADDRESS not in own_addresses(cluster, "node1")
    finally:
        gateway.run(["ip", "address", "del", f"{harness.ADDRESS}/32", "dev", "eth0"])
    if cluster.primary() is None:
        cluster.say("node1", "prim", cluster.module, check=False)
    cluster.wait_pair("node1", RETURN_SECONDS)
    assert harness.ADDRESS in own_addresses(cluster, "node1")


def test_address_removed_by_hand(cluster):
    """Put back at once, with an event; clients go on."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    clients = harness.Clients(cluster)
    clients.wait_served()
    at_ns = time.time_ns()
    cluster.node(primary).run(["ip", "address", "del", f"{harness.ADDRESS}/24", "dev", "eth0"], check=False)
    cluster.node(primary).run(["ip", "address", "del", f"{harness.ADDRESS}/32", "dev", "eth0"], check=False)
    harness.wait_for("the address is not put back", lambda: harness.ADDRESS in own_addresses(cluster, primary), 5, every=0.05)
    clients.wait_served(time.time_ns())
    requests = clients.stop()
    assert not workload.errors(requests)
    assert any(harness.ADDRESS in event["sentence"] and event["time_ns"] >= at_ns - 10**6 for event in cluster.events(primary))
    cluster.wait_pair(primary, RETURN_SECONDS)


def test_address_lifetime_is_limited(cluster):
    """The kernel itself removes it when nobody renews it (R15)."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    done = cluster.node(primary).run(["ip", "-json", "address", "show", "dev", "eth0"])
    entry, = [each for link in json.loads(done.stdout) for each in link["addr_info"] if each["local"] == harness.ADDRESS]
    assert entry["valid_life_time"] <= 3


def entry_of(cluster, name, address):
    shown = json.loads(cluster.node(name).run(["ip", "-json", "address", "show", "dev", "eth0"]).stdout)
    found = [each for link in shown for each in link["addr_info"] if each["local"] == address]
    return found[0] if found else None


def test_own_address_goes_and_comes(cluster):
    """ifdown and ifup, or a DHCP client: the node's own address is removed and added again. The service address stays, neither
    depends on the other, and the network is reached; after a swap the node's own is still there."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    node, at_ns = cluster.node(primary), time.time_ns()
    own = node.address("client")
    shown = entry_of(cluster, primary, own)
    node.run(["ip", "address", "del", f"{own}/{shown['prefixlen']}", "dev", "eth0"])
    assert entry_of(cluster, primary, harness.ADDRESS), "the service address went with the node's own"
    node.run(["ip", "address", "add", f"{own}/{shown['prefixlen']}", "dev", "eth0"])
    node.run(["ip", "route", "replace", "default", "via", "10.77.3.254"])
    routes = json.loads(node.run(["ip", "-json", "route", "show", "dev", "eth0", "proto", "kernel"]).stdout)
    assert [each["dst"] for each in routes] == ["10.77.3.0/24"], f"the connected route is missing: {routes}"
    assert not entry_of(cluster, primary, own).get("secondary"), "the node's own address depends on the service's"
    source = node.run(["ip", "route", "get", "10.77.3.254"]).stdout
    assert f"src {own}" in source, source
    other = cluster.other(primary)
    cluster.say(other, "swap", cluster.module)
    cluster.wait_pair(other, RETURN_SECONDS)
    assert entry_of(cluster, primary, own), "the node's own address went with the service's"
    for name, words in ((primary, "ceased to serve: in order"), (other, "began to serve: in order")):
        assert words in cluster.status(name)["last_move"], cluster.status(name)["last_move"]
        assert cluster.status(name)["since"] in cluster.say(name, "status").stdout
    assert not [each for each in cluster.events(primary) if each["id"] == "address.put_back" and each["time_ns"] >= at_ns]


# An hour off, in the programs of one node only: the machine under a lab has one real-time clock. What uses the
# boot clock must not notice, and nobody may judge the other's certificate by a date (R17).
FAKE_CLOCK = r"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#define OFF 3600
int clock_gettime(clockid_t clock, struct timespec *out)
{
	long result = syscall(SYS_clock_gettime, clock, out);
	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI))
		out->tv_sec += OFF;
	return (int)result;
}
int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return 0;
}
time_t time(time_t *out)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (out != 0)
		*out = now.tv_sec;
	return now.tv_sec;
}
"""


@pytest.mark.deadline(180)
def test_clock_moved_by_an_hour(cluster):
    """The secondary's programs see a clock that is an hour ahead; then it fails over to that node, and back."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    second = cluster.other(primary)
    library = fake_clock(cluster)
    clients = harness.Clients(cluster)
    clients.wait_served()
    move_clock(cluster, second, library)
    cluster.wait_pair(primary, RETURN_SECONDS)
    cluster.node(primary).kill()
    clients.wait_served(nodes=[second], seconds=20)
    cluster.boot(primary)
    cluster.wait_pair(second, RETURN_SECONDS)
    cluster.say(primary, "swap", cluster.module)
    cluster.wait_pair(primary, RETURN_SECONDS)
    clients.wait_served(nodes=[primary])
    requests = clients.stop()
    assert not workload.errors(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


def fake_clock(cluster):
    source, library = cluster.folder / "clock.c", cluster.folder / "lab" / "carry" / "clock.so"
    source.write_text(FAKE_CLOCK, encoding="ascii")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    return "/run/lab/carry/clock.so"


def move_clock(cluster, name, library):
    """The programs of the node are replaced by wrappers that load the library; then the node's service starts anew."""
    node = cluster.node(name)
    node.run(["sh", "-c", "mkdir -p /run/moved && for program in evenkeel-hold evenkeeld evenkeel-fs; do "
                          "cp /run/lab/bin/$program /run/moved/$program; done"])
    cluster.say(name, "stop", cluster.module)
    cluster.wait_state(name, "STOP NotReady", "STOP Ready", "STOP Transient")
    node.stop_service()
    harness.wait_for("the service ends", lambda: not cluster.processes(name, "evenkeeld"), 20)
    started = node.popen(["env", f"LD_PRELOAD={library}", "/run/moved/evenkeel-hold", "--config", "/etc/evenkeel", "--state",
                          "/var/lib/evenkeel", "--run", "/run/evenkeel"])
    cluster.moved = started
    node.wait_service()
    said = node.run(["sh", "-c", "tr '\\0' '\\n' < /proc/$(pidof evenkeeld)/environ"]).stdout
    assert library in said, "the moved clock is not in force"
    cluster.say(name, "start", cluster.module)
