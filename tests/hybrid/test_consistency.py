from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner import HybridNerPipeline, LabelSet
from hybridner.data.sncm.ontology import load_ontology
from hybridner.ensemble import Candidate
from hybridner.errors import DataError, ModelError
from hybridner.hybrid import HybridNerModel
from hybridner.hybrid.consistency import Consistency, KnownRelation, Mention
from tests.support.tiny import TEXT, tiny_member

LABELS = ("O", *(type_.name for type_ in load_ontology().types))
RULES = Consistency.of("sncm-open", LABELS)
STATE, EVENT, PLATFORM, ATTACK = "Adversary States", "Adversarial Events", "Countermeasure Platforms", "Offensive Systems"


def entity(start: int, end: int, **probabilities: float) -> Candidate:
    """An entity of the most probable label; names stand for labels by their first letters."""
    by_label = {next(label for label in LABELS if label.replace(" ", "_").startswith(k)): v for k, v in probabilities.items()}
    distribution = tuple(by_label.get(label, 0.0) for label in LABELS)
    label = max(by_label, key=by_label.__getitem__)
    return Candidate(start, end, label, True, distribution, 1.0, 1 - max(distribution), {})


def test_a_surface_of_two_disjoint_types_is_reported_and_repaired_by_the_evidence() -> None:
    texts = ["北斗被扰", "北斗與北斗"]
    found = [
        [entity(0, 2, Countermeasure_P=0.5, Offensive_S=0.45)],
        [entity(0, 2, Offensive_S=0.9, Countermeasure_P=0.1), entity(3, 5, Offensive_S=0.8, Adversary=0.2)],
    ]
    first, second = RULES.find(texts, found)
    assert first.kind == "surface"
    assert first.mentions == (Mention(0, 0, 2), Mention(1, 0, 2))
    assert first.message == f"“北斗” is both {PLATFORM} and {ATTACK}, which are disjoint"
    assert second.mentions == (Mention(0, 0, 2), Mention(1, 3, 5))
    repaired = RULES.repair(texts, found)
    assert [[c.label for c in row] for row in repaired] == [[ATTACK], [ATTACK, ATTACK]]
    assert repaired[0][0].score == 0.5, "what is chosen is shown as the most probable"
    assert repaired[0][0].uncertainty == pytest.approx(0.55), "and as less certain than before"
    assert RULES.find(texts, repaired) == []


def test_one_surface_in_two_documents_may_have_two_types() -> None:
    for text, one in (("北斗", entity(0, 2, Adversary=1.0)), ("北斗", entity(0, 2, Offensive_S=1.0))):
        assert RULES.find([text], [[one]]) == []


def test_known_relations_hold_types_to_domain_and_range() -> None:
    text = "美军使用甲部署乙"
    row = [entity(0, 2, Adversary=0.9, Adversarial=0.1), entity(7, 8, Adversarial=0.5, Countermeasure_P=0.4)]
    relation = KnownRelation(Mention(0, 0, 2), Mention(0, 7, 8), "deploys")
    (found,) = RULES.find([text], [row], [relation])
    assert found.kind == "relation"
    assert found.message == f"“美军” ({STATE}) deploys “乙” ({EVENT}) is against the ontology"
    ((head, tail),) = RULES.repair([text], [row], [relation])
    assert (head.label, tail.label) == (STATE, PLATFORM)
    assert RULES.find([text], [[head, tail]], [relation]) == []
    absent = KnownRelation(Mention(0, 0, 2), Mention(0, 4, 5), "deploys")
    unknown = KnownRelation(Mention(0, 0, 2), Mention(0, 7, 8), "admires")
    assert RULES.find([text], [row], [absent, unknown]) == []
    assert RULES.repair([text], [row], [absent, unknown]) == [row]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.lists(st.floats(0.01, 1), min_size=14, max_size=14), min_size=1, max_size=4), min_size=1, max_size=3))
def test_repaired_entities_keep_the_rules_and_their_places(chances: list[list[list[float]]]) -> None:
    texts, rows = [], []
    for row in chances:
        texts.append("甲乙甲乙")
        rows.append(
            [
                Candidate(n, n + 1, LABELS[1 + max(range(13), key=lambda k: p[k + 1])], True, tuple(p), 1.0, 0.5, {})
                for n, p in enumerate(row)
            ]
        )
    repaired = RULES.repair(texts, rows)
    assert RULES.find(texts, repaired) == []
    assert [[(c.start, c.end, c.is_entity) for c in row] for row in repaired] == [
        [(c.start, c.end, c.is_entity) for c in row] for row in rows
    ]
    assert RULES.repair(texts, repaired) == repaired
    if not RULES.find(texts, rows):
        assert repaired == rows


def test_the_pipeline_reports_and_repairs() -> None:
    labels = LabelSet.of(LABELS[1:])
    model = HybridNerModel.assemble({name: tiny_member(name, 3, labels) for name in ("bert-bilstm-crf", "spanner")})
    ner = HybridNerPipeline(model, device="cpu")
    text = TEXT * 3
    plain = ner(text)
    reported = ner(text, consistent_with="sncm-open")
    assert [{k: v for k, v in e.items() if k != "contradictions"} for e in reported] == plain
    assert any(e["contradictions"] for e in reported), "random weights contradict themselves"
    repaired = ner(text, consistent_with="sncm-open", repair=True)
    assert [(e["start"], e["end"]) for e in repaired] == [(e["start"], e["end"]) for e in plain]
    by_word: dict[str, set[str]] = {}
    for one in repaired:
        by_word.setdefault(one["word"], set()).add(one["entity_group"])
    assert all(
        frozenset({a, b}) not in RULES.ontology.disjoint for types in by_word.values() for a in types for b in types if a != b
    )


def test_an_ontology_of_other_labels_is_refused() -> None:
    with pytest.raises(ModelError, match="none of the labels State, System, Place is a type of the ontology"):
        Consistency.of("sncm-open", ("O", "State", "System", "Place"))
    with pytest.raises(DataError, match="the ontology cannot be read"):
        Consistency.of("nowhere.owl", LABELS)
    ner = HybridNerPipeline(HybridNerModel.assemble({"spanner": tiny_member("spanner")}), device="cpu")
    with pytest.raises(ModelError, match="give `consistent_with` as well"):
        ner(TEXT, repair=True)
