"""Writes small files of the kinds that once cost far more than their header says, into FOLDER: seeds of all fuzz targets."""

import struct
import sys
import zlib
from pathlib import Path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(side: int, colour: int, extra: bytes = b"", interlaced: bool = False) -> bytes:
    """8 bits; every sample is zero, so a few bytes hold any size."""
    row_bytes = side * {2: 3, 3: 1, 4: 2, 6: 4}[colour]
    # Seven passes have at most two rows for each of the picture.
    data = zlib.compress(bytes((1 + row_bytes) * side * (2 if interlaced else 1)), 9)
    header = struct.pack(">IIBBBBB", side, side, 8, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def profile(tags: int) -> bytes:
    """So many tags that all name one LUT."""
    grid = 5
    lut = b"mft2" + bytes(4) + bytes([3, 3, grid, 0]) + struct.pack(">9i", *[65536, 0, 0, 0] * 2, 65536)
    curves = struct.pack(">6H", *[0, 65535] * 3)
    lut += struct.pack(">HH", 2, 2) + curves + bytes(grid**3 * 3 * 2) + curves
    place = 132 + 12 * tags
    head = struct.pack(">I4sI4s4s4s", place + len(lut), bytes(4), 0x02400000, b"mntr", b"RGB ", b"Lab ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    return head.ljust(128, b"\0") + struct.pack(">I", tags) + struct.pack(">4sII", b"A2B0", place, len(lut)) * tags + lut


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(before: bytes) -> bytes:
    """Gray, 64 x 64 px: every block is a DC difference of zero and an end of block, a bit each."""
    tables = segment(0xDB, bytes(1) + b"\x10" * 64)
    frame = segment(0xC0, struct.pack(">BHHB", 8, 64, 64, 1) + bytes([1, 0x11, 0]))
    codes = segment(0xC4, bytes([0x00, 1, *[0] * 15, 0])) + segment(0xC4, bytes([0x10, 1, *[0] * 15, 0]))
    return b"\xff\xd8" + before + tables + frame + codes + segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + bytes(16) + b"\xff\xd9"


def gif(screen: int, side: int, place: int, frames: int) -> bytes:
    """Frames of one clear code and no pixel, on a screen that grows to hold the first."""
    frame = b"\x2c" + struct.pack("<HHHHB", place, place, side, side, 0) + b"\x02\x02\x4c\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0x80, 0, 0) + bytes(6) + frame * frames + b"\x3b"


def bits(fields: list[tuple[int, int]]) -> bytes:
    value = at = 0
    for number, width in fields:
        value |= number << at
        at += width
    return value.to_bytes((at + 7) // 8, "little")


def webp(groups: int) -> bytes:
    """Lossless, 4 x 4 px: the one tile names the last of so many groups of prefix codes, each of five codes of one symbol."""

    def code(symbol: int) -> list[tuple[int, int]]:
        return [(1, 1), (0, 1), (1, 1), (symbol, 8)]

    last = groups - 1
    header = [(0x2F, 8), (3, 14), (3, 14), (0, 1), (0, 3), (0, 1), (0, 1), (1, 1), (0, 3), (0, 1)]
    tile = [field for symbol in (last & 255, last >> 8, 0, 0, 0) for field in code(symbol)]
    data = bits(header + tile + (code(7) * 5) * groups)
    data += bytes(len(data) % 2)
    body = b"WEBPVP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def seeds() -> dict[str, bytes]:
    many = zlib.compress(profile(1000), 9)
    bomb = zlib.compress(bytes(8 << 20), 9)
    parts = profile(1000)
    return {
        "icc-tags.png": png(64, 2, chunk(b"iCCP", b"x\0\0" + many)),
        "icc-tags.jpg": jpeg(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + parts)),
        "icc-bomb.png": png(64, 2, chunk(b"iCCP", b"x\0\0" + bomb)),
        "text-bombs.png": png(64, 2, chunk(b"zTXt", b"x\0\0" + bomb) + chunk(b"iTXt", b"x\0\x01\0\0\0" + bomb)),
        "groups.webp": webp(400),
        "interlaced-alpha.png": png(500, 6, interlaced=True),
        "interlaced-gray-alpha.png": png(500, 4, interlaced=True),
        "palette-alpha.png": png(500, 3, chunk(b"PLTE", b"\1\2\3" * 256) + chunk(b"tRNS", b"\x80" * 256)),
        "grown.gif": gif(1, 500, 0, 1),
        "grown-by-place.gif": gif(1, 1, 499, 30),
        "huffman-tables.jpg": jpeg(segment(0xC4, bytes([0x10, 1, *[0] * 15, 1]) * 1500)),
        "empty-segments.jpg": jpeg(segment(0xFE, b"") * 2000),
    }


folder = Path(sys.argv[1])
for name, content in seeds().items():
    (folder / name).write_bytes(content)
