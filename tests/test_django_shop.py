"""The Django example: its repository keeps the contract, and its shop keeps orders and points together, over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Barrier, Event, Thread
from typing import Any, NoReturn, final
from uuid import uuid4

import attrs
import django
import httpx
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import DatabaseError, connection, connections, transaction

from loyaltycore import Basket, ConflictError
from loyaltycore.errors import OutcomeUnknownError
from loyaltycore.facts import Change, Command, Expect, Fact
from loyaltycore.identity import Key, member_stream
from loyaltycore.ledger import Balance, ExpiryReported, Granted
from loyaltycore.memberships import Membership
from tests.postgres import Cluster
from tools.project import ROOT

SHOP = ROOT / "examples" / "django_shop"
NOON = datetime(2026, 7, 1, 10, tzinfo=UTC)
SECRET = "only the payment provider knows"
REPOSITORY_LINES = 150
SECONDS = 30


@pytest.fixture(scope="module", autouse=True)
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set Django up with the example's settings, for this file alone: Django has one project in a process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SHOP)
        # Django turns the clock of the whole process to the shop's zone.
        patch.setenv("TZ", os.environ.get("TZ", "UTC"))
        patch.setenv("DJANGO_SETTINGS_MODULE", "project.settings")
        patch.setenv("DATABASE_URL", f"sqlite:///{tmp_path_factory.mktemp('django') / 'unused.db'}")
        patch.setenv("PAYMENT_SECRET", SECRET)
        django.setup()
        # The slow ones are for real passwords.
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        yield
    time.tzset()


def part(name: str) -> Any:  # noqa: ANN401 - a module of the example: it is found only when Django is set up
    """Give a module of the example."""
    return importlib.import_module(name)


def fresh(kind: str, request: pytest.FixtureRequest) -> str:
    """Say where a fresh database of a kind is, as the example's settings ask for it."""
    if kind == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres_cluster")
        return f"postgresql://{cluster.user}@/{cluster.database()}?host={cluster.folder}"
    folders: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    return f"sqlite:///{folders.mktemp('django') / 'shop.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Say where a fresh database is, for a process of its own."""
    return fresh(request.param, request)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give Django a fresh database with all tables and the products, and say which kind."""
    url = fresh(request.param, request)
    connections.close_all()
    connections.settings = connections.configure_settings({"default": part("project.settings").database(url)})
    del connections["default"]
    call_command("demo", prepare=True, stdout=StringIO())
    yield request.param
    connections.close_all()


@contextmanager
def other_thread(work: Callable[[Event, Event], None]) -> Iterator[None]:
    """Let a thread come to where it says so; it is told when the block ends."""
    here, go_on = Event(), Event()

    def run() -> None:
        try:
            work(here, go_on)
        finally:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    try:
        assert here.wait(SECONDS)
        yield
    finally:
        go_on.set()
        thread.join(SECONDS)


# ---- the repository ----


def repository() -> Any:  # noqa: ANN401 - a class of the example
    """Make one."""
    return part("loyalty.repository").DjangoRepository()


def joining() -> tuple[Command, list[Change]]:
    """Give a command that nobody made before: somebody joins."""
    joined = Membership.open(f"m-{uuid4()}").join(at=NOON)
    return Command.of(joined.stream, Key("join"), actor="test"), list(joined.changes)


class TestRepository:
    def test_is_short_enough_to_be_copied(self) -> None:
        """Models aside, the whole of it."""
        text = (SHOP / "loyalty" / "repository.py").read_text(encoding="utf-8")
        assert len(text.splitlines()) < REPOSITORY_LINES

    def test_kit_is_green(self, url: str) -> None:
        """The example's own tests, as a shop runs them: every clause holds, and commits join the shop's transaction."""
        command = [sys.executable, "-W", "error", str(SHOP / "manage.py"), "test", "loyalty", "--verbosity", "2"]
        environment = {**os.environ, "DATABASE_URL": url}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=10 * SECONDS)
        assert done.returncode == 0, done.stderr
        for name in ("test_keeps_its_contract", "test_joins_the_transaction_of_the_shop"):
            assert re.search(rf"^{name} .*(\n.*)?\.\.\. ok$", done.stderr, re.MULTILINE), done.stderr

    @pytest.mark.usefixtures("database")
    def test_migrations_are_those_of_the_models(self) -> None:
        """Nothing is left to be migrated."""
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)

    @pytest.mark.usefixtures("database")
    def test_streams_that_were_only_expected_are_not_listed(self) -> None:
        """An expectation of a stream that was never written leaves a row to lock, and no stream."""
        command, changes = joining()
        absent = member_stream(f"m-{uuid4()}")
        repository().commit(command, [*changes, Expect(stream=absent, version=0)])
        listed = repository().streams("member", limit=100_000)
        assert command.home in listed
        assert absent not in listed

    @pytest.mark.parametrize("database", ["postgresql"], indirect=True)
    def test_ids_are_compared_by_code_point(self, database: str) -> None:
        """Whatever language the database sorts by."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT column_name, collation_name FROM information_schema.columns"
                " WHERE table_name LIKE 'loyalty_%%' AND column_name IN ('stream', 'home', 'key', 'counter')"
            )
            found = cursor.fetchall()
        assert database == connection.vendor
        assert {collation for _, collation in found} == {"C"}
        assert {column for column, _ in found} == {"stream", "home", "key", "counter"}

    def test_lock_that_is_not_had_in_time_is_a_conflict(self, database: str) -> None:
        """Another writer holds what is needed: the caller is to try again, and then succeeds."""
        command, changes = joining()

        def hold(here: Event, go_on: Event) -> None:
            with transaction.atomic():
                repository().commit(command, changes)
                here.set()
                go_on.wait(SECONDS)
                transaction.set_rollback(rollback=True)

        patience = "PRAGMA busy_timeout = 50" if database == "sqlite" else "SET lock_timeout = '50ms'"
        with other_thread(hold):
            connection.cursor().execute(patience)
            with pytest.raises(ConflictError):
                repository().commit(command, changes)
        connection.close()
        repository().commit(command, changes)

    @pytest.mark.usefixtures("database")
    def test_other_errors_of_the_database_come_out_as_they_are(self) -> None:
        """Only what a second try may mend is told as such."""
        command, changes = joining()
        with pytest.raises(DatabaseError):
            repository().commit_then(command, changes, lambda _: connection.cursor().execute("SELECT * FROM nowhere"))
        assert repository().receipt(command.home, command.key) is None

    @pytest.mark.parametrize("database", ["postgresql"], indirect=True)
    def test_connection_cut_in_a_commit_leaves_the_outcome_unknown(self, database: str) -> None:
        """The same command again settles it."""
        assert database == "postgresql"
        command, changes = joining()

        def cut(_: None) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (process,) = cursor.fetchone()
            other = connection.copy()
            other.cursor().execute("SELECT pg_terminate_backend(%s, 5000)", [process])
            other.close()

        with pytest.raises(OutcomeUnknownError):
            repository().commit_then(command, changes, cut)
        connection.close()
        repository().commit(command, changes)
        assert repository().load([command.home])[command.home].version == 1

    @pytest.mark.parametrize("database", ["postgresql"], indirect=True)
    def test_deadlock_is_a_conflict_that_a_second_try_mends(self, database: str) -> None:
        """Two transactions of the shop write two streams, each in its own order."""
        assert database == "postgresql"
        both, ready, tries = [joining(), joining()], Barrier(2, timeout=SECONDS), []

        @part("shop.orders").in_one_transaction  # type: ignore[untyped-decorator]  # found at run time
        def write(order: list[tuple[Command, list[Change]]]) -> None:
            tries.append(order)
            for place, (command, changes) in enumerate(order):
                named = attrs.evolve(command, key=Key(f"{order[0][0].home} {command.key}"))
                version = repository().load([command.home])[command.home].version
                (append,) = changes
                repository().commit(named, [attrs.evolve(append, expected_version=version)])
                if place == 0 and len(tries) <= len(both):
                    ready.wait()

        def run(order: list[tuple[Command, list[Change]]]) -> None:
            try:
                write(order)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, [both, both[::-1]]))
        assert len(tries) > len(both)
        assert [stored.version for stored in repository().load([command.home for command, _ in both]).values()] == [2, 2]


