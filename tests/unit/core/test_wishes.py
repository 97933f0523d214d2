"""Whom a client wants to meet, as it says it, as it is compared, and as it wears off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signald.core import messages
from signald.core.messages import Available, ErrorCode, ProtocolError, Wishes, parse
from signald.core.wishes import Side, Vocabulary, Wish, fold, from_claims, make_wish, may_meet

ANY = Vocabulary()


def wished(text: str, known: tuple[tuple[str, tuple[str, ...]], ...] = (), vocabulary: Vocabulary = ANY) -> Wish | None:
    message = parse(text.encode())
    assert isinstance(message, Wishes)
    return make_wish(message.wishes(), known, vocabulary)


def test_without_fields_there_is_no_wish() -> None:
    """Clients of the first protocol leave the one queue in which they meet each other."""
    for text in ('{"type":"available"}', '{"type":"next"}', '{"type":"available","color":"red"}'):
        assert wished(text) is None
    assert wished('{"type":"available","pool":"","is":{},"wants":{"lang":[]},"likes":[],"relax":{"lang":5}}') is None


def test_words_are_folded_and_sorted() -> None:
    """Two who mean the same do not meet, since one wrote it with a capital, or with another key of an accent."""
    one = wished(
        '{"type":"available","pool":"Caf\\u00e9","is":{"Lang":["EN","de"],"lang":["en"]},"likes":["M","a","A"]}'
    )
    other = wished('{"type":"next","pool":"cafe\\u0301","is":{"lang":["de","en"]},"likes":["A","m"]}')
    assert one == other == Wish("café", (("lang", ("de", "en")),), likes=("a", "m"), relax=(("likes", 5.0),))


@given(st.text(max_size=8))
def test_folding_twice_changes_nothing(word: str) -> None:
    """What one instance sends to another is compared with something else there."""
    assert fold(fold(word)) == fold(word)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ('"pool":5', "$.pool"),
        ('"pool":null', "$.pool"),
        (f'"pool":"{"x" * 33}"', "$.pool"),
        ('"is":[]', "$.is"),
        ('"is":{"lang":"en"}', "$.is"),
        ('"is":{"lang":[5]}', "$.is"),
        (f'"is":{{"{"x" * 33}":[]}}', "$.is"),
        ('"is":{{{}}}'.format(",".join(f'"{key}":[]' for key in "abcdefghi")), "$.is"),
        ('"wants":{{"k":[{}]}}'.format(",".join(f'"{value}"' for value in range(17))), "$.wants"),
        ('"avoids":{"k":["%s"]}' % ("x" * 33), "$.avoids"),
        ('"likes":{}', "$.likes"),
        ('"likes":[{}]'.format(",".join(f'"{value}"' for value in range(11))), "$.likes"),
        ('"relax":{"k":-1}', "$.relax"),
        ('"relax":{"k":3601}', "$.relax"),
        ('"relax":{"k":"5"}', "$.relax"),
        ('"wants":{"Likes":["x"]}', "$.wants"),
    ],
)
def test_a_mistake_names_the_field(fields: str, named: str) -> None:
    """An author looks for a mistake in all of a message, or somebody waits for what nobody understood."""
    for kind in ("available", "next"):
        with pytest.raises(ProtocolError) as caught:
            wished(f'{{"type":"{kind}",{fields}}}')
        assert caught.value.code is ErrorCode.INVALID_FORMAT
        assert named in caught.value.message


def test_the_bounds_are_reached() -> None:
    """A page that keeps to the bounds of the documentation is refused."""
    facts = ",".join(
        f'"{"k" * 31}{key}":[{",".join(f"{chr(34)}{n:032}{chr(34)}" for n in range(16))}]' for key in range(8)
    )
    likes = ",".join(f'"{n:032}"' for n in range(10))
    three = ",".join(f'"{field}":{{{facts}}}' for field in ("is", "wants", "avoids"))
    text = f'{{"type":"available","pool":"{"p" * 32}",{three},"likes":[{likes}],"relax":{{"likes":3600}}}}'
    wish = wished(text)
    assert wish is not None
    assert (len(wish.is_), len(wish.wants[0][1]), len(wish.likes)) == (8, 16, 10)
    assert len(text) < messages.MAX_MESSAGE_BYTES


def test_a_declared_vocabulary() -> None:
    """A slip in a page makes its users wait for ever, or an operator cannot say what there is."""
    vocabulary = Vocabulary(keys={"lang": frozenset(), "gender": frozenset("fm")}, claims=frozenset({"verified"}))
    good = '{"type":"available","is":{"lang":["tlh"],"gender":["F"]},"wants":{"verified":["true"]},"relax":{"lang":1}}'
    assert wished(good, vocabulary=vocabulary) is not None
    for fields, named in (
        ('"is":{"hair":["red"]}', 'there is no key "hair" here - at `$.is`'),
        ('"avoids":{"gender":["q"]}', "`gender` is one of f, m - at `$.avoids`"),
        ('"relax":{"hair":5}', 'there is no key "hair" here - at `$.relax`'),
    ):
        with pytest.raises(ProtocolError) as caught:
            wished(f'{{"type":"available",{fields}}}', vocabulary=vocabulary)
        assert caught.value.message == named


def test_facts_of_a_token_count_alone() -> None:
    """Somebody says that it is verified, and is believed."""
    vocabulary = Vocabulary(claims=frozenset({"verified", "age"}))
    known = from_claims({"verified": True, "age": 21, "sub": "ada", "x": {}}, ("verified", "age", "x", "y"))
    assert known == (("age", ("21",)), ("verified", ("true",)))
    said = '{"type":"available","is":{"Verified":["maybe"],"lang":["en"]}}'
    assert wished(said, known, vocabulary) == Wish(is_=(*known[:1], ("lang", ("en",)), *known[1:]))
    assert wished(said, (), vocabulary) == Wish(is_=(("lang", ("en",)),))
    assert wished('{"type":"available"}', known, vocabulary) == Wish(is_=known)
    assert from_claims({"groups": ["B", "a", None]}, ("groups",)) == (("groups", ("a", "b")),)


def test_what_binds_wears_off() -> None:
    """Somebody who would take anybody after ten seconds waits for ever, or is matched at once with anybody."""
    wish = wished(
        '{"type":"available","is":{"a":["x"]},"wants":{"a":["x"],"b":["y"]},"avoids":{"a":["z"]},"likes":["c"],'
        '"relax":{"a":10,"likes":2,"other":1}}'
    )
    assert wish is not None
    whole = Side((("a", ("x",)),), (("a", ("x",)), ("b", ("y",))), (("a", ("z",)),), prefers=True)
    assert wish.side(100.0, 101.9) == whole
    assert wish.side(100.0, 102.0) == Side(whole.is_, whole.wants, whole.avoids)
    assert wish.side(100.0, 110.0) == Side(whole.is_, (("b", ("y",)),), ())
    assert [wish.next_change(100.0, now) for now in (100.0, 102.0, 110.0)] == [102.0, 110.0, None]
    assert [wish.relaxed(100.0, now) for now in (100.0, 102.0, 110.0)] == [(), ("likes",), ("a", "likes")]


def test_both_sides_must_be_content() -> None:
    """Somebody is called by whom it does not want, because that one wants it."""
    adult, child = Side(is_=(("age", ("18-25",)),)), Side(is_=(("age", ("13-17",)),))
    wants = Side(is_=(("age", ("18-25",)),), wants=(("age", ("18-25", "26-35")),))
    avoids = Side(avoids=(("age", ("13-17",)),))
    silent = Side()
    for one, other, may in (
        (wants, adult, True),
        (wants, wants, True),
        (wants, child, False),
        (wants, silent, False),  # a fact that is missing does not satisfy a want
        (avoids, silent, True),
        (avoids, adult, True),
        (avoids, child, False),
        (avoids, wants, False),  # of whom nothing is told to it
        (adult, child, True),
    ):
        assert may_meet(one, other) is may_meet(other, one) is may


def test_fields_stand_in_both_messages() -> None:
    """What `available` may say cannot be changed by `next`."""
    assert Available().wishes() is None
    given = parse(b'{"type":"next","roomId":"r","likes":["x"]}')
    assert isinstance(given, Wishes)
    assert given.wishes() == Wishes(likes=["x"])
