"""Starts a command: sees to Python and the tools, then goes on in the tools' own environment.

This file must parse on any Python 3, so that an old one gets a sentence and not a traceback.
"""

import os
import sys

OLDEST_PYTHON = (3, 10)


def main():
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(str(part) for part in sys.version_info[:3])
        oldest = ".".join(str(part) for part in OLDEST_PYTHON)
        sys.stderr.write("make %s: Python %s+ is needed, found %s\n" % (command, oldest, found))
        return 1
    from infra.local import cli, settings, tools

    if os.path.realpath(sys.prefix) == os.path.realpath(str(settings.VENV)):
        return cli.main(sys.argv[1:])
    return cli.guarded(command, lambda console: tools.enter_environment(console, sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
