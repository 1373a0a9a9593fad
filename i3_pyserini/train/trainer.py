"""The training loop."""

import math
import time
from contextlib import nullcontext

from accelerate.utils import set_seed
from tqdm import tqdm

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.atomic import locked
from i3_pyserini.formats.paths import TrainedModel
from i3_pyserini.model.export import check_target, save_model_directory
from i3_pyserini.train.card import model_card, negatives_sentence
from i3_pyserini.train.checkpoint import STATE, Checkpoint, Progress, check_recipe
from i3_pyserini.train.epoch import Epochs
from i3_pyserini.train.gradcache import Losses
from i3_pyserini.train.guide import Guide
from i3_pyserini.train.lengths import lengths_sentence
from i3_pyserini.train.log import TrainingLog
from i3_pyserini.train.lora import merged
from i3_pyserini.train.mixture import MixedSampler
from i3_pyserini.train.optimizers import make_optimizer, make_schedule
from i3_pyserini.train.prepare import load_data, load_model, with_precision
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.recipe_file import save_recipe
from i3_pyserini.train.samples import Batch, Collator
from i3_pyserini.train.stepping import Stepper, make_accelerator, out_of_memory_is_explained
from i3_pyserini.train.unused import settled, settled_for_plain_model
from i3_pyserini.train.validation import Validator
from i3_pyserini.train.vector_cache import training_module


