"""I³ models in sentence-transformers: `encode_query`, `encode_document`, and its trainer."""

import copy
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from i3_pyserini.encode.encoder import texts_and_titles
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import NameOrPath, at_revision
from i3_pyserini.formats.records import read_json
from i3_pyserini.model.declared import commit_of, path_of
from i3_pyserini.model.export import load_model_directory, write_files
from i3_pyserini.model.settings import in_words
from i3_pyserini.model.st_files import MODULE, MODULES, prompts_of
from i3_pyserini.model.tokenizer import I3Tokenizer

try:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import InputModule
except ImportError as error:
    raise I3Error(
        "sentence-transformers 6 is needed: pip install 'i3-pyserini[sentence-transformers]'"
    ) from error

if TYPE_CHECKING:
    from torch import Tensor

    from i3_pyserini.model.retriever import I3Retriever

TASKS = ("query", "document")


def load(model: NameOrPath, *, device: str | None = None) -> SentenceTransformer:
    """Loads an I³ model as a `SentenceTransformer`, without `trust_remote_code`.

    It runs no code but that of this package, also where `SentenceTransformer(model)` demands
    `trust_remote_code=True`. Models that were saved before there were files for it load, too.

    Args:
        model: a directory or hub name, with `@REVISION` for one revision.
        device: a torch device; None for the first GPU, or the CPU if there is none.

    Returns:
        A model whose `encode_query` and `encode_document` give the vectors of `i3_pyserini.load`.
        A document is a text, a pair (title, text), or a mapping with `text` and `title`.

    Raises:
        I3Error: the model cannot be read, or has modules besides `I3Module`.
    """
    name = fspath(model)
    if (declared := _declaration(name)) is not None:
        # Demanded for any class that is not the library's own; this one is the only one there, in
        # the commit that was read.
        return SentenceTransformer(
            at_revision(name)[0],
            device=device,
            revision=None if Path(name).is_dir() else commit_of(declared),
            trust_remote_code=True,
        )
    module = I3Module(*load_model_directory(name, dtype="float32"))
    prompts = prompts_of(module.model.config)
    return SentenceTransformer(
        modules=[module], device=device, prompts=prompts, similarity_fn_name="dot"
    )


