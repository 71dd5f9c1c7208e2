#!/usr/bin/env python3
"""Puts the place where it runs at a distance: lag.py BRIDGE-NAMESPACE, round-trip times in milliseconds on standard input.

For kernels without netem. A world of the conformance suite joins its namespaces by a bridge; this program takes the
tester's link away and puts two tap devices in its place, between which it hands each frame on after half the round-trip
time. So the handshake of TCP is late as well as every segment after it, and segments that go together come together.
The resolver is not put at a distance: in the world it is near its clients. It says "ready" for each time that it is given,
and at the end of input there is no more delay.
"""

import collections
import fcntl
import os
import select
import struct
import subprocess
import sys
import threading
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
NEAR = (bytes([192, 0, 2, 53]), bytes.fromhex("20010db8000200000000000000000053"))


def tap(name):
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def replace_link(bridge):
    """Two taps in the place of eth0; gives them, ours first. The addresses and routes of eth0 come back."""
    ip = lambda *words: subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout
    addresses = [line.split()[3] for line in ip("-oneline", "address", "show", "dev", "eth0", "scope", "global").splitlines()]
    routes = [(family, line.split()) for family in ("-4", "-6") for line in ip(family, "route", "show", "dev", "eth0").splitlines()]
    ip("link", "delete", "eth0")
    ours, theirs = tap("eth0"), tap("lag")
    ip("link", "set", "lag", "netns", bridge)
    ip("-n", bridge, "link", "set", "lag", "master", "br0", "up")
    ip("link", "set", "eth0", "addrgenmode", "none", "up")
    for address in addresses:
        ip("address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
    for family, route in routes:
        if "kernel" not in route:
            ip(family, "route", "replace", route[0], "dev", "eth0", *(route[route.index("src"):][:2] if "src" in route else []))
    return ours, theirs


def is_near(frame):
    """Whether a frame is no packet of IP, or goes to or comes from a place that is near."""
    kind, length = frame[12:14], 4 if frame[12:14] == b"\x08\x00" else 16
    if kind not in (b"\x08\x00", b"\x86\xdd"):
        return True
    start = 14 + (12 if length == 4 else 8)
    return frame[start : start + length] in NEAR or frame[start + length : start + 2 * length] in NEAR


class Lag:
    def __init__(self):
        self.half = 0.0

    def carry(self, source, sink):
        """Hands frames on, in their order among those that are far."""
        waiting = collections.deque()
        while True:
            patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            if select.select([source], [], [], patience)[0]:
                frame = os.read(source, 65_536)
                if is_near(frame) or not self.half:
                    os.write(sink, frame)
                else:
                    waiting.append((time.monotonic() + self.half, frame))
            while waiting and waiting[0][0] <= time.monotonic():
                os.write(sink, waiting.popleft()[1])


def main():
    ours, theirs = replace_link(sys.argv[1])
    lag = Lag()
    for source, sink in ((ours, theirs), (theirs, ours)):
        threading.Thread(target=lag.carry, args=(source, sink)).start()
    for line in sys.stdin:
        lag.half = float(line) / 2000
        print("ready", flush=True)
    lag.half = 0.0


if __name__ == "__main__":
    main()
