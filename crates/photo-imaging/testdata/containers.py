"""Writers for what Pillow cannot write: PNG of every depth, interlaced PNG, ICC profiles and headers that lie."""

import struct
import zlib

import numpy as np

# --- PNG ---------------------------------------------------------------------------------------


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_rows(pixels: np.ndarray, depth: int) -> bytes:
    """Filter 0 rows of an (h, w, channels) array."""
    height = pixels.shape[0]
    if depth == 16:
        rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        rows = pixels.astype(np.uint8).reshape(height, -1)
    else:
        samples = pixels.astype(np.uint8).reshape(height, -1)
        bits = np.unpackbits(samples[:, :, None], axis=2)[:, :, 8 - depth :]
        rows = np.packbits(bits.reshape(height, -1), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in rows)


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(pixels, depth=8, colour=2, interlaced=False, before_idat=b"", size=None, idat=None) -> bytes:
    """`colour` is PNG's colour type; `size` and `idat` may lie about the pixels."""
    if pixels is not None and pixels.ndim == 2:
        pixels = pixels[:, :, None]
    width, height = size or (pixels.shape[1], pixels.shape[0])
    if idat is None:
        if interlaced:
            raw = b""
            for x, y, dx, dy in ADAM7:
                part = pixels[y::dy, x::dx]
                if part.size:
                    raw += _png_rows(part, depth)
        else:
            raw = _png_rows(pixels, depth)
        idat = zlib.compress(raw, 9)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + before_idat
        + png_chunk(b"IDAT", idat)
        + png_chunk(b"IEND", b"")
    )


# --- ICC v2 ------------------------------------------------------------------------------------

D50 = np.array([0.9642, 1.0, 0.8249])
D65 = np.array([0.95047, 1.0, 1.08883])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def _s15(values) -> bytes:
    return b"".join(struct.pack(">i", round(float(v) * 65536)) for v in values)


def _xyz(values) -> bytes:
    return b"XYZ \0\0\0\0" + _s15(values)


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def _curve(table) -> bytes:
    points = [min(65535, max(0, round(float(v) * 65535))) for v in table]
    return b"curv\0\0\0\0" + struct.pack(">I", len(points)) + struct.pack(f">{len(points)}H", *points)


def _text(text: str) -> bytes:
    return b"text\0\0\0\0" + text.encode() + b"\0"


def _desc(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(raw)) + raw + b"\0" * (4 + 4 + 2 + 1 + 67)


