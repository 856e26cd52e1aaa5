"""Every case that has an expression gives the known answer, or says why it cannot be expressed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.cases import Case, Differs, NotExpressible, Outcome, VendorInconsistent, Verdict, judge, load, registered, suites
from tests.cases.promotions import promotion
from tests.cases.vendors import worded
from tests.vendors.peers import PEERS
from tools.cases import in_domain

SUITES = ["liability", "points", "promotions", "vendors"]


TENTH = {"id": "o1", "kind": "percent_off_order", "percent": "10"}


OFF_SHIPPING: dict[str, object] = {
    "shipping": "5.00",
    "offers": [{"id": "o1", "kind": "fixed_amount_off_shipping", "amount": "3.00"}],
}


def basket_case(
    *,
    source_repo: str = "odoo/odoo",
    offer: dict[str, object] | None = None,
    top: dict[str, object] | None = None,
    **expected: object,
) -> Case:
    """Make a case: a tenth off 100.00, changed as asked."""
    return {
        "source_repo": source_repo,
        "currency": "USD",
        "lines": [{"sku": "A", "unit_price": "100.00", "quantity": 1}],
        "offers": [{**TENTH, **(offer or {})}],
        "expected": {"order_discount": "10.00", "total": "90.00", "applied": ["o1"], **expected},
        **(top or {}),
    }


@pytest.mark.shared
class TestSuites:
    @pytest.mark.parametrize("suite", SUITES)
    def test_answers_are_known(self, suite: str, shared: Path) -> None:
        """Ours agrees with every case that has an expression."""
        cases, expressions = load(shared, suite), registered(suite)
        outcomes = [judge(name, case, expressions.get(name)) for name, case in cases.items()]
        assert [outcome for outcome in outcomes if outcome.verdict is Verdict.DIFFERS] == []
        assert set(expressions) <= set(cases)

    @pytest.mark.parametrize("suite", SUITES)
    def test_suite_has_cases(self, suite: str, shared: Path) -> None:
        """Each suite is read, and every case has an id."""
        assert load(shared, suite)

    @pytest.mark.parametrize("suite", ["points", "vendors"])
    def test_points_are_all_expressed(self, suite: str, shared: Path) -> None:
        """Every case about points is said with ours; one that contradicts itself says so."""
        cases = {name: case for name, case in load(shared, suite).items() if in_domain(case, suite, "points")}
        verdicts = {name: judge(name, case, registered(suite).get(name)).verdict for name, case in cases.items()}
        assert {name for name, verdict in verdicts.items() if verdict is Verdict.VENDOR_INCONSISTENT} == {
            name for name, case in cases.items() if case.get("confidence") == "vendor-inconsistent"
        }
        assert set(verdicts.values()) <= {Verdict.PASS, Verdict.VENDOR_INCONSISTENT}

    @pytest.mark.parametrize(
        "domain",
        [
            *("offers", "qualification", "budgets", "campaign.schedule", "coupons", "sessions", "giftcards"),
            *("tiers", "events", "referrals"),
        ],
    )
    def test_vendor_rules_are_all_expressed(self, domain: str, shared: Path) -> None:
        """Every vendor's rule beside those about points is said with ours, and gives what is stated."""
        cases = {name: case for name, case in load(shared, "vendors").items() if in_domain(case, "vendors", domain)}
        assert cases
        assert {judge(name, case, registered("vendors").get(name)).verdict for name, case in cases.items()} == {Verdict.PASS}

    def test_no_case_of_a_vendor_is_left(self, shared: Path) -> None:
        """Points are compared above, and the rest by their domains: together they are all."""
        outcomes = [judge(name, case, registered("vendors").get(name)) for name, case in load(shared, "vendors").items()]
        assert {outcome.verdict for outcome in outcomes} == {Verdict.PASS, Verdict.VENDOR_INCONSISTENT}
        assert len(outcomes) >= 42

    def test_promotions_are_all_expressed(self, shared: Path) -> None:
        """Every basket of the eight engines is said with ours, and comes out as theirs."""
        outcomes = [judge(name, case, registered("promotions").get(name)) for name, case in load(shared, "promotions").items()]
        assert [outcome for outcome in outcomes if outcome.verdict is not Verdict.PASS] == []
        assert len(outcomes) >= 67

    def test_dates_are_numbered(self, shared: Path) -> None:
        """Cases without an id are numbered within their list."""
        assert "dates-1" in load(shared, "points")

    def test_every_module_is_a_suite(self) -> None:
        """A module with a misspelt name would never be compared."""
        assert set(suites()) <= set(SUITES)


