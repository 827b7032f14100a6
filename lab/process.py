"""Processes of the lab: known by pid and start time, so that a reused pid is never hit."""

import contextlib
import os
import signal
import subprocess
import time

ABORT = 'mount -t fusectl none /sys/fs/fuse/connections && echo 1 >"/sys/fs/fuse/connections/$0/abort"'
LINKS = ("hb1", "hb2", "client")


class LabError(Exception):
    """What could not be done, and what to do about it."""


def wait_for(what, condition, seconds=10.0, every=0.02):
    """Waits until condition() is true and returns its value; LabError at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise LabError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(every)


def start_time(pid):
    """The kernel's start time of a living process; None for a dead one or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def identity(pid):
    return {"pid": pid, "start": start_time(pid)}


def is_alive(who):
    return bool(who) and who["start"] is not None and start_time(who["pid"]) == who["start"]


def send(who, number):
    if is_alive(who):
        try:
            os.kill(who["pid"], number)
        except ProcessLookupError:
            pass


def connections(table):
    """The numbers of the file systems of ours in a table of mounts."""
    with contextlib.suppress(OSError), open(table, encoding="utf-8", errors="surrogateescape") as file:
        return {int(line.split()[2].split(":")[1]) for line in file if " - fuse.evenkeel " in line}
    return set()


def abort(number):
    """Whoever waits for the server of this connection gets an error: not even a SIGKILL ends who waits there."""
    subprocess.run(["unshare", "--mount", "sh", "-c", ABORT, str(number)], check=False, stderr=subprocess.DEVNULL)


def end(who, seconds=20.0):
    """SIGKILL, and waits until it is gone (for process 1 of a node: all its processes too)."""
    if not who:
        return
    inside = connections(f"/proc/{who['pid']}/mountinfo") - connections("/proc/self/mountinfo") if is_alive(who) else set()
    send(who, signal.SIGKILL)
    try:
        wait_for(f"process {who['pid']} does not die", lambda: not is_alive(who), seconds / 2)
    except LabError:
        for number in inside:
            abort(number)
        wait_for(f"process {who['pid']} does not die", lambda: not is_alive(who), seconds / 2)
    reap(who)


def reap(who):
    try:
        os.waitpid(who["pid"], os.WNOHANG)
    except ChildProcessError:
        pass  # not ours: started by another run of the lab


def keeper(name):
    """A process that does nothing but hold a network namespace."""
    child = subprocess.Popen(
        ["unshare", "--net", "bash", "-c", f"exec -a evenkeel-lab-{name} sleep infinity"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, cwd="/", close_fds=True)
    ours = os.readlink("/proc/self/ns/net")
    wait_for("a network namespace of its own",
             lambda: os.readlink(f"/proc/{child.pid}/ns/net") != ours)
    return identity(child.pid)


def tool(*command, text=None, netns=None, check=True):
    """Runs a small program, in a keeper's network namespace if one is given; returns its output."""
    prefix = ["nsenter", f"--net=/proc/{netns['pid']}/ns/net"] if netns else []
    done = subprocess.run(prefix + [str(word) for word in command], input=text, text=True,
                          stdin=None if text is not None else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout
