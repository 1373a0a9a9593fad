"""Languages: their codes, and the one that a collection declares."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import declared_language

ENGLISH = "en"
NONE = "none"  # words as they are, in lower case
PRETOKENIZED = "pretokenized"  # whatever white space separates
# ISO 639-1, the languages that some analyzer knows.
NAMES = {
    "ar": "Arabic",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "eo": "Esperanto",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "ha": "Hausa",
    "hi": "Hindi",
    "hu": "Hungarian",
    "hy": "Armenian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "lt": "Lithuanian",
    "ne": "Nepali",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "so": "Somali",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "yi": "Yiddish",
    "yo": "Yoruba",
    "zh": "Chinese",
}
ALSO = {"nb": "no", "nn": "no", "yue": "zh", "cmn": "zh", "in": "id", "iw": "he"}
BY_NAME = {name.lower(): code for code, name in NAMES.items()}
TAG = re.compile(r"[a-z]{2,3}([-_][a-z0-9]{2,8})*", re.IGNORECASE)


@dataclass(frozen=True)
class Declared:
    """The language of a collection and where it was found.

    Attributes:
        code: see `language_code`.
        source: "language" for an option, the manifest's path, or "default".
    """

    code: str
    source: str


def language_code(given: str) -> str:
    """The code of a language: "de" for de, DE, de-AT, de_AT and German; none and pretokenized too.

    Raises:
        I3Error: it is neither a tag such as de or zh-Hant nor the English name of a known language.
    """
    plain = given.strip().lower()
    if plain in (NONE, PRETOKENIZED):
        return plain
    if plain in BY_NAME:
        return BY_NAME[plain]
    if TAG.fullmatch(plain):
        code = re.split("[-_]", plain)[0]
        return ALSO.get(code, code)
    close = get_close_matches(plain, BY_NAME, n=1)
    advice = f"did you mean {BY_NAME[close[0]]} ({NAMES[BY_NAME[close[0]]]})?" if close else ""
    raise I3Error(
        f"language {given!r:.60}: expected a code such as de or zh; {advice}".rstrip("; ")
    )


def language_tag(given: str) -> str:
    """A language as a manifest has it: de-AT for de_AT, de for German.

    Raises:
        I3Error: see `language_code`.
    """
    code, tag = language_code(given), given.strip().replace("_", "-")
    return tag if TAG.fullmatch(tag) and tag.lower() not in (*BY_NAME, NONE) else code


def differs(tag: str, code: str) -> bool:
    """Whether a declared tag is of another language than a code, or of none."""
    try:
        return language_code(tag) != code
    except I3Error:
        return True


def language_name(code: str) -> str:
    """For messages: "German (de)"; the code alone where it has no name here."""
    return f"{NAMES[code]} ({code})" if code in NAMES else code


def analysis_of(code: str) -> str:
    """How texts are analyzed, for messages: "German (de)", or what none and pretokenized do."""
    if code == NONE:
        return "words as they are"
    return "words between white space" if code == PRETOKENIZED else language_name(code)


def language_of(corpus: Path, given: str | None = None) -> Declared:
    """The language of a corpus: the option, or what its collection declares, or English.

    Args:
        corpus: `FOLDER/corpus`, or a file in it, where `FOLDER` has a `manifest.json`; or `FOLDER`.
        given: the option; None for none.

    Raises:
        I3Error: a code is invalid.
    """
    if given is not None:
        return Declared(language_code(given), "language")
    found = declared_language(corpus)
    if found is None:
        return Declared(ENGLISH, "default")
    tag, manifest = found
    try:
        return Declared(language_code(tag), str(manifest))
    except I3Error as error:
        raise I3Error(f"{manifest}: {error}") from error
