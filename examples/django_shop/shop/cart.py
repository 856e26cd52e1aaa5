"""The basket of a visitor, kept in the session: how many of what, the codes typed, the points to burn."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

from loyaltycore import Basket, Line, Money
from shop.models import Product

__all__ = ["Cart"]

SHIPPING = Money.of("4.90", "EUR")


class Cart:
    """Reads and writes the session."""

    def __init__(self, session: MutableMapping[str, Any]) -> None:
        self._session = session
        self._kept: dict[str, Any] = session.get("cart") or {"order_id": str(uuid4()), "quantities": {}, "codes": [], "burn": 0}

    @property
    def order_id(self) -> str:
        """The id of the order it is to become: known before, so that a button pressed twice makes one order."""
        return str(self._kept["order_id"])

    @property
    def quantities(self) -> dict[str, int]:
        """How many, by the product's article number."""
        return dict(self._kept["quantities"])

    @property
    def codes(self) -> list[str]:
        """As typed."""
        return list(self._kept["codes"])

    @property
    def burn(self) -> int:
        """Points to pay with."""
        return int(self._kept["burn"])

    def add(self, sku: str, quantity: int) -> None:
        """Put something in."""
        quantities = self.quantities
        quantities[sku] = quantities.get(sku, 0) + quantity
        self._change(quantities=quantities)

    def ask(self, *, codes: list[str], burn: int) -> None:
        """Remember what the shopper would like to use."""
        self._change(codes=codes, burn=burn)

    def try_again(self) -> None:
        """Keep what is in it for another order: the last one came to nothing."""
        self._change()

    def clear(self) -> None:
        """Forget it."""
        self._session.pop("cart", None)

    def basket(self) -> Basket:
        """Give it as loyaltycore reads baskets, at the prices of now."""
        quantities = self.quantities
        products = Product.objects.filter(sku__in=list(quantities)).order_by("sku")
        lines = [
            Line(
                product.sku,
                Money.of(product.price, "EUR"),
                quantities[product.sku],
                product_id=product.sku,
                categories=[product.category],
            )
            for product in products
        ]
        return Basket(lines, currency="EUR", shipping=SHIPPING)

    def _change(self, **parts: object) -> None:
        self._kept = {**self._kept, **parts, "order_id": str(uuid4())}
        self._session["cart"] = self._kept
