"""`make release`: the functions of both architectures as archives that Lambda takes, the same bytes for the same input."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse

from infra.local import build, glibc
from infra.local.console import Console, Failure, run
from infra.local.settings import ROOT, TARGETS, TEMPLATE

DIST = ROOT / "dist"
MACHINES = {0x3E: "x86_64", 0xB7: "arm64"}
# The earliest time that a zip file can hold: when it was packed is no part of what is in it.
EPOCH = (1980, 1, 1, 0, 0, 0)
# What Lambda takes unpacked: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST_BYTES = 250 * 1024 * 1024


def version(manifest: Path = ROOT / "Cargo.toml") -> str:
    # Python 3.10 has no TOML reader.
    table = manifest.read_text().partition("[workspace.package]")[2].partition("\n[")[0]
    found = re.search(r'^version = "([^"]+)"$', table, re.MULTILINE)
    if not found:
        raise Failure(f"{manifest} has no version in [workspace.package]")
    return found[1]


def installed_targets() -> set[str]:
    """Rust's targets whose standard library is on this machine."""
    sysroot = Path(run(["rustc", "--print", "sysroot"], "rustc --print sysroot", cwd=ROOT).strip())
    return {name for name in TARGETS.values() if (sysroot / "lib" / "rustlib" / name / "lib").is_dir()}


def release(console: Console) -> list[Path]:
    """Builds and packs every architecture that can be built here; says which cannot, in one line each."""
    have = installed_targets()
    packed = []
    for architecture, target in TARGETS.items():
        if target not in have:
            console.say(f"{architecture} is not built: Rust's standard library for it is missing (rustup target add {target})")
            continue
        packed += one(console, architecture)
    if not packed:
        raise Failure(f"nothing was built: rustup target add {TARGETS['x86_64']}")
    sums = DIST / "SHA256SUMS"
    sums.write_text("".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(packed)))
    console.say(f"{len(packed)} files and SHA256SUMS are in {DIST.relative_to(ROOT)}/")
    return packed


def one(console: Console, architecture: str) -> list[Path]:
    """The archives of one architecture, and the template that deploys them: `sam deploy --template-file` takes it."""
    DIST.mkdir(exist_ok=True)
    archives = [pack(console, program, architecture) for program in build.shipped(console, architecture)]
    file = template_file(architecture)
    file.write_text(template(architecture))
    return [*archives, file]


def archive_of(name: str, architecture: str) -> Path:
    return DIST / f"photodrop-{version()}-{architecture}-{name}.zip"


def template_file(architecture: str) -> Path:
    return DIST / f"photodrop-{version()}-{architecture}.yaml"


