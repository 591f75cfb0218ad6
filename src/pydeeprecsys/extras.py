"""Extras, the optional dependencies of this package: which of them brings a module that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from pydeeprecsys.errors import MissingExtraError

# Modules, which may have other names than their packages. Where two extras bring one, the smaller is named.
_MODULES = {
    "train": "cma filelock gymnasium jinja2 matplotlib numba optuna pandas platformdirs plotly pyarrow requests "
    "safetensors scipy seaborn tensorboard torch yaml",
    "serve": "onnxruntime",
    "onnx": "onnx onnxscript",
    "graphs": "distutils torchviz",
    "envs": "Box2D highway_env",
    "ray": "ray",
    "bench": "cpprb sardine stable_baselines3",
}
EXTRAS = {module: extra for extra, modules in _MODULES.items() for module in modules.split()}
"""The extra that brings a module."""


def missing(module: str) -> MissingExtraError:
    """The error about a module of an extra that is not installed."""
    return MissingExtraError(f"{module} is not installed: pip install 'pydeeprecsys[{EXTRAS[module]}]'", name=module)


def is_installed(*modules: str) -> bool:
    """Whether all of some modules are installed; none is imported."""
    return all(map(find_spec, modules))


def need(*modules: str) -> None:
    """Check that modules of extras are installed, at the import of a part of this package that cannot do without them.

    Raises:
        MissingExtraError: one is not.
    """
    for module in modules:
        if not is_installed(module):
            raise missing(module)


@contextmanager
def naming_extras() -> Iterator[None]:
    """Around imports, or as a decorator of a function that imports: name the extra that brings a missing module.

    Errors of other libraries that a missing module caused count, too. One about a module of no extra, such as one of
    the user's own, stays as it is.

    Raises:
        MissingExtraError: a module of an extra is not installed.
    """
    try:
        yield
    except MissingExtraError:
        raise
    except Exception as error:
        for each in (error, error.__cause__):
            if type(each) is ModuleNotFoundError and each.name in EXTRAS:
                raise missing(each.name) from error
        raise
