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

ETH_P_IP, SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 0x0800, 263, 1, 1


def data_bytes(frame, address, port):
    """How many bytes of TCP data, if it comes from there; else 0."""
    if len(frame) < 54 or frame[23] != 6 or frame[26:30] != address:
        return 0
    head = (frame[14] & 15) * 4
    total = int.from_bytes(frame[16:18], "big")
    if int.from_bytes(frame[14 + head:16 + head], "big") != port:
        return 0
    return total - head - (frame[14 + head + 12] >> 4) * 4


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
    address, port = socket.inet_aton(address), int(port)
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
