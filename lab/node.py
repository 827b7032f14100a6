"""One node: network, mount, UTS, IPC, cgroup and PID namespaces, and two disks of its own.

    off ---start---> up ---kill (power cut), crash (processes only), stop (in order)---> off
                     up <--freeze / thaw--> frozen

The disks are loop images that stay: what a machine's disks hold after a power cut. (The host's page
cache stays as well, so a kill in the lab proves nothing about fsync.)
"""

import json
import os
import signal
import subprocess
import sys

from . import network
from .process import LINKS, LabError, end, identity, is_alive, reap, send, tool, wait_for

INIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "init.py")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NODE_PATH = f"/run/lab/bin:{SYSTEM_PATH}"


def run(command, check=True, seconds=120, **options):
    """subprocess.run with text, output caught, a deadline, and LabError with the output in it."""
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    if options["stdin"] is None:
        del options["stdin"]
    try:
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=seconds, check=False, **options)
    except subprocess.TimeoutExpired as late:
        raise LabError(f"no end within {seconds} s: {' '.join(command)}") from late
    if check and done.returncode != 0:
        raise LabError(f"exit {done.returncode}: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done


class Gateway:
    """The machine at 10.77.3.254: the host's files, a network of its own. Clients run here."""

    def __init__(self, lab):
        self.lab = lab
        self.name = "gateway"

    def enter(self, command):
        pid = self.lab.state["gateway"]["pid"]
        return ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *map(str, command)]

    def run(self, command, **options):
        return run(self.enter(command), **options)

    def popen(self, command, **options):
        return subprocess.Popen(self.enter(command), **options)


