"""Whether data sets can be downloaded at all, found out within seconds."""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request

HOST = "https://storage.googleapis.com/tfds-data/"
"""Where TensorFlow Datasets keeps its metadata."""


def reachable(address: str = HOST, *, seconds: float = 3.0) -> bool:
    """Whether a server answers, through a proxy where the environment names one.

    An unanswered name look-up can't be given a timeout, so the question is asked in a thread that
    is left behind when time is up.
    """
    answers: list[bool] = []
    thread = threading.Thread(
        target=lambda: answers.append(_answers(address, seconds)), daemon=True
    )
    thread.start()
    thread.join(seconds + 1)
    return bool(answers and answers[0])


def _answers(address: str, seconds: float) -> bool:
    try:
        request = urllib.request.Request(address, method="HEAD")
        urllib.request.urlopen(request, timeout=seconds).close()
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True
