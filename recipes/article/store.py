"""What was found out so far, a file a claim: nothing is lost when a run is interrupted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from keras_ext.claim_records import Claim
from keras_ext.errors import ConfigError
from keras_ext.files import atomic_write
from recipes.article.effort import Effort


class Store:
    """The claims measured with one effort, in ``<output_dir>/results/<mode>-seed<seed>``.

    Args:
        output_dir: of the article.
        effort: what mode and seed results must have to be used again.
    """

    def __init__(self, output_dir: Path, effort: Effort) -> None:
        self.output_dir = output_dir
        self.folder = output_dir / "results" / f"{effort.mode}-seed{effort.seed}"

    def read(self, name: str) -> Claim | None:
        """The claim as it was measured; None where it wasn't, or where the file is damaged."""
        try:
            values = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            return Claim.from_dict(values)
        except (OSError, ValueError, TypeError, ConfigError):
            return None

    def finished(self, name: str) -> Claim | None:
        """The claim, if it was measured and did not fail."""
        claim = self.read(name)
        return claim if claim is not None and claim.finding is not None else None

    def work(self, name: str) -> Path:
        """Where the experiment of a claim keeps what it has, until it has ended."""
        return self.folder / f"{name}-unfinished"

    def forget_work(self, name: str) -> None:
        """Remove what an experiment kept: it has ended, or is to begin anew."""
        shutil.rmtree(self.work(name), ignore_errors=True)

    def write(self, claim: Claim) -> None:
        """Keep a claim, and remove its experiment's work if there is a finding.

        Raises:
            OutputError: when it can't be written.
        """
        content = json.dumps(claim.to_dict(), indent=1) + "\n"
        atomic_write(self.folder / f"{claim.name}.json", content)
        if claim.finding is not None:
            self.forget_work(claim.name)
