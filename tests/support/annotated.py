"""Records of any text and entities, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

from hybridner.spans import Record, Span

#: Words of the domain, characters of two UTF-16 units, spaces, marks and Latin letters.
_CHARACTERS = st.one_of(
    st.sampled_from(list("俄军在叙利亚部署了干扰机。，“”GPS 4　\u3000é😀𠮷👨\u200d🚀")),
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]),
)
LABELS = st.sampled_from(["PER", "LOC", "Adversary States", "装备", "O-2"])


@st.composite
def records(draw: st.DrawFn, *, flat: bool = False, labels: st.SearchStrategy[str] = LABELS, spaces: bool = True) -> Record:
    """A text of some characters and entities in it.

    Args:
        flat: without overlaps.
        spaces: entities may begin or end with a space.
    """
    text = draw(st.text(_CHARACTERS, min_size=1, max_size=20))
    places = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text))).filter(lambda place: place[0] < place[1])
    found: list[Span] = []
    for start, end in draw(st.lists(places, max_size=4, unique=True)):
        word = text[start:end]
        if (not spaces and word != word.strip()) or (flat and any(s.start < end and start < s.end for s in found)):
            continue
        found.append(Span(start, end, draw(labels)))
    return Record(text, tuple(sorted(set(found))))
