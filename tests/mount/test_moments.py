"""Moments in which something else happens: each of these was wrong once, and the test makes the moment come.

    sudo pytest tests/mount/test_moments.py      (EVENKEEL_BUILD=DIR; needs root, /dev/fuse, unshare, nft)
"""
import contextlib
import errno
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import test_pair
from stand_in import StandIn
from test_pair import made

MORTAL = test_pair.BUILD / "src" / "fs" / "evenkeel-fs-mortal"
LOOKUP = 1
WINDOW_BYTES = 16 << 20     # so much may be under way to the peer; then a write waits for room
STALL_SECONDS = 0.5
WRITERS = 40        # more than evenkeel-fs has threads
RAM_BYTES, DISK_BYTES = 24 << 20, 64 << 20


@pytest.fixture
def pair(monkeypatch):
    monkeypatch.setattr(test_pair, "PROGRAM", MORTAL)
    with made() as pair:
        yield pair


@pytest.fixture
def pair_fsync(monkeypatch):
    monkeypatch.setattr(test_pair, "PROGRAM", MORTAL)
    with made(durability="fsync") as pair:
        yield pair


def is_soon(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def hear_successor(node, known):
    """Its hello, behind so many reports."""
    node.wait_for(lambda: any(each["report"] == "hello" for each in node.reports[known:]), "hello")
    return next(each for each in node.reports[known:] if each["report"] == "hello")


def kill_and_hear(node):
    known = len(node.reports)
    node.kill()
    return hear_successor(node, known)


class Beside:
    """An action in a thread of its own; what it raised or gave."""

    def __init__(self, action):
        self.error = self.value = None
        self.thread = threading.Thread(target=self.run, args=[action], daemon=True)
        self.thread.start()

    def run(self, action):
        try:
            self.value = action()
        except OSError as error:
            self.error = error

    def join(self, what, seconds=60):
        self.thread.join(seconds)
        assert not self.thread.is_alive(), what
        return self


# ---- a write that waits for room in the log, because the peer is gone ----

WRITE = "import sys\nwith open(sys.argv[1], 'wb', 0) as file:\n    for _ in range(40): file.write(b'x' * (1 << 20))\n"


@contextlib.contextmanager
def stalled_writer(pair, waits_for="room"):
    """The peer is mute, and an application waits: it has filled the window, or the file that it makes needs an object id,
    of which this primary has none yet. Then the peer is gone. Gives the application's process."""
    if waits_for == "room":
        (pair.a.directory / "big").touch()
    os.kill(pair.b.process.pid, signal.SIGSTOP)
    writer = subprocess.Popen([sys.executable, "-c", WRITE, pair.a.directory / "big"])
    file, last = pair.a.underneath / "big", [0, time.monotonic()]

    def is_stalled():
        size = file.stat().st_size if file.exists() else 0
        if size != last[0]:
            last[:] = size, time.monotonic()
        return (size >= WINDOW_BYTES // 2 or waits_for == "id") and time.monotonic() - last[1] > STALL_SECONDS
    try:
        is_soon(is_stalled, "the application never comes to wait")
        assert writer.poll() is None, "the application did not have to wait"
        pair.a.wait_report("peer_lost")
        pair.b.is_deaf = True
        pair.b.die()
        yield writer
    finally:
        print("the application had written", last[0], "bytes")
        writer.kill()


def test_a_successor_that_waits_for_the_peer_hears_go_alone(pair_fsync):
    """It carries the waiting write on, which waits again: the order that ends the wait must get through."""
    pair = pair_fsync
    pair.connect()
    with stalled_writer(pair) as writer:
        kill_and_hear(pair.a)
        pair.a.ask("go_alone", 2, "is_alone")
        assert writer.wait(60) == 0
    assert (pair.a.directory / "big").stat().st_size == 40 << 20


def test_a_successor_that_waits_for_the_peer_can_be_left(pair_fsync):
    pair = pair_fsync
    pair.connect()
    with stalled_writer(pair) as writer:
        kill_and_hear(pair.a)
        writer.kill()
        pair.a.ask("secondary", 2, "is_secondary")
        writer.wait(5)


@pytest.mark.parametrize("waits_for", ["room", "id"])
def test_a_copy_whose_answers_are_held_can_be_left(pair_fsync, waits_for):
    """The application is killed, and dies as soon as its write is answered: nobody may wait for the peer any more."""
    pair = pair_fsync
    pair.connect()
    with stalled_writer(pair, waits_for) as writer:
        writer.kill()
        pair.a.ask("secondary", 2, "is_secondary")
        writer.wait(5)


def test_reads_do_not_stand_behind_writes_that_wait(pair_fsync):
    """More of them than evenkeel-fs has threads wait for room in the log; what others only read goes on."""
    pair = pair_fsync
    (pair.a.directory / "other").write_bytes(b"content")
    pair.connect()
    fd = os.open(pair.a.directory / "other", os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    files = [os.open(pair.a.directory / f"big {number}", os.O_CREAT | os.O_WRONLY) for number in range(WRITERS)]
    os.kill(pair.b.process.pid, signal.SIGSTOP)
    writers = [Beside(lambda file=file: [os.pwrite(file, bytes(1 << 18), at << 18) for at in range(8)]) for file in files]
    last = [0, time.monotonic()]

    def are_stalled():
        size = sum(os.stat(pair.a.underneath / f"big {number}").st_size for number in range(WRITERS))
        if size != last[0]:
            last[:] = size, time.monotonic()
        return size >= WINDOW_BYTES // 2 and time.monotonic() - last[1] > STALL_SECONDS

    try:
        is_soon(are_stalled, "the applications never come to wait")
        assert any(each.thread.is_alive() for each in writers)
        reader = Beside(lambda: (os.pread(fd, 100, 0), os.listdir(pair.a.directory)))
        reader.join("a read waits for writes of other files", 20)
        assert reader.value[0] == b"content" and len(reader.value[1]) == WRITERS + 1
        Beside(lambda: os.close(fd)).join("a close waits for writes of other files", 20)
    finally:
        pair.a.wait_report("peer_lost")
        pair.b.is_deaf = True
        pair.b.die()
        pair.a.ask("go_alone", 2, "is_alone")
        for each in writers:
            each.join("a write hangs")
    assert [each.error for each in writers] == [None] * WRITERS


# ---- promotion ----

def test_what_was_seen_before_a_promotion_is_not_kept(pair):
    """A name is looked up on the secondary, and is not there; it arrives, and the secondary is promoted, before the answer."""
    pair.connect()
    pair.b.die_file.write_text(f"{LOOKUP}:looked_up:wait")
    early = Beside(lambda: os.stat(pair.b.directory / "new"))
    is_soon(lambda: not pair.b.die_file.exists(), "the lookup does not come to its moment")
    (pair.a.directory / "new").write_text("here")
    pair.a.die()
    pair.b.ask("promote", 2, "is_primary")
    pair.b.die_file.write_text("go on")
    assert early.join("the lookup hangs").error.errno == errno.ENOENT
    assert (pair.b.directory / "new").read_text() == "here"


def test_killed_in_a_promotion(pair):
    """From before the first write that is let in, a successor knows that it is primary."""
    pair.connect()
    known = len(pair.b.reports)
    pair.a.die()
    pair.b.die_file.write_text("0:promoted")
    pair.b.tell("promote", 2)
    hello = hear_successor(pair.b, known)
    assert (hello["role"], hello["epoch"][0]) == ("primary", 2)
    (pair.b.directory / "written").write_text("by the successor")


# ---- a disk that loses what was written to it ----

@contextlib.contextmanager
def disk_in_memory(folder):
    """(directory, memory): a file system that says EIO once the memory below it is used up."""
    memory, directory = folder / "memory", folder / "data"
    for each in (memory, directory):
        each.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={RAM_BYTES}", "memory", memory], check=True)
    with open(memory / "image", "wb") as image:
        image.truncate(DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E", "nodiscard", memory / "image"], check=True)
    subprocess.run(["mount", "-o", "loop", memory / "image", directory], check=True)
    try:
        yield directory, memory
    finally:
        for each in (directory, directory, memory):
            subprocess.run(["umount", "-l", each], check=False, capture_output=True)


def synced(server, fd):
    """What fsync(2) said; an answer whose disk failed waits for a decision, so one is given."""
    known = len(server.reports)
    result = Beside(lambda: os.fsync(fd))
    is_soon(lambda: not result.thread.is_alive() or any(each["report"] == "local_failed" for each in server.reports[known:]),
            "neither an answer nor a failure")
    server.order("resume")
    return result.join("fsync hangs").error


def test_a_sync_after_one_that_failed_is_not_believed():
    """The kernel tells of a lost page once. The negative control: before, and without a loss, all is well."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-moments-") as name, disk_in_memory(pathlib.Path(name)) as place:
        directory, memory = place
        server = StandIn(MORTAL, pathlib.Path(name), [directory])
        try:
            server.be_primary()
            fd = os.open(directory / "file", os.O_RDWR | os.O_CREAT)
            os.pwrite(fd, b"x" * 100_000, 0)
            assert synced(server, fd) is None
            with contextlib.suppress(OSError), open(memory / "filler", "wb", 0) as filler:
                while True:
                    filler.write(bytes(1 << 16))
            os.pwrite(fd, b"y" * 4_000_000, 0)
            assert synced(server, fd) is not None
            (memory / "filler").unlink()
            assert synced(server, fd) is not None, "the second fsync was believed, and the data are lost"
            os.close(fd)
        finally:
            server.close()
