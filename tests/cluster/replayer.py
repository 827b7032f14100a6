#!/usr/bin/python3
"""Somebody on the networks without any key: keeps heartbeat datagrams, and sends them again. In the switch's network namespace.

usage: replayer.py record OUT                    until SIGTERM
       replayer.py play FILE SECONDS SEED        in any order: as they were, cut off, to who sent them, over another network

Frames lie in the file one after the other: a byte for the network, u16 for the size, the frame.
"""
import random
import select
import signal
import socket
import struct
import sys
import time

LINKS = ("hb1", "hb2", "client")
PORTS = range(7600, 7603)
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
ETHERNET, IP, UDP = 14, 20, 8
PAUSE = 0.002       # between two frames: some hundreds a second, from somebody who does not want to be noticed


def open_link(name):
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    link.bind((name, 0x0800))
    index = socket.if_nametoindex(name)
    link.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack("IHH8s", index, PACKET_MR_PROMISC, 0, b""))
    return link


def is_beat(frame):
    return len(frame) > ETHERNET + IP + UDP and frame[14] == 0x45 and frame[23] == socket.IPPROTO_UDP and \
        int.from_bytes(frame[36:38], "big") in PORTS


def record(path):
    links = [open_link(name) for name in LINKS]
    is_over = []
    signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
    with open(path, "wb", buffering=0) as out:
        while not is_over:
            for link in select.select(links, [], [], 0.1)[0]:
                frame = link.recv(65535)
                if is_beat(frame):
                    out.write(struct.pack(">BH", links.index(link), len(frame)) + frame)


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    frames, at = [], 0
    while at + 3 <= len(data):
        link, size = struct.unpack_from(">BH", data, at)
        frames.append((link, data[at + 3:at + 3 + size]))
        at += 3 + size
    return frames


def checksum(head):
    total = sum(struct.unpack(f">{len(head) // 2}H", head))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


def build(frame, payload, is_reflected=False):
    """The frame with this payload: sizes and the header's checksum are right, and UDP goes without one."""
    ethernet, ip, ports = frame[:ETHERNET], bytearray(frame[ETHERNET:ETHERNET + IP]), frame[34:38]
    if is_reflected:
        ethernet = ethernet[6:12] + ethernet[:6] + ethernet[12:]
        ip[12:20], ports = ip[16:20] + ip[12:16], ports[2:] + ports[:2]
    ip[2:4], ip[10:12] = struct.pack(">H", IP + UDP + len(payload)), b"\0\0"
    ip[10:12] = struct.pack(">H", checksum(bytes(ip)))
    return ethernet + bytes(ip) + ports + struct.pack(">HH", UDP + len(payload), 0) + payload


def play(path, seconds, seed):
    random.seed(seed)
    frames = read(path)
    links = [open_link(name) for name in LINKS]
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        link, frame = random.choice(frames)
        payload = frame[ETHERNET + IP + UDP:ETHERNET + int.from_bytes(frame[16:18], "big")]
        kind = random.randrange(8)
        if kind == 0:
            payload = payload[:random.randrange(len(payload) + 1)]
        if kind == 1:
            link = random.randrange(len(LINKS))
        links[link].send(build(frame, payload, is_reflected=kind == 2))
        count += 1
        time.sleep(PAUSE)
    print(count)


if __name__ == "__main__":
    if sys.argv[1] == "record":
        record(sys.argv[2])
    else:
        play(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
