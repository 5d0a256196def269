"""``earmark settings``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli import options as o

if TYPE_CHECKING:
    from earmark.training.settings import Setting


def settings(
    names: Annotated[
        list[str] | None, typer.Argument(help="Settings to explain. Default: all.", show_default=False)
    ] = None,
    *,
    recipe: Annotated[str, typer.Option(help="Recipe whose values are shown.")] = "balanced",
    json: o.Json = False,
) -> None:
    """Explain the settings of a recipe, with ranges and values."""
    from earmark.training.settings import settings as every

    found = [_described(setting, recipe) for setting in every(names or ())]
    if json:
        o.show_json(found)
        return
    if not names:
        print(f"change one with --set NAME=VALUE; values are those of recipe {recipe}\n")
        group = ""
        for row in found:
            if row["group"] != group:
                group = row["group"]
                print(f"{group}")
            print(f"  {row['name']:16s} {row['value']!s:10s} {row['about']}")
        return
    for row in found:
        print(f"{row['name']}: {row['about']}")
        print(f"  allowed   {row['allowed']}")
        print(f"  default   {row['default']}")
        print("  recipes   " + ", ".join(f"{name} {value}" for name, value in row["recipes"].items()))


def _described(setting: Setting, recipe: str) -> dict[str, Any]:
    """What is known of a setting: text, range, default, and its value in each recipe."""
    from earmark.training import recipe as recipes

    values = {name: getattr(recipes.load(name), setting.name) for name in recipes.names() if name not in recipes.KINDS}
    return {
        "name": setting.name, "group": setting.group, "about": setting.about, "allowed": setting.allowed,
        "default": setting.default, "value": getattr(recipes.load(recipe), setting.name), "recipes": values,
    }  # fmt: skip
