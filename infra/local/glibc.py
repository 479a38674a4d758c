"""Which glibc a program needs, read from its ELF file without any tool.

Amazon Linux 2023, on which `provided.al2023` functions run, has glibc 2.34. A program that was linked
against a newer symbol runs on the machine that built it and dies there at its start.
"""

from __future__ import annotations

import struct
from pathlib import Path

NEWEST_ALLOWED = (2, 34)

SHT_GNU_VERNEED = 0x6FFFFFFE
VER_FLG_WEAK = 0x2
ELF64 = 2
LITTLE_ENDIAN = 1


class NotAnElfFile(ValueError):
    """The file is no 64-bit little-endian ELF program."""


def needed_versions(image: bytes) -> set[tuple[int, ...]]:
    """The GLIBC_ versions that the dynamic linker will insist on, such as {(2, 17), (2, 34)}."""
    if image[:4] != b"\x7fELF" or len(image) < 64 or image[4] != ELF64 or image[5] != LITTLE_ENDIAN:
        raise NotAnElfFile("not a 64-bit little-endian ELF file")
    try:
        return _needed_versions(image)
    except struct.error as error:
        raise NotAnElfFile("the ELF file is truncated") from error


def _needed_versions(image: bytes) -> set[tuple[int, ...]]:
    table_offset, = struct.unpack_from("<Q", image, 0x28)
    entry_size, entry_count = struct.unpack_from("<HH", image, 0x3A)
    sections = [struct.unpack_from("<IIQQQQII", image, table_offset + i * entry_size) for i in range(entry_count)]
    versions: set[tuple[int, ...]] = set()
    for _, kind, _, _, offset, _, strings_index, count in sections:
        if kind != SHT_GNU_VERNEED:
            continue
        strings_offset = sections[strings_index][4]
        need = offset
        for _ in range(count):
            _, aux_count, _, aux_step, next_step = struct.unpack_from("<HHIII", image, need)
            aux = need + aux_step
            for _ in range(aux_count):
                _, flags, _, name, aux_next = struct.unpack_from("<IHHII", image, aux)
                version = _glibc_version(_string(image, strings_offset + name))
                # The linker lets a missing version pass when only weak symbols ask for it.
                if version and not flags & VER_FLG_WEAK:
                    versions.add(version)
                aux += aux_next
            need += next_step
    return versions


def _string(image: bytes, offset: int) -> str:
    return image[offset:image.index(b"\0", offset)].decode("ascii", "replace")


def _glibc_version(name: str) -> tuple[int, ...] | None:
    prefix, _, version = name.partition("_")
    if prefix != "GLIBC" or not version.replace(".", "").isdigit():
        return None
    return tuple(int(part) for part in version.split("."))


def newest_needed(program: Path) -> tuple[int, ...]:
    """The newest glibc that the program needs; (0,) for one that needs none."""
    return max(needed_versions(program.read_bytes()), default=(0,))


def text(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
