"""The command line `photodrop`, which `make redrive`, `make user`, `make doctor` and `make deploy` call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local import build, tools
from infra.local.console import Failure, run
from infra.local.settings import ROOT

if TYPE_CHECKING:
    # The command line begins before the packages that this module needs are installed.
    from infra.local.target import Target

# One that is built already, such as an installed one or that of the tests.
VARIABLE = "PHOTODROP_PROGRAM"
INSTALL = "cargo install --locked --path crates/photodrop-cli"


def path() -> Path:
    """The program that the environment names, else an installed one of this version, else that of this checkout, which is built first."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    if found := installed():
        return found
    tools.check_rust()
    program = build.target_folder() / "debug" / "photodrop"
    if not program.exists():
        # Standard output is the command's: it may be JSON.
        print(f"building photodrop (the first time takes some minutes; {INSTALL} does it ahead) …", file=sys.stderr, flush=True)
    run(["cargo", "build", "--quiet", "--locked", "--package", "photodrop-cli"], "the build of photodrop", cwd=ROOT, show=True)
    return program


def installed() -> Path | None:
    """The `photodrop` of the PATH, if its version is the project's."""
    from infra.local import release

    found = shutil.which("photodrop")
    if not found:
        return None
    try:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(found) if said.strip() == f"photodrop {release.version()}" else None


def arguments(words: Sequence[str], stack: str) -> list[str]:
    """A command with the stack on AWS, or with none for the local stack."""
    return [*words, *(["--stack", stack] if stack else [])]


def environment(stack_file: Path, region: str | None = None, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The program finds the local stack by its description, and an account as every AWS tool does, but for AWS_DEFAULT_REGION."""
    region = region or given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION")
    # This one would name a stack where STACK names none.
    own = {name: value for name, value in given.items() if name != "PHOTODROP_STACK_NAME"}
    return {**own, "PHOTODROP_STACK": str(stack_file), **({"AWS_REGION": region} if region else {})}


def call(words: Sequence[str], stack: str, stack_file: Path) -> int:
    """Runs a command on the terminal and gives its exit code."""
    return subprocess.call([str(path()), *arguments(words, stack)], cwd=ROOT, env=environment(stack_file))


def ask(words: Sequence[str], stack: str, stack_file: Path, region: str | None = None) -> dict[str, Any]:
    """Runs a command and gives its one line of JSON."""
    command = [str(path()), *arguments(words, stack), "--json"]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment(stack_file, region), capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failure(f"photodrop could not be started: {command[0]}: {error.strerror}") from error
    if done.returncode:
        raise Failure(f"photodrop {words[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def account(stack: str, stack_file: Path, region: str | None = None) -> dict[str, Any]:
    """What the account has of Lambda's concurrency (`summary`), and what to ask for (`advice`)."""
    found = ask(["account"], stack, stack_file, region)
    if "summary" not in found:
        raise Failure(f"photodrop is of an older build: {INSTALL}")
    return found


def throttling(parameters: Mapping[str, str]) -> str | None:
    """What a stack's parameters do to the thumbnail function whose reserve is smaller than what its queue starts."""
    names = ("ThumbnailReservedConcurrency", "ThumbnailConcurrency")
    reserved, maximum = (int(value) if (value := parameters.get(name, "")).isdigit() else 0 for name in names)
    if not 0 < reserved < maximum:
        return None
    return (f"{names[0]} ({reserved}) is below {names[1]} ({maximum}): Lambda throttles photos while more than {reserved} wait, "
            "and each throttle counts as a receive")


def pool_option(target: Target) -> list[str]:
    """The user pool of the stack's outputs: pools of deleted stacks can bear the same name."""
    pool = target.outputs.get("UserPoolId")
    if not pool:
        raise Failure(f"{target.name} has no user pool of its own: users are your token issuer's")
    return ["--user-pool", pool]
