"""The local stack and the checks, as `make` runs them: `python3 -m infra.local COMMAND`.

What runs before the tools are installed uses the standard library alone (`tools`, `console`,
`settings`, `emulator`, `glibc`, `images`); `aws`, `deploy`, `mend`, `demo` and `observe` use boto3 from `.local/venv`,
in which `__main__` starts the command again.
"""
