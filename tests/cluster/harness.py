"""A cluster in a lab with the module `counter`, its clients, and the questions that every case ends with.

Nothing here waits for luck: wait_*() wait for a condition and end with evidence when it does not come. Times of
events are taken from outside the product: from the clients' log and from the packets on the client network.
"""
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(HERE))

import workload                             # noqa: E402
from lab import Lab, LabError, wait_for     # noqa: E402

TREEDIFF = ROOT / "tools" / "treediff"
MODULE = HERE / "modules" / "counter"
ADDRESS, ADDRESS6, PORT = "10.77.3.100", "fd00:77:3::100", 7000
MAIN_BUILD = os.environ.get("EVENKEEL_BUILD", str(ROOT / "build" / "main"))
READY_SECONDS, FAILOVER_SECONDS, RETURN_SECONDS = 20, 15, 45


def make_module(folder, name="counter", address=ADDRESS, port=PORT, directories=None, durability="call", nodes=("node1", "node2"),
                more=""):
    """A copy of the module, as an operator would fill it in."""
    target = pathlib.Path(folder) / name
    shutil.copytree(MODULE, target)
    directories = directories or [f"/srv/{name}"]
    text = (target / "module.yaml").read_text(encoding="utf-8")
    text = text.replace("[/srv/counter]", json.dumps(directories)).replace("durability: call", f"durability: {durability}")
    text = text.replace("tcp: 7000", f"tcp: {port}")
    key = "address" if isinstance(address, str) else "addresses"
    text += f"nodes: [{', '.join(nodes)}]\n" + (f"{key}: {json.dumps(address)}\n" if address else "") + more
    (target / "module.yaml").write_text(text, encoding="utf-8")
    (target / "bin" / "settings").write_text(
        f"directory='{directories[0]}'\nport={port}\nname={name}\n", encoding="utf-8")
    return target


class Clients:
    """16 writers and a probe in the gateway's network namespace."""

    def __init__(self, cluster, writers=16, pause=1.0, address=None):
        self.log = cluster.folder / f"clients-{cluster.clients_started}.log"
        self.writers = writers
        first = cluster.clients_started * 10_000_000
        cluster.clients_started += 1
        self.process = cluster.lab.gateway.popen(
            [sys.executable, HERE / "client.py", address or cluster.address, PORT, self.log, "--writers", writers, "--pause", pause,
             "--first", first], stdin=subprocess.DEVNULL)

    def requests(self):
        return workload.read_log(self.log)

    def wait_served(self, after_ns=None, seconds=30.0, nodes=None):
        """Until a request that was sent after this moment is acknowledged (by one of these nodes)."""
        after_ns = time.time_ns() if after_ns is None else after_ns

        def is_served():
            return self.log.exists() and any(
                each.sent_ns > after_ns and each.outcome == "ok" and (nodes is None or each.node in nodes)
                for each in tail_of(self.log))
        wait_for("no request of the clients is answered", is_served, seconds, every=0.05)

    def wait_busy(self, after_ns=None, count=500, seconds=40.0):
        """Until every writer was answered after this moment, and so many requests in all: then there is load."""
        after_ns = time.time_ns() if after_ns is None else after_ns

        def is_busy():
            answered = [each for each in tail_of(self.log, 400_000) if each.sent_ns > after_ns and each.outcome == "ok"]
            return len(answered) >= count and len({each.writer for each in answered}) > self.writers
        wait_for("not all writers are at work", is_busy, seconds, every=0.1)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        return self.requests()


def tail_of(path, size=200_000):
    with open(path, "rb") as file:
        file.seek(0, 2)
        end = file.tell()
        file.seek(max(0, end - size))
        lines = file.read().split(b"\n")[1 if end > size else 0:-1]
    found = []
    for line in lines:
        words = line.decode().split("\t")
        found.append(workload.Request(int(words[0]), int(words[1]), words[2], int(words[3]), *words[4:8]))
    return found


