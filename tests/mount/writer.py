"""An application that writes in one way until its input ends, and says then how often; what each block has to hold follows from that.

    writer.py FILE KIND NUMBER COUNTER      (KIND: of KINDS; COUNTER: a file that holds how often, 8 bytes)
"""
import ctypes
import json
import mmap
import os
import select
import struct
import sys

BLOCKS, PAGE, SYNC_EVERY = 32, 4096, 64
KINDS = {"8 KiB": 8192, "64 KiB": 65536, "1 MiB": 1 << 20, "direct": 65536, "mapped": PAGE}
SYNC_FILE_RANGE_WRITE = 2
LIBC = ctypes.CDLL(None, use_errno=True)


def block(size, number, step):
    return struct.pack("<QQ", number, step) * (size // 16)


def blocks_of(count):
    """(block, the last step that wrote it), of what was written."""
    return [(step % BLOCKS, step) for step in range(max(0, count - BLOCKS), count)]


def begin_writeback(fd):
    """Without a word about how it ends."""
    if LIBC.sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), SYNC_FILE_RANGE_WRITE) != 0:
        raise OSError(ctypes.get_errno(), "sync_file_range")


class Writer:
    def __init__(self, path, kind, number):
        self.size, self.number, self.kind = KINDS[kind], number, kind
        flags = os.O_RDWR | os.O_CREAT | (os.O_DIRECT if kind == "direct" else 0)
        self.fd = os.open(path, flags, 0o600)
        os.truncate(self.fd, self.size * BLOCKS)
        self.aligned = mmap.mmap(-1, self.size)
        self.memory = mmap.mmap(self.fd, self.size * BLOCKS) if kind == "mapped" else None

    def step(self, step):
        at, content = step % BLOCKS * self.size, block(self.size, self.number, step)
        if self.memory is not None:
            self.memory[at:at + self.size] = content
            begin_writeback(self.fd)
            return
        self.aligned[:] = content
        if os.pwrite(self.fd, self.aligned, at) != self.size:
            raise OSError("a short write")
        if step % SYNC_EVERY == SYNC_EVERY - 1:
            os.fsync(self.fd)

    def end(self):
        if self.memory is not None:
            self.memory.flush()
        os.fsync(self.fd)


def main(path, kind, number, counter):
    writer, count, error = Writer(path, kind, int(number)), 0, None
    with open(counter, "w+b", 0) as file:
        try:
            while not select.select([sys.stdin], [], [], 0)[0]:
                writer.step(count)
                count += 1
                file.seek(0)
                file.write(struct.pack("<Q", count))
            writer.end()
        except OSError as caught:
            error = str(caught)
    print(json.dumps({"count": count, "error": error}))


if __name__ == "__main__":
    main(*sys.argv[1:])
