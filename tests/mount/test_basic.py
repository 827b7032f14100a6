"""What the mount promises beside being like the file system underneath: what is ours stays hidden, what was unlinked
lives on, a busy mount names who holds it, a secondary refuses changes, many writers go side by side.

    sudo pytest tests/mount/test_basic.py      (EVENKEEL_BUILD=DIR; needs root, /dev/fuse, unshare)
"""
import errno
import mmap
import os
import pathlib
import resource
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import calls
from test_successor import in_time, served, served_two, serving, write  # noqa: F401  (fixtures)

FORGET, WRITE = 2, 16       # the kernel's numbers of requests


def refusal(action):
    with pytest.raises(OSError) as caught:
        action()
    return caught.value.errno


def test_what_is_ours_is_hidden(served):
    _, directory = served
    assert ".evenkeel" not in os.listdir(directory)
    assert refusal(lambda: os.stat(directory / ".evenkeel")) == errno.ENOENT
    assert refusal(lambda: os.mkdir(directory / ".evenkeel")) == errno.EPERM
    write(directory / "a")
    assert refusal(lambda: os.rename(directory / "a", directory / ".evenkeel")) == errno.EPERM
    assert os.listxattr(directory / "a") == []
    assert refusal(lambda: os.getxattr(directory / "a", "trusted.evenkeel")) == errno.ENODATA
    assert refusal(lambda: os.setxattr(directory / "a", "trusted.evenkeel", b"x")) == errno.EPERM
    (directory / "below").mkdir()
    (directory / "below" / ".evenkeel").mkdir()  # only the root's is ours
    assert os.stat(directory).st_nlink == 3


def test_inode_numbers_survive_a_restart_and_a_new_mount(served):
    server, directory = served
    write(directory / "a")
    number = os.stat(directory / "a").st_ino
    server.kill()
    assert in_time(lambda: os.stat(directory / "a").st_ino) == number
    assert {entry.inode() for entry in os.scandir(directory)} == {number}


def test_what_was_unlinked_lives_on(served):
    server, directory = served
    write(directory / "a", b"x" * 8192)
    fd = os.open(directory / "a", os.O_RDWR)
    memory = mmap.mmap(fd, 8192)
    write(directory / "b", b"replacement")
    os.rename(directory / "b", directory / "a")
    server.kill()
    memory[0:5] = b"after"      # from here on it waits with Python's lock held
    in_time(memory.flush)
    assert in_time(lambda: os.pread(fd, 6, 0)) == b"afterx"
    again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    assert os.pread(again, 5, 0) == b"after"
    assert os.fstat(fd).st_nlink == 0
    assert (directory / "a").read_bytes() == b"replacement"
    memory.close()
    os.close(again)
    os.close(fd)


def test_more_is_unlinked_than_there_is_room_for_in_memory(served):
    """Thousands of open files without a name: each has no link, and lives. (The ring notes 8,192.)"""
    _, directory = served
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    fds = []
    for number in range(8300):
        fds.append(os.open(directory / "file", os.O_RDWR | os.O_CREAT | os.O_EXCL))
        os.unlink(directory / "file")
    for fd in fds:
        os.fchmod(fd, 0o640)    # what the answer says counts from here on, not what the kernel remembers
    links = [os.fstat(fd).st_nlink for fd in fds]
    assert [number for number, count in enumerate(links) if count != 0] == []
    assert os.pwrite(fds[-1], b"alive", 0) == 5
    for fd in fds:
        os.close(fd)


def test_what_the_kernel_found_again_is_not_forgotten(served):
    """A FORGET comes late: meanwhile the file was found again, opened, and unlinked."""
    server, directory = served
    path = directory / "a"
    path.touch()
    server.die_file.write_text(f"{FORGET}:read:wait")

    def is_on_its_way():
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("2")
        return not server.die_file.exists()

    until = time.monotonic() + 60
    while not in_time(is_on_its_way):
        assert time.monotonic() < until, "the kernel does not forget"
        time.sleep(0.05)
    fd = in_time(lambda: os.open(path, os.O_RDWR))
    in_time(path.unlink)
    server.die_file.write_text("go on")
    server.wait_while(server.die_file.exists, "the request does not go on")
    (directory / "later").mkdir()
    for _ in range(20):         # what it does, it does at once; there is nothing to wait for
        assert os.pwrite(fd, b"still", 0) == 5 and os.pread(fd, 5, 0) == b"still"
        os.fsync(fd)
        time.sleep(0.01)
    assert os.fstat(fd).st_nlink == 0
    os.close(fd)
    in_time(server.stop)
    assert os.listdir(directory / ".evenkeel" / "orphan") == []


def test_a_write_takes_the_set_user_id_bit_from_what_the_kernel_shows(served):
    _, directory = served
    program = directory / "program"
    write(program, b"#!/bin/sh\n")
    fd = os.open(program, os.O_RDWR)
    os.chmod(program, 0o4777)
    assert calls.known_mode(program) & 0o7777 == 0o4777
    subprocess.run([sys.executable, "-c", f"import os; os.pwrite({fd}, b'x', 0)"], user=65534, pass_fds=[fd], check=True)
    assert calls.known_mode(program) & 0o7777 == 0o777
    os.close(fd)