class Sniffer:
    """Who sends data from the service's address, by MAC, seen at the switch's port of the gateway."""

    def __init__(self, cluster, address=None):
        self.out = cluster.folder / f"packets-{time.time_ns()}"
        self.macs = {cluster.mac(name): name for name in cluster.lab.nodes}
        pid = cluster.lab.state["switch"]["pid"]
        self.process = subprocess.Popen(["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, HERE / "sniffer.py",
                                         "gw-client", address or cluster.address, str(PORT), self.out], stdin=subprocess.DEVNULL)
        wait_for("the sniffer does not start", self.out.exists, 10)

    def stop(self):
        """[(node, first_ns, last_ns, packets)] in order."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        found = []
        for line in self.out.read_text(encoding="ascii").splitlines():
            mac, first, last, packets = line.split()
            found.append((self.macs.get(mac, mac), int(first), int(last), int(packets)))
        return found


class Cluster:
    def __init__(self, folder, prefix, arbiter="ping", durability="call", fs="ext4", build=MAIN_BUILD, start=True,
                 modules=None, more="", size="512M", family=4, address=ADDRESS):
        """family: of the nodes' addresses; address: of the module, or several: clients use the first."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clients_started = 0
        self.module = "counter"
        self.address = address if isinstance(address, str) else address[0]
        modules = modules if modules is not None else [
            make_module(self.folder / "modules", address=address, durability=durability, more=more)]
        self.lab = Lab.up(f"{self.folder}/lab", prefix=prefix, build=build, fs=fs, size=size)
        try:
            (self.folder / "lab" / "stamps").mkdir()
            for name in self.lab.nodes:
                self.prepare(name)
            if start:
                self.lab.configure(modules=modules, arbiter=arbiter, family=family)
                self.open_underneath()
        except BaseException:
            self.lab.down()
            raise

    def prepare(self, name, directory="/srv/counter"):
        self.node(name).run(["mkdir", "-p", directory])

    def node(self, name):
        return self.lab.nodes[name]

    def other(self, name):
        return next(each for each in self.lab.nodes if each != name)

    def mac(self, name):
        pid = self.node(name).state["network"]["pid"]
        done = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-json", "link", "show", "eth0"],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)[0]["address"]

    # ---- asking the product ----

    def status(self, name, module=None):
        """This node's view of a module, as `evenkeel status --json` tells it; None while it does not answer."""
        node = self.node(name)
        if node.condition() != "up":
            return None
        done = node.run(["evenkeel", "status", "--json"], check=False, seconds=5)
        if done.returncode != 0:
            return None
        for each in json.loads(done.stdout)["modules"]:
            if each["name"] == (module or self.module) and "state" in each:
                return each
        return None

    def state(self, name, module=None):
        """'PRIM Ready' and the like; 'off' while the node does not answer."""
        found = self.status(name, module)
        return f"{found['state']} {found['readiness']}" if found else "off"

    def states(self):
        return {name: self.state(name) for name in self.lab.nodes}

    def say(self, name, *words, check=True, seconds=60):
        return self.node(name).run(["evenkeel", *words], check=check, seconds=seconds)

    def primary(self):
        for name in self.lab.nodes:
            if self.state(name).split()[0] in ("PRIM", "ALONE"):
                return name
        return None

    # ---- waiting ----

    def wait_state(self, name, *wanted, seconds=READY_SECONDS):
        last = [""]

        def is_so():
            last[0] = self.state(name)
            return last[0] in wanted
        try:
            wait_for("", is_so, seconds, every=0.1)
        except LabError:
            raise AssertionError(f"{name} is not {' or '.join(wanted)} within {seconds} s: it is {last[0]}; "
                                 f"status says {self.status(name)}") from None

    def wait_pair(self, primary=None, seconds=READY_SECONDS):
        """Until one node is PRIM Ready and the other SECOND Ready. Gives the primary's name."""
        found = []

        def is_so():
            states = self.states()
            found[:] = [name for name, state in states.items() if state == "PRIM Ready"]
            return len(found) == 1 and states[self.other(found[0])] == "SECOND Ready" and primary in (None, found[0])
        try:
            wait_for("", is_so, seconds, every=0.1)
        except LabError:
            words = {name: self.status(name) for name in self.lab.nodes}
            raise AssertionError(f"no pair within {seconds} s (wanted primary: {primary}): {words}") from None
        return found[0]

    # ---- doing ----

    def bring_up(self, primary="node1"):
        """First start: both wait, a person names whose data counts."""
        for name in self.lab.nodes:
            self.say(name, "start", self.module, check=False)
        for name in self.lab.nodes:
            self.wait_state(name, "WAIT NotReady", "WAIT Ready", "WAIT Transient")
        self.say(primary, "prim", self.module)
        return self.wait_pair(primary)

    def open_underneath(self):
        """The trees under the mounts, to look at from outside: a bind mount does not take submounts along."""
        for name in self.lab.nodes:
            if self.node(name).is_up():
                self.node(name).run(["sh", "-c", "mkdir -p /run/underneath && "
                                     "{ mountpoint -q /run/underneath || mount --bind /srv /run/underneath; }"])

    def underneath(self, name):
        """The host's path of a node's real replicated tree."""
        return f"/proc/{self.node(name).state['init']['pid']}/root/run/underneath/{self.module}"

    def boot(self, name):
        self.node(name).start()
        self.open_underneath()
        self.node(name).wait_service()

    def processes(self, name, program):
        """All pids (the host's) of a program in a node. By `comm`: reading a command line waits for the memory of a
        process, which hangs when that process hangs in our mount."""
        found = []
        for pid in self.node(name).pids():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    if file.read().strip() == program:
                        found.append(pid)
        return sorted(found)

    # ---- judging ----

    def verify(self):
        """What the product says about its two copies: must be 'equal'."""
        return self.say(self.primary() or "node1", "verify", self.module, seconds=120)

    def compare_trees(self):
        """What an independent program says: [] or the differences. The clients must have stopped."""
        trees = [self.underneath(name) for name in self.lab.nodes]
        done = subprocess.run([TREEDIFF, *trees], capture_output=True, text=True, timeout=120, check=False)
        return [] if done.returncode == 0 else (done.stdout + done.stderr).splitlines()

    def assert_equal(self):
        """Both judges; differences that a moment's work would end do not count, so it is asked for 10 s."""
        self.verify()
        last = []

        def is_equal():
            last[:] = self.compare_trees()
            return not last
        try:
            wait_for("", is_equal, 10, every=0.5)
        except LabError:
            raise AssertionError("the trees differ:\n" + "\n".join(last[:20])) from None

    def assert_nothing_missing(self, requests, nodes=None):
        for name in nodes or self.lab.nodes:
            missing = workload.find_missing(requests, self.underneath(name))
            assert not missing, f"{len(missing)} acknowledged requests are missing on {name}:\n" + "\n".join(missing[:20])

    def assert_writer_moved(self, requests, packets, old, new):
        """The old primary's kernel may send an old answer again when its network is back: its output is not dropped yet
        (R7, docs/promises.md). That it acknowledges nothing that was sent after the takeover is what must hold."""
        assert {node for node, *_ in packets} == {old, new}
        assert [node for node, *_ in workload.tenures(requests)] == [old, new]
        answered = workload.acknowledged(requests)
        took_over_ns = min(each.ended_ns for each in answered if each.node == new)
        assert not [each for each in answered if each.node == old and each.sent_ns > took_over_ns]
        assert not workload.errors(requests)
        self.assert_nothing_missing(requests)
        self.assert_equal()

    def events(self, name):
        """The node's own event log, each with its time in ns as well."""
        done = self.node(name).run(["cat", "/var/lib/evenkeel/events.jsonl"], check=False)
        found = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        for event in found:
            event["time_ns"] = int(datetime.datetime.fromisoformat(event["time"]).timestamp() * 1e9)
        return found

    def collect(self, folder):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Exception):
            self.lab.collect(str(folder))
        for path in self.folder.glob("*"):
            if path.is_file():
                shutil.copy2(path, folder / path.name)
        stamps = self.folder / "lab" / "stamps"
        if stamps.is_dir():
            shutil.copytree(stamps, folder / "stamps", dirs_exist_ok=True)

    def down(self):
        with contextlib.suppress(LabError):
            self.lab.heal()
        for node in self.lab.nodes.values():
            if node.state.get("is_frozen"):
                node.thaw()
        self.lab.down()


