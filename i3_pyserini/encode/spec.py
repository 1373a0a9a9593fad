"""Describes an encoder before its weights are read, for every process that needs it."""

import os
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from i3_pyserini.encode.flags import EncoderOptions, names_of, overruled
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.model.declared import declared
from i3_pyserini.model.exported import is_exported, read_export, settings_of_export
from i3_pyserini.model.fingerprint import fingerprint, tokenizer_fingerprint
from i3_pyserini.model.onnx_session import need
from i3_pyserini.model.settings import EncoderSettings, resolve

if TYPE_CHECKING:
    from i3_pyserini.encode.encoders import DocumentEncoder


KEPT_KERNELS = "64"
RUNTIMES = {"torch": [], "openvino": ["openvino"], "onnx": ["onnxruntime"]}


class EncoderSource(Protocol):
    """Creates encoders, in this or in other processes. Can be pickled."""

    def describe(self) -> EncoderRecord:
        """The encoder record for an index manifest, with `dimension`."""
        ...

    def check(self, device: str | None) -> None:
        """Raises `I3Error` if the device does not exist or cannot run the encoder."""
        ...

    def load(self, device: str | None) -> "DocumentEncoder":
        """Loads the encoder on a device; None for the first GPU, or the CPU if there is none."""
        ...


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder of this package.

    Attributes:
        name: a model directory, or a hub name.
        kind: "i3", or "auto" for any Hugging Face encoder.
        dtype: "fp32", "bf16" or "fp16".
        backend: "torch", "openvino" or "onnx".
        settings: settings for "auto"; None for the model's declarations, then Pyserini's defaults.
            An I³ model has its own.
        contradicted: flags that override the model's declarations, for the index manifest.
    """

    name: str
    kind: Literal["i3", "auto"] = "i3"
    dtype: str = "fp32"
    backend: str = "torch"
    settings: EncoderSettings | None = None
    contradicted: tuple[str, ...] = ()

    def resolved(self) -> EncoderSettings:
        """The settings in effect, from whatever source.

        Raises:
            I3Error: the model does not exist, or it declares an unsupported feature.
        """
        if self.kind == "i3":
            from i3_pyserini.model.config import load_i3_config  # noqa: PLC0415  (torch)

            return load_i3_config(self.name).settings()
        return self.settings or resolve({}, declared(self.name), EncoderSettings())[0]

    def describe(self) -> EncoderRecord:
        """The encoder record for an index manifest: everything that affects the vectors.

        Raises:
            I3Error: the model does not exist.
        """
        from i3_pyserini.model.config import load_i3_config  # noqa: PLC0415  (torch)
        from i3_pyserini.model.loading import load_config  # noqa: PLC0415  (torch)

        config: Any = (
            load_i3_config(self.name) if self.kind == "i3" else load_config(self.name, "encoder")
        )
        settings = self.resolved()
        libraries = ["torch", "transformers", "tokenizers"]
        libraries += RUNTIMES[self.backend]
        return EncoderRecord(
            kind=self.kind,
            name=self.name,
            fingerprint=fingerprint(Path(self.name)),
            dimension=settings.dimension(config.hidden_size),
            dtype=self.dtype,
            backend=self.backend,
            **settings.as_manifest(),
            tokenizer=tokenizer_fingerprint(Path(self.name)),
            contradicted=self.contradicted,
            libraries={name: _version(name) for name in libraries},
        )

    def check(self, device: str | None) -> None:
        """Checks device and precision, without reading the weights.

        Raises:
            I3Error: the device does not exist, or does not support the precision or backend.
        """
        from i3_pyserini.encode.compute import check_possible  # noqa: PLC0415  (torch)
        from i3_pyserini.model.devices import note_slow_bf16, torch_device  # noqa: PLC0415  (torch)

        check_possible(torch_device(device), self.dtype, self.backend)
        if self.backend == "torch":  # others select fp32 themselves
            note_slow_bf16(self.dtype, torch_device(device))

    def note_tokenizer(self) -> None:
        """Prints a note if transformers changes the model's tokenizer.

        Raises:
            I3Error: the tokenizer cannot be read.
        """
        from i3_pyserini.model.tokenizer_check import note_tokenizer  # noqa: PLC0415  (seconds)

        note_tokenizer(self.name)

    def load(self, device: str | None) -> "DocumentEncoder":
        """Reads the weights.

        Raises:
            I3Error: they cannot be read, or the device does not exist.
        """
        # oneDNN reads it before its first kernel: later it would have no effect. The default is
        # 1,024 kernels, one for each shape of a batch, which take 200 MB.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KEPT_KERNELS)
        from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder  # noqa: PLC0415  (torch)
        from i3_pyserini.encode.encoders import I3DocumentEncoder  # noqa: PLC0415  (torch)

        how: dict[str, Any] = {"dtype": self.dtype, "backend": self.backend}
        if self.kind == "i3":
            return I3DocumentEncoder(self.name, device, **how)
        return AutoDocumentEncoder(self.name, device, **how, settings=self.settings)


@dataclass(frozen=True)
class ExportedSpec(EncoderSpec):
    """The passage encoder of an exported folder; see `i3_pyserini.model.exported`."""

    @classmethod
    def of(cls, name: str) -> "ExportedSpec":
        """The encoder of a folder.

        Raises:
            I3Error: the folder is damaged.
        """
        record = read_export(Path(name))
        kind: Literal["i3", "auto"] = "i3" if record.kind == "i3" else "auto"
        return cls(name, kind, record.dtype, "onnx")

    def resolved(self) -> EncoderSettings:
        """See `EncoderSpec`."""
        return settings_of_export(read_export(Path(self.name)))

    def describe(self) -> EncoderRecord:
        """See `EncoderSpec`."""
        record = read_export(Path(self.name))
        return EncoderRecord(
            kind=record.kind,
            name=self.name,
            fingerprint=record.fingerprint,
            dimension=record.dimension,
            dtype=record.dtype,
            backend="onnx",
            **self.resolved().as_manifest(),
            tokenizer=record.tokenizer,
            libraries={name: _version(name) for name in ("onnxruntime", "tokenizers")},
        )

    def check(self, device: str | None) -> None:
        """See `EncoderSpec`."""
        if device is not None and device.partition(":")[0] != "cpu":
            raise I3Error(f"{self.name}: exported models run on the CPU, not on {device}")
        need("onnxruntime")

    def note_tokenizer(self) -> None:
        """Says nothing: its tokenizer is read without transformers, by whoever uses the folder."""

    def load(self, device: str | None) -> "DocumentEncoder":
        """See `EncoderSpec`."""
        from i3_pyserini.encode.exported_encoders import (  # noqa: PLC0415  (an extra)
            ExportedDocumentEncoder,
        )

        self.check(device)
        return ExportedDocumentEncoder(Path(self.name))


def known_spec(
    name: str, kind: Literal["i3", "auto"], settings: EncoderSettings | None = None
) -> EncoderSpec:
    """The encoder of a model whose kind is known, in full precision.

    Args:
        name: a model directory, hub name or exported folder.
        kind: "i3" or "auto".
        settings: settings for "auto".
    """
    if is_exported(name):
        return ExportedSpec.of(name)
    return EncoderSpec(name, kind, settings=settings)


def spec_of(
    model: str, options: EncoderOptions, dtype: str = "fp32", backend: str = "torch"
) -> EncoderSpec:
    """The encoder of a model. A note lists options that override its declarations.

    Raises:
        I3Error: the model does not exist, or an option contradicts the configuration of an I³
            model.
    """
    given, kind = options.settings(), options.encoder_class
    if is_exported(model):
        if given or dtype != "fp32" or backend == "openvino":
            words = [*names_of(given), "--dtype", "--backend"]
            raise I3Error(
                f"{model}: is an exported model, which determines its vectors; omit {words[0]}"
            )
        return ExportedSpec.of(model)
    from i3_pyserini.model.config import is_i3_model  # noqa: PLC0415  (seconds)

    if kind == "i3" or (kind is None and is_i3_model(model)):
        spec = EncoderSpec(model, "i3", dtype, backend)
        own = spec.resolved()
        if overrules := overruled(resolve(given, asdict(own), own)[1]):
            raise I3Error(
                f"{model}: the config.json of an I³ model determines its vectors "
                f"({overrules[0]}); omit the option"
            )
        return spec
    settings, against = resolve(given, declared(model), EncoderSettings())
    contradicted = tuple(overruled(against))
    if contradicted:
        note(f"{model}: options override its declarations ({'; '.join(contradicted)})")
    settings = _within_positions(model, settings)
    return EncoderSpec(model, "auto", dtype, backend, settings, contradicted)


def _within_positions(model: str, settings: EncoderSettings) -> EncoderSettings:
    """Limits lengths to the model's positions, so that the manifest states the actual ones."""
    from i3_pyserini.model.loading import load_config  # noqa: PLC0415  (torch)

    positions = getattr(load_config(model, "encoder"), "max_position_embeddings", None) or 0
    shorter: dict[str, Any] = {}
    for name in ("query_length", "passage_length"):
        length = getattr(settings, name)
        if length and 0 < positions < length:
            note(
                f"{model}: {name} is {positions}, not {length}: the model has only {positions} "
                "positions"
            )
            shorter[name] = positions
    return replace(settings, **shorter)


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError as error:
        raise I3Error(f"{library} is not installed: pip install {library}") from error
