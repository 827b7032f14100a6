"""Draws random operations: small pools of names and sizes, so that operations meet each other.

An operation is (name, user, umask, arguments), plain values only. What exists is learned from the plain side, so
that most operations succeed and the others fail for interesting reasons.
"""
import os
import stat

import calls
from side import SLOTS

NAMES = (b"a", b"b", b"c", b"two words", b"new\nline", b"\xff\xfe bytes", "é".encode(), b"-rf", b"x" * 255, b"y" * 254 + b"\xc3",
         b".hidden", b"~", b"tab\there")
TOO_LONG = b"z" * 256
SIZES = (0, 1, 3, 100, 511, 512, 4095, 4096, 4097, 8192, 65536, 100_000, 131_072, 262_144, 262_145, 300_000, 1 << 20)
OFFSETS = (0, 0, 0, 1, 511, 4095, 4096, 4097, 65_536, 131_071, 262_143, 262_144, 1 << 20, (1 << 20) + 77)
FAR = (1 << 33, (1 << 33) - 3, 1 << 40)
MODES = (0o777, 0o755, 0o644, 0o600, 0o000, 0o4755, 0o2755, 0o2770, 0o1777, 0o6777, 0o111, 0o2644)
UMASKS = (0, 0o022, 0o077)
TIMES = ("now", "omit", 0, 1, 123_456_789, 999_999_999, 86_400 * 10**9, 1_234_567_890_987_654_321, -1,
         -1_500_000_000 * 10**9 + 5)
XATTRS = ("user.a", "user.b", "user." + "n" * 200, "trusted.a", "security.a", "user.", "nonsense.a")
VALUES = (b"", b"v", b"value" * 20, b"\0binary\xff", b"w" * 1000)
ACL_TAGS = {"owner": 1, "user": 2, "group_owner": 4, "group": 8, "mask": 0x10, "other": 0x20}


def acl(entries):
    body = b"".join(ACL_TAGS[tag].to_bytes(2, "little") + perm.to_bytes(2, "little")
                    + (0xFFFFFFFF if who is None else who).to_bytes(4, "little") for tag, perm, who in entries)
    return (2).to_bytes(4, "little") + body


def random_acl(random):
    def perm():
        return random.choice((0, 1, 4, 5, 6, 7))
    if random.random() < 0.1:
        return random.choice((b"", b"\1\0\0\0", acl([("owner", 7, None)]), acl([]) + b"short"))
    entries = [("owner", perm(), None)]
    users = sorted(random.sample((4001, 4002, 77), random.randrange(3)))
    entries += [("user", perm(), user) for user in users]
    entries.append(("group_owner", perm(), None))
    groups = [4100] if random.random() < 0.4 else []
    entries += [("group", perm(), group) for group in groups]
    if users or groups or random.random() < 0.3:
        entries.append(("mask", perm(), None))
    return acl(entries + [("other", perm(), None)])


