"""The check that Amazon Linux 2023 can start a program."""

import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from infra.local import glibc

HEADER_SIZE = 64
SECTION_SIZE = 64


def program(versions: list[tuple[str, int]]) -> bytes:
    """An ELF file with nothing in it but the versions (name, flags) that it needs of libc.so.6."""
    strings = b"\0libc.so.6\0"
    names = []
    for name, _ in versions:
        names.append(len(strings))
        strings += name.encode() + b"\0"
    needs = struct.pack("<HHIII", 1, len(versions), 1, 16, 0)
    for i, (_, flags) in enumerate(versions):
        following = 16 if i + 1 < len(versions) else 0
        needs += struct.pack("<IHHII", 0, flags, i + 2, names[i], following)
    strings_at = HEADER_SIZE
    needs_at = strings_at + len(strings)
    table_at = needs_at + len(needs)
    sections = [
        struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, strings_at, len(strings), 0, 0, 1, 0),
        struct.pack("<IIQQQQIIQQ", 0, glibc.SHT_GNU_VERNEED, 0, 0, needs_at, len(needs), 1, 1, 4, 0),
    ]
    header = b"\x7fELF" + bytes([glibc.ELF64, glibc.LITTLE_ENDIAN, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, table_at, 0, HEADER_SIZE, 0, 0, SECTION_SIZE, 3, 1)
    return header + strings + needs + b"".join(sections)


class NeededVersions(unittest.TestCase):
    def test_the_newest_version_counts_by_number_not_by_text(self):
        image = program([("GLIBC_2.4", 0), ("GLIBC_2.34", 0), ("GLIBC_2.2.5", 0)])
        self.assertEqual(glibc.needed_versions(image), {(2, 4), (2, 34), (2, 2, 5)})
        self.assertEqual(max(glibc.needed_versions(image)), (2, 34))

    def test_a_version_that_only_weak_symbols_ask_for_does_not_count(self):
        image = program([("GLIBC_2.34", 0), ("GLIBC_2.39", glibc.VER_FLG_WEAK)])
        self.assertEqual(glibc.needed_versions(image), {(2, 34)})

    def test_versions_of_other_libraries_do_not_count(self):
        self.assertEqual(glibc.needed_versions(program([("GCC_4.2.0", 0), ("GLIBC_PRIVATE", 0)])), set())

    def test_a_version_above_the_limit_is_seen_as_such(self):
        self.assertGreater(max(glibc.needed_versions(program([("GLIBC_2.35", 0)]))), glibc.NEWEST_ALLOWED)
        self.assertLessEqual(max(glibc.needed_versions(program([("GLIBC_2.34", 0)]))), glibc.NEWEST_ALLOWED)

    def test_other_files_are_refused(self):
        for image in (b"", b"#!/bin/sh\n", b"\x7fELF" + bytes(10), program([("GLIBC_2.4", 0)])[:-30]):
            with self.assertRaises(glibc.NotAnElfFile):
                glibc.needed_versions(image)

    @unittest.skipUnless(shutil.which("cc") and sys.platform == "linux", "needs a C compiler on Linux")
    def test_a_program_of_the_real_compiler_needs_the_symbol_it_names(self):
        with tempfile.TemporaryDirectory() as folder:
            source, binary = Path(folder, "a.c"), Path(folder, "a")
            source.write_text('#include <stdio.h>\nint main(void) { return puts("x"); }\n')
            subprocess.run(["cc", "-o", binary, source], check=True)
            self.assertGreaterEqual(glibc.newest_needed(binary), (2, 2, 5))


if __name__ == "__main__":
    unittest.main()
