"""What labelled texts say about how annotators label."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.errors import DataError
from hybridner.guidelines import find_habits, write_guidelines
from hybridner.guidelines.affixes import fold
from hybridner.guidelines.borders import find_borders
from hybridner.guidelines.mentions import find_mentions
from hybridner.llm.guidelines import MAX_CHARACTERS, split_sections
from hybridner.spans import Label, LabelSet, Record, Span

_MARK = re.compile(r"<(\w+)>(.*?)</>")


def marked(text: str, group: str = "") -> Record:
    """A record from a text like "<PER>王强</>来了"."""
    plain, spans, position = "", [], 0
    for found in _MARK.finditer(text):
        plain += text[position : found.start()]
        spans.append(Span(len(plain), len(plain) + len(found[2]), found[1]))
        plain += found[2]
        position = found.end()
    return Record(plain + text[position:], tuple(spans), group=group)


def border(kind: str, *texts: str) -> tuple[int, int]:
    records = [marked(text) for text in texts]
    found = {b.kind: b for b in find_borders([(record, span) for record in records for span in record.entities])}
    return (found[kind].taken_in, found[kind].left_out) if kind in found else (0, 0)


@pytest.mark.parametrize(
    ("kind", "inside", "outside", "neither"),
    [
        ("title", "<PER>王强教授</>来了", "<PER>王强</>教授来了", "<PER>教授</>来了"),
        ("year", "<EVENT>2008年奥运会</>上", "2008年<EVENT>奥运会</>上", "<TIME>2008年初</>的会"),
        ("date", "在<TIME>1972年7月</>首飞", "在<TIME>1972年</>7月首飞", "在<TIME>1972年</>首飞"),
        ("quotes", "读<BOOK>《红楼梦》</>", "读《<BOOK>红楼梦</>》", "读<BOOK>红楼梦</>"),
        ("alias", "<ORG>世界银行（WB）</>说", "<ORG>世界银行</>（WB）说", "<ORG>世界银行</>说"),
        ("de", "见<PLACE>北方的城</>", "古老的<PLACE>城</>", "古老<PLACE>城</>"),
        ("list", "<X>甲、乙</>", "<X>甲</>、<X>乙</>", "<X>甲</>、乙"),
        ("measure", "<X>两架飞机</>", "两架<X>飞机</>", "<X>飞机</>"),
        ("organ", "<X>法国政府</>说", "<X>法国</>政府说", "<X>法国</>说"),
        ("region", "在<X>北京地区</>", "在<X>北京</>地区", "在<X>北京</>"),
    ],
)
def test_border_cases(kind: str, inside: str, outside: str, neither: str) -> None:
    assert border(kind, inside) == (1, 0)
    assert border(kind, outside) == (0, 1)
    assert border(kind, neither) == (0, 0)
    assert border(kind, inside, outside, outside, neither) == (1, 2)


def first_only() -> list[Record]:
    """Titles left out, only the first mention marked, a field whose words never are."""
    names = "赵钱孙李周吴郑王冯陈褚卫"
    return [
        marked(f"<PER>{name}强</>部长说，{name}强走了；在<TIME>19{n + 10}年</>7月。类型: 部长；人员: {name}强", f"document {n}")
        for n, name in enumerate(names)
    ]


def test_habits_are_counted() -> None:
    habits = find_habits(first_only())
    assert (habits.records, habits.entities, habits.without_entities) == (12, 24, 0)
    assert habits.later == (0, 24)
    borders = {b.kind: (b.taken_in, b.left_out) for b in habits.borders}
    assert borders == {"title": (0, 12), "date": (0, 12)}
    person, time = habits.labels
    assert (person.label, person.entities, person.lengths) == ("PER", 12, (2, 2))
    assert ("＃月", 0, 12) not in [(a.words, a.taken_in, a.left_out) for a in person.affixes]
    assert time.typical[0] == ("1910年", 1)


def test_what_is_taken_in_and_left_out_at_the_ends() -> None:
    heads = [marked(f"他们用了<SYS>{name}导弹</>系统打") for name in "甲乙丙丁戊己"]
    others = [marked(f"这是<SYS>{name}系统</>。") for name in ("庚辛", "壬癸")]
    modified = [marked(f"看见<SYS>新型{name}导弹</>飞过") for name in "甲乙丙丁戊"]
    (system,) = find_habits([*heads, *others, *modified, Record("今天天气很好。" * 50)]).labels
    affixes = {(a.words, a.side): (a.taken_in, a.left_out) for a in system.affixes}
    assert affixes["导弹", "after"] == (11, 0)
    assert affixes["系统", "after"] == (2, 6)
    # A modifier counts as taken in where the rest is an entity by itself.
    assert affixes["新型", "before"] == (5, 0)
    assert not any(words.startswith(("打", "飞过")) for words, _ in affixes)


def test_words_and_contexts_without_marks() -> None:
    texts = [marked(f"型号: {'甲乙丙丁戊己庚辛壬癸子丑'[n]}型；这是飞机。", f"d{n}") for n in range(12)]
    texts += [marked(f"看<SYS>{c}型</>飞。") for c in "甲乙丙丁戊己庚辛壬癸子丑" for _ in range(3)]
    texts += [marked("见<SYS>飞机</>一架。", "f")]
    (system,) = find_habits(texts).labels
    assert [(s.words, s.marked, s.unmarked) for s in system.seldom] == [("飞机", 1, 12)]
    cues = {share.words.strip(): (share.marked, share.unmarked) for share in system.cues}
    assert cues["型号:"] == (0, 12)


@given(st.lists(st.text(st.sampled_from("甲乙丙a1"), min_size=0, max_size=12), max_size=6), st.data())
def test_every_mention_is_where_it_says(texts: list[str], data: st.DataObject) -> None:
    records = []
    for text in texts:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
        spans = tuple(Span(a, b, "X") for a, b in list(pairwise(cuts))[::2])
        records.append(Record(text, spans, group=data.draw(st.sampled_from(["", "d"]))))
    mentions = find_mentions(records)
    gold = sum(2 <= span.end - span.start <= 20 for record in records for span in record.entities)
    assert sum(mention.is_marked for mention in mentions) == gold
    assert {m.words for m in mentions if not m.is_marked} <= {m.words for m in mentions if m.is_marked}


def test_numbers_are_alike() -> None:
    assert fold("在2023年12.5月") == "在＃年＃月"


def test_data_without_entities_says_nothing() -> None:
    with pytest.raises(DataError, match="holds no entity"):
        find_habits([Record("无")])


def test_the_text_has_both_languages_and_every_label() -> None:
    labels = LabelSet((Label("PER", "人名"), Label("TIME", "时间")))
    text = write_guidelines(find_habits(first_only()), labels)
    sections = split_sections(text, "test")
    assert set(sections) == {"", "zh", "en"}
    assert not sections[""]
    zh, en = sections["zh"], sections["en"]
    assert "PER（人名）：12 处，多为 2 字。" in zh
    assert "- 名字后的职务、称谓不标入实体（12）。" in zh
    assert "- 年份后的月、日不标，只标到年（12）。" in zh
    assert "只标首次出现（再次出现 24 处，标了 0 处）" in zh
    assert "A title or form of address behind a name is left out (12)." in en
    assert all(name in part for name in ("PER", "TIME") for part in (zh, en))


def test_a_text_about_many_labels_is_shortened_until_prompts_can_show_it() -> None:
    texts = [marked(f"<类别{n}>词语{n}的{'甲乙丙丁戊己庚辛'[k]}</>在这里。") for n in range(120) for k in range(8)]
    sections = split_sections(write_guidelines(find_habits(texts)), "test")
    assert all(len(section) <= MAX_CHARACTERS for section in (sections["zh"], sections["en"]))
    assert sections["zh"].count("类别") >= 120
