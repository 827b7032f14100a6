"""Gates of the tables: docs/reference.md is made of them, and what the code says is in them."""
import re

from house import COMMENT_OR_TEXT, ROOT, blanked, files, run, shown

REFERENCE_PAGE, REFERENCE_PROGRAM = "docs/reference.md", "tools/reference"
EVENT_TABLE, EVENT_FOLDERS = "src/api/events.c", ("src/core", "src/daemon")
EVENT_ID = re.compile(r'"([a-z]+\.[a-z_]+)"')
FILE_ENDINGS = ("yaml", "sock", "lock", "jsonl", "pem", "key")
LOGS = re.compile(r"\b(log_add|daemon_log|events_write|events_printf)\(")
BESIDE = re.compile(r'"([a-z]+\.[a-z_]+)", SEVERITY_(\w+)|SEVERITY_(\w+), "([a-z]+\.[a-z_]+)"')


def gate_reference(options):
    """docs/reference.md is what the tables of commands, fields, events and files say."""
    program, page = options.build / REFERENCE_PROGRAM, ROOT / REFERENCE_PAGE
    if not program.exists():
        return [f"{program} is not built"]
    done = run(program)
    if done.returncode != 0 or not page.exists() or page.read_text() != done.stdout:
        return [f"{REFERENCE_PAGE} is not fresh: build/main/{REFERENCE_PROGRAM} >{REFERENCE_PAGE}"]
    return []


def code(path):
    """The text without its comments; strings stay."""
    return COMMENT_OR_TEXT.sub(lambda match: blanked(match.group()) if match.group().startswith("/") else match.group(),
                               path.read_text())


def arguments(text, at):
    """What stands between the parentheses that open just before `at`."""
    depth, bare = 1, COMMENT_OR_TEXT.sub(lambda match: "x" * len(match.group()), text)
    for end in range(at, len(bare)):
        depth += (bare[end] == "(") - (bare[end] == ")")
        if depth == 0:
            return text[at:end]
    return text[at:]


def event_rows():
    """(id, severity) of each row of the table."""
    path = ROOT / EVENT_TABLE
    text = code(path) if path.exists() else ""
    return re.findall(r'^\t\{ "([a-z]+\.[a-z_]+)", (INFO|WARNING|ERROR),', text, re.M)


def gate_events(_options):
    """Every event that is logged has its row in api/events.c, with its severity, and every row is logged."""
    listed, used = event_rows(), set()
    rows = dict(listed)
    found = [f"{EVENT_TABLE}: {name} has two rows" for name in sorted(rows) if [each for each, _ in listed].count(name) > 1]
    if not rows:
        return [f"{EVENT_TABLE} has no rows"]
    for path in files(".c", folders=EVENT_FOLDERS):
        text = code(path)
        for match in EVENT_ID.finditer(text):
            name, line = match.group(1), text.count("\n", 0, match.start()) + 1
            if name.split(".")[1] in FILE_ENDINGS:
                continue
            used.add(name)
            if name not in rows:
                found.append(f"{shown(path)}:{line}: {name} has no row in {EVENT_TABLE}")
        flat = re.sub(r"\s+", " ", text)
        for first, severity, other_severity, second in BESIDE.findall(flat):
            name, said = first or second, severity or other_severity
            if name in rows and rows[name] != said:
                found.append(f"{shown(path)}: {name} is logged as {said}, its row says {rows[name]}")
        for match in LOGS.finditer(text):
            inside, line = arguments(text, match.end()), text.count("\n", 0, match.start()) + 1
            if not EVENT_ID.search(inside) and not re.search(r"\bid\b", inside):
                found.append(f"{shown(path)}:{line}: {match.group(1)}() is given no id that stands there")
    return found + [f"{EVENT_TABLE}: nobody logs {name}" for name in sorted(set(rows) - used)]


GATES = {"reference": gate_reference, "events": gate_events}
