"""What a process costs, and what the machine has to give: CPU time, resident memory, disks, ports."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.children import BenchError

_MEMORY_FILE_SYSTEMS: Final = frozenset({"tmpfs", "ramfs"})


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def file_system(folder: Path) -> str:
    """The type of the file system that holds the folder.

    Raises:
        BenchError: it is memory, on which nothing about durability can be measured.
    """
    mounts = [part for part in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(part.mountpoint)]
    kind = max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"
    if kind in _MEMORY_FILE_SYSTEMS:
        raise BenchError(f"{folder} lies in memory ({kind}): name a folder on a disk with --folder")
    return kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU time since its start of a process with all its children, dead ones included."""

    cpu_s: float

    def since(self, earlier: "Usage") -> float:
        """CPU seconds between two readings."""
        return self.cpu_s - earlier.cpu_s


def usage(pid: int, *, children: bool = True) -> Usage:
    """Reads user and system time from the kernel."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    total_s = times.user + times.system
    if children:
        total_s += times.children_user + times.children_system
        for child in process.children(recursive=True):
            try:
                child_times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue  # its time has moved to its parent: the next reading has it
            total_s += child_times.user + child_times.system
    return Usage(cpu_s=total_s)


def peak_rss_bytes(pid: int) -> int:
    """The highest resident memory of the process so far, as the kernel kept it (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise BenchError("the kernel does not report VmHWM")
