"""Writes the first frame, lossless picture and alpha of WebP files, FILE..., into a folder: seeds of `decode` and `lossless`."""

import sys
from pathlib import Path


def main(folder: Path, files: list[Path]) -> None:
    for file in files:
        content = file.read_bytes()
        for kind in ("VP8 ", "VP8L", "ALPH"):
            at = content.find(kind.encode())
            if at >= 0:
                length = int.from_bytes(content[at + 4:at + 8], "little")
                name = f"{file.stem}.{kind.strip().lower()}"
                (folder / name).write_bytes(content[at + 8:at + 8 + length])


main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