def other(said: object) -> object:
    """Turn what a case expects into something else."""
    match said:
        case str() if set(said) <= set("0123456789."):
            return str(Decimal(said) + 1)
        case str():
            return "customer_limit_reached" if said == "usage_limit_reached" else "usage_limit_reached"
        case int():
            return said + 1
        case dict():
            # Which offer or code is meant stays as it is; what is said of it changes.
            return {word: one if word in {"offer", "code"} else other(one) for word, one in said.items()}
        case list() if said and isinstance(said[0], dict):
            return [other(one) for one in said]
        case list() if said and set(said[0]) <= set("0123456789."):
            return [other(said[0]), *said[1:]]
        case list():
            return [*said, "nobody"]
    pytest.fail(f"nothing here changes {said!r}")


@pytest.mark.shared
class TestPromotions:
    def test_every_expected_word_is_compared(self, shared: Path) -> None:
        """Another answer to any word of any case is noticed: the rule that reads them passes nothing over."""
        missed = []
        for name, case in load(shared, "promotions").items():
            for word, said in case["expected"].items():
                changed = {**case, "expected": {**case["expected"], word: other(said)}}
                if judge(name, changed, promotion).verdict is not Verdict.DIFFERS:
                    missed.append((name, word))
        assert missed == []

    @pytest.mark.parametrize("turned", ["lines", "offers"])
    def test_order_never_decides(self, turned: str, shared: Path) -> None:
        """Lines and offers the other way round give what is off, what is left and what applies all the same."""
        words = {"order_discount", "total", "shipping_discount", "applied"}
        for name, case in load(shared, "promotions").items():
            expected = {word: said for word, said in case["expected"].items() if word in words}
            other_way = {**case, turned: case[turned][::-1], "expected": expected}
            assert judge(name, other_way, promotion) == Outcome(name, Verdict.PASS)

    def test_every_engine_has_a_policy(self, shared: Path) -> None:
        """No case is compared under no policy at all, and no policy is without a case."""
        assert {case["source_repo"] for case in load(shared, "promotions").values()} == set(PEERS)


