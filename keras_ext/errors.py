"""Errors that a user can act on: one line each, saying what was received and what to do.

Recipes print these without a traceback (unless ``--debug``) and exit with a non-zero status.
"""


class KerasExtError(Exception):
    """Base of every error that keras_ext raises for the user to mend."""


class ConfigError(KerasExtError, ValueError):
    """A configuration, option or argument that can't be used as given."""


class DataError(KerasExtError):
    """Data that is missing, corrupt or of the wrong kind."""


class OutputError(KerasExtError):
    """A result that can't be written where it was asked for."""


class DivergedError(KerasExtError):
    """Training reached a cost that is not finite."""


class SweepError(KerasExtError):
    """A sweep that can't go on, or ended without a trial that could be judged.

    Attributes:
        result: of a sweep that ended, the ``SweepResult`` with the trials that failed; else None.
    """

    def __init__(self, message: str, *, result: object = None) -> None:
        super().__init__(message)
        self.result = result


class MissingExtraError(KerasExtError, ImportError):
    """A package of an optional extra isn't installed.

    >>> str(MissingExtraError("matplotlib", extra="reports"))
    "matplotlib is not installed: pip install 'keras-ext[reports]'"
    """

    def __init__(self, package: str, *, extra: str | None) -> None:
        what = package if extra is None else f"'keras-ext[{extra}]'"
        super().__init__(f"{package} is not installed: pip install {what}")
