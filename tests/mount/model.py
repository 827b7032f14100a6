#!/usr/bin/python3
"""Model-based tester of a file system: random operations on it and on a plain directory, compared step by step.

usage: model.py PLAIN TESTED [--seed N] [--seconds S | --steps N] [--wrong NAME] [--progress FILE]

PLAIN and TESTED are directories; both should lie on like file systems. Each history (up to 300 steps) has its own
seed and its own directory on both sides; operations and results must agree: errno, data, stat fields, and after
each history both trees whole. Times are compared where they were set; those that the clock gave must be recent on
both sides. On a difference the history is shrunk to the steps that matter and printed.
--wrong plays a deliberately wrong file system as the tested side (negative control): it must be found.
"""
import argparse
import collections
import importlib.machinery
import importlib.util
import os
import pathlib
import random
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import generate         # noqa: E402
import side             # noqa: E402
import wrong            # noqa: E402


def load_treediff():
    path = str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "treediff")
    loader = importlib.machinery.SourceFileLoader("treediff", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("treediff", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


treediff = load_treediff()
HISTORY_STEPS = 300
SHRINK_SECONDS = 40


class Different(Exception):
    """The two sides do not agree at this step."""

    def __init__(self, step, operation, what):
        super().__init__(what)
        self.step, self.operation, self.what = step, operation, what


def is_reachable(root):
    os.seteuid(side.USERS[1][0])
    try:
        return os.access(root, os.X_OK, effective_ids=True)
    finally:
        os.seteuid(0)


def touched(arguments):
    paths = [arguments[key] for key in ("path", "to") if key in arguments]
    slots = [arguments[key] for key in ("slot", "to_slot") if key in arguments]
    return paths, slots


class Pair:
    """A history's two sides, in fresh directories."""

    def __init__(self, plain_root, tested_root, name, tested_class):
        self.folders = [os.path.join(os.fsencode(root), name) for root in (plain_root, tested_root)]
        for folder in self.folders:
            os.mkdir(folder, 0o777)
            os.chmod(folder, 0o777)
        self.plain = side.Side(self.folders[0])
        self.tested = tested_class(self.folders[1])

    def step(self, number, operation):
        name, user, umask, arguments = operation
        results = [each.run(name, user, umask, arguments) for each in (self.plain, self.tested)]
        if results[0] != results[1]:
            raise Different(number, operation, f"plain: {results[0]!r}\n    tested: {results[1]!r}")
        seen = [each.look(*touched(arguments)) for each in (self.plain, self.tested)]
        if seen[0] != seen[1]:
            parts = [f"plain: {a!r}\n    tested: {b!r}" for a, b in zip(*seen) if a != b]
            raise Different(number, operation, "afterwards, " + "\n    ".join(parts))
        return results[0]

    def compare_trees(self, number):
        walks = [treediff.walk(folder, has_times=False) for folder in self.folders]
        for folder, walk in zip(self.folders, walks):
            for path, facts in walk.items():
                info = os.lstat(os.path.join(folder, path))
                facts["modification time"] = side.facts(info).get("mtime")
        differences = treediff.compare_walks(*walks)
        if differences:
            raise Different(number, None, "the trees differ:\n    " + "\n    ".join(differences[:10]))

    def remove(self, is_kept=False):
        self.plain.close_all()
        self.tested.close_all()
        for folder in () if is_kept else self.folders:
            shutil.rmtree(folder)


class Tester:
    def __init__(self, options):
        self.options = options
        self.tested_class = wrong.WRONG[options.wrong] if options.wrong else side.Side
        self.counts = collections.Counter()
        self.successes = collections.Counter()
        self.steps = 0
        self.replays = 0
        self.progress = open(options.progress, "w", buffering=1, encoding="utf-8") if options.progress else None

    def pair(self, name):
        return Pair(self.options.plain, self.options.tested, name.encode(), self.tested_class)

    def tell(self, seed, number, operation):
        if self.progress:
            self.progress.seek(0)
            self.progress.truncate()
            self.progress.write(f"seed {seed} step {number} {operation!r}\n")

    def history(self, seed, steps):
        """Plays one seed. Gives the difference and the operations so far, or None."""
        pair, operations = self.pair(f"history-{seed}"), []
        generator = generate.Generator(random.Random(seed), pair.folders[0])
        try:
            for number in range(steps):
                operation = generator.draw()
                operations.append(operation)
                self.tell(seed, number, operation)
                result = pair.step(number, operation)
                self.count(operation[0], result)
            self.tell(seed, steps, "comparing the trees")
            pair.compare_trees(steps)
        except Different as difference:
            return difference, operations
        finally:
            pair.remove(self.options.keep)
        return None

    def count(self, name, result):
        self.steps += 1
        self.counts[name] += 1
        if not (isinstance(result, tuple) and result and result[0] == "error"):
            self.successes[name] += 1

    # ---- shrinking ----

    def fails(self, operations):
        self.replays += 1
        pair = self.pair(f"replay-{self.replays}")
        try:
            for number, operation in enumerate(operations):
                pair.step(number, operation)
            pair.compare_trees(len(operations))
        except Different as difference:
            return difference
        finally:
            pair.remove()
        return None

    def shrink(self, operations):
        """Removes ever smaller runs of steps while the difference stays."""
        end = time.monotonic() + SHRINK_SECONDS
        size = max(len(operations) // 2, 1)
        while time.monotonic() < end:
            index, has_shrunk = 0, False
            while index < len(operations) and time.monotonic() < end:
                shorter = operations[:index] + operations[index + size:]
                if shorter and self.fails(shorter):
                    operations, has_shrunk = shorter, True
                else:
                    index += size
            if size == 1 and not has_shrunk:
                break
            size = max(size // 2, 1)
        return operations

    def report(self, seed, difference, operations):
        print(f"DIFFERENCE at seed {seed}, step {difference.step}: {difference.operation}\n    {difference.what}")
        if self.options.no_shrink:
            return
        if not self.fails(operations):
            print("It does not come again in a replay of the same steps.")
            return
        operations = self.shrink(operations)
        print(f"Shrunk to {len(operations)} steps:")
        for name, user, umask, arguments in operations:
            print(f"    {name} user={side.USERS[user][0]} umask={umask:03o} "
                  + " ".join(f"{key}={value!r}" for key, value in arguments.items()))
        final = self.fails(operations)
        print(f"    -> {final.what if final else 'gone again'}")
        print(f"Again: tests/mount/model.py PLAIN TESTED --seed {seed} --steps {HISTORY_STEPS}")

    # ---- all of it ----

    def run(self):
        end = time.monotonic() + self.options.seconds if self.options.seconds else None
        seed, failed, left = self.options.seed, 0, self.options.steps
        while (time.monotonic() < end) if end else left > 0:
            found = self.history(seed, HISTORY_STEPS if end else min(HISTORY_STEPS, left))
            if found:
                failed += 1
                self.report(seed, *found)
                if failed >= self.options.differences:
                    break
            seed += 1
            left -= HISTORY_STEPS
        return seed - self.options.seed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plain")
    parser.add_argument("tested")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--steps", type=int, default=HISTORY_STEPS)
    parser.add_argument("--wrong", choices=sorted(wrong.WRONG))
    parser.add_argument("--progress", help="file that always holds the step in work, for whoever has to kill us")
    parser.add_argument("--differences", type=int, default=1, help="stop after so many (1)")
    parser.add_argument("--keep", action="store_true", help="leave both trees there")
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--counts", action="store_true", help="how often each operation was tried and succeeded")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("model.py: must run as root: it acts as several users")
    for root in (options.plain, options.tested):
        os.chmod(root, 0o755)
        if not is_reachable(root):
            sys.exit(f"model.py: {root} lies below a directory that other users may not enter")
    tester = Tester(options)
    histories, failed = tester.run()
    if options.counts:
        for name in sorted(generate.DRAWS):
            print(f"    {name:12} {tester.counts[name]:6} tried {tester.successes[name]:6} succeeded")
    never = sorted(name for name in generate.DRAWS if not tester.successes[name])
    print(f"{tester.steps} steps in {histories} histories, {failed} differences"
          + (f"; never succeeded: {' '.join(never)}" if never else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