def _profile(space: bytes, pcs: bytes, device: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    offset = 128 + 4 + 12 * len(tags)
    table, body, placed = b"", b"", {}
    for name, data in tags:
        if data not in placed:
            placed[data] = offset + len(body)
            body += data + b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", placed[data], len(data))
    head = struct.pack(">I4sI4s4s4s", offset + len(body), b"\0\0\0\0", 0x02400000, device, space, pcs)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + _s15(D50)
    head += b"\0" * (128 - len(head))
    return head + struct.pack(">I", len(tags)) + table + body


def to_d50_matrix(primaries) -> np.ndarray:
    """RGB → XYZ(D50) of primaries given as ((xr, yr), (xg, yg), (xb, yb)) with a D65 white."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    matrix = columns * np.linalg.solve(columns, D65)
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ D65)) @ BRADFORD
    return adapt @ matrix


SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))


def srgb_to_linear(v):
    v = np.asarray(v, dtype=np.float64)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(v):
    v = np.clip(v, 0, 1)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


def rgb_profile(name: str, primaries, gamma: float | None) -> bytes:
    """`gamma` None means the sRGB curve."""
    matrix = to_d50_matrix(primaries)
    trc = _curve(srgb_to_linear(np.linspace(0, 1, 1024))) if gamma is None else _gamma(gamma)
    return _profile(
        b"RGB ",
        b"XYZ ",
        b"mntr",
        [
            (b"desc", _desc(name)),
            (b"cprt", _text("CC0")),
            (b"wtpt", _xyz(D65)),
            (b"rXYZ", _xyz(matrix[:, 0])),
            (b"gXYZ", _xyz(matrix[:, 1])),
            (b"bXYZ", _xyz(matrix[:, 2])),
            (b"rTRC", trc),
            (b"gTRC", trc),
            (b"bTRC", trc),
        ],
    )


def gray_profile(gamma: float) -> bytes:
    return _profile(
        b"GRAY",
        b"XYZ ",
        b"mntr",
        [(b"desc", _desc("Gray")), (b"cprt", _text("CC0")), (b"wtpt", _xyz(D50)), (b"kTRC", _gamma(gamma))],
    )


def ink_to_linear(cmyk: np.ndarray) -> np.ndarray:
    """A printer of our own: linear sRGB light that four muted inks (0..1 each) leave of white paper."""
    paper = np.ones(3)
    inks = np.array([[0.03, 0.28, 0.55], [0.55, 0.03, 0.16], [0.85, 0.72, 0.04], [0.015, 0.015, 0.015]])
    light = np.broadcast_to(paper, (*cmyk.shape[:-1], 3)).copy()
    for index in range(4):
        amount = cmyk[..., index : index + 1]
        light *= 1 - amount + amount * inks[index]
    return light


def linear_to_lab(light: np.ndarray) -> np.ndarray:
    t = (light @ to_d50_matrix(SRGB).T) / D50
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def cmyk_profile(grid: int = 7) -> bytes:
    """A `prtr` profile with one 16-bit A2B table, grid^4 points, of the printer above."""
    axis = np.linspace(0, 1, grid)
    mesh = np.stack(np.meshgrid(axis, axis, axis, axis, indexing="ij"), -1)
    lab = linear_to_lab(ink_to_linear(mesh)).reshape(-1, 3)
    # ICC v2 16-bit Lab: L* 100 is 0xFF00, a* and b* are offset by 128.
    encoded = np.stack([lab[:, 0] * 652.8, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], -1)
    table = np.clip(np.round(encoded), 0, 65535).astype(">u2").tobytes()
    linear = struct.pack(">2H", 0, 65535)
    lut = b"mft2\0\0\0\0" + struct.pack(">4B", 4, 3, grid, 0) + _s15(np.eye(3).flatten())
    lut += struct.pack(">2H", 2, 2) + linear * 4 + table + linear * 3
    return _profile(
        b"CMYK",
        b"Lab ",
        b"prtr",
        [
            (b"desc", _desc("Test inks")),
            (b"cprt", _text("CC0")),
            (b"wtpt", _xyz(D50)),
            (b"A2B0", lut),
            (b"A2B1", lut),
        ],
    )


# --- WebP --------------------------------------------------------------------------------------


def riff(chunks: list[tuple[bytes, bytes]]) -> bytes:
    body = b"WEBP"
    for kind, data in chunks:
        body += kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def vp8x(flags: int, width: int, height: int) -> tuple[bytes, bytes]:
    return b"VP8X", bytes([flags, 0, 0, 0]) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]


def webp_frame(file: bytes, left: int, top: int, duration: int, dispose=False, blend=False) -> tuple[bytes, bytes]:
    """An ANMF chunk out of a still file."""
    chunks, at, size = b"", 12, None
    while at < len(file):
        kind, length = file[at : at + 4], struct.unpack("<I", file[at + 4 : at + 8])[0]
        data = file[at + 8 : at + 8 + length]
        if kind == b"VP8 ":
            size = (int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF)
        elif kind == b"VP8L":
            bits = int.from_bytes(data[1:5], "little")
            size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        if kind in (b"VP8 ", b"VP8L", b"ALPH"):
            chunks += file[at : at + 8 + length + length % 2]
        at += 8 + length + length % 2
    assert size
    numbers = [left // 2, top // 2, size[0] - 1, size[1] - 1, duration]
    head = b"".join(struct.pack("<I", n)[:3] for n in numbers)
    return b"ANMF", head + bytes([(0 if blend else 2) | int(dispose)]) + chunks


# --- GIF ---------------------------------------------------------------------------------------

# Transparent, red, green, blue, white.
GIF_PALETTE = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]) + bytes(9)


def gif_frame(left: int, top: int, width: int, height: int, index: int, delay=0, disposal=0) -> bytes:
    """A flat frame. LZW without compression: the table is cleared before its codes need a ninth bit."""
    codes = b""
    pixels = bytes([index]) * (width * height)
    for at in range(0, len(pixels), 100):
        codes += b"\x80" + pixels[at : at + 100]
    codes += b"\x81"
    blocks = b"".join(bytes([len(codes[i : i + 255])]) + codes[i : i + 255] for i in range(0, len(codes), 255))
    control = b"!\xf9\x04" + struct.pack("<BHB", disposal << 2 | 1, delay, 0) + b"\0"
    return control + b"," + struct.pack("<HHHHB", left, top, width, height, 0) + b"\x07" + blocks + b"\0"


def gif(width: int, height: int, blocks: list[bytes], loops: int | None = None) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x82, 0, 0) + GIF_PALETTE
    if loops is not None:
        head += b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", loops) + b"\0"
    return head + b"".join(blocks) + b";"