class TestWords:
    """What the rule for promotions does with a case that it was not written for; these need no shared data."""

    @pytest.mark.parametrize(
        "case,expected",
        [
            (basket_case(), Verdict.PASS),
            (basket_case(source_repo="an/engine-nobody-knows"), Verdict.PASS),
            (basket_case(total="90.01"), Verdict.DIFFERS),
            (basket_case(applied=["o1", "o2"]), Verdict.DIFFERS),
            (basket_case(offer={"percent": "150"}, order_discount="100.00", total="0.00"), Verdict.PASS),
            (basket_case(offer={"when": {"tag": "sale"}}, order_discount="0", total="100.00", applied=[]), Verdict.PASS),
            (basket_case(top=OFF_SHIPPING, order_discount="0", shipping_discount="3.00", total="102.00"), Verdict.PASS),
            (basket_case(offer={"currency": "CAD"}, order_discount="0", total="100.00", applied=[]), Verdict.PASS),
            (basket_case(rejections=[{"code": "X", "reason": "usage_limit_reached"}]), Verdict.DIFFERS),
            (basket_case(nudges=[{"offer": "o1", "missing_amount": "1.00"}]), Verdict.DIFFERS),
        ],
    )
    def test_case_of_the_kind(self, case: Case, expected: Verdict) -> None:
        """Any case in these words is compared."""
        assert judge("new", case, promotion).verdict is expected

    @pytest.mark.parametrize(
        "case,word",
        [
            (basket_case(weather="sunny"), "weather"),
            (basket_case(offer={"colour": "red"}), "colour"),
            (basket_case(offer={"kind": "magic"}), "magic"),
            (basket_case(offer={"when": {"moon": "full"}}), "moon"),
            (basket_case(offer={"scope": "moon"}), "scope"),
            (basket_case(offer={"stacking": "sideways"}), "sideways"),
            (basket_case(offer={"percent": "0"}), "percent"),
            (basket_case(offer={"max_applications": 2}), "max_applications"),
            (basket_case(top={"context": {"moon": "full"}}), "moon"),
            (basket_case(top={"policy": {"rounding": "down", "mood": "bad"}}), "mood"),
            (basket_case(top={"policy": {"remainder": "whoever asks"}}), "whoever asks"),
            (basket_case(top={"policy": {"level": "galaxy"}}), "galaxy"),
            (basket_case(top={"mood": "bad"}), "mood"),
            (basket_case(total="90.001"), "90.001"),
            (basket_case(rejections=[{"code": "X", "reason": "bad_weather"}]), "bad_weather"),
        ],
    )
    def test_word_that_nothing_reads_is_loud(self, case: Case, word: str) -> None:
        """A word that nothing reads is never passed over, wherever it stands."""
        outcome = judge("new", case, promotion)
        assert outcome.verdict is Verdict.NOT_EXPRESSIBLE
        assert word in outcome.reason

    @pytest.mark.parametrize(
        "offers",
        [
            [{"exclusive": True}, {"exclusive": False}],
            [{"respect_minimum_unit_price": True}, {"respect_minimum_unit_price": False}],
        ],
    )
    def test_what_belongs_to_all_offers(self, offers: list[dict[str, object]]) -> None:
        """What ours says of all offers and a case of each is not expressible where they differ."""
        said = [{**TENTH, "id": f"o{place}", **offer} for place, offer in enumerate(offers)]
        outcome = judge("new", {**basket_case(source_repo="django-oscar/django-oscar"), "offers": said}, promotion)
        assert outcome.verdict is Verdict.NOT_EXPRESSIBLE

    @pytest.mark.parametrize("prices", [("10.00", "20.00"), ("20.00", "10.00")])
    def test_sets_from_the_largest_line(self, prices: tuple[str, str]) -> None:
        """Sets that a peer fills from its largest line are found from the cheap or the dear end."""
        lines = [
            {"sku": sku, "unit_price": price, "quantity": count} for sku, price, count in zip("AB", prices, (3, 1), strict=True)
        ]
        offer = {"id": "o1", "kind": "discount_only_complete_groups", "group_size": 3, "amount_per_unit": "1.00"}
        case = {**basket_case(), "lines": lines, "offers": [offer], "expected": {"line_discounts": {"A": "3.00", "B": "0.00"}}}
        assert judge("new", case, promotion).verdict is Verdict.PASS

    def test_sets_whose_largest_line_lies_between(self) -> None:
        """Where the largest line is neither the cheapest nor the dearest, ours cannot say it."""
        lines = [
            {"sku": sku, "unit_price": price, "quantity": count}
            for sku, price, count in (("A", "10.00", 1), ("B", "20.00", 3), ("C", "30.00", 1))
        ]
        offer = {"id": "o1", "kind": "discount_only_complete_groups", "group_size": 3, "percent": "10"}
        case = {**basket_case(), "lines": lines, "offers": [offer], "expected": {"order_discount": "6.00"}}
        assert judge("new", case, promotion).verdict is Verdict.NOT_EXPRESSIBLE


