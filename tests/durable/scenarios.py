"""What must be true of what was said to be durable, applied or done: each scenario is one promise, and raises Broken where it is
not kept. test_durable.py plays them with the product, test_planted.py with each planted bug that one of them has to find.

Every scenario takes (place, plant); with plant 0 it is the product's own program that runs.
"""
import mmap
import os
import random
import shutil
import subprocess
import time

from lab.disks import Disk
from peer import Peer
from powered import BUILD, Beside, Broken, powered, read_id, read_limit, read_mark, read_state, require, wait_for

EVENKEEL, EVENKEEL_PLANTED = BUILD / "src" / "cli" / "evenkeel", BUILD / "src" / "cli" / "evenkeel-planted"
FILES = 40
IDS_OF_A_LEASE = 4096


def content(number):
    return f"file {number:6}\n".encode() * 700      # some 10 KB: more than fits an inode


def write_files(directory, count=FILES, first=0):
    for number in range(first, first + count):
        with open(directory / f"file{number}", "wb", 0) as file:
            file.write(content(number))


def require_files(directory, what, count=FILES, first=0):
    for number in range(first, first + count):
        try:
            found = (directory / f"file{number}").read_bytes()
        except OSError as error:
            raise Broken(f"{what}: file{number} is not there: {error}") from None
        require(found == content(number), f"{what}: file{number} has lost its content")


# ---- both disks, before a sync returns (R1) ----

def sync_fsync(directory):
    fd = os.open(directory / "file", os.O_WRONLY | os.O_CREAT)
    os.write(fd, os.urandom(9000))
    return lambda: os.fsync(fd)


def sync_fdatasync(directory):
    fd = os.open(directory / "data", os.O_WRONLY | os.O_CREAT)
    os.write(fd, os.urandom(9000))
    return lambda: os.fdatasync(fd)


def sync_directory(directory):
    (directory / f"d{os.urandom(4).hex()}").mkdir()
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    return lambda: os.fsync(fd)


def sync_buffered(directory):
    fd = os.open(directory / "o_sync", os.O_WRONLY | os.O_CREAT | os.O_SYNC)
    return lambda: os.write(fd, os.urandom(5000))


def sync_direct(directory):
    fd = os.open(directory / "direct", os.O_WRONLY | os.O_CREAT | os.O_DIRECT | os.O_DSYNC)
    block = mmap.mmap(-1, 4096)
    block.write(os.urandom(4096))
    return lambda: os.write(fd, block)


def sync_mapped(directory):
    fd = os.open(directory / "mapped", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 8192)
    memory = mmap.mmap(fd, 8192)
    memory[:4096] = os.urandom(4096)

    def sync():
        # A process of its own: msync(2) of this module keeps the interpreter's lock.
        subprocess.run(["/usr/bin/python3", "-c", "import os,sys; os.fsync(os.open(sys.argv[1], os.O_RDWR))", directory / "mapped"],
                       check=True)
    return sync


SYNCS = (sync_fsync, sync_fdatasync, sync_directory, sync_buffered, sync_direct, sync_mapped)


def a_sync_is_on_both_disks(place, plant=0, durability="call"):
    """No call of the fsync family returns while the flush of one of the two disks is not done."""
    with powered(place, plant=plant, durability=durability) as pair:
        pair.start()
        pair.connect()
        for machine in pair.machines:
            for make in SYNCS:
                call = make(pair.a.directory)
                machine.say("hold")
                syncing = Beside(call)
                what = f"{make.__name__[5:]}: it returned, and the disk of {machine.name} had flushed nothing"
                wait_for(lambda: machine.numbers()["waiting"] or syncing.has_returned.is_set(), "neither a flush nor an answer")
                require(not syncing.has_returned.wait(0.02), what)
                machine.say("release")
                syncing.join()
                require(syncing.error is None, f"{make.__name__}: {syncing.error}")


def a_sync_that_fails_is_no_sync(place, plant=0, who="a"):
    """A disk fails to flush: no fsync says that all is well, and somebody is told."""
    with powered(place, plant=plant) as pair:
        pair.start()
        pair.connect()
        machine = pair.a if who == "a" else pair.b
        call = sync_fsync(pair.a.directory)
        machine.say("fail")
        syncing = Beside(call)
        wait_for(lambda: machine.node.count("local_failed") or syncing.has_returned.is_set(), "neither a failure nor an answer")
        require(not syncing.has_returned.is_set() or syncing.error is not None,
                f"fsync returned 0, and the disk of {who} had said EIO")


