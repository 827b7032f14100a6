"""What the clients' log says, and whether all that was acknowledged is there. Judges nothing else."""
import collections
import dataclasses
import os
import re

PLACES, RECORD = 64, 32         # as in modules/counter/bin/server


@dataclasses.dataclass
class Request:
    sent_ns: int
    ended_ns: int
    writer: str
    number: int
    kind: str
    outcome: str
    node: str
    text: str


def read_log(path):
    found = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                words = line.rstrip("\n").split("\t")
                found.append(Request(int(words[0]), int(words[1]), words[2], int(words[3]), *words[4:8]))
    return found


def acknowledged(requests):
    return [each for each in requests if each.outcome == "ok"]


def errors(requests):
    return [each for each in requests if each.outcome == "error"]


def broken(requests):
    """Requests of the 16 writers whose connection broke under them."""
    return [each for each in requests if each.outcome == "lost" and each.writer != "probe"]


# ---- missing ----

def read_rows(path):
    """A server that is killed may leave half a row, up to the end of a page; the next row begins right behind it."""
    with open(path, "rb") as file:
        return {int(number) for number in re.findall(rb"[a-z]+\d* (\d+)\n", file.read())}


def read_places(path):
    with open(path, "rb") as file:
        data = file.read()
    found = {}
    for place in range(len(data) // RECORD):
        text = data[place * RECORD:(place + 1) * RECORD].strip(b"\0 \n")
        if text:
            found[place] = int(text)
    return found


def find_missing(requests, directory):
    """Acknowledged requests whose effect is not in this tree, as sentences. Places are written over by later
    requests, so a place may hold a later number, never an earlier one."""
    missing = []
    wanted = collections.defaultdict(list)
    for each in acknowledged(requests):
        wanted[each.writer, each.kind].append(each.number)
    for (writer, kind), numbers in sorted(wanted.items()):
        try:
            missing += [f"{kind} {number} of {writer}: {what}" for number, what in
                        MISSING[kind](os.path.join(directory), writer, numbers)]
        except OSError as error:
            missing.append(f"{len(numbers)} requests {kind} of {writer}: {error}")
    return missing


def missing_rows(directory, writer, numbers):
    rows = read_rows(f"{directory}/rows/{writer}")
    return [(number, "no such row") for number in numbers if number not in rows]


def newest_of_places(numbers):
    newest = {}
    for number in numbers:
        newest[number % PLACES] = max(number, newest.get(number % PLACES, 0))
    return newest


def missing_places(folder):
    def find(directory, writer, numbers):
        found = read_places(f"{directory}/{folder}/{writer}")
        return [(number, f"place {place} holds {found.get(place)}") for place, number in
                newest_of_places(numbers).items() if found.get(place, -1) < number]
    return find


def missing_files(directory, writer, numbers):
    bad = []
    for place, number in newest_of_places(numbers).items():
        try:
            with open(f"{directory}/current/{writer}.{place}", "rb") as file:
                held = int(file.read() or b"-1")
        except FileNotFoundError:
            held = -1
        if held < number:
            bad.append((number, f"the file holds {held}"))
    return bad


MISSING = {"append": missing_rows, "fsync": missing_rows, "overwrite": missing_places("table"),
           "mmap": missing_places("map"), "rename": missing_files}


# ---- time ----

def in_flight(requests, at_ns):
    """Requests of the 16 writers that had been sent, within the last second, and were not answered at this moment."""
    return sum(each.writer != "probe" and at_ns - 10**9 < each.sent_ns <= at_ns and (each.outcome == "open" or each.ended_ns > at_ns)
               for each in requests)


def gap_around(requests, at_ns):
    """(last answer before, first answer of a request sent after) a moment when service broke, in ns. The first
    answer after it is the first that is followed by no older silence: the end of the longest silence around."""
    times = sorted(each.ended_ns for each in acknowledged(requests))
    times = [each for each in times if at_ns - 2 * 10**9 < each < at_ns + 120 * 10**9]
    best = (at_ns, None)
    longest = 0
    for before, after in zip(times, times[1:]):
        if after > at_ns and before < at_ns + 10**9 and after - before > longest:
            longest, best = after - before, (before, after)
    return best


def tenures(requests):
    """Which node acknowledged when: [(node, first_ns, last_ns, count)], in order of the answers."""
    found = []
    for each in sorted(acknowledged(requests), key=lambda request: request.ended_ns):
        if found and found[-1][0] == each.node:
            node, first, _, count = found[-1]
            found[-1] = (node, first, each.ended_ns, count + 1)
        else:
            found.append((each.node, each.ended_ns, each.ended_ns, 1))
    return found
