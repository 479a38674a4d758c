"""The checks of the project: `make test`, and its parts on their own."""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.local import build, described, node, program, second, settings, tools
from infra.local.console import Console, Failure, duration, run
from infra.local.settings import ROOT, TEMPLATE

# Where cargo-deny's database of known vulnerabilities comes from.
ADVISORIES_URL = "https://github.com/rustsec/advisory-db/info/refs?service=git-upload-pack"

# The tests that need a stack; `test = false` in their manifest keeps them out of `cargo test`. Every cargo command
# here takes the whole workspace, so that one set of features is settled and the AWS SDK is compiled once.
END_TO_END = ["--test", "e2e", "--test", "faults", "--test", "cli"]
SECOND = ["--test", "second"]


@dataclass(frozen=True)
class Step:
    """One check: what it is called and what does it."""

    title: str
    action: Callable[[Console], None]


def formatting(_: Console) -> None:
    tools.check_rust_components()
    run(["cargo", "fmt", "--all", "--check"], "the format check (make fmt mends it)", cwd=ROOT, show=True)


def format_all(_: Console) -> None:
    tools.check_rust_components()
    run(["cargo", "fmt", "--all"], "cargo fmt", cwd=ROOT, show=True)


def clippy(_: Console) -> None:
    for targets in (["--all-targets"], [*END_TO_END, *SECOND]):
        run(["cargo", "clippy", "--locked", "--workspace", *targets, "--", "--deny", "warnings"], "clippy",
            cwd=ROOT, show=True)


def deny(console: Console) -> None:
    """Licences, bans and sources always; advisories when their database can be had."""
    tools.install_cargo_deny(console)
    command = [tools.TOOLS / "bin" / "cargo-deny", "--locked", "check", "--hide-inclusion-graph"]
    checks = ["bans", "licenses", "sources"]
    if not advisories_can_be_fetched():
        if os.environ.get("PHOTODROP_ADVISORIES") == "required":
            raise Failure("advisories: the database cannot be reached, and PHOTODROP_ADVISORIES=required")
        console.say("advisories: not checked: the database cannot be reached")
    else:
        checks.insert(0, "advisories")
    run([*command, *checks], "cargo deny", cwd=ROOT, show=True)


def install(console: Console) -> None:
    """The tools of all checks, which otherwise come one by one: a machine that waits for them can build meanwhile."""
    node.require()
    without_second = second.not_run()
    tools.install_checkov(console)
    tools.authorization_reference(console)
    tools.install_cargo_deny(console)
    described.install(console)
    node.install()
    if not without_second:
        second.install(console)


def advisories_can_be_fetched() -> bool:
    try:
        with urllib.request.urlopen(ADVISORIES_URL, timeout=10) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False


def template(_: Console) -> None:
    """Both linters of the template; cfn-lint with its informational rules."""
    run(["cfn-lint", "--include-checks", "I", "--template", TEMPLATE, ROOT / "infra" / "deploy-role.yaml"], "cfn-lint",
        cwd=ROOT, show=True)
    run(["sam", "validate", "--lint", "--template", TEMPLATE, "--region", settings.REGION], "sam validate",
        env=settings.aws_environment(settings.NOWHERE), cwd=ROOT)


def security(console: Console) -> None:
    """checkov on both templates; what it finds is mended, or explained beside the resource."""
    program = tools.install_checkov(console)
    for file in (TEMPLATE, ROOT / "infra" / "deploy-role.yaml"):
        # It would ask its maker's server for settings otherwise.
        run([program, "--file", file, "--framework", "cloudformation", "--compact", "--quiet", "--skip-download"],
            "checkov", cwd=ROOT, env={**os.environ, "LOG_LEVEL": "ERROR"})


def workflows(_: Console) -> None:
    """What runs at GitHub cannot run here; that it is well-formed and gives nobody a way in can be seen."""
    run(["zizmor", "--offline", "--quiet", ROOT / ".github" / "workflows"], "zizmor", cwd=ROOT, show=True)


def cross_compilation(console: Console) -> None:
    """The C below the functions, for arm64: where Rust's standard library for it is missing, it is seen early all the same."""
    from infra.local import release

    release.cross_compile_c(console)


def containers(console: Console, stack: dict[str, Any]) -> None:
    """The functions by SAM in containers, where there is a Docker engine (PHOTODROP_DOCKER=required: never without)."""
    from infra.local import samlocal

    samlocal.check(console, stack)