def case_of(engine: str, lines: str, *offers: dict[str, object], **expected: object) -> Case:
    """Make a case from lines such as ``"mug 10.00 x2, shirt 20.00"``, and offers that are numbered."""
    parts = [line.split() for line in lines.split(", ")]
    return {
        "source_repo": engine,
        "currency": "USD",
        "lines": [
            {"sku": sku, "unit_price": price, "quantity": int(count[0].removeprefix("x")) if count else 1}
            for sku, price, *count in parts
        ],
        "offers": [{"id": f"o{number}", **offer} for number, offer in enumerate(offers, start=1)],
        "expected": expected,
    }


OSCAR, VENDURE, SYLIUS, MEDUSA = "django-oscar/django-oscar", "vendure-ecommerce/vendure", "Sylius/Sylius", "medusajs/medusa"
SOLIDUS, SPREE, ODOO = "solidusio/solidus", "spree/spree", "odoo/odoo"


def percent(percent: str, **more: object) -> dict[str, object]:
    """Take a percentage off the order."""
    return {"kind": "percent_off_order", "percent": percent, **more}


def amount(amount: str, **more: object) -> dict[str, object]:
    """Take an amount off the order."""
    return {"kind": "fixed_amount_off_order", "amount": amount, **more}


def off_goods(percent: str, **more: object) -> dict[str, object]:
    """Take a percentage off goods."""
    return {"kind": "percent_off_matching_items", "percent": percent, **more}


def buy_get(buy: int, get: int, *skus: str, **more: object) -> dict[str, object]:
    """Give some of these goods for buying some of them."""
    goods = {"buy": {"skus": list(skus)}, "get": {"skus": list(skus)}}
    return {"kind": "buy_x_get_y_free", "buy_quantity": buy, "get_quantity": get, **goods, **more}


