"""Campaigns: what opens them, from when to when their coupons count, and the switch that stops them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Money, Program
from loyaltycore._code_space import CodeSpace, SecretKey
from loyaltycore.benefits import FreeShipping, PercentOff
from loyaltycore.conditions import (
    Base,
    code_presented,
    coupon_held,
    first_order,
    is_member,
)
from loyaltycore.coupons import (
    HUMAN,
    Campaign,
    CampaignResumed,
    CampaignStopped,
    Coupon,
    CouponCampaign,
    CouponRevoked,
    FreedBy,
    Limits,
)
from loyaltycore.errors import CorruptStateError, CurrencyMismatchError, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Fact
from loyaltycore.offers import Combines, Lane, Offer, Times
from loyaltycore.periods import Calendar, Period, Term, Through, Window

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
PARIS, NEW_YORK = Calendar("Europe/Paris"), Calendar("America/New_York")
TEN = PercentOff("10")
KEY = SecretKey("2026a", bytes(range(32)))
PROGRAM = """
[program]
name = "velo"
version = 1
currency = "EUR"
zone = "Europe/Paris"
starts_on = 2026-07-01
[stacking]
mode = "best"
"""


def campaign(campaign_id: str = "welcome", **said: Any) -> CouponCampaign:  # noqa: ANN401 - the fields of a campaign
    """Make one that takes ten per cent off."""
    return CouponCampaign(campaign_id, **{"give": TEN, "codes": None, **said})


def ends(valid_for: object, granted: str, *, calendar: Calendar = PARIS, window: Window | None = None) -> str | None:
    """Say when a coupon ends that is granted at an instant."""
    found = campaign(valid_for=valid_for, window=window).dates(datetime.fromisoformat(granted), calendar=calendar)[1]
    return None if found is None else found.isoformat()


class TestCouponCampaign:
    def test_one_code_for_everybody(self) -> None:
        """The id is the code, and the offer asks for it."""
        summer = campaign("SUMMER10", codes=HUMAN)
        assert (summer.is_human, summer.space_id) == (True, None)
        assert summer.offer == Offer("SUMMER10", when=code_presented("SUMMER10"), give=TEN)

    def test_codes_of_a_machine(self) -> None:
        """Only the name of the space is kept, and the offer asks for a coupon."""
        space = CodeSpace(KEY, pattern="HI-####-####-####", context="velo")
        welcome = campaign(codes=space)
        assert welcome == campaign(codes="velo/H1############")
        assert (welcome.is_human, welcome.space_id) == (False, "velo/H1############")
        assert welcome.offer == Offer("welcome", when=coupon_held("welcome"), give=TEN)
        assert KEY.check_value not in repr(welcome)

    def test_coupons_without_codes(self) -> None:
        """Members hold them."""
        assert (campaign().is_human, campaign().space_id, campaign().codes) == (False, None, None)

    @pytest.mark.parametrize("codes", [HUMAN, "velo/H1############", None])
    def test_what_must_hold_besides(self, codes: str | None) -> None:
        """The code or the coupon comes first, then the rest."""
        summer = campaign("SUMMER10", codes=codes, when=is_member() & first_order())
        opened = code_presented("SUMMER10") if codes == HUMAN else coupon_held("SUMMER10")
        assert summer.offer.when == opened & (is_member() & first_order())

    def test_the_offer_has_its_fields(self) -> None:
        """All that is said of an offer is said of it."""
        said: dict[str, Any] = {
            "lane": Lane.PRODUCT,
            "priority": 5,
            "base": Base.RUNNING,
            "combines": Combines.ALONE,
            "group": "codes",
            "discount_limit": Money(500, "EUR"),
            "limits": Limits(total=500, per_member=Times(per_month=1), freed_by=FreedBy.RETURNED),
            "window": Window(starts_at=NOW, ends_at=NOW + DAY),
        }
        assert campaign(**said).offer == Offer("welcome", when=coupon_held("welcome"), give=TEN, **said)
        names = {field.name for field in attrs.fields(Offer)} - {"offer_id"}
        assert names == {*said, "when", "give"}

    def test_its_own_lane(self) -> None:
        """As of an offer."""
        assert campaign().lane is campaign().offer.lane is Lane.BASKET
        assert campaign(give=FreeShipping()).lane is campaign(give=FreeShipping()).offer.lane is Lane.SHIPPING

    def test_the_window_of_the_offer(self) -> None:
        """With coupons that have an end of their own the offer runs as long as they do."""
        window = Window(starts_at=NOW, ends_at=NOW + DAY)
        assert campaign(window=window).offer.window == window
        assert campaign(window=window, valid_for=Period(days=30)).offer.window is None

    @pytest.mark.parametrize(
        "said,message",
        [
            ({"campaign_id": "ten off"}, "campaign_id must be"),
            ({"campaign_id": ""}, "campaign_id must be"),
            ({"automatic": 1}, "automatic must be of type bool"),
            ({"codes": ""}, "codes must be text"),
            ({"codes": 5}, "codes must be text"),
            ({"valid_for": 30}, "valid_for must be a Period, a Term or a timedelta, got 30"),
            ({"valid_for": "30 days"}, "valid_for must be a Period"),
            ({"valid_for": 0 * HOUR}, "valid_for must be above 0 and at most 366 days"),
            ({"valid_for": -HOUR}, "valid_for must be above 0"),
            ({"valid_for": 366 * DAY + TICK}, "valid_for must be above 0 and at most 366 days"),
            ({"codes": HUMAN, "valid_for": HOUR}, "campaign 'welcome' has one code for everybody"),
            ({"codes": HUMAN, "automatic": True}, "campaign 'welcome' has one code for everybody"),
            ({"codes": HUMAN, "campaign_id": "a_b"}, "a code must be letters and digits"),
            ({"when": coupon_held("sorry")}, "campaign 'welcome' must not ask for a coupon itself"),
            (
                {"when": is_member() & (first_order() | coupon_held("welcome"))},
                "campaign 'welcome' must not ask for a coupon itself",
            ),
            ({"when": "member"}, "a condition must be"),
            ({"give": "10"}, "a benefit must be"),
            ({"limits": None}, "limits"),
            ({"group": "a b"}, "group"),
        ],
    )
    def test_what_is_refused(self, said: dict[str, Any], message: str) -> None:
        """At once, and whatever of it the offer would refuse too."""
        with pytest.raises(UsageError, match=f"^{message}"):
            campaign(**{"campaign_id": "welcome", **said})

    @pytest.mark.parametrize("valid_for", [TICK, 366 * DAY, Period(days=1), Term(Period(years=100)), None])
    def test_how_long(self, valid_for: object) -> None:
        """Any span above nothing: in hours up to a leap year."""
        assert campaign(valid_for=valid_for).valid_for == valid_for

    @pytest.mark.parametrize("code", ["AB", "a-b", "A_"])
    def test_a_code_for_everybody_is_not_too_short(self, code: str) -> None:
        """Two letters are typed by accident; the id of a campaign without such a code may be short."""
        with pytest.raises(UsageError, match=r"^a code must"):
            campaign(code, codes=HUMAN)
        assert campaign(code).campaign_id == code


class TestDates:
    @pytest.mark.parametrize(
        "window,expected",
        [
            (None, (None, None)),
            (Window(starts_at=NOW, ends_at=None), (NOW, None)),
            (Window(starts_at=None, ends_at=NOW + DAY), (None, NOW + DAY)),
            (Window(starts_at=NOW, ends_at=NOW + DAY), (NOW, NOW + DAY)),
        ],
    )
    def test_as_the_window_says(self, window: Window | None, expected: tuple[datetime | None, datetime | None]) -> None:
        """Without a span of its own, whenever it was granted."""
        for granted in (NOW - 99 * DAY, NOW, NOW + 99 * DAY):
            assert campaign(window=window).dates(granted, calendar=PARIS) == expected

    def test_beyond_the_end_of_the_window(self) -> None:
        """Granted an hour before the campaign ends, valid for a day: the day counts."""
        july = Window(starts_at=NOW - DAY, ends_at=NOW)
        flash = campaign(window=july, valid_for=24 * HOUR)
        assert flash.dates(NOW - HOUR, calendar=PARIS) == (NOW - DAY, NOW + 23 * HOUR)
        assert flash.closed(at=NOW - HOUR) is None

    def test_a_window_later_than_the_grant(self) -> None:
        """What is granted early counts from the beginning of the window, not from the grant."""
        august = Window(starts_at=NOW + 31 * DAY, ends_at=None)
        early = campaign(window=august, valid_for=24 * HOUR).dates(NOW, calendar=PARIS)
        assert early == (NOW + 31 * DAY, NOW + 32 * DAY)
        late = campaign(window=august, valid_for=24 * HOUR).dates(NOW + 40 * DAY, calendar=PARIS)
        assert late == (NOW + 31 * DAY, NOW + 41 * DAY)
        assert ends(Period(days=30), "2026-07-01T10:00:00+00:00", window=august) == "2026-08-31T22:00:00+00:00"

    @pytest.mark.parametrize(
        "valid_for,granted,expected",
        [
            # Days end with the local day, the day of the grant not counted.
            (Period(days=1), "2026-07-01T10:00:00+02:00", "2026-07-02T22:00:00+00:00"),
            (Period(days=30), "2026-07-01T23:30:00+02:00", "2026-07-31T22:00:00+00:00"),
            (Period(days=30), "2026-06-30T23:30:00+00:00", "2026-07-31T22:00:00+00:00"),
            # Over the change of summer time a local day is a local day.
            (Period(days=1), "2026-03-28T12:00:00+01:00", "2026-03-29T22:00:00+00:00"),
            (Period(days=1), "2026-10-24T12:00:00+02:00", "2026-10-25T23:00:00+00:00"),
            # A month after 31 January is the last of February.
            (Period(months=1), "2026-01-31T12:00:00+01:00", "2026-02-28T23:00:00+00:00"),
            (Period(months=1), "2028-01-31T12:00:00+01:00", "2028-02-29T23:00:00+00:00"),
            (Period(years=1), "2028-02-29T12:00:00+01:00", "2029-02-28T23:00:00+00:00"),
            (
                Term(Period(months=12), through_end_of=Through.MONTH),
                "2026-07-06T12:00:00+02:00",
                "2027-07-31T22:00:00+00:00",
            ),
            # Hours are hours, over the change too.
            (24 * HOUR, "2026-03-28T12:00:00+01:00", "2026-03-29T11:00:00+00:00"),
            (24 * HOUR, "2026-10-24T12:00:00+02:00", "2026-10-25T10:00:00+00:00"),
            (HOUR, "2026-10-25T02:30:00+02:00", "2026-10-25T01:30:00+00:00"),
        ],
    )
    def test_by_hand(self, valid_for: object, granted: str, expected: str) -> None:
        """Worked out by hand, in Paris."""
        assert ends(valid_for, granted) == expected

    def test_whose_days(self) -> None:
        """Those of the calendar that is given."""
        assert ends(Period(days=1), "2026-07-02T02:00:00+00:00") == "2026-07-03T22:00:00+00:00"
        assert ends(Period(days=1), "2026-07-02T02:00:00+00:00", calendar=NEW_YORK) == "2026-07-03T04:00:00+00:00"

    def test_what_is_refused(self) -> None:
        """A naive time, and an end that no calendar reaches."""
        with pytest.raises(UsageError, match=r"^granted_at"):
            campaign().dates(datetime(2026, 7, 1), calendar=PARIS)  # noqa: DTZ001
        last = datetime(9998, 12, 31, 12, tzinfo=UTC)
        for valid_for in (Period(days=1), 24 * HOUR, Term(Period(years=100))):
            with pytest.raises(UsageError, match=r"leaves the calendar|^the end of a coupon must lie"):
                campaign(valid_for=valid_for).dates(last, calendar=PARIS)

    @given(
        st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        st.timedeltas(timedelta(0), timedelta(days=400)),
        st.sampled_from([Period(days=1), Period(months=1), Term(Period(years=1)), 24 * HOUR, TICK]),
        st.none() | st.integers(-100, 100),
    )
    def test_granted_later_never_ends_earlier(
        self, granted: datetime, later: timedelta, valid_for: object, starts: int | None
    ) -> None:
        """Nor before it begins: every coupon has a time in which it can be redeemed."""
        window = None if starts is None else Window(starts_at=granted + starts * DAY, ends_at=None)
        one = campaign(valid_for=valid_for, window=window)
        starts_at, ends_at = one.dates(granted, calendar=PARIS)
        assert ends_at is not None
        assert ends_at > max(granted, granted if starts_at is None else starts_at)
        assert Coupon.issued("c", campaign_id="welcome", starts_at=starts_at, ends_at=ends_at).ends_at == ends_at
        again = one.dates(granted + later, calendar=PARIS)[1]
        assert again is not None
        assert again >= ends_at


class TestClosed:
    def test_after_the_end(self) -> None:
        """Nothing is granted any more; before it begins a batch may be issued."""
        july = campaign(window=Window(starts_at=NOW, ends_at=NOW + DAY))
        assert july.closed(at=NOW - 99 * DAY) is july.closed(at=NOW) is july.closed(at=NOW + DAY - TICK) is None
        refusal = Refusal(Reason.CAMPAIGN_CLOSED, {"campaign_id": "welcome", "ended_at": "2026-07-02T10:00:00Z"})
        assert july.closed(at=NOW + DAY) == july.closed(at=NOW + 99 * DAY) == refusal

    def test_one_without_an_end(self) -> None:
        """Is never closed."""
        for window in (None, Window(starts_at=NOW, ends_at=None)):
            assert campaign(window=window).closed(at=NOW + 9999 * DAY) is None

    def test_a_naive_time(self) -> None:
        """Is refused where it would matter."""
        with pytest.raises(UsageError, match=r"^at must be"):
            campaign(window=Window(starts_at=None, ends_at=NOW)).closed(at=datetime(2026, 7, 1))  # noqa: DTZ001


class TestSwitch:
    def test_stop_and_resume(self) -> None:
        """Who, when and why; then it goes on."""
        running = Campaign.open("SUMMER10")
        stopped = running.stop(reason="misprint", actor="ann", at=NOW)
        assert stopped.facts == (CampaignStopped(campaign_id="SUMMER10", reason="misprint", actor="ann", at=NOW),)
        assert (stopped.stream, stopped.version) == ("campaign/SUMMER10", 0)
        assert stopped.state == Campaign(
            campaign_id="SUMMER10", version=1, stopped_at=NOW, stopped_by="ann", stopped_reason="misprint"
        )
        resumed = stopped.state.resume(actor="bob", at=NOW + HOUR)
        assert resumed.facts == (CampaignResumed(campaign_id="SUMMER10", actor="bob", at=NOW + HOUR),)
        assert resumed.version == 1
        assert resumed.state == Campaign(campaign_id="SUMMER10", version=2)
        assert (running.is_stopped, stopped.state.is_stopped, resumed.state.is_stopped) == (False, True, False)

    def test_again_changes_nothing(self) -> None:
        """The first time counts."""
        stopped = Campaign.open("a").stop(actor="ann", at=NOW).state
        again = stopped.stop(reason="still", actor="bob", at=NOW + HOUR)
        assert (again.facts, again.state.stopped_at) == ((), NOW)
        assert Campaign.open("a").resume(actor="ann", at=NOW).facts == ()
        twice = stopped.folded([CampaignStopped(campaign_id="a", at=NOW + HOUR)])
        assert (twice.stopped_at, twice.version) == (NOW, 2)

    def test_check(self) -> None:
        """Nothing goes on with one that was stopped."""
        running = Campaign.open("a")
        running.check()
        with pytest.raises(RefusedError) as error:
            running.stop(actor="ann", at=NOW).state.check()
        details = {"campaign_id": "a", "stopped_at": "2026-07-01T10:00:00Z"}
        assert error.value.refusal == Refusal(Reason.CAMPAIGN_STOPPED, details)

    def test_what_is_refused(self) -> None:
        """Ids, texts and versions that are none."""
        running = Campaign.open("a")
        stopped = running.stop(actor="ann", at=NOW).state
        for act in (
            lambda: Campaign.open("a b"),
            lambda: Campaign(campaign_id="a", version=-1),
            lambda: running.stop(reason=5, actor="ann", at=NOW),  # type: ignore[arg-type]
            lambda: stopped.stop(reason=5, actor="ann", at=NOW),  # type: ignore[arg-type]
            lambda: running.stop(actor="x" * 201, at=NOW),
            lambda: stopped.resume(actor="x" * 201, at=NOW),
            lambda: running.stop(actor="ann", at=datetime(2026, 7, 1)),  # noqa: DTZ001
        ):
            with pytest.raises(UsageError):
                act()

    @pytest.mark.parametrize(
        "fact",
        [
            CampaignStopped(campaign_id="b", at=NOW),
            CampaignResumed(campaign_id="b", at=NOW),
            CouponRevoked(coupon_id="a", at=NOW),
        ],
    )
    def test_facts_that_cannot_follow(self, fact: Fact) -> None:
        """Are told, with the id and the kind."""
        with pytest.raises(CorruptStateError, match=f"^campaign 'a' cannot go on with '{fact.kind}'"):
            Campaign.replay("a", [fact])

    @given(st.lists(st.booleans(), max_size=12))
    def test_the_last_turn_counts(self, turns: list[bool]) -> None:
        """However often it is turned; all facts folded give it, and so does what is stored of it."""
        state, facts, stopped = Campaign.open("a"), list[Fact](), False
        for hour, stop in enumerate(turns):
            at = NOW + hour * HOUR
            posting = state.stop(actor="ann", at=at) if stop else state.resume(actor="ann", at=at)
            assert bool(posting.facts) is (stop is not stopped)
            state, stopped = posting.state, stop
            facts += posting.facts
        assert state.is_stopped is stopped
        assert Campaign.replay("a", facts) == state == Campaign.from_dict(state.to_dict())

    @pytest.mark.parametrize("data", [{}, {"campaign_id": "a b"}, {"campaign_id": "a", "version": -1}, {"campaign_id": 5}])
    def test_stored_forms_that_are_none(self, data: dict[str, Any]) -> None:
        """Are told as such."""
        with pytest.raises(CorruptStateError):
            Campaign.from_dict(data)


class TestInAProgram:
    def program(self, *campaigns: CouponCampaign, offers: str = "") -> Program:
        """Add campaigns to a program."""
        return attrs.evolve(Program.parse(PROGRAM + offers), campaigns=campaigns)

    def test_the_book_holds_their_offers(self) -> None:
        """Beside the others; twice the same campaigns change nothing."""
        found = self.program(campaign(), campaign("sorry"), offers='[[offers]]\nid = "a"\ngive = { percent_off = "5" }')
        assert {one.offer_id for one in found.book.offers} == {"a", "welcome", "sorry"}
        assert found.book.offer("welcome") == campaign().offer
        assert attrs.evolve(found, version=2).book == found.book
        assert set(found.campaigns) == {"welcome", "sorry"}

    def test_names_of_their_own(self) -> None:
        """Neither two campaigns nor an offer and a campaign share one; nor do codes that look alike."""
        with pytest.raises(UsageError, match=r"^campaigns must have names of their own, got 'welcome' twice"):
            self.program(campaign("sorry"), campaign(), campaign(give=FreeShipping()))
        with pytest.raises(UsageError, match="campaign and offer must have names of their own, got 'a' for both"):
            self.program(campaign("a"), offers='[[offers]]\nid = "a"\ngive = { percent_off = "5" }')
        with pytest.raises(UsageError, match="code SUMMER10 belongs to two offers: SUMMER10 and SUMMER1O"):
            self.program(campaign("SUMMER10", codes=HUMAN), campaign("SUMMER1O", codes=HUMAN))

    def test_what_is_none(self) -> None:
        """Something else, and another currency."""
        with pytest.raises(UsageError, match=r"^campaigns must be several values of type CouponCampaign"):
            attrs.evolve(self.program(), campaigns="welcome")  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"^campaigns must be at most 10000 in number"):
            self.program(*[campaign()] * 10_001)
        with pytest.raises(CurrencyMismatchError):
            self.program(campaign(discount_limit=Money(500, "USD")))

    @pytest.mark.parametrize(
        "said",
        [
            {"valid_for": 24 * HOUR},
            {"valid_for": 25 * HOUR},
            {"valid_for": Period(days=1)},
            {"valid_for": Term(Period(days=2))},
            {"automatic": True},
            {"codes": "velo/H1############"},
            {"codes": HUMAN},
            {"when": is_member()},
            {"window": Window(starts_at=NOW, ends_at=None)},
            {"limits": Limits(total=5)},
            {"limits": Limits(total=5, freed_by=FreedBy.RETURNED)},
            {"priority": 1},
        ],
    )
    def test_the_digest_sees_each_field(self, said: dict[str, Any]) -> None:
        """Two programs of one digest have one meaning."""
        plain, other = self.program(campaign()), self.program(campaign(**said))
        assert other.digest not in (plain.digest, self.program().digest)
        assert other.digest == self.program(campaign(**said)).digest
