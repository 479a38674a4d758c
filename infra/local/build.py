"""Builds the functions for Lambda and checks that they will start there."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path

from infra.local import cpu, glibc
from infra.local.console import Console, Failure, run
from infra.local.settings import FUNCTIONS, LOCAL, NOWHERE, ROOT, aws_environment

BUILT = LOCAL / "build"

# What runs here: a third less time for the first build. `sam build` knows no profile but `release`, which stays as it should be
# for those who run it by themselves.
BUILT_FAST = {"CARGO_PROFILE_RELEASE_LTO": "off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16"}


def functions(console: Console, architecture: str) -> None:
    """Compiles the functions in one go, with cargo's own progress on the terminal.

    The workspace's default members settle the features, as in the `sam build` that follows: it finds
    everything compiled.
    """
    console.say(f"building the functions for {architecture} (the first time takes some minutes) …")
    if missing := cpu.lacking(architecture):
        console.say(f"  this machine's CPU lacks {', '.join(missing)}, which Lambda's has: built without, so slower than there")
    run(command(architecture, ["--release"], FUNCTIONS), "the build of the functions",
        env=local_environment(architecture), cwd=ROOT, show=True)
    check_glibc(console, programs())


def shipped(console: Console, architecture: str) -> list[Path]:
    """Compiles them as they are shipped (the profile `dist`), apart from what `make up` runs, and for Lambda's CPU alone."""
    console.say(f"building the functions for {architecture} as they are shipped (linked as one: the first time takes many "
                "minutes) …")
    folder = target_folder() / "lambda-dist" / architecture
    run(command(architecture, ["--profile", "dist", "--lambda-dir", str(folder)], FUNCTIONS), "the build of the functions",
        env={**environment(architecture), "RUSTFLAGS": cpu.rustflags(architecture, os.environ)}, cwd=ROOT, show=True)
    built = [folder / name / "bootstrap" for name in FUNCTIONS]
    check_glibc(console, built)
    return built


def command(architecture: str, options: Sequence[str], names: Sequence[str]) -> list[str]:
    words = ["cargo", "lambda", "build", "--locked", *options]
    if architecture == "arm64":
        words.append("--arm64")
    for name in names:
        words += ["--bin", name]
    return words


def package(console: Console, architecture: str) -> Path:
    """Runs `sam build`, which finds everything compiled, and gives the template to deploy."""
    with console.step("packaging (sam build)"):
        run(["sam", "build", "--build-dir", BUILT, "--parameter-overrides", f"Architecture={architecture}"],
            "sam build", env={**local_environment(architecture), **aws_environment(NOWHERE)}, cwd=ROOT)
    return BUILT / "template.yaml"


def local_environment(architecture: str) -> dict[str, str]:
    """Of what runs here; both builds need the same, or the second compiles everything again."""
    return {**environment(architecture, any_cpu=bool(cpu.lacking(architecture))), **BUILT_FAST}


def environment(architecture: str, *, any_cpu: bool = False) -> dict[str, str]:
    """What makes cargo-lambda build against Amazon Linux 2023's glibc, and for Lambda's CPU or any: see CargoLambda.toml."""
    own = {name: value for name, value in os.environ.items() if name != "CARGO_LAMBDA_CONTEXT"}
    if any_cpu:
        own["CARGO_LAMBDA_CONTEXT"] = f"{architecture}_any_cpu"
    # SAM asks for arm64 by an option that cargo-lambda does not take together with a configured target.
    elif architecture == "x86_64":
        own["CARGO_LAMBDA_CONTEXT"] = architecture
    return own


def programs() -> list[Path]:
    return [target_folder() / "lambda" / name / "bootstrap" for name in FUNCTIONS]


@functools.cache
def target_folder() -> Path:
    """Where cargo puts what it builds: the user may have moved it."""
    metadata = run(["cargo", "metadata", "--no-deps", "--format-version", "1"], "cargo metadata", cwd=ROOT)
    return Path(json.loads(metadata)["target_directory"])


def check_glibc(console: Console, built: Sequence[Path]) -> None:
    """Refuses programs that Amazon Linux 2023 cannot start."""
    allowed = glibc.text(glibc.NEWEST_ALLOWED)
    for program in built:
        name = program.parent.name
        try:
            needed = glibc.newest_needed(program)
        except (OSError, glibc.NotAnElfFile) as error:
            raise Failure(f"the {name} function is no Linux program ({program}): {error}") from error
        size = program.stat().st_size / 1_000_000
        if needed > glibc.NEWEST_ALLOWED:
            raise Failure(f"the {name} function needs glibc {glibc.text(needed)}, and Lambda's Amazon Linux 2023 "
                          f"has {allowed}: build it with cargo-lambda's zig (a target that ends in .{allowed})")
        console.say(f"  {name}: {size:.1f} MB, needs glibc {glibc.text(needed)} (Lambda has {allowed})")
