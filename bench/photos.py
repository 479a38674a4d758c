"""Makes the benchmark's photos, the same pixels each time, into the folder given.

No camera photo of 12 or 24 MP comes with an open licence in any package we install, so these are made the way a
camera makes one. Each scene is a mosaic of real photos (scikit-image's; see README.md for authors and licences),
each enlarged no more than the 1280 px variant reduces it, so that every variant is full of real detail. Below that,
texture of real grass, gravel and brick is laid on at the photo's own scale. Then the camera: light made linear, a
Bayer mosaic of it, shot and read noise, demosaicing, gamma, sharpening, JPEG with a camera's tables.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

SCENES = [data.coffee, data.chelsea, data.rocket, data.astronaut, data.hubble_deep_field]
TEXTURES = [data.grass, data.gravel, data.brick]
LARGEST_VARIANT = 1280


def scene(rng: np.random.Generator, width: int, height: int, columns: int, rows: int) -> np.ndarray:
    """A mosaic of photos, gamma-encoded, 0 to 255."""
    canvas = np.empty((height, width, 3), dtype=np.float32)
    xs = np.linspace(0, width, columns + 1).astype(int)
    ys = np.linspace(0, height, rows + 1).astype(int)
    for row in range(rows):
        for column in range(columns):
            cell = (xs[column + 1] - xs[column], ys[row + 1] - ys[row])
            area = np.s_[ys[row]:ys[row + 1], xs[column]:xs[column + 1]]
            canvas[area] = tile(rng, SCENES[(row * columns + column) % len(SCENES)](), cell, width)
    return canvas


def tile(rng: np.random.Generator, photo: np.ndarray, cell: tuple[int, int], width: int) -> np.ndarray:
    """A part of the photo, enlarged to the cell, with texture at the photo's own scale."""
    enlargement = max(width / LARGEST_VARIANT, cell[0] / photo.shape[1], cell[1] / photo.shape[0])
    part_w, part_h = min(photo.shape[1], round(cell[0] / enlargement)), min(photo.shape[0], round(cell[1] / enlargement))
    left = rng.integers(0, photo.shape[1] - part_w + 1)
    top = rng.integers(0, photo.shape[0] - part_h + 1)
    part = photo[top:top + part_h, left:left + part_w, :3]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    large = np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize(cell, Image.Resampling.BICUBIC))
    grain = TEXTURES[rng.integers(len(TEXTURES))]().astype(np.float32)
    grain = (grain - grain.mean()) / grain.std()
    repeat = (-(-cell[1] // grain.shape[0]), -(-cell[0] // grain.shape[1]))
    grain = np.tile(grain, repeat)[: cell[1], : cell[0], None]
    return large * (1 + 0.06 * np.clip(grain, -2, 2))


def camera(rng: np.random.Generator, picture: np.ndarray, shot: float, read: float, sharpen: float) -> Image.Image:
    """What a sensor and its raw converter make of the scene. `shot` and `read` are noise at full scale 1."""
    linear = (np.clip(picture, 0, 255) / 255) ** np.float32(2.2)
    height, width, _ = linear.shape
    # One colour for each pixel: red and green in even rows, green and blue in odd ones.
    masks = np.zeros((height, width, 3), dtype=bool)
    masks[0::2, 0::2, 0] = masks[0::2, 1::2, 1] = masks[1::2, 0::2, 1] = masks[1::2, 1::2, 2] = True
    sensor = linear[masks].reshape(height, width)
    sensor += rng.standard_normal(sensor.shape, dtype=np.float32) * np.sqrt(shot * shot * sensor + read * read)
    out = np.empty_like(linear)
    for channel in range(3):
        mask = masks[..., channel].astype(np.float32)
        out[..., channel] = blur(sensor * mask) / np.maximum(blur(mask), 1e-6)
    out = np.clip(out, 0, 1) ** np.float32(1 / 2.2) * 255
    for channel in range(3):
        plane = out[..., channel]
        plane += sharpen * (plane - blur(plane))
    return Image.fromarray(np.clip(out + 0.5, 0, 255).astype(np.uint8))


def blur(plane: np.ndarray) -> np.ndarray:
    """The 3 x 3 kernel of (1 2 1)."""
    padded = np.pad(plane, 1, mode="reflect")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0110] = "photodrop bench"
    tags[0x0112] = orientation
    return tags.tobytes()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    daylight = {"shot": 0.012, "read": 0.003, "sharpen": 0.5}
    night = {"shot": 0.05, "read": 0.012, "sharpen": 0.3}

    def photo(seed: int, width: int, height: int, grid: tuple[int, int], light: dict[str, float]) -> Image.Image:
        rng = np.random.default_rng(seed)
        return camera(rng, scene(rng, width, height, *grid), **light)

    def save(name: str, image: Image.Image, **options: object) -> None:
        image.save(folder / name, **options)
        print(f"{name}: {image.width} x {image.height} px, {(folder / name).stat().st_size / 1e6:.1f} MB", flush=True)

    twelve = photo(12, 4000, 3000, (3, 3), daylight)
    save("12mp.jpg", twelve, quality=88, subsampling="4:2:0")
    save("24mp.jpg", photo(24, 6000, 4000, (3, 2), daylight), quality=88, subsampling="4:2:0")
    save("phone-422-12mp.jpg", photo(422, 4032, 3024, (2, 2), daylight), quality=90, subsampling="4:2:2")
    save("progressive-24mp.jpg", photo(25, 6000, 4000, (2, 2), daylight), quality=88, subsampling="4:2:0", progressive=True)
    save("noisy-12mp.jpg", photo(13, 4000, 3000, (2, 2), night), quality=90, subsampling="4:2:0")
    turned = photo(6, 4000, 3000, (3, 2), daylight).transpose(Image.Transpose.ROTATE_90)
    save("orientation-6-12mp.jpg", turned, quality=88, subsampling="4:2:0", exif=exif(6))
    save("3mp.webp", twelve.resize((2000, 1500), Image.Resampling.LANCZOS), quality=85, method=4)
    cut_out = twelve.resize((1600, 1200), Image.Resampling.LANCZOS)
    y, x = np.mgrid[-1:1:1200j, -1:1:1600j]
    alpha = np.clip((1 - np.sqrt(x * x + y * y)) * 600, 0, 255).astype(np.uint8)
    cut_out.putalpha(Image.fromarray(alpha))
    save("alpha-2mp.png", cut_out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
