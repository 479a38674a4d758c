"""The commands, one function each; the Makefile has a target for every one."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.local import build, check, emulator, node, second, settings, tools
from infra.local.console import Console, Failure
from infra.local.settings import Place

# These work with the Python tools; the others get along without.
NEED_TOOLS = {"up", "test", "e2e", "chaos", "lint", "unit", "build", "release", "deploy", "invoke", "api", "coldstart",
              "tools", "second"}


def up(console: Console) -> None:
    """Starts or updates the local stack and proves that it works."""
    place = settings.main_place()
    place.folder.mkdir(parents=True, exist_ok=True)
    with tools.lock(place.folder / "lock", console, "another command changes the local stack"):
        stack, record = bring_up(console, place)
    greet(console, stack, record)


def bring_up(console: Console, place: Place) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A stack that is up to date, and the demo photo's record."""
    from infra.local import demo, deploy, web

    tools.check_rust()
    architecture = settings.architecture()
    emulator.check_port(console, place)
    web.check_port(place)
    build.functions(console, architecture)
    process = emulator.ensure_running(console, place)
    is_new = deploy.read(place) is None
    stack = deploy.deploy(console, place, process, architecture)
    if is_new:
        # Its schedule begins in five minutes; until then an alarm would ring for the lack of runs.
        demo.reconcile(console, stack)
    signed_in = demo.sign_in(place, stack)
    web.ensure_running(console, place, stack)
    if signed_in is None:
        console.say("the API takes the tokens of your own issuer: no demo photo is uploaded")
        return stack, None
    return stack, demo.prove(console, stack)


def greet(console: Console, stack: dict[str, Any], record: dict[str, Any] | None) -> None:
    console.say(f"ready in {console.elapsed()}")
    console.plain()
    if record:
        console.plain(f"The demo photo {record['photo_id']} is ready; for 15 minutes these open its thumbnails:")
        for variant in record["variants"]:
            console.plain(f"  {variant['name']} {variant['format']} {variant['width']}x{variant['height']}, "
                          f"{variant['size_bytes'] / 1000:.1f} kB")
            console.plain(f"    {variant['url']}")
        console.plain()
    console.plain(f"API      {stack['api_url']}")
    console.plain(f"Page     {stack['web_url']}")
    console.plain(f"Stack    .local/stack.json has the names and a token; make token writes a fresh one after an hour")
    console.plain("Next     upload a photo of your own, PHOTO.jpg:")
    console.plain(f"""
  API={stack['api_url']}
  TOKEN=$(make -s token)
  curl -s $API/api/v4/photo/upload -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \\
    -d "{{\\"content_type\\":\\"image/jpeg\\",\\"size_bytes\\":$(wc -c < PHOTO.jpg)}}" | tee upload.json
  URL=$(python3 -c 'import json; print(json.load(open("upload.json"))["upload"]["url"])')
  ID=$(python3 -c 'import json; print(json.load(open("upload.json"))["photo_id"])')
  curl -s -X PUT -T PHOTO.jpg -H 'content-type: image/jpeg' -H 'if-none-match: *' "$URL"
  curl -s $API/api/v4/photo/$ID -H "authorization: Bearer $TOKEN"
""")
    console.plain("Also     make status · make logs · make down · make help")


def running_stack() -> tuple[Place, dict[str, Any]]:
    """The stack that `make up` started; a failure if there is none."""
    place = settings.main_place()
    if not emulator.recorded(place):
        raise Failure("no local stack is running: start it with make up")
    from infra.local import deploy

    stack = deploy.read(place)
    if not stack:
        raise Failure("the local stack is not deployed: make up finishes it")
    return place, stack


def target_stack() -> Any:
    """The stack that a command looks at: `STACK` on AWS, or the local one."""
    # Before anything is imported that the tools bring along: where nothing runs they may not be installed.
    if not os.environ.get("STACK") and not tools.venv_python().exists():
        raise Failure("no local stack is running: start it with make up, or name one on AWS (STACK=name)")
    from infra.local import target

    return target.find()


