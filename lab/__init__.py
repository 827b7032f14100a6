"""A whole cluster on one machine, in namespaces: for trying, and for the tests.

    lab = Lab.up("/var/tmp/mylab", prefix="my", build="build/main")
    lab.configure(modules=["modules/postgresql"])
    lab.nodes["node1"].run(["evenkeel", "status"])
    lab.nodes["node1"].kill()
    lab.down()

The picture is in network.py, what a node is made of in node.py, its process 1 in init.py.
"""

from .lab import Lab, LabError, wait_for
from .node import Node

__all__ = ["Lab", "LabError", "Node", "wait_for"]
