"""The size of a JPEG or WebP picture, read from its header: enough to see that a URL opens a picture."""

from __future__ import annotations

import struct


class NotAPicture(ValueError):
    """The bytes are neither a JPEG nor a WebP picture."""


def size(data: bytes) -> tuple[str, int, int]:
    """The format (`jpeg` or `webp`), width and height in pixels."""
    try:
        if data[:3] == b"\xff\xd8\xff":
            return ("jpeg", *_jpeg_size(data))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return ("webp", *_webp_size(data))
    except (struct.error, IndexError) as error:
        raise NotAPicture("the header is cut short") from error
    raise NotAPicture(f"begins with {data[:12]!r}")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while True:
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        length, = struct.unpack_from(">H", data, at + 1)
        is_frame = 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)
        if is_frame:
            height, width = struct.unpack_from(">HH", data, at + 4)
            return width, height
        at += 1 + length


def _webp_size(data: bytes) -> tuple[int, int]:
    chunk = data[12:16]
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if chunk == b"VP8L":
        bits, = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    raise NotAPicture(f"a WebP file with the chunk {chunk!r}")
