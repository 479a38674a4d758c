"""`make rehearse`: makes every alarm ring on the local stack and clears it, by the very commands of the runbook.

An entry of the runbook has them in a block below **Here**: what to do `# once`, what to do `# until it rings`, and what
`# clears` it. Time goes thirty times as fast for the alarms, so that a quarter of an hour takes half a minute.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.local import alarms, deploy, settings
from infra.local.console import Console, Failure
from infra.local.settings import ROOT, Place
from infra.local.target import Target

RUNBOOK = ROOT / "docs" / "RUNBOOK.md"
SPEED = 30
# The longest that any alarm looks back is an hour, two minutes at this speed; the age of a message is real.
PATIENCE_SECONDS = 300
PARTS = {"# once": "once", "# until it rings": "until", "# clears": "clears"}


@dataclass(frozen=True)
class Entry:
    """What the runbook says of one alarm's rehearsal: shell commands."""

    alarm: str
    once: str
    until: str
    clears: str

    @property
    def by_hand(self) -> bool:
        """Whether the metric itself is given by hand, because the emulator has no such metric or the cause takes long."""
        return "put-metric-data" in self.once + self.until


def entries(text: str) -> list[Entry]:
    """The alarms that the runbook has commands for, in its order."""
    found = []
    for name, section in re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", text, re.M | re.S):
        block = re.search(r"\*\*Here\*\*.*?^ *```sh\n(.*?)^ *```", section, re.M | re.S)
        if block:
            found.append(Entry(name, **parts(name, block.group(1))))
    return found


def parts(name: str, block: str) -> dict[str, str]:
    given: dict[str, list[str]] = {part: [] for part in PARTS.values()}
    part = None
    for line in (line.strip() for line in block.splitlines()):
        heading = next((text for text in PARTS if line.startswith(text)), None)
        if heading:
            part = PARTS[heading]
        elif part is None:
            raise Failure(f"the runbook's block for {name} does not begin with one of {', '.join(PARTS)}")
        else:
            given[part].append(line)
    return {part: "\n".join(lines) for part, lines in given.items()}


def run(console: Console, target: Target, place: Place, *, only: str | None) -> None:
    """Rehearses all entries, or one; fails if an alarm did not do as the runbook says."""
    known = entries(RUNBOOK.read_text())
    chosen = [entry for entry in known if only in (None, entry.alarm)]
    if not chosen:
        raise Failure(f"the runbook has no commands for {only!r}: {', '.join(entry.alarm for entry in known)}")
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(target, place, Path(folder))
        bad = []
        for entry in chosen:
            try:
                ringing, cleared = stage.rehearse(entry)
            except Failure as failure:
                bad.append(entry.alarm)
                console.plain(f"FAILED  {entry.alarm:<22} {failure}")
            else:
                how = "its metric by hand" if entry.by_hand else "its cause"
                console.plain(f"ok      {entry.alarm:<22} rang after {ringing:3.0f} s, OK after {cleared:3.0f} s ({how})")
    hands = sum(entry.by_hand for entry in chosen)
    console.say(f"{len(chosen) - len(bad)} of {len(chosen)} alarms rang and were cleared as the runbook says, "
                f"{hands} of them by a metric given by hand, in {console.elapsed()}")
    if bad:
        raise Failure(f"not as the runbook says: {', '.join(bad)}")


@dataclass(frozen=True)
class Stage:
    """The local stack, and the part of CloudWatch in it."""

    target: Target
    place: Place
    folder: Path

    def rehearse(self, entry: Entry) -> tuple[float, float]:
        """Makes one alarm ring and clears it; how many seconds each took."""
        self.wait(entry.alarm, {"OK", "INSUFFICIENT_DATA"}, "rings before anything was done")
        began = time.monotonic()
        try:
            self.shell(entry.once)
            with self.again_and_again(entry.until):
                self.wait(entry.alarm, {"ALARM"}, "does not ring")
            rang = time.monotonic()
        except BaseException:
            # The stack is put right for the next alarm, and the first failure is the one that is told.
            with contextlib.suppress(Failure):
                self.shell(entry.clears)
            raise
        self.shell(entry.clears)
        self.wait(entry.alarm, {"OK"}, "is not over")
        return rang - began, time.monotonic() - rang

    def wait(self, alarm: str, wanted: set[str], complaint: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            alarms.judge(self.target, self.folder / "seen.json", SPEED)
            found = {alarms.short(self.target, each): each for each in alarms.of(self.target)}
            if alarm not in found:
                raise Failure("there is no such alarm")
            if found[alarm]["StateValue"] in wanted:
                return
            if time.monotonic() > deadline:
                raise Failure(f"{complaint} after {PATIENCE_SECONDS} s: {found[alarm].get('StateReason')}")
            time.sleep(0.2)

    def environment(self) -> dict[str, str]:
        """As a reader's shell has it after `eval "$(make -s env)"`."""
        own = {name: value for name, value in os.environ.items()
               if not name.startswith(("AWS_", "MAKE", "MFLAGS")) and name != "ALARM"}
        return {**own, **settings.shell_variables(deploy.read(self.place) or {})}

    def shell(self, commands: str) -> None:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=ROOT, env=self.environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"a command of the runbook failed: {(done.stderr or done.stdout).strip()[-400:]}")

    @contextlib.contextmanager
    def again_and_again(self, commands: str) -> Iterator[None]:
        """Does something until it is enough. What it does may well fail: that is what some of it is for."""
        if not commands:
            yield
            return
        loop = f"while :; do\n{commands}\nsleep 0.1; done"
        child = subprocess.Popen(["bash", "-c", loop], cwd=ROOT, env=self.environment(), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
