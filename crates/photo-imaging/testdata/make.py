"""Makes every file of this folder, byte for byte the same each time.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make.py

The pictures come out of the scikit-image package (see README.md for their licences); everything else is made here.
"""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin
from skimage import data

from containers import ADOBE_RGB, DISPLAY_P3, SRGB, cmyk_profile, gif, gif_frame, gray_profile, png, png_chunk, riff
from containers import rgb_profile, vp8x, webp_frame

import odd

HERE = Path(__file__).parent
COFFEE = Image.fromarray(data.coffee())
CAT = Image.fromarray(data.chelsea())
ROCKET = Image.fromarray(data.rocket())
ASTRONAUT = Image.fromarray(data.astronaut())
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="urn:rdf"/>SECRET-XMP</x:xmpmeta>'


def save(name: str, content: bytes) -> None:
    (HERE / name).write_bytes(content)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(image: Image.Image, quality=82, **options) -> bytes:
    return encoded(image, "JPEG", quality=quality, optimize=True, **options)


def small(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.LANCZOS)


def exif(orientation: int | None = None, gps: bool = False) -> bytes:
    tags = Image.Exif()
    tags[0x010F] = "SECRET-CAMERA"
    tags[0x0110] = "Model 1"
    if orientation is not None:
        tags[0x0112] = orientation
    if gps:
        rational = TiffImagePlugin.IFDRational
        tags.get_ifd(0x8825).update(
            {
                1: "N",
                2: (rational(48), rational(51), rational(30)),
                3: "E",
                4: (rational(2), rational(17), rational(40)),
            }
        )
    return tags.tobytes()


# What turns the upright picture into the stored one of that EXIF orientation (the inverse of what a viewer does).
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def photos() -> None:
    # 6 MP out of a 0.24 MP picture: enlarged, then grain as a sensor gives it, so that it costs what a photo costs.
    rng = np.random.default_rng(6)
    large = np.asarray(small(COFFEE, 3000, 2000), dtype=np.float32)
    grain = rng.normal(0, 1, (2000, 3000, 1)) * 2.2 + rng.normal(0, 0.5, (2000, 3000, 3))
    noisy = Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8))
    save("photo-6mp.jpg", jpeg(noisy, 71, exif=exif(1, gps=True)))

    for number, stored in STORED.items():
        upright = small(CAT, 301, 203)
        turned = upright if stored is None else upright.transpose(stored)
        save(f"orientation-{number}.jpg", jpeg(turned, 90, subsampling=0, exif=exif(number, gps=True)))
    save("orientation-bad.jpg", jpeg(small(CAT, 120, 80), exif=exif(77)))


def jpegs() -> None:
    photo = small(ROCKET, 320, 213)
    srgb = rgb_profile("sRGB", ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), None)
    save("metadata.jpg", jpeg(photo, exif=exif(1, gps=True), icc_profile=srgb, xmp=XMP, comment=b"SECRET-COMMENT"))
    save("progressive.jpg", jpeg(photo, progressive=True))
    save("subsampling-422.jpg", jpeg(photo, subsampling=1))
    save("subsampling-444.jpg", jpeg(photo, subsampling=0))
    save("restart-markers.jpg", jpeg(photo, restart_marker_blocks=7))
    save("grayscale.jpg", jpeg(photo.convert("L")))
    save("grayscale-gamma.jpg", jpeg(photo.convert("L"), icc_profile=gray_profile(1.0)))

    # Profiles: flat patches whose right sRGB values the tests know.
    def patches(*colours, mode="RGB"):
        image = Image.new(mode, (64 * len(colours), 64))
        for index, colour in enumerate(colours):
            image.paste(colour, (64 * index, 0, 64 * index + 64, 64))
        return image

    rgb = patches((200, 100, 50), (60, 140, 90), (90, 90, 180), (128, 128, 128))
    save("display-p3.jpg", jpeg(rgb, 95, subsampling=0, icc_profile=rgb_profile("Display P3", DISPLAY_P3, None)))
    save("adobe-rgb.jpg", jpeg(rgb, 95, subsampling=0, icc_profile=rgb_profile("Adobe RGB", ADOBE_RGB, 563 / 256)))
    save("broken-profile.jpg", jpeg(rgb, 95, subsampling=0, icc_profile=b"this is no profile" * 20))
    inks = patches((0, 0, 0, 0), (255, 0, 0, 0), (0, 128, 255, 0), (64, 32, 16, 128), mode="CMYK")
    save("cmyk.jpg", jpeg(inks, 95))
    save("cmyk-profile.jpg", jpeg(inks, 95, icc_profile=cmyk_profile()))