def a_drain_that_fails_is_no_drain(place, plant=0, who="a", how="fail"):
    """The same for everything: a drain syncs all file systems. how: every flush fails, or one write is lost."""
    with powered(place, plant=plant) as pair:
        pair.start()
        pair.connect()
        machine = pair.a if who == "a" else pair.b
        write_files(pair.a.directory)
        machine.say(how)
        pair.a.node.tell("drain", 1)
        wait_for(lambda: machine.node.count("local_failed") or pair.a.node.count("drained"), "neither a failure nor an answer")
        require(not pair.a.node.count("drained"), f"drained was said, and the disk of {who} had said EIO")


# ---- after the power has gone ----

def drained_is_durable(place, plant=0, kind="ext4"):
    """Drained: both copies are whole on their disks, and each mark says at least what the state beside it says (R2)."""
    with powered(place, plant=plant, kind=kind) as pair:
        pair.start()
        pair.connect()
        write_files(pair.a.directory)
        pair.a.node.ask("drain", 1, "drained")
        pair.cut()
        for machine in pair.machines:
            machine.restore()
            require_files(machine.folder / "data", f"{machine.name} after the cut")


def a_mark_holds_what_the_state_says(place, plant=0):
    """Data that are behind their own state count as an old image: a power cut must not make them so."""
    with powered(place, plant=plant) as pair:
        pair.start()
        pair.connect()
        for round_number in range(3):
            write_files(pair.a.directory, first=round_number * FILES)
            pair.a.node.ask("drain", 1, "drained")
        pair.cut()
        for machine in pair.machines:
            machine.restore()
            state, (barrier, seal) = read_state(machine.folder / "state"), read_mark(machine.folder / "data")
            require(state is not None and state["barrier"] > 0, f"{machine.name} remembers no barrier")
            require(barrier >= state["barrier"], f"{machine.name}: the state says {state['barrier']}, its data {barrier}")
            require(state["seal"] - state["is_sealing"] <= seal <= state["seal"], f"{machine.name}: seal {seal}, the state: {state}")


def a_complete_copy_is_durable(place, plant=0, kind="ext4"):
    """Complete: the copy lies on the disk, and the state on its own says that it is in sync (R4)."""
    with powered(place, plant=plant, kind=kind) as pair:
        pair.start()
        write_files(pair.a.directory)
        pair.connect(is_paired=False)
        pair.cut(pair.b)
        pair.b.restore()
        require_files(pair.b.folder / "data", "the copy after the cut")
        state = read_state(pair.b.folder / "state")
        require(state is not None and state["is_in_sync"], f"it said complete, and remembers {state}")


def the_end_of_a_copy_is_durable(place, plant=0):
    """What came while everything else was being synced is synced before complete is said."""
    with powered(place, plant=plant) as pair:
        pair.start()
        write_files(pair.a.directory)
        adopted = pair.b.node.count("adopted")
        pair.b.say("hold")
        pair.a.node.tell("connect", 1)
        wait_for(lambda: is_sync_of_copy(pair), "nothing is synced")
        wait_for(lambda: is_late_there(pair), "what is written meanwhile does not come")
        pair.b.say("release")
        pair.b.node.wait_report("adopted", adopted)
        pair.cut(pair.b)
        pair.b.restore()
        require_files(pair.b.folder / "data", "the copy after the cut")
        require((pair.b.folder / "data" / "late").read_bytes() == content(0), "what came last has lost its content")


def is_sync_of_copy(pair):
    """Whether the flush that waits comes after the files; the mark of the root was flushed before them."""
    if not pair.b.numbers()["waiting"]:
        return False
    if all((pair.b.underneath / f"file{number}").exists() for number in range(FILES)):
        return True
    pair.b.say("pass")
    return False


def is_late_there(pair):
    """Written once; whether the peer has it, whole."""
    path, found = pair.a.directory / "late", pair.b.underneath / "late"
    if not path.exists():
        path.write_bytes(content(0))
    return found.exists() and found.read_bytes() == content(0)


def require_limit(machine, highest):
    state, limit = read_state(machine.folder / "state"), read_limit(machine.folder / "data")
    known = max(limit, state["id_limit"] if state else 0)
    require(known > highest, f"{machine.name}: id {highest} was used, and the disks know of none from {known} on")


