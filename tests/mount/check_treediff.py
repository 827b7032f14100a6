#!/usr/bin/python3
"""Negative tests of tools/treediff: for each thing that it must see, plant exactly that difference and demand it.

usage: check_treediff.py [FOLDER]      (FOLDER: on a file system with xattrs and ACLs; as root)
A comparison that finds nothing proves nothing, unless it finds what was planted.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

TREEDIFF = pathlib.Path(__file__).resolve().parents[2] / "tools" / "treediff"
OLD = 1_000_000_000_123_456_789


def acl(*users):
    """A POSIX ACL as the kernel's bytes: rw for owner and the users named."""
    entries = [(1, 6, 0xFFFFFFFF), *((2, 6, user) for user in users), (4, 4, 0xFFFFFFFF), (0x10, 6, 0xFFFFFFFF),
               (0x20, 0, 0xFFFFFFFF)]
    return (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + perm.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, perm, who in entries)


def plant_tree(root):
    root.mkdir()
    (root / ".evenkeel").mkdir()
    (root / "file").write_bytes(b"content\n" * 4000)
    (root / "new\nline and \xff").write_bytes(b"odd name")
    (root / "folder").mkdir()
    (root / "folder/one").write_bytes(b"linked")
    os.link(root / "folder/one", root / "folder/two")
    (root / "folder/alone").write_bytes(b"linked")
    os.symlink("file", root / "link")
    os.mkfifo(root / "fifo")
    os.mknod(root / "device", 0o020600, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
    with open(root / "sparse", "wb") as sparse:
        sparse.truncate(200 << 20)
        os.pwrite(sparse.fileno(), b"island", 150 << 20)
    os.setxattr(root / "file", "user.colour", b"green")
    os.setxattr(root / "file", "system.posix_acl_access", acl(4321))
    os.setxattr(root / "file", "trusted.evenkeel", os.urandom(8))
    for path in root.rglob("*"):
        os.utime(path, ns=(OLD, OLD), follow_symlinks=False)
    os.utime(root, ns=(OLD, OLD))


def rewrite_in_place(path):
    with open(path, "r+b") as file:
        file.seek(7000)
        file.write(b"C")


def relink(root):
    os.unlink(root / "folder/two")
    (root / "folder/two").write_bytes(b"linked")


def swap_link(root):
    """The same link counts and contents, but another pair of names is linked."""
    (root / "folder/two").rename(root / "folder/x")
    (root / "folder/alone").rename(root / "folder/two")
    (root / "folder/x").rename(root / "folder/alone")


def poke_sparse(path):
    with open(path, "r+b") as file:
        os.pwrite(file.fileno(), b"x", 180 << 20)


def replace_with(path, make):
    os.unlink(path)
    make(path)


# What is planted in the second tree, and words that must stand in the answer; None: must be called equal.
PLANTED = {
    "nothing": (lambda r: None, None),
    "own folder at the root": (lambda r: (r / ".evenkeel/state").write_bytes(b"x"), None),
    "a further name": (lambda r: (r / "extra").write_bytes(b""), "extra: only in the second tree"),
    "a missing name": (lambda r: (r / "fifo").unlink(), "fifo: only in the first tree"),
    "own folder's name deeper": (lambda r: (r / "folder/.evenkeel").mkdir(), "folder/.evenkeel: only in the second"),
    "one byte, same size": (lambda r: rewrite_in_place(r / "file"), "file: content is"),
    "one byte in a hole": (lambda r: poke_sparse(r / "sparse"), "sparse: content is"),
    "a size": (lambda r: os.truncate(r / "file", 5), "file: size is 32000 in the first tree, 5"),
    "permissions": (lambda r: os.chmod(r / "folder", 0o711), "folder: permissions is"),
    "set-user-id bit": (lambda r: os.chmod(r / "folder/alone", 0o4644), "4644 in the second"),
    "an owner": (lambda r: os.chown(r / "file", 0, 77), "file: owner is 0:0 in the first tree, 0:77"),
    "owner of a symbolic link": (lambda r: os.lchown(r / "link", 5, 0), "link: owner is"),
    "one nanosecond": (lambda r: os.utime(r / "file", ns=(OLD, OLD + 1)), "file: modification time is"),
    "a directory's time": (lambda r: os.utime(r / "folder", ns=(OLD, OLD - 1)), "folder: modification time is"),
    "an attribute's value": (lambda r: os.setxattr(r / "file", "user.colour", b"red"), "file: attribute user.colour"),
    "a further attribute": (lambda r: os.setxattr(r / "fifo", "trusted.x", b""), "fifo: attribute trusted.x is none"),
    "own attribute": (lambda r: os.setxattr(r / "file", "trusted.evenkeel", b"other"), None),
    "an ACL": (lambda r: os.setxattr(r / "file", "system.posix_acl_access", acl(4322)), "system.posix_acl_access"),
    "a default ACL": (lambda r: os.setxattr(r / "folder", "system.posix_acl_default", acl(4322)),
                      "folder: attribute system.posix_acl_default is none"),
    "a link that is a copy": (relink, "folder/two: link count is 2 in the first tree, 1"),
    "other names linked": (swap_link, "folder/alone: linked with is none"),
    "a target": (lambda r: replace_with(r / "link", lambda p: os.symlink("nowhere", p)), "link: target is file"),
    "a device number": (lambda r: replace_with(r / "device", lambda p: os.mknod(p, 0o020600, os.makedev(1, 5))),
                        "device: device is 1:3 in the first tree, 1:5"),
    "a type": (lambda r: replace_with(r / "fifo", lambda p: p.write_bytes(b"")), "fifo: type is fifo"),
    "an odd name's content": (lambda r: (r / "new\nline and \xff").write_bytes(b"odd nome"), "content is"),
}


def run_one(folder, name):
    plant, wanted = PLANTED[name]
    left, right = folder / "left", folder / "right"
    plant_tree(left)
    plant_tree(right)
    plant(right)
    done = subprocess.run([TREEDIFF, left, right], capture_output=True, text=True, timeout=60, check=False)
    shutil.rmtree(left)
    shutil.rmtree(right)
    if wanted is None:
        return done.returncode == 0 and done.stdout == "treediff: equal\n", done.stdout
    return done.returncode == 1 and wanted in done.stdout, done.stdout + done.stderr


def main():
    failed = 0
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        for name in PLANTED:
            is_good, output = run_one(pathlib.Path(folder), name)
            if not is_good:
                failed += 1
                print(f"FAILED treediff, planted {name}: it said:\n{output}")
    print(f"treediff: {len(PLANTED) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
