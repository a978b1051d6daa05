"""Annotation guidelines in prompts: a text file that the user can edit, with a section for each language.

    # Lines that begin with "#" are for its readers, not for the LLM.
    [zh]
    人名：职务、称谓不标入人名。
    [en]
    name: titles and forms of address are left out.

A file without sections is shown as it is, whatever the language of the template.
"""

from __future__ import annotations

import re
from pathlib import Path

from hybridner.errors import LlmError
from hybridner.files import read_text

LANGUAGES = ("zh", "en")
_SECTION = re.compile(r"\[(\w+)\]")
#: Characters; more than this costs every question more than it can help.
MAX_CHARACTERS = 12_000


def load_guidelines(source: str | Path, language: str) -> str:
    r"""The guidelines of a file in a language, or in the other one where they are not in this.

    Args:
        source: a text file, as `hybridner guidelines` writes it.
        language: "zh" or "en".

    Raises:
        LlmError: the file cannot be read, has an unknown section, says nothing, or too much.

    Examples:
        >>> _ = Path("guidelines.txt").write_text("[zh]\n人名：职务不标。\n[en]\nname: without titles.\n", encoding="utf-8")
        >>> load_guidelines("guidelines.txt", "en")
        'name: without titles.'
    """
    try:
        text = read_text(source, "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LlmError(f"guidelines {str(source)!r} cannot be read: {error}; `hybridner guidelines` writes them") from error
    sections = split_sections(text, str(source))
    found = sections.get("") or sections.get(language) or next((part for part in sections.values() if part), "")
    if not found:
        raise LlmError(f"{source}: no guidelines in it; lines that begin with # do not count")
    if len(found) > MAX_CHARACTERS:
        raise LlmError(f"{source}: {len(found)} characters are too long for every prompt; shorten them to {MAX_CHARACTERS}")
    return found


def split_sections(text: str, where: str) -> dict[str, str]:
    """The text of each section by language; what stands before any section, or in a file without them, by "".

    Raises:
        LlmError: a section of no known language, or one that is there twice.
    """
    sections: dict[str, list[str]] = {"": []}
    lines = sections[""]
    for number, line in enumerate(text.splitlines(), 1):
        heading = _SECTION.fullmatch(line.strip())
        if heading:
            name = heading[1]
            if name not in LANGUAGES or name in sections:
                problem = "is there twice" if name in sections else f"is unknown; expected {', '.join(LANGUAGES)}"
                raise LlmError(f"{where}, line {number}: section [{name}] {problem}")
            lines = sections[name] = []
        elif not line.startswith("#"):
            lines.append(line)
    return {name: "\n".join(part).strip() for name, part in sections.items()}