# ---- the shop ----


@final
@attrs.define
class Clock:
    """The present instant, as a test says."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        """Give it."""
        return self.now


@pytest.fixture
def clock(database: str, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the shop a clock that stands still."""
    assert database
    clock = Clock()
    standing = attrs.evolve(part("shop.loyalty").loyalty, clock=clock)
    for name in ("shop.orders", "shop.views"):
        monkeypatch.setattr(part(name), "loyalty", standing)
    return clock


class Shopper:
    """Somebody with a browser: it sends cookies and tokens back, and follows no redirect by itself."""

    def __init__(self, url: str | None = None) -> None:
        app = None if url else httpx.WSGITransport(app=get_wsgi_application())
        self.browser = httpx.Client(base_url=url or "http://testserver", transport=app, timeout=SECONDS)
        self.member_id = ""

    def look(self, path: str = "/") -> str:
        """Open a page."""
        page = self.browser.get(path)
        assert page.status_code == 200, page.text
        return page.text

    def send(self, path: str, *, page: str = "/", **fields: object) -> httpx.Response:
        """Send a form of a page."""
        (token, *_) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', self.look(page))
        return self.browser.post(path, data={"csrfmiddlewaretoken": token, **fields})

    def register(self) -> Shopper:
        """Become a customer: 500 points."""
        name = f"u{uuid4().hex}"
        done = self.send("/register", page="/register", username=name, password1="velours-23", password2="velours-23")
        assert done.status_code == 302, done.text
        self.member_id = f"user-{part('django.contrib.auth').get_user_model().objects.get(username=name).pk}"
        return self

    def log_in(self) -> Shopper:
        """Come as the desk."""
        assert self.send("/login", page="/login", username="desk", password="desk").status_code == 302
        return self

    def add(self, sku: str, quantity: int = 1) -> Shopper:
        """Put something into the basket."""
        self.send("/basket/add", product=sku, quantity=quantity)
        return self

    def ask(self, code: str = "", burn: int = 0) -> Shopper:
        """Type a code, and points to burn."""
        self.send("/basket/ask", code=code, burn=burn)
        return self

    def seen(self) -> str:
        """Look at the basket, and take the digest of what is seen."""
        (digest,) = re.findall(r'name="seen" value="(\w+)"', self.look())
        return str(digest)

    def check_out(self, seen: str | None = None) -> httpx.Response:
        """Press the button."""
        return self.send("/checkout", seen=seen or self.seen())

    def buy(self) -> str:
        """Come to the payment page, and give the order's id."""
        done = self.check_out()
        assert done.status_code == 302, done.text
        return done.headers["location"].rpartition("/")[2]

    def balance(self) -> Balance:
        """Say how many points there are, by the loyalty side itself."""
        found: Balance = part("shop.views").loyalty.overview(self.member_id).balance
        return found


