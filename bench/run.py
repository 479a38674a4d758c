"""`make bench`: installs sharp, makes the photos, builds photodrop's side and starts the comparison.

Everything lands in bench/.work and bench/node_modules, which git ignores.
"""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import cost
import heic
from infra.local import cpu, settings
from infra.local.console import Failure

BENCH = Path(__file__).parent
ROOT = BENCH.parent
WORK = BENCH / ".work"
PHOTOS = WORK / "photos"
REQUIREMENTS = ROOT / "crates/photo-imaging/testdata/requirements.txt"
OWN_PHOTO = ROOT / "crates/photo-imaging/testdata/photo-6mp.jpg"
ORDER = ["12mp.jpg", "phone-422-12mp.jpg", "noisy-12mp.jpg", "orientation-6-12mp.jpg", "24mp.jpg",
         "progressive-24mp.jpg", "alpha-2mp.png", "3mp.webp"]
QUICK = ["12mp.jpg", "progressive-24mp.jpg"]
OLDEST_NODE = (20, 9)


def say(text: str) -> None:
    print(f"make bench: {text}", file=sys.stderr, flush=True)


def run(what: str, command: list[str | Path], folder: Path, flags: dict[str, str] | None = None) -> None:
    """Runs a step whose output matters only if it fails."""
    say(what)
    log = WORK / "log.txt"
    with log.open("w") as out:
        environment = {**os.environ, **(flags or {})}
        if subprocess.run(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT, check=False).returncode:
            sys.stderr.write(log.read_text()[-4000:])
            raise Failure(f"{what} failed, see above")


def check_node() -> None:
    wanted = ".".join(map(str, OLDEST_NODE))
    if not (shutil.which("node") and shutil.which("npm")):
        raise Failure(f"Node {wanted} or newer with npm is needed to run sharp, found none")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    try:
        found = tuple(int(part) for part in version.lstrip("v").split(".")[:2])
    except ValueError:
        found = ()
    if found < OLDEST_NODE:
        raise Failure(f"Node {wanted} or newer is needed to run sharp, found {version or 'none'}")


def digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def stamped(stamp: Path, value: str) -> bool:
    return stamp.exists() and stamp.read_text() == value


def build() -> tuple[Path, str]:
    """photodrop's side, for the CPU that the functions are built for if this machine has it; where it is, and that CPU."""
    architecture = settings.architecture()
    target = settings.TARGETS[architecture]
    flags = os.environ.get("RUSTFLAGS", "") if cpu.lacking(architecture) else cpu.rustflags(architecture, os.environ)
    chosen = re.search(r"target-cpu=(\S+)", flags)
    # With a target named, the flags are not those of build scripts, and what is built is kept apart from `cargo build`'s.
    run("building photodrop's side", ["cargo", "build", "--release", "--locked", "--package", "photodrop-bench", "--target", target],
        ROOT, {"RUSTFLAGS": flags} if flags else {})
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return folder / target / "release/photodrop-bench", chosen[1] if chosen else f"any {architecture}"


def install_sharp() -> None:
    stamp, value = WORK / "sharp.stamp", digest(BENCH / "package-lock.json")
    if stamped(stamp, value) and (BENCH / "node_modules/sharp").exists():
        return
    run("installing sharp", ["npm", "ci", "--no-audit", "--no-fund"], BENCH)
    stamp.write_text(value)


def make_photos() -> None:
    stamp, value = WORK / "photos.stamp", digest(BENCH / "photos.py", BENCH / "heic.py", REQUIREMENTS)
    if stamped(stamp, value) and all((PHOTOS / name).exists() for name in ORDER + heic.NAMES):
        return
    python = WORK / "venv/bin/python"
    run("installing what makes the photos", [sys.executable, "-m", "venv", WORK / "venv"], ROOT)
    run("installing what makes the photos", [python, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS], ROOT)
    run("making the photos", [python, BENCH / "photos.py", PHOTOS], ROOT)
    run("making the HEIC photos", [python, BENCH / "heic.py", PHOTOS / ORDER[0], PHOTOS], ROOT, {"PYTHONPATH": str(ROOT)})
    stamp.write_text(value)


def chosen_photos(quick: bool) -> list[Path]:
    """PHOTOS is a list of files, folders or patterns; without it, the repo's photo and those made."""
    wanted = os.environ.get("PHOTOS", "").split()
    if not wanted:
        return [OWN_PHOTO, *(PHOTOS / name for name in (QUICK if quick else ORDER))]
    found: list[Path] = []
    for pattern in wanted:
        matches = sorted(Path(match) for match in glob.glob(pattern, root_dir=ROOT))
        if not matches:
            raise Failure(f"PHOTOS={pattern} names no file")
        for match in (ROOT / match for match in matches):
            found += sorted(f for f in match.iterdir() if f.is_file()) if match.is_dir() else [match]
    return found


def commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    name = git("rev-parse", "--short", "HEAD") or "no commit"
    # The report itself is being rewritten; other changes would make the figures another program's.
    changed = [line for line in git("status", "--porcelain", "-uno").splitlines() if "docs/" not in line]
    return f"{name}, with changes" if changed else name


def main() -> None:
    quick = os.environ.get("QUICK", "") not in ("", "0")
    rounds = os.environ.get("ROUNDS") or ("3" if quick else "9")
    if not rounds.isdecimal() or rounds == "0":
        raise Failure(f"ROUNDS={rounds}: a number from 1 on is needed")
    check_node()
    if not os.environ.get("PHOTOS"):
        heic.check_tools()
    WORK.mkdir(exist_ok=True)
    binary, built = build()
    install_sharp()
    if not os.environ.get("PHOTOS"):
        make_photos()
    photos = chosen_photos(quick)
    given = [f"{name}={os.environ[name]}" for name in ("QUICK", "PHOTOS", "ROUNDS") if os.environ.get(name)]
    arguments = [f"sharp={BENCH / 'sharp.mjs'}", f"work={WORK / 'out'}", f"rounds={rounds}",
                 f"command={' '.join(['make bench', *given])}", f"commit={commit()}", f"date={date.today()}", f"built={built}"]
    # A short run or other people's photos do not belong on the page.
    if not given:
        arguments += [f"page={ROOT / 'docs/PERFORMANCE.md'}", f"plot={ROOT / 'docs/performance.svg'}"]
    done = subprocess.run([binary, "run", *arguments, *photos], cwd=ROOT, check=False)
    if done.returncode:
        raise Failure("the comparison ended early, see above")
    if not os.environ.get("PHOTOS"):
        say("HEIC beside vipsthumbnail and pillow-heif")
        page = None if given else ROOT / "docs/PERFORMANCE.md"
        heic.run([PHOTOS / name for name in heic.NAMES], int(rounds), binary, WORK / "venv/bin/python", WORK, page)
    if not given:
        say("written into docs/PERFORMANCE.md and docs/performance.svg")
        # What a million photos cost follows from these figures.
        if cost.main(["--write"]):
            raise Failure("docs/CAPACITY.md was not written, see above")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        say(str(failure))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
