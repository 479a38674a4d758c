"""Writes the frames of lossy WebP files, FILE..., into a folder: seeds of `decode`."""

import sys
from pathlib import Path


def main(folder: Path, files: list[Path]) -> None:
    for file in files:
        content = file.read_bytes()
        at = content.find(b"VP8 ")
        if at >= 0:
            length = int.from_bytes(content[at + 4:at + 8], "little")
            (folder / f"{file.stem}.vp8").write_bytes(content[at + 8:at + 8 + length])


main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
