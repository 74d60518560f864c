"""The name of a data set as TensorFlow Datasets writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from keras_ext.errors import DataError

FORM = re.compile(
    r"(?P<builder>[A-Za-z]\w*)(/(?P<config>\w[\w.+-]*))?(:(?P<version>\d+\.\d+\.\d+))?", re.ASCII
)


@dataclass(frozen=True)
class DatasetName:
    """``builder``, ``builder/config`` or either with ``:version``.

    >>> DatasetName.parse("cifar10_corrupted/fog_1:1.0.0").config
    'fog_1'
    """

    builder: str
    config: str | None = None
    version: str | None = None

    @classmethod
    def parse(cls, name: str) -> DatasetName:
        """The parts of a name.

        Raises:
            DataError: when it is no such name.
        """
        match = FORM.fullmatch(name) if isinstance(name, str) else None
        if match is None:
            raise DataError(
                f"a data set is named builder, builder/config or builder:1.2.3, got name={name!r}"
            )
        return cls(**match.groupdict())

    def __str__(self) -> str:
        config = f"/{self.config}" if self.config else ""
        return f"{self.builder}{config}" + (f":{self.version}" if self.version else "")

    @property
    def folder(self) -> str:
        """The folder of its versions, below a data directory."""
        return f"{self.builder}/{self.config}" if self.config else self.builder

    @property
    def key(self) -> str:
        """The beginning of the name of its cache entry, which is one folder."""
        return f"{self.builder}+{self.config}" if self.config else self.builder

    def at(self, version: str) -> DatasetName:
        """The same data set in a given version."""
        return DatasetName(self.builder, self.config, version)
