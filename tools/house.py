"""What the gates share: where the house is, its files, and its C as text."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ("src", "sim", "tests", "bench", "tools")
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*endings, folders=SOURCES):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in endings and path.is_file():
                yield path


def pages():
    """What people read."""
    yield from sorted(ROOT.glob("*.md"))
    for folder in ("docs", "src", "sim", "tests", "lab", "bench"):
        yield from sorted((ROOT / folder).rglob("*.md"))


def shown(path):
    return str(path.relative_to(ROOT))


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, cwd=ROOT)


def blanked(text):
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    """Comments and strings become blanks; lines stay where they are."""
    return COMMENT_OR_TEXT.sub(lambda match: blanked(match.group()), text)


def only_comments(text):
    """All but the comments becomes blanks; lines stay where they are."""
    kept, at = [], 0
    for match in COMMENT_OR_TEXT.finditer(text):
        is_comment = match.group().startswith("/")
        kept += [blanked(text[at:match.start()]), match.group() if is_comment else blanked(match.group())]
        at = match.end()
    return "".join(kept) + blanked(text[at:])


class Function:
    """One function of a C file: from the line of its opening brace, in column 0, to that of its closing one."""

    def __init__(self, name, parameters, first, last, text):
        self.name, self.parameters, self.first, self.last, self.text = name, parameters, first, last, text
        self.lines = last - first - 1

    def is_excused(self):
        return "EXCEPTION:" in self.text


def functions(text):
    """`text` of a function starts with its head, and holds its comments."""
    bare = without_comments(text)
    lines = text.splitlines()
    for match in re.finditer(r"^(\w[^;{}()]*?[\s*])?(\w+)\(([^;{}]*)\)\n\{\n(?:.*\n)*?\}$", bare, re.M):
        head = bare.count("\n", 0, match.start()) + 1
        first = bare.count("\n", 0, match.end(3)) + 2
        last = bare.count("\n", 0, match.end()) + 1
        yield Function(match.group(2), count_parameters(match.group(3)), first, last, "\n".join(lines[head - 1:last]))


def count_parameters(text):
    """What follows a format (`...`) belongs to it."""
    depth, count = 0, 1
    for character in text:
        depth += (character == "(") - (character == ")")
        count += character == "," and depth == 0
    return count - text.rstrip().endswith("...")
