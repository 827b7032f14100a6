"""The lab as a whole: made, found again, changed, removed. Its state lies in DIR/lab.json."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess

from . import network
from .node import Gateway, Node
from .process import LINKS, LabError, end, is_alive, tool, wait_for

PROGRAMS = {"evenkeel-hold": "src/hold", "evenkeeld": "src/daemon", "evenkeel-fs": "src/fs",
            "evenkeel": "src/cli"}
STATE_SIZE = "64M"
PASSPHRASE = "of no use outside of the lab"
MAKE_FILE_SYSTEM = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}

__all__ = ["Lab", "LabError", "wait_for"]


def cgroup2_folder():
    """Where cgroup2 is mounted on this host: never assumed (hybrid hosts have it elsewhere)."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            head, _, tail = line.partition(" - ")
            if tail.split()[0] == "cgroup2":
                return head.split()[4]
    raise LabError("no cgroup2 is mounted here: mount -t cgroup2 none /sys/fs/cgroup")


class Lab:
    def __init__(self, folder):
        self.dir = os.path.realpath(folder)
        if not os.path.exists(self.file):
            raise LabError(f"no lab in {self.dir}: 'evenkeel-lab up --dir {self.dir}' makes one")
        self.nodes = {name: Node(self, name) for name in self.state["nodes"]}
        self.gateway = Gateway(self)

    # ---- state ----

    @property
    def file(self):
        return f"{self.dir}/lab.json"

    @property
    def state(self):
        with open(self.file, encoding="utf-8") as file:
            return json.load(file)

    @contextlib.contextmanager
    def change(self):
        """Read, changed by the caller, written: under a lock, for several programs at once."""
        with open(f"{self.dir}/lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.state
            yield state
            self.write(state)

    def write(self, state):
        with open(f"{self.file}.new", "w", encoding="utf-8") as file:
            json.dump(state, file, indent=1)
        os.rename(f"{self.file}.new", self.file)

    @property
    def prefix(self):
        return self.state["prefix"]

    # ---- making it ----

    @classmethod
    def up(cls, folder, prefix="ek", build=None, nodes=2, size="1G", fs="ext4"):
        """Networks, disks and booted nodes; not yet a cluster: configure() does that."""
        folder = os.path.realpath(folder)
        if os.geteuid() != 0:
            raise LabError("the lab makes namespaces and mounts: it wants to be root")
        if fs not in MAKE_FILE_SYSTEM:
            raise LabError(f"no file system '{fs}'; there are {', '.join(MAKE_FILE_SYSTEM)}")
        if os.path.exists(f"{folder}/lab.json"):
            raise LabError(f"there is a lab in {folder} already: 'evenkeel-lab down --dir {folder}'")
        os.makedirs(f"{folder}/carry", exist_ok=True)
        lab = cls.__new__(cls)
        lab.dir = folder
        lab.write({"prefix": prefix, "fs": fs, "nodes": {}, "cuts": [], "caps": {}, "modules": []})
        try:
            lab.make(prefix, build, nodes, size, fs)
        except BaseException:
            cls(folder).down()
            raise
        return cls(folder)

    def make(self, prefix, build, count, size, fs):
        if build:
            self.install(build)
        with self.change() as state:
            state["switch"] = network.make_switch(prefix)
        with self.change() as state:
            state["gateway"] = network.make_gateway(prefix, state["switch"])
        for number in range(1, count + 1):
            self.add_node(f"node{number}", number, size, fs)

    def add_node(self, name, number, size, fs):
        cgroup = f"{cgroup2_folder()}/evenkeel-lab-{self.prefix}-{name}"
        os.makedirs(f"{self.dir}/nodes/{name}", exist_ok=True)
        node = {"number": number, "cgroup": cgroup}
        for kind, bytes_wanted, maker in (("state", STATE_SIZE, "ext4"), ("data", size, fs)):
            node[f"{kind}_device"] = self.make_disk(f"{name}/{kind}.img", bytes_wanted, maker)
            with self.change() as state:
                state["nodes"][name] = node
        Node(self, name).start()

    def make_disk(self, name, size, fs):
        path = f"{self.dir}/nodes/{name}"
        tool("truncate", "-s", size, path)
        tool(*MAKE_FILE_SYSTEM[fs], path)
        return wait_for("a free loop device",
                        lambda: tool("losetup", "--find", "--show", path, check=False).strip(), 5)

    def install(self, build):
        """Copies the programs beside each other; a running one keeps its old file (an upgrade)."""
        os.makedirs(f"{self.dir}/bin", exist_ok=True)
        for program, folder in PROGRAMS.items():
            source, target = f"{build}/{folder}/{program}", f"{self.dir}/bin/{program}"
            if not os.path.exists(source):
                raise LabError(f"{source} is missing: build it first (ninja -C {build})")
            shutil.copy2(source, f"{target}.new")
            os.rename(f"{target}.new", target)

    # ---- the cluster in it ----

    def configure(self, modules=(), arbiter="ping", start=True, family=4):
        """Makes one cluster of the nodes by the real command line, bundles carried by hand. family: of all addresses."""
        nodes = list(self.nodes.values())
        first = nodes[0]
        words = ["--arbiter", arbiter]
        if arbiter == "ping":
            words += ["--ping-target", network.gateway(family)]
        self.as_operator(first, "cluster", "init", "--name", "lab", "--node", first.name,
                         "--address", first.addresses(family), *words)
        for other in nodes[1:]:
            self.as_operator(first, "cluster", "add", other.name, "--address",
                             other.addresses(family), "--output", self.bundle(other))
        for other in nodes[1:]:
            self.as_operator(other, "cluster", "accept", self.bundle(other))
        for module in modules:
            self.add_module(module)
        if start:
            self.start_service()

    @staticmethod
    def bundle(node):
        """/run/lab is the lab's folder, seen from every node: the hand that carries."""
        return f"/run/lab/carry/{node.name}.bundle"

    @staticmethod
    def as_operator(node, *words):
        return node.run(["env", f"EVENKEEL_PASSPHRASE={PASSPHRASE}", "evenkeel", *words])

    def add_module(self, folder, more=""):
        """The same folder on every node; `more` is what an operator adds to module.yaml."""
        name = os.path.basename(os.path.realpath(folder))
        target = f"{self.dir}/modules/{name}"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target)
        with open(f"{target}/module.yaml", "a", encoding="utf-8") as file:
            file.write(more)
        for node in self.nodes.values():
            node.evenkeel("module", "add", f"/run/lab/modules/{name}")

    def start_service(self):
        for node in self.nodes.values():
            node.start_service()
        for node in self.nodes.values():
            node.wait_service()

    # ---- faults of the network ----

    def cut(self, link, node=None, one_way=False):
        """Silently drops what a node sends over a link, and what it would receive unless one_way."""
        network.check_link(link)
        with self.change() as state:
            for name in [node] if node else list(state["nodes"]):
                cut = {"link": link, "node": name, "one_way": one_way}
                if cut not in state["cuts"]:
                    state["cuts"].append(cut)
        self.apply_network()

    def pull(self, link, node):
        """Pulls the cable: the interface loses its carrier. heal() plugs it in again."""
        network.check_link(link)
        network.set_ports(self.state["switch"], node, False, [link])

    def filter(self, *rules):
        """What the switch drops from now on, as rules of nft without the verdict; heal() ends it."""
        network.apply_filter(self.state["switch"], rules)

    def hole(self, link, size):
        """Packets above so many bytes are lost on a network, whoever sends them."""
        network.check_link(link)
        self.filter(*(f'oifname "{network.port(name, link)}" meta length gt {size}' for name in self.nodes))

    def heal(self):
        self.filter()
        with self.change() as state:
            state["cuts"] = []
        for node in self.nodes.values():
            if is_alive(node.state.get("network")):
                network.set_ports(self.state["switch"], node.name, True)
        self.apply_network()

    def cap(self, link, rate):
        network.check_link(link)
        with self.change() as state:
            state["caps"].pop(link, None)
            if rate != "off":
                state["caps"][link] = rate
        if rate == "off":
            network.cap(self.state["switch"], self.plugged(), link, "off")
        self.apply_network()

    def plugged(self):
        return [name for name, node in self.nodes.items() if is_alive(node.state.get("network"))]

    def apply_network(self):
        """Cuts and caps as the state says: ports are made anew when a node boots."""
        state = self.state
        network.apply_cuts(state["switch"], state["cuts"])
        alive = [name for name, node in state["nodes"].items() if is_alive(node.get("network"))]
        for link, rate in state["caps"].items():
            network.cap(state["switch"], alive, link, rate)

    # ---- looking, ending ----

    def collect(self, folder):
        """Copies what explains a failure: logs and events of all nodes."""
        for name, node in self.nodes.items():
            os.makedirs(f"{folder}/{name}", exist_ok=True)
            for source in ("log", "boot"):
                if os.path.exists(f"{node.folder}/{source}"):
                    shutil.copy2(f"{node.folder}/{source}", f"{folder}/{name}/{source}")
            if node.is_up() and not node.state.get("is_frozen"):
                events = node.run(["cat", "/var/lib/evenkeel/events.jsonl"], check=False)
                with open(f"{folder}/{name}/events.jsonl", "w", encoding="utf-8") as file:
                    file.write(events.stdout)

    def down(self):
        """Removes everything; also what a failed up() left half made."""
        state = self.state
        for node in state["nodes"].values():
            end(node.get("init"))
            end(node.get("network"))
        for keeper in ("gateway", "switch"):
            end(state.get(keeper))
        for node in state["nodes"].values():
            for device in ("state_device", "data_device"):
                if node.get(device):
                    tool("losetup", "--detach", node[device], check=False)
            remove_cgroup(node["cgroup"])
        shutil.rmtree(self.dir)


def remove_cgroup(folder):
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            wait_for("", lambda path=path: subprocess.call(
                ["rmdir", path], stderr=subprocess.DEVNULL) == 0, 2)
