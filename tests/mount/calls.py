"""System calls that Python's os module lacks, or hides behind conveniences: thin, with errno as OSError."""
import ctypes
import mmap
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)

RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE = 1, 2, 16
FALLOC_COLLAPSE_RANGE, FALLOC_INSERT_RANGE = 8, 32
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
AT_FDCWD, AT_SYMLINK_NOFOLLOW = -100, 0x100

LIBC.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
LIBC.opendir.restype = ctypes.c_void_p
LIBC.readdir.restype = ctypes.c_void_p
LIBC.readdir.argtypes = LIBC.closedir.argtypes = LIBC.rewinddir.argtypes = [ctypes.c_void_p]
LIBC.telldir.argtypes = [ctypes.c_void_p]
LIBC.telldir.restype = ctypes.c_long
LIBC.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]


def checked(result):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def renameat2(old, new, flags):
    checked(LIBC.renameat2(AT_FDCWD, old, AT_FDCWD, new, ctypes.c_uint(flags)))


def fallocate(fd, mode, offset, size):
    checked(LIBC.fallocate(fd, mode, offset, size))


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_long)]


def timespec(value):
    """ns since 1970, or UTIME_NOW / UTIME_OMIT as the strings 'now' and 'omit'."""
    if value == "now":
        return Timespec(0, UTIME_NOW)
    if value == "omit":
        return Timespec(0, UTIME_OMIT)
    return Timespec(value // 10**9, value % 10**9)


def utimensat(path, atime, mtime, follow):
    times = (Timespec * 2)(timespec(atime), timespec(mtime))
    checked(LIBC.utimensat(AT_FDCWD, path, times, 0 if follow else AT_SYMLINK_NOFOLLOW))


def futimens(fd, atime, mtime):
    checked(LIBC.futimens(fd, (Timespec * 2)(timespec(atime), timespec(mtime))))


class Directory:
    """An open directory stream whose places can be told and sought."""

    def __init__(self, path):
        self.stream = LIBC.opendir(path)
        if not self.stream:
            checked(-1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIBC.closedir(self.stream)

    def next(self):
        """(name, d_type, d_ino), or None at the end."""
        ctypes.set_errno(0)
        entry = LIBC.readdir(self.stream)
        if not entry:
            if ctypes.get_errno():
                checked(-1)
            return None
        inode = ctypes.c_uint64.from_address(entry).value
        kind = ctypes.c_uint8.from_address(entry + 18).value
        return ctypes.string_at(entry + 19), kind, inode

    def rest(self):
        found = []
        while (entry := self.next()) is not None:
            found.append(entry)
        return found

    def tell(self):
        return LIBC.telldir(self.stream)

    def seek(self, place):
        LIBC.seekdir(self.stream, place)

    def rewind(self):
        LIBC.rewinddir(self.stream)


def direct_write(path, offset, block, count):
    """pwrite of count copies of a 4096-byte block with O_DIRECT; buffer, offset and size are aligned."""
    with mmap.mmap(-1, 4096 * count) as buffer:
        buffer[:] = block * count
        fd = os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_NONBLOCK)
        try:
            return os.pwritev(fd, [buffer], offset)
        finally:
            os.close(fd)


def direct_read(path, offset, size):
    with mmap.mmap(-1, size) as buffer:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_NONBLOCK)
        try:
            count = os.preadv(fd, [buffer], offset)
            return bytes(buffer[:count])
        finally:
            os.close(fd)


STATX_MODE = 2


def known_mode(path):
    """The mode, without a reason for the kernel to ask for anything that it does not think it knows."""
    buffer = ctypes.create_string_buffer(256)
    if LIBC.statx(-100, bytes(path), 0, STATX_MODE, buffer) != 0:
        raise OSError(ctypes.get_errno(), "statx")
    return int.from_bytes(buffer.raw[28:30], "little")


SYS_IO_SETUP, SYS_IO_DESTROY, SYS_IO_GETEVENTS, SYS_IO_SUBMIT = 206, 207, 208, 209      # x86-64, as all of this
IOCB_CMD_PWRITE = 1


def write_asynchronously(fd, offset, content):
    """io_submit(2) and its completion; gives what it returned."""
    context = ctypes.c_ulong(0)
    with mmap.mmap(-1, len(content)) as buffer:
        buffer[:] = content
        held = ctypes.c_char.from_buffer(buffer)
        iocb = ctypes.create_string_buffer(struct.pack("<QIIHhIQQqQII", 0, 0, 0, IOCB_CMD_PWRITE, 0, fd,
                                                       ctypes.addressof(held), len(content), offset, 0, 0, 0))
        pointer, event = ctypes.pointer(iocb), ctypes.create_string_buffer(32)
        if LIBC.syscall(SYS_IO_SETUP, 1, ctypes.byref(context)) != 0:
            raise OSError(ctypes.get_errno(), "io_setup")
        submitted = LIBC.syscall(SYS_IO_SUBMIT, context, ctypes.c_long(1), ctypes.byref(pointer))
        ended = LIBC.syscall(SYS_IO_GETEVENTS, context, ctypes.c_long(1), ctypes.c_long(1), event, None) if submitted == 1 else 0
        LIBC.syscall(SYS_IO_DESTROY, context)
        del held
    if ended != 1:
        raise OSError(ctypes.get_errno(), "io_submit")
    return struct.unpack("<qq", event.raw[16:32])[0]
