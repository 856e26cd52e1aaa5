"""Checks of the classic way for points alone: ``PointsAccountRepository``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias, final

import attrs

from loyaltycore.errors import ConflictError
from loyaltycore.facts import Posting
from loyaltycore.ledger import Ledger
from loyaltycore.points import PointsAccount
from loyaltycore.repositories import PointsAccountRepository
from loyaltycore.testing._checks_loading import TEXTS
from loyaltycore.testing._port import AT, HOUR, life_of
from loyaltycore.testing._stage import Stage

__all__ = ["CHECKS", "Accounts", "NewMember", "earned"]

_ROUNDS: Final = 40
"""Times the race is run: a check before the write loses only now and then."""


@final
class Accounts(Stage[PointsAccountRepository]):
    """A check of the classic way: its calls."""

    def get(self, member_id: str, repository: PointsAccountRepository | None = None) -> PointsAccount:
        """Read an account."""
        chosen = self.repository if repository is None else repository
        return self.asked(f"get({member_id!r})", lambda: chosen.get(member_id))

    def save(self, posting: Posting[PointsAccount], repository: PointsAccountRepository | None = None) -> Exception | None:
        """Save what was decided, and give the refusal."""
        chosen = self.repository if repository is None else repository
        call = f"save({posting.stream!r} from version {posting.version}, {len(posting.facts)} facts)"
        return self.tried(call, lambda: chosen.save(posting), (ConflictError,))

    def keeps(self, posting: Posting[PointsAccount]) -> None:
        """Save what must not be refused, and read it again."""
        refusal = self.save(posting)
        if refusal is not None:
            self.fail(f"the last save raised {type(refusal).__name__}: {refusal}")
        self.equals("the account read again", self.get(posting.state.member_id), posting.state)

    def refuses(self, posting: Posting[PointsAccount]) -> None:
        """Save what must be refused, and leave nothing behind."""
        before = self.get(posting.state.member_id)
        if self.save(posting) is None:
            self.fail("the last save raised nothing, not ConflictError")
        self.demand("the account after a refused save", self.get(posting.state.member_id), before)

    def equals(self, what: str, found: PointsAccount, wanted: PointsAccount) -> None:
        """Demand an equal account; where it is not, the failure shows the part that differs."""
        if isinstance(found, PointsAccount):  # a broken repository may answer with anything
            found_parts, wanted_parts = _parts(found.ledger), _parts(wanted.ledger)
            for name in wanted_parts | found_parts:
                self.demand(f"{name} of {what}", found_parts.get(name), wanted_parts.get(name))
        self.demand(what, found, wanted)


def _parts(ledger: Ledger) -> dict[str, object]:
    """Take a ledger apart: each lot, burn and hold by itself."""
    parts = dict[str, object]()
    for name in (field.name for field in attrs.fields(Ledger) if field.eq):
        value = getattr(ledger, name, None)
        parts |= {f"{name}[{key!r}]": item for key, item in value.items()} if isinstance(value, Mapping) else {name: value}
    return parts


NewMember: TypeAlias = Callable[[], str]


def earned(account: PointsAccount, ref: str) -> Posting[PointsAccount]:
    return account.earn(10, ref=ref, expires_at=AT + HOUR, at=AT)


def _opens_accounts(accounts: Accounts, new_member: NewMember) -> None:
    for member_id in (new_member(), new_member()):
        accounts.demand("the account of a member never saved", accounts.get(member_id), PointsAccount.open(member_id))


def _keeps_accounts(accounts: Accounts, new_member: NewMember) -> None:
    first, second = new_member(), new_member()
    other = earned(accounts.get(second), "other")
    accounts.keeps(other)
    accounts.keeps(earned(accounts.get(first), "first"))
    for number, text in enumerate(TEXTS):
        accounts.keeps(accounts.get(first).adjust_down(1, ref=f"t-{number}", reason=text, actor="kit", at=AT))
    accounts.keeps(earned(accounts.get(first), "first"))  # the same ref again: a posting without facts
    accounts.demand("the account of another member", accounts.get(second), other.state)


def _keeps_whole_accounts(accounts: Accounts, new_member: NewMember) -> None:
    for posting in life_of(accounts.get(new_member())):
        accounts.keeps(posting)
    status = PointsAccount(member_id=new_member(), ledger=Ledger(account="status"))
    for posting in life_of(status):
        accounts.keeps(posting)


def _compares_accounts(accounts: Accounts, new_member: NewMember) -> None:
    opened = accounts.get(new_member())
    first = earned(opened, "first")
    accounts.keeps(first)
    accounts.refuses(earned(opened, "late"))
    accounts.keeps(earned(first.state, "second"))
    accounts.refuses(earned(first.state, "late"))
    accounts.refuses(earned(earned(earned(first.state, "2").state, "3").state, "early"))


def _lets_one_save(accounts: Accounts, new_member: NewMember) -> None:
    member_id = new_member()
    for turn in range(_ROUNDS):
        opened = accounts.get(member_id)
        postings = [earned(opened, f"{turn}-{writer}") for writer in range(8)]
        refusals = accounts.at_once([partial(_save, accounts, posting) for posting in postings])
        saved = [posting.state for posting, refusal in zip(postings, refusals, strict=True) if refusal is None]
        accounts.demand("the number of winners among 8", len(saved), 1)
        accounts.demand("the account after a race", accounts.get(member_id), saved[0])


def _save(accounts: Accounts, posting: Posting[PointsAccount], repository: PointsAccountRepository) -> Exception | None:
    return accounts.save(posting, repository)


CHECKS: Final = (
    (1, _opens_accounts),
    (2, _keeps_accounts),
    (2, _keeps_whole_accounts),
    (2, _compares_accounts),
    (2, _lets_one_save),
)