def an_id_is_given_once(place, plant=0):
    """The limit of ids is durable at both before an id below it is used (R11)."""
    with powered(place, plant=plant) as pair:
        pair.start()
        pair.connect()
        write_files(pair.a.directory, 3)
        highest = max(read_id(pair.a.underneath / f"file{number}") for number in range(3))
        pair.cut()
        for machine in pair.machines:
            machine.restore()
            require_limit(machine, highest)


def an_id_is_given_once_without_a_state(place, plant=0):
    """The same where the disk of the state fails: then the data have to know it durably."""
    with powered(place, plant=plant) as pair:
        pair.start()
        (pair.a.directory / "first").touch()
        pair.a.say("fail", "state")
        first = read_id(pair.a.underneath / "first")
        for number in range(2 * IDS_OF_A_LEASE):
            os.mknod(pair.a.directory / f"pipe{number}", 0o10600)
            highest = read_id(pair.a.underneath / f"pipe{number}")
            if highest > first + IDS_OF_A_LEASE:
                break
        require(highest > first + IDS_OF_A_LEASE, "no second lease was begun: this proves nothing")
        pair.cut()
        pair.a.restore()
        require_limit(pair.a, highest)


# ---- what a person was told (evenkeel) ----

def what_was_configured_is_there(place, plant=0):
    """A command that said what it did is not undone by a power cut: cluster init, module add."""
    base, disks = place
    folder, point = base / "configured", base / "configured" / "disk"
    point.mkdir(parents=True)
    disk = Disk(disks, "look").make()
    disk.mount(point)
    try:
        for words in configure(folder, point / "config"):
            subprocess.run([EVENKEEL_PLANTED if plant else EVENKEEL, *words, "--config", point / "config"], check=True,
                           capture_output=True, env=os.environ | {"EVENKEEL_PLANTED": str(plant), "EVENKEEL_PASSPHRASE": "a" * 20})
        before = files_below(point / "config")
        disks.say("cut", "look")
        disks.say("dead", "look")
        subprocess.run(["umount", "-l", point], check=True)
        disk.restore("none", 1)
        disk.mount(point)
        after = files_below(point / "config") if (point / "config").exists() else {}
        lost = sorted(name for name in before if after.get(name) != before[name])
        require(not lost, f"lost or torn: {', '.join(lost)}")
    finally:
        disks.say("dead", "look")
        subprocess.run(["umount", "-l", point], check=False)
        disk.detach()
        disks.say("restore", "look", "none", 0)
        shutil.rmtree(folder, ignore_errors=True)


def configure(folder, config):
    """The command lines; the module's folder is made."""
    module = folder / "files"
    (module / "bin").mkdir(parents=True)
    (folder / "data").mkdir()
    (module / "bin" / "start").write_text("#!/bin/sh\n")
    (module / "module.yaml").write_text(f"kind: mirror\nnodes: [node1, node2]\ndirectories: [{folder / 'data'}]\n")
    return (["cluster", "init", "--name", "c", "--node", "node1", "--address", "10.1.1.1,10.1.2.1", "--arbiter", "operator"],
            ["cluster", "add", "node2", "--address", "10.1.1.2,10.1.2.2", "--output", folder / "bundle"],
            ["module", "add", module])


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- in one order at both (R5) ----

def writes_are_in_one_order(place, plant=0):
    """Writes of one file under way at once: whichever is last, it is the same one at both, and so is the time that it left."""
    with powered(place, plant=plant) as pair:
        pair.start()
        pair.connect()
        for _ in range(200 if plant else 5):
            write_at_once(pair.a.directory / "file")
            pair.a.node.ask("drain", 1, "drained")
            first, second = (machine.underneath / "file" for machine in pair.machines)
            require(first.read_bytes() == second.read_bytes(), "the last write is another one at the peer")
            require(first.stat().st_mtime_ns == second.stat().st_mtime_ns, "the last write is another one at the peer: its time")


