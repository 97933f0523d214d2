"""What the kernel knows of a process: CPU time, time spent waiting for a core, memory. Linux only."""

import atexit
import os
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """List a process and its descendants.

    Args:
        pid: the process id to start from.

    Returns:
        Process ids, the given one first.
    """
    pids = [pid]
    for parent in pids:
        for task in Path(f"/proc/{parent}/task").iterdir():
            pids.extend(int(child) for child in (task / "children").read_text().split())
    return pids


def cpu_s(pids: Iterable[int]) -> float:
    """Add up the CPU time (user and system, all threads) that processes have used since they began, in seconds."""
    total = 0
    for pid in pids:
        # The command name may hold blanks and parentheses: fields are counted from behind its last ")".
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])  # utime, stime: proc(5), fields 14 and 15
    return total * _TICK_S


def cpu_exact_s(pids: Iterable[int]) -> float:
    """Add up the CPU time of all threads that run now, in seconds, to the nanosecond: for periods that are short."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])  # a thread that ends takes its time with it
    return total / 1e9


def waited_s(pids: Iterable[int]) -> float:
    """Add up how long the main threads were ready to run without having a core, in seconds."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) for pid in pids) / 1e9


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of some processes, in kB.

    Attributes:
        rss_kb: resident, shared pages included.
        pss_kb: resident, shared pages divided by the number of their users.
        uss_kb: private pages only.
    """

    rss_kb: int
    pss_kb: int
    uss_kb: int


def memory(pids: Iterable[int]) -> Memory:
    """Read the memory of processes."""
    sums: dict[str, int] = {}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, _, value = line.partition(":")
            sums[name] = sums.get(name, 0) + int(value.split()[0])
    return Memory(sums["Rss"], sums["Pss"], sums["Private_Clean"] + sums["Private_Dirty"])


def set_priority(nice: int) -> None:
    """Set the priority of this process and of the children it will have.

    Args:
        nice: -20 to 19, 0 changes nothing; lower ones come first and need root.
    """
    if nice == 0:
        return
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    autogroup = Path("/proc/self/autogroup")
    if autogroup.exists():
        # sched(7): with autogrouping, nice values count within a session only; between sessions this one does. It is
        # the whole session's, so it is put back.
        atexit.register(autogroup.write_text, autogroup.read_text().split()[-1])
        autogroup.write_text(str(nice))


def raise_file_limit(needed: int) -> None:
    """Allow this process and its children as many open files as the hard limit permits.

    Args:
        needed: number of files the run will open.

    Raises:
        OSError: the hard limit is lower than `needed`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise OSError(f"{needed} open files needed, the hard limit is {hard}")