def down(console: Console) -> None:
    """Stops the local stack; what it held is gone."""
    place = settings.main_place()
    place.folder.mkdir(parents=True, exist_ok=True)
    with tools.lock(place.folder / "lock", console, "another command changes the local stack"):
        stop_page(place)
        stopped = emulator.stop(console, place)
    console.say("stopped; photos and records of the local stack are gone" if stopped else "no local stack is running")


def status(console: Console) -> None:
    """Shows the stack, its functions, its queues, alarms and what is kept. STACK=name on AWS."""
    found = target_stack()
    from infra.local import observe

    if not os.environ.get("STACK"):
        from infra.local import target

        place = target.place()
        process = emulator.recorded(place)
        console.plain(f"MiniStack    runs as process {process.pid if process else '?'} on port {place.port}, "
                      f"log in {emulator.shown(place.log_file)}")
    observe.status(console, found)


def logs(console: Console) -> None:
    """Prints the functions' logs of the last hour. ERRORS=1, FOLLOW=1, FUNCTION=upload|thumbnail|reconcile, STACK=name on AWS."""
    found = target_stack()
    from infra.local import observe

    observe.logs(console, found, function=os.environ.get("FUNCTION") or None,
                 errors=is_set("ERRORS"), follow=is_set("FOLLOW"))


def alarms(console: Console) -> None:
    """Shows every alarm; evaluates them on the local stack. RAISE=name, CLEAR=name, FOLLOW=1, SPEED=60, STACK=name on AWS."""
    found = target_stack()
    from infra.local import alarms, target

    # Of each stack apart: what was seen of one is forgotten when another is looked at.
    seen = "metrics.json" if not os.environ.get("STACK") else f"metrics-{found.name}.json"
    alarms.show(console, found, seen_file=target.place().folder / seen,
               raised=os.environ.get("RAISE") or None, cleared=os.environ.get("CLEAR") or None,
               follow=is_set("FOLLOW"), speed=alarms.speed_from(os.environ.get("SPEED")))


def rehearse(console: Console) -> None:
    """Makes every alarm ring on the local stack and clears it, by the commands of the runbook. ALARM=name: that one."""
    place, _ = running_stack()
    from infra.local import rehearsal, target

    rehearsal.run(console, target.local(place), place, only=os.environ.get("ALARM") or None)


def env(console: Console) -> None:
    """Prints the variables with which the AWS CLI and curl reach the local stack: eval "$(make -s env)"."""
    _, stack = running_stack()
    for name, value in settings.shell_variables(stack).items():
        console.plain(f"export {name}={shlex.quote(value)}")


def photo(console: Console) -> None:
    """Uploads a photo to the local stack as the demo user and says what became of it. FILE=path, WAIT=0."""
    place, stack = running_stack()
    from infra.local import demo

    if demo.sign_in(place, stack) is None:
        raise Failure("the stack has no user pool of its own: upload with a token of your issuer")
    file = Path(os.environ["FILE"]) if os.environ.get("FILE") else demo.demo_photo()
    record = demo.upload(console, stack, file, wait=os.environ.get("WAIT") != "0")
    console.plain(f"{record['photo_id']} {record['status']} {record.get('failure', {}).get('code', '')}".rstrip())


def redrive(console: Console) -> int:
    """Moves the failure queue's messages back to the thumbnail queue. RATE=messages a second, STACK=name on AWS."""
    from infra.local import program

    target_stack()
    rate = os.environ.get("RATE")
    return program.call(["redrive", *(["--per-second", rate] if rate else [])], *stack_arguments())