def webhook(order_id: str, status: str, *, secret: str = SECRET, url: str | None = None) -> int:
    """Call as the payment provider does, and give the answer's status."""
    body = json.dumps({"order": order_id, "status": status}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    with Shopper(url).browser as browser:
        return browser.post("/payments/webhook", content=body, headers={"X-Signature": signature}).status_code


def order_of(order_id: str) -> Any:  # noqa: ANN401 - a model of the example
    """Give the shop's side of an order."""
    return part("shop.models").Order.objects.get(pk=order_id)


def booked(order_id: str) -> bool:
    """Say whether the loyalty side has booked an order."""
    return part("shop.views").loyalty.order(order_id).placed is not None


@pytest.mark.usefixtures("clock")
class TestBasket:
    def test_guest_sees_what_a_basket_comes_to(self) -> None:
        """Goods, shipping, and how little more is rewarded."""
        page = Shopper().add("helmet").look()
        assert "84.80 EUR" in page
        assert "free shipping" in page

    def test_code_takes_its_discount(self) -> None:
        """Ten per cent of the helmet."""
        assert "71.91 EUR" in Shopper().add("helmet").ask("WELCOME10").look()

    def test_unknown_code_is_told_by_its_public_reason(self) -> None:
        """And by nothing that helps guessing."""
        page = Shopper().add("helmet").ask("GUESS").look()
        assert "coupon_invalid" in page
        assert "code_unknown" not in page

    def test_points_pay(self) -> None:
        """A hundred points are worth an euro."""
        page = Shopper().register().add("helmet").ask(burn=500).look()
        assert "79.80 EUR" in page

    def test_points_that_are_not_there_are_told(self) -> None:
        """A guest has none."""
        assert "member_required" in Shopper().add("helmet").ask(burn=500).look()

    def test_what_no_form_takes_changes_nothing(self) -> None:
        """Unknown products, negative points."""
        shopper = Shopper().add("helmet").add("nothing").add("bell", 0)
        shopper.send("/basket/ask", code="", burn=-5)
        assert "84.80 EUR" in shopper.look()

    def test_pages_without_a_basket(self) -> None:
        """Nothing can be bought, and somebody who is not logged in has no account."""
        shopper = Shopper()
        assert shopper.check_out().headers["location"] == "/"
        assert shopper.browser.get("/account").headers["location"].startswith("/login")
        assert "username" in shopper.send("/register", page="/register", username="x").text


@pytest.mark.usefixtures("clock")
class TestCheckout:
    def test_order_and_points_are_set_aside_together(self) -> None:
        """The shop's order, what is in it, and the points it is to burn."""
        shopper = Shopper().register().add("helmet").add("bell", 2).ask(burn=500)
        order = order_of(shopper.buy())
        assert (str(order.total), order.status) == ("99.90", "waiting")
        assert sorted(str(item) for item in order.items.all()) == ["1 × City helmet", "2 × Brass bell"]
        assert shopper.balance() == Balance(available=0, pending=0, held=500, debt=0)

    def test_button_pressed_twice_makes_one_order(self) -> None:
        """The second press comes to the same payment page."""
        shopper = Shopper().register().add("helmet").ask(burn=500)
        seen = shopper.seen()
        first, second = (shopper.check_out(seen).headers["location"] for _ in range(2))
        assert first == second
        assert shopper.balance().held == 500

    def test_order_is_made_once_whoever_asks(self) -> None:
        """Two presses at the same moment have both seen that there is no order yet."""
        loyalty, order_id = part("shop.views").loyalty, str(uuid4())
        quote = loyalty.quote(Basket.of("EUR", {"helmet": "79.90"}))
        first, second = (part("shop.orders").book(quote, order_id=order_id, user_id=None) for _ in range(2))
        assert str(first.pk) == str(second.pk) == order_id
        assert order_of(order_id).items.count() == 1

    def test_price_that_moved_is_shown_first(self) -> None:
        """What the shopper saw is what is booked, or nothing is."""
        product = part("shop.models").Product.objects.create(sku=uuid4().hex, name="Saddle", category="parts", price="20.00")
        shopper = Shopper().add(product.sku)
        seen = shopper.seen()
        product.price = "25.00"
        product.save()
        page = shopper.check_out(seen)
        assert (page.status_code, "29.90 EUR" in page.text) == (409, True)
        assert not part("shop.models").Item.objects.filter(product=product).exists()

    def test_refusal_in_the_transaction_leaves_no_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The points went elsewhere between the look at the basket and the reservation."""
        shopper = Shopper().register().add("helmet").ask(burn=500)
        views = part("shop.views")
        seen = shopper.seen()
        count = part("shop.models").Order.objects.count()
        real: Callable[..., object] = views.quote_for
        stale: list[object] = []

        def quote_for(*asked: object) -> object:
            if not stale:
                stale.append(real(*asked))
                views.loyalty.burn(500, member_id=shopper.member_id, ref="elsewhere")
                return stale[0]
            return real(*asked)

        monkeypatch.setattr(views, "quote_for", quote_for)
        token = shopper.browser.cookies["csrftoken"]
        page = shopper.browser.post("/checkout", data={"seen": seen}, headers={"X-CSRFToken": token})
        assert (page.status_code, 'class="said"' in page.text) == (409, True)
        assert part("shop.models").Order.objects.count() == count

    def test_basket_that_changes_gives_the_order_up(self) -> None:
        """What was held is free for the next one at once."""
        shopper = Shopper().register().add("helmet").ask(burn=500)
        first = shopper.buy()
        assert "500 points" in shopper.add("bell").look("/account")
        second = shopper.buy()
        assert (order_of(first).status, order_of(second).status) == ("failed", "waiting")
        assert shopper.balance().held == 500


class TestPayment:
    def test_paid_order_is_booked_and_earns(self, clock: Clock) -> None:
        """The points wait for the return window, then they are there."""
        shopper = Shopper().register().add("helmet").add("lock")
        order_id = shopper.buy()
        assert webhook(order_id, "paid") == 200
        assert (order_of(order_id).status, order_of(order_id).is_late) == ("paid", False)
        assert shopper.balance() == Balance(available=500, pending=128, held=0, debt=0)
        clock.now += timedelta(days=15)
        assert "628 points" in shopper.look("/account")
        assert "paid: 128.90 EUR" in shopper.look(f"/orders/{order_id}")
        assert "To pay</th><td></td><th>4.90 EUR" in shopper.look()

    @pytest.mark.usefixtures("clock")
    def test_message_that_comes_twice_books_once(self) -> None:
        """Both are answered, so that it does not come a third time."""
        shopper = Shopper().register().add("helmet").ask(burn=500)
        order_id = shopper.buy()
        assert [webhook(order_id, "paid") for _ in range(2)] == [200, 200]
        assert shopper.balance() == Balance(available=0, pending=74, held=0, debt=0)

    def test_money_that_comes_after_the_hold_ran_out_is_honoured(self, clock: Clock) -> None:
        """The points were free meanwhile, and are burned all the same."""
        shopper = Shopper().register().add("helmet").ask(burn=500)
        order_id = shopper.buy()
        clock.now += timedelta(minutes=31)
        assert shopper.balance().available == 500
        assert webhook(order_id, "paid") == 200
        assert order_of(order_id).is_late
        assert shopper.balance().available == 0

    @pytest.mark.usefixtures("clock")
    def test_failed_payment_frees_the_points_and_can_be_tried_again(self) -> None:
        """The basket becomes another order."""
        shopper = Shopper().register().add("helmet").ask(burn=500)
        first = shopper.buy()
        assert [webhook(first, "failed") for _ in range(2)] == [200, 200]
        assert shopper.balance().available == 500
        assert "payment failed" in shopper.look(f"/orders/{first}")
        assert shopper.buy() != first

    @pytest.mark.usefixtures("clock")
    def test_money_that_comes_after_a_failure_is_booked(self) -> None:
        """Nobody who paid is refused."""
        shopper = Shopper().register().add("helmet").ask(burn=500)
        order_id = shopper.buy()
        assert [webhook(order_id, status) for status in ("failed", "paid")] == [200, 200]
        assert (order_of(order_id).status, order_of(order_id).is_late) == ("paid", True)
        assert shopper.balance().available == 0

    @pytest.mark.usefixtures("clock")
    def test_failure_that_is_told_after_the_money_changes_nothing(self) -> None:
        """The first attempt's message was overtaken by the second's."""
        shopper = Shopper().register().add("helmet")
        order_id = shopper.buy()
        assert [webhook(order_id, status) for status in ("paid", "failed")] == [200, 200]
        assert order_of(order_id).status == "paid"

    @pytest.mark.usefixtures("clock")
    def test_other_messages_change_nothing(self) -> None:
        """A provider tells more than whether the money is there."""
        order_id = Shopper().add("helmet").buy()
        assert webhook(order_id, "pending") == 200
        assert order_of(order_id).status == "waiting"

    @pytest.mark.usefixtures("clock")
    def test_only_the_provider_is_heard(self) -> None:
        """A wrong signature, an order that is not there."""
        order_id = Shopper().add("helmet").buy()
        assert webhook(order_id, "paid", secret="guessed") == 403
        assert webhook(str(uuid4()), "paid") == 404
        assert not booked(order_id)

    @pytest.mark.usefixtures("clock")
    @pytest.mark.parametrize("error", [ConflictError(), OutcomeUnknownError()])
    def test_provider_is_asked_to_come_again(self, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where others were always faster, or the database did not answer."""

        def fail(_: str) -> NoReturn:
            raise error

        monkeypatch.setattr(part("shop.orders"), "mark_paid", fail)
        assert webhook(str(uuid4()), "paid") == 503

    @pytest.mark.usefixtures("clock")
    def test_rollback_of_the_shop_leaves_nothing_of_the_booking(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The row cannot be written: the points are as before, and the message may come again."""
        shopper = Shopper().register().add("helmet").ask(burn=500)
        order_id = shopper.buy()

        def fail(*_: object) -> NoReturn:
            raise DatabaseError

        with monkeypatch.context() as patch:
            patch.setattr(part("shop.models").Order, "save", fail)
            assert webhook(order_id, "paid") == 500
        assert not booked(order_id)
        assert shopper.balance().held == 500
        assert webhook(order_id, "paid") == 200
        assert booked(order_id)

    @pytest.mark.usefixtures("clock")
    def test_page_stands_in_for_the_provider(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In the example alone."""
        shopper = Shopper().add("helmet")
        order_id = shopper.buy()
        path = f"/payments/{order_id}"
        assert shopper.send(path, page=path, status="paid").headers["location"] == f"/orders/{order_id}"
        assert booked(order_id)
        monkeypatch.setattr(settings, "DEBUG", False)
        assert shopper.browser.get(path).status_code == 404


@pytest.mark.usefixtures("clock")
class TestRefund:
    def test_return_is_paid_back_once(self) -> None:
        """The same return number again changes nothing."""
        shopper, desk = Shopper().register().add("bell", 3), Shopper().log_in()
        order_id = shopper.buy()
        webhook(order_id, "paid")
        path, item = f"/orders/{order_id}", order_of(order_id).items.get()
        for _ in range(2):
            assert desk.send(f"{path}/refund", page=path, return_id="r-1", item=item.pk, quantity=1).status_code == 302
        assert [str(refund) for refund in order_of(order_id).refunds.all()] == ["r-1: 12.50"]
        assert shopper.balance().pending == 25
        assert "12.50 EUR back" in shopper.look(path)

    def test_more_than_was_bought_is_refused(self) -> None:
        """And what no form takes."""
        shopper, desk = Shopper().register().add("bell"), Shopper().log_in()
        order_id = shopper.buy()
        webhook(order_id, "paid")
        path, item = f"/orders/{order_id}", order_of(order_id).items.get()
        assert desk.send(f"{path}/refund", page=path, return_id="r-1", item=item.pk, quantity=2).status_code == 409
        assert desk.send(f"{path}/refund", page=path, return_id="r 1", item=item.pk, quantity=1).status_code == 400
        assert not order_of(order_id).refunds.exists()

    def test_customers_take_nothing_back(self) -> None:
        """It is for the desk."""
        shopper = Shopper().register().add("bell")
        order_id = shopper.buy()
        webhook(order_id, "paid")
        assert shopper.send(f"/orders/{order_id}/refund", return_id="r-1").headers["location"].startswith("/login")


class TestSweep:
    def test_expired_points_are_written_down(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        """Once: the second night has nothing to do."""
        member_id, program = f"user-{uuid4()}", part("shop.management.commands.sweep")
        loyalty = part("shop.views").loyalty
        loyalty.earn(50, member_id=member_id, ref="gift", expires_at=NOON + timedelta(days=1), actor="test")
        clock.now += timedelta(days=2)
        monkeypatch.setattr(program, "loyalty", loyalty)
        call_command("sweep", stdout=StringIO())
        assert [type(fact) for fact in self.facts(member_id)] == [Granted, ExpiryReported]
        call_command("sweep", stdout=(second := StringIO()))
        assert second.getvalue() == "0 done\n"

    def test_what_fails_is_named(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        """And the command ends with an error, so that somebody looks."""
        member_id, program = f"user-{uuid4()}", part("shop.management.commands.sweep")
        loyalty = part("shop.views").loyalty
        loyalty.earn(50, member_id=member_id, ref="gift", expires_at=NOON + timedelta(days=1), actor="test")
        clock.now += timedelta(days=2)
        monkeypatch.setattr(program, "loyalty", loyalty)

        def fail(*_: object) -> NoReturn:
            raise ConflictError

        with monkeypatch.context() as patch:
            patch.setattr(part("loyalty.repository").DjangoRepository, "commit", fail)
            with pytest.raises(CommandError, match=f"member/{member_id}"):
                call_command("sweep", stdout=StringIO())
        call_command("sweep", stdout=StringIO())

    @staticmethod
    def facts(member_id: str) -> tuple[Fact, ...]:
        """Give all that is known of a member."""
        stream = member_stream(member_id)
        return tuple(repository().load([stream])[stream].facts)


@pytest.mark.usefixtures("database")
class TestInOneTransaction:
    def test_lost_race_runs_all_of_it_again(self) -> None:
        """What an attempt wrote is gone before the next."""
        product, names = part("shop.models").Product, [uuid4().hex, uuid4().hex]
        left = list(names)

        @part("shop.orders").in_one_transaction  # type: ignore[untyped-decorator]  # found at run time
        def work() -> str:
            product.objects.create(sku=left[0], name="Pump", category="parts", price="1.00")
            if len(left) > 1:
                left.pop(0)
                raise ConflictError
            return left[0]

        assert work() == names[1]
        assert [product.objects.filter(sku=name).exists() for name in names] == [False, True]

    def test_race_that_is_always_lost_is_told(self) -> None:
        """It does not go on for ever."""
        tries = []

        @part("shop.orders").in_one_transaction  # type: ignore[untyped-decorator]  # found at run time
        def work() -> NoReturn:
            tries.append(1)
            raise ConflictError

        with pytest.raises(ConflictError):
            work()
        assert len(tries) == part("shop.orders").TRIES


class Quiet(WSGIRequestHandler):  # type: ignore[misc]  # Django has no types
    """Serves, and prints nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def live(clock: Clock) -> Iterator[str]:
    """Serve the shop on a port, a thread for each request, and give its address."""
    assert clock.now == NOON
    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(get_wsgi_application())
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(SECONDS)


class TestLive:
    def test_points_are_held_for_one_of_many_orders_at_once(self, live: str) -> None:
        """One member with many browsers: all see the points, one basket gets them."""
        shopper = Shopper(live).register()
        crowd = [Shopper(live) for _ in range(4)]
        for one in crowd:
            one.browser.cookies.set("sessionid", self.session_like(shopper))
            one.add("helmet").ask(burn=500)
        sights, ready = [one.seen() for one in crowd], Barrier(len(crowd), timeout=SECONDS)

        def press(place: int) -> int:
            token = crowd[place].browser.cookies["csrftoken"]
            ready.wait()
            fields = {"seen": sights[place]}
            return crowd[place].browser.post("/checkout", data=fields, headers={"X-CSRFToken": token}).status_code

        with ThreadPoolExecutor(len(crowd)) as pool:
            answers = sorted(pool.map(press, range(len(crowd))))
        assert answers == [302, 409, 409, 409]
        assert shopper.balance().held == 500

    @staticmethod
    def session_like(shopper: Shopper) -> str:
        """Log the same person in once more, on another machine."""
        store = part("django.contrib.sessions.backends.db").SessionStore
        session = store(shopper.browser.cookies["sessionid"])
        other = store()
        other.update({name: value for name, value in session.items() if name.startswith("_auth")})
        other.create()
        return str(other.session_key)

    def test_messages_at_once_book_once(self, live: str) -> None:
        """Every one of them is answered in the end."""
        shopper = Shopper(live).register().add("helmet").ask(burn=500)
        order_id, ready = shopper.buy(), Barrier(6, timeout=SECONDS)

        def call(_: int) -> int:
            ready.wait()
            return webhook(order_id, "paid", url=live)

        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(call, range(6))) == {200}
        assert shopper.balance() == Balance(available=0, pending=74, held=0, debt=0)
