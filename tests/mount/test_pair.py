"""Two evenkeel-fs, one replicated directory: pairing, writing through the mount, SIGKILL on either side, promotion,
bringing a copy up to date. The stand-ins play evenkeeld: they give the orders and hand streams over.

      writers -> mount A  evenkeel-fs A ===== TLS, 127.89.1.1 -> .2 =========> evenkeel-fs B  mount B (read-only)
                     |        tree A                                             tree B         |
                     +---------------------------- tools/treediff ------------------------------+

    sudo pytest tests/mount/test_pair.py      (EVENKEEL_BUILD=DIR; needs root, /dev/fuse, unshare, nft)
"""
import array
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import calls
from bystander import HOPS, Bystander
from stand_in import StandIn

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("EVENKEEL_BUILD", ROOT / "build" / "main"))
PROGRAM = BUILD / "src" / "fs" / "evenkeel-fs"
NETS = ["127.89.1", "127.89.2"]  # two networks, as far as the loopback can tell
PORT = 17610
SET_ID = "22" * 16


@pytest.fixture(scope="session", autouse=True)
def program():
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is missing: build it first (ninja -C {BUILD})")


def make_keys(folder):
    folder.mkdir()

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test", "-days", "2")
    for name in ("a", "b"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2")


def make_config(folder, name, keys, directory, durability):
    config = folder / "config"
    (config / "modules" / "m" / "bin").mkdir(parents=True)
    (config / "tls").mkdir()
    shutil.copy(keys / "ca.pem", config / "tls" / "ca.pem")
    shutil.copy(keys / f"{name}.pem", config / "tls" / "node.pem")
    shutil.copy(keys / f"{name}.key", config / "tls" / "node.key")
    (config / "node").write_text(f"{name}\n")
    (config / "cluster.yaml").write_text(
        f"cluster: test\nport: {PORT}\nnodes:\n"
        f"  - name: a\n    id: 1\n    addresses: [{NETS[0]}.1, {NETS[1]}.1]\n"
        f"  - name: b\n    id: 2\n    addresses: [{NETS[0]}.2, {NETS[1]}.2]\n")
    (config / "modules" / "m" / "module.yaml").write_text(
        f"number: 1\nnodes: [a, b]\ndurability: {durability}\ndirectories: [{json.dumps(str(directory))}]\n")
    return config


class Node(StandIn):
    """One node: evenkeel-fs, its control socket, and the port at which its evenkeeld takes streams."""

    def __init__(self, folder, name, keys, durability, disk_bytes=None):
        folder.mkdir(exist_ok=True)      # a disk may be mounted below it
        self.number = 1 if name == "a" else 2
        self.directory = folder / "data"
        self.directory.mkdir(exist_ok=True)
        if disk_bytes:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk_bytes}", "small", self.directory], check=True)
        # The tree underneath, which the mount is going to hide.
        self.underneath = folder / "underneath"
        self.underneath.mkdir()
        subprocess.run(["mount", "--bind", self.directory, self.underneath], check=True)
        self.is_deaf = False
        self.streams = [socket.create_server((f"{net}.{self.number}", PORT)) for net in NETS]
        config = make_config(folder, name, keys, self.directory, durability)
        super().__init__(PROGRAM, folder, [self.directory], config)
        for listener in self.streams:
            threading.Thread(target=self.take_streams, args=[listener], daemon=True).start()

    def take_streams(self, listener):
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            with stream:
                preface = stream.recv(80, socket.MSG_WAITALL)
                if len(preface) != 80 or preface[:6] != b"EVKL\0\1" or self.is_deaf or self.connection is None:
                    continue
                try:
                    stream.send(b"EVKL\0\1\0\0")
                    message = json.dumps({"type": "stream", "peer": preface[8]}).encode()
                    self.connection.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                                         array.array("i", [stream.fileno()]))])
                except (OSError, AttributeError):  # the process died, or its connection ended, in between
                    pass

    def count(self, report):
        with self.changed:
            return sum(each["report"] == report for each in self.reports)

    def tell(self, order, epoch, plan="compare"):
        self.wait_for(lambda: self.connection is not None, "no hello")
        self.connection.send(json.dumps({
            "type": "order", "order": order, "epoch": [epoch, self.number], "generation": [epoch, epoch],
            "plan": plan, "set_id": SET_ID, "forced": False}).encode())

    def ask(self, order, epoch, answer, plan="compare"):
        before = self.count(answer)
        self.tell(order, epoch, plan)
        self.wait_report(answer, before)

    def wait_report(self, report, before=0):
        self.wait_for(lambda: sum(each["report"] == report for each in self.reports) > before, report)

    def die(self):
        """For good: no successor."""
        self.be_last()
        self.process.kill()
        self.process.wait()

    def close(self):
        super().close()
        for listener in self.streams:
            listener.shutdown(socket.SHUT_RDWR)  # close() alone would leave the thread waiting in it
            listener.close()
        for place in (self.directory, self.underneath):
            while subprocess.run(["umount", "-l", place], check=False, capture_output=True).returncode == 0:
                pass


