"""What `fit`, `evaluate` and `predict` need to know about named results and about labels.

Without a loss in `compile` the model's own loss is trained; labels stand among the inputs or in
`y`. With Keras losses and metrics those are given the scores.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

import keras
from keras import ops

from mobilebert.errors import InputError
from mobilebert.keras.arguments import named_arguments, plain_errors
from mobilebert.keras.datasets import DatasetModel, has_own_order
from mobilebert.keras.losses import LOSSES, LossFunction, inferred_problem_type
from mobilebert.keras.outputs import OUTPUT_CLASSES
from mobilebert.tasks import TASKS, Loss, TaskSpec

__all__ = ["FittingModel"]


# What transformers' TensorFlow classes call the model's own loss in `compile`.
_OWN_LOSS = ("auto", "auto_with_warning", "passthrough")


class FittingModel(DatasetModel, keras.Model):
    """A Keras model that returns named results and has a loss of its own."""

    task: ClassVar[TaskSpec] = TASKS["feature_extraction"]
    # Label -> another name it goes by.
    label_aliases: ClassVar[dict[str, str]] = {}
    config: Any
    # Losses and metrics find results by name, whatever `config.return_dict` says.
    _fitting = False
    _inferred_problem_type: str | None = None

    @property
    def loss_function(self) -> LossFunction:
        """The loss of this model: a function of its logits, its labels and the configuration."""
        return LOSSES[self.task.loss]

    def stateless_call(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Run the model as a function of its variables' values, as `keras.Model.stateless_call`.

        The JAX backend trains this way. The inputs may be given in all the ways of a call.
        """
        named = named_arguments(list(inspect.signature(self.call).parameters), args, kwargs)
        return super().stateless_call(
            trainable_variables, non_trainable_variables, return_losses=return_losses, **named
        )

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configure training, as `keras.Model.compile`.

        Args:
            *args: As for Keras.
            **kwargs: As for Keras. No `loss` means the model's own, as do transformers' names for
                it, "auto", "auto_with_warning" and "passthrough". On TensorFlow `jit_compile` is
                False unless given: batches padded to their longest text would be compiled again
                for each length. On JAX there is no other way to run fast.
        """
        settings = inspect.signature(super().compile).bind(*args, **kwargs).arguments
        if keras.backend.backend() == "tensorflow":
            settings.setdefault("jit_compile", False)
        if isinstance(loss := settings.get("loss"), str) and loss in _OWN_LOSS:
            del settings["loss"]
        # Keras keeps the loss of an earlier call where this one names none.
        self._compile_loss = self.loss = None
        super().compile(**settings)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a saved model was, with the state of its optimizer's variables built."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train, as `keras.Model.fit`.

        `x`, and that of `validation_data`, may be a tokenizer's result.
        """
        settings = inspect.signature(super().fit).bind(x, *args, **kwargs).arguments
        if has_own_order(x):
            settings.setdefault(
                "shuffle", False
            )  # otherwise Keras warns that its default cannot be
        settings["x"] = _plain(x)
        if (judged := settings.get("validation_data")) is not None:
            settings["validation_data"] = _plain_inputs(judged)
        self._build_optimizer()
        with self._by_name():
            return super().fit(**settings)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Compute loss and metrics, as `keras.Model.evaluate`."""
        with self._by_name():
            return super().evaluate(_plain(x), *args, **kwargs)

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Train on one batch, as `keras.Model.train_on_batch`."""
        self._build_optimizer()
        with self._by_name():
            return super().train_on_batch(_plain(x), *args, **kwargs)

    def test_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute loss and metrics of one batch, as `keras.Model.test_on_batch`."""
        with self._by_name():
            return super().test_on_batch(_plain(x), *args, **kwargs)

    @contextmanager
    def _by_name(self) -> Iterator[None]:
        """Let calls return named results; forget a step whose recording failed."""
        outside, self._fitting = self._fitting, True
        try:
            yield
        except Exception:
            # Keras would go on with the broken one after the mistake is mended.
            self.train_function = self.test_function = self.predict_function = None
            raise
        finally:
            self._fitting = outside

    def _returns_names(self, return_dict: bool | None) -> bool:
        wanted = self.config.use_return_dict or self._fitting
        return bool(wanted if return_dict is None else return_dict)

    def _build_optimizer(self) -> None:
        """Make the optimizer's variables; otherwise TensorFlow records the first step twice."""
        optimizer = getattr(self, "optimizer", None)
        if optimizer is None or optimizer.built:
            return
        strategy = getattr(self, "distribute_strategy", None)
        with nullcontext() if strategy is None else strategy.scope():
            optimizer.build(self.trainable_variables)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Run batch by batch, as `keras.Model.predict`.

        Returns:
            The model's output class with numpy arrays over all batches; no loss.
        """
        with self._by_name():
            results = super().predict(_plain(x), *args, **kwargs)
        return OUTPUT_CLASSES[self.task.output_name](**results)

    def predict_step(self, *args: Any) -> Any:
        """Run one batch; Keras joins the batches of plain dictionaries only.

        Args:
            *args: The batch; on JAX before it the values of the variables, (trainable, others).

        Returns:
            The results by name; on JAX also the values of the other variables.
        """
        *state, data = args
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        options = {"training": False, "return_dict": True}
        if not state:
            return _without_loss(self(x, **options))
        output, others = self.stateless_call(*state[0], x, **options)
        return _without_loss(output), others

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Compute the loss of one batch: that of `compile`, or the model's own.

        Raises:
            InputError: There are no labels, or sample weights for the model's own loss.
        """
        if self._compile_loss is not None:
            return super().compute_loss(
                x=x,
                y=self._targets(x, y),
                y_pred=self._scores(y_pred),
                sample_weight=sample_weight,
                training=training,
            )
        if sample_weight is not None:
            raise InputError(
                "Sample and class weights need a Keras loss: compile(loss=...); the model's own "
                "loss is a mean."
            )
        loss = self._own_loss(y, y_pred)
        if loss is None:
            raise InputError(f"There is no loss: {self._way_to_a_loss()}.")
        # Also where tf_legacy_loss keeps it apart; regularisers of the user's are added.
        return sum(self.losses, ops.mean(loss))

    def _way_to_a_loss(self) -> str:
        if self.task.labels:
            return f"give {' and '.join(self.task.labels)} among the inputs or as y"
        return f"{type(self).__name__} has none of its own; compile(loss=...) names one"

    def _own_loss(self, y: Any, y_pred: Any) -> Any | None:
        if y is None:
            return y_pred.loss if self.task.labels else None
        names = self.task.labels
        if not isinstance(y, Mapping):
            given = y if isinstance(y, (list, tuple)) else [y]
            if 0 < len(names) < len(given):
                raise InputError(
                    f"y holds {len(given)} arrays, but the labels of {type(self).__name__} are "
                    f"{', '.join(names)}."
                )
            y = dict(zip(names, given, strict=False))
        scores = tuple(y_pred[name] for name in self.task.emits)
        with plain_errors():
            return self.own_loss(scores, tuple(self._label(y, name) for name in names))

    def own_loss(self, scores: tuple[Any, ...], labels: tuple[Any | None, ...]) -> Any | None:
        """Compute the model's own loss.

        Args:
            scores: One tensor for each name in ``task.emits``.
            labels: One for each name in ``task.labels``.
        """
        self._infer_problem_type(labels[0] if labels else None)
        return self.loss_function(scores, labels, self.config)

    def _infer_problem_type(self, labels: Any | None) -> None:
        """Write the kind of problem into the configuration, where the user has not.

        The labels of every call decide anew, so that another kind of labels is no error; the
        configuration holds the latest, for checkpoints and pipelines.
        """
        if labels is None or self.task.loss is not Loss.BY_PROBLEM_TYPE:
            return
        if self.config.problem_type in (None, self._inferred_problem_type):
            kind = inferred_problem_type(labels, self.num_labels)
            self.config.problem_type = self._inferred_problem_type = kind

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Update the metrics of `compile` with scores and labels."""
        return super().compute_metrics(
            x, self._targets(x, y), self._scores(y_pred), sample_weight=sample_weight
        )

    def _scores(self, y_pred: Any) -> Any:
        """What a Keras loss or metric compares with the labels."""
        emitted = {name: y_pred[name] for name in self.task.emits}
        return next(iter(emitted.values())) if len(emitted) == 1 else emitted

    def _label(self, given: Mapping[str, Any], name: str, otherwise: Any = None) -> Any:
        return given.get(name, given.get(self.label_aliases.get(name, name), otherwise))

    def _targets(self, x: Any, y: Any) -> Any:
        """The labels: `y`, or what stands among the inputs."""
        given = x if y is None else y
        if not isinstance(given, Mapping) or not self.task.labels:
            return y
        found = {
            emits: self._label(given, label, given.get(emits))
            for emits, label in zip(self.task.emits, self.task.labels, strict=True)
        }
        return next(iter(found.values())) if len(found) == 1 else found


def _without_loss(output: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in output.items() if name != "loss"}


def _plain(x: Any) -> Any:
    """Return a tokenizer's result as the dictionary Keras takes."""
    return dict(x) if isinstance(x, Mapping) else x


def _plain_inputs(data: Any) -> Any:
    """Return inputs alone, or with labels and weights, with `_plain` inputs."""
    if isinstance(data, (list, tuple)) and data:
        return (_plain(data[0]), *data[1:])
    return _plain(data)
