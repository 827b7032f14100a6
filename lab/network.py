"""The lab's networks. Nothing of it appears in the host's network namespace.

      gateway (clients run here)      node1                    node2
        eth0 10.77.3.254       hb1 .1.1  hb2 .2.1  eth0 .3.1   hb1 .1.2  ...
          |                      |         |         |           |
      ----|----------------------|---------|---------|-----------|------- namespace "switch"
        gw-client            node1-hb1 node1-hb2 node1-client   node2-hb1 ...
                                 |         |         |
              bridges:          hb1       hb2      client
                            10.77.1.0/24 10.77.2.0/24 10.77.3.0/24
                            fd00:77:1::/64 ...        fd00:77:3::/64

A network namespace lives as long as its keeper process. A port is the switch's end of a cable.
"""

from .process import LINKS, LabError, keeper, tool

GATEWAY_NUMBER = 254
INTERFACES = {"hb1": "hb1", "hb2": "hb2", "client": "eth0"}


def address(link, number, family=4):
    place = LINKS.index(link) + 1
    return f"10.77.{place}.{number}" if family == 4 else f"fd00:77:{place}::{number:x}"


def gateway(family=4):
    return address("client", GATEWAY_NUMBER, family)


def mac(link, number):
    return f"02:ek:00:00:{LINKS.index(link) + 1:02x}:{number:02x}".replace("ek", "e7")


def port(node_name, link):
    return f"{node_name}-{link}"


def make_switch(prefix):
    switch = keeper(f"{prefix}-switch")
    start_loopback(switch)
    set_ipv6(switch, "disable_ipv6", 1, "all")
    for link in LINKS:
        tool("ip", "link", "add", "name", link, "type", "bridge", "stp_state", "0",
             "forward_delay", "0", "mcast_snooping", "0", netns=switch)
        tool("ip", "link", "set", link, "up", netns=switch)
    return switch


def make_gateway(prefix, switch):
    namespace = keeper(f"{prefix}-gateway")
    quiet(namespace)
    plug(switch, namespace, "gw", "client", GATEWAY_NUMBER)
    return namespace


def make_node(prefix, switch, name, number):
    """A node's namespace, plugged into all three bridges."""
    namespace = keeper(f"{prefix}-{name}")
    quiet(namespace)
    for link in LINKS:
        plug(switch, namespace, name, link, number)
    for family in (4, 6):
        tool("ip", f"-{family}", "route", "add", "default", "via", gateway(family), netns=namespace)
    return namespace


def start_loopback(namespace):
    tool("ip", "link", "set", "lo", "up", netns=namespace)


def set_ipv6(namespace, key, value, which="default"):
    tool("sh", "-c", f"echo {value} > /proc/sys/net/ipv6/conf/{which}/{key}", netns=namespace)


def quiet(namespace):
    """Loopback on; IPv6 as a person sets it: it asks for no routers, and an address counts at once."""
    start_loopback(namespace)
    for key, value in (("accept_ra", 0), ("router_solicitations", 0), ("accept_dad", 0), ("dad_transmits", 0)):
        set_ipv6(namespace, key, value)


def plug(switch, namespace, name, link, number):
    inside, outside = INTERFACES[link], port(name, link)
    tool("ip", "link", "del", outside, netns=switch, check=False)  # what a lost node left behind
    tool("ip", "link", "add", "name", outside, "type", "veth", "peer", "name", inside,
         "address", mac(link, number), "netns", str(namespace["pid"]), netns=switch)
    tool("ip", "link", "set", outside, "master", link, "up", netns=switch)
    tool("ip", "address", "add", f"{address(link, number)}/24", "dev", inside, netns=namespace)
    tool("ip", "address", "add", f"{address(link, number, 6)}/64", "dev", inside, "nodad", netns=namespace)
    tool("ip", "link", "set", inside, "up", netns=namespace)


def set_ports(switch, name, is_up, links=LINKS):
    """Pulls or plugs cables: the carrier goes with it."""
    batch = "".join(f"link set {port(name, link)} {'up' if is_up else 'down'}\n" for link in links)
    tool("ip", "-batch", "-", text=batch, netns=switch)


def apply_cuts(switch, cuts):
    """Cuts are silent: the bridge drops, the carrier stays. All rules are written anew at once."""
    rules = []
    for cut in cuts:
        name = port(cut["node"], cut["link"])
        rules.append(f'iifname "{name}" drop')
        if not cut["one_way"]:
            rules.append(f'oifname "{name}" drop')
    body = "".join(f"\t\t{rule}\n" for rule in rules)
    tool("nft", "-f", "-", netns=switch, text=(
        "table bridge cuts {}\ndelete table bridge cuts\n"
        "table bridge cuts {\n\tchain forward {\n"
        f"\t\ttype filter hook forward priority 0; policy accept;\n{body}\t}}\n}}\n"))


def apply_filter(switch, rules):
    """What the switch drops besides: rules of nft's bridge family, without the verdict. Empty: nothing."""
    body = "".join(f"\t\t{rule} drop\n" for rule in rules)
    tool("nft", "-f", "-", netns=switch, text=(
        "table bridge filtered {}\ndelete table bridge filtered\n"
        "table bridge filtered {\n\tchain forward {\n"
        f"\t\ttype filter hook forward priority 1; policy accept;\n{body}\t}}\n}}\n"))


def cap(switch, node_names, link, rate):
    """Limits what each node receives over a link; rate as in tc ('100mbit'), or 'off'."""
    for name in node_names:
        device = port(name, link)
        if rate == "off":
            tool("tc", "qdisc", "del", "dev", device, "root", netns=switch, check=False)
        else:
            tool("tc", "qdisc", "replace", "dev", device, "root", "tbf", "rate", rate,
                 "burst", "64kb", "latency", "50ms", netns=switch)


def check_link(link):
    if link not in LINKS:
        raise LabError(f"there is no link '{link}'; there are {', '.join(LINKS)}")
