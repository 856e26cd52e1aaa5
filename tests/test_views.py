"""Classic views: get, decide, save; several together or none, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from loyaltycore import Basket, ConflictError, Loyalty, Program, UsageError
from loyaltycore._code_book import CodeBook, SpaceBlocks
from loyaltycore._code_space import CodeSpace, SecretKey
from loyaltycore.benefits import PercentOff
from loyaltycore.coupons import CouponCampaign, CouponStatus
from loyaltycore.errors import Reason, RefusedError
from loyaltycore.facts import Posting
from loyaltycore.identity import card_stream, coupon_stream
from loyaltycore.quantities import Money
from loyaltycore.referrals import ReferralStatus
from loyaltycore.rewards import PayOut, PayoutStatus
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.views import Accounts, Coupons, GiftCards, Memberships, Orders, Payouts, Referrals, save
from tests.test_services import HELMET, NOON, PROGRAM, Clock

LATER = NOON + timedelta(minutes=1)
SPACE = CodeSpace(SecretKey("2026a", bytes(range(32))), pattern="HI-####-####-####", context="velo")
OTHER = CodeSpace(SecretKey("2026a", bytes(range(32))), pattern="BYE-####-####-####", context="velo")
BOOK = CodeBook([OTHER, SPACE])


def with_blocks(*, holder_bound: bool = False, ends_at: datetime | None = None) -> MemoryRepository:
    """Give a repository in which the welcome campaign took the first hundred serials, after a hundred of another."""
    repository = MemoryRepository()
    space = SpaceBlocks.open(SPACE.space_id)
    for number, campaign_id in enumerate(("other", "welcome")):
        posting = space.take(
            100,
            campaign_id=campaign_id,
            key_id=SPACE.key_id,
            check_value=SPACE.check_value,
            capacity=SPACE.capacity,
            ref="batch",
            holder_bound=holder_bound,
            ends_at=ends_at,
            at=NOON - timedelta(days=2 - number),
        )
        save(repository, posting)
        space = posting.state
    return repository


class TestAccounts:
    def test_they_are_those_of_the_shop(self) -> None:
        """What ``Loyalty`` did is seen here, and what is saved here is seen there; an order counts among the facts."""
        repository = MemoryRepository()
        shop = Loyalty(PROGRAM, repository, clock=Clock())
        shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        accounts = Accounts(repository)
        account = accounts.get("m")
        assert account.available(at=NOON) == 71
        assert account.version == 2
        accounts.save(account.burn(11, ref="coffee", at=NOON))
        assert shop.overview("m").balance.available == 60

    def test_two_move_together_or_not_at_all(self) -> None:
        """A transfer whose taker moved meanwhile leaves the giver as before."""
        accounts = Accounts(MemoryRepository())
        accounts.save(accounts.get("a").earn(100, ref="o", expires_at=None, at=NOON))
        moved = accounts.get("a").transfer(40, to=accounts.get("b"), ref="gift", at=NOON)
        accounts.save(accounts.get("b").earn(1, ref="o", expires_at=None, at=NOON))
        with pytest.raises(ConflictError):
            accounts.save(moved.giver, moved.taker)
        assert (accounts.get("a").available(at=NOON), accounts.get("b").available(at=NOON)) == (100, 1)
        again = accounts.get("a").transfer(40, to=accounts.get("b"), ref="gift", at=NOON)
        accounts.save(again.giver, again.taker)
        assert (accounts.get("a").available(at=NOON), accounts.get("b").available(at=NOON)) == (60, 41)

    def test_another_account(self) -> None:
        """Each view is of one; what is of another is refused before it would be lost from sight."""
        repository = MemoryRepository()
        status = Accounts(repository, account="status")
        status.save(status.get("m").earn(5, ref="o", expires_at=None, at=NOON))
        assert status.get("m").available(at=NOON) == 5
        assert Accounts(repository).get("m").available(at=NOON) == 0
        posting = status.get("m").burn(5, ref="b", at=NOON)
        with pytest.raises(UsageError, match="postings must be of account 'points', got one of 'status'"):
            Accounts(repository).save(posting)
        with pytest.raises(UsageError, match="account"):
            Accounts(repository, account="no such name")

    def test_saved_again_is_a_conflict(self) -> None:
        """It was decided on what is no more; decided anew, the same reference gives nothing to save."""
        accounts = Accounts(MemoryRepository())
        posting = accounts.get("a").earn(100, ref="o", expires_at=None, at=NOON)
        accounts.save(posting)
        with pytest.raises(ConflictError, match="these postings were saved before: 'member/a' has moved on"):
            accounts.save(posting)
        accounts.save(accounts.get("a").earn(100, ref="o", expires_at=None, at=NOON))
        assert accounts.get("a").available(at=NOON) == 100
        assert accounts.get("a").version == 1


class TestCoupons:
    def test_by_id(self) -> None:
        """What was decided is there afterwards; of a coupon that nobody used there is nothing."""
        coupons = Coupons(MemoryRepository())
        assert coupons.get("sorry/t-1").version == 0
        coupons.save(coupons.get("sorry/t-1").grant("sorry", holder="m", ref="t-1", at=NOON))
        coupons.save(coupons.get("sorry/t-1").redeem("1", member_id="m", at=NOON))
        assert coupons.get("sorry/t-1").status(at=NOON) is CouponStatus.REDEEMED
        assert coupons.repository.load([coupon_stream("sorry/t-1")])[coupon_stream("sorry/t-1")].version == 2

    def test_by_code(self) -> None:
        """However it is typed; what became of it is seen, and what is decided is kept under its id."""
        coupons = Coupons(with_blocks())
        code = SPACE.code(107)
        coupon = coupons.get_by_code(f" {code.lower().replace('-', ' ')}", book=BOOK, at=NOON)
        assert (coupon.coupon_id, coupon.campaign_id) == (f"{SPACE.space_id}/2026a/107", "welcome")
        assert (coupon.starts_at, coupon.ends_at, coupon.status(at=NOON)) == (None, None, CouponStatus.ISSUED)
        coupons.save(coupon.redeem("1", member_id=None, at=NOON))
        assert coupons.get_by_code(code, book=BOOK, at=NOON).status(at=NOON) is CouponStatus.REDEEMED
        assert coupons.get(coupon.coupon_id).status(at=NOON) is CouponStatus.REDEEMED
        assert coupons.get_by_code(SPACE.code(7), book=BOOK, at=NOON).campaign_id == "other"

    def test_dates_of_a_batch(self) -> None:
        """The block says until when, as it was when its batch was issued."""
        ends_at = NOON + timedelta(days=29)
        coupon = Coupons(with_blocks(ends_at=ends_at)).get_by_code(SPACE.code(107), book=BOOK, at=NOON)
        assert (coupon.starts_at, coupon.ends_at) == (None, ends_at)
        assert coupon.status(at=ends_at) is CouponStatus.EXPIRED
        program = self.program(CouponCampaign("welcome", give=PercentOff("10"), codes=SPACE))
        coupons = Coupons(with_blocks(ends_at=ends_at))
        assert coupons.get_by_code(SPACE.code(107), book=BOOK, program=program, at=NOON) == coupon

    @pytest.mark.parametrize("codes", ["human", None, OTHER, "none"])
    def test_a_campaign_that_is_not_the_programs(self, codes: CodeSpace | str | None) -> None:
        """Codes of a campaign that the program has not, or gives other codes, are no codes."""
        name = "gone" if codes == "none" else "welcome"
        campaign = CouponCampaign(name, give=PercentOff("10"), codes="human" if codes == "none" else codes)
        with pytest.raises(RefusedError) as refused:
            Coupons(with_blocks()).get_by_code(SPACE.code(107), book=BOOK, program=self.program(campaign), at=NOON)
        assert refused.value.refusal.reason is Reason.CODE_UNKNOWN

    def program(self, campaign: CouponCampaign) -> Program:
        """Give a program with one campaign."""
        return attrs.evolve(PROGRAM, campaigns=[campaign])

    @pytest.mark.parametrize(
        "text", ["", "x" * 100_000, "SUMMER10", "HI-0000-0000-0000", SPACE.code(200), OTHER.code(7), SPACE.code(107)[:-1]]
    )
    def test_no_code(self, text: str) -> None:
        """Whatever is wrong with it, the answer is one."""
        with pytest.raises(RefusedError) as refused:
            Coupons(with_blocks()).get_by_code(text, book=BOOK, at=NOON)
        assert (refused.value.refusal.reason, refused.value.refusal.details) == (Reason.CODE_UNKNOWN, {})

    def test_codes_of_one_person_each(self) -> None:
        """Nobody's until it is granted; then its holder's."""
        coupons = Coupons(with_blocks(holder_bound=True))
        coupon = coupons.get_by_code(SPACE.code(107), book=BOOK, at=NOON)
        with pytest.raises(RefusedError, match="coupon_not_found"):
            coupon.redeem("1", member_id="m", at=NOON)
        coupons.save(coupon.grant("welcome", holder="m", ref="t-1", at=NOON))
        again = coupons.get_by_code(SPACE.code(107), book=BOOK, at=NOON)
        assert (again.holder, again.check("m", at=NOON).value) == ("m", again)  # type: ignore[union-attr]  # it is accepted

    def test_wrong_arguments(self) -> None:
        """A naive time, or a space where the book belongs."""
        coupons = Coupons(MemoryRepository())
        with pytest.raises(UsageError, match="at must be a timezone-aware"):
            coupons.get_by_code("x", book=BOOK, at=NOON.replace(tzinfo=None))
        with pytest.raises(UsageError, match="book must be of type CodeBook"):
            coupons.get_by_code("x", book=SPACE, at=NOON)  # type: ignore[arg-type]  # a wrong value on purpose


class TestGiftCards:
    def test_get_and_save(self) -> None:
        """A card and the one that takes its place are kept together, or none of them."""
        cards = GiftCards(MemoryRepository())
        assert cards.get("card-7").issued is None
        cards.save(cards.get("card-7").issue(Money.of("50", "EUR"), ref="t-1", expires_at=None, at=NOON))
        moved = cards.get("card-7").replace(cards.get("card-8"), ref="t-2", actor="eva", at=NOON)
        cards.save(cards.get("card-7").pay(Money.of("20", "EUR"), ref="1", at=NOON))
        with pytest.raises(ConflictError):
            cards.save(moved.old, moved.new)
        assert cards.get("card-8").version == 0
        moved = cards.get("card-7").replace(cards.get("card-8"), ref="t-2", actor="eva", at=NOON)
        cards.save(moved.old, moved.new)
        assert cards.get("card-8").balance(at=NOON).available == Money.of("30", "EUR")
        assert cards.repository.load([card_stream("card-7")])[card_stream("card-7")].version == moved.old.state.version


class TestPayoutsAndReferrals:
    def test_a_payout_is_paid(self) -> None:
        """Read, decided and kept; read again the same call changes nothing."""
        payouts = Payouts(MemoryRepository())
        assert payouts.get("p-1").status is PayoutStatus.NONE
        reward = PayOut(Money.of("5.00", "EUR"))
        payouts.save(payouts.get("p-1").fall_due(reward, member_id="m-42", source="catalogue/cash", ref="reward/t-1", at=NOON))
        payouts.save(payouts.get("p-1").pay(ref="transfer-7", actor="eva", at=NOON))
        assert (payouts.get("p-1").status, payouts.get("p-1").paid_ref) == (PayoutStatus.PAID, "transfer-7")
        assert payouts.get("p-1").pay(ref="transfer-7", actor="eva", at=NOON).facts == ()

    def test_a_referral_goes_on(self) -> None:
        """Kept together with another, or neither."""
        referrals = Referrals(MemoryRepository())
        assert referrals.get("m-77").status is ReferralStatus.NONE
        joined = referrals.get("m-77").join("friends", advocate_id="m-42", at=NOON)
        referrals.save(joined, referrals.get("m-78").join("friends", advocate_id="m-42", at=NOON))
        assert {referrals.get(friend).advocate_id for friend in ("m-77", "m-78")} == {"m-42"}
        with pytest.raises(ConflictError):
            referrals.save(joined)


class TestSave:
    def test_an_order_and_its_member(self) -> None:
        """The pure program decides, the view keeps both."""
        repository = MemoryRepository()
        members, orders = Memberships(repository), Orders(repository)
        members.save(members.get("m").join(at=NOON))
        member = members.get("m")
        placed = PROGRAM.place(PROGRAM.quote(HELMET, member, at=NOON), member, order_id="1", at=NOON)
        save(repository, *placed.postings)
        assert orders.get("1") == placed.order.state
        assert members.get("m") == placed.membership
        attached = PROGRAM.reserve(PROGRAM.quote(Basket.of("EUR", {"a": "2.00"}), at=NOON), order_id="2", until=LATER, at=NOON)
        orders.save(attached.order)
        assert orders.get("2").reserved == attached.fact

    def test_what_was_looked_at_must_not_have_moved(self) -> None:
        """A posting without facts is an expectation."""
        repository = MemoryRepository()
        accounts = Accounts(repository)
        looked = accounts.get("a").posting(())
        decided = accounts.get("b").earn(1, ref="o", expires_at=None, at=NOON)
        accounts.save(accounts.get("a").earn(1, ref="o", expires_at=None, at=NOON))
        with pytest.raises(ConflictError):
            accounts.save(looked, decided)
        accounts.save(accounts.get("a").posting(()), decided)
        assert accounts.get("b").version == 1

    def test_nothing_decided_nothing_kept(self) -> None:
        """The same reference again gives a posting without facts."""
        repository = MemoryRepository()
        accounts = Accounts(repository)
        accounts.save(accounts.get("a").posting(()))
        assert repository.commits(after=None, limit=9) == []

    @pytest.mark.parametrize("several", [lambda _: (), lambda posting: (posting, posting)])
    def test_refuses_none_and_two_of_one(self, several: Callable[[object], tuple[Posting[object], ...]]) -> None:
        """Two decisions on one state cannot both be right."""
        posting = Accounts(MemoryRepository()).get("a").earn(1, ref="o", expires_at=None, at=datetime(2026, 7, 1, tzinfo=UTC))
        with pytest.raises(UsageError, match="postings must be at least one, and of one stream each"):
            save(MemoryRepository(), *several(posting))

    def test_refuses_a_state(self) -> None:
        """``save`` takes what was decided, not what it led to."""
        state = Accounts(MemoryRepository()).get("a")
        with pytest.raises(UsageError, match="each of postings must be of type Posting"):
            save(MemoryRepository(), state)  # type: ignore[arg-type]  # a wrong value on purpose