def write_at_once(path, pages=64):
    """Every second page through a mapping: the kernel writes them back by as many requests, and does not wait in between."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        if os.fstat(fd).st_size == 0:
            os.ftruncate(fd, 4096 * 2 * pages)
        with mmap.mmap(fd, 4096 * 2 * pages) as memory:
            for page in range(pages):
                memory[page * 8192:page * 8192 + 100] = os.urandom(100)
        os.fsync(fd)
    finally:
        os.close(fd)


# ---- what the peer did, and no more (R6) ----

IN_A_FOLDER = ("made", "removed", "pipe", "symbolic", "linked", "unlinked", "renamed")


def make_names(directory):
    """Objects for the calls below to work on: what changes a directory has one of its own, which the kernel locks meanwhile."""
    for name in ("written", "cut", "mode", "times", "attribute", "allocated", "unset"):
        (directory / name).write_bytes(b"x" * 10)
    os.setxattr(directory / "unset", "user.x", b"1")
    for name in IN_A_FOLDER:
        (directory / f"of_{name}").mkdir()
    for name in ("linked", "unlinked", "renamed"):
        (directory / f"of_{name}" / name).write_bytes(b"x")
    (directory / "of_removed" / "removed").mkdir()


def set_xattr(path):
    os.setxattr(path, "user.x", b"1")


def write_to(path):
    fd = os.open(path, os.O_WRONLY)
    return lambda: os.write(fd, b"y" * 5000)


def calls_of_every_kind(directory):
    """(name, call): each is one operation of the stream, on an object of its own."""
    path, fd = directory.joinpath, os.open(directory / "allocated", os.O_RDWR)
    return [("write", write_to(path("written"))), ("truncate", lambda: os.truncate(path("cut"), 3)),
            ("chmod", lambda: os.chmod(path("mode"), 0o600)), ("utimens", lambda: os.utime(path("times"), (5, 5))),
            ("setxattr", lambda: set_xattr(path("attribute"))), ("removexattr", lambda: os.removexattr(path("unset"), "user.x")),
            ("fallocate", lambda: os.posix_fallocate(fd, 0, 50000)),
            ("mkdir", lambda: path("of_made/made").mkdir()), ("rmdir", lambda: path("of_removed/removed").rmdir()),
            ("mknod", lambda: os.mknod(path("of_pipe/pipe"), 0o10600)),
            ("symlink", lambda: path("of_symbolic/symbolic").symlink_to("x")),
            ("link", lambda: os.link(path("of_linked/linked"), path("of_linked/other"))),
            ("unlink", lambda: path("of_unlinked/unlinked").unlink()),
            ("rename", lambda: path("of_renamed/renamed").rename(path("of_renamed/moved")))]


def with_exact_peer(place, plant, durability, play):
    """play(primary, peer, pair) once the two are a pair, and the peer says nothing any more by itself."""
    with powered(place, plant=plant, durability=durability) as pair:
        peer = Peer(pair.keys)
        try:
            pair.a.boot()
            pair.a.node.ask("primary", 1, "is_primary")
            pair.a.node.ask("connect", 1, "target_complete")
            pair.a.node.tell("pair", 1)
            make_names(pair.a.directory)
            peer.is_automatic = False
            peer.forget()
            play(pair.a, peer, pair)
        finally:
            for machine in pair.machines:
                machine.end()
            peer.close()


def started(calls, peer):
    """Each call begun when the operation of the one before has come, so that it is known whose is whose."""
    return [(name, Beside(call), peer.wait_ops(count)[-1].sequence) for count, (name, call) in enumerate(calls, 1)]


def exactly_what_was_applied_returns(place, plant=0):
    """durability: call. The peer acknowledges n operations: n callers have returned, whatever kind of call it is."""
    def play(primary, peer, pair):
        waiting = started(calls_of_every_kind(primary.directory), peer)
        for number, (name, call, sequence) in enumerate(waiting):
            pair.settle = min(pair.settle, 1.0)
            pair.never(lambda number=number: any(each.has_returned.is_set() for _, each, _ in waiting[number:]),
                       f"the peer has applied {number}, and one more has returned: {name}")
            peer.acknowledge(sequence)
            require(call.join().error is None, f"{name}: {call.error}")
    with_exact_peer(place, plant, "call", play)


def a_sync_waits_for_the_disk_there(place, plant=0, durability="call"):
    """Applied is not durable: a sync returns when the peer says that it synced, or that it is durable up to there."""
    def play(primary, peer, pair):
        for how in ("synced", "barrier"):
            peer.forget()
            call = sync_of(primary.directory, peer, durability)
            _, sync, sequence = started([("fsync", call)], peer)[0]
            peer.acknowledge(sequence, sequence - 1)
            pair.never(sync.has_returned.is_set, "applied there and not durable, and fsync has returned")
            if how == "synced":
                peer.synced(sequence)
            else:
                peer.acknowledge(sequence, sequence)
            require(sync.join().error is None, f"fsync: {sync.error}")
    with_exact_peer(place, plant, durability, play)


def sync_of(directory, peer, durability):
    fd = os.open(directory / "written", os.O_WRONLY)
    writing = Beside(lambda: os.write(fd, b"z" * 3000))
    sequence = peer.wait_ops(1)[0].sequence
    if durability == "call":
        peer.acknowledge(sequence)
    writing.join()          # with `durability: fsync` it waits for nobody
    peer.forget()
    return lambda: os.fsync(fd)


def what_is_not_applied_does_not_return(place, plant=0):
    """durability: call. The peer's disk takes no change: it has received, and applied nothing, so no caller returns."""
    with powered(place, plant=plant) as pair:
        pair.start()
        pair.connect()
        make_names(pair.a.directory)
        calls = calls_of_every_kind(pair.a.directory)
        subprocess.run(["fsfreeze", "--freeze", pair.b.underneath], check=True)
        try:
            waiting = [(name, Beside(call)) for name, call in calls]
            wait_for(lambda: (pair.a.underneath / "of_renamed" / "moved").exists(), "the last call was not made here")
            pair.never(lambda: any(call.has_returned.is_set() for _, call in waiting), "a call has returned, and the peer did nothing")
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", pair.b.underneath], check=True)
        for name, call in waiting:
            require(call.join().error is None, f"{name}: {call.error}")


