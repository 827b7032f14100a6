"""Disks that can lose their power, and with it what was not flushed: see disk.c for what one is and what it can be told.

    file system -- mount -- /dev/loopN -- FOLDER/NAME (FUSE) -- evenkeel-lab-disk

A disk is mkfs'ed, mounted by whoever uses it, cut, restored, and mounted again: on a new loop device, so that no cache of the
host's outlives the cut. One program serves all disks of a lab: a command to several of them is one moment.
"""

import os
import subprocess

from .process import LabError, end, identity, tool, wait_for

MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-K", "-f"],
}
# What nobody asked to be durable is not, for as long as a test lasts.
OPTIONS = {"ext4": "commit=600", "xfs": "nouuid"}


class Disks:
    """sizes: megabytes by name. The program outlives whoever started it: identity() finds it again."""

    def __init__(self, folder, who=None):
        self.folder, self.who = str(folder), who

    @classmethod
    def start(cls, program, folder, sizes):
        os.makedirs(folder, exist_ok=True)
        child = subprocess.Popen([program, folder, *(f"{name}={size}" for name, size in sizes.items())], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, start_new_session=True, cwd="/")
        if child.stdout.readline() != b"ready\n":
            raise LabError(f"{program} does not serve disks in {folder}")
        child.stdout.close()
        return cls(folder, identity(child.pid))

    def say(self, *words):
        # One write, unbuffered: the command is done when it returns.
        fd = os.open(f"{self.folder}/control", os.O_WRONLY)
        try:
            os.write(fd, " ".join(map(str, words)).encode())
        except OSError as error:
            raise LabError(f"the disks do not take '{' '.join(map(str, words))}': {error}") from error
        finally:
            os.close(fd)

    def numbers(self, name):
        """What is told of a disk: its state, writes, flushes, flushes that wait, bytes not flushed."""
        with open(f"{self.folder}/control", encoding="ascii") as file:
            for line in file:
                found, state, *numbers = line.split()
                if found == name:
                    return dict(zip(("writes", "flushes", "waiting", "unflushed"), map(int, numbers)), state=state)
        raise LabError(f"there is no disk '{name}'")

    def stop(self):
        tool("umount", "-l", self.folder, check=False)
        end(self.who)


class Disk:
    """One of them. It has a loop device while it is attached."""

    def __init__(self, disks, name, kind="ext4", device=None):
        self.disks, self.name, self.kind, self.device = disks, name, kind, device

    def attach(self):
        path = f"{self.disks.folder}/{self.name}"
        self.device = wait_for("a free loop device",
                               lambda: tool("losetup", "--find", "--show", path, check=False).strip(), 5)
        return self.device

    def make(self):
        self.attach()
        tool(*MAKE[self.kind], self.device)
        return self

    def mount(self, point):
        os.makedirs(point, exist_ok=True)
        tool("mount", "-t", self.kind, "-o", OPTIONS[self.kind], self.device, point)

    def detach(self, seconds=20):
        """Until the last user has let go: a mount that was taken away lazily may be busy for a while."""
        tool("losetup", "--detach", self.device, check=False)
        busy = f"/sys/block/{os.path.basename(self.device)}/loop/backing_file"
        mine = f"{self.disks.folder}/{self.name}"

        def is_free():
            try:
                with open(busy, encoding="utf-8") as file:
                    return file.read().strip() != mine
            except FileNotFoundError:
                return True
        wait_for(f"{self.device} is still in use", is_free, seconds)
        self.device = None

    def restore(self, keep, seed):
        """Power is back. Gives the new device."""
        self.detach()
        self.disks.say("restore", self.name, keep, seed)
        return self.attach()
