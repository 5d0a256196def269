"""One step of fitting after the other: batch, augmentation, loss, optimizer."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark import tasks
from earmark.errors import SettingsError
from earmark.networks.classifier import Classifier
from earmark.networks.plain import Plain
from earmark.training import augment
from earmark.training.batches import Batches, Features, WholeClips, batch_count
from earmark.training.settings import Recipe

_STYLES = 0.4  # alpha of the Beta distribution of mixstyle's shares


def epochs(recipe: Recipe, clips: int, labels: int) -> int:
    """Passes over the training clips: the recipe's, or as many as its least number of steps takes."""
    wanted = recipe.epochs + round(recipe.epochs_a_label * labels)
    return max(wanted, -(-recipe.min_steps // steps(recipe, clips)))


def why_epochs(recipe: Recipe, clips: int, labels: int) -> str:
    """Which setting rules the number of passes, where it is not ``epochs`` alone."""
    wanted = recipe.epochs + round(recipe.epochs_a_label * labels)
    if epochs(recipe, clips, labels) > wanted:
        return f"min_steps {recipe.min_steps}"
    return f"epochs {recipe.epochs} and epochs_a_label {recipe.epochs_a_label:g}" if wanted > recipe.epochs else ""


def crop_frames(classifier: Classifier, recipe: Recipe, window_frames: int) -> int:
    """Frames of the stretch that training sees; of a picture always the whole window, since it is resized as a whole.

    Raises
    ------
    SettingsError
        Where the stretch is too short for the front end, or the network.
    """
    front_end, frames = classifier.front_end, window_frames
    if recipe.crop_seconds and not front_end.settings.image_width:
        frames = min(frames, front_end.frames(round(recipe.crop_seconds * front_end.sr), setting="crop_seconds"))
    seen = front_end.settings.image_width or frames
    if recipe.network == "plain" and seen < Plain.least:
        raise SettingsError(
            f"setting network is 'plain', which halves the frames three times; it takes {Plain.least} at least, and sees {seen}: "
            "choose a longer window_seconds and crop_seconds, or a larger image_width"
        )
    return frames


class Fitting(lightning.LightningModule):
    """The loop's view of a classifier."""

    def __init__(
        self,
        classifier: Classifier,
        train: tuple[Features, NDArray[np.int64]],
        valid: tuple[Features, NDArray[np.int64]] | None,
        recipe: Recipe,
        window_frames: int,
        seed: int,
        teacher: Classifier | None = None,
    ) -> None:
        super().__init__()
        self.classifier = lay_out(classifier, torch.channels_last)
        self._train, self._valid = train, valid
        self._recipe, self._seed = recipe, seed
        self._window_frames = window_frames
        self.total_steps = epochs(recipe, len(train[1]), classifier.head.out_features) * steps(recipe, len(train[1]))
        self._task = tasks.network(classifier.task)
        self._figures: list[Tensor] = []
        # In a tuple, so that it is no part of what is trained and saved.
        self._teachers = () if teacher is None else (lay_out(teacher, torch.channels_last).eval(),)
        self._weights = (
            self._task.class_weights(train[1], classifier.head.out_features)
            if recipe.class_weights == "balanced"
            else None
        )

    def on_fit_start(self) -> None:
        for teacher in self._teachers:
            teacher.to(self.device)

    def train_dataloader(self) -> Batches:
        features, targets = self._train
        frames = crop_frames(self.classifier, self._recipe, self._window_frames)
        return Batches(
            features,
            targets,
            frames=frames,
            batch_size=self._recipe.batch_size,
            seed=self._seed,
            epoch=self.current_epoch,
            balanced=self._recipe.sampler == "balanced",
        )

    def val_dataloader(self) -> list[WholeClips]:
        if self._valid is None:
            return []
        return [WholeClips(*self._valid, frames=self._window_frames, batch_size=self._recipe.batch_size)]

    def training_step(self, batch: tuple[Tensor, Tensor], step: int) -> Tensor:
        x, y = batch
        rng = np.random.default_rng([self._seed, self.current_epoch, step, 1])
        seed = int(rng.integers(2**62))  # of dropout; torch.manual_seed, for all devices at once, takes a millisecond
        torch.default_generator.manual_seed(seed)
        if x.device.type != "cpu":
            getattr(torch, x.device.type).manual_seed(seed)
        labels = self._task.target_scores(y, self.classifier.head.out_features)
        # Every member hears another augmentation of the clips and has a loss of its own, so that they err apart.
        members = [torch.stack(self._member(member, x, labels, rng)) for member in range(self.classifier.members)]
        figures = torch.stack(members).mean(0)
        # Logged once an epoch: Lightning's own mean costs milliseconds a step.
        self._figures.append(figures.detach() * len(y))
        if step == self.trainer.num_training_batches - 1:
            mean = torch.stack(self._figures).sum(0) / len(self._train[1])
            self._figures.clear()
            self.log_dict(
                {"train_loss": mean[0], "train_accuracy": mean[1]}, on_step=False, on_epoch=True, batch_size=1
            )
        return figures[0]

    def _member(self, member: int, x: Tensor, labels: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Loss of one network, and the share of what it says that is right."""
        recipe = self._recipe
        with torch.autocast(x.device.type, enabled=False):  # logarithms need all digits
            x, mixed = self._augmented(x, labels, rng)
        x = x.contiguous(memory_format=torch.channels_last)
        targets = mixed
        for teacher in self._teachers:  # knowledge distillation (Hinton et al. 2015, arXiv 1503.02531)
            with torch.no_grad():
                opinion = self._task.activate(teacher.classify(x)[0].float())
            targets = targets.lerp(opinion, recipe.distill)
        logits = self.classifier.logits_of_member(member, x).float()
        if recipe.bootstrap:  # Reed et al. 2014, arXiv 1412.6596
            targets = targets.lerp(self._task.activate(logits.detach()), recipe.bootstrap)
        # A clip has the weight of what it truly is: its softened target would lend common clips the weight of rare labels.
        each = self._task.loss(logits, targets, smoothing=recipe.label_smoothing, focal=recipe.focal)
        if self._weights is not None:
            each = each * self._task.clip_weights(self._weights.to(mixed.device), mixed)
        return each.mean(), self._task.agreement(logits, mixed)

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], step: int) -> None:
        x, y, clip = batch
        parts = torch.split(x, self._recipe.batch_size)
        logits = torch.cat([self.classifier.classify(self._finished(part))[0].float() for part in parts])
        logits = self._task.merge_logits(logits, clip)
        targets = self._task.target_scores(y, logits.shape[1])
        found = {
            "valid_loss": self._task.loss(logits, targets, smoothing=0.0, focal=0.0).mean(),
            "valid_accuracy": self._task.agreement(logits, targets),
        }
        self.log_dict(found, batch_size=len(y))

    def configure_optimizers(self) -> Any:
        recipe = self._recipe
        front_end = {
            id(p) for p in self.classifier.front_end.parameters()
        }  # a front end's parameters have a meaning of their own
        decayed = [p for p in self.parameters() if p.ndim > 1 and id(p) not in front_end]
        others = [p for p in self.parameters() if p.ndim <= 1 or id(p) in front_end]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.lr, total_steps=self.total_steps, pct_start=0.15
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters(), 2.0)

    def _augmented(self, x: Tensor, targets: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        recipe, front_end = self._recipe, self.classifier.front_end
        log = front_end.log_rows
        if recipe.roll:
            x = augment.roll(x, recipe.roll, rng)
        if recipe.time_stretch or recipe.mel_warp:
            x = augment.stretch(x, recipe.time_stretch, recipe.mel_warp if front_end.one_axis else 0.0, rng)
        if recipe.gain_db:
            x = augment.gain(x, recipe.gain_db, front_end.floor, rng, log=log)
        if recipe.reverb:
            x = augment.reverb(
                x, recipe.reverb, recipe.reverb_seconds * front_end.sr / front_end.hop_length, rng, log=log
            )
        if recipe.noise and front_end.one_axis:
            x = augment.noise(x, recipe.noise, recipe.noise_snr_db, rng, log=log)
        if recipe.filter_db and front_end.one_axis:
            x = augment.filter_augment(x, recipe.filter_db, front_end.floor, rng, log=log)
        if recipe.mixstyle and rng.random() < recipe.mixstyle:
            x = augment.mixstyle(x, _STYLES, rng, log=log)
        x, targets = self._mixed(x, targets, rng)
        x = augment.spec_augment(
            self._finished(x),
            time_masks=recipe.time_masks,
            time_mask=recipe.time_mask,
            frequency_masks=recipe.frequency_masks,
            frequency_mask=recipe.frequency_mask,
            rng=rng,
        )
        return x, targets

    def _mixed(self, x: Tensor, targets: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Clips with others of the batch in them, until the run nears its end."""
        recipe = self._recipe
        if self.trainer.global_step >= (1 - recipe.unmixed) * self.total_steps:
            return x, targets
        if recipe.cutmix and rng.random() < recipe.cutmix:
            return augment.cutmix(x, targets, rng)
        if recipe.mixup:
            return augment.mixup(x, targets, recipe.mixup, rng, log=self.classifier.front_end.log_rows)
        return x, targets

    def _finished(self, rows: Tensor) -> Tensor:
        """The front end's last steps."""
        front_end = self.classifier.front_end
        with torch.autocast(rows.device.type, enabled=False):  # as in the bundle
            return front_end.standardise(front_end.stack(rows))


def steps(recipe: Recipe, clips: int) -> int:
    """Steps of one pass over the training clips."""
    return batch_count(clips, recipe.batch_size)


def lay_out(classifier: Classifier, layout: torch.memory_format) -> Classifier:
    """Bring the convolutions' weights to a memory layout; channels last measured 1.3 times as fast in training on a CPU."""
    for parameter in classifier.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)
    return classifier
