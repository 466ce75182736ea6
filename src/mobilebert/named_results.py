"""What models return, whatever the framework: named results, also a dictionary and a tuple."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, NoReturn

__all__ = ["NamedResults"]


class NamedResults(OrderedDict[str, Any]):
    """Ordered results of a model.

    A result is reached as attribute (``output.logits``), by key (``output["logits"]``) or by
    position among the results that are there (``output[0]``, ``output[:2]``). An absent result is
    None as an attribute and does not exist as key or position. Unpacking iterates over the keys;
    for tuples there is `to_tuple`.

    Subclasses are dataclasses whose fields name the results.
    """

    def __post_init__(self) -> None:
        # Subclasses are dataclasses, which mypy does not know here. torch.compile does not follow
        # `fields` into a function of its own.
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        first = getattr(self, names[0])
        alone = all(getattr(self, name) is None for name in names[1:])
        if alone and first is not None and not hasattr(first, "shape"):
            # A mapping or (name, value) pairs: torch.nn.DataParallel and accelerate rebuild
            # dictionaries that way.
            pairs = _pairs(first)
            if pairs is not None:
                setattr(self, names[0], None)
                for name, value in pairs:
                    if name not in names:
                        raise KeyError(f"{type(self).__name__} has no result named {name!r}")
                    setattr(self, name, value)
        for name in names:
            value = getattr(self, name)
            if value is not None:
                OrderedDict.__setitem__(self, name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        super().__setattr__(name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None and name in self:
            super().__setitem__(name, value)
        super().__setattr__(name, value)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return super().__getitem__(key)
        return self.to_tuple()[key]

    def to_tuple(self) -> tuple[Any, ...]:
        """Return the results that are there, in order."""
        return tuple(self.values())

    def __reduce__(self) -> Any:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return type(self), tuple(getattr(self, name) for name in names)

    def _refuse(self, method: str) -> NoReturn:
        raise TypeError(f"{method} would change which results a {type(self).__name__} has.")

    def __delitem__(self, name: str) -> None:
        self._refuse("del")

    def pop(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the set of results is fixed."""
        self._refuse("pop")

    def update(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the set of results is fixed."""
        self._refuse("update")

    def setdefault(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the set of results is fixed."""
        self._refuse("setdefault")


def _pairs(value: Any) -> list[tuple[str, Any]] | None:
    """Return `value` as (name, value) pairs if it is a mapping or holds such pairs."""
    if isinstance(value, Mapping):
        return list(value.items())
    if not isinstance(value, Iterable):
        return None
    items = list(value)
    if items and all(
        isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[0], str)
        for item in items
    ):
        return [(item[0], item[1]) for item in items]
    return None
