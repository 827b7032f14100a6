#!/usr/bin/python3
"""Many processes at once in one tree: what the model-based tester, with its one process, cannot see.

usage: parallel.py DIRECTORY [--processes N] [--seconds S] [--seed N] [--plant]

Three things go on together, and each has its own judge:
    appenders   append records to shared files (O_APPEND): none is lost, none torn
    movers      create, write, rename (also exchange), link, unlink in shared directories: only lawful errnos, and a
                file that was made whole under another name is never seen half written
    counters    each process has files of its own which it overwrites, truncates, maps and reads back: always its own
Exit status 1, and a sentence for each broken promise.
"""
import argparse
import errno
import mmap
import multiprocessing
import os
import random
import sys
import time

import calls

LAWFUL = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.EBUSY}
RECORD = 100
SHARED = 4
BODY = 20_000


def record(process, number):
    head = b"%d %d " % (process, number)
    return head + b"." * (RECORD - 1 - len(head)) + b"\n"


class Worker:
    def __init__(self, root, process, seed, seconds, complaints):
        self.root, self.process, self.complaints = root, process, complaints
        self.random = random.Random(seed * 1000 + process)
        self.end = time.monotonic() + seconds
        self.appended = [0] * SHARED
        self.steps = self.complained = 0

    def complain(self, text):
        self.complained += 1
        if self.complained <= 10:
            self.complaints.put(f"process {self.process}: {text}")

    def run(self):
        files = [os.open(f"{self.root}/append.{n}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) for n in range(SHARED)]
        own = os.open(f"{self.root}/own.{self.process}", os.O_RDWR | os.O_CREAT, 0o644)
        while time.monotonic() < self.end:
            self.steps += 1
            try:
                self.random.choice((self.append, self.move, self.move, self.keep))(files, own)
            except OSError as error:
                if error.errno not in LAWFUL:
                    self.complain(f"unlawful error {error}")
        for fd in (*files, own):
            os.close(fd)
        return self.process, self.appended, self.steps

    def append(self, files, _own):
        which = self.random.randrange(SHARED)
        done = os.write(files[which], record(self.process, self.appended[which]))
        if done != RECORD:
            self.complain(f"{done} of {RECORD} bytes appended")
        self.appended[which] += 1
        if self.random.random() < 0.02:
            os.fsync(files[which])

    def name(self):
        return f"{self.root}/d{self.random.randrange(3)}/n{self.random.randrange(12)}"

    def move(self, _files, _own):
        what = self.random.randrange(8)
        if what < 2:
            self.make_whole()
        elif what == 2:
            os.rename(self.name(), self.name())
        elif what == 3:
            calls.renameat2(os.fsencode(self.name()), os.fsencode(self.name()), calls.RENAME_EXCHANGE)
        elif what == 4:
            os.link(self.name(), self.name())
        elif what == 5:
            os.unlink(self.name())
        elif what == 6:
            os.listdir(f"{self.root}/d{self.random.randrange(3)}")
        else:
            self.read_whole()

    def make_whole(self):
        """Complete under a name of its own, then moved where others look."""
        new = f"{self.root}/new.{self.process}"
        byte = bytes([65 + self.process % 26])
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for _ in range(4):
            os.write(fd, byte * (BODY // 4))
        os.close(fd)
        os.rename(new, self.name())

    def read_whole(self):
        with open(self.name(), "rb") as file:
            body = file.read()
        if len(body) != BODY or body != body[:1] * BODY:
            self.complain(f"a file that was made whole reads as {len(body)} bytes of {len(set(body))} kinds")

    def keep(self, _files, own):
        fill = bytes([self.random.randrange(1, 255)])
        size = self.random.randrange(1, 300_000)
        os.ftruncate(own, 0)
        if self.random.random() < 0.3:
            os.ftruncate(own, size)
            with mmap.mmap(own, size) as memory:
                memory[:] = fill * size
        else:
            os.pwrite(own, fill * size, 0)
        back = os.pread(own, size + 1, 0)
        if back != fill * size:
            self.complain(f"its own file of {size} bytes reads back as {len(back)} bytes of {len(set(back))} kinds")


def judge_appends(root, results):
    broken = []
    for which in range(SHARED):
        wanted = {record(process, number) for process, appended, _ in results for number in range(appended[which])}
        with open(f"{root}/append.{which}", "rb") as file:
            found = file.read().splitlines(keepends=True)
        if len(found) != len(wanted) or set(found) != wanted:
            broken.append(f"append.{which}: {len(wanted)} records appended, {len(found)} found, "
                          f"{len(wanted - set(found))} missing")
    return broken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plant", action="store_true", help="take one record away before judging (negative control)")
    options = parser.parse_args()
    for number in range(3):
        os.makedirs(f"{options.directory}/d{number}", exist_ok=True)
    complaints = multiprocessing.SimpleQueue()
    with multiprocessing.Pool(options.processes, initializer=keep_queue, initargs=(complaints,)) as pool:
        results = pool.map(work, [(options.directory, process, options.seed, options.seconds)
                                  for process in range(options.processes)], chunksize=1)
    if options.plant:
        os.truncate(f"{options.directory}/append.0", os.path.getsize(f"{options.directory}/append.0") - RECORD)
    broken = judge_appends(options.directory, results)
    while not complaints.empty():
        broken.append(complaints.get())
    for line in broken[:20]:
        print(line)
    print(f"{sum(steps for _, _, steps in results)} steps by {options.processes} processes, {len(broken)} broken promises")
    return 1 if broken else 0


QUEUE = None


def keep_queue(queue):
    global QUEUE
    QUEUE = queue


def work(arguments):
    root, process, seed, seconds = arguments
    return Worker(root, process, seed, seconds, QUEUE).run()


if __name__ == "__main__":
    sys.exit(main())
