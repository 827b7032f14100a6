"""Gates of the law: what the pages say is so, and what the code refers to is on the pages."""
import re

from house import ROOT, files, only_comments, pages, run, shown, without_comments

RULES_PAGE, THREADS_PAGE, LOCK_HEADER = "docs/rules.md", "docs/threads.md", "src/platform/lock.h"
STATES_PAGE, STATES_PROGRAM = "docs/states.md", "tools/states"
RULE = re.compile(r"\bR([1-9]\d?)\b")
ITEMS = ("Today", "Where", "Tests", "Planted")
STANDINGS = ("built", "partly", "not built")
THREAD = re.compile(r"^(?:static )?void \*(\w+)\(void \*\w+\)\n\{", re.M)
FOLDER_FILES_MAX = 10
DATA = {"corpus", "expected", "scenarios", "seeds", "__pycache__"}  # folders of what programs read and write


def read(name):
    path = ROOT / name
    return path.read_text() if path.exists() else ""


# ---- rules ----

def sections():
    """{number: text} of the rules' page."""
    parts = re.split(r"^## (.*)$", read(RULES_PAGE), flags=re.M)
    return {int(head[1:].split()[0]): text for head, text in zip(parts[1::2], parts[2::2]) if RULE.match(head)}


def items(text):
    return {word: " ".join(value.split()) for word, value in
            re.findall(r"^- \*\*(\w+):\*\*(.*?)(?=^- \*\*|\Z)", text, re.M | re.S)}


def planted_numbers():
    return {int(number) for name in ("core", "repl", "platform")
            for number in re.findall(r"\bPLANTED_\w+ =\s*(\d+)", read(f"src/{name}/planted.h"))}


def missing_test(name):
    """Why there is no such test; None if there is."""
    if name.startswith("story/"):
        return None if (ROOT / f"tests/story/scenarios/{name[6:]}.story").exists() else "no such scenario"
    path, _, function = name.partition("::")
    text = read(f"tests/{path}")
    if not text:
        return "no such file"
    is_there = re.search(rf"\b{re.escape(function)}\(", without_comments(text) if path.endswith(".c") else text)
    return None if function and is_there else "no such test in it"


def wrong_rule(number, text, planted):
    found = items(text)
    for word in ITEMS:
        if not found.get(word):
            yield f"R{number} does not say **{word}:**"
    if not found.get("Today", "").startswith(STANDINGS):
        yield f"R{number}: **Today:** begins with one of: {', '.join(STANDINGS)}"
    if "*Without it:*" not in text:
        yield f"R{number} does not say what breaks without it"
    tests = re.findall(r"`([^`]+)`", found.get("Tests", ""))
    if not tests:
        yield f"R{number} names no test"
    for test in tests:
        why = missing_test(test)
        if why:
            yield f"R{number}: `{test}`: {why}"
    for bug in re.findall(r"\d+", found.get("Planted", "")):
        if int(bug) not in planted:
            yield f"R{number}: there is no planted bug {bug}"


def references():
    for path in (*files(".c", ".h", ".py", ".story", ".txt", folders=("src", "sim", "tests", "bench", "lab", "tools")),
                 *pages()):
        for at, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for number in RULE.findall(line):
                yield f"{shown(path)}:{at}", int(number)


def gate_rules(_options):
    """Every R-number is a rule of docs/rules.md; its tests and planted bugs exist; every planted bug belongs to one."""
    rules, planted = sections(), planted_numbers()
    found = [f"{place}: R{number} is no rule of {RULES_PAGE}" for place, number in references() if number not in rules]
    named = set()
    for number, text in rules.items():
        found += wrong_rule(number, text, planted)
        named |= {int(bug) for bug in re.findall(r"\d+", items(text).get("Planted", ""))}
    return found + [f"{RULES_PAGE}: planted bug {bug} belongs to no rule" for bug in sorted(planted - named)]


# ---- threads ----

def gate_threads(_options):
    """docs/threads.md has every thread function of src, and the ranks of platform/lock.h in their order."""
    page = read(THREADS_PAGE)
    there = {(shown(path).removeprefix("src/"), name) for path in files(".c", folders=("src",))
             for name in THREAD.findall(path.read_text())}
    rows = {(file, name) for name, file in re.findall(r"^\| `(\w+)` \| `([\w/]+\.c)` \|", page.split("\n## Locks")[0], re.M)}
    found = [f"{THREADS_PAGE} has no row for {name}() of {file}" for file, name in sorted(there - rows)]
    found += [f"{THREADS_PAGE}: {name}() of {file} is no thread" for file, name in sorted(rows - there)]
    ranks = [rank for rank in re.findall(r"^\t(RANK_\w+)", read(LOCK_HEADER), re.M) if rank != "RANK_COUNT"]
    if not ranks or re.findall(r"^\| `(RANK_\w+)`", page, re.M) != ranks:
        found.append(f"{THREADS_PAGE}: the table of locks is not that of {LOCK_HEADER}, in its order")
    return found