def test_what_is_read_beside_an_asynchronous_direct_write_does_not_stay(served):
    server, directory = served
    path = directory / "a"
    write(path, b"old!" * 1024)
    direct, fd = os.open(path, os.O_WRONLY | os.O_DIRECT), os.open(path, os.O_RDWR)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    server.die_file.write_text(f"{WRITE}:started:wait")
    written = []
    thread = threading.Thread(target=lambda: written.append(calls.write_asynchronously(direct, 0, b"new!" * 1024)), daemon=True)
    thread.start()
    server.wait_while(server.die_file.exists, "the write does not come to its moment")
    assert in_time(lambda: os.pread(fd, 4, 0)) == b"old!"
    server.die_file.write_text("go on")
    in_time(thread.join)
    assert written == [4096]
    assert os.pread(fd, 4, 0) == b"new!"
    for each in (direct, fd):
        os.close(each)


def test_two_directories_that_are_mounts_of_one_file_system():
    """Renaming ends at the end of a mount: what is removed in the second is kept below the second."""
    with serving(["one", "two"], are_mounts=True) as (server, directories):
        for directory in directories:
            (directory / "empty").mkdir()
            for name in "abc":
                write(directory / name, name.encode())
            fds = [os.open(directory / name, os.O_RDONLY) for name in "ab"]
            os.rename(directory / "c", directory / "b")
            os.unlink(directory / "a")
            os.rmdir(directory / "empty")
            assert [os.pread(fd, 2, 0) for fd in fds] == [b"a", b"b"] and os.listdir(directory) == ["b"]
            for fd in fds:
                os.close(fd)
        server.kill_and_wait()
        for directory in directories:
            assert in_time((directory / "b").read_bytes) == b"c"
            (directory / "b").unlink()


def test_a_removed_directory_is_empty_and_stays(served):
    _, directory = served
    (directory / "d").mkdir()
    fd = os.open(directory / "d", os.O_RDONLY)
    (directory / "d").rmdir()
    assert os.listdir(fd) == []
    assert os.fstat(fd).st_nlink == 0
    assert refusal(lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=fd)) == errno.ENOENT
    os.close(fd)


def test_a_removed_directory_has_attributes(served):
    """As on a plain file system; after a restart of the server still all but the extended ones."""
    server, directory = served
    for name in ("d", "e", "empty"):
        (directory / name).mkdir()
    os.setxattr(directory / "d", "user.before", b"1")
    fds = [os.open(directory / name, os.O_RDONLY) for name in ("d", "e")]
    (directory / "d").rmdir()
    os.rename(directory / "empty", directory / "e")
    for fd in fds:
        os.fchmod(fd, 0o710)
        os.fchown(fd, 4001, 4002)
        os.utime(fd, ns=(10**18, 10**18 + 7))
        os.setxattr(fd, "user.after", b"2")
        info = os.fstat(fd)
        assert (info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns) == (0o40710, 4001, 4002, 10**18 + 7)
        assert info.st_nlink == 0 and os.getxattr(fd, "user.after") == b"2"
        os.fsync(fd)
    assert sorted(os.listxattr(fds[0])) == ["user.after", "user.before"]
    os.removexattr(fds[0], "user.before")
    assert refusal(lambda: os.getxattr(fds[0], "user.before")) == errno.ENODATA
    assert refusal(lambda: os.setxattr(fds[0], "trusted.evenkeel", b"")) == errno.EPERM
    server.kill_and_wait()
    assert in_time(lambda: os.fstat(fds[0]).st_mode) == 0o40710
    os.fchmod(fds[0], 0o700)
    assert os.fstat(fds[0]).st_mode == 0o40700 and os.stat(directory / "e").st_nlink == 2
    for fd in fds:
        os.close(fd)


