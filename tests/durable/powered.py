"""A pair whose disks can lose their power: two evenkeel-fs with stand-ins for evenkeeld (tests/mount), and four disks.

    data a, state a   evenkeel-fs A ===== TLS =====> evenkeel-fs B   data b, state b      all four: lab/disk.c

What a judge here finds wrong is `Broken`, and nothing else is: so that a planted bug is found by what it breaks.
"""
import contextlib
import os
import pathlib
import shutil
import struct
import subprocess
import threading
import time

import test_pair
from lab.disks import Disk

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("EVENKEEL_BUILD", ROOT / "build" / "main"))
PROGRAM, PLANTED = BUILD / "src" / "fs" / "evenkeel-fs", BUILD / "src" / "fs" / "evenkeel-fs-planted"
SIZES = {"a_data": 64, "a_state": 32, "b_data": 64, "b_state": 32, "look": 64,
         "a_xfs": 320, "b_xfs": 320, "look_xfs": 320}
WAIT_SECONDS = 30       # an end, not a bound: what comes is waited for
SLOT, STATE, MARK = struct.Struct(">IHHQII"), struct.Struct(">H16sQBQQQQQBBB"), struct.Struct(">16sQQQBQQ")


class Broken(AssertionError):
    """A promise, in a sentence."""


def require(holds, sentence):
    if not holds:
        raise Broken(sentence)


def wait_for(condition, what, seconds=WAIT_SECONDS):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.005)


class Beside:
    """A call in a thread of its own, and whether it has returned."""

    def __init__(self, call):
        self.error = self.value = None
        self.has_returned = threading.Event()
        threading.Thread(target=self.run, args=[call], daemon=True).start()

    def run(self, call):
        try:
            self.value = call()
        except OSError as error:
            self.error = error
        self.has_returned.set()

    def join(self):
        if not self.has_returned.wait(WAIT_SECONDS):
            raise TimeoutError("a call does not return")
        return self


# ---- what a copy remembers ----

def read_slots(path):
    """The payload of the newest valid slot of a slot file, as platform/slotfile.c describes it; None: there is none. (Its
    checksum is the product's business: a slot that is torn here has another counter or size than its neighbour.)"""
    newest, found = 0, None
    data = pathlib.Path(path).read_bytes()
    for at in range(0, len(data) - 31, 4096):
        magic, version, _, counter, size, _ = SLOT.unpack_from(data, at)
        if magic == 0x4556534C and version == 1 and counter > newest and at + 32 + size <= len(data):
            newest, found = counter, data[at + 32:at + 32 + size]
    return found


def read_state(folder):
    """NAME.fs: what fs/replicator/state.c keeps."""
    payload = read_slots(pathlib.Path(folder) / "m.fs")
    if payload is None:
        return None
    names = ("version", "set_id", "epoch", "node", "barrier", "peer_barrier", "sequence", "id_limit", "seal", "is_sealing",
             "is_clean", "is_in_sync")
    return dict(zip(names, STATE.unpack(payload)))


def read_mark(root):
    """The mark of a replicated root: (barrier, seal)."""
    try:
        return MARK.unpack(os.getxattr(root, "trusted.evenkeel.root"))[5:]
    except OSError:
        return 0, 0


def read_limit(root):
    """The limit of ids that were given away, as the root carries it."""
    try:
        return struct.unpack(">Q", os.getxattr(root, "trusted.evenkeel.ids"))[0]
    except OSError:
        return 0


def read_id(path):
    return struct.unpack_from(">BQ", os.getxattr(path, "trusted.evenkeel"))[1]


# ---- the pair ----

class Machine:
    """A node with a power switch."""

    def __init__(self, pair, name):
        self.pair, self.name, self.folder = pair, name, pair.folder / name
        data = f"{name}_xfs" if pair.kind == "xfs" else f"{name}_data"
        self.disks = {"data": Disk(pair.disks, data, pair.kind).make(), "state": Disk(pair.disks, f"{name}_state").make()}
        self.folder.mkdir()
        self.node = None
        self.mount()

    def mount(self):
        for kind, disk in self.disks.items():
            disk.mount(self.folder / kind)

    def boot(self):
        shutil.rmtree(self.folder / "config", ignore_errors=True)
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        with contextlib.suppress(OSError):
            (self.folder / "underneath").rmdir()
        self.node = test_pair.Node(self.folder, self.name, self.pair.keys, self.pair.durability)

    @property
    def directory(self):
        return self.node.directory

    @property
    def underneath(self):
        return self.node.underneath

    def say(self, what, kind="data"):
        self.pair.disks.say(what, self.disks[kind].name)

    def numbers(self, kind="data"):
        return self.pair.disks.numbers(self.disks[kind].name)

    def end(self):
        """What the loss of power leaves: no process, no mount."""
        if self.node is not None:
            self.node.be_last()
            self.node.process.kill()
        for disk in self.disks.values():
            self.pair.disks.say("dead", disk.name)
        if self.node is not None:
            self.node.process.wait()
            self.node.close()
            self.node = None
        for kind in self.disks:
            while subprocess.run(["umount", "-l", self.folder / kind], check=False, capture_output=True).returncode == 0:
                pass

    def restore(self, keep="none", seed=1):
        """Its disks after the cut, mounted to be looked at or to be booted from."""
        for disk in self.disks.values():
            disk.restore(keep, seed)
        self.mount()

    def remove(self):
        self.end()
        for disk in self.disks.values():
            if disk.device:
                disk.detach()
            self.pair.disks.say("restore", disk.name, "none", 0)


class Pair:
    """Two machines. settle: how long what must not happen is waited for; a planted bug is waited for longer."""

    def __init__(self, place, number, kind="ext4", durability="call", plant=0):
        self.base, self.disks = place
        self.folder = self.base / f"pair{number}"
        self.folder.mkdir()
        self.kind, self.durability, self.settle = kind, durability, 20.0 if plant else 0.1
        test_pair.PROGRAM = PLANTED if plant else PROGRAM
        os.environ["EVENKEEL_PLANTED"] = str(plant)
        self.keys = self.base / "keys"
        if not self.keys.exists():
            test_pair.make_keys(self.keys)
        self.machines = []
        for name in ("a", "b"):
            self.machines.append(Machine(self, name))
        self.a, self.b = self.machines

    def start(self):
        for machine in self.machines:
            machine.boot()
        self.a.node.ask("primary", 1, "is_primary")
        self.b.node.ask("secondary", 1, "is_secondary")

    def connect(self, is_paired=True):
        adopted = self.b.node.count("adopted")
        self.a.node.ask("connect", 1, "target_complete")
        self.b.node.wait_report("adopted", adopted)
        if is_paired:
            self.a.node.tell("pair", 1)

    def cut(self, *machines):
        """The power goes, of both in one moment unless one is named. Nothing that they do from here on counts."""
        machines = machines or self.machines
        self.disks.say("cut", *(disk.name for machine in machines for disk in machine.disks.values()))
        for machine in machines:
            machine.end()

    def never(self, has_happened, sentence):
        """What must not happen, for as long as it is waited for."""
        end = time.monotonic() + self.settle
        while time.monotonic() < end:
            require(not has_happened(), sentence)
            time.sleep(0.005)

    def close(self):
        for machine in self.machines:
            with contextlib.suppress(Exception):
                machine.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def powered(place, number=[0], **options):
    number[0] += 1
    pair = Pair(place, number[0], **options)
    try:
        yield pair
    finally:
        pair.close()
