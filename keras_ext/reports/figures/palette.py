"""The colours of the figures, by what they stand for."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Palette:
    """One colour, as ``#rrggbb``, for each thing that a figure shows.

    Args:
        ink: text that matters; muted: axes and notes; grid: lines to read values by.
        train, train_validation, validation: the errors of these names. Avoidable bias ends at the
            train error and variance at the validation error, so each gap has the colour of the
            error it ends at.
        optimal: the optimal error.
        mistake: what is still wrong.
    """

    ink: str = "#20262e"
    muted: str = "#68707b"
    grid: str = "#dfe2e6"
    train: str = "#2c6fbb"
    train_validation: str = "#8a5fb0"
    validation: str = "#c8641b"
    optimal: str = "#3f8060"
    mistake: str = "#b03a48"

    @classmethod
    def placeholders(cls) -> Palette:
        """Colours nobody would choose, each found again in an SVG to make it follow the page.

        >>> Palette.placeholders().ink
        '#fe0d01'
        """
        return cls(*(f"#fe0d{number:02x}" for number, _ in enumerate(fields(cls), start=1)))

    def roles(self) -> dict[str, str]:
        """Each colour's role.

        >>> Palette().roles()["#2c6fbb"]
        'train'
        """
        return {getattr(self, item.name): item.name for item in fields(self)}
