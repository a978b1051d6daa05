"""The open corpus that comes with the package: what its card promises."""

from collections import Counter

import pytest

from hybridner.data.sncm.corpus import read_corpus_splits
from hybridner.data.sncm.ontology import SNCM_OPEN
from hybridner.data.statistics.describe import describe

pytestmark = pytest.mark.skipif(not any(SNCM_OPEN.glob("*.txt")), reason="the corpus is not in this checkout")

#: The entity types from the commonest to the rarest, as in table 1 of the paper.
ORDER = [
    "Countermeasure Platforms",
    "Offensive Systems",
    "Adversary States",
    "Offensive Technologies",
    "Engagement Time",
    "Defensive Technologies",
    "Defensive Systems",
    "Adversarial Events",
    "Ground Segment Equipment",
    "Geographic Environment",
    "Engagement Location",
    "Global Navigation Satellite System",
    "User Receivers",
]


@pytest.fixture(scope="module")
def splits():
    return read_corpus_splits()


@pytest.fixture(scope="module")
def description(splits):
    return describe({split: [sentence.record for sentence in part] for split, part in splits.items()})


def test_size(splits):
    sentences = [sentence for part in splits.values() for sentence in part]
    assert len(sentences) >= 1_500
    assert sum(len(sentence.record.entities) for sentence in sentences) >= 5_500
    assert sum(len(sentence.relations) for sentence in sentences) >= 2_500
    assert any(not sentence.record.entities for sentence in sentences)


def test_types_keep_the_order_of_the_paper(splits):
    counts = Counter(span.label for part in splits.values() for sentence in part for span in sentence.record.entities)
    assert [label for label, _ in counts.most_common()] == ORDER


def test_splits_are_by_document_and_near_their_shares(splits):
    groups = {split: {sentence.record.group for sentence in part} for split, part in splits.items()}
    assert not groups["train"] & groups["validation"] | groups["train"] & groups["test"] | groups["validation"] & groups["test"]
    total = sum(map(len, splits.values()))
    for split, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert len(splits[split]) / total == pytest.approx(share, abs=0.03)
        assert {group.split("-")[0] for group in groups[split]} == {"policy", "monograph", "article", "news", "report"}


def test_no_leaks_few_near_duplicates_and_many_unseen_surfaces(description):
    assert description.near_duplicate_share < 0.02
    leaks = {(leak.earlier, leak.later): leak for leak in description.leaks}
    assert all(leak.same_text == leak.near_text == leak.same_group == 0 for leak in leaks.values())
    assert leaks["train", "test"].unseen_surfaces >= 0.25
