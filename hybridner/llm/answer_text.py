"""The text of an answer without what models and servers put around it: thoughts, channels, end marks, code fences.

Every step is one pass over the text, so that its cost grows with the length and nothing else, whatever a server sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Characters of an answer that are read.
_MAX_CHARS = 100_000
#: Opens or closes thoughts: DeepSeek and Qwen, Gemma, Seed, Kimi, Magistral, OpenThinker.
_THOUGHT = re.compile(
    r"<(?P<tag>/?)(?:seed:)?(?:think|thinking|thought|thoughts|reasoning)>"
    r"|◁(?P<kimi>/?)think▷|\[(?P<magistral>/?)THINK\]|<\|(?P<open>begin|end)_of_thought\|>",
    re.IGNORECASE,
)
#: A token of a chat template that the server has left in the text.
_TOKEN = re.compile(
    r"<[|｜](?P<name>[^<>|｜\s]{1,40})[|｜]>|(?P<end></s>|<eos>|<end_of_turn>|<end_of_utterance>|\[EOS\])|<s>|<bos>|<start_of_turn>"
)
#: Names of tokens that end an answer.
_END_NAMES = {
    *("im_end", "endoftext", "end_of_text", "eot_id", "eot", "eom_id", "end", "return", "call", "end_of_solution", "eos"),
    *("end▁of▁sentence", "endofassistant", "user", "observation", "end_of_turn", "endofturn"),
}
_ROLES = {"assistant", "model", "bot", "gpt"}
_FENCE = re.compile(r"```(?:[a-z]{1,20}\n)?", re.IGNORECASE)
_ANSWER_TAG = re.compile(r"<(/?)(?:answer|final_answer|final|label|category|output|result)>", re.IGNORECASE)
_BOX = "\\boxed{"


def plain_answer(content: str) -> str:
    """The answer itself; empty where there are only thoughts."""
    content = _final_channel(content[:_MAX_CHARS])
    return _FENCE.sub("", _until_end(_strip_thoughts(content))).strip()


def boxed_parts(text: str) -> Iterator[str]:
    r"""What stands in ``\boxed{...}``, without ``\text{...}`` around it."""
    start = text.find(_BOX)
    while start >= 0:
        start += len(_BOX)
        following = text.find(_BOX, start)
        inside = text[start : following if following >= 0 else len(text)]
        inside, closed, _ = inside.replace("\\text{", "").replace("\\mathrm{", "").partition("}")
        if closed:
            yield inside
        start = following


def tagged_parts(text: str) -> Iterator[str]:
    """What stands in ``<answer>...</answer>`` and the like; the last may lack its end."""
    start: int | None = None
    for tag in _ANSWER_TAG.finditer(text):
        if not tag[1]:
            start = tag.end()
        elif start is not None:
            yield text[start : tag.start()]
            start = None
    if start is not None:
        yield text[start:]


def _final_channel(content: str) -> str:
    """The final channel of an answer in OpenAI's harmony format, also where its tokens were lost."""
    if "<|channel|>" not in content:
        if content.startswith("analysis") and "assistantfinal" in content:
            return content.rpartition("assistantfinal")[2]
        return content
    final = ""
    for part in content.split("<|channel|>")[1:]:
        name, _, body = part.partition("<|message|>")
        if name.strip().startswith("final"):
            final = body
    return final


def _strip_thoughts(content: str) -> str:
    """Without blocks of thoughts: closed ones, those that were never opened (all before their end), and one that was cut off."""
    kept: list[str] = []
    position = 0
    is_thinking = False
    for mark in _THOUGHT.finditer(content):
        is_end = "/" in (mark["tag"], mark["kimi"], mark["magistral"]) or (mark["open"] or "").lower() == "end"
        if not is_end and not is_thinking:
            kept.append(content[position : mark.start()])
            is_thinking = True
        elif is_end:
            if not is_thinking:
                kept.clear()
            is_thinking = False
            position = mark.end()
    if not is_thinking:
        kept.append(content[position:])
    return "".join(kept)


def _until_end(content: str) -> str:
    """Without tokens of the chat template, up to the first that ends the answer."""
    kept: list[str] = []
    position = 0
    for token in _TOKEN.finditer(content):
        kept.append(content[position : token.start()])
        position = token.end()
        if (token["end"] or (token["name"] or "").lower() in _END_NAMES) and any(map(str.strip, kept)):
            break
    else:
        kept.append(content[position:])
    first, _, rest = "\n".join(kept).strip().partition("\n")
    # The role stands before an answer whose first token is the template's.
    return rest if len(kept) > 1 and first.strip().lower() in _ROLES else f"{first}\n{rest}"
