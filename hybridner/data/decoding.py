"""The characters of a file, whatever its encoding: UTF-8, UTF-16 and UTF-32 with their marks, GB18030 and Big5.

UTF-8 is tried first. What is not UTF-8 is told apart by what only one of the other encodings can be; nothing is guessed where the
file is UTF-8 but for a few broken bytes, or is no text at all.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from hybridner.errors import DataError
from hybridner.files import check_is_file

BYTE_ORDER_MARK = "\ufeff"
#: Bytes looked at where the whole file need not be.
_SAMPLE = 1 << 16

#: The first bytes of encodings that name themselves; UTF-32 comes first because its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)

#: The first bytes of files that people take for text.
_NO_TEXT = (
    (b"PK\x03\x04", "a ZIP archive or an Office document (.zip, .docx, .xlsx)", "save its text as a .txt or .jsonl file"),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.doc, .xls)", "save its text as a .txt or .jsonl file"),
    (b"%PDF", "a PDF", "extract its text first"),
    (b"{\\rtf", "a Rich Text document", "save it as plain text"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it first"),
    (b"BZh", "compressed with bzip2", "unpack it first"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"SQLite format 3", "an SQLite database", "export its texts first"),
)

#: A character of several bytes in UTF-8; where many of them are, a file is UTF-8 even if some bytes are broken.
_UTF8_CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_DOUBLE_BYTE = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
#: ASCII, general punctuation, Chinese punctuation, Chinese characters and full-width forms.
_CHINESE_TEXT = re.compile("[\t\n\r -~\u2010-\u2030\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
#: Half of Big5's second bytes lie below A1; in GB 2312, which nearly all of a simplified text is written with, none does.
_BIG5_SHARE = 0.1
_BROKEN_SHARE = 0.1


def check_readable(path: Path) -> None:
    """Raises:
    DataError: there is no such file, or it cannot be opened.
    """
    if path.is_dir():
        raise DataError("is a folder; give one of its files", str(path))
    check_is_file(path)
    if not path.is_file():
        raise DataError("no such file", str(path))
    try:
        path.open("rb").close()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", str(path)) from error


def detect_encoding(path: Path) -> str:
    """The name of Python's codec for a text file: "utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030", "cp950" and the like.

    A file of UTF-8 is gone through once, in constant memory; of others a first part is looked at.

    Raises:
        DataError: it cannot be opened, is empty, is no text, or is UTF-8 with broken bytes (the message says where).
    """
    check_readable(path)
    try:
        with path.open("rb") as file:
            head = file.read(_SAMPLE)
            if not head.strip(b" \t\r\n" + codecs.BOM_UTF8) and len(head) < _SAMPLE:
                raise DataError("the file is empty", str(path))
            known = detect_encoding_of(head, str(path), whole=len(head) < _SAMPLE)
            if known != "utf-8":
                return known
            decoder, chunk, line = codecs.getincrementaldecoder("utf-8")(), head, 1
            while chunk:
                decoder.decode(chunk)
                line += chunk.count(b"\n")
                chunk = file.read(_SAMPLE)
            decoder.decode(b"", final=True)
            return known
    except UnicodeDecodeError as error:
        raise _broken_utf8(error, str(path), line) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", str(path)) from error


def detect_encoding_of(data: bytes, where: str = "", *, whole: bool = True) -> str:
    """As `detect_encoding`, for the bytes themselves, or for the first of them.

    Raises:
        DataError: they are no text, or UTF-8 with broken bytes.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    check_not_binary(data, where)
    if b"\0" in data:
        return _utf16_without_mark(data, where)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, final=whole)
    except UnicodeDecodeError as error:
        good, bad = len(_UTF8_CHARACTER.findall(data)), len(_UTF8_CHARACTER.sub(b"", data).translate(None, bytes(range(128))))
        if bad < _BROKEN_SHARE * good:
            raise _broken_utf8(error, where, 1) from error
        return _double_byte(data, where, whole)
    return "utf-8"


def check_not_binary(data: bytes, where: str) -> None:
    """Raises:
    DataError: the first bytes of a file are those of an archive, a document or the like.
    """
    for magic, kind, remedy in _NO_TEXT:
        if data.startswith(magic):
            raise DataError(f"is not text but {kind}; {remedy}", where)


def open_text(path: Path, encoding: str | None = None) -> Iterator[str]:
    """The lines of a text file without their ends; a byte order mark that stands at the start of any line is left out.

    Marks inside a file come from files that were put together.

    Raises:
        DataError: see `detect_encoding`; or the file is not in the encoding that was given.
    """
    encoding = resolve_encoding(encoding) if encoding else detect_encoding(path)
    check_readable(path)
    try:
        with path.open(encoding=encoding) as lines:
            for line in lines:
                line = line.rstrip("\n")
                yield strip_mark(line) if line[:1] == BYTE_ORDER_MARK else line
    except UnicodeError as error:
        raise DataError(f"not {encoding} throughout: {error}; convert the file to UTF-8", str(path)) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", str(path)) from error


def strip_mark(line: str) -> str:
    """A line without the byte order marks at its start; one that is a token of its own (before a space or tab) stays."""
    bare = line.lstrip(BYTE_ORDER_MARK)
    return line if bare[:1] in (" ", "\t") else bare


def resolve_encoding(name: str) -> str:
    """The codec of that name.

    Raises:
        DataError: there is none.
    """
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise DataError(f"unknown encoding {name!r}; examples are utf-8, utf-16, gb18030 and big5") from error


def _broken_utf8(error: UnicodeDecodeError, where: str, line: int) -> DataError:
    line += error.object.count(b"\n", 0, error.start)
    return DataError(
        f"not UTF-8 at byte {error.start} ({error.reason}), though the rest is: a character was cut in two or the file was put "
        "together from several encodings; mend that line",
        f"{where}, line {line}" if where else f"line {line}",
    )


def _utf16_without_mark(data: bytes, where: str) -> str:
    """The byte order in which nearly everything is a character of Chinese text; the other one gives any characters."""
    shares = {}
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(data)
        except UnicodeDecodeError:
            continue
        shares[encoding] = len(_CHINESE_TEXT.findall(text)) / max(1, len(text))
    best = max(shares, key=lambda encoding: shares[encoding], default=None)
    if best is None or shares[best] < 0.9:
        raise DataError("is not text: it holds null bytes; give a text, JSON or Parquet file", where)
    return best


def _double_byte(data: bytes, where: str, whole: bool) -> str:
    pairs = _DOUBLE_BYTE.findall(data)
    low = sum(pair[1] < 0xA1 for pair in pairs)
    candidates = ("cp950", "gb18030") if low > _BIG5_SHARE * len(pairs) else ("gb18030",)
    for encoding in candidates:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(data, final=whole)
        except UnicodeDecodeError:
            continue
        if sum(character.isprintable() or character.isspace() for character in text) > 0.9 * len(text):
            return encoding
    raise DataError("is not text in UTF-8, UTF-16, GB18030 or Big5; convert it to UTF-8, or name its encoding", where)
