"""Links between the pages, and the pages that the code sends a reader to."""

from __future__ import annotations

import functools
import os
import re
import unittest
from pathlib import Path

from infra.local.settings import ROOT

FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# An address of a page in text, code and configuration: docs/RUNBOOK.md#stop.
NAMED = re.compile(r"(?<![\w/.-])((?:docs|examples)/[\w/.-]+\.md)(?:#([\w-]+))?")
SUFFIXES = {".py", ".rs", ".yaml", ".yml", ".toml", ".ts", ".js", ".html", ".md"}


# What is built or installed.
NOT_OURS = {".git", ".local", ".aws-sam", "dist", "node_modules", "target"}


@functools.cache
def files() -> tuple[Path, ...]:
    """What the project consists of."""
    found = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in NOT_OURS]
        found += [Path(folder, name) for name in names if Path(name).suffix in SUFFIXES]
    return tuple(sorted(found))


def pages() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


@functools.cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub makes of a page's headings, and those that it has itself."""
    text = FENCED.sub("", page.read_text())
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w -]", "", shown).replace(" ", "-")
        times = sum(other == anchor or re.fullmatch(rf"{re.escape(anchor)}-\d+", other) is not None for other in found)
        found.append(f"{anchor}-{times}" if times else anchor)
    return frozenset([*found, *re.findall(r"<a (?:name|id)=\"([^\"]+)\"", text)])


def broken(page: Path, target: str) -> str | None:
    """Why a relative link of a page leads nowhere."""
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.exists():
        return f"{page.relative_to(ROOT)}: there is no {target}"
    if anchor and path.suffix == ".md" and anchor not in anchors(path):
        return f"{page.relative_to(ROOT)}: {target} has no such heading"
    return None


def links(page: Path) -> list[str]:
    """A page's relative links, without those in code."""
    text = re.sub(r"`[^`\n]*`", "", FENCED.sub("", page.read_text()))
    return [target for target in LINK.findall(text) if not re.match(r"[a-z]+:", target)]


class Links(unittest.TestCase):
    def test_each_relative_link_leads_to_a_file_and_a_heading(self) -> None:
        seen = [(page, target) for page in pages() for target in links(page)]
        self.assertGreater(len(seen), 200)
        self.assertEqual([why for page, target in seen if (why := broken(page, target))], [])

    def test_each_page_that_code_names_is_there(self) -> None:
        seen = [(path, name, anchor) for path in files() for name, anchor in NAMED.findall(path.read_text())]
        self.assertGreater(len(seen), 50)
        self.assertEqual([f"{path.relative_to(ROOT)}: {why}" for path, name, anchor in seen
                          if (why := broken(ROOT / "README.md", f"{name}#{anchor}" if anchor else name))], [])

    def test_a_link_to_nothing_is_found(self) -> None:
        page = ROOT / "docs" / "RUNBOOK.md"
        for target in ("adr/000-nothing.md", "#no-such-alarm", "DEPLOY.md#nothing"):
            self.assertIsNotNone(broken(page, target), target)
        for target in ("adr/README.md", "#api-5xx", "DEPLOY.md#from-github", "../template.yaml"):
            self.assertIsNone(broken(page, target), target)


if __name__ == "__main__":
    unittest.main()
