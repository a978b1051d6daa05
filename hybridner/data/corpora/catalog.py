"""The data sets known by name: their label sets, where their files are to be had, and how to cite them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import yaml

from hybridner.errors import DataError
from hybridner.spans import LabelSet


@dataclass(frozen=True)
class Source:
    """What is known about a data set beside its records.

    Attributes:
        title: its name for readers.
        homepage: where it is described.
        license: what its makers say about its use.
        citation: BibTeX of the paper to cite.
        how_to_get: what to do to get the files, in one or two sentences.
        origin: who wrote and who marked the texts, for the card.
        limits: what its users should know, one sentence each, for the card.
        urls: files that can be fetched without a login, by split; one archive of all splits stands under "all".
    """

    title: str
    homepage: str
    license: str
    citation: str
    how_to_get: str
    origin: str = ""
    limits: tuple[str, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)


_MSRA_MIRROR = "https://raw.githubusercontent.com/OYE93/Chinese-NLP-Corpus/master/NER/MSRA/"

SOURCES: dict[str, Source] = {
    "msra": Source(
        title="MSRA (SIGHAN Bakeoff 2006)",
        homepage="https://github.com/OYE93/Chinese-NLP-Corpus/tree/master/NER/MSRA",
        license="unknown: released by Microsoft Research Asia for research in the bakeoff; do not redistribute",
        citation="""@inproceedings{levow-2006-third,
  title = {The Third International {C}hinese Language Processing Bakeoff: Word Segmentation and Named Entity Recognition},
  author = {Levow, Gina-Anne},
  booktitle = {Proceedings of the Fifth {SIGHAN} Workshop on {C}hinese Language Processing},
  year = {2006},
  pages = {108--117},
  url = {https://aclanthology.org/W06-0115},
}""",
        how_to_get="Without a data folder the public copy in the repository OYE93/Chinese-NLP-Corpus is fetched.",
        origin="News, annotated at Microsoft Research Asia; this public copy has character tags.",
        limits=("There is no published validation set: a tenth of train is cut off, seed 42.",),
        urls={"train": _MSRA_MIRROR + "msra_train_bio.txt", "test": _MSRA_MIRROR + "msra_test_bio.txt"},
    ),
    "cluener": Source(
        title="CLUENER 2020",
        homepage="https://github.com/CLUEbenchmark/CLUENER2020",
        license="unknown: published by the CLUE benchmark for research; do not redistribute",
        citation="""@article{xu2020cluener,
  title = {{CLUENER2020}: Fine-grained Named Entity Recognition Dataset and Benchmark for {C}hinese},
  author = {Xu, Liang and Tong, Yu and Dong, Qianqian and Liao, Yixuan and Yu, Cong and Tian, Yin and Liu, Weitang and Li, Lu
            and Liu, Caiquan and Zhang, Xuanwei},
  journal = {arXiv preprint arXiv:2001.04351},
  year = {2020},
}""",
        how_to_get="Without a data folder the archive of the CLUE benchmark is fetched.",
        origin="News of THUCNews, annotated by the CLUE benchmark.",
        limits=("The test set was published without labels.",),
        urls={"all": "https://storage.googleapis.com/cluebenchmark/tasks/cluener_public.zip"},
    ),
    "cmeee": Source(
        title="CMeEE (CBLUE, V1)",
        homepage="https://tianchi.aliyun.com/dataset/95414",
        license="CBLUE terms on Tianchi: research only, after registration; do not redistribute",
        citation="""@inproceedings{zhang-etal-2022-cblue,
  title = {{CBLUE}: A {C}hinese Biomedical Language Understanding Evaluation Benchmark},
  author = {Zhang, Ningyu and Chen, Mosha and Bi, Zhen and others},
  booktitle = {Proceedings of the 60th Annual Meeting of the Association for Computational Linguistics},
  year = {2022},
  pages = {7888--7915},
  url = {https://aclanthology.org/2022.acl-long.544},
}""",
        how_to_get=(
            "It cannot be fetched without a login. Register at https://tianchi.aliyun.com/dataset/95414, accept the terms of "
            "CBLUE, download CBLUE (V1), unpack CMeEE.zip, and give the folder with CMeEE_train.json and CMeEE_dev.json as the "
            "data folder."
        ),
        origin="Medical texts, mostly of paediatrics, annotated for the CBLUE benchmark.",
        limits=(
            "Entities may lie inside each other: a flat output cannot find all of them.",
            "This is V1; its figures are not those of V2.",
        ),
    ),
    "sncm": Source(
        title="SNCM-open: satellite-navigation countermeasures",
        homepage="",
        license="CC-BY-4.0",
        citation="""@misc{sncm-open,
  title = {{SNCM}-open: an open corpus of satellite-navigation countermeasures with entities, relations and an ontology},
  author = {{The hybridner developers}},
  year = {2026},
}""",
        how_to_get=(
            "SNCM-open comes with hybridner. For another annotation of the domain, such as the early draft of SNCM in Doccano "
            "JSON lines, give the folder with its train, val and label_map.json files as the data folder."
        ),
        origin=(
            "180 documents in five genres, written and annotated for the project hybridner in its own words from what is "
            "publicly known; not collected from anywhere."
        ),
        limits=(
            "It is no source of facts: it was written from general knowledge without looking every detail up, and names of small "
            "drills, devices and ships, dates and measured values are partly invented.",
            "45 documents (420 sentences) were annotated twice, with an exact-match F1 of 0.900 between both; both annotations "
            "come from the project itself. The other documents were annotated once.",
        ),
    ),
}


#: Another annotation of SNCM's domain than the open corpus; it comes with no licence of its own.
SNCM_DRAFT = Source(
    title="SNCM, an annotation other than SNCM-open",
    homepage="",
    license="unknown; do not redistribute",
    citation="",
    how_to_get="Files of the user's own, with the raw labels mapped to the thirteen types of SNCM.",
)


@cache
def label_set(name: str) -> LabelSet:
    """The labels of a data set with their Chinese names, descriptions and domain, as they come with the package.

    Args:
        name: of the data set, such as "msra" or "sncm-open".

    Raises:
        DataError: no data set of that name is known.

    Examples:
        >>> label_set("msra").names
        ('LOC', 'ORG', 'PER')
    """
    if name not in SOURCES:
        raise DataError(f"unknown data set {name!r}; known are {', '.join(SOURCES)}")
    text = (files("hybridner.data.corpora") / "label_sets" / f"{name}.yaml").read_text(encoding="utf-8")
    return LabelSet.from_dict(yaml.safe_load(text))
