"""What benchmarks over the predictions of a whole study share: their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from hybridner.study import Study, Turn, find_turns


def turns_of(doc: str | None) -> tuple[Study, Iterable[Turn]]:
    """A study, and its turns, from the arguments PREDICTIONS and --study of a benchmark with this description."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions")
    parser.add_argument("--study", default="benchmarks/study.yaml")
    options = parser.parse_args()
    study = Study.load(options.study)
    return study, find_turns(study, options.predictions)
