"""Turn pip's report of a resolve into a file of constraints; ``make lock`` runs this."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HEADER = "# Written by `make lock`; the versions that `make install` and CI use.\n"


def constraints(report: dict) -> list[str]:
    """``name==version`` of every package, sorted, without the project itself.

    A local version such as ``2.13.0+cpu`` is cut to the public one, which both builds satisfy.
    """
    packages = (
        (item["metadata"]["name"], item["metadata"]["version"]) for item in report["install"]
    )
    pinned = sorted((name.lower(), version) for name, version in packages if name != "keras-ext")
    return [f"{name}=={version.partition('+')[0]}" for name, version in pinned]


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    lines = constraints(json.loads(source.read_text(encoding="utf-8")))
    target.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
