"""Entities as people see them: marked text, and an editor of spans for pages and notebooks."""

from hybridner.display.colors import label_styles
from hybridner.display.editor import editor_assets
from hybridner.display.escaping import escape
from hybridner.display.marked_html import MarkedHtml, show
from hybridner.display.marked_text import Mark, mark_text

__all__ = ["Mark", "MarkedHtml", "editor_assets", "escape", "label_styles", "mark_text", "show"]
