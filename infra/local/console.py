"""What a command says while it works, and how it runs other programs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# A quiet step says that it is alive every so many seconds.
HEARTBEAT_SECONDS = 5
TAIL_LINES = 40


class Failure(Exception):
    """The command cannot go on; the text is the one line that the user sees, with the mend in it."""


class Console:
    """Speaks for one command."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.started = time.monotonic()

    def say(self, text: str = "") -> None:
        print(f"make {self.command}: {text}" if text else "", flush=True)

    def plain(self, text: str = "") -> None:
        print(text, flush=True)

    def fail(self, text: str) -> None:
        print(f"make {self.command}: {text}", file=sys.stderr, flush=True)

    def elapsed(self) -> str:
        return duration(time.monotonic() - self.started)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announces a piece of work, shows that it goes on, and gives its time."""
        self.say(f"{title} …")
        started = time.monotonic()
        over = threading.Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT_SECONDS):
                self.say(f"  … {duration(time.monotonic() - started)}")

        heart = threading.Thread(target=beat, daemon=True)
        heart.start()
        try:
            yield
        finally:
            over.set()
            heart.join()
        self.say(f"  done in {duration(time.monotonic() - started)}")


def duration(seconds: float) -> str:
    """A time for people: `0.4 s`, `12 s`, `3 min 5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def run(command: Sequence[str | Path], what: str, *, env: Mapping[str, str] | None = None,
        cwd: Path | None = None, show: bool = False) -> str:
    """Runs a program and gives what it printed; when it fails, that is shown and the command ends.

    With `show` its output goes to the terminal as it comes (and the answer is empty).
    """
    words = [str(word) for word in command]
    pipe = {} if show else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        # In a group of its own, so that an interruption can end all of it: cargo's tests go on without cargo.
        child = subprocess.Popen(words, env=env, cwd=cwd, text=True, errors="replace", stdin=subprocess.DEVNULL,
                                 start_new_session=True, **pipe)
    except OSError as error:
        raise Failure(f"{what} could not be started: {words[0]}: {error.strerror}") from error
    try:
        output = child.communicate()[0] or ""
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        child.wait()
        raise
    if child.returncode != 0:
        for line in output.splitlines()[-TAIL_LINES:]:
            print(f"  | {line}", file=sys.stderr)
        raise Failure(f"{what} failed (exit code {child.returncode}); it was run as: {' '.join(words)}")
    return output
