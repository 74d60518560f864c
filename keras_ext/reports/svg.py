"""A figure as inline SVG whose colours are the page's."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from keras_ext.reports.figures import Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Matplotlib writes these by default; without them the same figure gives the same bytes.
NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}

ROLES = Palette.placeholders().roles()


def inline_svg(figure: Figure, *, name: str, title: str) -> str:
    """The figure as an ``<svg>`` element to put into an HTML page.

    It scales with its column, takes the page's font, and its colours follow the page's theme: each
    colour of ``Palette.placeholders()`` becomes ``var(--ink)``, ``var(--train)`` and so on. The
    same figure always gives the same text.

    Args:
        figure: drawn with ``Palette.placeholders()``.
        name: stands in front of every id, so that figures of one page don't share any.
        title: what it shows, for those who can't see it.
    """
    root = ElementTree.fromstring(_saved(figure, name))
    for element in list(root.iter()):
        _plain(element)
    _drop(root, {"metadata", "style"})
    _rename(root, name)
    box = root.get("viewBox", "0 0 1 1")
    root.attrib = {"viewBox": box, "role": "img", "aria-labelledby": f"{name}-title"}
    heading = ElementTree.Element("title", {"id": f"{name}-title"})
    heading.text = title
    root.insert(0, heading)
    return ElementTree.tostring(root, encoding="unicode")


def _saved(figure: Figure, salt: str) -> bytes:
    """SVG as matplotlib writes it, with words as words and ids that don't change."""
    import matplotlib

    file = io.BytesIO()
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": salt}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # The reader's browser has the letters that the font of the layout lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(file, format="svg", metadata=NO_METADATA)
    return file.getvalue()


def _plain(element: ElementTree.Element) -> None:
    """Without XML namespaces, which HTML does not need, fonts of its own, and long fractions."""
    element.tag = element.tag.rpartition("}")[2]
    element.attrib = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    for key, value in element.attrib.items():
        if key == "style":
            value = re.sub(r"font-family:[^;]*;? ?", "", value)
        if key == "d":
            value = re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.2f}", value)
        for color, role in ROLES.items():
            value = value.replace(color, f"var(--{role})")
        element.set(key, value)


def _drop(parent: ElementTree.Element, tags: set[str]) -> None:
    for child in list(parent):
        if child.tag in tags:
            parent.remove(child)
        else:
            _drop(child, tags)


def _rename(root: ElementTree.Element, name: str) -> None:
    """Give the ids that are referred to the prefix of this figure; remove the others."""
    used: set[str] = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            found = re.findall(r"^#(.+)$" if key == "href" else r"url\(#([^)]+)\)", value)
            for reference in found:
                element.set(key, value.replace(f"#{reference}", f"#{name}-{reference}"))
            used.update(found)
    for element in root.iter():
        identity = element.attrib.pop("id", None)
        if identity in used:
            element.set("id", f"{name}-{identity}")
