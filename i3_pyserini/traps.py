"""Words in a path that lead stock Pyserini astray.

Stock Pyserini 1.6 and 2.4 choose an encoder's class and options by looking for names anywhere in
its path (`pyserini/encode/__main__.py` and `pyserini/search/faiss/__main__.py`, `init_encoder` and
`init_query_encoder`).
"""

# These change the vectors even where --encoder-class auto is given.
ALWAYS = ("clip", "dse")
# These pick another class unless --encoder-class is given.
WITHOUT_CLASS = (
    "dkrr",
    "dpr",
    "bpr",
    "tct",
    "ance",
    "sentence",
    "contriever",
    "auto",
    "aggretriever",
    "openai",
    "arctic",
    "uniir",
    "qwen3",
    "mmeb",
    "splade",
    "unicoil",
)


def trap_words(path: object, words: tuple[str, ...] = ALWAYS + WITHOUT_CLASS) -> list[str]:
    """Those of the words that a path contains, in any case."""
    lower = str(path).lower()
    return [word for word in words if word in lower]
