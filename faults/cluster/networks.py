"""The network of the machines: loopback addresses, or network namespaces, which can be disconnected."""

import os
import shutil
import subprocess

# No machine has this link-layer address: packets sent to it are dropped, as on a disconnected cable.
NOBODY = "02:00:00:00:00:01"


class Loopback:
    """Every machine is a loopback address. Works without root, but machines cannot be disconnected."""

    prefix, clients = "127.16.0.", "127.0.0.0/8"
    can_cut = False

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def add(self, machine):
        pass

    def inside(self, machine):
        return []

    def localhost(self, machine):
        return machine.address


class Namespaces:
    """Every machine is a network namespace on a bridge (https://man7.org/linux/man-pages/man8/ip-netns.8.html)."""

    can_cut = True

    def __init__(self):
        # The range that RFC 2544 reserves for network tests.
        self.prefix = f"198.18.{os.getpid() % 250}."
        self.clients = f"{self.prefix}0/24"
        self.bridge, self.machines = f"hc{os.getpid()}", []

    def __enter__(self):
        ip("link", "add", self.bridge, "type", "bridge")
        ip("address", "add", f"{self.prefix}1/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        return self

    def __exit__(self, *error):
        for machine in self.machines:
            ip("netns", "del", self.namespace(machine))
        ip("link", "del", self.bridge)

    def namespace(self, machine):
        return f"{self.bridge}-{machine.name}"

    def add(self, machine):
        inner, outer = f"{machine.name}i{os.getpid()}", f"{machine.name}o{os.getpid()}"
        ip("netns", "add", self.namespace(machine))
        self.machines.append(machine)
        ip("link", "add", outer, "type", "veth", "peer", "name", inner)
        ip("link", "set", outer, "master", self.bridge, "up")
        ip("link", "set", inner, "netns", self.namespace(machine), "name", "eth0")
        ip("-n", self.namespace(machine), "address", "add", f"{machine.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            ip("-n", self.namespace(machine), "link", "set", link, "up")

    def inside(self, machine):
        return ["ip", "netns", "exec", self.namespace(machine)]

    def localhost(self, machine):
        return "127.0.0.1"

    def cut(self, machine, others):
        """Drop every packet between the machine and the others, in both directions."""
        for source, target in [(machine, other) for other in others] + [(other, machine) for other in others]:
            neighbour = ["replace", target.address, "lladdr", NOBODY, "nud", "permanent", "dev", "eth0"]
            ip("-n", self.namespace(source), "neighbour", *neighbour)

    def heal(self):
        for machine in self.machines:
            ip("-n", self.namespace(machine), "neighbour", "flush", "nud", "permanent", "dev", "eth0")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def best():
    """Return Namespaces if this process may create them, else Loopback."""
    if os.geteuid() or not shutil.which("ip"):
        return Loopback()
    probe = f"hc{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False).returncode:
        return Loopback()
    ip("netns", "del", probe)
    return Namespaces()