def user(console: Console) -> int:
    """Creates a user of the stack's own user pool and prints the temporary password. NAME=address, MAIL=1, STACK=name on AWS."""
    from infra.local import program

    name = os.environ.get("NAME")
    if not name:
        raise Failure("give the user's name: make user NAME=alice@example.com")
    words = ["user", name, *program.pool_option(target_stack()), *(["--mail"] if is_set("MAIL") else [])]
    return program.call(words, *stack_arguments())


def stack_arguments() -> tuple[str, Path]:
    """The stack on AWS, if one is named, and the description of the local one."""
    from infra.local import target

    return os.environ.get("STACK", ""), target.place().stack_file


def doctor(console: Console) -> int:
    """Asks a stack what an operator would ask. STACK=name on AWS, TOKEN=… to try the API, JSON=1."""
    found = target_stack()
    from infra.local import doctor

    return doctor.run(console, found, as_json=is_set("JSON") or "--json" in sys.argv)


def token(console: Console) -> None:
    """Writes a fresh token into stack.json and prints it."""
    place, stack = running_stack()
    from infra.local import demo

    fresh = demo.sign_in(place, stack)
    if fresh is None:
        raise Failure("the stack has no user pool of its own: get a token from your issuer")
    console.plain(fresh)


def invoke(console: Console) -> None:
    """Runs one function by sam local invoke, with the local stack behind it. EVENT=file, KEY=photo's object key."""
    from infra.local import samlocal

    chosen = samlocal.engine()
    _, stack = running_stack()
    event = samlocal.event_for(stack, os.environ.get("EVENT") or None, os.environ.get("KEY") or None)
    console.plain(json.dumps(samlocal.invoke(console, stack, event, chosen), indent=2))


def api(console: Console) -> None:
    """Runs sam local start-api with the local stack behind it. PORT=3000."""
    from infra.local import samlocal

    chosen = samlocal.engine()
    _, stack = running_stack()
    port, _ = settings.port_from("PORT", 3000)
    samlocal.serve(console, stack, chosen, port)


def release(console: Console) -> None:
    """Builds and packs the functions of every architecture that can be built here, into dist/."""
    tools.check_rust()
    from infra.local import release

    release.release(console)


def deploy(console: Console) -> None:
    """Deploys to AWS, guided the first time. ENV=dev|prod, STACK=name, PACKED=1: what make release has packed."""
    tools.check_rust()
    from infra.local import rollout

    rollout.deploy(console)


def smoke(console: Console) -> None:
    """Puts one photo through a deployed stack and takes it away again. STACK=name on AWS, TOKEN=…"""
    found = target_stack()
    from infra.local import smoke

    smoke.run(console, found)
    console.say(f"{found.name} works, seen in {console.elapsed()}")


def coldstart(console: Console) -> None:
    """Measures how long the functions take to start, beside equal ones on Node; writes its part of docs/PERFORMANCE.md. ROUNDS=15."""
    _, stack = running_stack()
    from infra.local import coldstart

    coldstart.measure(console, stack)


def test(console: Console) -> None:
    """Runs every check and the end-to-end tests on a stack of their own, which is then removed."""
    tools.check_rust()
    node.require()
    second.not_run()
    console.say("checks everything; the first time takes some ten minutes, most of it building")
    place = settings.test_place()
    with tools.lock(settings.LOCAL / "test.lock", console, "another make test is running"):
        last = check.Step("end to end (a stack of its own)", lambda speaker: end_to_end(speaker, place))
        check.run_steps(console, [*check.STEPS, last])
    console.say(f"all passed in {console.elapsed()}")


def e2e(console: Console) -> None:
    """Runs the end-to-end tests alone, on a stack of their own."""
    tools.check_rust()
    place = settings.test_place()
    with tools.lock(settings.LOCAL / "test.lock", console, "another make test is running"):
        end_to_end(console, place)
    console.say(f"passed in {console.elapsed()}")


def against_second(console: Console) -> None:
    """Runs the functions' code against DynamoDB Local, s3s and moto. PHOTODROP_SECOND=required: never without."""
    tools.check_rust()
    second.check(console)


