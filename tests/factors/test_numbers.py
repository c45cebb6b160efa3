"""Phone numbers: one spelling, of a country that is allowed, or refused."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_melody_mfa.core.errors import InvalidRequest, UnsupportedDestination
from flask_melody_mfa.factors.sms import canonical

ALL = tuple(sorted(phonenumbers.SUPPORTED_REGIONS))

PLAUSIBLE = st.text(
    alphabet="+0123456789 ()-./\u00a0\uff0b\uff11\uff12\u0663\u06f4;ext=x", max_size=45
)

COUNTRIES = st.one_of(
    st.just(ALL), st.just(("GB",)), st.just(("US",)), st.just(("FR", "CN")), st.just(())
)


@pytest.mark.check("O10", "O11", "F12")
@given(st.one_of(st.text(max_size=60), PLAUSIBLE), COUNTRIES)
@example("+44 7400 123456", ("GB",))
@example("07400 123456", ("GB",))
def test_a_number_is_canonical_or_refused_and_nothing_else(
    typed: str, countries: tuple[str, ...]
) -> None:
    try:
        number = canonical(typed, countries)
    except InvalidRequest as error:
        assert set(error.errors) == {"phone_number"}
        return
    assert number[0] == "+" and number[1:].isascii() and number[1:].isdecimal()
    assert canonical(number, countries) == number, "once more changes nothing"
    parsed = phonenumbers.parse(number)
    assert phonenumbers.region_code_for_number(parsed) in countries


def examples(kind: int) -> list[str]:
    """The example numbers of every region that has one of this kind."""
    found = []
    for region in ALL:
        number = phonenumbers.example_number_for_type(region, kind)
        if number is not None:
            found.append(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return found


MOBILE = examples(phonenumbers.PhoneNumberType.MOBILE)


@pytest.mark.check("O10")
@given(st.sampled_from(MOBILE), st.data())
def test_every_spelling_of_a_number_is_one_number(number: str, data: st.DataObject) -> None:
    try:
        expected = canonical(number, ALL)
    except UnsupportedDestination:
        return  # where mobile and fixed numbers look alike
    blanks = data.draw(st.lists(st.sampled_from(["", " ", "-", ".", "\u00a0"]), min_size=16))
    script = data.draw(st.sampled_from(["0", "\uff10", "\u0660", "\u06f0"]))
    digits = "".join(
        chr(ord(script) + int(digit)) + blank
        for digit, blank in zip(number[1:], blanks, strict=False)
    )
    prefix = data.draw(st.sampled_from(["+", "\uff0b", " +", "+ "]))
    if len(prefix + digits) <= 40:
        assert canonical(prefix + digits, ALL) == expected
    assert canonical("00" + number[1:], ALL) == expected


@pytest.mark.check("O09")
@pytest.mark.parametrize(
    "kind",
    [
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.UAN,
        phonenumbers.PhoneNumberType.PAGER,
        phonenumbers.PhoneNumberType.VOICEMAIL,
    ],
)
def test_no_number_that_somebody_earns_by_is_taken(kind: int) -> None:
    for number in examples(kind):
        parsed = phonenumbers.parse(number)
        if phonenumbers.number_type(parsed) != kind or not phonenumbers.is_valid_number(parsed):
            continue  # its region's rules take it for something else
        with pytest.raises(InvalidRequest):
            canonical(number, ALL)


@pytest.mark.check("O09")
@given(st.sampled_from(MOBILE), st.sets(st.sampled_from(ALL), max_size=5))
def test_a_country_that_is_not_named_gets_nothing(number: str, countries: set[str]) -> None:
    region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    named = tuple(sorted(countries - {region}))
    with pytest.raises(InvalidRequest):
        canonical(number, named)


@pytest.mark.check("O10")
@pytest.mark.parametrize(
    "typed", ["+44 7400 123456;ext=1", "+44 7400 123456 x1", "tel:+447400123456", "+44 7400 CALLME"]
)
def test_an_extension_is_refused(typed: str) -> None:
    with pytest.raises(InvalidRequest):
        canonical(typed, ("GB",))


@pytest.mark.check("O10")
def test_a_national_spelling_counts_where_there_is_one_country() -> None:
    assert canonical("07400 123456", ("GB",)) == "+447400123456"
    with pytest.raises(InvalidRequest):
        canonical("07400 123456", ("GB", "US"))