class TestPeers:
    """The policy of each engine, on baskets worked out by hand from what the engine does."""

    @pytest.mark.parametrize(
        "case",
        [
            # Oscar shares 3.00 by 10.00 and 12.00 from the cheapest line on, rounds 1.3636 down, and gives the dearest the rest.
            case_of(
                OSCAR,
                "a 12.00, b 10.00",
                {"kind": "fixed_amount_off_shared_by_matching_items", "amount": "3.00"},
                line_discounts={"a": "1.64", "b": "1.36"},
            ),
            # It uses a unit once: the second offer finds none left.
            case_of(OSCAR, "a 10.00 x2", off_goods("10", priority=2), off_goods("50"), order_discount="2.00", applied=["o1"]),
            # It bundles the cheapest two, 5.00 and 7.00, and then none is left but one.
            case_of(
                OSCAR,
                "a 5.00, b 7.00, c 9.00",
                {"kind": "bundle_for_fixed_price", "quantity": 2, "price": "10.00"},
                order_discount="2.00",
            ),
            # The cheapest is free once for every full two: the two of 4.00.
            case_of(
                OSCAR,
                "a 4.00 x2, b 6.00 x2",
                {"kind": "cheapest_item_free", "when": {"min_items": 2}},
                order_discount="8.00",
            ),
            case_of(
                OSCAR,
                "a 4.00 x2, b 6.00 x2",
                {"kind": "cheapest_item_free", "when": {"min_items": 2}, "max_applications": 1},
                order_discount="4.00",
            ),
            # Vendure tests thresholds again on what is left: 18.00, halved, is below 10.00; and names what gives nothing.
            case_of(
                VENDURE,
                "a 6.00 x3",
                percent("50", priority=2),
                percent("10", when={"min_subtotal": "10.00"}),
                order_discount="9.00",
                applied=["o1"],
            ),
            case_of(VENDURE, "a 6.00", percent("100", priority=2), amount("5.00"), order_discount="6.00", applied=["o1", "o2"]),
            # It rounds 15 % of 0.50 once for each unit.
            case_of(VENDURE, "a 0.50 x3", off_goods("15"), order_discount="0.24"),
            # In Sylius only the priority orders offers, also one on the order before one on units.
            case_of(
                SYLIUS,
                "a 100.00",
                percent("50", priority=2),
                off_goods("30", priority=1),
                per_offer={"o1": {"a": "50.00"}, "o2": {"a": "30.00"}},
            ),
            # An exclusive offer stands alone there.
            case_of(SYLIUS, "a 100.00", percent("10", exclusive=True), amount("5.00"), order_discount="10.00", applied=["o1"]),
            # Equal shares leave a cent: the first line has it, whatever it is called.
            case_of(SPREE, "shirt 10.00, mug 10.00", amount("5.01"), line_discounts={"shirt": "2.51", "mug": "2.50"}),
            # Medusa buys the two of 10.00 and gives the dearest of the rest.
            case_of(MEDUSA, "a 5.00 x2, b 10.00 x2", buy_get(2, 1, "a", "b", max_applications=1), order_discount="5.00"),
            case_of(MEDUSA, "a 5.00 x2, b 10.00 x2", buy_get(1, 1, "a", "b", max_applications=1), order_discount="10.00"),
            # What it buys and gives serves no second such offer; a percentage still has its way with what is left to pay.
            case_of(
                MEDUSA,
                "a 10.00 x3",
                buy_get(1, 1, "a", max_applications=1),
                buy_get(1, 1, "a", max_applications=1),
                off_goods("10"),
                order_discount="12.00",
                applied=["o1", "o3"],
            ),
            # Solidus lets the better of two win on a line; Spree lets the best on lines and the best on the order both apply.
            case_of(SOLIDUS, "a 100.00", percent("10"), off_goods("15"), order_discount="15.00", applied=["o2"]),
            case_of(
                SPREE, "a 100.00", percent("10"), percent("5"), off_goods("15"), order_discount="25.00", applied=["o1", "o3"]
            ),
            # Odoo adds one free for every three, and takes a second percentage of what the first has left.
            case_of(
                ODOO,
                "a 10.00 x7",
                {"kind": "free_product_per_n_bought", "n": 3, "product": "a", "adds_line": True},
                free_units={"a": 2},
                total="70.00",
            ),
            case_of(
                ODOO,
                "a 10.00 x8",
                {"kind": "free_product_per_n_bought", "n": 3, "product": "a"},
                free_units={"a": 2},
                total="60.00",
            ),
            case_of(ODOO, "a 100.00", percent("10"), percent("20"), order_discount="28.00"),
            # A gift card that holds less than the total pays all it holds.
            case_of(
                ODOO,
                "a 100.00",
                {"kind": "gift_card", "balance": "30.00"},
                gift_card_paid="30.00",
                total="70.00",
                applied=["o1"],
            ),
            # Where a shop counts the uses of cancelled orders all the same, they use a code up.
            case_of(
                SYLIUS,
                "a 100.00",
                amount("10.00", code_limit=1, code_used_by_cancelled_orders=1, cancelled_orders_free_usage=False),
                order_discount="0",
                applied=[],
            ),
            # A budget of 100.00 of which 95.00 was spent leaves 5.00; Medusa gives nothing where that is not enough.
            case_of(
                MEDUSA,
                "a 100.00",
                percent("10", campaign_spend_limit="100.00", campaign_spent="95.00"),
                order_discount="0",
                applied=[],
            ),
            case_of(
                OSCAR,
                "a 100.00",
                percent("10", campaign_spend_limit="100.00", campaign_spent="95.00"),
                order_discount="5.00",
            ),
        ],
    )
    def test_policy_of_the_engine(self, case: Case) -> None:
        """What the table says of an engine is what comes out."""
        assert judge("by hand", case, promotion) == Outcome("by hand", Verdict.PASS)


def worded_case(given: str, **expect: object) -> Case:
    """Make a case that is read by its words."""
    return {"given": given, "expect": expect}


