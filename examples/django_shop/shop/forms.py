"""What a browser may send."""

from __future__ import annotations

from typing import ClassVar

from django import forms

from shop.models import Item, Product

__all__ = ["AddForm", "AskForm", "RefundForm"]


class AddForm(forms.Form):
    """Something for the basket."""

    product = forms.ModelChoiceField(Product.objects.all(), to_field_name="sku")
    quantity = forms.IntegerField(min_value=1, max_value=100, initial=1)


class AskForm(forms.Form):
    """A code and the points to pay with."""

    code = forms.CharField(required=False, max_length=64)
    burn = forms.IntegerField(required=False, min_value=0, max_value=1_000_000, label="points to burn")


class RefundForm(forms.Form):
    """What came back."""

    return_id = forms.SlugField(label="return number")
    item = forms.ModelChoiceField(Item.objects.none())
    quantity = forms.IntegerField(min_value=1, initial=1)

    field_order: ClassVar = ["return_id", "item", "quantity"]
