"""One of the two sides that the model-based tester compares: performs operations below a root directory.

Every operation is a method do_NAME(...) whose arguments are plain values, so that a run can be printed, replayed
and shrunk. Paths are bytes relative to the root. Its result must be the same on both sides; an OSError becomes
('error', name). Descriptors live in numbered slots.
"""
import errno
import hashlib
import mmap
import os
import stat

import calls

SLOTS = 6
# user 0 is root; the others share one group, so that rights by user, group and other all come up
USERS = ((0, 0, ()), (4001, 4001, (4100,)), (4002, 4002, (4100,)))
# Times set on purpose lie before this; what the clock gave lies after it, and differs between the sides.
RECENT_NS = 1_500_000_000 * 10**9


def time_class(ns):
    return "recent" if ns > RECENT_NS else ns


def facts(info):
    """What of a stat must agree."""
    mode = info.st_mode
    found = {"mode": f"{mode:06o}", "links": info.st_nlink, "owner": (info.st_uid, info.st_gid),
             "mtime": time_class(info.st_mtime_ns)}
    if not stat.S_ISDIR(mode):
        found["size"] = info.st_size
    if stat.S_ISFIFO(mode):     # written to, it changes where the pipe's times are the file system's; FUSE's are not
        del found["mtime"]
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        found["device"] = info.st_rdev
    return found


