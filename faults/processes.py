"""Processes by their id: started, found, measured, ended."""

import os
import shutil
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from faults.report import MissingToolError


def program(name):
    """Return the path of a program; raise MissingToolError where it is not installed."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise MissingToolError(f"{name} is not on this machine")
    return path


def children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def tree(pid):
    """Return the process and everything below it, parents first."""
    return [pid, *(below for child in children(pid) for below in tree(child))]


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid):
    """Tell whether the process exists and is not merely waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pids, how=signal.SIGKILL):
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, how)


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def memory(pid, line):
    """Return a line of /proc/PID/status (VmRSS: memory held now, VmHWM: at most so far), in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{line}:")[2].split()[0]) / 1024


def proportion(pid):
    """Return the memory a process holds, in MB, shared pages divided by those who share them."""
    with suppress(FileNotFoundError, ProcessLookupError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0]) / 1024
    return 0


def forget_peak(pid):
    """Reset VmHWM (https://docs.kernel.org/filesystems/proc.html, clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def wait_until(condition, seconds, otherwise, log=None):
    """Wait until `condition()` holds; raise TimeoutError that says `otherwise`, with the end of `log`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            tail = log.read_text()[-1500:] if log else ""
            raise TimeoutError(f"{otherwise} within {seconds} s. {tail}")
        time.sleep(0.02)