def pngs() -> None:
    photo = small(ASTRONAUT, 160, 160)
    array = np.asarray(photo)
    y, x = np.mgrid[0:160, 0:160]
    disc = np.clip(255 - (np.hypot(x - 79.5, y - 79.5) - 60) * 16, 0, 255).astype(np.uint8)
    save("rgb.png", png(array))
    save("alpha.png", png(np.dstack([array, disc]), colour=6))
    save("interlaced.png", png(array, interlaced=True))
    # The low byte carries something of its own, so that a decoder that mixes up the bytes is seen.
    deep = array[:96, :96].astype(np.uint16) * 257
    save("rgb-16bit.png", png(deep, depth=16))
    deep_alpha = np.dstack([deep, disc[:96, :96].astype(np.uint16) * 257])
    save("alpha-16bit-interlaced.png", png(deep_alpha, depth=16, colour=6, interlaced=True))
    gray = np.asarray(photo.convert("L"))
    save("gray-16bit.png", png(gray[:96, :96].astype(np.uint16) * 257, depth=16, colour=0))
    save("gray-1bit.png", png((gray > 110).astype(np.uint8), depth=1, colour=0))
    save("gray-alpha.png", png(np.dstack([gray, disc]), colour=4))
    few = photo.quantize(16, dither=Image.Dither.NONE)
    palette = png_chunk(b"PLTE", bytes(few.getpalette()[:48]))
    index = np.asarray(few)
    save("palette-4bit.png", png(index, depth=4, colour=3, before_idat=palette))
    clear = bytes([0]) + bytes([255]) * 15
    save("palette-alpha.png", png(index, depth=4, colour=3, before_idat=palette + png_chunk(b"tRNS", clear)))
    save("orientation-6.png", png(np.rot90(array), before_idat=png_chunk(b"eXIf", exif(6)[6:])))
    profile = zlib.compress(rgb_profile("Display P3", DISPLAY_P3, None), 9)
    flat = np.full((40, 40, 3), (200, 100, 50), dtype=np.uint8)
    save("display-p3.png", png(flat, before_idat=png_chunk(b"iCCP", b"p3\0\0" + profile)))
    # One red line under transparent green: green must not bleed into a resized edge.
    bleed = np.zeros((400, 400, 4), dtype=np.uint8)
    bleed[:, :, 1] = 255
    bleed[150:250] = (255, 0, 0, 255)
    save("hidden-colour.png", png(bleed, colour=6))
    save("one-pixel.png", png(np.array([[[10, 200, 30]]], dtype=np.uint8)))
    save("wide.png", png(np.full((1, 4000, 3), 90, dtype=np.uint8)))


