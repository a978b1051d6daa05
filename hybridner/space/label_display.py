"""How the page shows the model's entity types: by name in its language, and in their colors."""

from __future__ import annotations

from collections.abc import Sequence

from hybridner.display import escape, label_styles
from hybridner.space.fragments import small_print
from hybridner.space.texts import PageTexts
from hybridner.spans import NON_ENTITY, Label, LabelSet


class LabelDisplay:
    """Names and colors of one label set in one language.

    Args:
        labels: the model's entity types.
        texts: of the language.
    """

    def __init__(self, labels: LabelSet, texts: PageTexts) -> None:
        self.texts = texts
        self.labels = labels
        self._styles = label_styles(labels.names)
        self._titles = {label.name: label.title for label in labels.labels if label.title and texts.language == "zh"}

    def name(self, label: str) -> str:
        """What a label is called in this language."""
        return self.texts("result.no_entity") if label == NON_ENTITY else self._titles.get(label, label)

    def full_name(self, label: str) -> str:
        """As `name`, with the model's own name where that is another."""
        name = self.name(label)
        return name if name == label else f"{name} ({label})"

    def style(self, label: str) -> str:
        """Custom property with the label's color, for the style sheet."""
        return self._styles[label]

    def chip(self, label: str) -> str:
        """The name on a ground of the label's color."""
        return f'<span class="hn-chip" style="{self.style(label)}">{escape(self.name(label))}</span>'

    def all_types(self) -> str:
        """All entity types in their colors; hovering one shows what belongs to it."""
        return f'<p class="hn-types">{" ".join(map(self._type, self.labels.labels))}</p>'

    def _type(self, label: Label) -> str:
        if not label.description:
            return self.chip(label.name)
        name, tip = escape(self.name(label.name)), escape(label.description)
        return (
            f'<button type="button" class="hn-chip" style="{self.style(label.name)}" data-tip="{tip}" '
            f'aria-description="{tip}">{name}</button>'
        )

    def about(self, members: Sequence[str]) -> str:
        """What the model knows, in a line that opens to its entity types and members."""
        texts, domain, count = self.texts, self.labels.domain, len(self.labels)
        known = (
            texts("about.summary_with_domain", domain=domain, labels=count) if domain else texts("about.summary", labels=count)
        )
        about_members = small_print(texts("about.members", members=texts("list_separator").join(members)))
        return f'<details class="hn-about"><summary>{escape(known)}</summary>{self.all_types()}{about_members}</details>'
