#!/usr/bin/env python3
"""Writes the HEIC files of testdata, and what libheif shows of them.

usage: fixtures.py        (needs Pillow and pillow-heif, whose wheel has libheif with its encoder x265)

The pictures are made from a photo of photo-imaging's testdata. Each NAME.heic has NAME.png: its pixels as libheif decodes them,
rotated and cropped, with 8 bits a sample. Chroma is interpolated: by default libheif repeats it. Those named large-* have none: they
are there for the memory that they take.
"""
import ctypes
from pathlib import Path

import numpy
import pillow_heif
from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "testdata"
PHOTO = HERE.parent.parent / "photo-imaging" / "testdata" / "photo-6mp.jpg"

heif = ctypes.CDLL(next(str(p) for p in (Path(pillow_heif.__file__).parent.parent / "pillow_heif.libs").glob("libheif-*")))


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("subcode", ctypes.c_int), ("message", ctypes.c_char_p)]


class DecodingOptions(ctypes.Structure):
    """The first fields of libheif's heif_decoding_options."""

    _fields_ = [
        ("version", ctypes.c_uint8), ("ignore_transformations", ctypes.c_uint8), ("callbacks", ctypes.c_void_p * 4),
        ("convert_hdr_to_8bit", ctypes.c_uint8), ("strict_decoding", ctypes.c_uint8), ("decoder_id", ctypes.c_char_p),
        ("conversion_version", ctypes.c_uint8), ("downsampling", ctypes.c_int), ("upsampling", ctypes.c_int),
        ("only_use_preferred", ctypes.c_uint8),
    ]


for name in ("heif_context_alloc", "heif_decoding_options_alloc", "heif_encoding_options_alloc", "heif_image_get_plane"):
    getattr(heif, name).restype = ctypes.c_void_p
pointer = ctypes.c_void_p


def call(name, *arguments):
    function = getattr(heif, name)
    function.restype = Error
    error = function(*arguments)
    if error.code:
        raise SystemExit(f"{name}: {error.message.decode()}")


def rgb_image(picture):
    """A heif_image of a Pillow picture."""
    image = pointer()
    call("heif_image_create", picture.width, picture.height, 1, 10, ctypes.byref(image))  # RGB, interleaved
    call("heif_image_add_plane", image, 10, picture.width, picture.height, 8)
    stride = ctypes.c_int()
    plane = heif.heif_image_get_plane(image, 10, ctypes.byref(stride))
    row = picture.width * 3
    data = picture.tobytes()
    for y in range(picture.height):
        ctypes.memmove(plane + y * stride.value, data[y * row:(y + 1) * row], row)
    return image


