"""MiniStack as a process of ours: started, watched, and stopped only if it is surely the one we started."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local.console import Console, Failure
from infra.local.settings import ACCESS_KEY_ID, REGION, ROOT, Place, write_private
from infra.local.tools import venv_python

START_SECONDS = 60
STOP_SECONDS = 10
# The emulator's working folder is the stack's, and no variable may name this project: its functions inherit them all.
GUARDED = "import sys; sys.path.insert(0, sys.argv.pop(1)); from infra.local.guarded_ministack import main; main()"


@dataclass(frozen=True)
class Process:
    """A process that we started. Its start time tells it from a later one with the same number."""

    pid: int
    started: str
    port: int

    def is_alive(self) -> bool:
        return start_time(self.pid) == self.started


def start_time(pid: int) -> str | None:
    """When a process began, as an opaque text; `None` if there is none (or it is a zombie)."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        # The name in parentheses may hold spaces and parentheses itself.
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, ticks_since_boot = fields[0], fields[19]
    if state in {"Z", "X"}:
        return None
    with contextlib.suppress(OSError):
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{ticks_since_boot}"
    return ticks_since_boot


def record_file(place: Place) -> Path:
    return place.folder / "emulator.json"


def recorded(place: Place) -> Process | None:
    """The emulator that this place started, if it still runs."""
    try:
        process = Process(**json.loads(record_file(place).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return process if process.is_alive() else None


def answers(port: int, path: str = "/_ministack/ready") -> bool:
    """Whether a MiniStack that is ready answers on the port."""
    try:
        with direct().open(f"http://127.0.0.1:{port}{path}", timeout=2) as response:
            return json.load(response).get("status") == "completed"
    except (OSError, ValueError, urllib.error.URLError):
        return False


def direct() -> urllib.request.OpenerDirector:
    """An HTTP client that uses no proxy: the emulator is on this machine."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def opener(url: str) -> urllib.request.OpenerDirector:
    """An HTTP client for a stack's URL: what is on this machine is asked directly, AWS as the environment says."""
    on_this_machine = urllib.parse.urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
    return direct() if on_this_machine else urllib.request.build_opener()


def port_is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check_port(console: Console, place: Place) -> None:
    """Sees that the place's emulator runs or could be started: before a long build, not after it."""
    process = recorded(place)
    if process and place.port_is_given and process.port != place.port:
        raise Failure(f"the local stack already runs on port {process.port}: stop it first (make down)")
    if not process and port_is_taken(place.port):
        variable = "PHOTODROP_PORT" if place.name == "photodrop" else "PHOTODROP_TEST_PORT"
        raise Failure(f"port {place.port} is taken by another program: "
                      f"choose another ({variable}={place.port + 1} make {console.command})")


def ensure_running(console: Console, place: Place) -> Process:
    """The place's emulator, started if it does not run."""
    process = recorded(place)
    if not process:
        return start(console, place)
    if not place.secret_file.exists():
        raise Failure("the local stack was started without a secret, by an older version: make down, make up")
    # A machine that was asleep or is busy needs a while. What the emulator holds is in its memory: it is never ended from here.
    deadline = time.monotonic() + START_SECONDS
    while not answers(process.port):
        if not process.is_alive():
            return start(console, place)
        if time.monotonic() > deadline:
            raise Failure(f"MiniStack runs (process {process.pid}) but does not answer, see {shown(place.log_file)}: "
                          "make down ends it, with all that it holds, and make up starts anew")
        time.sleep(0.2)
    return process


def start(console: Console, place: Place) -> Process:
    """Starts MiniStack and waits until it is ready. It begins empty: what an earlier one held is gone."""
    check_port(console, place)
    scratch = scratch_folder(place)
    shutil.rmtree(scratch, ignore_errors=True)
    # What the stack holds, the key of its tokens among it, is its owner's.
    scratch.mkdir(mode=0o700, parents=True)
    forget(place)
    write_private(place.secret_file, secrets.token_urlsafe(30))
    return launch(console, place)


def forget(place: Place) -> None:
    """Removes what describes an emulator that has ended."""
    for file in (place.stack_file, place.secret_file, place.origins_file):
        file.unlink(missing_ok=True)


def restart(console: Console, place: Place, *, kill: bool) -> Process:
    """Stops MiniStack in the middle of whatever it does, with every function under it, and starts it again with what it
    has kept. With `kill` it gets no time to write its state down: objects are on the disk, of the rest what the last
    orderly stop has written."""
    process = recorded(place)
    if not process:
        raise Failure("no stack is running that could be restarted")
    if not place.durable:
        raise Failure("this stack keeps nothing over a restart: make down, make up")
    halt(console, process, kill=kill)
    return launch(console, place)


def scratch_folder(place: Place) -> Path:
    return place.folder / "tmp"


def launch(console: Console, place: Place) -> Process:
    """Starts MiniStack on what is in the scratch folder."""
    scratch = scratch_folder(place)
    with console.step(f"starting MiniStack on port {place.port} (log: {shown(place.log_file)})"):
        with place.log_file.open("ab") as log:
            child = subprocess.Popen([venv_python(), "-c", GUARDED, str(ROOT), str(place.origins_file)],
                                     env=environment(place, scratch), cwd=place.folder, stdin=subprocess.DEVNULL,
                                     stdout=log, stderr=log, start_new_session=True)
        started = start_time(child.pid)
        if started is None:
            raise Failure(f"MiniStack ended at once; the last of its log: {last_line(place.log_file)}")
        process = Process(child.pid, started, place.port)
        record_file(place).write_text(json.dumps(asdict(process)))
        deadline = time.monotonic() + START_SECONDS
        while not answers(place.port):
            if child.poll() is not None:
                raise Failure(f"MiniStack ended with code {child.returncode}; "
                              f"the last of its log: {last_line(place.log_file)}")
            if time.monotonic() > deadline:
                stop(console, place)
                raise Failure(f"MiniStack did not get ready in {START_SECONDS} s: see {shown(place.log_file)}")
            time.sleep(0.1)
    return process


def environment(place: Place, scratch: Path) -> dict[str, str]:
    """All that MiniStack is told. The functions inherit it, so nothing of the user's shell is in it."""
    own = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "USER") if name in os.environ}
    own.update(
        GATEWAY_PORT=str(place.port),
        # Without it every machine on the network could use the stack.
        BIND_HOST="127.0.0.1",
        # Servers that would listen on every address beside it, for services that no photo needs.
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        # Signatures and IAM policies count, as on AWS: a function may do what its role allows and no more.
        AUTH="true",
        # A function gets its role's credentials in the place of these.
        AWS_ACCESS_KEY_ID=ACCESS_KEY_ID,
        AWS_SECRET_ACCESS_KEY=place.secret_file.read_text(),
        MINISTACK_REGION=REGION,
        TMPDIR=str(scratch),
        S3_DATA_DIR=str(scratch / "s3"),
        STATE_DIR=str(scratch / "state"),
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONUNBUFFERED="1",
    )
    # A test of a small account: ten concurrent executions, as AWS gives a new one.
    if limit := os.environ.get("ACCOUNT_CONCURRENCY"):
        own["LAMBDA_ACCOUNT_CONCURRENCY"] = limit
    if place.durable:
        # Objects are written down as they come, the state of all services when MiniStack is told to end.
        own.update(PERSIST_STATE="1", S3_PERSIST="1")
    return own


def stop(console: Console, place: Place) -> bool:
    """Stops the place's emulator and the functions under it; says whether there was one."""
    process = recorded(place)
    if not process:
        record_file(place).unlink(missing_ok=True)
        return False
    halt(console, process)
    record_file(place).unlink(missing_ok=True)
    forget(place)
    shutil.rmtree(scratch_folder(place), ignore_errors=True)
    return True


def halt(console: Console, process: Process, *, kill: bool = False) -> None:
    """Ends MiniStack and the functions under it, and waits for it."""
    with console.step(f"stopping MiniStack on port {process.port}"):
        if not kill:
            os.kill(process.pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while process.is_alive() and time.monotonic() < deadline:
                time.sleep(0.05)
        # It leads a process group of its own, in which a function of it may still hang. While one member is
        # left, the system gives the group's number to nobody else.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, 0)
        while process.is_alive():
            time.sleep(0.01)


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1] if lines else "(empty)"


def shown(path: Path) -> str:
    """A path as the user best reads it: from the project's folder."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
