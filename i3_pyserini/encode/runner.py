"""Encodes a corpus: plan, parts, output files. Each step can be resumed."""

import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

from i3_pyserini import __version__
from i3_pyserini.encode.ahead import tokenising_processes
from i3_pyserini.encode.batches import Batching, encode_parts
from i3_pyserini.encode.job import Job, open_job
from i3_pyserini.encode.scan import PART_PASSAGES, Scan, Shard, size_of
from i3_pyserini.encode.spec import EncoderSource, EncoderSpec
from i3_pyserini.encode.summary import holds
from i3_pyserini.encode.update import Update, open_update
from i3_pyserini.errors import StoppedError, note
from i3_pyserini.formats.chunks import CHUNKS
from i3_pyserini.formats.folder_manifest import chunks_of
from i3_pyserini.formats.index import CorpusRecord, IndexManifest, ShardRecord
from i3_pyserini.formats.index_output import BYTES_OF_AN_ID, Beside, IndexOutput
from i3_pyserini.formats.passages import Corpus, collection_name
from i3_pyserini.formats.vector_files import Shape

if TYPE_CHECKING:
    from i3_pyserini.encode.chunking import Chunker

STAGE = "corpus"  # in the hidden folder: copies of files that are not plain JSONL


class StopRequest:
    """Handles the first SIGTERM or Ctrl-C as a request to stop; a second one stops immediately.

    A context manager. Outside the main thread it has no effect, since only the main thread gets
    signals.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()

    def asked(self) -> bool:
        """Whether to stop after the current part."""
        return self._signal is not None

    def raise_if_asked(self, message: str) -> None:
        """Raises if the work was stopped early.

        Raises:
            StoppedError: a signal stopped the work.
        """
        if self._signal is not None:
            raise StoppedError(self._signal, message)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self._restore()
        print(
            "\nfinishing the current part; repeat the signal to stop immediately",
            file=sys.stderr,
            flush=True,
        )

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


@dataclass(frozen=True)
class Encoding:
    """Options of an encoding.

    Attributes:
        batching: how passages are batched.
        shard: the part of the corpus to encode.
        devices: devices with one encoder each; empty for the first GPU, or the CPU if there is
            none.
        ray: address of a Ray cluster to encode on; None for this machine.
        part_passages: passages per part.
        update: an index of an earlier state of the corpus, whose vectors are taken over; None to
            encode all passages.
        chunker: cuts documents into windows; None to encode them as they are.
    """

    batching: Batching = field(default_factory=Batching)
    shard: Shard = field(default_factory=Shard)
    devices: Sequence[str] = ()
    ray: str | None = None
    part_passages: int = PART_PASSAGES
    update: Path | None = None
    chunker: "Chunker | None" = None


def run_encoding(
    corpus: Corpus, source: EncoderSource, output: IndexOutput, how: Encoding | None = None
) -> Shape:
    """Encodes a corpus into an output directory.

    Compressed files, tables and Parquet files are first converted to JSON lines in the output's
    hidden folder. The corpus is then read twice: once to check it, so that an invalid last line is
    found before hours of encoding, and once to encode it part by part. Parts completed before an
    interruption are kept in the hidden folder and not encoded again.

    Args:
        corpus: the corpus.
        source: the encoder.
        output: the output.
        how: see `Encoding`.

    Returns:
        Number and dimension of the vectors.

    Raises:
        I3Error: the corpus is invalid, an interrupted encoding had other options, there is not
            enough disk space, or the output cannot be written.
        StoppedError: SIGTERM or Ctrl-C stopped it; complete parts are on disk.
    """
    how = how or Encoding()
    if how.ray is None:
        for device in how.devices or (None,):
            source.check(device)  # before reading for minutes
    if isinstance(source, EncoderSpec):
        source.note_tokenizer()
    with output.work() as folder:
        chunks = None if how.chunker is None else folder / CHUNKS
        if how.chunker is not None and chunks is not None:
            corpus = _cut(how.chunker, corpus, chunks, output.overwrite)
        known = _known(corpus, source, output, how)
        corpus = corpus.staged(folder / STAGE)
        whole = _open(folder, corpus, known, output, how)
        shape = Shape(whole.scan.passages, known.encoder.dimension or 0)
        _note_passages(whole.scan, how)
        if isinstance(whole, Update):
            tqdm.write(f"{how.update}: {whole.changes}", file=sys.stderr)
            if output.in_place and whole.is_needless():
                note(f"{output.target}: is up to date and stays as it is")
                return shape
        job = whole.job if isinstance(whole, Update) else whole
        missing = job.missing() if job else []
        left = sum(job.parts[number].passages for number in missing) if job else 0
        _check_space(output, size_of(corpus), shape, left, how)
        if job and missing:
            _encode(job, source, missing, how)
        blocks = whole.blocks(with_contents=output.kind == "jsonl")
        manifest = _manifest(known, whole)
        beside = Beside(chunks, whole.hashes)
        if isinstance(whole, Update):
            beside = replace(beside, release=whole.base.release)
        output.finish(blocks, shape, manifest, how.batching.store_dtype, beside)
    if line := holds(manifest):
        tqdm.write(line, file=sys.stderr)
    return shape


def bytes_of_parts(passages: int, shape: Shape, batching: Batching) -> int:
    """Approximate disk space of the parts of some passages, needed until the output is complete."""
    return passages * (shape.dimension * batching.itemsize + BYTES_OF_AN_ID)


def _cut(chunker: "Chunker", corpus: Corpus, folder: Path, overwrite: bool) -> Corpus:
    """The windows of a corpus, in the hidden folder of the output."""
    begun = not overwrite and any(folder.parent.glob("part-*"))
    cut = chunker.resume(corpus, folder, begun)
    if cut is not None:
        tqdm.write(f"cut: {cut}", file=sys.stderr)
    return Corpus(folder / "corpus")


def _known(
    corpus: Corpus, source: EncoderSource, output: IndexOutput, how: Encoding
) -> IndexManifest:
    """Everything that affects vectors and files, except rounding; compared when resuming."""
    return IndexManifest(
        version=__version__,
        encoder=source.describe(),
        corpus=replace(
            CorpusRecord.of(
                name=collection_name(corpus.path), files=corpus.names, **corpus.options()
            ),
            chunks=chunks_of(corpus.path),
        ),
        shard=ShardRecord(id=how.shard.id, number=how.shard.number),
        titles=how.batching.with_titles,
        store_dtype=how.batching.store_dtype,
        kind=output.kind,
    )


def _open(
    folder: Path, corpus: Corpus, known: IndexManifest, output: IndexOutput, how: Encoding
) -> Job | Update:
    """What has to be encoded: all passages, or those that an older index lacks."""
    if how.update is None:
        return open_job(folder, corpus, known.to_json(), output.overwrite, how.part_passages)
    return open_update(folder, how.update, corpus, known, output.overwrite, how.part_passages)


def _manifest(known: IndexManifest, work: Job | Update) -> IndexManifest:
    corpus = replace(
        known.corpus,
        path=str(work.corpus.path.resolve()),  # for searches from any folder
        bytes=size_of(work.corpus),  # shards of a corpus that changed in between do not match
        passages=work.scan.passages,
        sha256=work.scan.sha256,
    )
    update = work.record() if isinstance(work, Update) else None
    encoder = replace(known.encoder, cut=work.share_cut())
    return replace(known, corpus=corpus, encoder=encoder, update=update)


def _note_passages(scan: Scan, how: Encoding) -> None:
    if scan.titled and not how.batching.with_titles:
        note(
            f"{scan.titled:,} of {scan.passages:,} passages have a title that is not "
            "encoded; to include titles, set titles=True (drop-in: encoder --fields title text)"
        )
    if scan.empty:
        note(f"{scan.empty:,} of {scan.passages:,} passages have no text")


def _check_space(
    output: IndexOutput, corpus_bytes: int, shape: Shape, left: int, how: Encoding
) -> None:
    contents = corpus_bytes // how.shard.number
    needed = bytes_of_parts(left, shape, how.batching)
    needed += output.bytes_needed(shape, contents, how.batching.itemsize)
    free = output.check_space(needed)
    done = f", {shape.passages - left:,} of them done" if left < shape.passages else ""
    tqdm.write(
        f"{shape.passages:,} passages{done}; needs {tqdm.format_sizeof(needed, 'B')} of disk "
        f"until complete ({tqdm.format_sizeof(free, 'B')} are free)",
        file=sys.stderr,
    )


def _encode(job: Job, source: EncoderSource, missing: list[int], how: Encoding) -> None:
    left = sum(job.parts[number].passages for number in missing)
    interval = 0.5 if sys.stderr.isatty() else 30.0  # seconds; for a log file
    bar = tqdm(
        total=job.scan.passages,
        initial=job.scan.passages - left,
        unit="passage",
        desc="encode",
        mininterval=interval,
        delay=2,
    )
    with StopRequest() as stop, bar:
        if how.ray is not None:
            from i3_pyserini.encode.cluster import encode_on_ray  # noqa: PLC0415  (an extra)

            encode_on_ray(how.ray, job, source, missing, how.batching, bar.update, stop.asked)
        elif len(how.devices) > 1:
            from i3_pyserini.encode.workers import encode_on_devices  # noqa: PLC0415  (other processes)

            encode_on_devices(
                how.devices, job, source, missing, how.batching, bar.update, stop.asked
            )
        else:
            device = how.devices[0] if how.devices else None
            encoder = source.load(device)
            processes = tokenising_processes([device or _default_device()], len(missing))
            encode_parts(job, encoder, missing, how.batching, bar.update, stop.asked, processes)
    stop.raise_if_asked(
        f"{bar.n:,} of {job.scan.passages:,} passages are encoded; run the same command again to "
        "resume"
    )


def _default_device() -> str:
    """The device of an encoder that is loaded."""
    if "torch" not in sys.modules:  # of an exported model
        return "cpu"
    from i3_pyserini.model.devices import first_gpu  # noqa: PLC0415  (torch)

    return first_gpu() or "cpu"
