#!/usr/bin/python3
"""Counts, outside the product, which machine sends data from the service's address.

usage: sniffer.py INTERFACE ADDRESS PORT OUT      (in the switch's network namespace; until SIGTERM)

A line of OUT for each run of packets from one MAC: "MAC first_ns last_ns packets". Only TCP segments with data, from
ADDRESS and PORT, count: an acknowledgement to a client is such a segment.
"""
import signal
import socket
import struct
import sys
import time

SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1


ETHERNET, TCP = 14, 6


def segment_of(frame, address):
    """(where the TCP segment begins, its size), if it comes from the address; else (0, 0)."""
    if len(address) == 4 and frame[12:14] == b"\x08\x00" and frame[23] == TCP and frame[26:30] == address:
        head = (frame[14] & 15) * 4
        return ETHERNET + head, int.from_bytes(frame[16:18], "big") - head
    if len(address) == 16 and frame[12:14] == b"\x86\xdd" and frame[20] == TCP and frame[22:38] == address:
        return ETHERNET + 40, int.from_bytes(frame[18:20], "big")
    return 0, 0


def data_bytes(frame, address, port):
    """How many bytes of TCP data, if it comes from there; else 0."""
    begin, size = segment_of(frame, address) if len(frame) >= 54 else (0, 0)
    if begin == 0 or len(frame) < begin + 20 or int.from_bytes(frame[begin:begin + 2], "big") != port:
        return 0
    return size - (frame[begin + 12] >> 4) * 4


class Runs:
    def __init__(self, path):
        self.file = open(path, "w", encoding="ascii")
        self.current = None

    def add(self, mac, now_ns):
        if self.current and self.current[0] == mac:
            self.current[2], self.current[3] = now_ns, self.current[3] + 1
            return
        self.finish()
        self.current = [mac, now_ns, now_ns, 1]

    def finish(self):
        if self.current:
            self.file.write("{} {} {} {}\n".format(*self.current))
            self.file.flush()


def main():
    interface, address, port, out = sys.argv[1:5]
    address, port = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address), int(port)
    capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    capture.bind((interface, 0))
    capture.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                       struct.pack("iHH8s", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0, b""))
    capture.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    capture.settimeout(0.2)
    is_stopping = []
    signal.signal(signal.SIGTERM, lambda *_: is_stopping.append(True))
    runs = Runs(out)
    while not is_stopping:
        try:
            frame = capture.recv(128)
        except socket.timeout:
            continue
        if data_bytes(frame, address, port) > 0:
            runs.add(frame[6:12].hex(":"), time.time_ns())
    runs.finish()


if __name__ == "__main__":
    main()