def pattern(fill, size):
    """size bytes that depend on fill: never all zero, and shifted copies differ."""
    unit = bytes((fill * 37 + i * 11 + 1) % 251 + 1 for i in range(509))
    return (unit * (size // len(unit) + 1))[:size]


def short(data):
    return data if len(data) <= 64 else (len(data), hashlib.sha1(data).hexdigest())


class Side:
    def __init__(self, root):
        self.root = root
        self.slots = {}
        self.inodes = {}

    def at(self, path):
        return os.path.join(self.root, path) if path else self.root

    # ---- running one operation ----

    def run(self, name, user, umask, arguments):
        uid, gid, groups = USERS[user]
        os.setgroups(groups)
        os.setegid(gid)
        os.umask(umask)
        os.seteuid(uid)
        try:
            return getattr(self, "do_" + name)(**arguments)
        except OSError as error:
            return ("error", errno.errorcode.get(error.errno, error.errno))
        except ValueError as error:         # mmap's own checks of size and offset
            return ("error", str(error))
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(())
            os.umask(0)

    def look(self, paths, slots):
        """What the objects touched look like now."""
        seen = []
        for path in paths:
            for which in (path, os.path.dirname(path)):
                try:
                    seen.append((which, facts(os.lstat(self.at(which)))))
                except OSError as error:
                    seen.append((which, errno.errorcode[error.errno]))
        for slot in slots:
            if slot in self.slots:
                info = os.fstat(self.slots[slot])
                seen.append((slot, facts(info), info.st_ino == self.inodes[slot]))
        return seen

    def close_all(self):
        for fd in self.slots.values():
            os.close(fd)
        self.slots.clear()

    def fd(self, slot):
        if slot not in self.slots:
            raise OSError(errno.EBADF, "empty slot")
        return self.slots[slot]

    # ---- descriptors ----

    def do_open(self, path, slot, flags, mode):
        fd = os.open(self.at(path), flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, mode)
        if slot in self.slots:
            os.close(self.slots[slot])
        self.slots[slot] = fd
        self.inodes[slot] = os.fstat(fd).st_ino
        return "opened", facts(os.fstat(fd))

    def do_close(self, slot):
        os.close(self.fd(slot))
        del self.slots[slot]

    def do_read(self, slot, size):
        return short(os.read(self.fd(slot), size))

    def do_pread(self, slot, offset, size):
        return short(os.pread(self.fd(slot), size, offset))

    def do_write(self, slot, fill, size):
        return os.write(self.fd(slot), pattern(fill, size))

    def do_pwrite(self, slot, offset, fill, size):
        return os.pwrite(self.fd(slot), pattern(fill, size), offset)

    def do_writev(self, slot, offset, fill, sizes):
        return os.pwritev(self.fd(slot), [pattern(fill + i, size) for i, size in enumerate(sizes)], offset)

    def do_seek(self, slot, offset, whence):
        fd = self.fd(slot)
        # From the end of a directory: each file system has its own idea of where that is, and of what it may mean.
        if whence == os.SEEK_END and os.path.isdir(f"/proc/self/fd/{fd}"):
            return "not compared"
        return os.lseek(fd, offset, whence)

    def do_ftruncate(self, slot, size):
        os.ftruncate(self.fd(slot), size)

    def do_fallocate(self, slot, mode, offset, size):
        calls.fallocate(self.fd(slot), mode, offset, size)

    def do_fsync(self, slot):
        os.fsync(self.fd(slot))

    def do_fdatasync(self, slot):
        os.fdatasync(self.fd(slot))

    def do_fchmod(self, slot, mode):
        os.fchmod(self.fd(slot), mode)

    def do_fchown(self, slot, uid, gid):
        os.fchown(self.fd(slot), uid, gid)

    def do_futimens(self, slot, atime, mtime):
        calls.futimens(self.fd(slot), atime, mtime)

    def do_fsetxattr(self, slot, name, value, flags):
        os.setxattr(self.fd(slot), name, value, flags)

    def do_copy_range(self, slot, to_slot, size, offset, to_offset):
        """Until all is copied: one call may do less (where blocks are shared, it rounds down)."""
        done = 0
        while done < size:
            now = os.copy_file_range(self.fd(slot), self.fd(to_slot), size - done, offset + done, to_offset + done)
            if now == 0:
                break
            done += now
        return done

    def do_map_write(self, slot, offset, fill, size):
        """Stores through a shared mapping, synced by msync; only inside the file (SIGBUS lies beyond)."""
        fd = self.fd(slot)
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size == 0 or info.st_size > 1 << 24:
            return "not mapped"
        offset %= info.st_size
        with mmap.mmap(fd, info.st_size) as memory:
            data = pattern(fill, min(size, info.st_size - offset))
            memory[offset:offset + len(data)] = data
            memory.flush()
        return len(data)

    def do_map_read(self, slot):
        fd = self.fd(slot)
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size == 0 or info.st_size > 1 << 24:
            return "not mapped"
        with mmap.mmap(fd, info.st_size, prot=mmap.PROT_READ) as memory:
            return short(bytes(memory))

    def do_holes(self, slot):
        """What is no data by SEEK_DATA must read as zeros. (Where holes lie exactly differs: unwritten extents count
        as data while pages of them are cached.)"""
        fd, offset = self.fd(slot), 0
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > 1 << 24:
            return "not looked at"
        content = bytearray(os.pread(fd, info.st_size, 0))
        os.fsync(fd)
        place = os.lseek(fd, 0, os.SEEK_CUR)
        while offset < info.st_size:
            try:
                begin = os.lseek(fd, offset, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    break
                raise
            offset = os.lseek(fd, begin, os.SEEK_HOLE)
            content[begin:offset] = bytes(len(content[begin:offset]))
        os.lseek(fd, place, os.SEEK_SET)
        return "only zeros in holes", not content.strip(b"\0")

    # ---- names ----

    def do_mkdir(self, path, mode):
        os.mkdir(self.at(path), mode)

    def do_mknod(self, path, mode, major, minor):
        os.mknod(self.at(path), mode, os.makedev(major, minor))

    def do_symlink(self, path, target):
        os.symlink(target, self.at(path))

    def do_readlink(self, path):
        return os.readlink(self.at(path))

    def do_link(self, path, to):
        os.link(self.at(path), self.at(to), follow_symlinks=False)

    def do_unlink(self, path):
        os.unlink(self.at(path))

    def do_rmdir(self, path):
        os.rmdir(self.at(path))

    def do_rename(self, path, to, flags):
        calls.renameat2(self.at(path), self.at(to), flags)

    def do_many(self, path, count):
        """A directory with so many entries that reading it takes several calls."""
        os.mkdir(self.at(path), 0o777)
        for number in range(count):
            name = b"%s/%0*d" % (path, 3 + number % 60, number)
            os.close(os.open(self.at(name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))

    def do_list(self, path, skip):
        """All names; then from a place told in the middle; then from the start again."""
        with calls.Directory(self.at(path)) as directory:
            everything = directory.rest()
            directory.rewind()
            head = [directory.next() for _ in range(min(skip, len(everything)))]
            place = directory.tell()
            tail = directory.rest()
            directory.seek(place)
            again = directory.rest()
        names = sorted((name, kind) for name, kind, _ in everything)
        inodes = all(inode == os.lstat(self.at(os.path.join(path, name))).st_ino
                     for name, _, inode in everything if name not in (b".", b".."))
        return short(repr(names).encode()), tail == again, head + tail == everything, inodes

    def do_fsyncdir(self, path):
        fd = os.open(self.at(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    # ---- attributes and contents by name ----

    def do_lstat(self, path):
        return facts(os.lstat(self.at(path)))

    def do_stat(self, path):
        return facts(os.stat(self.at(path)))

    def do_access(self, path, mode):
        return os.access(self.at(path), mode, effective_ids=True)

    def do_statfs(self, path):
        found = os.statvfs(self.at(path))
        return found.f_namemax, found.f_bsize

    def do_truncate(self, path, size):
        os.truncate(self.at(path), size)

    def do_chmod(self, path, mode):
        os.chmod(self.at(path), mode)

    def do_chown(self, path, uid, gid, follow):
        os.chown(self.at(path), uid, gid, follow_symlinks=follow)

    def do_utimens(self, path, atime, mtime, follow):
        calls.utimensat(self.at(path), atime, mtime, follow)

    def do_setxattr(self, path, name, value, flags):
        os.setxattr(self.at(path), name, value, flags, follow_symlinks=False)

    def do_getxattr(self, path, name):
        return short(os.getxattr(self.at(path), name, follow_symlinks=False))

    def do_listxattr(self, path):
        """Whether trusted.* is shown to users differs between file systems (btrfs does)."""
        return sorted(name for name in os.listxattr(self.at(path), follow_symlinks=False)
                      if os.geteuid() == 0 or not name.startswith("trusted."))

    def do_removexattr(self, path, name):
        os.removexattr(self.at(path), name, follow_symlinks=False)

    def do_direct_write(self, path, block, fill, count):
        return calls.direct_write(self.at(path), block * 4096, pattern(fill, 4096), count)

    def do_direct_read(self, path, block, count):
        return short(calls.direct_read(self.at(path), block * 4096, count * 4096))

    def do_read_all(self, path):
        fd = os.open(self.at(path), os.O_RDONLY | os.O_NONBLOCK)
        try:
            return short(os.pread(fd, 1 << 22, 0))
        finally:
            os.close(fd)