CAPS = "maxApplications {}, maxApplicationsPerCustomer {}; a customer's {} use."
LOCK = "Redemption limit {}; {} validation sessions opened."
TOP_UP = "Campaign amount 100: reward balance {}. Existing card 46 topped up by {}."
TWICE = "Codes '{}' and '{}' both active for the same customer scope."
PUBLISHED = "Valid {} after publishing; published {} before campaign end."
UNITS = "Max {} discounted units per campaign; buyers take {}."
RANGES = "Basic 0-99, Silver 100-499, Gold 500+."
BALANCE = RANGES + " Balance events: {}."
EARNED = RANGES + " Points earned{} events: {}."
FIXED = "Fixed duration {}; reached Silver {}; balance falls on {}."
OVER = RANGES + " {}; Gold expires with {} points."
PROJECTED = RANGES + " Gold expires; projected active points {}."
BORN = "Customer enters a birthday falling {} {} days."
BRINGS = "Advocate gets 10 points for each friend{}; {} friends buy."
THIS_YEAR = {"this_year": "rewarded on the day", "next_year": "rewarded on the day"}
NEXT_YEAR = {"this_year": "no reward", "next_year": "rewarded on the day"}
FIELDS = ["projected_active_points", "stay_in_tier_points (only if a downgrade is projected)", "projected_tier_name"]


