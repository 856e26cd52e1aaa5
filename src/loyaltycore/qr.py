"""QR pictures of codes: for a page, a mail, a printed card, or a terminal.

A code is put down in capitals: digits, capitals and dashes take five and a half bits each, small letters eight, so the picture
stays small. Reading a code folds its case anyway. It needs the extra ``qr``.

Invariants:
    1. A scanner reads exactly the code as it is printed, in capitals.
    2. One code gives one picture, always the same.
    3. Around it stay four light modules, which scanners ask for.

>>> svg("HI-7K2M-Q4RT-9XBD").partition(">")[0]
'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 29 29"'
>>> png("HI-7K2M-Q4RT-9XBD")[:8] == bytes([137, 80, 78, 71, 13, 10, 26, 10])
True

Source: ISO/IEC 18004, alphanumeric mode and the quiet zone.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Final

import segno

from loyaltycore._checks import check_count, shown
from loyaltycore.errors import UsageError
from loyaltycore.identity import fold_code

__all__ = ["SCALE_LIMIT", "png", "svg", "terminal"]

SCALE_LIMIT: Final = 100
"""Pixels of one module: a picture stays below 10 million of them."""

_BORDER: Final = 4
"""Light modules around the picture, as the standard asks."""

_NAMESPACE: Final = "http://www.w3.org/2000/svg"
"""Without it a file is no picture; within a page it does no harm."""

_COLOURS, _PLAIN = "\x1b[97;40m", "\x1b[0m"
"""White on black, whatever the colours of the terminal, and back."""

_HALVES: Final = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
"""Two modules, one above the other, in one character: what is light is drawn."""


def svg(code: str) -> str:
    """Give the picture as SVG, which fills the room that the page gives it.

    Args:
        code: As it is printed; letters, digits, dashes and spaces.

    Returns:
        One ``<svg>`` element: it stands in a page, or in a file of its own.

    Raises:
        UsageError: No code.
    """
    element = _made(code).svg_inline(border=_BORDER, omitsize=True, light="#fff", svgclass=None, lineclass=None)
    return element.replace("<svg", f'<svg xmlns="{_NAMESPACE}"', 1)


def png(code: str, *, scale: int = 8) -> bytes:
    """Give the picture as PNG.

    Args:
        code: As for ``svg``.
        scale: Pixels of one module on a side, 1 to 100.

    Raises:
        UsageError: No code, or another scale.
    """
    check_count("scale", scale, high=SCALE_LIMIT)
    _, _, data = _made(code).png_data_uri(scale=scale, border=_BORDER).partition(",")
    return b64decode(data)


def terminal(code: str) -> str:
    """Give the picture as lines of text, for a terminal that shows colours and block characters.

    Args:
        code: As for ``svg``.

    Raises:
        UsageError: No code.
    """
    rows = [list(row) for row in _made(code).matrix_iter(border=_BORDER)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    lines = ["".join([_HALVES[pair] for pair in zip(upper, lower, strict=True)]) for upper, lower in pairs]
    return "\n".join(f"{_COLOURS}{line}{_PLAIN}" for line in lines)


def _made(code: str) -> segno.QRCode:
    fold_code(code)  # refuses what is no code
    text = code.upper()
    if not text.isascii() or not all(sign.isalnum() or sign in "- " for sign in text):
        msg = f"a code in a picture must be letters and digits of ASCII, dashes and spaces, got {shown(code)}"
        raise UsageError(msg)
    return segno.make(text, error="m", mode="alphanumeric", micro=False)