class Node:
    """What is not in the state file is found out anew each time: other programs drive it too."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name

    @property
    def state(self):
        return self.lab.state["nodes"][self.name]

    @property
    def number(self):
        return self.state["number"]

    @property
    def folder(self):
        return f"{self.lab.dir}/nodes/{self.name}"

    def address(self, link, family=4):
        return network.address(link, self.number, family)

    def addresses(self, family=4):
        return ",".join(self.address(link, family) for link in LINKS)

    def is_up(self):
        return is_alive(self.state.get("init"))

    def condition(self):
        if not self.is_up():
            return "off"
        return "frozen" if self.state.get("is_frozen") else "up"

    # ---- running things inside ----

    def enter(self, command):
        """The command line that runs a command inside, in the node's control group."""
        if not self.is_up():
            raise LabError(f"{self.name} is off: 'evenkeel-lab start {self.name}' boots it")
        inside = ["nsenter", "-t", str(self.state["init"]["pid"]), "-m", "-u", "-i", "-n", "-p",
                  "-C", "-r", "-w", "setpriv", "--pdeathsig", "KILL", "env", "-u", "TMPDIR",
                  f"PATH={NODE_PATH}", *map(str, command)]
        procs = f"{self.state['cgroup']}/cgroup.procs"
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', procs, *inside]

    def run(self, command, **options):
        return run(self.enter(command), **options)

    def popen(self, command, **options):
        return subprocess.Popen(self.enter(command), **options)

    def evenkeel(self, *words, **options):
        return self.run(["evenkeel", *words], **options)

    def pids(self):
        """All its processes, by the host's numbers."""
        if not self.is_up():
            return []
        ours = os.readlink(f"/proc/{self.state['init']['pid']}/ns/pid")
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    if os.readlink(f"/proc/{entry}/ns/pid") == ours:
                        found.append(int(entry))
                except OSError:
                    pass  # it ended while we looked
        return found

    def pid_of(self, program, argument=""):
        """The host's pid of a program inside (by the file name of its first word), or None."""
        for pid in sorted(self.pids()):
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                    words = file.read().split("\0")
            except OSError:
                continue
            if os.path.basename(words[0]) == program and argument in " ".join(words):
                return pid
        return None

    # ---- power ----

    def start(self):
        """Boots it; returns when it is mounted and the service (if configured) is being started."""
        if self.is_up():
            raise LabError(f"{self.name} is up already")
        if not is_alive(self.state.get("network")):
            with self.lab.change() as state:
                state["nodes"][self.name]["network"] = network.make_node(
                    self.lab.prefix, state["switch"], self.name, self.number)
        self.lab.apply_network()
        self.boot()

    def boot(self):
        state = self.state
        os.makedirs(self.folder, exist_ok=True)
        if state["cgroup"]:
            os.makedirs(state["cgroup"], exist_ok=True)
        spec = {"name": self.name, "dir": self.lab.dir, "folder": self.folder,
                "network_pid": state["network"]["pid"], "cgroup": state["cgroup"],
                "state_device": state["state_device"], "data_device": state["data_device"],
                "data_kind": self.lab.state["fs"], "program": "/run/lab/bin/evenkeel-hold",
                "path": SYSTEM_PATH}
        with open(f"{self.folder}/boot", "w+b") as errors:
            starter = subprocess.Popen([sys.executable, INIT, json.dumps(spec)],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=errors, cwd="/", start_new_session=True)
            words = starter.stdout.read().split()
            starter.wait()
            if len(words) != 2:
                errors.seek(0)
                raise LabError(f"{self.name} did not boot: {errors.read().decode().strip()}")
        with self.lab.change() as whole:
            pid = next(int(word) for word in words if word != b"ready")     # either may be the faster one to say it
            whole["nodes"][self.name].update(init=identity(pid), is_frozen=False)

    def kill(self):
        """A power cut: no packet leaves any more, then everything is dead, /run is gone."""
        network.set_ports(self.lab.state["switch"], self.name, False)
        end(self.state.get("init"))
        self.unplug()

    def crash(self):
        """All processes die at once; the network stack still answers until addresses expire."""
        end(self.state.get("init"))
        self.forget("init")

    def stop(self, seconds=75):
        """In order, as a shutdown does."""
        init = self.state.get("init")
        if self.state.get("is_frozen"):
            self.thaw()
        send(init, signal.SIGTERM)
        wait_for(f"{self.name} does not stop", lambda: not is_alive(init), seconds)
        reap(init)
        self.unplug()

    def unplug(self):
        state = self.lab.state
        for link in LINKS:
            tool("ip", "link", "del", network.port(self.name, link), netns=state["switch"],
                 check=False)
        end(self.state.get("network"))
        self.forget("init", "network")

    def forget(self, *keys):
        with self.lab.change() as state:
            for key in keys:
                state["nodes"][self.name].pop(key, None)
            state["nodes"][self.name]["is_frozen"] = False

    def freeze(self):
        """SIGSTOP to all, again until nobody new is found: a forking process cannot slip away."""
        stopped = set()
        while True:
            fresh = set(self.pids()) - stopped
            if not fresh:
                break
            for pid in fresh:
                self.signal(pid, signal.SIGSTOP)
            stopped |= fresh
        with self.lab.change() as state:
            state["nodes"][self.name]["is_frozen"] = True

    def thaw(self):
        for pid in self.pids():
            self.signal(pid, signal.SIGCONT)
        with self.lab.change() as state:
            state["nodes"][self.name]["is_frozen"] = False

    @staticmethod
    def signal(pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # it ended meanwhile

    # ---- the service ----

    def start_service(self):
        """Tells process 1 to start evenkeel-hold (it does so by itself on a configured node)."""
        send(self.state["init"], signal.SIGUSR1)

    def stop_service(self):
        send(self.state["init"], signal.SIGUSR2)

    def wait_service(self, seconds=10.0):
        wait_for(f"evenkeeld of {self.name} does not answer; see 'evenkeel-lab logs {self.name}'",
                 lambda: self.evenkeel("status", check=False, seconds=5).returncode == 0, seconds,
                 every=0.1)

    def log(self):
        try:
            with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""