def startup(console: Console, stack: dict[str, Any]) -> None:
    """The functions' start, as on AWS: with no endpoint but AWS's own, which cannot be reached here."""
    from infra.local import samlocal
    from infra.local import startup as alone

    variables = samlocal.variables(stack, "")
    programs = dict(zip(settings.FUNCTIONS, build.programs()))
    lambdas = {role: {name: value for name, value in variables[samlocal.LOGICAL_IDS[role]].items() if name != "AWS_ENDPOINT_URL"}
               for role in programs}
    # What Lambda itself sets: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    reserved = {"AWS_REGION": settings.REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_FUNCTION_VERSION": "1",
                "AWS_LAMBDA_LOG_GROUP_NAME": "/", "AWS_LAMBDA_LOG_STREAM_NAME": "/"}
    alone.check(console, {role: (program, {**lambdas[role], **reserved, "AWS_LAMBDA_FUNCTION_NAME": role})
                          for role, program in programs.items()})


def smoke(console: Console, place: settings.Place) -> None:
    from infra.local import smoke as one_photo
    from infra.local import target

    one_photo.run(console, target.local(place))


def guided(console: Console, stack: dict[str, Any]) -> None:
    from infra.local import guided as first_time

    first_time.check(console, stack, settings.architecture())


def unit(_: Console) -> None:
    run(["cargo", "test", "--quiet", "--locked", "--workspace"], "the Rust unit tests", cwd=ROOT, show=True)


def python_unit(_: Console) -> None:
    run([sys.executable, "-m", "unittest", "discover", "--start-directory", "infra/tests", "--top-level-directory", "."],
        "the tests of infra/", cwd=ROOT, show=True)


def command_line(_: Console) -> None:
    """The program `photodrop` as the end-to-end tests build it, for the commands that call it: with other features the AWS SDK would
    be compiled once more."""
    run(["cargo", "test", "--quiet", "--locked", "--workspace", "--no-run", *END_TO_END], "the build of the end-to-end tests",
        cwd=ROOT, show=True)
    os.environ[program.VARIABLE] = str(build.target_folder() / "debug" / "photodrop")


def functions(console: Console) -> None:
    build.functions(console, settings.architecture())


def end_to_end(console: Console, stack_file: str) -> None:
    """The tests against a deployed stack."""
    environment = {**os.environ, "PHOTODROP_STACK": stack_file}
    run(["cargo", "test", "--locked", "--workspace", "--no-fail-fast", *END_TO_END], "the end-to-end tests", env=environment,
        cwd=ROOT, show=True)
    node.check(stack_file)
    # Last: it leaves many a photo behind that never comes.
    described.check(console, stack_file)


def chaos(_: Console, stack_file: str) -> None:
    """Every fault at every call, and what each experiment counted."""
    environment = {**os.environ, "PHOTODROP_STACK": stack_file, "PHOTODROP_CHAOS": "1"}
    run(["cargo", "test", "--locked", "--workspace", "--test", "faults", "--", "--nocapture"], "the long fault tests",
        env=environment, cwd=ROOT, show=True)


# Cheap and telling ones first.
STEPS = [
    Step("format (cargo fmt)", formatting),
    Step("template (cfn-lint, sam validate)", template),
    Step("security of the templates (checkov)", security),
    Step("workflows (zizmor)", workflows),
    Step("tests of infra/ (unittest)", python_unit),
    Step("lints (clippy pedantic)", clippy),
    Step("dependencies (cargo-deny)", deny),
    Step("unit tests (cargo test)", unit),
    Step("a second implementation (DynamoDB Local, s3s, moto)", second.check),
    Step("functions (cargo lambda, glibc)", functions),
    Step("C for arm64 (zig)", cross_compilation),
]
LINTS = [step for step in STEPS if step.action in {formatting, template, security, workflows, clippy}]


def run_steps(console: Console, steps: list[Step]) -> None:
    """Runs checks in order, each with its number and its time, to the first that fails."""
    for number, step in enumerate(steps, start=1):
        console.say(f"[{number}/{len(steps)}] {step.title}")
        started = time.monotonic()
        step.action(console)
        console.say(f"[{number}/{len(steps)}] passed in {duration(time.monotonic() - started)}")
