"""The gate of src/repl: what replication decides is changed by its named transitions alone."""
import re

from house import files, shown, without_comments

# Under these names its state lies elsewhere, in structures of those who perform.
OWNED = r"(?:sender|receiver|session|watch|syncs|barriers|standing|log(?:\.|->)header|(?<=->)state)"
MEMBER = OWNED + r"(?:\[[^]]*\])?(?:(?:\.|->)\w+(?:\[[^]]*\])*)+"
WAYS = (
    MEMBER + r"\s*(?:=(?!=)|[-+*/%&|^]=|<<=|>>=|\+\+|--)",             # r->sender.mode = ...; acked++
    r"(?:\+\+|--)[\w.>()\[\]-]*" + MEMBER,                              # ++r->sender.sent
    r"(?<=[\w\])])(?:->|\.)(?:sender|receiver|syncs|barriers)\s*=(?!=)", # r->sender = ...
    r"\bmem(?:cpy|move|set)\(\s*&?[\w.>()\[\]-]*" + OWNED + r"\b(?:\.|->)\w",
)
CHANGE = re.compile("|".join(rf"(?<!\w)(?:[\w\])]+(?:\.|->))*{way}" if way.startswith(MEMBER) else way for way in WAYS))
OWN = re.compile(r"src/repl/|tests/unit/test_repl_")
USER = re.compile(r'#include "(?:repl/|sim/world\.h|fs/re\w+/\w*inside\.h|pair\.h)')

PROOF = {  # the gate must find these, and must not find those
    True: ("r->sender.mode = SENDER_HELD;", "sender->acked += 1;", "fs->receiver.applied++;", "++r->sender.sent;",
           "node->fs.sender.session.want = LINK_IDLE;", "r->sender.log.header->session = 0;", "r->state.barrier = 0;",
           "memcpy(r->state.set_id, set_id, 16);", "r->syncs.list[i].sequence = 0;", "fs->sender = (struct sender){ 0 };"),
    False: ("if (r->sender.mode == SENDER_HELD)", "mode = r->sender.mode;", "fs->sender.acked >= sent",
            "uint64_t session = 0;", "sender_init(&r->sender, 1, 2);", "ring.header->role = role;",
            "memcpy(set_id, r->state.set_id, 16);", "node->standing = node->fs.standing;",
            "(struct replica){ .sender = &r->sender };"),
}


def changes(text):
    for match in CHANGE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, " ".join(match.group().split())


def gate_owned(_options):
    """Nobody outside of src/repl changes what it decides."""
    found = [f"this gate is wrong about: {line}" for is_change, lines in PROOF.items() for line in lines
             if any(changes(line)) != is_change]
    for path in files(".c", ".h"):
        text = path.read_text()
        if OWN.match(shown(path)) or not USER.search(text):
            continue
        found += [f"{shown(path)}:{line}: {what}" for line, what in changes(without_comments(text))]
    return found


GATES = {"owned": gate_owned}