def gifs_and_webps() -> None:
    frames = [small(COFFEE, 200, 133).rotate(a, fillcolor=(20, 30, 40)) for a in (0, 10, 20)]
    quantised = [f.quantize(64) for f in frames]
    save("still.gif", encoded(quantised[0], "GIF"))
    save("animated.gif", encoded(quantised[0], "GIF", save_all=True, append_images=quantised[1:], duration=100))
    # A frame of 2 x 2 px at (3, 1) of a canvas of 8 x 6 px; the rest is transparent.
    # LZW by hand: clear, the four pixels (no code of theirs is used twice), end; from the fifth code on 4 bits wide.
    lzw = sum(code << shift for code, shift in [(4, 0), (0, 3), (1, 6), (1, 9), (0, 12), (5, 16)])
    save(
        "offset-frame.gif",
        b"GIF89a" + struct.pack("<HHBBB", 8, 6, 0x80, 0, 0) + bytes([255, 0, 0, 0, 0, 255])
        + b"!\xf9\x04\0\0\0\0\0" + b"," + struct.pack("<HHHHB", 3, 1, 2, 2, 0)
        + b"\x02\x03" + lzw.to_bytes(3, "little") + b"\0" + b";",
    )
    photo = small(COFFEE, 320, 213)
    rgba = photo.copy()
    mask = Image.new("L", photo.size, 0)
    mask.paste(255, (40, 30, 280, 180))
    rgba.putalpha(mask)
    save("lossy.webp", encoded(photo, "WEBP", quality=75))
    save("lossy-alpha.webp", encoded(rgba, "WEBP", quality=75))
    save("lossless-alpha.webp", encoded(small(rgba, 100, 67), "WEBP", lossless=True))
    save("animated.webp", encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=100, quality=60))
    turned = photo.transpose(STORED[6])
    save("orientation-6.webp", encoded(turned, "WEBP", quality=75, exif=exif(6, gps=True), xmp=XMP))
    p3 = rgb_profile("Display P3", DISPLAY_P3, None)
    flat = Image.new("RGB", (64, 64), (200, 100, 50))
    save("display-p3.webp", encoded(flat, "WEBP", lossless=True, icc_profile=p3))


def colours_without_profile() -> None:
    flat = np.full((40, 40, 3), (200, 100, 50), dtype=np.uint8)

    def chrm(primaries) -> bytes:
        numbers = [0.3127, 0.3290] + [n for pair in primaries for n in pair]
        return png_chunk(b"cHRM", struct.pack(">8I", *(round(n * 100000) for n in numbers)))

    def gama(value: int) -> bytes:
        return png_chunk(b"gAMA", struct.pack(">I", value))

    save("chunks-gamma.png", png(flat, before_idat=gama(100000)))
    save("chunks-gamma-gray.png", png(np.full((40, 40), 55, dtype=np.uint8), colour=0, before_idat=gama(100000)))
    save("chunks-p3.png", png(flat, before_idat=gama(45455) + chrm(DISPLAY_P3)))
    save("chunks-srgb.png", png(flat, before_idat=gama(100000) + chrm(SRGB) + png_chunk(b"sRGB", b"\0")))
    # Display P3 primaries (12), sRGB curve (13), RGB, full range; the profile beside it counts for less.
    adobe = zlib.compress(rgb_profile("Adobe RGB", ADOBE_RGB, 563 / 256), 9)
    cicp = png_chunk(b"cICP", bytes([12, 13, 0, 1]))
    save("chunks-cicp.png", png(flat, before_idat=cicp + png_chunk(b"iCCP", b"a\0\0" + adobe)))
    save("chunks-pq.png", png(flat, before_idat=png_chunk(b"cICP", bytes([9, 16, 0, 1]))))
    # 16 bits of linear light, dark: 64 steps of 1/65535 x 16 make 50 levels of sRGB, 4 if the low bytes went first.
    ramp = np.repeat(np.arange(64, dtype=np.uint16) * 16, 8)[None, :, None].repeat(8, 0).repeat(3, 2)
    linear = zlib.compress(rgb_profile("linear", SRGB, 1.0), 9)
    save("linear-16bit.png", png(ramp, depth=16, before_idat=png_chunk(b"iCCP", b"l\0\0" + linear)))


