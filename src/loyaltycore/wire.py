r"""The wire form: one exact way to write values down.

Digests, command fingerprints and the stored form of facts share it: JSON with sorted keys, whole numbers, instants in UTC.
A ``Coder`` follows the annotations of a frozen class, so a class says its stored form by saying its fields.

Invariants:
    1. ``decode(encode(x)) == x`` for every value of a coded class.
    2. Equal values give equal bytes, under every ``PYTHONHASHSEED`` and on every Python.
    3. A float never enters.
    4. Any JSON at all decodes to a value or raises ``CorruptStateError``, nothing else.
    5. A field that holds its default is left out, so a field added later with a default keeps old forms readable.

>>> canonical({"b": 1, "a": [True, "é"]})
b'{"a":[true,"\xc3\xa9"],"b":1}'
>>> digest({"b": 1}, purpose="example") == digest({"b": 1}, purpose="example")
True
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from fractions import Fraction
from functools import cache
from hashlib import blake2b
from types import NoneType, UnionType
from typing import Any, Final, Generic, NoReturn, TypeAlias, TypeVar, Union, cast, final, get_args, get_origin, get_type_hints

import attrs

from loyaltycore._checks import check_instant, check_kind, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import CorruptStateError, LoyaltyError, UsageError

__all__ = [
    "Coder",
    "Json",
    "canonical",
    "coded_digest",
    "coded_text",
    "coder",
    "digest",
    "instant_text",
    "parse_instant",
    "plain",
    "read_json",
    "read_state",
    "write_state",
]

Json: TypeAlias = Any
"""What ``json`` reads and writes: None, bool, int, str, lists and string-keyed dicts of these."""

DIGEST_BYTES: Final = 16
"""128 bits: far beyond an accidental collision, short enough for a form field."""

PURPOSE_LIMIT: Final = blake2b.PERSON_SIZE
"""Characters of a digest's purpose: what the hash has room for."""

STATE_FORM: Final = 1
"""Number of the stored form of a whole state."""

T = TypeVar("T")


def instant_text(at: datetime) -> str:
    """Write an instant in UTC, as ``2026-07-01T08:00:00Z``, with microseconds only when there are any.

    Args:
        at: Timezone-aware.

    Raises:
        UsageError: A naive time, or one outside the years 2 to 9998.
    """
    return check_instant("an instant", at).replace(tzinfo=None).isoformat() + "Z"


def parse_instant(text: str) -> datetime:
    """Read an instant that carries its offset (``Z`` or ``+02:00``); the result is in UTC.

    Raises:
        UsageError: No instant, one without an offset, or outside the years 2 to 9998.
    """
    try:
        return check_instant("an instant", datetime.fromisoformat(text))
    except (ValueError, TypeError) as error:
        msg = f"an instant must be written like 2026-07-01T10:00:00+02:00, got {shown(text)}"
        raise UsageError(msg) from error


def canonical(value: Json) -> bytes:
    """Give the one byte string of a JSON value.

    Raises:
        UsageError: A float, text that is no Unicode text, a key that is no text, or a type JSON has not.
    """
    try:
        _check_json(value)
        return _ENCODER.encode(value).encode()
    except (ValueError, RecursionError) as error:
        msg = f"a wire value must be made of None, bool, int, str, list and dict, got {shown(value)} ({error})"
        raise UsageError(msg) from error


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def coded_text(value: Json) -> str:
    """Give the same as ``canonical``, as text, for a value that a ``Coder`` made: it needs no second look."""
    return _ENCODER.encode(value)


