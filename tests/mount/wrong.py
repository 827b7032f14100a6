"""Deliberately wrong file systems: negative controls of the model-based tester. Each must be found.

Each is a Side that does everything right but one thing, the way a real replicating file system might get it wrong.
"""
import errno
import os
import shutil
import stat

import calls
from side import Side


class LosesLastByte(Side):
    """A write whose last byte never arrives."""

    def do_pwrite(self, slot, offset, fill, size):
        if size > 4096:
            super().do_pwrite(slot, offset, fill, size - 1)
            return size
        return super().do_pwrite(slot, offset, fill, size)


class AppendsAtOldEnd(Side):
    """O_APPEND is forgotten."""

    def do_open(self, path, slot, flags, mode):
        return super().do_open(path, slot, flags & ~os.O_APPEND, mode)


class KeepsOldEnd(Side):
    """O_TRUNC is forgotten."""

    def do_open(self, path, slot, flags, mode):
        return super().do_open(path, slot, flags & ~os.O_TRUNC, mode)


class OpensExisting(Side):
    """O_EXCL is forgotten."""

    def do_open(self, path, slot, flags, mode):
        return super().do_open(path, slot, flags & ~os.O_EXCL, mode)


class CopiesLinks(Side):
    """A hard link becomes a copy."""

    def do_link(self, path, to):
        if stat.S_ISREG(os.lstat(self.at(path)).st_mode) and not os.path.lexists(self.at(to)):
            shutil.copy2(self.at(path), self.at(to))
        else:
            super().do_link(path, to)


class ReplacesAlways(Side):
    """RENAME_NOREPLACE is forgotten."""

    def do_rename(self, path, to, flags):
        super().do_rename(path, to, flags & ~calls.RENAME_NOREPLACE)


class MovesOnExchange(Side):
    """RENAME_EXCHANGE moves one way only."""

    def do_rename(self, path, to, flags):
        super().do_rename(path, to, flags & ~calls.RENAME_EXCHANGE)


class LeavesNothing(Side):
    """RENAME_WHITEOUT leaves no whiteout behind."""

    def do_rename(self, path, to, flags):
        super().do_rename(path, to, flags & ~calls.RENAME_WHITEOUT)


class RoundsTimes(Side):
    """Times are kept in microseconds."""

    def do_utimens(self, path, atime, mtime, follow):
        if isinstance(mtime, int):
            mtime -= mtime % 1000
        super().do_utimens(path, atime, mtime, follow)


class SetsTimesAgain(Side):
    """'omit' is taken for 'now'."""

    def do_futimens(self, slot, atime, mtime):
        super().do_futimens(slot, atime, "now" if mtime == "omit" else mtime)


class KeepsHoles(Side):
    """Punching a hole changes nothing."""

    def do_fallocate(self, slot, mode, offset, size):
        if mode == calls.FALLOC_KEEP_SIZE | calls.FALLOC_PUNCH_HOLE and size:
            os.ftruncate(self.fd(slot), os.fstat(self.fd(slot)).st_size)
        else:
            super().do_fallocate(slot, mode, offset, size)


class GrowsAlways(Side):
    """FALLOC_FL_KEEP_SIZE is forgotten where space is asked for."""

    def do_fallocate(self, slot, mode, offset, size):
        super().do_fallocate(slot, 0 if mode == calls.FALLOC_KEEP_SIZE else mode, offset, size)


class DropsSetUser(Side):
    """chmod loses the set-user-id bit."""

    def do_chmod(self, path, mode):
        super().do_chmod(path, mode & 0o3777)


class ForgetsGroupOfFolder(Side):
    """A directory made in a set-group-id directory does not inherit."""

    def do_mkdir(self, path, mode):
        super().do_mkdir(path, mode)
        if os.lstat(os.path.dirname(self.at(path))).st_mode & stat.S_ISGID:
            os.chmod(self.at(path), stat.S_IMODE(os.lstat(self.at(path)).st_mode) & ~stat.S_ISGID)


class ActsAsRoot(Side):
    """Requests are done with the server's rights, not the caller's."""

    def run(self, name, user, umask, arguments):
        return super().run(name, 0 if name == "unlink" else user, umask, arguments)


class OwnsAsRoot(Side):
    """What users create belongs to the server."""

    def run(self, name, user, umask, arguments):
        return super().run(name, 0 if name in ("mknod", "symlink") else user, umask, arguments)


class IgnoresUmask(Side):
    def run(self, name, user, umask, arguments):
        return super().run(name, user, 0, arguments)


class IgnoresFlagsOfAttributes(Side):
    """XATTR_CREATE and XATTR_REPLACE are forgotten."""

    def do_setxattr(self, path, name, value, flags):
        super().do_setxattr(path, name, value, 0)


class LosesLists(Side):
    """An access control list is accepted, and not kept."""

    def do_setxattr(self, path, name, value, flags):
        super().do_setxattr(path, name, value, flags)
        if name == "system.posix_acl_default":
            os.removexattr(self.at(path), name)


class SaysInvalid(Side):
    """One errno instead of another: EEXIST for ENOTEMPTY is the classic."""

    def do_rmdir(self, path):
        try:
            super().do_rmdir(path)
        except OSError as error:
            raise OSError(errno.EEXIST if error.errno == errno.ENOTEMPTY else error.errno, "") from None


class ForgetsOpenUnlinked(Side):
    """What was unlinked while open is empty afterwards."""

    def do_unlink(self, path):
        super().do_unlink(path)
        os.seteuid(0)
        for fd in self.slots.values():
            if os.fstat(fd).st_nlink == 0 and stat.S_ISREG(os.fstat(fd).st_mode):
                os.truncate(f"/proc/self/fd/{fd}", 0)


class RepeatsNames(Side):
    """Reading on from a place in the middle of a directory begins one entry too early."""

    def do_list(self, path, skip):
        names, _, whole, inodes = super().do_list(path, skip)
        return names, skip == 0, whole, inodes


class CutsTargets(Side):
    def do_symlink(self, path, target):
        super().do_symlink(path, target[:255])


class ConfusesDevices(Side):
    def do_mknod(self, path, mode, major, minor):
        super().do_mknod(path, mode, major, 3 if stat.S_ISCHR(mode) else minor)


class WritesAsText(Side):
    """Names pass through a text encoding."""

    def at(self, path):
        return super().at(path.decode("utf-8", "replace").encode()[:4000])


class LosesMappedStores(Side):
    """What is stored through a mapping never arrives."""

    def do_map_write(self, slot, offset, fill, size):
        info = os.fstat(self.fd(slot))
        if not stat.S_ISREG(info.st_mode) or info.st_size == 0 or info.st_size > 1 << 24:
            return "not mapped"
        os.utime(self.fd(slot))
        return min(size, info.st_size - offset % info.st_size)


WRONG = {each.__name__: each for each in (
    LosesLastByte, AppendsAtOldEnd, KeepsOldEnd, OpensExisting, CopiesLinks, ReplacesAlways, MovesOnExchange,
    LeavesNothing, RoundsTimes, SetsTimesAgain, KeepsHoles, GrowsAlways, DropsSetUser, ForgetsGroupOfFolder, ActsAsRoot, OwnsAsRoot,
    IgnoresUmask, IgnoresFlagsOfAttributes, LosesLists, SaysInvalid, ForgetsOpenUnlinked, RepeatsNames, CutsTargets,
    ConfusesDevices, WritesAsText, LosesMappedStores)}
