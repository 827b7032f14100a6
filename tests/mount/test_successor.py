"""R8: a killed evenkeel-fs is continued where its requests were. Each row of the table is an operation of the
application, each column a moment at which its server dies; an empty cell fails.

    sudo pytest tests/mount/test_successor.py      (EVENKEEL_BUILD=DIR; needs root, /dev/fuse, unshare)
"""
import contextlib
import errno
import json
import os
import pathlib
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import calls
import writer
from stand_in import StandIn

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("EVENKEEL_BUILD", ROOT / "build" / "main"))
PROGRAM = BUILD / "src" / "fs" / "evenkeel-fs-mortal"
POINTS = ["read", "started", "executed", "sequenced", "done"]
DEADLINE_SECONDS, HANG_SECONDS = 60, 150      # ends, not bounds


@pytest.fixture(scope="session", autouse=True)
def program():
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is missing: build it first (ninja -C {BUILD})")


@contextlib.contextmanager
def serving(names, are_mounts=False, are_links=False, hang_seconds=HANG_SECONDS):
    """(stand-in, directories): primary and alone. are_mounts: each directory is a mount of its own already; are_links:
    a symbolic link to where the data are."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-successor-") as name:
        folder = pathlib.Path(name)
        directories = [folder / each for each in names]
        for directory in directories:
            if are_links:
                (folder / f"target of {directory.name}").mkdir()
                directory.symlink_to(folder / f"target of {directory.name}")
            else:
                directory.mkdir()
            if are_mounts:
                subprocess.run(["mount", "--bind", directory, directory], check=True)
        places = [directory.resolve() for directory in directories]
        server = StandIn(PROGRAM, folder, directories)
        watchdog = threading.Timer(hang_seconds, server.give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            server.be_primary()
            yield server, directories
        finally:
            watchdog.cancel()
            server.close()
            for place in places:
                for _ in range(1 + are_mounts):
                    subprocess.run(["umount", "-l", place], check=False, capture_output=True)


@pytest.fixture
def served():
    with serving(["the data"]) as (server, directories):
        yield server, directories[0]


@pytest.fixture
def served_two():
    with serving(["the data", "more"]) as both:
        yield both


def in_time(action):
    """Runs what may hang if its server is not continued; gives its result or raises what it raised."""
    result = {}

    def run():
        try:
            result["value"] = action()
        except BaseException as error:  # handed to the caller
            result["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive(), "the call did not return: its server was not continued"
    if "error" in result:
        raise result["error"]
    return result.get("value")


# ---- the table: opcode, what must be there, what is done, what must be true afterwards ----

def nothing(_):
    pass


def write(path, data=b"old"):
    path.write_bytes(data)


class Row:
    def __init__(self, name, opcode, prepare, act, check):
        self.name, self.opcode, self.prepare, self.act, self.check = name, opcode, prepare, act, check


def create(d):
    fd = os.open(d / "new", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)
    os.write(fd, b"content")
    os.close(fd)


def check_created(d):
    assert (d / "new").read_bytes() == b"content"
    assert stat.S_IMODE((d / "new").stat().st_mode) == 0o640


def unlink_open(d):
    fd = os.open(d / "a", os.O_RDWR)
    os.unlink(d / "a")
    os.pwrite(fd, b"still", 0)
    content = os.pread(fd, 100, 0), os.fstat(fd).st_nlink
    os.close(fd)
    assert content == (b"still", 0)


def two_files(d):
    write(d / "a", b"first")
    write(d / "b", b"second")


def prepare_open(d):
    write(d / "a", b"x" * 10)


def overwrite(d):
    fd = os.open(d / "a", os.O_RDWR)
    assert os.pwrite(fd, b"written", 5) == 7
    os.close(fd)


def append(d):
    fd = os.open(d / "a", os.O_WRONLY | os.O_APPEND)
    assert os.write(fd, b"tail") == 4
    os.close(fd)


def set_attributes(d):
    os.chmod(d / "a", 0o604)


def truncate(d):
    os.truncate(d / "a", 3)


def open_truncated(d):
    os.close(os.open(d / "a", os.O_WRONLY | os.O_TRUNC))


def synced(d):
    fd = os.open(d / "a", os.O_RDWR)
    os.fsync(fd)
    os.close(fd)


def allocate(d):
    fd = os.open(d / "a", os.O_RDWR)
    calls.fallocate(fd, 0, 0, 100000)
    os.close(fd)


def names(d):
    return sorted(set(os.listdir(d)) - {".evenkeel"})  # to be seen when the module is stopped


def expect(value, wanted):
    assert value == wanted


def is_whiteout(path):
    info = path.lstat()
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0 and stat.S_IMODE(info.st_mode) == 0


def rename_whiteout_over_open(d):
    fd = os.open(d / "b", os.O_RDWR)
    calls.renameat2(bytes(d / "a"), bytes(d / "b"), calls.RENAME_WHITEOUT)
    assert (os.pread(fd, 100, 0), os.fstat(fd).st_nlink) == (b"second", 0)
    os.close(fd)


NOREPLACE, EXCHANGE, WHITEOUT = calls.RENAME_NOREPLACE, calls.RENAME_EXCHANGE, calls.RENAME_WHITEOUT
ROWS = [
    Row("create", 35, nothing, create, check_created),
    Row("mknod", 8, nothing, lambda d: os.mkfifo(d / "p", 0o600), lambda d: expect((d / "p").is_fifo(), True)),
    Row("mkdir", 9, nothing, lambda d: os.mkdir(d / "n", 0o770),
        lambda d: expect((names(d), stat.S_IMODE((d / "n").stat().st_mode)), (["n"], 0o750))),
    Row("symlink", 6, nothing, lambda d: os.symlink("to\nwhere", d / "l"),
        lambda d: expect(os.readlink(d / "l"), "to\nwhere")),
    Row("link", 13, lambda d: write(d / "a"), lambda d: os.link(d / "a", d / "b"),
        lambda d: expect(((d / "a").stat().st_nlink, (d / "b").stat().st_ino), (2, (d / "a").stat().st_ino))),
    Row("unlink", 10, lambda d: write(d / "a"), lambda d: os.unlink(d / "a"), lambda d: expect(names(d), [])),
    Row("unlink while open", 10, lambda d: write(d / "a"), unlink_open, lambda d: expect(names(d), [])),
    Row("rmdir", 11, lambda d: os.mkdir(d / "n"), lambda d: os.rmdir(d / "n"), lambda d: expect(names(d), [])),
    Row("rename", 45, lambda d: write(d / "a"), lambda d: calls.renameat2(bytes(d / "a"), bytes(d / "b"), NOREPLACE),
        lambda d: expect((names(d), (d / "b").read_bytes()), (["b"], b"old"))),
    Row("rename over", 12, two_files, lambda d: os.rename(d / "a", d / "b"),
        lambda d: expect((names(d), (d / "b").read_bytes()), (["b"], b"first"))),
    Row("rename exchange", 45, two_files, lambda d: calls.renameat2(bytes(d / "a"), bytes(d / "b"), EXCHANGE),
        lambda d: expect(((d / "a").read_bytes(), (d / "b").read_bytes()), (b"second", b"first"))),
    Row("rename whiteout", 45, lambda d: write(d / "a"),
        lambda d: calls.renameat2(bytes(d / "a"), bytes(d / "b"), WHITEOUT | NOREPLACE),
        lambda d: expect((names(d), (d / "b").read_bytes(), is_whiteout(d / "a")), (["a", "b"], b"old", True))),
    Row("rename whiteout over", 45, two_files, rename_whiteout_over_open,
        lambda d: expect((names(d), (d / "b").read_bytes(), is_whiteout(d / "a")), (["a", "b"], b"first", True))),
    Row("write", 16, prepare_open, overwrite, lambda d: expect((d / "a").read_bytes(), b"xxxxxwritten")),
    Row("append", 16, prepare_open, append, lambda d: expect((d / "a").read_bytes(), b"x" * 10 + b"tail")),
    Row("setattr", 4, lambda d: write(d / "a"), set_attributes,
        lambda d: expect(stat.S_IMODE((d / "a").stat().st_mode), 0o604)),
    Row("truncate", 4, lambda d: write(d / "a", b"longer"), truncate, lambda d: expect((d / "a").read_bytes(), b"lon")),
    Row("open with truncation", 14, lambda d: write(d / "a"), open_truncated,
        lambda d: expect((d / "a").read_bytes(), b"")),
    Row("fallocate", 43, lambda d: write(d / "a"), allocate, lambda d: expect((d / "a").stat().st_size, 100000)),
    Row("setxattr", 21, lambda d: write(d / "a"), lambda d: os.setxattr(d / "a", "user.x", b"v", os.XATTR_CREATE),
        lambda d: expect(os.getxattr(d / "a", "user.x"), b"v")),
    Row("removexattr", 24, lambda d: (write(d / "a"), os.setxattr(d / "a", "user.x", b"v")),
        lambda d: os.removexattr(d / "a", "user.x"), lambda d: expect("user.x" in os.listxattr(d / "a"), False)),
    Row("fsync", 20, lambda d: write(d / "a"), synced, lambda d: expect((d / "a").read_bytes(), b"old")),
]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_killed_in(served, row, point):
    server, directory = served
    row.prepare(directory)
    deaths = server.deaths
    server.die_file.write_text(f"{row.opcode}:{point}")
    in_time(lambda: row.act(directory))
    assert not server.die_file.exists(), "nobody died: the moment was never reached"
    server.wait_for(lambda: server.deaths == deaths + 1, "its death")
    in_time(lambda: row.check(directory))
    # The same below the mount, and nothing doubled: every name once, nothing left over.
    in_time(lambda: server.stop())
    row.check(directory)
    assert sorted(os.listdir(directory / ".evenkeel" / "orphan")) == []


def test_nobody_hangs_when_the_stand_in_has_ended(served):
    """Of the tests themselves: whoever waits in a mount whose server nobody starts again gets an error."""
    server, directory = served
    write(directory / "a", b"content")
    os.kill(server.process.pid, signal.SIGSTOP)     # what is read now waits in the connection
    errors = []

    def read():
        try:
            os.listdir(directory)
        except OSError as error:
            errors.append(error.errno)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    server.be_last()
    server.kill()
    server.wait_for(lambda: server.process.returncode is not None, "its end")
    thread.join(0.3)
    assert thread.is_alive(), "nobody waits: this proves nothing"
    server.give_up()
    thread.join(DEADLINE_SECONDS)
    assert errors in ([errno.ECONNABORTED], [errno.ENOTCONN])


def test_requests_that_wait_are_read_by_the_successor(served):
    """Killed while nobody reads: what the kernel queued meanwhile is served."""
    server, directory = served
    write(directory / "a", b"content")
    fd = os.open(directory / "a", os.O_RDONLY)
    for _ in range(5):
        deaths = server.deaths
        server.kill()
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        assert in_time(lambda: os.pread(fd, 100, 0)) == b"content"
        write(directory / "a", b"content")
        server.wait_for(lambda: server.deaths > deaths, "its death")
    os.close(fd)


def test_held_answers_are_held_by_the_successor(served):
    """R7 and R8 together: what was done and held is not answered by a restart in the middle."""
    server, directory = served
    server.order("hold")
    write_is_over = threading.Event()

    def write_once():
        (directory / "a").mkdir()
        write_is_over.set()

    threading.Thread(target=write_once, daemon=True).start()
    assert not write_is_over.wait(0.5)
    assert in_time(lambda: os.statvfs(directory)).f_blocks > 0  # what changes nothing goes on
    deaths = server.deaths
    server.kill()
    server.wait_for(lambda: server.deaths > deaths, "its death")
    server.wait_for(lambda: server.connection is not None, "its successor")
    assert not write_is_over.wait(0.5)
    server.order("resume")
    assert write_is_over.wait(DEADLINE_SECONDS)


def test_twenty_kills_under_sixteen_writers(served):
    server, directory = served
    is_over = threading.Event()
    errors, acknowledged = [], [0] * 16

    def work(number):
        path = directory / f"log-{number}"
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        count = 0
        try:
            while not is_over.is_set():
                line = f"{number} {count}\n".encode()
                if os.write(fd, line) != len(line):
                    raise OSError("short write")
                if count % 50 == 0:
                    os.fsync(fd)
                if count % 20 == 0:
                    side = directory / f"side-{number}"
                    side.write_bytes(line)
                    os.rename(side, directory / f"kept-{number}")
                if count % 30 == 0:
                    (directory / f"d-{number}").mkdir()
                    (directory / f"d-{number}").rmdir()
                count += 1
                acknowledged[number] = count
        except BaseException as error:  # judged below
            errors.append((number, count, error))
        os.close(fd)

    threads = [threading.Thread(target=work, args=[number], daemon=True) for number in range(16)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        deaths, before = server.deaths, sum(acknowledged)
        server.kill()
        server.wait_for(lambda: server.deaths > deaths, "its death")
        end = time.monotonic() + DEADLINE_SECONDS
        while sum(acknowledged) < before + 200 and not errors:
            assert time.monotonic() < end, "nothing goes on"
            time.sleep(0.01)
    is_over.set()
    for thread in threads:
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()
    assert errors == []
    server.stop()
    for number in range(16):
        lines = (directory / f"log-{number}").read_bytes().splitlines()
        assert lines == [f"{number} {count}".encode() for count in range(acknowledged[number])]


# ---- during read(2): the kernel is copying a request when its reader is killed ----

class Application:
    def __init__(self, directory, folder, number, kind):
        self.number, self.kind, self.name = number, kind, f"{number} {kind}"
        self.counter = folder / f"count {number}"
        self.counter.write_bytes(bytes(8))
        self.process = subprocess.Popen(
            [sys.executable, pathlib.Path(__file__).parent / "writer.py", directory / self.name, kind, str(number), self.counter],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def count(self):
        return int.from_bytes(self.counter.read_bytes(), "little")

    def end(self):
        self.said = json.loads(self.process.communicate(timeout=DEADLINE_SECONDS)[0])
        return self.said["error"]

    def lost(self, directory):
        """Blocks of the file below the mount that do not hold what was written to them last."""
        size = writer.KINDS[self.kind]
        with open(directory / self.name, "rb") as file:
            return [at for at, step in writer.blocks_of(self.said["count"])
                    if os.pread(file.fileno(), size, at * size) != writer.block(size, self.number, step)]


def kill_under_writers(server, directory, folder, kills):
    applications = [Application(directory, folder, number, list(writer.KINDS)[number % len(writer.KINDS)])
                    for number in range(16)]
    try:
        for _ in range(kills):
            deaths, before = server.deaths, [each.count() for each in applications]
            end = time.monotonic() + DEADLINE_SECONDS
            # One of each kind went on: it is in the middle of something when its server is killed.
            while sum(each.count() > was for each, was in zip(applications, before)) < 12:
                assert [(each.name, each.end()) for each in applications if each.process.poll() is not None] == []
                assert time.monotonic() < end, "nothing goes on"
                time.sleep(0.01)
            server.kill()
            server.wait_for(lambda: server.deaths > deaths, "its death")
        errors = [(each.name, error) for each in applications if (error := each.end())]
    finally:
        for each in applications:
            each.process.kill()
    assert errors == []
    in_time(server.stop)
    assert {each.name: lost for each in applications if (lost := each.lost(directory))} == {}


def test_killed_during_a_read(tmp_path, request):
    kills = 200 if request.config.getoption("--soak") else 40
    with serving(["the data"], hang_seconds=kills * HANG_SECONDS) as (server, directories):
        kill_under_writers(server, directories[0], tmp_path, kills)