class Generator:
    def __init__(self, random, root):
        self.random = random
        self.root = root            # of the plain side, to learn what exists
        self.known = [b""]
        self.folders = [b""]
        self.empty = []             # folders with nothing in them
        self.steps_since_look = 0

    def look_around(self):
        self.known, self.folders, self.empty, pending = [], [b""], [], [b""]
        while pending:
            folder = pending.pop()
            try:
                entries = list(os.scandir(os.path.join(self.root, folder)))
                if not entries and folder:
                    self.empty.append(folder)
                for entry in entries:
                    path = os.path.join(folder, entry.name)
                    if len(self.known) < 500:
                        self.known.append(path)
                    if entry.is_dir(follow_symlinks=False) and path.count(b"/") < 4:
                        self.folders.append(path)
                        pending.append(path)
            except OSError:
                continue

    # ---- pieces ----

    def one_of(self, *choices):
        return self.random.choice(choices)

    def new_path(self):
        folder = self.random.choice(self.folders)
        name = TOO_LONG if self.random.random() < 0.01 else self.random.choice(NAMES)
        if self.random.random() < 0.02 and self.known:      # below something that may not be a directory
            folder = self.random.choice(self.known)
        return os.path.join(folder, name)

    def path(self):
        """Mostly something that exists."""
        if self.known and self.random.random() < 0.85:
            return self.random.choice(self.known)
        return self.new_path()

    def file(self):
        for _ in range(4):
            path = self.path()
            try:
                if stat.S_ISREG(os.lstat(os.path.join(self.root, path)).st_mode):
                    return path
            except OSError:
                continue
        return self.path()

    def folder(self):
        return self.random.choice(self.folders) if self.random.random() < 0.9 else self.path()

    def folder_to_remove(self):
        return self.random.choice(self.empty) if self.empty and self.random.random() < 0.4 else self.path() or b"a"

    def known_xattr(self):
        """A path and the name of an attribute that it has, mostly."""
        for _ in range(6):
            path = self.path()
            try:
                names = os.listxattr(os.path.join(self.root, path), follow_symlinks=False)
            except OSError:
                continue
            if names:
                return {"path": path, "name": self.random.choice(names)}
        return {"path": self.path(), "name": any_xattr(self)}

    def slot(self):
        return self.random.randrange(SLOTS)

    def size(self):
        return self.random.choice(SIZES) if self.random.random() < 0.7 else self.random.randrange(1 << 17)

    def offset(self):
        if self.random.random() < 0.02:
            return self.random.choice(FAR)
        return self.random.choice(OFFSETS) if self.random.random() < 0.7 else self.random.randrange(1 << 20)

    def length(self):
        if self.random.random() < 0.03:
            return self.one_of(-1, 1 << 62, (1 << 63) - 1)
        return self.offset()

    def fill(self):
        return self.random.randrange(250)

    def mode(self):
        return self.random.choice(MODES)

    def owner(self):
        return self.one_of(-1, 0, 4001, 4002, 77)

    def group(self):
        return self.one_of(-1, 0, 4001, 4100, 77)

    def time(self):
        return self.random.choice(TIMES)

    def open_flags(self):
        flags = self.one_of(os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR, os.O_RDWR)
        for flag, chance in ((os.O_CREAT, 0.6), (os.O_EXCL, 0.15), (os.O_TRUNC, 0.2), (os.O_APPEND, 0.25),
                             (os.O_NOFOLLOW, 0.1), (os.O_DIRECTORY, 0.05), (os.O_SYNC, 0.05), (os.O_DSYNC, 0.05)):
            if self.random.random() < chance:
                flags |= flag
        if flags & os.O_DIRECTORY:      # with O_CREAT kernels disagree
            flags &= ~os.O_CREAT
        return flags

    def target(self):
        return self.one_of(*NAMES, b"a/b", b"/nonexistent/x", b"t" * 900, b"./a", b"")

    def device(self):
        kind = self.one_of(stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFREG)
        numbers = {stat.S_IFCHR: self.one_of((1, 3), (1, 5), (1, 7)), stat.S_IFBLK: (240, 77)}.get(kind, (0, 0))
        return kind, numbers

    # ---- one operation ----

    def draw(self):
        if self.steps_since_look % 7 == 0:
            self.look_around()
        self.steps_since_look += 1
        name = self.random.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
        user = self.random.choices((0, 1, 2), (70, 20, 10))[0]
        arguments = DRAWS[name](self)
        if is_for_root(name, arguments):
            user = 0
        return name, user, self.random.choice(UMASKS), arguments


def is_for_root(name, arguments):
    """Where others may not do it quite alike (docs/posix.md): who takes set-user-id away by a chown that keeps both,
    and by a hole behind the end of a file on btrfs."""
    if name == "fallocate":
        return arguments["mode"] & calls.FALLOC_PUNCH_HOLE
    return name in ("chown", "fchown") and arguments["uid"] == arguments["gid"] == -1


def draw_mknod(g):
    kind, (major, minor) = g.device()
    return {"path": g.new_path(), "mode": kind | g.mode(), "major": major, "minor": minor}


def draw_fallocate(g):
    mode = g.one_of(0, calls.FALLOC_KEEP_SIZE, calls.FALLOC_KEEP_SIZE | calls.FALLOC_PUNCH_HOLE,
                    calls.FALLOC_ZERO_RANGE, calls.FALLOC_ZERO_RANGE | calls.FALLOC_KEEP_SIZE,
                    calls.FALLOC_PUNCH_HOLE)
    return {"slot": g.slot(), "mode": mode, "offset": min(g.offset(), 1 << 21), "size": min(g.size(), 1 << 20)}


def draw_owner(g):
    """Also (-1, -1): it clears set-user-id."""
    return {"uid": g.owner(), "gid": g.group()}


def draw_setxattr(g, where):
    if g.random.random() < 0.35:
        name = g.one_of("system.posix_acl_access", "system.posix_acl_default")
        value = random_acl(g.random)
    else:
        name, value = g.random.choice(XATTRS), g.random.choice(VALUES)
    return {**where, "name": name, "value": value, "flags": g.one_of(0, 0, 0, os.XATTR_CREATE, os.XATTR_REPLACE)}


def any_xattr(g):
    return g.one_of(*XATTRS, "system.posix_acl_access", "system.posix_acl_default")


