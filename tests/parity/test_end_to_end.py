"""Whole runs of evaluation, training and distillation, on one device and on two."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from i3_pyserini import save_model_directory
from i3_pyserini.model.original import (
    HEAD_BIAS,
    HEAD_BIAS_AGAIN,
    OriginalSettings,
    from_original,
    original_name,
    read_checkpoint,
)
from i3_pyserini.train.recipe import LossRecipe

from .conftest import Golden
from .training import DISTILL_RECIPE, RECIPE, relative

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RUNNER = "tests.parity.end_to_end_runner"
TAGS = [f"{kind}_world{world}" for kind in ("eval", "train", "distill") for world in (1, 2)]
TRAININGS = [tag for tag in TAGS if not tag.startswith("eval")]
GENERATED_QUERY_LENGTH = "32"  # the original's default
TOLERANCE = 0.02  # of an update's norm; see test_lamb


class Finished:
    """One of the original's runs, and ours."""

    def __init__(self, golden: Golden, tag: str, output: Path) -> None:
        runs = golden.json("e2e/runs.json")["runs"]
        (self.expected,) = (run for run in runs if run["tag"] == tag)
        self.argv = arguments(self.expected)
        self.golden, self.tag, self.output = golden, tag, output

    @property
    def seen(self) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = torch.load(self.output / "seen.pt")
        return seen

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = (self.output / "log.jsonl").read_text(encoding="utf-8").splitlines()
        return [line for line in map(json.loads, lines) if "loss" in line]

    def job(self, backbone: Path) -> dict[str, Any]:
        """What the runner is given; prepares the files that it needs."""
        argv, data = self.argv, self.golden.path / "e2e"
        length = int(argv.get("generated_query_len", GENERATED_QUERY_LENGTH))
        settings = OriginalSettings(
            query_length=int(argv["q_max_seq_len"]),
            passage_length=int(argv["p_max_seq_len"]),
            generated_query_length=length,
            normalize=bool(argv.get("l2_normalize")),
        )
        init = self.output.with_name(f"{self.tag}-init")
        save_model_directory(*from_original(self.checkpoint, str(backbone), settings), init)
        rate = argv["learning_rate"]
        overrides = {
            "model.init": init,
            "model.training_pseudo_query_length": length,
            "model.pseudo_query_length": length + 2,
            "data.collection": data / argv["collection"],
            "data.generated_queries": data / argv["generated_query"],
            "data.cache": self.output.with_name("cache"),
            "optimizer.learning_rate": rate,
            "optimizer.reconstruction_head_learning_rate": rate,
            "training.batch_size": argv["batch_size"],
            "training.passages_per_query": argv["sample_num"],
            "training.epochs": argv["epoch"],
            "training.precision": "fp32",
            "training.logging_steps": 1,
            "training.workers": 0,
            "validation.topics": data / argv["dev_query"],
            "validation.qrels": self.judgements(data),
        }
        recipe = RECIPE
        if "distill" in self.tag:
            recipe = DISTILL_RECIPE
            overrides["loss.temperature"] = argv["Temperature"]
            overrides["data.teacher"] = data / argv["top1000"]
        else:
            for key, name in (("queries", "query"), ("qrels", "qrels"), ("negatives", "top1000")):
                overrides[f"data.{key}"] = data / argv[name]
        options = [f"--{key}={value}" for key, value in overrides.items()]
        train = not self.tag.startswith("eval")
        output = str(self.output)
        return {"recipe": str(recipe), "overrides": options, "train": train, "output": output}

    @property
    def checkpoint(self) -> Path:
        argv = self.argv
        start = argv.get("warm_start_from") or argv["retriever_warm_start_from"]
        return (self.golden.path / "e2e" / start).resolve()

    def judgements(self, data: Path) -> Path:
        """Qrels for all dev queries: the original ranks those without a judgement, too."""
        lines = (data / self.argv["qrels"]).read_text(encoding="utf-8").splitlines()
        pairs = [line.split("\t")[:2] for line in lines if line]
        topics = (data / self.argv["dev_query"]).read_text(encoding="utf-8").splitlines()
        missing = {line.split("\t")[0] for line in topics} - {qid for qid, _ in pairs}
        pairs += [[qid, "no-such-passage"] for qid in sorted(missing)]
        path = self.output.with_name(f"{self.tag}-qrels.tsv")
        path.write_text("".join(f"{qid}\t{pid}\n" for qid, pid in pairs), encoding="utf-8")
        return path

    def pids(self) -> list[str]:
        """The passage id of each row, which is what the original's rankings name."""
        collection = self.golden.path / "e2e" / self.argv["collection"]
        lines = collection.read_text(encoding="utf-8").split("\n")
        return [line.split("\t")[0] for line in lines if line]


def arguments(run: dict[str, Any]) -> dict[str, str]:
    pairs = (argument.removeprefix("--").split("=", 1) for argument in run["argv"])
    return dict(pairs)


