"""Which languages the two engines of BM25 can analyze."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.folder_manifest import declared_language
from i3_pyserini.formats.languages import (
    ENGLISH,
    NONE,
    PRETOKENIZED,
    Declared,
    differs,
    language_name,
    language_of,
)
from i3_pyserini.formats.scripts import other_script

Engine = Literal["lucene", "sqlite"]
# Anserini 1.7.1 analyzes any other language as English, without a word.
WHITESPACE = ("ha", "so", "sw", "yo")  # what Anserini splits at blanks only
_HERE = "ar bn da de en es fa fi fr hi hu id it ja ko nl no pl pt ru sv te th tr uk zh"
LUCENE = frozenset((*_HERE.split(" "), *WHITESPACE))
SNOWBALL = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "eo": "esperanto",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
UNSPACED = frozenset(("ja", "ko", "th", "zh"))  # pairs of letters in place of words
SQLITE = frozenset((ENGLISH, *SNOWBALL, *UNSPACED))
EVERY = frozenset((NONE, PRETOKENIZED))
ENGINES: dict[Engine, frozenset[str]] = {"lucene": LUCENE | EVERY, "sqlite": SQLITE | EVERY}


def choose_language(corpus: Path, given: str | None, engine: Engine) -> Declared:
    """The language to analyze a corpus in; an option that contradicts the corpus is noted.

    Args:
        corpus: see `language_of`.
        given: the option; None for what the corpus declares, or English.
        engine: of BM25.

    Raises:
        I3Error: the engine has no analyzer for it; says what to do.
    """
    chosen = language_of(corpus, given)
    if given is not None and (declared := declared_language(corpus)):
        tag, manifest = declared
        if differs(tag, chosen.code):
            note(f"language is {language_name(chosen.code)}, but {manifest} declares {tag}")
    refuse_unknown(chosen.code, engine, chosen.source)
    return chosen


def refuse_unknown(code: str, engine: Engine, source: str = "language") -> None:
    """Raises if an engine has no analyzer for a language.

    Args:
        code: see `language_code`.
        engine: of BM25.
        source: where the language was named, for the message.

    Raises:
        I3Error: says what to do.
    """
    if code in ENGINES[engine]:
        return
    name = language_name(code)
    other: Engine = "sqlite" if engine == "lucene" else "lucene"
    said = "" if source == "language" else f"{source}: "
    has = {
        "lucene": "engine lucene, which needs Java (pip install 'i3-pyserini[java]'), ",
        "sqlite": "engine sqlite, ",
    }
    remedy = has[other] if code in ENGINES[other] else ""
    engines = {"lucene": "Lucene (Anserini)", "sqlite": "BM25 without Java"}
    raise I3Error(
        f"{said}{engines[engine]} has no analyzer for {name}; use {remedy}"
        f"{'or ' if remedy else ''}language none, which takes words as they are"
    )


def note_script(spoken: Declared, texts: Iterable[str]) -> None:
    """Notes that texts in another script than Latin are taken for English, the default.

    Args:
        spoken: their language, see `choose_language`.
        texts: see `other_script`.
    """
    if spoken.source == "default" and (found := other_script(texts)):
        script, codes = found
        note(
            f"most letters of the corpus are {script}, but BM25 analyzes it as "
            f"{language_name(spoken.code)}, the default; use --language {codes}, or declare it "
            "(data import --language)"
        )


def without_java(declared: Declared) -> str:
    """The language to find words in without Java: words as they are where there is no analyzer.

    Args:
        declared: what an option or a collection names.

    Raises:
        I3Error: an option names a language without an analyzer.
    """
    if declared.code in ENGINES["sqlite"]:
        return declared.code
    if declared.source == "language":
        refuse_unknown(declared.code, "sqlite")
    note(
        f"{declared.source}: no analyzer for {language_name(declared.code)} without Java; words "
        "are taken as they are"
    )
    return NONE
