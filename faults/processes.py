"""Find, measure, signal and wait for processes."""

import os
import shutil
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from faults.report import MissingToolError


def program(name):
    """Return the path of a program; raise MissingToolError if it is not installed."""
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
    """Return the PIDs of the process and its descendants, parents first."""
    return [pid, *(below for child in children(pid) for below in tree(child))]


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid):
    """Return whether the process exists and is not a zombie."""
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


def memory(pid, field):
    """Return a field of /proc/PID/status in MB, such as VmRSS (current memory) or VmHWM (peak)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def proportional_memory(pid):
    """Return the proportional set size of a process (Pss in /proc/PID/smaps_rollup) in MB."""
    with suppress(FileNotFoundError, ProcessLookupError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0]) / 1024
    return 0


def reset_peak(pid):
    """Reset VmHWM (https://docs.kernel.org/filesystems/proc.html, clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def wait_until(condition, seconds, message, log=None):
    """Wait until `condition()` is true; after `seconds`, raise TimeoutError with `message` and the end of `log`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            tail = log.read_text()[-1500:] if log else ""
            raise TimeoutError(f"{message} within {seconds} s. {tail}")
        time.sleep(0.02)