def grid(path, picture, tile, quarters):
    """A grid whose tiles reach beyond its canvas, as phones write them."""
    context = pointer(heif.heif_context_alloc())
    encoder = pointer()
    call("heif_context_get_encoder_for_format", context, 1, ctypes.byref(encoder))
    call("heif_encoder_set_lossy_quality", encoder, 70)
    columns, rows = -(-picture.width // tile), -(-picture.height // tile)
    handle = pointer()
    call("heif_context_add_grid_image", context, picture.width, picture.height, columns, rows, None, ctypes.byref(handle))
    wide = Image.new("RGB", (columns * tile, rows * tile))
    wide.paste(picture, (0, 0))
    for y in range(rows):
        for x in range(columns):
            part = wide.crop((x * tile, y * tile, (x + 1) * tile, (y + 1) * tile))
            call("heif_context_add_image_tile", context, handle, x, y, rgb_image(part), encoder)
    item, number = heif.heif_image_handle_get_item_id(handle), ctypes.c_uint32()
    irot = int.from_bytes(b"irot", "big")
    call("heif_item_add_raw_property", context, item, irot, None, bytes([quarters]), ctypes.c_size_t(1), 1, ctypes.byref(number))
    call("heif_context_set_primary_image", context, handle)
    call("heif_context_write_to_file", context, str(path).encode())


def shown(path):
    """The pixels of a file as a Pillow picture."""
    context, handle, image = pointer(heif.heif_context_alloc()), pointer(), pointer()
    call("heif_context_read_from_file", context, str(path).encode(), None)
    call("heif_context_get_primary_image_handle", context, ctypes.byref(handle))
    options = heif.heif_decoding_options_alloc()
    wanted = DecodingOptions.from_address(options)
    wanted.convert_hdr_to_8bit, wanted.upsampling, wanted.only_use_preferred = 1, 2, 1
    mode, space, chroma, channel = ("RGBA", 1, 11, 10) if heif.heif_image_handle_has_alpha_channel(handle) else ("RGB", 1, 10, 10)
    if path.stem == "gray":
        mode, space, chroma, channel = "L", 2, 0, 0
    call("heif_decode_image", handle, ctypes.byref(image), space, chroma, pointer(options))
    width, height = (getattr(heif, f"heif_image_get_{side}")(image, channel) for side in ("width", "height"))
    stride = ctypes.c_int()
    plane = heif.heif_image_get_plane(image, channel, ctypes.byref(stride))
    data = ctypes.string_at(plane, stride.value * height)
    return Image.frombuffer("RGBA" if mode == "RGBA" else mode, (width, height), data, "raw", mode, stride.value, 1)


def save(name, picture, **options):
    picture.save(OUT / f"{name}.heic", quality=70, **options)


def large(name, width, height, **options):
    """A picture of 10 bits and one colour, but for a part of a photo, which has the encoder use all in-loop filters."""
    channels = 4 if "alpha" in name else 3
    samples = numpy.empty((height, width, channels), dtype="<u2")
    samples[...] = [30_000, 40_000, 20_000, 50_000][:channels]
    samples[:256, :256, :3] = numpy.asarray(Image.open(PHOTO).convert("RGB").crop((900, 900, 1156, 1156))).astype("<u2") << 8
    picture = pillow_heif.from_bytes("RGBA;16" if channels == 4 else "RGB;16", (width, height), samples.tobytes())
    encoder = {"preset": "ultrafast", "x265:sao": "1"}
    picture.save(OUT / f"large-{name}.heic", quality=40, save_nclx_profile=True, enc_params=encoder, **options)


def main():
    pillow_heif.register_heif_opener()
    OUT.mkdir(exist_ok=True)
    photo = Image.open(PHOTO).convert("RGB").resize((120, 80), Image.Resampling.LANCZOS)
    photo.info.clear()
    save("yuv420", photo, chroma=420)
    save("yuv444", photo, chroma=444)
    save("odd-size", photo.crop((0, 0, 91, 59)), chroma=420)
    save("gray", photo.convert("L"))
    alpha = Image.new("L", photo.size, 0)
    ImageDraw.Draw(alpha).ellipse((8, 4, 112, 76), fill=255)
    with_alpha = photo.copy()
    with_alpha.putalpha(alpha.resize((30, 20)).resize(photo.size))
    save("alpha", with_alpha, chroma=444)
    ten = pillow_heif.from_bytes("RGB;16", photo.size, bytes(b for v in photo.tobytes() for b in (0, v)))
    ten.save(OUT / "ten-bit-422.heic", quality=70, chroma=422, save_nclx_profile=True)
    save("bt709-limited", photo, chroma=420, matrix_coefficients=1, full_range_flag=0)
    grid(OUT / "grid-irot.heic", photo, 64, 1)
    # What 512 and 1,769 MiB take, by photo-imaging's estimate.
    for width, height, kind, chroma in [
        (7744, 5248, "422", 422), (12_032, 9920, "422", 422), (6912, 4608, "444", 444), (12_032, 9920, "444", 444),
        (6208, 4160, "alpha", 444), (9984, 7424, "alpha", 444),
    ]:
        large(f"{kind}-{width * height // 1_000_000}mp", width, height, chroma=chroma)
    for path in sorted(set(OUT.glob("*.heic")) - set(OUT.glob("large-*"))):
        picture = shown(path)
        picture.save(OUT / f"{path.stem}.png", optimize=True)
        print(path.name, path.stat().st_size, picture.mode, picture.size)


if __name__ == "__main__":
    main()
