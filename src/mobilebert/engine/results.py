"""What the engine returns: the fields of the documented output classes, as numpy arrays."""

from dataclasses import make_dataclass
from typing import Any

from mobilebert.named_results import NamedResults
from mobilebert.tasks import TASKS

__all__ = ["OUTPUT_CLASSES"]


def _output_class(name: str, emits: tuple[str, ...]) -> type[NamedResults]:
    fields = [(field, Any, None) for field in (*emits, "hidden_states")]
    made: type[NamedResults] = make_dataclass(
        name, fields, bases=(NamedResults,), namespace={"__doc__": f"{name} of the engine."}
    )
    made.__module__ = __name__
    return made


# Output class of every task, by the task's name.
OUTPUT_CLASSES: dict[str, type[NamedResults]] = {
    name: _output_class(task.output_name, task.emits) for name, task in TASKS.items()
}
globals().update({cls.__name__: cls for cls in OUTPUT_CLASSES.values()})  # so that they pickle
