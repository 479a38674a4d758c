"""The first deployment as a person makes it, and those after it: a check of `make test`.

`make deploy` on a terminal, SAM's questions answered, into the tests' emulator; then `make smoke` and `make doctor` by the
stack's name, as for one on AWS; then `make deploy` again, where nobody can answer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local import build, release, rollout, settings
from infra.local.console import Console, Failure, run
from infra.local.settings import ROOT

STACK = "photodrop-guided"
# What is answered; to every other question it is the default that SAM offers.
ANSWERS = {"Take HEIC photos": "y", "Stack Name": STACK, "Confirm changes before deploy": "y", "Deploy this changeset?": "y"}
# SAM offers a default in each of its questions, and ends no other line so.
QUESTION = re.compile(r"\[[^\n]*\]: ?$")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# `make deploy`, with archives and samconfig.toml from a folder of its own: SAM writes into the latter.
DEPLOY = """
import sys
from pathlib import Path
from infra.local import cli, release, rollout
release.DIST = Path(sys.argv[1])
rollout.CONFIG = release.DIST / "samconfig.toml"
sys.exit(cli.main(["deploy"]))
"""


def check(console: Console, stack: Mapping[str, str], architecture: str) -> None:
    endpoint = stack["endpoint"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack(folder, architecture)
        # No timer: what the tests count is not to be changed meanwhile.
        parameters = f"Architecture={architecture} AwsEndpointUrl={endpoint} ReconcileEnabled=false"
        environment = {**settings.aws_environment(stack), "ENV": "dev", "PACKED": "1"}
        environment.pop("STACK", None)
        command = [sys.executable, "-c", DEPLOY, name]
        with console.step("make deploy, guided, on a terminal"):
            asked = answered(command, {**environment, "PHOTODROP_PARAMETERS": parameters})
        console.say(f"  {len(asked)} questions answered")
        # The name that was answered is from now on the stack's.
        saved = rollout.table("dev", folder / "samconfig.toml")
        given = rollout.parameters_in(saved)
        remembered = (saved.get("stack_name"), given.get("AwsEndpointUrl"), given.get("AllowedContentTypes"))
        if remembered != (STACK, endpoint, settings.TYPES_WITH_HEIC):
            raise Failure("sam deploy --guided did not write down what it was answered")
        for name in ("smoke", "doctor", "status"):
            run([sys.executable, "-m", "infra.local", name], f"make {name} STACK={STACK}", cwd=ROOT,
                env={**environment, "STACK": STACK})
        for change, expected in (("", "No changes to deploy"), ("LogLevel=warn", "Successfully created/updated stack")):
            with console.step(f"make deploy again, without a terminal {change}".rstrip()):
                said = run(command, "make deploy", env={**environment, "PHOTODROP_PARAMETERS": change}, cwd=ROOT)
            if expected not in said or STACK not in said:
                raise Failure(f"make deploy should have said {expected!r} of {STACK}, and said: {said[-1000:]}")
    console.say(f"deployed as the first time, looked at and deployed again: {STACK}")


def pack(folder: Path, architecture: str) -> None:
    """What `make release` would pack, of the programs that the local stack runs."""
    for program in build.programs():
        release.write(folder / release.archive_of(program.parent.name, architecture).name, program.read_bytes())
    (folder / release.template_file(architecture).name).write_text(release.template(architecture))
    shutil.copy(rollout.CONFIG, folder)


def answered(command: Sequence[str], environment: Mapping[str, str], answers: Mapping[str, str] = ANSWERS) -> list[str]:
    """Runs a command on a terminal of its own and answers its questions; gives them. Those that must come have to."""
    ours, its = pty.openpty()
    child = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdin=its, stdout=its, stderr=its, start_new_session=True)
    os.close(its)
    said, questions = "", []
    try:
        while text := read(ours):
            said += text
            line = COLOURS.sub("", said.rpartition("\n")[2])
            if QUESTION.search(line):
                questions.append(line.strip())
                os.write(ours, (next((given for part, given in answers.items() if part in line), "") + "\n").encode())
                said += "\n"
        code = child.wait()
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        child.wait()
    missing = [part for part in answers if not any(part in question for question in questions)]
    if code != 0 or missing:
        for line in COLOURS.sub("", said).splitlines()[-40:]:
            print(f"  | {line}", file=sys.stderr)
        raise Failure(f"on a terminal it ended with exit code {code}" + (f" and never asked: {missing}" if missing else ""))
    return questions


def read(terminal: int) -> str:
    """What comes next; nothing when the program has ended."""
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError as error:
        # Linux says so where other systems give an end of file.
        if error.errno == errno.EIO:
            return ""
        raise
