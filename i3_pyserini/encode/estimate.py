"""Estimates the cost of an encoding on this machine from a sample."""

import random
import shutil
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from i3_pyserini.encode.batches import Batching, token_batches
from i3_pyserini.encode.chunking import Chunker, windows_of
from i3_pyserini.encode.encoders import DocumentEncoder
from i3_pyserini.encode.parallel import in_parallel
from i3_pyserini.encode.runner import Encoding, bytes_of_parts
from i3_pyserini.encode.scan import place_of_byte, size_of
from i3_pyserini.encode.spec import EncoderSource
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus, Place
from i3_pyserini.formats.vector_files import Shape
from i3_pyserini.system import peak_memory

SPOTS, PASSAGES_OF_A_SPOT = 64, 64
SECONDS = 20.0  # time limit for encoding the sample
DEVICES = (1, 2, 4, 8)
BYTES_OF_KEYS = 100  # of a window's line, besides title and text, which it has twice


@dataclass(frozen=True)
class Sample:
    """Passages from evenly spaced places of a corpus.

    Attributes:
        passages: the passages.
        mean_bytes: mean length of their lines; of windows, bytes of the corpus for each.
        written: bytes of a window's line.
    """

    passages: list[Passage]
    mean_bytes: float
    written: float = 0


@dataclass(frozen=True)
class Speed:
    """The time needed to encode a part of the sample.

    Attributes:
        passages: number of encoded passages.
        tokens: number of their ids, without padding.
        seconds: wall time of the model; tokenization runs in parallel.
    """

    passages: int
    tokens: int
    seconds: float


def estimate(corpus: Corpus, source: EncoderSource, output: IndexOutput, how: Encoding) -> str:
    """Encodes a sample for some seconds and extrapolates to the whole corpus.

    Args:
        corpus: the corpus; the number of its lines is estimated from its bytes.
        source: the encoder.
        output: the planned output.
        how: see `Encoding`; the sample is encoded on the first device only.

    Returns:
        Lines for the user: speed, hours by number of devices, disk and memory.

    Raises:
        I3Error: a line of the sample is invalid, or the model cannot be loaded.
    """
    with tempfile.TemporaryDirectory(prefix="i3-", ignore_cleanup_errors=True) as folder:
        staged = corpus.staged(Path(folder) / "corpus")
        sample, shard_bytes = take_sample(staged), size_of(staged) / how.shard.number
    if how.chunker is not None:
        sample = cut_sample(sample, how.chunker)
    device = how.devices[0] if how.devices else None
    encoder = source.load(device)
    speed = measure(encoder, sample, how.batching)
    rate = speed.passages / speed.seconds
    shape = Shape(round(shard_bytes / sample.mean_bytes), encoder.dimension)
    of_parts = bytes_of_parts(shape.passages, shape, how.batching)
    of_files = output.bytes_needed(shape, round(shard_bytes), how.batching.itemsize)
    of_files += round(shape.passages * how.shard.number * sample.written)
    free = shutil.disk_usage(_existing(output.target)).free
    hours = [f"{count}: {_hours(shape.passages / rate / count)}" for count in DEVICES]
    peak = peak_memory()
    memory = "unknown on this system" if peak is None else _size(peak)
    return "\n".join(
        [
            f"sample      {speed.passages:,} passages of {speed.tokens / speed.passages:.0f} "
            f"tokens in {speed.seconds:.1f} s on {device or 'the default device'}: "
            f"{rate:,.1f} passages/s, {speed.tokens / speed.seconds:,.0f} tokens/s",
            f"collection  about {shape.passages:,} passages in {_size(shard_bytes)}",
            f"time        by number of such devices or machines: {', '.join(hours)}",
            f"disk        {_size(of_parts + of_files)} until complete, "
            f"{_size(of_files)} afterwards ({_size(free)} free)",
            f"memory      {memory} for each process, whatever the number of passages",
        ]
    )


def take_sample(corpus: Corpus) -> Sample:
    """Reads passages at evenly spaced places of a corpus; all of a small one.

    Raises:
        I3Error: there are no passages, or a line is invalid.
    """
    size = size_of(corpus)
    found: dict[Place, bytes] = {}
    for spot in range(SPOTS):
        place = place_of_byte(corpus, size * spot // SPOTS)
        lines = (item for item in corpus.lines(place) if item[1].strip())
        found.update(islice(lines, PASSAGES_OF_A_SPOT))
    if not found:
        raise I3Error(f"{corpus.path}: no passages in {len(corpus.files)} file(s)")
    passages = [corpus.passage(line, place) for place, line in found.items()]
    return Sample(passages, sum(len(line) for line in found.values()) / len(found))


def cut_sample(sample: Sample, chunker: Chunker) -> Sample:
    """The windows of a sample of documents."""
    found = [
        window
        for document, windows in chunker.windows(sample.passages)
        for window in windows_of(document, windows)
    ]
    of_line = sum(len(f"{one.title}{one.text}".encode()) for one in found) / len(found)
    of_document = sample.mean_bytes * len(sample.passages) / len(found)
    return Sample(found, of_document, 2 * of_line + BYTES_OF_KEYS)


def measure(encoder: DocumentEncoder, sample: Sample, how: Batching) -> Speed:
    """Encodes batches of a sample in random order until the time limit.

    Batches are formed as for a part, so padding is realistic; the first batch is encoded once
    before timing starts.
    """
    titles = [passage.title for passage in sample.passages] if how.with_titles else None
    ids = encoder.ids([passage.text for passage in sample.passages], titles)
    lengths = [len(one) for one in ids]
    batches = list(token_batches(lengths, how.tokens or encoder.batch_tokens, how.passages))
    random.Random(0).shuffle(batches)  # noqa: S311  (no secret)

    def encode(rows: list[int]) -> int:
        return len(encoder.vectors([ids[row] for row in rows]))

    encode(batches[0])
    done: list[int] = []
    start = time.perf_counter()
    encoded = in_parallel(encode, batches, encoder.at_once)
    for rows, _ in zip(batches, encoded, strict=True):
        done += rows
        if time.perf_counter() - start > SECONDS:
            break
    seconds = time.perf_counter() - start
    encoded.close()
    return Speed(len(done), sum(lengths[row] for row in done), seconds)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _size(number: float) -> str:
    size: str = tqdm.format_sizeof(number, "B")
    return size


def _hours(seconds: float) -> str:
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"  # noqa: PLR2004
