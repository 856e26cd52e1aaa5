"""QR pictures of codes, read back module by module."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._alphabets import CROCKFORD
from loyaltycore.errors import UsageError
from loyaltycore.qr import SCALE_LIMIT, png, svg, terminal

CODE = "HI-7K2M-Q4RT-9XBD"
SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""The alphanumeric mode of ISO/IEC 18004, in the order of its values."""

SVG = "http://www.w3.org/2000/svg"
BORDER = 4
SIZE = 21
"""Modules of the smallest QR picture, which holds 20 signs of the alphanumeric mode."""

MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda row, column: (row + column) % 2 == 0,
    lambda row, _: row % 2 == 0,
    lambda _, column: column % 3 == 0,
    lambda row, column: (row + column) % 3 == 0,
    lambda row, column: (row // 2 + column // 3) % 2 == 0,
    lambda row, column: row * column % 2 + row * column % 3 == 0,
    lambda row, column: (row * column % 2 + row * column % 3) % 2 == 0,
    lambda row, column: ((row + column) % 2 + row * column % 3) % 2 == 0,
)

Modules = list[list[bool]]


def read(modules: Modules) -> str:
    """Read a picture of 21 by 21 modules as a scanner does that trusts what it sees: no errors are corrected."""
    bordered = len(modules)
    assert bordered == SIZE + 2 * BORDER
    assert all(len(row) == bordered for row in modules)
    inside = range(BORDER, BORDER + SIZE)
    assert not any(modules[r][c] for r in range(bordered) for c in range(bordered) if r not in inside or c not in inside)
    square = [[modules[row][column] for column in inside] for row in inside]
    # Three bits beside the upper left corner name the mask; five of them are turned over by a fixed pattern.
    mask = MASKS[int("".join(str(int(square[8][column])) for column in (2, 3, 4)), 2) ^ 0b101]
    bits = list[int]()
    for number, right in enumerate((20, 18, 16, 14, 12, 10, 8, 5, 3, 1)):
        rows = range(SIZE) if number % 2 else range(SIZE - 1, -1, -1)
        for row in rows:
            for column in (right, right - 1):
                in_corner = (row < 9 and (column < 9 or column > 12)) or (row > 12 and column < 9)
                if not in_corner and row != 6:
                    bits.append(square[row][column] ^ mask(row, column))
    text = "".join(str(int(bit)) for bit in bits)
    assert text[:4] == "0010", "the alphanumeric mode"
    length, at, signs = int(text[4:13], 2), 13, ""
    for _ in range(length // 2):
        pair, at = int(text[at : at + 11], 2), at + 11
        signs += SIGNS[pair // 45] + SIGNS[pair % 45]
    return signs + (SIGNS[int(text[at : at + 6], 2)] if length % 2 else "")


def of_png(data: bytes) -> tuple[int, Modules]:
    """Read the pixels of a PNG in shades of grey, as segno writes it; give its width and its modules."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, packed, width, depth = 8, b"", 0, 0
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + length]
        assert struct.unpack(">I", data[place + 8 + length : place + 12 + length])[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert (width, depth, colour) == (height, 1, 0)
        packed += body if kind == b"IDAT" else b""
        place += 12 + length
    raw, stride = zlib.decompress(packed), (width + 7) // 8 + 1
    rows = [bytes(stride)]
    for start in range(0, len(raw), stride):
        filtered, row = raw[start], raw[start : start + stride]
        assert filtered in {0, 2}, "each row by itself, or as it differs from the one above"
        rows.append(
            b"\0" + row[1:]
            if filtered == 0
            else b"\0" + bytes([(one + above) % 256 for one, above in zip(row[1:], rows[-1][1:], strict=True)])
        )
    pixels = [[not row[1 + x // 8] >> (7 - x % 8) & 1 for x in range(width)] for row in rows[1:]]
    scale = width // (SIZE + 2 * BORDER)
    assert all(pixels[y][x] == pixels[y - y % scale][x - x % scale] for y in range(width) for x in range(width))
    return width, [row[::scale] for row in pixels[::scale]]


def of_terminal(text: str) -> Modules:
    """Read the lines of a terminal: white halves are light."""
    modules: Modules = []
    for line in text.split("\n"):
        assert line.startswith("\x1b[97;40m")
        assert line.endswith("\x1b[0m")
        signs = line.removeprefix("\x1b[97;40m").removesuffix("\x1b[0m")
        modules += [[sign in " ▄" for sign in signs], [sign in " ▀" for sign in signs]]
    assert not any(modules[-1])
    return modules[:-1]  # an odd number of rows is filled up with light


def of_svg(text: str) -> Modules:
    """Draw the paths of an SVG: dashes of one module's height."""
    root = ET.fromstring(text)
    size = int(root.attrib["viewBox"].split()[2])
    modules = [[False] * size for _ in range(size)]
    path = root.findall(f"{{{SVG}}}path")[-1].attrib["d"]
    x, y = 0, 0.0
    for step, across, down in re.findall(r"([Mmh])(-?[0-9.]+)(?: (-?[0-9.]+))?", path):
        if step == "h":
            for column in range(x, x + int(across)):
                modules[int(y)][column] = True
            x += int(across)
        else:
            x, y = (int(across), float(down)) if step == "M" else (x + int(across), y + float(down))
    return modules


codes = st.text(alphabet=CROCKFORD + "-", min_size=4, max_size=20).filter(lambda code: code.strip("-"))


class TestLaws:
    @given(codes)
    def test_a_scanner_reads_the_code(self, code: str) -> None:
        """Each picture says the code as it is printed, all three say the same."""
        modules = of_svg(svg(code))
        assert read(modules) == code
        assert of_terminal(terminal(code)) == modules
        assert of_png(png(code, scale=1)) == (SIZE + 2 * BORDER, modules)


class TestPictures:
    def test_capitals(self) -> None:
        """Small letters would take a larger picture: a code is put down in capitals."""
        assert svg(CODE.lower()) == svg(CODE)
        assert read(of_svg(svg("hi 7k2m"))) == "HI 7K2M"

    def test_svg_stands_alone(self) -> None:
        """It fills the room it is given, on white, with no size of its own."""
        root = ET.fromstring(svg(CODE))
        assert root.tag == f"{{{SVG}}}svg"
        assert root.attrib == {"viewBox": "0 0 29 29"}
        assert root.find(f"{{{SVG}}}path[@fill='#fff']") is not None

    @pytest.mark.parametrize("scale", [1, 2, 8])
    def test_scale(self, scale: int) -> None:
        """A module is so many pixels wide."""
        width, modules = of_png(png(CODE, scale=scale))
        assert (width, read(modules)) == (29 * scale, CODE)

    def test_largest_scale(self) -> None:
        """The limit is allowed."""
        assert struct.unpack(">II", png(CODE, scale=SCALE_LIMIT)[16:24]) == (2_900, 2_900)

    def test_scale_left_out(self) -> None:
        """Eight pixels, sharp in a mail."""
        assert png(CODE) == png(CODE, scale=8)

    @pytest.mark.parametrize("scale", [0, SCALE_LIMIT + 1, 1.5, True])
    def test_other_scales(self, scale: int) -> None:
        """No picture without pixels, and none that fills the memory."""
        with pytest.raises(UsageError, match="scale must be"):
            png(CODE, scale=scale)

    @pytest.mark.parametrize("draw", [svg, png, terminal])
    @pytest.mark.parametrize(
        "code", ["", "---", "HI_7K2M", "ÉTÉ10", "\N{FULLWIDTH LATIN CAPITAL LETTER H}I7K", "A" * 65, "HI\n10", "HI-7K2M\u2028"]
    )
    def test_what_is_no_code(self, draw: Callable[[str], object], code: str) -> None:
        """Only letters and digits of ASCII, dashes and spaces are printed, and so drawn."""
        with pytest.raises(UsageError, match="code"):
            draw(code)

    def test_longest(self) -> None:
        """A code of 64 signs has a picture."""
        assert ET.fromstring(svg("A" * 64)).attrib["viewBox"] == "0 0 41 41"