class Trainer:
    """Trains a model with a recipe; resumes an interrupted run.

    In `recipe.output`: `best/`, the model directory with the best validation; `last/`, the one at
    the end; `recipe.yaml`, `log.jsonl` and `tensorboard/`; `state.pt`, to resume from.

    Args:
        recipe: the recipe.

    Raises:
        I3Error: its files, model or output folder cannot be used.
    """

    def __init__(self, recipe: Recipe) -> None:
        recipe = with_precision(settled(recipe))
        self.recipe, self.output = recipe, recipe.output
        check_recipe(self.output, recipe)
        for name in ("best", "last"):
            check_target(self.output / name, overwrite=True)
        self.accelerator = make_accelerator(recipe.training.precision)
        set_seed(recipe.training.seed)
        self.model, self.tokenizer = load_model(recipe)
        guide = Guide.of(recipe.negatives.guide, self.accelerator.device)
        set_seed(recipe.training.seed, device_specific=True)  # for dropout
        if not self.model.has_reconstructor:  # a plain model directory says so, not the recipe
            settled_for_plain_model(recipe)
        reconstructs = self.model.has_reconstructor and bool(recipe.loss.reconstruction)
        self.reconstructs, self.earlier_steps = reconstructs, self.model.config.reconstructor_steps
        # The first device of each machine builds the text stores, the very first checks the data.
        with self.accelerator.main_process_first(), self.accelerator.local_main_process_first():
            self.validator = Validator.of(recipe.validation, recipe.data, self.tokenizer)
            self.data = load_data(recipe, reconstructs, check=self._first)
        self.epochs = Epochs(
            self.data.samples,
            self.data.sampler(self.accelerator.process_index, self.accelerator.num_processes),
            Collator(self.tokenizer, reconstructs, guide is not None),
            recipe.training,
        )
        module = training_module(self.model, recipe)
        self.temperature = module.temperature
        self.module, self.optimizer = self.accelerator.prepare(
            module, make_optimizer(self.model, recipe.optimizer, self.temperature)
        )
        self.total_steps = recipe.training.max_steps or self.epochs.steps * recipe.training.epochs
        self.schedule = make_schedule(self.optimizer, recipe.optimizer, self.total_steps)
        self.stepper = Stepper(
            self.accelerator,
            self.model,
            self.module,
            self.optimizer,
            self.schedule,
            recipe.loss,
            recipe.negatives,
            recipe.training.chunk_passages,
            recipe.optimizer.max_grad_norm,
            guide,
            self.temperature,
        )
        self.checkpoint = Checkpoint(
            self.output / STATE,
            recipe,
            self.accelerator,
            self.model,
            self.optimizer,
            self.schedule,
            self.temperature,
        )
        self.progress = Progress()

    def run(self) -> None:
        """Trains to the end.

        Raises:
            I3Error: the output cannot be written, another process trains there, the data are
                invalid, or memory is exhausted.
        """
        self.progress = self.checkpoint.restore()
        if self.progress.finished:
            self._say(f"{self.output}: this run is finished; nothing to do")
            return
        with locked(self.output) if self._first else nullcontext():
            self._run()

    def _run(self) -> None:
        self._begin()
        log = TrainingLog(self.output, self.progress.step) if self._first else None
        validation = self.recipe.validation
        if validation and validation.at_start and self.progress.step == 0:
            self._validate(log)
        self._train(log)
        self.progress.finished = True
        self._save_model("last")
        self.checkpoint.save(self.progress)
        if log is not None:
            log.close()
        if self.progress.duplicates:
            self._say(
                f"{self.progress.duplicates:,} passages of batches were not used as negatives "
                "because of their text: that of a positive, or of another passage of the batch "
                "(negatives.exclude_duplicates)"
            )
        if self.recipe.negatives.guide is not None:
            self._say(
                f"{self.progress.guided:,} passages of batches were not used as negatives because "
                "negatives.guide scores them above the positive minus negatives.guide_margin"
            )

    @property
    def _first(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def _begin(self) -> None:
        if self._first:
            try:
                self.output.mkdir(parents=True, exist_ok=True)
                save_recipe(self.recipe, self.output / "recipe.yaml")
            except OSError as error:
                raise I3Error(f"{self.output}: cannot be written ({error.strerror})") from error
        trained = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        self._say(
            f"{len(self.data.samples):,} training queries, {self.total_steps:,} steps, "
            f"{trained / 1e6:.1f} of {self.model.num_parameters() / 1e6:.1f}M parameters learn"
        )
        self._say(negatives_sentence(self.recipe, self.accelerator.num_processes))
        if self._first:
            self._say(lengths_sentence(self.tokenizer, self.data.samples, self.recipe.model.init))
        batch, queries = self.recipe.training.batch_size, len(self.epochs.sampler)
        if queries < batch:
            note(
                f"training.batch_size is {batch}, but a device has only {queries} training queries"
            )
        if self.data.short:
            self._say(
                f"{self.data.short:,} queries have fewer than "
                f"{self.recipe.training.passages_per_query - 1} usable negatives; filled up with "
                f"{'random passages' if self.recipe.negatives.padding == 'random' else 'any ids'}"
            )
        if self.data.mixture is not None:
            self._say(str(self.data.mixture))
        if self.progress.step:
            self._say(f"resumed after step {self.progress.step:,}")

    def _train(self, log: TrainingLog | None) -> None:
        progress, steps = self.progress, self.total_steps
        hidden = None if self._first else True  # None: also where no terminal can redraw a line
        with tqdm(total=steps, initial=progress.step, unit=" steps", disable=hidden) as bar:
            while progress.step < steps and not self._stale():
                for batches in self.epochs.rest(progress.epoch, progress.passes):
                    self._advance(batches, log)
                    bar.update()
                    if progress.step == steps or self._stale():
                        break

    def _advance(self, batches: list[Batch], log: TrainingLog | None) -> None:
        """Makes one step, and saves, logs and validates if due."""
        progress, recipe = self.progress, self.recipe
        started = time.perf_counter()
        losses, left_out = self.stepper.step(batches, progress.epoch)
        progress.duplicates += left_out.duplicates
        progress.guided += left_out.guided
        progress.step += 1
        progress.passes += len(batches)
        self._log(losses, time.perf_counter() - started, log)
        end_of_epoch = progress.passes >= self.epochs.passes
        last = progress.step == self.total_steps
        if log is not None and (end_of_epoch or last):
            self._log_sources(log)
        if end_of_epoch:
            progress.epoch, progress.passes = progress.epoch + 1, 0
        if recipe.validation and self._due(recipe.validation.every_steps, end_of_epoch, last):
            self._validate(log)
        if self._due(recipe.training.checkpoint_steps, end_of_epoch, last=False):
            self.checkpoint.save(progress)

    def _log(self, losses: Losses, seconds: float, log: TrainingLog | None) -> None:
        progress = self.progress
        for name, value in losses.items():
            mean = float(self.accelerator.reduce(value.double(), reduction="mean"))
            progress.window[name] = progress.window.get(name, 0.0) + mean
        progress.window_steps += 1
        if not math.isfinite(progress.window["loss"]):
            raise I3Error(
                f"the loss is {progress.window['loss']} at step {progress.step}; lower the "
                "learning rates, or use precision bf16 or fp32"
            )
        if progress.step % self.recipe.training.logging_steps == 0 or (
            progress.step == self.total_steps
        ):
            means = {name: sum_ / progress.window_steps for name, sum_ in progress.window.items()}
            progress.window, progress.window_steps = {}, 0
            if self.temperature is not None:
                means["temperature"] = self.temperature.value
            if log is not None:
                log.write(
                    progress.step,
                    epoch=progress.epoch,
                    **means,
                    learning_rate=float(self.schedule.get_last_lr()[0]),
                    seconds=round(seconds, 3),
                )

    def _log_sources(self, log: TrainingLog) -> None:
        """Logs the samples of each source so far in this epoch."""
        progress, sampler = self.progress, self.epochs.sampler
        if isinstance(sampler, MixedSampler):
            done = min(progress.passes * self.recipe.training.batch_size, len(sampler))
            counts = sampler.counts(progress.epoch, done)
            log.write(progress.step, epoch=progress.epoch, **counts)

    def _due(self, every: int | None, end_of_epoch: bool, last: bool) -> bool:
        return last or (end_of_epoch if every is None else self.progress.step % every == 0)

    def _validate(self, log: TrainingLog | None) -> None:
        progress, validation = self.progress, self.recipe.validation
        if self.validator is None or validation is None:
            return
        halved = self.recipe.lora is not None and self.recipe.lora.weights == "bf16"
        model = merged(self.model) if halved else self.model
        value = self.validator.measure(model, self.accelerator)
        found = {validation.measure: value}
        words = self.validator.words(model) if self.reconstructs and self._first else None
        if words is not None:
            progress.words, found["words"] = str(words), words.predicted
        if log is not None:
            log.write(progress.step, **found)
        if progress.best is None or value > progress.best:
            progress.best, progress.best_step, progress.stale = value, progress.step, 0
            self._save_model("best")
        else:
            progress.stale += 1

    def _stale(self) -> bool:
        validation = self.recipe.validation
        patience = validation.patience if validation else None
        return patience is not None and self.progress.stale >= patience

    def _save_model(self, name: str) -> None:
        if self._first:
            if self.reconstructs:
                steps = (self.earlier_steps or 0) + self.progress.step
                self.model.config.reconstructor_steps = steps
            devices = self.accelerator.num_processes
            model = self.model if self.recipe.lora is None else merged(self.model)
            card = model_card(model, self.recipe, self.progress, devices, self.temperature)
            save_model_directory(
                model, self.tokenizer, self.output / name, overwrite=True, card=card
            )
        self.accelerator.wait_for_everyone()

    def summary(self) -> str:
        """Describes the output."""
        progress = self.progress
        if progress.best is None or self.recipe.validation is None:
            return f"wrote {self.output / 'last'} (no validation in this recipe)"
        measure = self.recipe.validation.measure
        return (
            f"wrote {self.output / 'best'} ({measure} {progress.best:.4f} at step "
            f"{progress.best_step:,}) and {self.output / 'last'} (step {progress.step:,})"
        )

    def _say(self, text: str) -> None:
        if self._first:
            tqdm.write(text)


def train(recipe: Recipe) -> TrainedModel:
    """Trains with a recipe.

    Raises:
        I3Error: see `Trainer`.
    """
    with out_of_memory_is_explained():
        trainer = Trainer(recipe)
        trainer.run()
    trainer.accelerator.end_training()
    best = "last" if trainer.progress.best is None else "best"
    return TrainedModel(recipe.output, recipe.output / best, trainer.summary())
