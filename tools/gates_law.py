"""Gates of the law: what the pages say is so, and what the code refers to is on the pages."""
from house import ROOT, run

STATES_PAGE, STATES_PROGRAM = "docs/states.md", "tools/states"


def gate_states(options):
    """docs/states.md is what the tables of states say."""
    done = run(options.build / STATES_PROGRAM)
    if done.returncode != 0:
        return [f"{options.build}/{STATES_PROGRAM} did not run: is it built?"]
    page = ROOT / STATES_PAGE
    if not page.exists() or page.read_text() != done.stdout:
        return [f"{STATES_PAGE} is not fresh: build/main/{STATES_PROGRAM} >{STATES_PAGE}"]
    return []


GATES = {"states": gate_states}