def with_metadata() -> None:
    flat = small(COFFEE, 48, 32)
    rgb = np.asarray(flat)
    secrets = (
        png_chunk(b"tEXt", b"Comment\0SECRET")
        + png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"SECRET"))
        + png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
        + png_chunk(b"tIME", bytes([7, 234, 1, 1, 0, 0, 0]))
        + png_chunk(b"prIv", b"SECRET")
        + png_chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1))
    )
    save("metadata.png", png(rgb, before_idat=secrets + png_chunk(b"eXIf", exif(6, gps=True)[6:])))
    frames = [flat, flat.rotate(90, expand=False)]
    save(
        "metadata.webp",
        encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=90, exif=exif(6, gps=True), xmp=XMP),
    )
    comment = b"!\xfe\x06SECRET\0"
    xmp = b"!\xff\x0bXMP DataXMP" + XMP + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    save("metadata.gif", gif(8, 6, [comment, xmp, gif_frame(0, 0, 8, 6, 1, delay=5), b"!\x01\x06SECRET\0"]))


def animations() -> None:
    # Blue; red that goes again; green that gives back what was there (GIF) or stays (WebP); a little white.
    save(
        "disposal.gif",
        gif(
            40,
            30,
            [
                gif_frame(0, 0, 40, 30, 3, delay=5, disposal=1),
                gif_frame(4, 4, 10, 10, 1, delay=12, disposal=2),
                gif_frame(20, 10, 10, 10, 2, delay=20, disposal=3),
                gif_frame(30, 20, 4, 4, 4, delay=7, disposal=1),
            ],
            loops=2,
        ),
    )

    def flat(size, colour, **options) -> bytes:
        return encoded(Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour), "WEBP", **options)

    frames = [
        webp_frame(flat((40, 30), (0, 0, 255), lossless=True), 0, 0, 50),
        webp_frame(flat((10, 10), (255, 0, 0), lossless=True), 4, 4, 120, dispose=True),
        # Lossy and without alpha, after a frame that goes.
        webp_frame(flat((10, 10), (0, 255, 0), quality=90), 20, 10, 200),
        webp_frame(flat((4, 4), (255, 255, 255, 128), lossless=True), 30, 20, 70, blend=True),
    ]
    anim = b"ANIM", bytes(4) + struct.pack("<H", 3)
    save("disposal.webp", riff([vp8x(0x12, 40, 30), anim, *frames]))
    # A second frame whose picture is larger than it says, or beyond the canvas: the first is all right.
    large = webp_frame(flat((40, 30), (0, 255, 0), quality=90), 0, 0, 50)
    lying = (large[0], large[1][:6] + struct.pack("<I", 7)[:3] + struct.pack("<I", 7)[:3] + large[1][12:])
    save("lying-frame.webp", riff([vp8x(0x12, 40, 30), anim, frames[0], lying]))
    beyond = (large[0], struct.pack("<I", 9)[:3] + large[1][3:])
    save("frame-outside.webp", riff([vp8x(0x12, 40, 30), anim, frames[0], beyond]))
    huge = gif_frame(0, 0, 4, 4, 1)
    at = huge.index(b",") + 5
    save("huge-frame.gif", gif(8, 6, [gif_frame(0, 0, 8, 6, 1), huge[:at] + b"\xff\xff\xff\xff" + huge[at + 4 :]]))
    # Says that there is alpha, and there is none.
    opaque = (HERE / "lossy.webp").read_bytes()
    save("alpha-flag.webp", riff([vp8x(0x10, 320, 213), (opaque[12:16], opaque[20:])]))