DRAWS = {
    "open": lambda g: {"path": g.file() if g.random.random() < 0.7 else g.new_path(), "slot": g.slot(),
                       "flags": g.open_flags(), "mode": g.mode()},
    "close": lambda g: {"slot": g.slot()},
    "read": lambda g: {"slot": g.slot(), "size": g.size()},
    "pread": lambda g: {"slot": g.slot(), "offset": g.offset(), "size": g.size()},
    "write": lambda g: {"slot": g.slot(), "fill": g.fill(), "size": g.size()},
    "pwrite": lambda g: {"slot": g.slot(), "offset": g.offset(), "fill": g.fill(), "size": g.size()},
    "writev": lambda g: {"slot": g.slot(), "offset": g.offset(), "fill": g.fill(),
                         "sizes": [g.size() % 70_000 for _ in range(3)]},
    "seek": lambda g: {"slot": g.slot(), "offset": g.offset() - 3,
                       "whence": g.one_of(os.SEEK_SET, os.SEEK_CUR, os.SEEK_END)},
    "ftruncate": lambda g: {"slot": g.slot(), "size": g.length()},
    "fallocate": draw_fallocate,
    "fsync": lambda g: {"slot": g.slot()},
    "fdatasync": lambda g: {"slot": g.slot()},
    "fchmod": lambda g: {"slot": g.slot(), "mode": g.mode()},
    "fchown": lambda g: {"slot": g.slot(), **draw_owner(g)},
    "futimens": lambda g: {"slot": g.slot(), "atime": g.time(), "mtime": g.time()},
    "fsetxattr": lambda g: draw_setxattr(g, {"slot": g.slot()}),
    "copy_range": lambda g: {"slot": g.slot(), "to_slot": g.slot(), "size": g.size(),
                             "offset": min(g.offset(), 1 << 20), "to_offset": min(g.offset(), 1 << 20)},
    "map_write": lambda g: {"slot": g.slot(), "offset": g.offset(), "fill": g.fill(), "size": g.size()},
    "map_read": lambda g: {"slot": g.slot()},
    "holes": lambda g: {"slot": g.slot()},
    "mkdir": lambda g: {"path": g.new_path(), "mode": g.mode()},
    "mknod": draw_mknod,
    "symlink": lambda g: {"path": g.new_path(), "target": g.target()},
    "readlink": lambda g: {"path": g.path()},
    "link": lambda g: {"path": g.path(), "to": g.new_path()},
    "unlink": lambda g: {"path": g.path()},
    "rmdir": lambda g: {"path": g.folder_to_remove()},
    "rename": lambda g: {"path": g.path(), "to": g.path() if g.random.random() < 0.5 else g.new_path(),
                         "flags": g.one_of(0, 0, 0, calls.RENAME_NOREPLACE, calls.RENAME_EXCHANGE,
                                        calls.RENAME_WHITEOUT, calls.RENAME_WHITEOUT | calls.RENAME_NOREPLACE,
                                        calls.RENAME_WHITEOUT | calls.RENAME_EXCHANGE)},
    "many": lambda g: {"path": g.new_path(), "count": g.one_of(30, 150, 400)},
    "list": lambda g: {"path": g.folder(), "skip": g.one_of(0, 1, 3, 50, 140)},
    "fsyncdir": lambda g: {"path": g.folder()},
    "lstat": lambda g: {"path": g.path()},
    "stat": lambda g: {"path": g.path()},
    "access": lambda g: {"path": g.path(), "mode": g.one_of(os.R_OK, os.W_OK, os.X_OK, os.R_OK | os.W_OK)},
    "statfs": lambda g: {"path": g.path()},
    "truncate": lambda g: {"path": g.file(), "size": g.length()},
    "chmod": lambda g: {"path": g.path(), "mode": g.mode()},
    "chown": lambda g: {"path": g.path(), **draw_owner(g), "follow": g.random.random() < 0.5},
    "utimens": lambda g: {"path": g.path(), "atime": g.time(), "mtime": g.time(), "follow": g.random.random() < 0.5},
    "setxattr": lambda g: draw_setxattr(g, {"path": g.path()}),
    "getxattr": lambda g: g.known_xattr(),
    "listxattr": lambda g: {"path": g.path()},
    "removexattr": lambda g: g.known_xattr(),
    "direct_write": lambda g: {"path": g.file(), "block": g.random.randrange(40), "fill": g.fill(),
                               "count": g.one_of(1, 2, 16, 70)},
    "direct_read": lambda g: {"path": g.file(), "block": g.random.randrange(40), "count": g.one_of(1, 2, 16, 70)},
    "read_all": lambda g: {"path": g.file()},
}

WEIGHTS = {name: 10 for name in DRAWS} | {
    "open": 60, "pwrite": 30, "write": 25, "rename": 25, "unlink": 15, "mkdir": 20, "setxattr": 20, "chmod": 15,
    "chown": 15, "close": 5, "futimens": 20, "utimens": 15, "rmdir": 6, "many": 1, "statfs": 2, "lstat": 3, "stat": 5, "access": 8, "fallocate": 20}
assert WEIGHTS.keys() == DRAWS.keys()