class TestWorded:
    """Cases that are read by their words, with other numbers than those that are known."""

    @pytest.mark.parametrize(
        "case",
        [
            worded_case(CAPS.format(100, 2, "third"), state="MaxApplicationReached"),
            worded_case(CAPS.format(100, 3, "third"), state="MatchesCart"),
            worded_case(CAPS.format(2, 5, "3rd"), state="MaxApplicationReached"),
            worded_case("maxApplicationsPerCustomer 2; a customer's second use.", state="MatchesCart"),
            worded_case("maxApplications 3; a customer's fourth use.", state="MaxApplicationReached"),
            worded_case(TWICE.format("Love-1", "L0VE-I"), allowed=False),
            worded_case(TWICE.format("LOVE-1", "LOVE-2"), allowed=True, charset="a-z 0-9 -"),
            worded_case(PUBLISHED.format("48 h", "two hours"), valid_for="48 h (overrides the campaign end)"),
            worded_case(PUBLISHED.format("24 h", "three days"), valid_for="24 h"),
            worded_case(LOCK.format(2, "three"), opened=2, third="quantity_exceeded", default_ttl="30 minutes"),
            worded_case(LOCK.format(4, 4), opened=4),
            worded_case(LOCK.format(1, "two"), opened=1, first=None, second="quantity_exceeded"),
            worded_case(TOP_UP.format("0, then 10", "10"), balances=[100, 110, 56]),
            worded_case(TOP_UP.format("2.50, 3 then 4", "0.01"), balances=["102.50", 103, 104, "46.01"]),
            worded_case(UNITS.format(10, "5, 4, 3"), discounted=[5, 4, 1]),
            worded_case(UNITS.format(3, "4, 1"), discounted=[3, 0]),
            worded_case(BALANCE.format("2026-01-10 +500; 2026-02-15 spend 401"), **{"2026-01-12": "Gold", "2026-02-15": "Basic"}),
            worded_case(BALANCE.format("2026-01-10 earn 99; 2026-01-10 +1"), **{"2026-01-10": "Silver (balance 100)"}),
            worded_case(EARNED.format("", "2026-01-10 +120; 2026-02-15 -100"), **{"2026-03-01": "Silver"}),
            worded_case(EARNED.format(" in a calendar year", "2026-12-31 +60; 2027-01-01 +60"), **{"2027-01-01": "Basic"}),
            worded_case(EARNED.format(" in 3 months", "2026-12-31 +60; 2027-01-01 +60"), **{"2027-01-01": "Silver"}),
            worded_case(FIXED.format("2 months", "20 December", "3 January"), expires_at="21 February 00:00"),
            worded_case(FIXED.format("1 year", "20 July 2024", "21 July 2024"), expires_at="21 July 2025 00:00"),
            worded_case(FIXED.format("two weeks", "1 May", "2 May"), counts_from="1 May", expires_at="16 May 00:00"),
            worded_case(OVER.format("one_down", 0), tier="Silver"),
            worded_case(OVER.format("balance_based", 99), tier="Basic"),
            worded_case(OVER.format("Multi-level downgrade", 100), tier="Silver"),
            worded_case(OVER.format("No downgrade", 0), tier="Gold"),
            worded_case(PROJECTED.format(420), stay_in_tier_points=80, projected_tier_name="Silver"),
            worded_case(PROJECTED.format(510), projected_active_points=510, projected_tier_name="Gold"),
            worded_case("Tier expires; projected active points at threshold.", fields=FIELDS),
            worded_case("Fixed duration 30 days; reached Gold 31 January.", counts_from="31 January", expires_at="3 March 00:00"),
            worded_case("Customer enters a birthday falling today.", **NEXT_YEAR),
            worded_case(BORN.format("in", 31), **THIS_YEAR),
            worded_case(BORN.format("in", 30), **NEXT_YEAR),
            worded_case(BORN.format("within the next", 7), **NEXT_YEAR),
            worded_case("Customer born on 29 February.", **{"2027": "28 February", "2028": "29 February"}),
            worded_case("Advocate enters own referral code.", error="ReferralRecipientIdSameAsAdvocate"),
            worded_case("Referred customer uses a second referral code.", error="ReferralCustomerAlreadyReferred"),
            worded_case("Friend enters an unknown referral code.", error="ReferralNotFound"),
            worded_case("Existing customer redeems a referral code.", error="referral_already_customer"),
            worded_case("Referrer uses the friend's referral code.", error="referral_circular"),
            worded_case(BRINGS.format(", 50 more at 3 friends", 3), rewarded=3, points=80),
            worded_case(BRINGS.format(", limit 2 friends", "3"), points=20),
        ],
    )
    def test_other_numbers(self, case: Case) -> None:
        """Any case that is said so is compared."""
        assert judge("new", case, worded) == Outcome("new", Verdict.PASS)

    @pytest.mark.parametrize(
        "case",
        [
            worded_case(CAPS.format(100, 2, "second"), state="MaxApplicationReached"),
            worded_case(TWICE.format("AAA-1", "BBB-1"), allowed=False),
            worded_case(TWICE.format("ABC-1", "abc-1"), allowed=False, charset="a-z _"),
            worded_case(PUBLISHED.format("24 h", "one hour"), valid_for="1 h"),
            worded_case(LOCK.format(4, "five"), opened=5),
            worded_case(LOCK.format(4, "five"), opened=4, fourth="quantity_exceeded"),
            worded_case(TOP_UP.format("0", "10"), balances=[100, 55]),
            worded_case(UNITS.format(10, "5, 4, 3"), discounted=[5, 4, 3]),
            worded_case(BALANCE.format("2026-01-10 +500; 2026-02-15 spend 401"), **{"2026-02-15": "Gold"}),
            worded_case(BALANCE.format("2026-01-10 +100"), **{"2026-01-10": "Silver (balance 101)"}),
            worded_case(EARNED.format("", "2026-01-10 +120"), **{"2026-03-01": "Basic"}),
            worded_case(FIXED.format("30 days", "20 July", "25 July"), expires_at="19 August 00:00"),
            worded_case(FIXED.format("30 days", "20 July", "25 July"), counts_from="25 July"),
            worded_case(OVER.format("one_down", 0), tier="Basic"),
            worded_case(PROJECTED.format(420), stay_in_tier_points=420),
            worded_case("Tier expires; projected active points below threshold.", fields=FIELDS[:1]),
            worded_case("Tier expires; projected active points above threshold.", fields=["stay_in_tier_points", *FIELDS]),
            worded_case(BORN.format("within the next", 31), **THIS_YEAR),
            worded_case("Customer born on 29 February.", **{"2027": "1 March"}),
            worded_case("Code owner redeems own referral code.", error="ReferralCustomerAlreadyReferred"),
            worded_case(BRINGS.format("", 3), rewarded=3, points=31),
        ],
    )
    def test_another_answer_differs(self, case: Case) -> None:
        """They are compared indeed."""
        assert judge("new", case, worded).verdict is Verdict.DIFFERS

    @pytest.mark.parametrize(
        "case,why",
        [
            (worded_case("Redemption limit some; five validation sessions opened.", opened=4), "no number: some"),
            (worded_case(PUBLISHED.format("24 moons", "one hour"), valid_for="24 moons"), "no span of time: 24 moons"),
            (worded_case(LOCK.format(4, "five"), opened=4, mood="bad"), "nothing reads mood"),
            (worded_case("Basic 0-99, Gold 500+. Balance events: 2026-01-10 +1."), "a ladder has no gaps: Basic 0-99, Gold 500+"),
            (worded_case(EARNED.format(" in 2 moons", "2026-01-10 +1")), "no period: 2 moons"),
            (worded_case(FIXED.format("30 days", "1 Floreal", "2 Floreal")), "no month: Floreal"),
            (worded_case(OVER.format("up_only", 0), tier="Gold"), "nothing reads up_only"),
            (worded_case(BORN.format("in", 3), this_year="cake", next_year="cake"), "nothing reads cake"),
            (worded_case("The moon is full."), "no expression yet"),
            ({}, "no expression yet"),
        ],
    )
    def test_words_that_nothing_reads_are_loud(self, case: Case, why: str) -> None:
        """Nothing is passed over in silence."""
        assert judge("new", case, worded) == Outcome("new", Verdict.NOT_EXPRESSIBLE, why)

    def test_a_case_without_a_rule_of_its_own_is_read(self) -> None:
        """Whatever its id."""
        assert registered("vendors").get("new") is worded
        assert registered("vendors")["v-exclusive"] is not worded