def restart(console: Console) -> None:
    """Restarts the emulator of the tests' stack in the middle of its work (KILL=1: without a word), for the fault tests."""
    from infra.local import target

    emulator.restart(console, target.place(), kill=is_set("KILL"))


def chaos(console: Console) -> None:
    """Tries every fault at every call of every function, on a stack of its own."""
    tools.check_rust()
    place = settings.test_place()
    with tools.lock(settings.LOCAL / "test.lock", console, "another make test is running"):
        end_to_end(console, place, check.chaos)
    console.say(f"passed in {console.elapsed()}")


def end_to_end(console: Console, place: Place, tests: Callable[[Console, str], None] = check.end_to_end) -> None:
    """Starts the test stack, tests it and removes it, whatever happens in between."""
    place.folder.mkdir(parents=True, exist_ok=True)
    # One that an interrupted machine left behind.
    stop_page(place)
    emulator.stop(console, place)
    # The log of one run, kept for a look after it.
    place.log_file.unlink(missing_ok=True)
    try:
        stack, _ = bring_up(console, place)
        check.command_line(console)
        if tests is check.end_to_end:
            check.startup(console, stack)
            check.containers(console, stack)
            check.smoke(console, place)
            check.guided(console, stack)
        tests(console, str(place.stack_file))
    finally:
        stop_page(place)
        emulator.stop(console, place)


def stop_page(place: Place) -> None:
    from infra.local import web

    web.stop(place)


def lint(console: Console) -> None:
    """Runs the format check, the template's linters and clippy."""
    tools.check_rust()
    check.run_steps(console, check.LINTS)


def fmt(console: Console) -> None:
    """Formats the Rust code."""
    tools.check_rust()
    check.format_all(console)


def unit(console: Console) -> None:
    """Runs the unit tests of Rust and of infra/."""
    tools.check_rust()
    check.python_unit(console)
    check.unit(console)


def deny(console: Console) -> None:
    """Checks licences, bans, sources and, where their database can be had, advisories."""
    tools.check_rust()
    check.deny(console)


def install_tools(console: Console) -> None:
    """Installs what the checks install when they come to need it, all at once."""
    tools.check_rust()
    check.install(console)


def build_functions(console: Console) -> None:
    """Builds the functions for this machine's architecture and checks their glibc."""
    tools.check_rust()
    check.functions(console)


def is_set(variable: str) -> bool:
    return os.environ.get(variable, "") not in {"", "0"}


COMMANDS: dict[str, Callable[[Console], int | None]] = {
    "up": up, "down": down, "status": status, "logs": logs, "token": token, "alarms": alarms, "doctor": doctor,
    "redrive": redrive, "user": user, "rehearse": rehearse, "restart": restart, "env": env, "photo": photo,
    "invoke": invoke, "api": api, "release": release, "deploy": deploy, "smoke": smoke,
    "coldstart": coldstart,
    "test": test, "e2e": e2e, "chaos": chaos, "lint": lint, "fmt": fmt, "unit": unit, "deny": deny, "build": build_functions,
    "tools": install_tools, "second": against_second,
}


def main(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        print(f"{name!r} is no command: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2

    def command(console: Console) -> int:
        # A command that found something wrong says so by its exit code.
        return COMMANDS[name](console) or 0

    return guarded(name, command)


def guarded(name: str, command: Callable[[Console], int]) -> int:
    """Runs a command so that a failure is one line, and an interruption still cleans up."""
    console = Console(name)
    # However it is interrupted, what is open gets closed and a test stack stopped.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        return command(console)
    except Failure as failure:
        console.fail(str(failure))
        return 1
    except KeyboardInterrupt:
        console.fail("interrupted")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`make logs | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # Not imported: before the tools are installed there is no botocore, and nothing of it can fail.
        if not type(error).__module__.startswith("botocore"):
            raise
        console.fail(f"AWS: {error}")
        return 1


def interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