def hostile() -> None:
    def cut(name: str, source: str, share: float) -> None:
        content = (HERE / source).read_bytes()
        save(name, content[: int(len(content) * share)])

    cut("truncated.jpg", "metadata.jpg", 0.6)
    cut("truncated-progressive.jpg", "progressive.jpg", 0.6)
    cut("truncated.png", "rgb.png", 0.6)
    cut("truncated-interlaced.png", "interlaced.png", 0.6)
    cut("truncated.gif", "still.gif", 0.6)
    cut("truncated.webp", "lossy.webp", 0.6)
    cut("truncated-lossless.webp", "lossless-alpha.webp", 0.6)
    photo = (HERE / "grayscale.jpg").read_bytes()
    save("no-end-marker.jpg", photo[:-2])
    save("trailing-garbage.jpg", photo + b"\0garbage" * 64)
    save("polyglot-zip.jpg", photo + b"PK\x05\x06" + b"\0" * 18)
    save("polyglot-html.gif", (HERE / "offset-frame.gif").read_bytes() + b"<script>alert(1)</script>")
    scan = photo.index(b"\xff\xda") + 40
    save("garbled-scan.jpg", photo[:scan] + b"\xff\x00\x55\xaa" * 200 + photo[scan + 800 :])
    save("empty.jpg", b"")
    save("not-an-image.jpg", b"This is a text file that somebody named .jpg.\n" * 20)
    save("html.png", b"<!doctype html><title>404</title>\n")
    # 50000 x 50000 px, the first rows of which are there: 7.5 GB when believed.
    rows = zlib.compress(b"\0" * (150001 * 20), 9)
    save("pixel-bomb.png", png(None, size=(50000, 50000), idat=rows))
    # In limits by pixels (12 MP), but the data of one row only.
    save("missing-rows.png", png(None, size=(4000, 3000), idat=zlib.compress(b"\0" * 12001, 9)))
    # A text chunk that inflates to 16 MB.
    ztxt = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"A" * (16 << 20), 9))
    save("text-bomb.png", png(np.zeros((8, 8, 3), dtype=np.uint8), before_idat=ztxt))
    iccp = png_chunk(b"iCCP", b"bomb\0\0" + zlib.compress(b"\0" * (16 << 20), 9))
    save("profile-bomb.png", png(np.zeros((8, 8, 3), dtype=np.uint8), before_idat=iccp))
    big_sof = photo.index(b"\xff\xc0") + 5
    save("pixel-bomb.jpg", photo[:big_sof] + struct.pack(">HH", 65500, 65500) + photo[big_sof + 4 :])
    gif = (HERE / "offset-frame.gif").read_bytes()
    save("pixel-bomb.gif", gif[:6] + struct.pack("<HH", 65535, 65535) + gif[10:])
    frame = gif[gif.index(b"!\xf9") : -1]
    head = gif[: gif.index(b"!\xf9")]
    save("frame-bomb.gif", head + frame * 1500 + b";")
    save("no-frame.gif", head + b";")
    still = (HERE / "lossy.webp").read_bytes()
    vp8 = (still[12:16], still[20:])
    save("pixel-bomb.webp", riff([vp8x(0, 16384, 16384), vp8]))
    anmf = b"ANMF", bytes(6) + struct.pack("<I", 319)[:3] + struct.pack("<I", 212)[:3] + bytes(4) + still[12:]
    save("frame-bomb.webp", riff([vp8x(2, 320, 213), (b"ANIM", bytes(6)), anmf] + [(b"ANMF", anmf[1][:24])] * 1500))


def regressions() -> None:
    # Found by fuzzing: the size in bytes does not fit 64 bits.
    save("regression-size-overflow.png", png(None, size=(0xFDFFF05F, 0xFFFFF447), idat=zlib.compress(b"\0", 9)))


def recognised_but_unsupported() -> None:
    dot = small(COFFEE, 16, 16)
    save("unsupported.avif", encoded(dot, "AVIF", quality=40))
    save("unsupported.tiff", encoded(dot, "TIFF", compression="tiff_lzw"))
    save("unsupported.bmp", encoded(dot, "BMP"))
    save("unsupported.heic", struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + b"\0" * 64)
    save("unsupported.svg", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>\n')
    save("unsupported.pdf", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n")


if __name__ == "__main__":
    warnings.simplefilter("error", UserWarning)
    photos()
    jpegs()
    pngs()
    gifs_and_webps()
    colours_without_profile()
    with_metadata()
    animations()
    hostile()
    recognised_but_unsupported()
    regressions()
    odd.write(save)
    files = [p for p in HERE.iterdir() if p.suffix not in {".py", ".md", ".txt"}]
    print(f"{len(files)} files, {sum(p.stat().st_size for p in files):,} bytes")