# ---- states ----

def gate_states(options):
    """docs/states.md is what the tables of states say."""
    program = options.build / STATES_PROGRAM
    if not program.exists():
        return [f"{program} is not built"]
    done = run(program)
    if done.returncode != 0 or read(STATES_PAGE) != done.stdout:
        return [f"{STATES_PAGE} is not fresh: build/main/{STATES_PROGRAM} >{STATES_PAGE}"]
    return []


# ---- what is named is there ----

NAMED = re.compile(r"(?<![\w./<*-])((?:[\w.-]+/)*[\w-]+\.(?:c|h|py|md|story))(?![\w(/*])")
PLACEHOLDER = re.compile(r"NAME|WING")
ELSEWHERE = {"errno.h", "linux/fuse.h", "fs/attr.c"}  # of the C library and the kernel


class Names:
    """Finds a file by the end of its path, however much of it a sentence says."""

    def __init__(self):
        self.ends = set()
        for path in ROOT.rglob("*"):
            words = path.relative_to(ROOT).parts
            if words[0] not in ("build", ".git"):
                self.ends |= {"/".join(words[at:]) for at in range(len(words))}

    def has(self, name):
        return PLACEHOLDER.search(name) or name in ELSEWHERE or name.lstrip("./") in self.ends


def what_people_read():
    """(path, text) of each page, and of the comments of each source."""
    for path in files(".c", ".h"):
        yield path, only_comments(path.read_text())
    for path in pages():
        yield path, path.read_text()


def gate_paths(_options):
    """Each source file and page that a comment or a page names exists."""
    names, found = Names(), []
    for path, text in what_people_read():
        for at, line in enumerate(text.splitlines(), 1):
            found += [f"{shown(path)}:{at}: there is no {name}" for name in NAMED.findall(line) if not names.has(name)]
    return found


def known_words():
    """All words of the code itself, and what is the kernel's."""
    words = {"setattr_should_drop_suidgid"}
    for path in files(".c", ".h"):
        words |= set(re.findall(r"\w+", without_comments(path.read_text())))
    for path in files(".py", folders=("bench", "lab", "tests", "tools")):
        words |= set(re.findall(r"\w+", path.read_text()))
    return words


def gate_functions(_options):
    """Each function() that a comment or a page names exists."""
    known, found = known_words(), []
    for path, text in what_people_read():
        for at, line in enumerate(text.splitlines(), 1):
            found += [f"{shown(path)}:{at}: there is no {name}()" for name in re.findall(r"\b([a-z_]\w+)\(\)", line)
                      if name not in known]
    return found


def gate_readmes(_options):
    """A folder with more than ten files says in a README.md what it is for."""
    found = []
    for top in ("src", "sim", "tests", "docs", "lab", "bench", "tools"):
        for folder in (ROOT / top, *sorted(path for path in (ROOT / top).rglob("*") if path.is_dir())):
            count = sum(1 for path in folder.glob("*") if path.is_file())
            if count > FOLDER_FILES_MAX and not (folder / "README.md").exists() and not DATA & set(folder.parts):
                found.append(f"{shown(folder)} has {count} files and no README.md")
    return found


def gate_decisions(_options):
    """docs/decisions/README.md lists every decision, and none that is not there."""
    folder = ROOT / "docs/decisions"
    there = {path.name for path in folder.glob("[0-9]*.md")}
    listed = re.findall(r"\(([0-9]{4}[\w-]*\.md)\)", read("docs/decisions/README.md"))
    numbers = [name[:4] for name in sorted(there)]
    return [f"docs/decisions/README.md does not list {name}" for name in sorted(there - set(listed))] + \
           [f"docs/decisions/README.md lists {name}, which is not there" for name in sorted(set(listed) - there)] + \
           [f"two decisions have the number {number}" for number in sorted(set(numbers)) if numbers.count(number) > 1]


GATES = {"rules": gate_rules, "threads": gate_threads, "states": gate_states, "paths": gate_paths,
         "functions": gate_functions, "readmes": gate_readmes, "decisions": gate_decisions}
