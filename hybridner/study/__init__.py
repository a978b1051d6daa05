"""A study: the paper's tables from stored predictions and recorded answers, with no model at hand."""

from hybridner.study.answers import RecordedAnswers, read_answers, read_extractions
from hybridner.study.files import Study, StudySet, Turn, find_turns
from hybridner.study.hybrid import hybrid_runs
from hybridner.study.members import members_run

__all__ = [
    "RecordedAnswers",
    "Study",
    "StudySet",
    "Turn",
    "find_turns",
    "hybrid_runs",
    "members_run",
    "read_answers",
    "read_extractions",
]