def by_user(uid, action):
    """In a process of its own: the server's stand-in must stay root. True if it was allowed."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            action()
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_who_takes_set_user_id_away(served):
    """chown(-1, -1) does, but not for everybody; who may write does, through a descriptor that was handed over."""
    _, directory = served
    write(directory / "su", b"x" * 100)
    os.chown(directory / "su", 77, 77)
    fd = os.open(directory / "su", os.O_RDWR)

    def has_bits_after(uid, action):
        os.fchmod(fd, 0o6711)
        by_user(uid, action)
        return os.fstat(fd).st_mode & 0o6000 != 0

    assert has_bits_after(4001, lambda: os.fchown(fd, -1, -1))
    assert not has_bits_after(77, lambda: os.fchown(fd, -1, -1))
    assert not has_bits_after(0, lambda: os.fchown(fd, -1, -1))
    for change in (lambda: os.pwrite(fd, b"y", 0), lambda: calls.fallocate(fd, 0, 0, 10000), lambda: os.ftruncate(fd, 1)):
        assert not has_bits_after(4001, change)
        assert has_bits_after(0, change)
    os.close(fd)


def test_a_busy_mount_names_its_holder(served):
    server, directory = served
    holder = subprocess.Popen(["sleep", "60"], cwd=directory)
    try:
        server.order("stop", "refused")
        detail = [each["detail"] for each in server.reports if each["report"] == "refused"][-1]
        assert f"sleep (process {holder.pid})" in detail
        write(directory / "still", b"served")
    finally:
        holder.kill()
        holder.wait()
    in_time(server.stop)
    assert (directory / "still").read_bytes() == b"served"


def test_of_two_directories_both_are_released_or_none(served_two):
    server, (first, second) = served_two
    write(first / "a", b"first")
    write(second / "a", b"second")
    assert os.stat(first / "a").st_ino != os.stat(second / "a").st_ino
    held = os.open(second / "a", os.O_RDONLY)
    server.order("stop", "refused")
    assert os.path.ismount(first) and os.path.ismount(second)
    write(first / "b", b"still served")
    server.kill_and_wait()
    assert in_time(lambda: (first / "b").read_bytes()) == b"still served"
    assert os.pread(held, 10, 0) == b"second"
    os.close(held)
    in_time(server.stop)
    assert not os.path.ismount(first) and not os.path.ismount(second)
    assert (first / "b").read_bytes() == b"still served" and (second / "a").read_bytes() == b"second"


def test_a_secondary_refuses_changes_and_serves_reads(served):
    server, directory = served
    write(directory / "a", b"content")
    in_time(lambda: server.order("secondary", "is_secondary", epoch=2))
    assert (directory / "a").read_bytes() == b"content"
    for action in (lambda: write(directory / "b"), lambda: write(directory / "a"), lambda: os.unlink(directory / "a"),
                   lambda: os.chmod(directory / "a", 0o600), lambda: os.mkdir(directory / "d"),
                   lambda: os.truncate(directory / "a", 0), lambda: os.setxattr(directory / "a", "user.x", b"")):
        assert refusal(action) == errno.EROFS
    server.order("promote", "refused", epoch=3)  # nothing was ever received: it may miss writes
    in_time(lambda: server.order("primary", "is_primary", epoch=4))
    write(directory / "a", b"again")
    server.kill()
    assert in_time(lambda: (directory / "a").read_bytes()) == b"again"


def test_a_directory_with_many_names_is_listed_from_where_it_was_left(served):
    server, directory = served
    wanted = {f"name {number}" for number in range(3000)}
    for name in wanted:
        os.symlink("x", directory / name)
    seen = []
    with os.scandir(directory) as entries:
        for entry in entries:
            seen.append(entry.name)
            if len(seen) in (10, 1500, 2900):
                server.kill()
    assert len(seen) == len(wanted) and set(seen) == wanted


def test_four_writers_go_side_by_side(served):
    server, directory = served
    errors = []

    def work(number):
        try:
            home = directory / f"writer {number}"
            home.mkdir()
            for step in range(150):
                path = home / f"file {step}"
                path.write_bytes(bytes([number]) * (step * 517))
                os.rename(path, home / f"renamed {step}")
                if step % 3 == 0:
                    (home / f"renamed {step}").unlink()
                if step % 10 == 0:
                    with open(home / "log", "ab") as log:
                        log.write(b"line\n")
                        os.fsync(log.fileno())
        except BaseException as error:  # judged below
            errors.append(error)

    threads = [threading.Thread(target=work, args=[number], daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        in_time(thread.join)
    assert errors == []
    in_time(server.stop)
    for number in range(4):
        home = directory / f"writer {number}"
        assert len(os.listdir(home)) == 101
        for step in (1, 50, 149):
            assert (home / f"renamed {step}").read_bytes() == bytes([number]) * (step * 517)


def thread_count(server, at_most):
    """How many threads it has; an errand may be under way, which ends."""
    until = time.monotonic() + 5
    while (count := len(os.listdir(f"/proc/{server.process.pid}/task"))) > at_most and time.monotonic() < until:
        time.sleep(0.05)
    return count


def test_threads_are_started_when_there_is_something_to_wait_for(served):
    server, directory = served
    # main, orders, link, tick, and who reads: two, and another as often as all were busy
    assert thread_count(server, 8) <= 8
    write(directory / "a")
    idle = thread_count(server, 8)      # on a busy machine more were, by now
    server.order("hold")  # no answer leaves: who writes keeps nobody who reads
    writers = [threading.Thread(target=write, args=[directory / f"held {number}"], daemon=True) for number in range(8)]
    for writer in writers:
        writer.start()
    assert in_time(lambda: (directory / "a").read_bytes()) == b"old"
    server.order("resume")
    for writer in writers:
        in_time(writer.join)
    assert thread_count(server, idle + 9) <= idle + 9  # one for each that was busy, and one that reads