def lose_primary(cluster, how):
    """Clients at work, the primary's node lost. Gives (clients, sniffer, lost node, the other, when)."""
    lost = cluster.wait_pair(seconds=RETURN_SECONDS)
    other = cluster.other(lost)
    sniffer, clients = Sniffer(cluster), Clients(cluster)
    clients.wait_served()
    wait_for("300 acknowledged requests", lambda: len(clients.requests()) > 300, 20)
    at_ns = time.time_ns()
    getattr(cluster.node(lost), how)()
    clients.wait_served(at_ns, FAILOVER_SECONDS, [other])
    cluster.wait_state(other, "ALONE Ready")
    return clients, sniffer, lost, other, at_ns


def judge_failover(cluster, clients, sniffer, lost, other, at_ns):
    cluster.wait_pair(other, RETURN_SECONDS)
    clients.wait_served(nodes=[other])
    requests, packets = clients.stop(), sniffer.stop()
    assert workload.in_flight(requests, at_ns) > 0, "nothing was in flight: the case proves nothing"
    assert [node for node, *_ in workload.tenures(requests)] == [lost, other]
    assert [node for node, *_ in packets] == [lost, other], "two nodes sent from the service's address"
    assert not workload.errors(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()


OWN_CRASH = re.compile(r"(evenkeel-fs|evenkeeld) was ended by signal (4|6|7|8|11)\b|evenkeel-hold ended: -(4|6|7|8|11)\b"
                       r"|: CHECK failed: ")


def own_crashes(cluster):
    """{node: lines of its log that name a process of ours which ended itself}."""
    found = {}
    for name, node in (cluster.lab.nodes if cluster else {}).items():
        path = pathlib.Path(node.folder) / "log"
        text = path.read_text(errors="replace") if path.exists() else ""
        found[name] = [line for line in text.splitlines() if OWN_CRASH.search(line)]
    return found


def read_stamps(cluster, name):
    """What the scripts noted on a node: [(what, ns)]."""
    path = pathlib.Path(cluster.lab.dir) / "stamps" / name
    if not path.exists():
        return []
    return [(line.split()[0], int(line.split()[1])) for line in path.read_text(encoding="ascii").splitlines()]


def script_times(cluster, name, which, after_ns):
    """(begin, end) of the first run of a script ('start', 'stop') on a node after this moment."""
    begin = next((ns for what, ns in read_stamps(cluster, name) if what == f"{which}_begin" and ns >= after_ns), None)
    end = next((ns for what, ns in read_stamps(cluster, name)
                if what == f"{which}_end" and begin is not None and ns >= begin), None)
    return begin, end
