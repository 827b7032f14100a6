"""Processes of the lab: known by pid and start time, so that a reused pid is never hit."""

import os
import signal
import subprocess
import time

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


def end(who, seconds=20.0):
    """SIGKILL, and waits until it is gone (for process 1 of a node: all its processes too)."""
    send(who, signal.SIGKILL)
    if who:
        wait_for(f"process {who['pid']} does not die", lambda: not is_alive(who), seconds)
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