def _check_json(value: Json) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                _refuse(key)
            _check_json(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_json(item)
    elif value is not None and not isinstance(value, int | str):
        _refuse(value)


def _refuse(value: object) -> NoReturn:
    msg = f"cannot be written exactly: {shown(value)}"
    raise UsageError(msg)


def read_json(text: str | bytes) -> Json:
    """Read JSON text, without floats.

    Raises:
        CorruptStateError: The text is no JSON, or holds a float.
    """
    try:
        return json.loads(text, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, TypeError, RecursionError) as error:
        msg = f"not JSON of this library: {error}"
        raise CorruptStateError(msg) from error


def digest(value: Json, *, purpose: str) -> str:
    """Hash a JSON value into 32 hexadecimal digits.

    Args:
        value: What ``canonical`` takes.
        purpose: At most 16 ASCII characters; keeps digests of different kinds apart.

    Raises:
        UsageError: As ``canonical``, or another purpose.
    """
    if not isinstance(purpose, str) or not purpose.isascii() or len(purpose) > PURPOSE_LIMIT:
        msg = f"purpose must be at most {PURPOSE_LIMIT} ASCII characters, got {shown(purpose)}"
        raise UsageError(msg)
    return _hashed(canonical(value), purpose)


def coded_digest(value: Json, *, purpose: str) -> str:
    """Give the same as ``digest`` for a value made of checked parts: it needs no second look."""
    return _hashed(coded_text(value).encode(), purpose)


def _hashed(data: bytes, purpose: str) -> str:
    return blake2b(data, digest_size=DIGEST_BYTES, person=purpose.encode()).hexdigest()


@final
@attrs.frozen
class Coder(Generic[T]):
    """Writes and reads one type.

    Attributes:
        encode: Value to JSON; raises ``UsageError`` for what is not of the type.
        decode: JSON to value; raises ``CorruptStateError`` for what it never wrote.
    """

    encode: Callable[[T], Json]
    decode: Callable[[Json], T]


def coder(kind: type[T]) -> Coder[T]:
    """Give the coder of a frozen class: made once, from its annotations.

    The class is one of attrs or a ``NamedTuple``. Fields may be int, bool, str, datetime, date, a ``StrEnum``, a coded class,
    ``X | None``, ``tuple[X, ...]``, ``tuple[X, Y]`` and ``FrozenMap[str, X]``. A field whose name starts with ``_``, or that
    is no argument of the constructor, is not written.

    Raises:
        UsageError: No class, or one with a field of another type: a bug of the class.
    """
    return cast("Coder[T]", _coder(check_kind("kind", kind, type)))


@cache
def _coder(kind: Any) -> Coder[Any]:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _optional(kind)
    if origin is tuple:
        return _tuple(get_args(kind))
    if origin is FrozenMap:
        return _mapping(get_args(kind)[1])
    if isinstance(kind, type):
        if issubclass(kind, StrEnum):
            return Coder(lambda value: _instance(kind, value).value, lambda data: _member(kind, data))
        if attrs.has(kind) or _is_named_tuple(kind):
            return _fields(kind)
    if hasattr(kind, "__supertype__"):  # a NewType
        return _coder(kind.__supertype__)
    if kind in _PLAIN:
        return _PLAIN[kind]
    msg = f"no wire form for {kind!r}"
    raise UsageError(msg)


def plain(value: Any) -> Json:
    """Write any frozen value of the library as JSON, for a digest; there is no way back.

    Sets are sorted, fractions written as ``"1/10"``, classes named, so that different rules never look the same. Of a value of
    the library it sees what equality sees.

    Raises:
        UsageError: A float, or another type that is no value of the library.
    """
    try:
        return _plain(value)
    except UsageError:
        raise
    except (RecursionError, ValueError) as error:
        msg = f"a value is nested too deeply, or holds too long a number: {type(value).__name__}"
        raise UsageError(msg) from error


def _plain(value: Any) -> Json:
    match value:
        case None | bool() | int() | str():
            return value
        case datetime():
            return instant_text(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return f"{value // timedelta(microseconds=1)} µs"
        case Fraction():
            return f"{value.numerator}/{value.denominator}"
        case frozenset():
            return sorted((_plain(item) for item in value), key=canonical)
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {_key(key): _plain(item) for key, item in value.items()}
    if not attrs.has(type(value)):
        msg = f"no wire form for {shown(value)}"
        raise UsageError(msg)
    names = [field.name for field in attrs.fields(type(value)) if field.eq]
    return {"is": type(value).__name__, **{name: _plain(getattr(value, name)) for name in names}}


def _key(key: object) -> str:
    if not isinstance(key, str):
        msg = f"the keys of a mapping must be text, got {shown(key)}"
        raise UsageError(msg)
    return key


def write_state(state: object) -> dict[str, Json]:
    """Write a whole aggregate, with the number of its form.

    Raises:
        UsageError: No value of a coded class.
    """
    return {"form": STATE_FORM, **coder(_fielded(type(state))).encode(state)}


def read_state(kind: type[T], data: Json) -> T:
    """Read what ``write_state`` wrote.

    Raises:
        CorruptStateError: Anything else.
        UsageError: The class has no coded form.
    """
    _fielded(kind)
    if not isinstance(data, Mapping) or type(data.get("form")) is not int or data["form"] != STATE_FORM:
        msg = f"a stored {kind.__name__} must be a mapping of form {STATE_FORM}, got {shown(data)}"
        raise CorruptStateError(msg)
    return coder(kind).decode({name: item for name, item in data.items() if name != "form"})


def _fielded(kind: type[T]) -> type[T]:
    if not attrs.has(check_kind("kind", kind, type)):
        msg = f"a state must be a value of a coded class, got {shown(kind)}"
        raise UsageError(msg)
    return kind


def _instance(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        msg = f"expected {kind.__name__}, got {shown(value)}"
        raise UsageError(msg)
    return value


def _exact(kind: type[T], data: Json) -> T:
    if type(data) is not kind:
        msg = f"expected {kind.__name__}, got {shown(data)}"
        raise CorruptStateError(msg)
    return data


def _write_text(value: object) -> str:
    if not isinstance(value, str) or not _is_unicode(value):
        msg = f"expected str without lone surrogates, got {shown(value)}"
        raise UsageError(msg)
    return value


def _read_text(data: Json) -> str:
    text = _exact(str, data)
    if not _is_unicode(text):
        msg = f"expected Unicode text without lone surrogates, got {shown(data)}"
        raise CorruptStateError(msg)
    return text


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_instant(data: Json) -> datetime:
    try:
        return parse_instant(_exact(str, data))
    except UsageError as error:
        raise CorruptStateError(str(error)) from error


def _read_date(data: Json) -> date:
    try:
        return date.fromisoformat(_exact(str, data))
    except ValueError as error:
        msg = f"expected a date, got {shown(data)}"
        raise CorruptStateError(msg) from error


_PLAIN: Final[Mapping[Any, Coder[Any]]] = {
    int: Coder(lambda value: _instance(int, value), lambda data: _exact(int, data)),
    bool: Coder(lambda value: _instance(bool, value), lambda data: _exact(bool, data)),
    str: Coder(_write_text, _read_text),
    datetime: Coder(instant_text, _read_instant),
    date: Coder(lambda value: _instance(date, value).isoformat(), _read_date),
}


def _member(kind: type[StrEnum], data: Json) -> StrEnum:
    try:
        return kind(_exact(str, data))
    except ValueError as error:
        msg = f"expected one of {[member.value for member in kind]}, got {shown(data)}"
        raise CorruptStateError(msg) from error


def _optional(kind: Any) -> Coder[Any]:
    inner = [part for part in get_args(kind) if part is not NoneType]
    if len(inner) != 1:
        msg = f"no wire form for the union {kind!r}"
        raise UsageError(msg)
    one = _coder(inner[0])
    return Coder(
        lambda value: None if value is None else one.encode(value),
        lambda data: None if data is None else one.decode(data),
    )


def _tuple(parts: tuple[Any, ...]) -> Coder[Any]:
    if len(parts) == 2 and parts[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...] has two parts
        each = _coder(parts[0])
        return Coder(
            lambda value: [each.encode(item) for item in _instance(tuple, value)],
            lambda data: tuple(each.decode(item) for item in _exact(list, data)),
        )
    coders = [_coder(part) for part in parts]

    def encode(value: Any) -> Json:
        if len(_instance(tuple, value)) != len(coders):
            msg = f"expected {len(coders)} items, got {shown(value)}"
            raise UsageError(msg)
        return [one.encode(item) for one, item in zip(coders, value, strict=True)]

    def decode(data: Json) -> tuple[Any, ...]:
        if len(_exact(list, data)) != len(coders):
            msg = f"expected {len(coders)} items, got {shown(data)}"
            raise CorruptStateError(msg)
        return tuple(one.decode(item) for one, item in zip(coders, data, strict=True))

    return Coder(encode, decode)


def _mapping(kind: Any) -> Coder[Any]:
    one = _coder(kind)
    return Coder(
        lambda value: {_write_text(key): one.encode(item) for key, item in _instance(FrozenMap, value).items()},
        lambda data: FrozenMap({_read_text(key): one.decode(item) for key, item in _exact(dict, data).items()}),
    )


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_field_defaults")


def _defaults(kind: Any) -> dict[str, object]:
    """Give the fields that are written, each with its default."""
    if _is_named_tuple(kind):
        return {name: kind._field_defaults.get(name, attrs.NOTHING) for name in kind._fields}
    return {field.name: field.default for field in attrs.fields(kind) if field.init and not field.name.startswith("_")}


def _fields(kind: Any) -> Coder[Any]:
    hints = get_type_hints(kind)
    plan = [(name, _coder(hints[name]), default) for name, default in _defaults(kind).items()]
    coders = {name: one for name, one, _ in plan}
    needed = {name for name, _, default in plan if default is attrs.NOTHING}

    def encode(value: Any) -> Json:
        _instance(kind, value)
        data = {}
        for name, one, default in plan:
            item = getattr(value, name)
            if item != default:
                data[name] = one.encode(item)
        return data

    def decode(data: Json) -> Any:
        found = _exact(dict, data).keys()
        if not needed <= found <= coders.keys():
            msg = f"{kind.__name__} needs {sorted(needed)} and may have {sorted(coders)}, got {shown(list(found))}"
            raise CorruptStateError(msg)
        try:
            return kind(**{name: coders[name].decode(item) for name, item in data.items()})
        except CorruptStateError:
            raise
        except LoyaltyError as error:
            msg = f"{kind.__name__} cannot be {shown(data)}: {error}"
            raise CorruptStateError(msg) from error

    return Coder(encode, decode)
