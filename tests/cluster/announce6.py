#!/usr/bin/python3
"""What arping -A is for IPv4: says once, unasked, to all nodes, that an address of this machine is here.

usage: announce6.py INTERFACE ADDRESS
"""
import socket
import struct
import sys

interface, address = sys.argv[1:3]
index = socket.if_nametoindex(interface)
with open(f"/sys/class/net/{interface}/address", encoding="ascii") as file:
    mac = bytes.fromhex(file.read().strip().replace(":", ""))
speaker = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
speaker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
speaker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
speaker.bind((address, 0))
# kind 136, code, checksum (the kernel's), override; the address; its hardware address
message = struct.pack(">BBHI", 136, 0, 0, 1 << 29) + socket.inet_pton(socket.AF_INET6, address) + bytes([2, 1]) + mac
speaker.sendto(message, ("ff02::1", 0, 0, index))