class I3Module(InputModule):
    """Both sides of an I³ model, as the only module of a `SentenceTransformer`.

    The task says which side encodes: `encode_query` and `encode_document` set it, and in training
    `router_mapping` does. Plain `encode` is refused, since the sides differ.

    The model's own prompts are used where no prompt is given, so also in training.

    Args:
        model: the model.
        tokenizer: its tokenizer.
    """

    forward_kwargs = {"task"}  # noqa: RUF012  (read by sentence-transformers)

    def __init__(self, model: "I3Retriever", tokenizer: I3Tokenizer) -> None:
        super().__init__()
        self.model, self._texts = model, tokenizer

    def __repr__(self) -> str:
        return f"I3Module({in_words(self.model.config.settings())})"

    @property
    def tokenizer(self) -> Any:  # type: ignore[override]  # the model's, not to be exchanged
        """The tokenizer, without the model's templates and lengths."""
        return self._texts.tokenizer

    @property
    def max_seq_length(self) -> int:
        """The greater of both lengths in ids."""
        return max(self.model.config.query_length, self.model.config.passage_length)

    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None:
        raise I3Error(
            "the config.json of an I³ model determines its lengths; create one with others"
        )

    def get_embedding_dimension(self) -> int:
        """Dimension of a vector."""
        return self.model.config.dimension

    def preprocess(
        self,
        inputs: Sequence[Any],
        prompt: str | None = None,
        task: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Tokenizes B texts.

        Args:
            inputs: queries; or documents, see `load`.
            prompt: replaces the model's own prompt; None for the model's own.
            task: "query" or "document".
            **kwargs: none.

        Returns:
            `input_ids` and `attention_mask`, int64 [B, T], and `task`; for queries of a model with
            a reconstructor `reconstruction_labels`, int64 [B, L], which `I3Loss` uses.

        Raises:
            I3Error: there is no task, or an input is not a text.
        """
        if given := sorted(name for name, value in kwargs.items() if value is not None):
            raise I3Error(
                f"I³ models take no {', '.join(given)}: their config.json determines the ids"
            )
        _check_task(task)
        texts = self._with_prompt(task, prompt)
        if task == "query":
            batch = dict(texts.queries(inputs))
            if self.model.has_reconstructor:
                batch["reconstruction_labels"] = texts.reconstruction_labels(inputs)
        else:
            batch = dict(texts.passages(*texts_and_titles([_passage(one) for one in inputs])))
        return {**batch, "task": task}

    def forward(
        self, features: dict[str, Any], task: str | None = None, **_: Any
    ) -> dict[str, Any]:
        """Adds `sentence_embedding`, float [B, D].

        Documents with `reconstruction_labels` also get a `reconstruction_loss`, averaged over
        `num_labels`; see `I3Retriever.forward`.

        Raises:
            I3Error: there is no task.
        """
        task = task or features.get("task")
        _check_task(task)
        ids, mask = features["input_ids"], features["attention_mask"]
        vectors: Tensor | None
        if task == "query":
            vectors = self.model.encode_queries(ids, mask)
        else:
            output = self.model(
                passage_input_ids=ids,
                passage_attention_mask=mask,
                reconstruction_labels=features.get("reconstruction_labels"),
                num_labels=features.get("num_labels"),
            )
            vectors = output.passage_vectors
            if output.reconstruction_loss is not None:
                features["reconstruction_loss"] = output.reconstruction_loss
        return {**features, "sentence_embedding": vectors}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Writes a model directory, complete with the files that sentence-transformers adds.

        Files of another model in the folder are replaced only when all new ones are there.

        Args:
            output_path: the folder.
            *args: ignored.
            **kwargs: ignored; weights are always saved as safetensors.

        Raises:
            I3Error: `safe_serialization` is False.
        """
        if not kwargs.get("safe_serialization", True):
            raise I3Error("I³ models are saved as safetensors only; omit safe_serialization=False")
        target = Path(output_path)
        with tempfile.TemporaryDirectory(dir=target) as folder:
            write_files(self.model, self._texts, Path(folder) / "model")
            for new in (Path(folder) / "model").iterdir():
                place = target / new.name
                if place.is_dir():
                    shutil.rmtree(place)
                new.replace(place)

    @classmethod
    def load(
        cls,
        model_name_or_path: str,
        subfolder: str = "",
        token: bool | str | None = None,
        cache_folder: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        init_defaults: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Reads a model directory or hub name, as `SentenceTransformer(…)` calls it.

        Args:
            model_name_or_path: a directory or hub name.
            subfolder: of the model directory.
            token: for private repositories.
            cache_folder: the hub's cache.
            revision: branch, tag or commit.
            local_files_only: do not ask the hub.
            init_defaults: ignored.
            **kwargs: `model_kwargs`, such as `dtype`; others are refused.

        Raises:
            I3Error: the model cannot be read, or an argument has no effect on an I³ model.
        """
        if kwargs.get("backend", "torch") != "torch":
            raise I3Error(f"backend {kwargs['backend']!r}: I³ models run with torch here")
        if given := [name for name in ("processor_kwargs", "config_kwargs") if kwargs.get(name)]:
            raise I3Error(f"I³ models take no {given[0]}: their config.json determines the vectors")
        folder = cls.load_dir_path(
            model_name_or_path,
            subfolder,
            token=token,
            cache_folder=cache_folder,
            revision=revision,
            local_files_only=local_files_only,
        )
        settings = {"dtype": "float32", **(kwargs.get("model_kwargs") or {})}
        return cls(*load_model_directory(folder or model_name_or_path, **settings))

    def _with_prompt(self, task: str | None, prompt: str | None) -> I3Tokenizer:
        own = prompts_of(self.model.config).get(str(task), "")
        if prompt is None or prompt == own:
            return self._texts
        config = copy.copy(self.model.config)
        if task == "query":
            config.query_prefix, config.query_prompt = "", prompt
        else:
            config.passage_prompt = prompt
        return I3Tokenizer(self.tokenizer, config, self._texts.reconstruction)


def _check_task(task: str | None) -> None:
    if task not in TASKS:
        raise I3Error(
            f"task is {task!r}: an I³ model encodes queries and documents differently; use "
            "encode_query and encode_document, and in training router_mapping={COLUMN: 'query', …}"
        )


def _passage(document: Any) -> Any:
    """A document as `i3_pyserini.load` takes it."""
    if isinstance(document, tuple | list):
        if len(document) != 2:  # noqa: PLR2004  (a pair)
            raise I3Error(f"a document is a text or a pair (title, text), not {document!r:.80}")
        return {"title": document[0], "text": document[1]}
    return document


def _declaration(name: str) -> Path | None:
    """The file that names `I3Module`; None for a model without it.

    Raises:
        I3Error: they name other modules, whose code would run, or whose effect would be missing.
    """
    path = path_of(name, MODULES)
    if path is None:
        return None
    modules = read_json(path)
    if not isinstance(modules, list):
        raise I3Error(f"{path}: expected a list of modules")
    types = [one.get("type") if isinstance(one, Mapping) else one for one in modules]
    if types != [MODULE]:
        raise I3Error(
            f"{path}: names modules {types!r:.200}, expected {MODULE} alone; if you trust their "
            "code, use SentenceTransformer(…, trust_remote_code=True)"
        )
    return path