@pytest.fixture(scope="module")
def finished(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """All runs, those on the same number of devices in one go."""
    folder = tmp_path_factory.mktemp("end_to_end")
    backbone = shutil.copytree(golden.backbone, folder / "backbone", copy_function=shutil.copyfile)
    shutil.copyfile(golden.path / "e2e/backbone_dropout0/config.json", backbone / "config.json")
    runs = {tag: Finished(golden, tag, folder / tag) for tag in TAGS}
    for world in (1, 2):
        jobs = folder / f"jobs{world}.json"
        chosen = [run.job(backbone) for run in runs.values() if run.expected["world"] == world]
        jobs.write_text(json.dumps(chosen), encoding="utf-8")
        start = ["torch.distributed.run", "--standalone", f"--nproc-per-node={world}", "-m"]
        command = [sys.executable, "-m", *(start if world > 1 else []), RUNNER, str(jobs)]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return runs


@pytest.mark.parametrize("tag", TAGS)
def test_measures(finished: dict[str, Finished], tag: str) -> None:
    run = finished[tag]
    expected = [step["metrics"]["MRR @10"] for step in run.expected["steps"]]
    assert [step["measure"] for step in run.seen] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("tag", TAGS)
def test_rankings(finished: dict[str, Finished], tag: str) -> None:
    run = finished[tag]
    pids = run.pids()
    normalized = bool(run.argv.get("l2_normalize"))
    # How far two float32 runs may be apart. Without normalisation also by one constant per query,
    # as nothing determines the bias of the last LayerNorm (`d_head`'s; see `not_reproducible`).
    tie, tolerance = (2e-6, 1e-5) if normalized else (2e-5, 1e-4)
    for ours, expected in zip(run.seen, run.expected["steps"], strict=True):
        assert ours["hits"].keys() == expected["top20"].keys()
        for qid, hits in ours["hits"].items():
            assert len(hits) in expected["lines_per_query"]
            top, scores = expected["top20"][qid], dict(hits)
            names = [pids[row] for row in top["rows"]]
            assert_same_order([pid for pid, _ in hits], names, top["scores"], hits, tie)
            shifts = [scores[pid] - score for pid, score in zip(names, top["scores"], strict=True)]
            shifts.append(hits[-1][1] - expected["rank1000"][qid][1])
            constant = 0.0 if normalized else sum(shifts) / len(shifts)
            assert shifts == pytest.approx([constant] * len(shifts), abs=tolerance)


def assert_same_order(
    ours: list[str], expected: list[str], scores: list[float], hits: list[Any], tie: float
) -> None:
    """The same passages in the same order, but those of (nearly) equal scores in any."""
    starts = [0, *(n for n in range(1, len(scores)) if scores[n - 1] - scores[n] >= tie)]
    for start, stop in zip(starts, [*starts[1:], len(scores)], strict=True):
        if stop == len(scores) and hits[stop - 1][1] - hits[stop][1] < tie:
            return  # the tie goes on below the last rank that was stored
        assert set(ours[start:stop]) == set(expected[start:stop])


@pytest.mark.parametrize("tag", TRAININGS)
def test_losses(finished: dict[str, Finished], tag: str) -> None:
    run = finished[tag]
    one_device = run.expected["world"] == 1
    weights = LossRecipe(reconstruction="10^-epoch")
    history: dict[int, list[dict[str, float]]] = {}
    for ours, line in zip(run.log, run.expected["losses_stdout"], strict=True):
        printed = {name: float(value) for name, value in re.findall(r"(\w+) loss: ([^,]+),", line)}
        epoch = int(line.removeprefix("epoch:").split()[0])
        assert ours["epoch"] == epoch
        steps = history.setdefault(epoch, [])
        steps.append(ours)
        assert mean(steps, "loss") == pytest.approx(printed["mean"], rel=1e-5)
        if "ce" in printed:  # the same on all devices
            assert mean(steps, "contrastive") == pytest.approx(printed["ce"], rel=1e-5)
        if "gen" in printed and one_device:  # the first device's alone, like s2t
            generated = mean(steps, "reconstruction") * weights.reconstruction_weight(epoch)
            assert generated == pytest.approx(printed["gen"], rel=1e-5)
        if "s2t" in printed and one_device:
            assert mean(steps, "distillation") == pytest.approx(printed["s2t"], rel=1e-5)


def mean(steps: list[dict[str, float]], name: str) -> float:
    return sum(step[name] for step in steps) / len(steps)


def updates(run: Finished) -> dict[str, dict[str, Tensor]]:
    """What has changed since the start, by epoch and the original's name."""
    start = read_checkpoint(run.checkpoint)
    since = {}
    for epoch, step in enumerate(run.seen[1:], start=1):
        named = {original_name(name): value for name, value in step["parameters"].items()}
        named[HEAD_BIAS_AGAIN] = named[HEAD_BIAS]
        since[str(epoch)] = {name: value - start[name] for name, value in named.items()}
    return since


def not_reproducible(golden: Golden) -> set[str]:
    """Parameters that no two runs agree on, as their true gradient is zero."""
    files = [golden.json(f"training/lamb_{name}.json") for name in ("dual_encoder", "distill")]
    return {
        name
        for file in files
        for step in file["steps"].values()
        for name in step["not_reproducible"]
    }


@pytest.mark.parametrize("tag", TRAININGS)
def test_parameters(golden: Golden, finished: dict[str, Finished], tag: str) -> None:
    run, skipped = finished[tag], not_reproducible(golden)
    changes, arrays = updates(run), golden.arrays("e2e/final_parameters.npz")
    start = read_checkpoint(run.checkpoint)
    for epoch, norms in run.expected["delta_norms"].items():
        assert changes[epoch].keys() == norms.keys()
        for name in norms.keys() - skipped:
            norm = changes[epoch][name].norm().item()
            assert norm == pytest.approx(norms[name], rel=TOLERANCE), name
            value = arrays.get(f"{tag}/epoch{epoch}/{name}")
            if value is not None:
                assert relative(changes[epoch][name], value - start[name]) < TOLERANCE, name
