"""The vendored table of currencies."""

from __future__ import annotations

import re

from iso4217 import Currency

from loyaltycore._currencies import EXPONENTS

# Nothing is priced in these: metals, funds without a minor unit, testing codes.
WITHOUT_MINOR_UNIT = {currency.code for currency in Currency if currency.exponent is None}


class TestExponents:
    def test_agree_with_the_standard(self) -> None:
        """Every currency of list one that has a minor unit, and no other, with its decimals."""
        assert {c.code: c.exponent for c in Currency if c.code not in WITHOUT_MINOR_UNIT} == EXPONENTS

    def test_left_out_have_no_minor_unit(self) -> None:
        """What is missing is known: gold is, the euro is not."""
        assert {"XAU", "XXX", "XTS", "XDR"} <= WITHOUT_MINOR_UNIT
        assert not WITHOUT_MINOR_UNIT & {"EUR", "JPY", "KWD", "CHF"}

    def test_codes_are_three_capitals(self) -> None:
        """The alphabetic code, never the numeric one."""
        assert all(re.fullmatch("[A-Z]{3}", code) for code in EXPONENTS)
