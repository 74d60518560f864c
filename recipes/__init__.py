"""Runnable recipes: ``python -m recipes.mnist --help``.

Importing TensorFlow prints pages of notes that no setting of its own can stop; they are held back
here, and shown if the import fails. What speeds TensorFlow up on CPUs must be set before that.
"""

import importlib
import os
import sys
import tempfile

# TensorFlow leaves oneDNN off on CPUs without AVX-512, and gives memory back to the system after
# each operation unless it has a pool. A five-layer convnet took 1.5 times as long without both.
FASTER = {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPU_ALLOCATOR_USE_BFC": "true"}


def _import_keras_quietly() -> None:
    for name, value in {"TF_CPP_MIN_LOG_LEVEL": "3", **FASTER}.items():
        os.environ.setdefault(name, value)
    sys.stderr.flush()
    with tempfile.TemporaryFile() as notes:
        stderr = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            importlib.import_module("keras")
        except KeyboardInterrupt:
            os.write(stderr, b"interrupted\n")
            raise SystemExit(130) from None
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


_import_keras_quietly()
