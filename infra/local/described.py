"""The running API against `docs/openapi.yaml`: schemathesis makes requests, good and bad, and holds the answers to it."""

from __future__ import annotations

import json
from pathlib import Path

from infra.local import tools
from infra.local.console import Console, Failure, run
from infra.local.settings import LOCAL, ROOT

REQUIREMENTS = ROOT / "infra" / "requirements-api.txt"
ENVIRONMENT = LOCAL / "schemathesis"
DESCRIPTION = ROOT / "docs" / "openapi.yaml"

# Bounded, and the same every time: a check that fails now and then is a check that nobody believes.
EXAMPLES = 15
SEED = 1
# One: Hypothesis changes the interpreter's recursion limit while it generates, and if another thread is parsing then, CPython 3.11
# ends it with "AST constructor recursion depth mismatch".
WORKERS = "1"

# Every check but those that a description cannot promise here: whether a body is good depends on more than its schema
# (a method that needs a size; aliases of a type are taken as well), and API Gateway answers an unknown method itself, with 404
# for 405.
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "ignored_auth", "use_after_free",
]


def install(console: Console) -> Path:
    """Installs schemathesis into `.local/schemathesis`; gives the program."""
    return tools.install_environment(console, ENVIRONMENT, REQUIREMENTS, "schemathesis") / "bin" / "schemathesis"


def command(program: Path, stack: dict[str, str]) -> list[str | Path]:
    """What is run against a stack."""
    return [program, "run", DESCRIPTION, "--url", stack["api_url"], "--header", f"Authorization: Bearer {stack['token']}",
            "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", str(SEED),
            "--generation-database", "none", "--checks", ",".join(CHECKS), "--workers", WORKERS, "--continue-on-failure",
            "--warnings", "off", "--no-color"]


def check(console: Console, stack_file: str) -> None:
    """Holds the answers of a deployed stack to the description."""
    stack = json.loads(Path(stack_file).read_text())
    missing = {"api_url", "token"} - {name for name, value in stack.items() if value}
    if missing:
        raise Failure(f"{stack_file} has no {' and no '.join(sorted(missing))}")
    run(command(install(console), stack), "schemathesis (docs/openapi.yaml against the running API)", cwd=ROOT, show=True)
