"""The CPU that the functions are built for, and whether this machine's can run what was built for it.

Only of the standard library: `make bench` takes its flags from here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# What cargo-lambda builds for with `--release` (and SAM asks for just that), by Lambda's name of the architecture: every x86_64
# that Lambda runs on has AVX2, and the oldest Graviton there is the second. Its other profiles get nothing from it.
LAMBDA = {"x86_64": "haswell", "arm64": "neoverse-n1"}

# What the compiler may use of them and an older or emulated CPU may lack: the line of /proc/cpuinfo, and its names for them.
NEEDED = {
    "x86_64": ("flags", ("avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "abm")),
    "arm64": ("Features", ("atomics", "asimddp", "asimdhp", "asimdrdm", "lrcpc")),
}


def lacking(architecture: str, cpuinfo: str | None = None) -> list[str]:
    """What this machine's CPU lacks of Lambda's; nothing on another architecture, or if the kernel does not tell (macOS)."""
    if cpuinfo is None:
        try:
            cpuinfo = Path("/proc/cpuinfo").read_text()
        except OSError:
            return []
    field, needed = NEEDED[architecture]
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            has = value.split()
            return [feature for feature in needed if feature not in has]
    return []


def rustflags(architecture: str, environment: Mapping[str, str]) -> str:
    """The user's own flags, and the CPU unless they chose one."""
    own = environment.get("RUSTFLAGS", "")
    if "target-cpu=" in own:
        return own
    return f"{own} -C target-cpu={LAMBDA[architecture]}".strip()
