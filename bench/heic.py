"""HEIC beside Debian's vipsthumbnail and pillow-heif: a part of `make bench`, which writes its table into docs/PERFORMANCE.md.

Each photo goes through a new process of each tool in turn, round after round, on one core. photodrop makes its six files of it,
the others one WebP of 1280 px. CPU is that of the whole process, its start included.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from infra.local.console import Failure

BEGIN, END = "<!-- make bench writes HEIC below -->", "<!-- make bench writes HEIC above -->"
NAMES = ["grid-12mp.heic", "single-12mp.heic", "ten-bit-422-12mp.heic"]
TOOLS = ["photodrop", "vipsthumbnail", "pillow-heif"]
SIDES = (1280, 480, 160)
TILE = 512
# Prints what Linux counts of this process alone: getrusage's peak takes over that of the parent.
PILLOW = """
import pillow_heif, sys
from PIL import Image
pillow_heif.register_heif_opener()
picture = Image.open(sys.argv[1])
picture.thumbnail((1280, 1280))
picture.save(sys.argv[2], "WEBP", quality=80, method=4)
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def make_photos(jpeg: Path, folder: Path) -> None:
    """Encodes a photo with libheif's own encoder, as a phone stores it and in one piece."""
    import numpy
    import pillow_heif
    from PIL import Image

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "crates/photo-heif/tests"))
    import fixtures

    picture = Image.open(jpeg).convert("RGB")
    picture.info.clear()
    fixtures.grid(folder / NAMES[0], picture, TILE, 0)
    pillow_heif.from_pillow(picture).save(folder / NAMES[1], quality=70, chroma=420)
    samples = numpy.asarray(picture).astype("<u2") << 8
    wide = pillow_heif.from_bytes("RGB;16", picture.size, samples.tobytes())
    wide.save(folder / NAMES[2], quality=70, chroma=422, save_nclx_profile=True)


def check_tools() -> None:
    if not shutil.which("vipsthumbnail"):
        raise Failure("vipsthumbnail is needed for the rows of HEIC: apt-get install libvips-tools")


def measured(command: list[str], given: str = "") -> tuple[float, int, str]:
    """CPU ms and peak KiB of a process, and what it printed. The peak is at least that of this process, some 20 MiB, so tools that
    take so little report their own."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdin.write(given)
    process.stdin.close()
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failure(f"{command[0]} failed on {command[1:]}")
    return (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss, out


def once(tool: str, photo: Path, binary: Path, python: Path, out: Path) -> tuple[float, float]:
    """CPU ms and peak MiB of one tool on one photo."""
    if tool == "photodrop":
        outputs = [{"side": side, "format": kind, "quality": 80, "effort": None} for side in SIDES for kind in ("webp", "jpeg")]
        request = json.dumps({"photo": str(photo), "way": "render", "outputs": outputs, "save": None}) + "\n"
        cpu, _, printed = measured([str(binary), "worker"], request)
        peak = json.loads(printed)["peak_kib"]
    elif tool == "vipsthumbnail":
        cpu, peak, _ = measured(["vipsthumbnail", str(photo), "-s", "1280x1280", "-o", f"{out}[Q=80,effort=4]"])
    else:
        cpu, _, printed = measured([str(python), "-c", PILLOW, str(photo), str(out)])
        peak = int(printed)
    return cpu, peak / 1024


def table(photos: list[Path], rounds: int, binary: Path, python: Path, out: Path) -> str:
    lines = ["| photo | MB | " + " | ".join(f"{tool}, CPU ms · MiB" for tool in TOOLS) + " | ÷ vipsthumbnail | ÷ pillow-heif |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for photo in photos:
        taken = {tool: [] for tool in TOOLS}
        # The first round warms the page cache.
        for turn in range(rounds + 1):
            for tool in TOOLS:
                figures = once(tool, photo, binary, python, out)
                if turn:
                    taken[tool].append(figures)
        cpu = {tool: statistics.median(c for c, _ in taken[tool]) for tool in TOOLS}
        peak = {tool: statistics.median(p for _, p in taken[tool]) for tool in TOOLS}
        ratios = [f"{cpu['photodrop'] / cpu[tool]:.2f} · {peak['photodrop'] / peak[tool]:.2f}" for tool in TOOLS[1:]]
        cells = [f"{cpu[tool]:.0f} · {peak[tool]:.0f}" for tool in TOOLS]
        lines.append(f"| {photo.name} | {photo.stat().st_size / 1e6:.1f} | {' | '.join(cells + ratios)} |")
    return "\n".join(lines)


def versions(python: Path) -> str:
    def said(*command: str | Path) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    ask = "import pillow_heif; print('pillow-heif', pillow_heif.__version__, 'with libheif', pillow_heif.libheif_version())"
    return f"{said('vipsthumbnail', '--vips-version')}; {said(python, '-c', ask)}"


def run(photos: list[Path], rounds: int, binary: Path, python: Path, work: Path, page: Path | None) -> None:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        text = f"{versions(python)}; {rounds} rounds, medians.\n\n{table(photos, rounds, binary, python, work / 'heic.webp')}"
    finally:
        os.sched_setaffinity(0, cores)
    print(text)
    if page:
        before, rest = page.read_text().split(BEGIN)
        page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    make_photos(Path(sys.argv[1]), Path(sys.argv[2]))
