"""Annotation guidelines out of labelled data: what annotators take in and leave out, with counts, as a text to be edited."""

from hybridner.guidelines.habits import Habits, find_habits
from hybridner.guidelines.polish import plan_polish, polish
from hybridner.guidelines.wording import write_guidelines

__all__ = ["Habits", "find_habits", "plan_polish", "polish", "write_guidelines"]
