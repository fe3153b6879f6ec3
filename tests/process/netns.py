"""Members in network namespaces, so that one of them can be cut off while its clients still reach it.

Each namespace has two interfaces: one on a bridge for peers, which cut() takes down, and one on a bridge
for clients, which this machine is on too. Needs root and ip(8). All names hold this process's id; what was
made is taken away by close(), and by the end of the process.
"""

import atexit
import os
import shutil
import subprocess

from harness import Failed, Place


def ip(*arguments):
    run = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=20)
    if run.returncode != 0:
        raise Failed(f"ip {' '.join(arguments)}: {run.stderr.strip()}")


def why_not():
    """None if namespaces can be made here, else why not."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "ip(8) is not installed (package iproute2)"
    try:
        name = f"msn{os.getpid()}"
        ip("netns", "add", name)
        ip("netns", "del", name)
    except Failed as failure:
        return str(failure)
    return None


class Network:
    PEER, PORT = 9021, 9121

    def __init__(self, size):
        self.tag = os.getpid() % 100_000
        self.spaces, self.bridges, self.outers = [], [], []
        subnet = os.getpid() % 200
        self.nets = {"p": f"10.213.{subnet}", "c": f"10.214.{subnet}"}
        atexit.register(self.close)
        for side, net in self.nets.items():
            bridge = f"ms{side}{self.tag}"
            ip("link", "add", "name", bridge, "type", "bridge")
            self.bridges.append(bridge)
            ip("link", "set", bridge, "up")
        ip("addr", "add", f"{self.nets['c']}.254/24", "dev", self.bridges[1])
        for number in range(1, size + 1):
            self.add_space(number)

    def add_space(self, number):
        space = f"ms{self.tag}-{number}"
        ip("netns", "add", space)
        self.spaces.append(space)
        ip("-n", space, "link", "set", "lo", "up")
        for side, bridge in zip("pc", self.bridges):
            outer = self.outer(side, number)
            ip("link", "add", outer, "type", "veth", "peer", "name", side, "netns", space)
            self.outers.append(outer)
            ip("link", "set", outer, "master", bridge)
            ip("link", "set", outer, "up")
            ip("-n", space, "addr", "add", f"{self.nets[side]}.{number}/24", "dev", side)
            ip("-n", space, "link", "set", side, "up")

    def outer(self, side, number):
        return f"ms{side}{self.tag}x{number}"

    def place(self, number):
        return Place(peer_host=f"{self.nets['p']}.{number}", host=f"{self.nets['c']}.{number}",
                     prefix=("ip", "netns", "exec", f"ms{self.tag}-{number}"),
                     options=("--listen", f"{self.nets['c']}.{number}"), ports=(self.PEER, self.PORT))

    def cut(self, number):
        ip("link", "set", self.outer("p", number), "down")

    def join(self, number):
        ip("link", "set", self.outer("p", number), "up")

    def close(self):
        # The pairs first: a namespace goes in the background, and would keep their names for a while.
        for kind, names in (("link", self.outers + self.bridges), ("netns", self.spaces)):
            for name in names:
                subprocess.run(["ip", kind, "del", name], capture_output=True, timeout=20, check=False)
        self.spaces, self.bridges, self.outers = [], [], []
