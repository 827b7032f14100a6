"""evenkeel-lab: the command line of the lab."""

import argparse
import os
import sys

from . import network
from .lab import Lab, LabError
from .process import LINKS

FOLDER = os.environ.get("EVENKEEL_LAB", "/var/tmp/evenkeel-lab")
BUILD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build", "main")


def do_up(options):
    lab = Lab.up(options.dir, options.prefix, None if options.bare else options.build,
                 options.nodes, options.size, options.fs)
    if not options.bare:
        lab.configure(options.module, options.arbiter, family=options.family)
    do_status(options)


def do_status(options):
    lab = Lab(options.dir)
    print(f"lab '{lab.prefix}' in {lab.dir}, gateway {network.gateway()}")
    for name, node in lab.nodes.items():
        pid = node.state["init"]["pid"] if node.is_up() else "-"
        hold = node.pid_of("evenkeel-hold") or "-"
        print(f"  {name:8} {node.condition():8} init {pid:<8} evenkeel-hold {hold:<8} "
              f"{node.addresses()}")
    for cut in lab.state["cuts"]:
        way = "what it sends" if cut["one_way"] else "both ways"
        print(f"  cut: {cut['link']} at {cut['node']}, {way}")
    for link, rate in lab.state["caps"].items():
        print(f"  cap: {link} {rate}")


def node_of(options):
    nodes = Lab(options.dir).nodes
    if options.node not in nodes:
        raise LabError(f"there is no node '{options.node}'; there are {', '.join(nodes)}")
    return nodes[options.node]


def do_node(options):
    getattr(node_of(options), options.command)()


def do_cut(options):
    lab = Lab(options.dir)
    if options.node and options.node not in lab.nodes:
        raise LabError(f"there is no node '{options.node}'")
    if options.one_way and not options.node:
        raise LabError("--one-way wants --from NODE: whose packets are dropped?")
    if options.pull:
        for node in [options.node] if options.node else lab.nodes:
            lab.pull(options.link, node)
    else:
        lab.cut(options.link, options.node, options.one_way)


def do_shell(options):
    command = (Lab(options.dir).gateway if options.node == "gateway" else node_of(options)).enter(
        ["env", f"PS1={options.node}# ", "bash", "--norc"])
    os.execvp(command[0], command)


def do_exec(options):
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise LabError("exec wants a command: evenkeel-lab exec NODE -- CMD...")
    where = Lab(options.dir).gateway if options.node == "gateway" else node_of(options)
    command = where.enter(words)
    os.execvp(command[0], command)


def do_logs(options):
    sys.stdout.write(node_of(options).log())


COMMANDS = (  # name, function, what it wants, help
    ("up", do_up, "up", "make the lab and a cluster in it"),
    ("down", lambda o: Lab(o.dir).down(), "", "remove it, with everything on its disks"),
    ("status", do_status, "", "nodes, cuts, caps"),
    ("kill", do_node, "node", "power cut: its ports fall silent, then everything is dead"),
    ("crash", do_node, "node", "all its processes die; its addresses stay for their lifetime"),
    ("start", do_node, "node", "boot it again"),
    ("stop", do_node, "node", "shut it down in order"),
    ("freeze", do_node, "node", "SIGSTOP to all its processes"),
    ("thaw", do_node, "node", "SIGCONT to all its processes"),
    ("cut", do_cut, "cut", "drop a link's packets, at all nodes or one"),
    ("heal", lambda o: Lab(o.dir).heal(), "", "undo all cuts"),
    ("cap", lambda o: Lab(o.dir).cap(o.link, o.rate), "cap", "limit a link (100mbit; off)"),
    ("shell", do_shell, "node", "a shell inside (or in 'gateway')"),
    ("exec", do_exec, "exec", "run a command inside (or in 'gateway')"),
    ("logs", do_logs, "node", "what its processes printed"),
)


def add_arguments(parser, wants):
    parser.add_argument("--dir", default=argparse.SUPPRESS, help=f"the lab's folder ({FOLDER})")
    if wants in ("node", "exec"):
        parser.add_argument("node")
    if wants == "exec":
        parser.add_argument("words", nargs=argparse.REMAINDER)
    if wants in ("cut", "cap"):
        parser.add_argument("link", choices=LINKS)
    if wants == "cap":
        parser.add_argument("rate")
    if wants == "cut":
        parser.add_argument("--from", dest="node", metavar="NODE")
        parser.add_argument("--one-way", action="store_true", help="only what NODE sends")
        parser.add_argument("--pull", action="store_true", help="pull the cable: no carrier")
    if wants == "up":
        parser.add_argument("--prefix", default="ek", help="tells labs apart (ek)")
        parser.add_argument("--build", default=BUILD, help="the build folder (build/main)")
        parser.add_argument("--nodes", type=int, default=2)
        parser.add_argument("--size", default="1G", help="of each data disk (1G)")
        parser.add_argument("--fs", choices=("ext4", "xfs", "btrfs"), default="ext4")
        parser.add_argument("--arbiter", choices=("ping", "operator"), default="ping")
        parser.add_argument("--family", type=int, choices=(4, 6), default=4, help="how the nodes know each other (4)")
        parser.add_argument("--module", action="append", default=[], metavar="DIR")
        parser.add_argument("--bare", action="store_true", help="nodes only, no cluster")


def main():
    parser = argparse.ArgumentParser(prog="evenkeel-lab", description="A cluster on one machine.")
    parser.add_argument("--dir", default=FOLDER, help=f"the lab's folder ({FOLDER})")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function, wants, text in COMMANDS:
        one = commands.add_parser(name, help=text, description=text)
        add_arguments(one, wants)
        one.set_defaults(function=function)
    options = parser.parse_args()
    try:
        options.function(options)
    except LabError as error:
        print(f"evenkeel-lab: {error}", file=sys.stderr)
        return 1
    return 0
