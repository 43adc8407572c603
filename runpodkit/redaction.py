"""Redaction: text without secrets, those that are known and those that look like one.

Known secrets are found in every spelling that libraries give them: as they are, escaped for JSON, a URL, HTML or a
`repr`, and inside base64.  Unknown ones are found by what stands before them: `Bearer`, a login in a URL, the
signature of a link, a name such as `api_key`.  Pure; time grows with the length of the text and no faster, however
hostile it is.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Collection

MARK = "•••"
SHORTEST = 6
"""Letters of a secret: shorter ones would be found in any text."""
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+")
_SHORTEST_BASE64 = 6
_LETTER_OF = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}

# Text is searched for a rule only where it holds one of the rule's words: most lines hold none, and pay next to nothing.
_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = tuple(
    (words, re.compile(pattern, re.VERBOSE | re.IGNORECASE), instead)
    for words, pattern, instead in (
        (  # scheme://user:password@host
            ("@",),
            r""" (: \\{0,4}/ \\{0,4}/ ) [^\s/?\#"'<>]{1,512} @ """,
            rf"\1{MARK}@",
        ),
        (("bearer",), r"\b (bearer (?: \s{1,4} | %20 | \+ ) ) [\w.~+/=%-]{8,}", rf"\1{MARK}"),
        (
            ("basic ",),
            r"\b (basic \s{1,4} ) (?= [A-Za-z0-9+/_-]{0,512} [0-9=+/] ) [A-Za-z0-9+/=_-]{12,}",
            rf"\1{MARK}",
        ),
        (
            ("authorization",),
            r"""(authorization [\\"']{0,4} \s{0,4} [:=,] \s{0,4} (?: b? [\\"']{1,4} )? (?: (?: bearer | basic | token ) \s{1,4} )? )
                (?! bearer | basic | AWS4 | • ) [^\s"'\\,;<>{}\[\]()]{8,}""",
            rf"\1{MARK}",
        ),
        (
            ("signature", "credential", "token", "secret", "passw", "key", "sig="),
            r"""( (?: signature | credential | token | secret | passwd | password | api[_-]?key | access[_-]?key | accesskeyid
                    | \b sig )
                  (?: [_-]? (?: key | id ) ){0,2}
                  (?: [\\"']{0,4} \s{0,4} (?: = | %3D ) | : (?: \s{0,4} | (?: \\{1,4}n ) ) (?= [0-9a-f]{64} ) | [\\"']{1,4} \s{0,4} :
                    | [\\"']{1,4} \s{0,4} , (?= \s{0,4} b? [\\"'] ) )
                  \s{0,4} (?: b? [\\"']{1,4} )? )
                (?! • ) [^\s"'\\&,;<>{}\[\]()]{6,}""",
            rf"\1{MARK}",
        ),
        (
            ("rpa_", "akia", "asia", "hf_", "whsec_", "yc"),
            r"""\b (?: rpa_ [A-Za-z0-9]{8,} | (?: AKIA | ASIA ) [A-Z0-9]{12,} | YC [A-Z] (?= \D{0,40} \d ) [\w-]{20,}
                | hf_ [A-Za-z0-9]{16,} | whsec_ [\w+/=-]{8,} )""",
            MARK,
        ),
    )
)


def without_unknown(text: str) -> str:
    """`text` without what looks like a secret; too much is taken out rather than too little."""
    low = text.lower()
    for words, pattern, instead in _RULES:
        if any(word in low for word in words):
            text = pattern.sub(instead, text)
    return text


class Redactor:
    """Takes a set of secrets out of texts, in all their spellings."""

    def __init__(self, secrets: Collection[str]) -> None:
        """Secrets of fewer than six letters are left: they would be found in any text."""
        chosen = sorted((secret for secret in secrets if len(secret) >= SHORTEST), key=len, reverse=True)
        self._words: list[str] = []
        self._patterns: list[re.Pattern[str]] = []
        for secret in chosen:  # the longest first: one may hold another
            if _PLAIN.fullmatch(secret):
                self._words.append(secret)
            else:
                self._patterns.append(re.compile("".join(map(_spellings, secret))))
        self._words += [word for secret in chosen for word in _in_base64(secret)]

    def redact(self, text: str) -> str:
        for pattern in self._patterns:
            text = pattern.sub(MARK, text)
        for word in self._words:
            if word in text:
                text = text.replace(word, MARK)
        return text


def _spellings(char: str) -> str:
    """A pattern for every way in which one letter of a secret may be written."""
    if _PLAIN.fullmatch(char):
        return char
    utf16 = char.encode("utf-16-be", "surrogatepass")
    units = [utf16[at : at + 2].hex() for at in range(0, len(utf16), 2)]
    utf8 = char.encode("utf-8", "surrogatepass")
    ways = [
        re.escape(char),
        "".join(f"(?:%|%25)(?i:{byte:02x})" for byte in utf8),
        "".join(rf"\\+u(?i:{unit})" for unit in units),
        "".join(rf"\\+x(?i:{byte:02x})" for byte in utf8),
        rf"\\+U0*(?i:{ord(char):x})",
        rf"&\#0*{ord(char)};",
        rf"(?i:&\#x0*{ord(char):x};)",
    ]
    if ord(char) < 256:
        ways.append(rf"\\+x(?i:{ord(char):02x})")
    if (entity := html.escape(char)) != char:
        ways.append(re.escape(entity))
    if char == " ":
        ways.append(r"\+")
    if char == "\\":
        ways.insert(0, r"\\+")
    elif char in "\"'/":
        ways.insert(0, rf"\\+{char}")
    elif char in _LETTER_OF:
        ways.append(rf"\\+{_LETTER_OF[char]}")
    return f"(?:{'|'.join(ways)})"


def _in_base64(secret: str) -> list[str]:
    """What of a secret is the same in the base64 of any text that holds it, at each of the three places it may begin."""
    data = secret.encode("utf-8", "surrogatepass")
    found: list[str] = []
    for before in range(3):
        text = base64.b64encode(b"\0" * before + data).decode()
        start = -(-before * 8 // 6)
        whole = (before + len(data)) * 8 // 6
        core = text[start:whole]
        if len(core) >= _SHORTEST_BASE64:
            found += dict.fromkeys((core, core.replace("+", "-").replace("/", "_")))
    return found
