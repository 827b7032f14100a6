"""Gates of docs/style.md: sizes and dialect."""
import ast
import re

from house import files, functions, shown, without_comments

FILE_LINES_LONG, FILE_LINES_MAX, FUNCTION_LINES_MAX, PARAMETERS_MAX = 400, 800, 60, 5
BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|rand|system|popen|signal|sleep)\s*\(")
BARE_LOCK = re.compile(r"\bpthread_(mutex|rwlock|cond|spin)_\w+\s*\(")
TYPE = r"(?:const )?(?:(?:struct|enum) \w+|u?int\d*_t|int|bool|s?size_t|char|unsigned|long|off_t|pid_t|mode_t|pthread_t)"
LATE = re.compile(rf"^(\t+){TYPE} (\**\w+(?:, \**\w+)*);$")


def python_files():
    yield from files(".py", folders=("bench", "lab", "sim", "tests", "tools"))
    for path in files("", folders=("bench", "lab", "sim", "tests", "tools")):
        if path.open("rb").readline().startswith(b"#!/usr/bin/python3"):
            yield path


def long_functions_of_c(path):
    for function in functions(path.read_text()):
        place = f"{shown(path)}:{function.first}: {function.name}()"
        if function.is_excused():
            continue
        if function.lines > FUNCTION_LINES_MAX:
            yield f"{place} has {function.lines} lines; {FUNCTION_LINES_MAX} is the end"
        if function.parameters > PARAMETERS_MAX:
            yield f"{place} has {function.parameters} parameters; {PARAMETERS_MAX} is the end"


def long_functions_of_python(path):
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            size = node.end_lineno - node.lineno
            if size > FUNCTION_LINES_MAX and "EXCEPTION:" not in ast.get_source_segment(text, node):
                yield f"{shown(path)}:{node.lineno}: {node.name}() has {size} lines; {FUNCTION_LINES_MAX} is the end"


def gate_sizes(_options):
    """No file, function or list of parameters is over its end."""
    found = []
    for path in files(".c", ".h"):
        found += long_functions_of_c(path)
    for path in python_files():
        found += long_functions_of_python(path)
    for path in (*files(".c", ".h"), *python_files()):
        count = len(path.read_text().splitlines())
        if count > FILE_LINES_MAX:
            found.append(f"{shown(path)} has {count} lines; {FILE_LINES_MAX} is the end")
    return found


def report_sizes():
    for path in (*files(".c", ".h"), *python_files()):
        count = len(path.read_text().splitlines())
        if FILE_LINES_LONG < count <= FILE_LINES_MAX:
            print(f"size: {shown(path)} has {count} lines, which is long")


def gate_banned(_options):
    """Functions that style forbids."""
    found = []
    for path in files(".c", ".h"):
        for number, line in enumerate(without_comments(path.read_text()).splitlines(), 1):
            match = BANNED.search(line)
            if match:
                found.append(f"{shown(path)}:{number}: {match.group(1)}()")
    return found


AROUND = re.compile(r"\b(?:v?dprintf\s*\(\s*(?:STD\w+_FILENO|[12])\b|writev?\s*\(\s*(?:STD\w+_FILENO|[12])\b|perror\s*\()")
MAY_WRITE = {"src/platform/terminal.c": "it is the one place", "src/platform/check.c": "last words, without a lock",
             "src/platform/lock.c": "last words as well"}


def gate_terminal(_options):
    """What is printed goes through platform/terminal.h: programs put it before everything, and nobody writes around it."""
    found = []
    for path in files(".c", folders=("src",)):
        text = without_comments(path.read_text())
        if shown(path) not in MAY_WRITE:
            found += [f"{shown(path)}:{number}: {match.group(0)}...: print it instead" for number, line in enumerate(text.splitlines(), 1)
                      if (match := AROUND.search(line))]
        if re.search(r"^int main\(", text, re.M) and not re.search(r"^int main\([^)]*\)\n\{[^(]*?\bterminal_guard\(\);", text, re.M):
            found.append(f"{shown(path)}: main() does not call terminal_guard() first")
    return found


def late_uses(path):
    """Locals that are declared with nothing in them, and first met where they are given their value, at the same depth."""
    lines = without_comments(path.read_text()).splitlines()
    for at, line in enumerate(lines):
        match = LATE.match(line)
        for name in re.findall(r"\w+", match.group(2)) if match else ():
            use = next((i for i in range(at + 1, len(lines)) if lines[i] == "}" or re.search(rf"\b{name}\b", lines[i])),
                       at)
            if lines[use].startswith(f"{match.group(1)}{name} = "):
                yield f"{shown(path)}:{at + 1}: `{name}` is declared before its first use, in line {use + 1}"


def bare_locks(path):
    for function in functions(path.read_text()):
        match = BARE_LOCK.search(without_comments(function.text))
        if match and not function.is_excused():
            yield f"{shown(path)}:{function.first}: {function.name}() locks by pthread_{match.group(1)}, past platform/lock.h"


def gate_dialect(_options):
    """Declared at first use; locks by platform/lock.h; a TODO says until when, and why."""
    found = []
    for path in files(".c", ".h"):
        if shown(path) != "src/platform/lock.c":
            found += bare_locks(path)
        found += late_uses(path)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b(?! until \w[^:]*: \w)", line):
                found.append(f"{shown(path)}:{number}: a TODO reads `TODO until WHAT: WHY`")
    return found


# Where a file's functions have the name of what they are about, not of the file.
FAMILIES = {
    "src/cli": {"do"},                                       # what a row of the table of commands does
    "src/cli/arguments.c": {"option", "refuse", "usage"},    # what every command says
    "src/platform/lock.c": {"shared_lock", "condition"},
    "src/platform/folders.c": {"node_file"},
    "src/platform/knet.c": {"usleep"},                       # stands in for the C library's
    "src/api/status.c": {"shown"},                           # structs of what is shown
}
PREFIXED = ("src/api", "src/base", "src/cli", "src/daemon", "src/hold", "src/platform")


def may_begin(path):
    """The file's name or a word of it, its folder's, its family's; the one or the many."""
    words = {path.stem, *path.stem.split("_"), path.parent.name}
    for place in (path, path.parent):
        words |= FAMILIES.get(shown(place), set())
    return words | {word.removesuffix("s") for word in words} | {word.removesuffix("es") for word in words}


def gate_prefixes(_options):
    """A function that others call begins with the name of its file, its folder or its family."""
    found = []
    for path in files(".c", folders=PREFIXED):
        words = may_begin(path)
        for function in functions(path.read_text()):
            is_own = function.text.startswith("static ") or function.name in ("main", "__attribute__")
            if not is_own and not any(function.name == word or function.name.startswith(f"{word}_") for word in words):
                found.append(f"{shown(path)}:{function.first}: {function.name}() begins with none of {sorted(words)}")
    return found


GATES = {"banned": gate_banned, "terminal": gate_terminal, "sizes": gate_sizes, "dialect": gate_dialect, "prefixes": gate_prefixes}