def template(architecture: str, source: Path = TEMPLATE) -> str:
    """The template with each function's archive, which lies beside it, in the place of its source."""
    document = yaml_parse(source.read_text())
    del document["Globals"]["Function"]["CodeUri"]
    # What it was built for is no choice any more.
    document["Parameters"]["Architecture"].update(Default=architecture, AllowedValues=[architecture])
    for resource in document["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        metadata = resource["Metadata"]
        metadata.pop("BuildMethod")
        name = metadata.pop("BuildProperties")["Binary"]
        resource["Properties"]["CodeUri"] = archive_of(name, architecture).name
    return yaml_dump(document)


def pack(console: Console, program: Path, architecture: str) -> Path:
    archive = archive_of(program.parent.name, architecture)
    write(archive, program.read_bytes())
    check(archive, architecture)
    console.say(f"  {archive.name}: {archive.stat().st_size / 1_000_000:.1f} MB, "
                f"{program.stat().st_size / 1_000_000:.1f} MB unpacked")
    return archive


def write(archive: Path, program: bytes) -> None:
    """An archive with nothing but the program in it, and nothing of when, where and by whom it was packed."""
    entry = zipfile.ZipInfo("bootstrap", EPOCH)
    entry.create_system = 3
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    fresh = archive.with_suffix(".new")
    with zipfile.ZipFile(fresh, "w") as file:
        file.writestr(entry, program, compresslevel=9)
    fresh.replace(archive)


def check(archive: Path, architecture: str) -> None:
    """Sees that Lambda could start what is in an archive: the one file, its mode, machine and glibc."""
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
        if names != ["bootstrap"]:
            raise Failure(f"{archive.name} should hold bootstrap alone, found {names}")
        if not file.infolist()[0].external_attr >> 16 & 0o111:
            raise Failure(f"{archive.name}: bootstrap is not executable")
        program = file.read("bootstrap")
    if len(program) > LARGEST_BYTES:
        raise Failure(f"{archive.name} has {len(program)} bytes unpacked, and Lambda takes {LARGEST_BYTES}")
    try:
        needed = max(glibc.needed_versions(program), default=(0,))
    except glibc.NotAnElfFile as error:
        raise Failure(f"{archive.name}: bootstrap is no Linux program: {error}") from error
    machine = MACHINES.get(int.from_bytes(program[18:20], "little"), "another machine")
    if machine != architecture:
        raise Failure(f"{archive.name}: bootstrap is for {machine}")
    if needed > glibc.NEWEST_ALLOWED:
        raise Failure(f"{archive.name}: bootstrap needs glibc {glibc.text(needed)}, "
                      f"and Lambda has {glibc.text(glibc.NEWEST_ALLOWED)}")


# The C code and assembler below the functions, each compiled by its crate's build script. A crate that is not here
# and links C is found by `crates_with_c` and fails the check, so that arm64 does not break unseen.
C_SOURCES = {
    "ring": {"include": ["include", "pregenerated"], "defines": ["NDEBUG"],
             "sources": ["crypto/**/*.c", "pregenerated/*-linux64.S"],
             "skip": ["x86_64", "_test", "fiat/asm", "/poly1305_arm", "chacha-armv4", "armv7", "-armv4"]},
    "libwebp-sys": {"include": ["vendor"], "defines": ["NDEBUG", "WEBP_HAVE_NEON"],
                    "sources": ["vendor/src/**/*.c", "vendor/sharpyuv/*.c"], "skip": []},
}


def crates_with_c() -> dict[str, Path]:
    """The crates below the functions whose build script compiles C: those that depend on `cc`, with their folder."""
    tree = run(["cargo", "tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}",
                "--target", TARGETS["arm64"], "--invert", "cc", "--depth", "1"], "cargo tree", cwd=ROOT)
    names = {line.split()[0]: line.split()[1].lstrip("v") for line in tree.splitlines()[1:] if line.strip()}
    metadata = run(["cargo", "metadata", "--locked", "--format-version", "1"], "cargo metadata", cwd=ROOT)
    folders = {(package["name"], package["version"]): Path(package["manifest_path"]).parent
               for package in json.loads(metadata)["packages"]}
    return {name: folders[name, number] for name, number in names.items()}


def cross_compile_c(console: Console) -> None:
    """Compiles all C below the functions for arm64 by zig alone; results are kept by the sources' hash."""
    found = crates_with_c()
    unknown = set(found) - set(C_SOURCES)
    if unknown:
        raise Failure(f"{', '.join(sorted(unknown))} compiles C: add its sources to C_SOURCES in infra/local/release.py")
    for name, folder in sorted(found.items()):
        recipe = C_SOURCES[name]
        sources = sorted({path for pattern in recipe["sources"] for path in folder.glob(pattern)
                          if not any(word in path.relative_to(folder).as_posix() for word in recipe["skip"])})
        if not sources:
            raise Failure(f"{name}: no C source is where infra/local/release.py looks")
        compile_all(console, name, folder, recipe, sources)


def compile_all(console: Console, name: str, folder: Path, recipe: dict[str, list[str]], sources: list[Path]) -> None:
    stamp = build.LOCAL / "cross" / f"{name}.sha256"
    digest = hashlib.sha256(repr(recipe).encode())
    for path in sources:
        digest.update(path.read_bytes())
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        console.say(f"  {name}: {len(sources)} sources compile for arm64 (unchanged)")
        return
    out = build.LOCAL / "cross" / name
    out.mkdir(parents=True, exist_ok=True)
    flags = [f"-I{folder / path}" for path in recipe["include"]] + [f"-D{word}" for word in recipe["defines"]]
    # In one go: zig's start costs more than a file.
    run(["python-zig", "cc", "-target", "aarch64-linux-gnu.2.34", "-O2", "-w", "-c", *flags, *sources],
        f"the cross-compilation of {name} for arm64", cwd=out)
    objects = list(out.glob("*.o"))
    wrong = [path.name for path in objects if MACHINES.get(int.from_bytes(path.read_bytes()[18:20], "little")) != "arm64"]
    if wrong or not objects:
        raise Failure(f"{name}: {wrong or 'nothing'} was compiled for another machine")
    for path in objects:
        path.unlink()
    stamp.write_text(digest.hexdigest())
    console.say(f"  {name}: {len(sources)} sources compiled for arm64 by zig")