class TestJudge:
    def test_agreement_is_a_pass(self) -> None:
        """An expression that returns has passed."""
        assert judge("a", {}, lambda case: case) == Outcome("a", Verdict.PASS)

    def test_another_answer_differs(self) -> None:
        """An expression that raises Differs gives its text as the reason."""

        def expression(_: object) -> None:
            text = "10, not 9"
            raise Differs(text)

        assert judge("a", {}, expression) == Outcome("a", Verdict.DIFFERS, "10, not 9")

    def test_reason_without_expression(self) -> None:
        """What cannot be said says why."""
        assert judge("a", {}, NotExpressible("no FIFO")) == Outcome("a", Verdict.NOT_EXPRESSIBLE, "no FIFO")

    def test_vendor_that_contradicts_itself(self) -> None:
        """Where there are two answers, the reading that ours takes is named."""

        def expression(_: object) -> None:
            text = "ours counts both days"
            raise VendorInconsistent(text)

        assert judge("a", {}, expression) == Outcome("a", Verdict.VENDOR_INCONSISTENT, "ours counts both days")

    def test_unknown_case_is_not_expressible_yet(self) -> None:
        """A case that nobody wrote an expression for is no pass."""
        assert judge("a", {}, None).verdict is Verdict.NOT_EXPRESSIBLE


class TestDomain:
    @pytest.mark.parametrize(
        "domain,expected",
        [(None, True), ("points", True), ("points.earn", True), ("points.ea", False), ("tiers", False)],
    )
    def test_domain_holds_what_lies_below(self, domain: str | None, *, expected: bool) -> None:
        """A domain is a path: whole words only."""
        assert in_domain({"domain": "points.earn"}, "vendors", domain) is expected
