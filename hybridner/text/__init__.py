"""From text to numbers, one token per character, and from long texts to windows and back."""

from hybridner.text.characters import CharacterVocabulary
from hybridner.text.windows import Window, cut_windows

__all__ = ["CharacterVocabulary", "Window", "cut_windows"]
