"""Runnable recipes: ``python -m recipes.mnist --help``.

Importing TensorFlow prints pages of notes that no setting of its own can stop; they are held back
here, and shown if the import fails.
"""

import importlib
import os
import sys
import tempfile


def _import_keras_quietly() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as notes:
        stderr = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            importlib.import_module("keras")
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


_import_keras_quietly()
