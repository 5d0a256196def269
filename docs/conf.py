"""How Sphinx builds these pages: offline, warnings as errors."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

project = "Earmark"
author = "The Earmark developers"
copyright = "The Earmark developers"
version = release = version_of("earmark")

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "generate"]
exclude_patterns = ["_build"]
source_suffix = {".md": "myst-nb", ".rst": "restructuredtext"}
nitpicky = True
nitpick_ignore_regex = [  # types of other libraries: their inventories are on the network
    (r"py:.*", r"(np|numpy|pd|pandas|pathlib|torch|typing|collections|os)\b.*"),
    (r"py:.*", r"(NDArray|Path|DataFrame|Any|Iterable|Iterator|Sequence|Mapping|Callable|StrPath|P|R|C)"),
]

# MyST: tests/test_docs_run.py runs the code of every page; the build runs none.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"

autodoc_typehints = "none"  # numpydoc's sections have them
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = "Earmark"
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#]+)\)")


def _outside(app: Any, docname: str, source: list[str]) -> None:
    """Links to files of the repository that are no pages become downloads; on GitHub they are links."""
    page = Path(app.srcdir, docname).parent

    def changed(link: re.Match[str]) -> str:
        inside = (page / link[2]).resolve().is_relative_to(Path(app.srcdir).resolve())
        return link[0] if inside else f"{{download}}`{link[1]} <{link[2]}>`"

    source[0] = LINK.sub(changed, source[0])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _outside)
