"""Cuts long documents into windows."""

from os import fspath
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written
from i3_pyserini.formats.windows import By


def chunk_corpus(
    corpus: AnyPath,
    *,
    output: AnyPath,
    by: By,
    size: int | None = None,
    overlap: int = 0,
    model: NameOrPath | None = None,
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> Written:
    """Cuts long documents into windows, which are encoded and searched as passages.

    A window has the id DOCUMENT#N, N from 0, the title and the metadata of its document, and its
    place in the document's text as `start` and `end`. Topics and judgments remain those of
    documents, which search ranks by their windows.

    Args:
        corpus: a file in JSONL, CSV, TSV or Parquet, plain, gzip or zstd, or a folder of such
            files.
        output: the folder to write (a folder, not a file): corpus/corpus.jsonl, which other
            commands read as OUTPUT/corpus, and manifest.json.
        by: "tokens" (as many words as fit), or as many whole "sentences" or "paragraphs" as fit.
        size: longest window. With a model in ids, including title, prefix and special tokens;
            default: the model's own length. Without one in words of the text.
        overlap: how much of a window the next one repeats: ids or words for "tokens", otherwise
            sentences or paragraphs.
        model: the model whose ids are counted; a directory or hub name.
        overwrite: replace an existing folder of windows.
        corpus_options: how to read the corpus, if its format is unusual.

    Returns:
        The folder.

    Raises:
        I3Error: the corpus is invalid, an id contains "#" or occurs twice, the size has no room for
            a text or is more than the model reads, the folder exists, or the corpus is in it or
            it would be in the corpus.
    """
    from i3_pyserini.data.collection import refuse_foreign, refuse_inputs_in
    from i3_pyserini.encode.chunking import CORPUS, Chunker
    from i3_pyserini.encode.flags import EncoderOptions
    from i3_pyserini.encode.spec import spec_of
    from i3_pyserini.formats.corpus_files import COMPRESSED, FORMATS, bare_name
    from i3_pyserini.formats.folder_manifest import chunks_of
    from i3_pyserini.formats.passages import Corpus
    from i3_pyserini.formats.windows import Windowing

    folder = Path(output)
    if folder.suffix.lower() in (*FORMATS, *COMPRESSED):
        raise I3Error(
            f"{folder}: is the name of a file; expected a folder, such as {bare_name(folder)}, in "
            f"which {CORPUS} is written"
        )
    refuse_foreign(folder, overwrite)
    refuse_inputs_in(folder, [Path(corpus)])
    if folder.exists() and chunks_of(folder) is None:
        raise I3Error(f"{folder}: is a collection, but not of windows; it is not replaced")
    spec = None if model is None else spec_of(fspath(model), EncoderOptions())
    if size is None:
        if spec is None:
            raise I3Error("size: give the longest window in words, or a model to count its ids")
        size = spec.resolved().passage_length
    chunker = Chunker(Windowing(by, size, overlap), spec)
    read = Corpus.from_options(Path(corpus), corpus_options.reading())
    return Written(folder, str(chunker.write(read, folder)))
