"""Runs a command under the system call filter of a unit file, without a running systemd.

    python sandbox.py '@system-service ~@privileged' COMMAND...

systemd does the same with the same library (libseccomp) and the same sets (``systemd-analyze syscall-filter``).
"""

import ctypes
import errno
import os
import subprocess
import sys

PR_SET_NO_NEW_PRIVS = 38
SCMP_ACT_ALLOW = 0x7FFF0000
SCMP_ACT_ERRNO = 0x00050000


def system_calls(name: str) -> set[str]:
    """What a set like @system-service holds, sets within it resolved."""
    shown = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", name], check=True, capture_output=True, text=True
    )
    found = set()
    for line in shown.stdout.splitlines():
        word = line.strip()
        if word.startswith("@") and word != name:
            found |= system_calls(word)
        elif line.startswith(" ") and word and not word.startswith("#"):
            found.add(word)
    return found


def confine(sets: list[str]) -> None:
    """Allow this process, and what it starts, only these system calls."""
    allowed: set[str] = set()
    for name in sets:
        allowed = allowed - system_calls(name[1:]) if name.startswith("~") else allowed | system_calls(name)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(SCMP_ACT_ERRNO | errno.EPERM))
    for call in sorted(allowed):
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            seccomp.seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0)
    if seccomp.seccomp_load(context):
        raise OSError("the filter was not taken")


if __name__ == "__main__":
    confine(sys.argv[1].split())
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606