# ---- every moment at which the power could have gone ----

class Syncer:
    """Appends rows and syncs them; of each sync that returned it keeps how often each disk had flushed by then."""

    def __init__(self, pair, name):
        self.pair, self.name, self.kept, self.is_over = pair, name, [], False
        self.work = Beside(self.run)

    def run(self):
        fd = os.open(self.pair.a.directory / self.name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        number = 0
        while not self.is_over:
            for number in range(number + 1, number + 4):
                os.write(fd, f"{number:7}\n".encode() * 200)
            os.fsync(fd)
            self.kept.append((number, [machine.numbers()["flushes"] for machine in self.pair.machines]))
        os.close(fd)

    def require(self, directory, which, flushes, what):
        wanted = max((number for number, at in self.kept if at[which] <= flushes), default=0)
        path = directory / self.name
        found = path.read_bytes() if wanted and path.exists() else b""
        for number in range(1, wanted + 1):
            row = f"{number:7}\n".encode() * 200
            require(found[(number - 1) * len(row):number * len(row)] == row, f"{what}: row {number} of {self.name} is lost, {wanted} was synced")


def a_cut_at_any_moment_loses_nothing_synced(place, plant=0, kind="ext4", moments=6, seconds=1.0):
    """Both disks are recorded under load; then each becomes what it would have been, had the power gone at this flush or that
    one, with some of what was not flushed: what was synced before is there."""
    with powered(place, plant=plant, kind=kind) as pair:
        pair.start()
        pair.connect()
        for machine in pair.machines:
            machine.say("record")
        syncers = [Syncer(pair, f"rows{number}") for number in range(4)]
        time.sleep(seconds)
        for syncer in syncers:
            syncer.is_over = True
            require(syncer.work.join().error is None, f"the application saw {syncer.work.error}")
        require(sum(len(syncer.kept) for syncer in syncers) > 20, "hardly anything was synced: this proves nothing")
        draw = random.Random(plant + len(kind))
        for which, machine in enumerate(pair.machines):
            last = machine.numbers()["flushes"]
            for flushes in sorted(draw.sample(range(last + 1), min(moments, last + 1))):
                look(pair, machine, which, flushes, draw.randrange(1 << 30), syncers)


def look(pair, machine, which, flushes, seed, syncers):
    disk = Disk(pair.disks, "look_xfs" if pair.kind == "xfs" else "look", pair.kind)
    pair.disks.say("build", disk.name, machine.disks["data"].name, flushes, "some", seed)
    point = pair.folder / "look"
    disk.attach()
    try:
        disk.mount(point)
        for syncer in syncers:
            syncer.require(point, which, flushes, f"{machine.name}, cut after flush {flushes}, seed {seed}")
    finally:
        subprocess.run(["umount", point], check=False)
        disk.detach()
