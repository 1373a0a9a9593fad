"""The encoder for texts: a model with its tokenizer."""

from collections.abc import Mapping, Sequence
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from i3_pyserini.encode.flags import EncoderOptions
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.paths import AnyPath, NameOrPath

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from i3_pyserini.encode.encoders import DocumentEncoder
    from i3_pyserini.encode.query_encoders import QueryEncoder
    from i3_pyserini.encode.spec import EncoderSpec
    from i3_pyserini.model.explain import Explanation
    from i3_pyserini.model.settings import EncoderSettings

Passage = str | Mapping[str, Any]


class Encoder:
    """A model with its tokenizer; made by `load` and `create`.

    Its vectors equal those of `encode_corpus` and `search_topics`. The query and passage encoders
    are loaded on first use.

    Attributes:
        model: the model directory or hub name.
        settings: pooling, prompts, lengths and other settings.
    """

    def __init__(self, spec: "EncoderSpec", device: str | None = None) -> None:
        self._spec, self._device = spec, device
        self.model: str = spec.name
        self.settings: EncoderSettings = spec.resolved()
        self._queries: QueryEncoder | None = None
        self._passages: DocumentEncoder | None = None

    def encode_queries(self, queries: Sequence[str]) -> "NDArray[np.float32]":
        """Encodes Q queries to float32 [Q, H].

        Raises:
            I3Error: a query is not a string, or the model cannot be read.
        """
        from i3_pyserini.encode.query_encoders import load_query_encoder

        _refuse_one_text(queries, "queries")
        if self._queries is None:
            settings = self.settings if self._spec.kind == "auto" else None
            self._queries = load_query_encoder(self.model, self._spec.kind, self._device, settings)
        return self._queries.encode(list(queries))

    def encode_passages(self, passages: Sequence[Passage]) -> "NDArray[np.float32]":
        """Encodes N passages to float32 [N, H], in batches of similar length.

        Args:
            passages: texts, or mappings with `text` and, optionally, `title`.

        Raises:
            I3Error: a passage has no text, or the model cannot be read.
        """
        from i3_pyserini.encode.batches import Batching, encode_ids

        _refuse_one_text(passages, "passages")
        if self._passages is None:
            self._passages = self._spec.load(self._device)
        texts, titles = texts_and_titles(passages)
        ids = self._passages.ids(texts, titles)
        return encode_ids(self._passages, ids, Batching())

    def explain(self, text: str, title: str | None = None, *, top: int = 20) -> "Explanation":
        """The pseudo-query words that an I³ model predicts for a passage.

        Args:
            text: the passage's text.
            title: its title.
            top: number of words.

        Raises:
            I3Error: the model is not an I³ model with a reconstructor.
        """
        from i3_pyserini.model.explain import explain_passage

        return explain_passage(self.model, text=text, title=title, top=top)

    def __fspath__(self) -> str:
        return self.model

    def __repr__(self) -> str:
        from i3_pyserini.model.settings import in_words

        return f"Encoder({self.model!r}: {in_words(self.settings)})"


def load(
    model: NameOrPath,
    *,
    device: str | None = None,
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32",
    backend: Literal["torch", "openvino", "onnx"] = "torch",
    encoder: EncoderOptions | None = None,
) -> Encoder:
    """Loads a model and its tokenizer.

    Args:
        model: a directory or hub name of an I³ model or of any other Hugging Face encoder, or a
            folder written by `model export`.
        device: a torch device such as "cuda:0". By default, queries are encoded on the CPU, without
            torch if the model supports it, and passages on the first GPU, or the CPU if there is
            none.
        dtype: precision for passages; "bf16" and "fp16" need a device that supports them.
        backend: backend for passages; "openvino" is faster on many CPUs, "onnx" is onnxruntime. An
            exported folder uses onnxruntime for queries too.
        encoder: settings that override the model's own files.

    Returns:
        The encoder.

    Raises:
        I3Error: the model does not exist or cannot be used.
    """
    from i3_pyserini.encode.query_encoders import kind_of
    from i3_pyserini.encode.spec import spec_of

    kind_of(fspath(model))  # checks that the directory exists
    return Encoder(spec_of(fspath(model), encoder or EncoderOptions(), dtype, backend), device)


def create(
    backbone: NameOrPath,
    *,
    output: AnyPath,
    interaction: Literal["released", "paper", "none"] | None = None,
    query_length: int | None = None,
    passage_length: int | None = None,
    reconstruction_tokenizer: NameOrPath | None = None,
    overwrite: bool = False,
) -> Encoder:
    """Creates an I³ model that ranks exactly like its backbone until it is trained.

    Args:
        backbone: directory or hub name of a Hugging Face encoder. The new model adopts the settings
            that it declares (pooling, dense layers, normalization, prompts, lengths, casing).
        output: the model directory to write.
        interaction: how passage and pseudo-query interact: "released" as in the authors' code,
            "paper" as in their paper, "none" for a plain dual encoder.
        query_length: maximum ids of a query. Default: the backbone's, or that of I³.
        passage_length: maximum ids of a passage. Default: the backbone's, or that of I³.
        reconstruction_tokenizer: directory or hub name of a model in whose tokens words are
            predicted, for backbones with a large vocabulary. Default: the backbone's own tokens.
        overwrite: replace an existing model.

    Returns:
        The encoder of the new model.

    Raises:
        I3Error: the backbone cannot be used, or the output exists or cannot be written.
    """
    from i3_pyserini.model.declared import declared
    from i3_pyserini.model.export import check_target, save_model_directory
    from i3_pyserini.model.reconstruction_tokenizer import FOLDER
    from i3_pyserini.model.retriever import I3Retriever
    from i3_pyserini.model.tokenizer import I3Tokenizer

    check_target(Path(output), overwrite)
    given: dict[str, Any] = {
        "interaction": interaction,
        "query_length": query_length,
        "passage_length": passage_length,
        FOLDER: None if reconstruction_tokenizer is None else fspath(reconstruction_tokenizer),
    }
    settings = {name: value for name, value in given.items() if value is not None}
    model = I3Retriever.from_backbone(fspath(backbone), **settings)
    tokenizer = I3Tokenizer.from_pretrained(fspath(backbone), model.config, settings.get(FOLDER))
    save_model_directory(model, tokenizer, Path(output), overwrite)
    similarity = declared(fspath(backbone)).get("similarity", "dot")
    if similarity != "dot" and not model.config.normalize:
        note(
            f"{fspath(backbone)}: declares {similarity} similarity, but its vectors are not "
            "normalized; the new model ranks by the inner product, so differently"
        )
    return load(output)


def _refuse_one_text(texts: object, what: str) -> None:
    if isinstance(texts, str | Mapping):
        raise I3Error(f"expected a list of {what}, got one: {texts!r:.60}")


def texts_and_titles(passages: Sequence[Passage]) -> tuple[list[str], list[str | None]]:
    """The texts of N passages, and their titles.

    Raises:
        I3Error: a mapping has no text, or an unknown key.
    """
    texts: list[str] = []
    titles: list[str | None] = []
    for number, passage in enumerate(passages):
        if isinstance(passage, str):
            texts.append(passage)
            titles.append(None)
            continue
        unknown = sorted(set(passage) - {"text", "title", "id", "docid"})
        if "text" not in passage or unknown:
            said = f"unknown {', '.join(unknown)}" if unknown else "no text"
            raise I3Error(f"passage {number}: {said}; expected a text, or text and title")
        texts.append(passage["text"])
        titles.append(passage.get("title"))
    return texts, titles
