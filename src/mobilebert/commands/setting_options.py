"""Options of a command made of a table of settings."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from mobilebert.setting_tables import SettingTable, kind_of

__all__ = ["given_settings", "setting_options"]

F = TypeVar("F", bound=Callable[..., Any])

_KINDS: dict[str, type] = {"int": int, "float": float, "str": str}


def setting_options(table: type[SettingTable]) -> Callable[[F], F]:
    """Give a command an option for each setting of a table."""

    def decorate(command: F) -> F:
        for setting in reversed(dataclasses.fields(table)):
            command = _option(setting)(command)
        return command

    return decorate


def given_settings(table: type[SettingTable], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings among a command's options that were given."""
    names = [setting.name for setting in dataclasses.fields(table)]
    return {name: options[name] for name in names if options[name] is not None}


def _option(setting: "dataclasses.Field[Any]") -> Callable[[F], F]:
    facts = setting.metadata
    name = f"--{setting.name.replace('_', '-')}"
    if kind_of(setting) == "bool":
        # What is so by default needs a way to say no.
        words = f"{name}/--no-{name[2:]}" if setting.default else name
        return click.option(words, is_flag=True, default=setting.default, help=facts["help"])
    default = "" if setting.default is None else f"  [default: {setting.default}]"
    return click.option(
        name,
        type=click.Choice(facts["choices"]) if facts["choices"] else _KINDS[kind_of(setting)],
        metavar=None if facts["choices"] else facts["metavar"],
        help=facts["help"] + default,
    )
