"""Files that are odd and that browsers show all the same. `tests/it/browsers.rs` has what Chromium shows of them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from containers import ADOBE_RGB, gif, gif_frame, png, png_chunk, rgb_profile, riff, vp8x, webp_frame

GRAYS = (16, 64, 128, 192)
COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (250, 250, 10))
INKS = ((0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 255, 0), (100, 50, 20, 30))
PROPHOTO = struct.pack(">8I", 34570, 35850, 73470, 26530, 15960, 84040, 3660, 10)
ADOBE_MARKER = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0"


def patches(values) -> np.ndarray:
    """64 px of each."""
    return np.repeat(np.array([values] * 16, dtype=np.uint8), 64, axis=1)


def jpeg(pixels: np.ndarray, mode: str, **options) -> bytes:
    buffer = io.BytesIO()
    height, width = pixels.shape[:2]
    Image.frombytes(mode, (width, height), pixels.tobytes()).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def without_segment(file: bytes, marker: int) -> bytes:
    kept, at = file[:2], 2
    while file[at + 1] != 0xDA:
        length = struct.unpack(">H", file[at + 2 : at + 4])[0] + 2
        if file[at + 1] != marker:
            kept += file[at : at + length]
        at += length
    return kept + file[at:]


def colours(save) -> None:
    for name, transfer in (("bt709", 1), ("gamma22", 4)):
        cicp = png_chunk(b"cICP", bytes([1, transfer, 0, 1]))
        save(f"odd-{name}.png", png(patches(COLOURS), before_idat=cicp))
        save(f"odd-{name}-gray.png", png(patches(GRAYS), colour=0, before_idat=cicp))
    prophoto = png_chunk(b"gAMA", struct.pack(">I", 55556)) + png_chunk(b"cHRM", PROPHOTO)
    save("odd-prophoto.png", png(patches(COLOURS), before_idat=prophoto))
    adobe = rgb_profile("Adobe RGB", ADOBE_RGB, 563 / 256)
    iccp = png_chunk(b"iCCP", b"adobe\0\0" + zlib.compress(adobe, 9))
    grays = patches(GRAYS)
    save("odd-gray-in-colours.jpg", jpeg(grays, "L", icc_profile=adobe))
    save("odd-gray-in-colours.png", png(grays, colour=0, before_idat=iccp))
    deep = grays.astype(np.uint16) * 257
    save("odd-gray-in-colours-16bit.png", png(deep, depth=16, colour=0, before_idat=iccp))
    alpha = np.stack([deep, np.full_like(deep, 32896)], axis=2)
    save("odd-gray-alpha-in-colours-16bit.png", png(alpha, depth=16, colour=4, before_idat=iccp))
    save("odd-cmyk-no-marker.jpg", without_segment(jpeg(patches(INKS), "CMYK"), 0xEE))
    plain = jpeg(patches(COLOURS), "RGB", subsampling=0)
    save("odd-jfif-adobe.jpg", plain[:20] + ADOBE_MARKER + b"\0" + plain[20:])


def containers(save) -> None:
    pixels = np.zeros((16, 64, 4), dtype=np.uint8)
    pixels[..., :3] = (200, 100, 50)
    pixels[..., 3] = np.repeat([0, 85, 170, 255], 16)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, exact=True)
    lossless = buffer.getvalue()
    length = struct.unpack("<I", lossless[16:20])[0]
    save("odd-lossless-alpha.webp", riff([vp8x(0, 64, 16), (b"VP8L", lossless[20 : 20 + length])]))
    frames = [webp_frame(lossless, 0, 0, 100), webp_frame(lossless, 0, 0, 100)]
    save("odd-animated-alpha.webp", riff([vp8x(2, 64, 16), (b"ANIM", bytes(6)), *frames]))
    # The frame that counts is at the right and below; the palette has four colours that differ.
    large = gif_frame(0, 0, 48, 32, 1, delay=10)
    beside = gif_frame(24, 8, 24, 24, 1, delay=10)
    save("odd-large-frame.gif", gif(16, 16, [large, gif_frame(0, 0, 16, 16, 2, delay=10)]))
    save("odd-frame-beside.gif", gif(16, 16, [beside]))
    save("odd-no-screen.gif", gif(0, 0, [beside]))
    save("odd-large-second-frame.gif", gif(16, 16, [gif_frame(0, 0, 16, 16, 1, delay=10), large]))
    two = gif(16, 16, [gif_frame(0, 0, 16, 16, index, delay=10) for index in (1, 2)])
    save("odd-junk-at-the-end.gif", two[:-1] + b"wjunk, and more of it")


def write(save) -> None:
    colours(save)
    containers(save)
