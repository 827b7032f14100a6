"""Process 1 of a lab node: makes the node's namespaces and mounts, then does a service manager's job.

It starts evenkeel-hold if the node is configured (or when told by SIGUSR1), starts it again when it
ends, reaps what is orphaned, and on SIGTERM stops everything in order.

What is where inside a node:

    /                    the host's, seen through a mount namespace of the node's own
    /proc /sys           new; /sys/fs/cgroup is the node's own cgroup2 tree
    /run /tmp /dev/shm   new and empty at each boot
    /run/lab             the lab's folder (programs in bin/, modules/, carry/ for bundles)
    /etc/evenkeel, /var/lib/evenkeel, /var/log/postgresql    from the node's state image
    /var/lib/postgresql, /srv                                from the node's data image

Called as: init.py SPECIFICATION (JSON). Prints the pid of process 1, as the caller sees it, and
"ready" once everything is mounted. Standard library only.
"""

import ctypes
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
CLONE_NEWIPC, CLONE_NEWPID = 0x08000000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH, PR_SET_NAME = 2, 15
LIBC = ctypes.CDLL(None, use_errno=True)
STATE_FOLDERS = {"etc": "/etc/evenkeel", "lib": "/var/lib/evenkeel", "log": "/var/log/postgresql"}
DATA_FOLDERS = {"postgresql": "/var/lib/postgresql", "srv": "/srv"}
STOP_SECONDS = 60


def call(name, *arguments):
    if getattr(LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments}: {os.strerror(number)}")


def mount(source, target, kind=None, flags=0, options=None):
    def encode(text):
        return text.encode() if text is not None else None
    call("mount", encode(source), encode(target), encode(kind), ctypes.c_ulong(flags),
         encode(options))


def unmount(*targets):
    for target in targets:
        call("umount2", target.encode(), MNT_DETACH)


def enter(spec):
    """Joins the node's cgroup and network, leaves the host's mounts, name and processes."""
    if spec["cgroup"]:
        with open(f"{spec['cgroup']}/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")
    network = os.open(f"/proc/{spec['network_pid']}/ns/net", os.O_RDONLY)
    call("setns", network, 0)
    os.close(network)
    call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWPID)
    try:
        mount(None, "/", None, MS_REC | MS_PRIVATE)
    except OSError:
        sys.exit("the root directory is no mount point (a chroot?): bind-mount it on itself first, "
                 "'mount --bind ROOT ROOT', then chroot again")
    socket.sethostname(spec["name"])


def make_mounts(spec):
    """In process 1: order matters, the lab's folder may lie below /tmp."""
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    work = f"{spec['folder']}/mounts"
    os.makedirs(f"{work}/state", exist_ok=True)
    os.makedirs(f"{work}/data", exist_ok=True)
    mount(spec["state_device"], f"{work}/state", "ext4")
    mount(spec["data_device"], f"{work}/data", spec["data_kind"])
    bind_folders(f"{work}/state", STATE_FOLDERS)
    bind_folders(f"{work}/data", DATA_FOLDERS)
    unmount(f"{work}/state", f"{work}/data")
    mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.makedirs("/run/lab")
    mount(spec["dir"], "/run/lab", None, MS_BIND)
    os.makedirs("/run/lock", mode=0o1777)
    mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    make_sys()


def bind_folders(image, folders):
    for inside, outside in folders.items():
        is_new = not os.path.isdir(f"{image}/{inside}")
        os.makedirs(f"{image}/{inside}", exist_ok=True)
        os.makedirs(outside, exist_ok=True)
        if is_new and "postgresql" in outside:
            give_to_postgres(f"{image}/{inside}")
        mount(f"{image}/{inside}", outside, None, MS_BIND)


def give_to_postgres(folder):
    try:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    except KeyError:
        pass  # PostgreSQL is not installed: then nobody needs it


def make_sys():
    """The host's goes first: who looks for a cgroup2 mount must not find a hidden one."""
    unmount("/sys")
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if os.path.isdir("/sys/fs/fuse/connections"):
        mount("fusectl", "/sys/fs/fuse/connections", "fusectl", 0)


class ServiceManager:
    """What systemd would be: one unit, evenkeel-hold, with Restart=always."""

    def __init__(self, spec):
        self.spec = spec
        self.service = None
        self.is_wanted = os.path.exists("/etc/evenkeel/cluster.yaml")
        self.is_stopping = False
        self.log = os.open(f"/run/lab/nodes/{spec['name']}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                           0o644)

    def start(self):
        program = self.spec["program"]
        command = [program, "--config", "/etc/evenkeel", "--state", "/var/lib/evenkeel", "--run",
                   "/run/evenkeel"]
        os.makedirs("/run/evenkeel", exist_ok=True)
        try:
            self.service = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log,
                                            stderr=self.log, cwd="/", start_new_session=True,
                                            preexec_fn=unblock_signals)
            self.say(f"started {program}")
        except OSError as error:
            self.is_wanted = False
            self.say(f"cannot start {program}: {error}")

    def say(self, text):
        os.write(self.log, f"init: {text}\n".encode())

    def on_child(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.service and pid == self.service.pid:
                self.service.returncode = status
                self.service = None
                self.say(f"evenkeel-hold ended: {os.waitstatus_to_exitcode(status)}")

    def stop(self):
        """In order: the service may stop its applications; then everything else."""
        self.is_stopping = True
        deadline = time.monotonic() + STOP_SECONDS
        if self.service:
            self.service.send_signal(signal.SIGTERM)
        while self.service and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.2)
            self.on_child()
        if self.service:
            self.say(f"evenkeel-hold did not stop within {STOP_SECONDS} s")
        kill_all()

    def run(self):
        wanted = {signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
        restart_at = 0.0
        while True:
            if self.is_wanted and not self.service and time.monotonic() >= restart_at:
                self.start()
                restart_at = time.monotonic() + 0.1
            got = signal.sigtimedwait(wanted, 0.1 if self.is_wanted and not self.service else 1.0)
            number = got.si_signo if got else None
            if number == signal.SIGUSR1:
                self.is_wanted = True
            elif number == signal.SIGUSR2:
                self.is_wanted = False
                if self.service:
                    self.service.send_signal(signal.SIGTERM)
            elif number == signal.SIGTERM:
                self.stop()
                return
            self.on_child()


def unblock_signals():
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def kill_all():
    """Process 1 is exempt from kill(-1). What is orphaned is reaped by the kernel at our end."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass


def process_one(spec, ready):
    LIBC.prctl(PR_SET_NAME, b"lab-init", 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK,
                           {signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2})
    make_mounts(spec)
    os.chdir("/")
    os.environ["PATH"] = f"/run/lab/bin:{spec['path']}"
    manager = ServiceManager(spec)
    os.write(ready, b"ready\n")
    os.close(ready)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    manager.run()


def main():
    spec = json.loads(sys.argv[1])
    enter(spec)
    child = os.fork()
    if child == 0:
        process_one(spec, os.dup(1))
        os._exit(0)
    print(child, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
