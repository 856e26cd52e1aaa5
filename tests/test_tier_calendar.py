"""The table and the picture of the guide are what the library answers."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tools.tier_calendar import FIRST, JOINED_ON, LAST, PAGE, PICTURE, main, picture, status_on, stays, table

pytestmark = pytest.mark.house


class TestCalendar:
    def test_the_picture_is_drawn_from_the_code(self) -> None:
        """`python -m tools.tier_calendar` writes it anew."""
        assert PICTURE.read_text(encoding="utf-8") == picture()

    def test_the_page_tells_the_same(self) -> None:
        """The table stands in the guide, word for word, and the picture above it."""
        page = PAGE.read_text(encoding="utf-8")
        assert table() in page
        assert f"({PICTURE.name})" in page

    def test_the_story_has_everything(self) -> None:
        """Joined, up, in grace, down, granted, and no day without a tier."""
        told = [(stay.tier, stay.why) for stay in stays()]
        assert told == [
            ("bronze", "earned"),
            ("silver", "earned"),
            ("gold", "earned"),
            ("gold", "grace"),
            ("silver", "earned"),
            ("gold", "granted"),
            ("silver", "earned"),
        ]
        assert (stays()[0].first, stays()[-1].last) == (JOINED_ON, LAST)
        assert all(one.last + timedelta(days=1) == following.first for one, following in zip(stays(), stays()[1:], strict=False))
        assert FIRST.year + 1 == LAST.year
        assert status_on(date(2026, 7, 1)).tier == "gold"

    def test_the_picture_is_sound(self) -> None:
        """It is XML, says what it shows, and everything lies on the card."""
        root = ET.fromstring(picture())
        width, height = (float(side) for side in root.attrib["viewBox"].split()[2:])
        assert root[0].text == "The tier of one member on every day of two years"
        for part in root:
            right = float(part.get("x", part.get("cx", part.get("x2", "0")))) + float(part.get("width", "0"))
            low = float(part.get("y", part.get("cy", part.get("y2", "0")))) + float(part.get("height", "0"))
            assert 0 <= right <= width
            assert 0 <= low <= height

    def test_written_anew(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The command writes the picture and prints the table."""
        monkeypatch.setattr("tools.tier_calendar.PICTURE", tmp_path / "again.svg")
        main()
        assert (tmp_path / "again.svg").read_text(encoding="utf-8") == picture()
        assert capsys.readouterr().out == table()