class Pair:
    def __init__(self, folder, durability="call", disk_bytes_b=None):
        keys = folder / "keys"
        make_keys(keys)
        self.a = Node(folder / "a", "a", keys, durability)
        self.b = Node(folder / "b", "b", keys, durability, disk_bytes_b)

    def start(self):
        self.a.ask("primary", 1, "is_primary")
        self.b.ask("secondary", 1, "is_secondary")

    def connect(self, source=None, target=None, epoch=1, plan="compare"):
        source, target = source or self.a, target or self.b
        adopted, start = target.count("adopted"), time.monotonic()
        source.ask("connect", epoch, "target_complete", plan)
        target.wait_report("adopted", adopted)
        source.tell("pair", epoch)
        print(f"up to date in {time.monotonic() - start:.3f} s")

    def verify(self):
        """What `evenkeel verify` finds."""
        before = self.a.count("verified")
        self.a.connection.send(json.dumps({"type": "verify", "request": 1}).encode())
        self.a.wait_report("verified", before)
        return [each for each in self.a.reports if each["report"] == "verified"][-1]

    def assert_equal(self, primary=None):
        (primary or self.a).ask("drain", 1, "drained")
        done = subprocess.run([ROOT / "tools" / "treediff", self.a.underneath, self.b.underneath],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@contextlib.contextmanager
def made(**settings):
    with tempfile.TemporaryDirectory(prefix="evenkeel-pair-", ignore_cleanup_errors=True) as name:
        pair = Pair(pathlib.Path(name), **settings)
        try:
            pair.start()
            yield pair
        finally:
            pair.a.close()
            pair.b.close()


@pytest.fixture
def pair():
    with made() as pair:
        yield pair


@pytest.fixture
def pair_fsync():
    with made(durability="fsync") as pair:
        yield pair


@pytest.fixture
def pair_small():
    with made(disk_bytes_b=20_000_000) as pair:
        yield pair


def in_time(work, seconds):
    """Runs what hangs if the peer was lost."""
    done = []
    thread = threading.Thread(target=lambda: done.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert done, "it failed, or it hangs" if thread.is_alive() else "it failed: see above"


class Writers:
    """Random work below one directory; every completed append is remembered, with its number."""

    def __init__(self, directory, count=4, seed=1):
        self.directory = pathlib.Path(directory)
        self.is_over = False
        self.errors, self.appended, self.slowest = [], {}, 0.0
        self.threads = [threading.Thread(target=self.run, args=[i, seed], daemon=True) for i in range(count)]
        self.calls = 0
        for thread in self.threads:
            thread.start()

    def run(self, number, seed):
        draw = random.Random(seed * 1000 + number)
        home = self.directory / f"home{number}"
        try:
            home.mkdir(exist_ok=True)
            log = os.open(home / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self.appended[number] = 0
            while not self.is_over:
                start = time.monotonic()
                os.write(log, f"{self.appended[number] + 1:015d}\n".encode())
                self.appended[number] += 1
                if draw.random() < 0.05:
                    os.fsync(log)
                self.step(draw, home)
                self.slowest = max(self.slowest, time.monotonic() - start)
                self.calls += 2
            os.close(log)
        except OSError as error:
            self.errors.append(error)

    def step(self, draw, home):
        name, other = home / f"n{draw.randrange(20)}", home / f"n{draw.randrange(20)}"
        try:
            choice = draw.randrange(11)
            if choice in (0, 1, 2, 3, 7, 8) and name.exists() and stat.S_ISCHR(name.lstat().st_mode):
                os.unlink(name)
            elif choice < 4:
                with open(name, "ab") as file:
                    file.write(draw.randbytes(draw.randrange(20000)))
            elif choice == 4:
                os.rename(name, other)
            elif choice == 5:
                os.link(name, other)
            elif choice == 6:
                os.unlink(name)
            elif choice == 7:
                os.truncate(name, draw.randrange(30000))
            elif choice == 8:
                os.chmod(name, draw.randrange(0o1000))
                os.setxattr(name, "user.k", draw.randbytes(10))
            elif choice == 9:
                calls.renameat2(bytes(name), bytes(other), calls.RENAME_WHITEOUT)
                if draw.random() < 0.5:
                    os.unlink(name)
            else:
                (home / f"d{draw.randrange(5)}").mkdir()
        except (FileNotFoundError, FileExistsError):
            pass

    def wait_calls(self, count):
        """Until so many more have returned."""
        before, end = self.calls, time.monotonic() + 60
        while self.calls < before + count:
            assert time.monotonic() < end and not self.errors, f"the writers do not go on: {self.errors}"
            time.sleep(0.02)

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs"
        print(f"{self.calls} calls, slowest {self.slowest:.3f} s")
        assert self.errors == []

    def assert_kept(self, directory):
        """Everything that was answered is there, in order."""
        for number, count in self.appended.items():
            lines = (pathlib.Path(directory) / f"home{number}" / "log").read_text().split()
            assert [int(line) for line in lines] == list(range(1, len(lines) + 1))
            assert len(lines) >= count, f"writer {number}: {count} answered, {len(lines)} there"


def test_paired_writing(pair):
    pair.connect()
    writers = Writers(pair.a.directory)
    time.sleep(3)
    writers.stop()
    pair.assert_equal()
    writers.assert_kept(pair.b.directory)
    with pytest.raises(OSError):
        (pair.b.directory / "not here").write_text("read-only")


def test_latency(pair):
    """Not a bound (bench/ has those): that nothing waits for a timer somewhere."""
    pair.connect()
    fd = os.open(pair.a.directory / "file", os.O_WRONLY | os.O_CREAT)
    times = []
    with Bystander() as bystander:
        for _ in range(500):
            start = time.perf_counter()
            os.pwrite(fd, b"x" * 4096, 0)
            times.append(time.perf_counter() - start)
    os.close(fd)
    times.sort()
    print(f"4 KiB writes: median {times[250] * 1e6:.0f} us, 99% {times[495] * 1e6:.0f} us")
    assert times[250] < 0.02 + HOPS * bystander.usual


def test_copy_of_what_was_there(pair):
    """Files from before the first start, sparse, linked, special: all of it arrives."""
    root = pair.a.directory
    for i in range(300):
        (root / f"small{i}").write_bytes(os.urandom(i * 13))
    (root / "big").write_bytes(os.urandom(9_000_000))
    with open(root / "sparse", "wb") as file:
        file.truncate(1 << 30)
        file.seek(500_000_000)
        file.write(b"island")
    os.link(root / "big", root / "second name")
    os.symlink("big", root / "a link")
    os.mkfifo(root / "fifo")
    deep = root
    for i in range(30):
        deep = deep / f"level{i}"
        deep.mkdir()
        (deep / "file").write_text(str(i))
    os.setxattr(root / "big", "user.colour", b"red")
    os.utime(root / "level0", ns=(10**18, 10**18))
    pair.connect()
    pair.assert_equal()
    blocks = os.stat(pair.b.underneath / "sparse").st_blocks
    assert blocks < 1000, "the hole did not stay one"


def test_resync_while_writing(pair):
    writers = Writers(pair.a.directory, seed=2)
    time.sleep(1.5)
    pair.connect()
    time.sleep(0.5)
    writers.stop()
    pair.assert_equal()
    writers.assert_kept(pair.b.directory)


def test_whiteouts(pair):
    """What a rename leaves behind is an object as any other: resync, stream, killed servers, verify."""
    root = pair.a.directory
    for name in ("before", "here", "there"):
        (root / name).mkdir()
    for i in range(20):
        (root / "before" / f"f{i}").write_text(str(i))
        calls.renameat2(bytes(root / "before" / f"f{i}"), bytes(root / "there" / f"f{i}"), calls.RENAME_WHITEOUT)
    pair.connect()
    for i in range(20):
        (root / "here" / f"f{i}").write_text(f"new {i}")
        os.chown(root / "here" / f"f{i}", 4001, 4002)
        if i in (7, 14):
            pair.a.kill_and_wait()
        calls.renameat2(bytes(root / "here" / f"f{i}"), bytes(root / "there" / f"f{i}"), calls.RENAME_WHITEOUT)
    (root / "moved").mkdir()
    calls.renameat2(bytes(root / "moved"), bytes(root / "there" / "moved"), calls.RENAME_WHITEOUT | calls.RENAME_NOREPLACE)
    with pytest.raises(FileExistsError):
        calls.renameat2(bytes(root / "there" / "f1"), bytes(root / "there" / "f2"),
                        calls.RENAME_WHITEOUT | calls.RENAME_NOREPLACE)
    os.unlink(root / "moved")
    pair.assert_equal()
    found = pair.verify()
    assert (found["error"], found["differences"]) == (0, 0), found
    assert found["objects"] >= 4 + 20 + 40, found
    info = os.lstat(pair.b.underneath / "here" / "f3")
    assert stat.S_ISCHR(info.st_mode) and info.st_rdev == 0
    assert os.lstat(root / "here" / "f3").st_ino == os.lstat(pair.b.directory / "here" / "f3").st_ino


def test_what_the_peer_never_got(pair):
    """Unlinked before the peer came, and open: it is not there, and what happens to it costs nobody anything, also
    after a restart."""
    root = pair.a.directory
    (root / "closed").write_text("the kernel learns that no close is flushed")
    files = []
    for i in range(20):
        files.append(os.open(root / f"open{i}", os.O_RDWR | os.O_CREAT))
        os.write(files[i], b"old")
        os.unlink(root / f"open{i}")
    pair.connect()
    slowest = []

    def work():
        for i, fd in enumerate(files):
            if i % 5 == 1:
                pair.a.kill_and_wait()
            os.pwrite(fd, b"new", 0)
            os.fchmod(fd, 0o600)
            start = time.monotonic()
            os.fsync(fd)
            slowest.append(time.monotonic() - start)
            (root / f"kept{i}").write_text("beside it")
        assert all(os.pread(fd, 10, 0) == b"new" for fd in files)
        for fd in files[:10]:
            os.close(fd)
        (root / "last").write_text("after the forgets")
        pair.a.kill_and_wait()
        os.pwrite(files[15], b"newer", 0)

    in_time(work, 120)
    assert sorted(slowest)[len(files) // 2] < 1, "the peer was asked to sync what it does not have"
    assert pair.a.count("peer_lost") == 0 and pair.a.count("peer_failed") == 0
    pair.assert_equal()
    for fd in files[10:]:
        os.close(fd)


FULL_SPEED = """
import os, sys, time
fd, data, slowest, count = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), os.urandom(1 << 17), 0, 0
while not os.path.exists(sys.argv[2]):
    start = time.monotonic()
    os.pwrite(fd, data, (count % 64) << 17)
    slowest, count = max(slowest, time.monotonic() - start), count + 1
print(count, slowest)
"""


def test_a_resync_is_not_starved(pair):
    """Sixteen writers that keep the stream full: the copy is brought up to date all the same."""
    root = pair.a.directory
    for i in range(400):
        (root / f"small{i}").write_bytes(os.urandom(3000))
    (root / "big").write_bytes(os.urandom(30_000_000))
    over = pair.a.folder / "over"
    writers = [subprocess.Popen([sys.executable, "-c", FULL_SPEED, root / f"writer{i}", over], stdout=subprocess.PIPE,
                                text=True) for i in range(16)]
    try:
        time.sleep(1)
        start = time.monotonic()
        pair.a.tell("connect", 1)
        while pair.a.count("target_complete") == 0 and time.monotonic() - start < 120:
            time.sleep(0.02)
        taken = time.monotonic() - start
        over.touch()
        results = [writer.communicate(timeout=120)[0].split() for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
    writes, slowest = sum(int(words[0]) for words in results), max(float(words[1]) for words in results)
    print(f"up to date in {taken:.2f} s among {writes} writes of 128 KiB, the slowest of {slowest:.3f} s")
    assert pair.a.count("target_complete") == 1, "starved"
    pair.b.wait_report("adopted")
    pair.a.tell("pair", 1)
    pair.assert_equal()


def test_a_huge_directory(pair):
    """While it is listed its names change, at once: nobody waits for the whole list."""
    root, count = pair.a.directory, int(os.environ.get("EVENKEEL_TEST_NAMES", "12000"))
    (root / "huge").mkdir()
    (root / "elsewhere").mkdir()
    huge = pair.a.underneath / "huge"  # past the mount: nothing has an id yet, which makes the list slow
    for i in range(count):
        os.mknod(huge / f"name{i}", 0o600)
    slowest, steps, is_over = [0.0], [0], []
    draw = random.Random(11)

    def work():
        while not is_over:
            i, start = steps[0], time.monotonic()
            steps[0] += 1
            any_name = root / "huge" / f"name{draw.randrange(count)}"
            try:
                (root / "huge" / f"new{i}").write_text(str(i))
                if i % 6 == 0:
                    os.rename(any_name, root / "elsewhere" / f"moved{i}")
                elif i % 6 == 1:
                    os.rename(root / "huge" / f"new{i}", any_name)
                elif i % 6 == 2:
                    os.unlink(any_name)
                elif i % 6 == 3:
                    os.link(any_name, root / "elsewhere" / f"link{i}")
                elif i % 6 == 4:
                    (root / "huge" / f"folder{i}").mkdir()
                    os.rename(root / "huge" / f"folder{i}", root / "huge" / f"folder{i}b")
                    (root / "huge" / f"folder{i}b" / "below").write_text(str(i))
                else:
                    with open(any_name, "r+") as file:
                        os.unlink(any_name)
                        file.write("open, and without a name")
            except FileNotFoundError:
                pass
            slowest[0] = max(slowest[0], time.monotonic() - start)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    time.sleep(0.2)
    before, start = steps[0], time.monotonic()
    slowest[0] = 0.0
    with Bystander() as bystander:
        pair.a.tell("connect", 1)
        while pair.a.count("target_complete") == 0 and time.monotonic() - start < 120:
            time.sleep(0.01)
        taken = time.monotonic() - start
    is_over.append(True)
    thread.join(60)
    print(f"{count} names in {taken:.2f} s, {steps[0] - before} steps meanwhile, the slowest of {slowest[0]:.3f} s")
    assert pair.a.count("target_complete") == 1 and not thread.is_alive()
    pair.b.wait_report("adopted")
    pair.a.tell("pair", 1)
    pair.assert_equal()
    assert slowest[0] < 0.5 + HOPS * bystander.longest, "somebody waited for the whole list"


@pytest.mark.parametrize("who", ["a", "b"])
def test_killed_under_load(pair, who):
    """A killed evenkeel-fs is continued; the application notices nothing, the peer is not lost."""
    pair.connect()
    node = getattr(pair, who)
    writers = Writers(pair.a.directory, seed=3)
    for _ in range(10):
        time.sleep(0.4)
        deaths = node.deaths
        node.kill()
        node.wait_for(lambda: node.deaths > deaths, "death")
    time.sleep(1)
    writers.stop()
    pair.assert_equal()
    writers.assert_kept(pair.b.directory)
    assert pair.a.count("peer_lost") == 0 and pair.a.count("peer_failed") == 0


def test_promotion_keeps_what_was_answered(pair):
    pair.connect()
    writers = Writers(pair.a.directory, seed=4)
    time.sleep(1.5)
    pair.a.die()
    appended = dict(writers.appended)
    writers.is_over = True
    start = time.monotonic()
    pair.b.ask("promote", 2, "is_primary")
    print(f"promoted in {time.monotonic() - start:.3f} s")
    writers.appended = appended
    writers.assert_kept(pair.b.directory)
    (pair.b.directory / "served").write_text("by the other node now")


def test_goes_on_alone_and_comes_back(pair):
    pair.connect()
    writers = Writers(pair.a.directory, seed=5)
    time.sleep(0.5)
    pair.b.is_deaf = True
    pair.b.kill()
    pair.a.wait_report("peer_lost")
    time.sleep(0.1)
    before = writers.calls
    time.sleep(0.5)
    assert writers.calls <= before + 16, "answers went out although the peer is gone"
    pair.a.ask("go_alone", 2, "is_alone")
    writers.wait_calls(1)
    pair.b.is_deaf = False
    pair.b.ask("secondary", 2, "is_secondary")
    pair.connect(epoch=2)
    time.sleep(0.3)
    writers.stop()
    pair.assert_equal()
    writers.assert_kept(pair.b.directory)


def test_durability_fsync(pair_fsync):
    """Answers do not wait for the peer; fsync does; a killed process loses nothing of either."""
    pair = pair_fsync
    pair.connect()
    writers = Writers(pair.a.directory, seed=8)
    for node in (pair.a, pair.b):
        time.sleep(0.5)
        deaths = node.deaths
        node.kill()
        node.wait_for(lambda: node.deaths > deaths, "death")
    time.sleep(0.5)
    writers.stop()
    pair.assert_equal()
    with open(pair.a.directory / "synced", "wb") as file:
        file.write(b"on both disks")
        file.flush()
        os.fsync(file.fileno())
    pair.a.die()
    pair.b.ask("promote", 2, "is_primary")
    assert (pair.b.directory / "synced").read_bytes() == b"on both disks"


def test_full_disk_at_the_peer(pair_small):
    """The peer cannot do what we did: it says why, is dropped, and the application goes on."""
    pair = pair_small
    pair.connect()
    result = {}

    def write():
        with open(pair.a.directory / "too much", "wb") as file:
            for _ in range(40):
                file.write(b"x" * 1_000_000)
        result["is_written"] = True

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    pair.a.wait_report("peer_failed")
    said = [each for each in pair.a.reports if each["report"] == "peer_failed"][0]
    assert "No space left" in said["detail"], said
    assert not result
    pair.a.ask("go_alone", 2, "is_alone")
    thread.join(20)
    assert result.get("is_written")
    assert pair.b.count("local_failed") == 1
    before = pair.b.count("refused")
    pair.b.tell("promote", 3)
    pair.b.wait_report("refused", before)  # a copy that misses writes never serves


@pytest.fixture
def planted(tmp_path, monkeypatch):
    library = tmp_path / "plant.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-Wno-pedantic", "-shared", "-fPIC", "-o", library,
                    pathlib.Path(__file__).parent / "plant.c"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("EVENKEEL_PLANT", str(tmp_path / "plant"))
    with made() as pair:
        monkeypatch.delenv("LD_PRELOAD")
        yield pair, tmp_path / "plant"


def test_failures_that_leave_something_behind(planted):
    """R5: half of it was done here, then it failed: the peer has what this node has, and the caller an error."""
    pair, plant = planted
    root = pair.a.directory
    (root / "file").write_bytes(os.urandom(1_000_000))
    (root / "folder").mkdir()
    pair.connect()
    fd = os.open(root / "file", os.O_RDWR)
    before = os.stat(root / "folder").st_mtime_ns

    def fails(what, action):
        plant.write_text(what)
        with pytest.raises(OSError):
            action()
        plant.unlink()

    def work():
        content = (root / "file").read_bytes()
        fails("fallocate", lambda: calls.fallocate(fd, calls.FALLOC_ZERO_RANGE, 5000, 600_000))
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        assert (pair.a.underneath / "file").read_bytes() != content, "nothing was left behind"
        fails("fallocate", lambda: calls.fallocate(fd, calls.FALLOC_PUNCH_HOLE | calls.FALLOC_KEEP_SIZE, 0, 4_000_000))
        fails("fallocate", lambda: calls.fallocate(fd, 0, 0, 3_000_000))
        (root / "other").write_text("something")
        fails("utimensat", lambda: os.open(root / "other", os.O_WRONLY | os.O_TRUNC))
        assert os.stat(pair.a.underneath / "other").st_size == 0
        fails("setxattr", lambda: (root / "folder" / "new").mkdir())
        fails("setxattr", lambda: os.mkfifo(root / "folder" / "new"))
        assert os.listdir(root / "folder") == [] and os.stat(root / "folder").st_mtime_ns == before
        (root / "two").write_text("two")
        fails("setxattr", lambda: calls.renameat2(bytes(root / "two"), bytes(root / "folder" / "2"), calls.RENAME_WHITEOUT))
        os.close(fd)

    in_time(work, 20)
    assert pair.verify()["differences"] == 0
    pair.assert_equal()
    assert pair.a.count("peer_failed") == 0


def nft(*words):
    subprocess.run(["nft", *words], check=True)


def test_a_silent_network(pair):
    """The network of the stream swallows everything: the stream goes over the other one, nobody is lost."""
    pair.connect()
    writers = Writers(pair.a.directory, seed=6)
    time.sleep(0.5)
    nft("add table ip cut")
    nft("add chain ip cut input { type filter hook input priority 0; }")
    nft(f"add rule ip cut input ip daddr {NETS[0]}.0/24 drop")
    try:
        with Bystander() as bystander:
            time.sleep(4)
            writers.wait_calls(1)
    finally:
        nft("delete table ip cut")
    writers.stop()
    assert writers.slowest < 2 + HOPS * bystander.longest
    assert pair.a.count("peer_lost") == 0
    pair.assert_equal()


def test_a_stopped_peer(pair):
    """SIGSTOP: connected, and mute. No call may return until the peer is dropped."""
    pair.connect()
    writers = Writers(pair.a.directory, seed=7)
    time.sleep(0.5)
    os.kill(pair.b.process.pid, signal.SIGSTOP)
    start = time.monotonic()
    with Bystander() as bystander:
        time.sleep(0.2)
        before = writers.calls
        pair.a.wait_report("peer_lost")
    taken = time.monotonic() - start
    assert 1 < taken < 3 + HOPS * bystander.longest, f"dropped after {taken} s"
    time.sleep(0.3)
    assert writers.calls <= before + 16
    os.kill(pair.b.process.pid, signal.SIGCONT)
    pair.a.ask("go_alone", 2, "is_alone")
    pair.b.ask("secondary", 2, "is_secondary")
    pair.connect(epoch=2)
    writers.stop()
    pair.assert_equal()
