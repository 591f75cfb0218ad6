"""The documentation site: `make docs` builds it from the pages of this folder and from docstrings."""

import inspect
import os
import re
from pathlib import Path

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

import pydeeprecsys

DOCS = Path(__file__).parent
ROOT = DOCS.parent
# Where the files of the repository can be read, such as https://.../blob/main: links to files that are no pages lead
# there. Without it they lead to copies of the files in the site.
REPOSITORY = os.environ.get("DOCS_REPOSITORY", "")
# Pages whose text is a file outside of this folder.
INCLUDED = {
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "examples": "examples/README.md",
    "benchmarks": "benchmarks/README.md",
}

project = "PyDeepRecSys"
author = "the PyDeepRecSys contributors"
version = release = pydeeprecsys.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

# The tutorials run each time, without a stored output, and an error in a cell is an error of the build.
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True

# Docstrings write names and code between single backticks.
default_role = "code"
napoleon_use_ivar = True
napoleon_attr_annotations = False
nitpick_ignore_regex = [("py:.*", r"(collections|concurrent|typing|pathlib|numpy|pandas|torch|gymnasium)\..*")]
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False
autodoc_typehints = "none"
python_maximum_signature_line_length = 100

templates_path = ["_templates"]
html_theme = "furo"
html_static_path = ["_static"]
html_js_files = [("accessible.js", {"defer": "defer"})]
html_title = "PyDeepRecSys"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False


def resolve_links(app: Sphinx, docname: str, content: list[str]) -> None:
    """Read an included file in place of its page, and resolve links to the files of the repository."""
    place = ROOT / INCLUDED.get(docname, f"docs/{docname}.md")
    text = place.read_text() if docname in INCLUDED else content[0]
    pages = {(ROOT / file).resolve(): page for page, file in INCLUDED.items()}

    def resolved(found: re.Match[str]) -> str:
        file, hash_mark, anchor = found["target"].partition("#")
        aim = (place.parent / file).resolve()
        if not file or not aim.exists():
            return found[0]
        if aim in pages:
            return f"{found['text']}(/{pages[aim]}.md{hash_mark}{anchor})"
        if REPOSITORY and not found["text"].startswith("!") and not aim.is_relative_to(DOCS):
            return f"{found['text']}({REPOSITORY}/{aim.relative_to(ROOT)}{hash_mark}{anchor})"
        if aim.is_dir():
            return found["text"][1:-1]
        return f"{found['text']}({os.path.relpath(aim, (DOCS / docname).parent)}{hash_mark}{anchor})"

    content[0] = re.sub(r"(?P<text>!?\[[^]]*\])\((?P<target>[^)\s]+)\)", resolved, text)


def skip_fields(app: Sphinx, what: str, name: str, value: object, skip: bool, options: object) -> bool | None:
    """Leave the fields of a NamedTuple to the docstring of its class."""
    return True if type(value).__name__ == "_tuplegetter" else None


def list_fields(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """List the fields of a NamedTuple with the comments beside them, as the attributes of its docstring."""
    if hasattr(value, "_fields") and "Attributes:" not in lines:
        fields = re.findall(r"^    (\w+): [^#\n]*(?:# )?(.*)$", inspect.getsource(value), re.M)
        lines += ["", "Attributes:", *(f"    {field}: {comment}" for field, comment in fields)]


def list_external_links(app: Sphinx, error: Exception | None) -> None:
    """Write the addresses outside of the site that pages link to, for a check where there is a network."""
    pages = map(app.env.get_doctree, sorted(app.env.found_docs))
    addresses = {link.get("refuri", "") for page in pages for link in page.findall(nodes.reference)}
    external = sorted(address for address in addresses if address.startswith("http"))
    (Path(app.outdir) / "external-links.txt").write_text("\n".join([*external, ""]))


def setup(app: Sphinx) -> None:
    """Connect the events of the build."""
    app.add_lexer("csv", TextLexer)  # Pygments has none
    app.connect("source-read", resolve_links)
    app.connect("build-finished", list_external_links)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-docstring", list_fields, priority=100)  # before napoleon reads the sections
