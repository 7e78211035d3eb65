"""Which country a phone number is in, told by its first digits alone, so that a database can tell it as well.

The digits come from the numbering plans of `phonenumbers`. Where countries share a calling code, such as the United
States and Canada, their plans say which numbers are whose.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import product
from re import _parser  # type: ignore[attr-defined]  # named in tests/test_internals.py
from typing import Any, NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata

#: Digits after a calling code that several countries share, by which their numbers are told apart. More take longer.
LENGTH = 5
#: For some codes fewer do, such as area codes in North America.
_LENGTHS = {1: 3, 7: 1, 47: 2, 358: 2}
_KINDS = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)
_DIGITS = frozenset("0123456789")


class Beginnings(NamedTuple):
    """How numbers begin, with their plus sign: those with one of `within`, except those with one of `but`."""

    within: frozenset[str]
    but: frozenset[str]

    def fit(self, number: str) -> bool:
        return _begins(number, self.within) and not _begins(number, self.but)

    @property
    def others(self) -> frozenset[str]:
        """How all other numbers begin, in as few digits as tell it."""
        shared = {one[:length] for one in self.within for length in range(1, len(one) + 1)}
        longer = {one + digit for one in shared - self.within for digit in _DIGITS}
        return frozenset(longer - shared) | self.but


def _begins(number: str, beginnings: frozenset[str]) -> bool:
    return any(number[:length] in beginnings for length in {len(one) for one in beginnings})


@lru_cache(maxsize=8)
def beginnings(countries: Collection[str]) -> Beginnings:
    """Of the numbers in these countries, which are given as a tuple of two letters each.

    A number that fits no plan is in each of the countries that share its calling code, unless those that begin like it
    are all elsewhere.
    """
    within, but = set(), set()
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        if not set(regions) & set(countries):
            continue
        within.add(f"+{code}")
        if not set(regions) <= set(countries):
            but |= {f"+{code}{digits}" for digits in _elsewhere(code, regions, countries)}
    return Beginnings(frozenset(within), frozenset(but))


def _elsewhere(code: int, regions: Sequence[str], countries: Collection[str]) -> set[str]:
    """How numbers in those of the regions begin that are none of `countries`, in as few digits as tell them apart."""
    inside: set[str] = set()
    outside: set[str] = set()
    # The first whose plan has a number is the country of it, as in `phonenumbers.region_code_for_number`.
    for region in regions:
        (inside if region in countries else outside).update(_of_plan(code, region) - inside - outside)
    shared = {digits[:length] for digits in inside for length in range(len(digits) + 1)}
    return {_shortest(digits, shared) for digits in outside}


def _shortest(digits: str, shared: Collection[str]) -> str:
    return next(digits[:length] for length in range(1, len(digits) + 1) if digits[:length] not in shared)


@lru_cache(maxsize=64)
def _of_plan(code: int, region: str) -> frozenset[str]:
    """All first digits, after the calling code, of numbers in a country."""
    length = _LENGTHS.get(code, LENGTH)
    plan: Any = PhoneMetadata.metadata_for_region(region)
    kinds = (getattr(plan, kind) for kind in _KINDS)
    patterns = [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]
    if plan.leading_digits and not _is_whole(plan.leading_digits):
        patterns.append(plan.leading_digits)
    found = (_starts({""}, _parser.parse(pattern), length) for pattern in patterns)
    return frozenset(digits for starts in found for start in starts for digits in _filled(start, length))


def _is_whole(leading: str) -> bool:
    """Whether leading digits only part a code's numbers between countries, and so are no plan of their own."""
    return leading.startswith("[")


def _filled(start: str, length: int) -> Iterable[str]:
    return (start + "".join(rest) for rest in product(sorted(_DIGITS), repeat=length - len(start)))


# --- What a pattern may begin with ------------------------------------------------------------------------------------
def _starts(starts: set[str], pattern: Iterable[tuple[Any, Any]], length: int) -> set[str]:
    """`starts`, each followed by all that the pattern allows, up to so many digits."""
    for kind, part in pattern:
        if all(len(start) == length for start in starts):
            break
        starts = _step(starts, str(kind), part, length)
    return starts


def _step(starts: set[str], kind: str, part: Any, length: int) -> set[str]:
    match kind:
        case "LITERAL":
            return _followed(starts, {chr(part)}, length)
        case "IN":
            return _followed(starts, {digit for one in part for digit in _in_class(*one)}, length)
        case "BRANCH":
            return {start for branch in part[1] for start in _starts(starts, branch, length)}
        case "SUBPATTERN":
            return _starts(starts, part[-1], length)
        case "MAX_REPEAT":
            return _repeated(starts, part, length)
    raise ValueError(f"{kind} is in no known numbering plan")


def _followed(starts: set[str], digits: Iterable[str], length: int) -> set[str]:
    open_ones = {start for start in starts if len(start) < length}
    return (starts - open_ones) | {start + digit for start in open_ones for digit in digits}


def _in_class(kind: Any, part: Any) -> Iterable[str]:
    match str(kind):
        case "LITERAL":
            return chr(part)
        case "RANGE":
            return map(chr, range(part[0], part[1] + 1))
    return _DIGITS


def _repeated(starts: set[str], part: tuple[int, int, Any], length: int) -> set[str]:
    least, most, pattern = part
    found = set(starts) if least == 0 else set()
    for number in range(1, min(most, least + length) + 1):
        starts = _starts(starts, pattern, length)
        if number >= least:
            found |= starts
        if all(len(start) == length for start in starts):
            return found | starts
    return found
