"""The checks that need Node: the page and Uppy in Chromium, and the TypeScript example."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from infra.local.console import Failure, run
from infra.local.settings import ROOT

BROWSER_TESTS = ROOT / "examples" / "web" / "tests"
TYPESCRIPT = ROOT / "examples" / "typescript"
# `node --test` with what the tests take from it.
OLDEST_NODE = (20, 11)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def check(stack_file: str) -> None:
    """Both against a deployed stack; what cannot be run is named in a line."""
    environment = {**os.environ, "PHOTODROP_STACK": str(Path(stack_file).resolve()), "PHOTODROP_CHROMIUM": browser() or ""}
    for what, folder, missing in parts():
        if missing:
            print(f"{what}: not run: {missing}; then make e2e runs them", flush=True)
        else:
            npm(folder, what, environment)


def install() -> None:
    """What both take from npm, where there is one."""
    for what, folder, missing in parts():
        if not missing:
            install_packages(folder, what)


def require() -> None:
    """Fails at once, not after everything else, where PHOTODROP_BROWSER=required and something is missing."""
    for what, _, missing in parts():
        if missing and os.environ.get("PHOTODROP_BROWSER") == "required":
            raise Failure(f"{what}: {missing}, and PHOTODROP_BROWSER=required")


def parts() -> list[tuple[str, Path, str | None]]:
    """What there is to run, where it is, and what it lacks."""
    chromium = None if browser() else "Chromium is missing (apt-get install chromium)"
    return [("the TypeScript example", TYPESCRIPT, missing_node()), ("the browser tests", BROWSER_TESTS, missing_node() or chromium)]


def browser() -> str | None:
    """The Chromium to test with: a given one, else one that is installed."""
    return os.environ.get("PHOTODROP_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def missing_node() -> str | None:
    """What is not there of Node and npm, and how to get it."""
    found = node_version()
    if found is None:
        return "Node is missing (apt-get install nodejs npm)"
    if found < OLDEST_NODE:
        return f"Node {'.'.join(map(str, OLDEST_NODE))} or newer is needed, found {'.'.join(map(str, found))}"
    return None if shutil.which("npm") else "npm is missing (apt-get install npm)"


def node_version() -> tuple[int, int] | None:
    try:
        answer = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
        major, minor = answer.strip().lstrip("v").split(".")[:2]
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def npm(folder: Path, what: str, environment: dict[str, str]) -> None:
    """Runs the folder's tests."""
    install_packages(folder, what)
    run(["npm", "test", "--silent"], what, env=environment, cwd=folder, show=True)


def install_packages(folder: Path, what: str) -> None:
    """Installs what the folder's lock file names, if it is not there."""
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    # npm writes the latter last, so it is newer than the lock file that it was made by.
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], f"npm ci for {what}", cwd=folder)
