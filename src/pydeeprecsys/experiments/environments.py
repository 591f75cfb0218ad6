"""Environments by their Gymnasium ids, and their options; nothing is imported for those of this package."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from pydeeprecsys.arguments import Argument, arguments_of
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.experiments.catalogue import Entry, environment
from pydeeprecsys.extras import naming_extras

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec

DEFAULT_ENV = "MovieLensFairness-v0"


def has_users(env: str) -> bool:
    """Whether an environment simulates users of a data set: one of this package, or derived from it."""
    return "users" in described(env).traits


def described(env: str) -> Entry:
    """An environment and its options: the arguments of its constructor, with the defaults of its id.

    The seed, the data set and the pool of users are not among them, nor is the version, which belongs to the id.
    """
    return environment(env) or described_now(env)


def described_now(env: str) -> Entry:
    """An environment and its options, from its class."""
    made_by = entry_point(env)
    from pydeeprecsys.envs.options import defaults
    from pydeeprecsys.envs.single import MovieLensFairness

    has_users = isinstance(made_by, type) and issubclass(made_by, MovieLensFairness)
    ours = has_users or made_by.__module__.startswith("pydeeprecsys.")
    by_the_run = {"render_mode", *(("seed", "dataset", "pool", "version") if ours else ())}
    registered = spec(env).kwargs
    own = {**(defaults(registered.get("version", 0)) if has_users else {}), **registered}
    options = {
        name: argument._replace(default=_plain(own.get(name, argument.default)))
        for name, argument in arguments_of(made_by).items()
        if name not in by_the_run
    }
    others = [each for each in signature(made_by).parameters.values() if each.kind is each.VAR_KEYWORD]
    is_open = bool(others) and "Unpack" not in str(others[0].annotation)
    return Entry("", ["users"] * has_users + ["open"] * is_open, options)


def _plain(default: Any) -> Any:
    """A default as it is, if it is a number, a word or none, otherwise its text."""
    if default is Parameter.empty or isinstance(default, bool | int | float | str | None):
        return default
    return getattr(default, "__name__", repr(default))


def env_option(env: str, name: str) -> Argument:
    """One option of an environment.

    Raises:
        InputError: there is no such environment, or it has no such option; the message names the nearest.
    """
    if name == "pool" and has_users(env):
        raise InputError("the pool of users is no option of the environment; give train_pool and evaluation_pool")
    known = described(env)
    if name in known.arguments:
        return known.arguments[name]
    if "open" not in known.traits:
        raise InputError(f"{env} has no option {name!r}; {did_you_mean(name, known.arguments)}")
    return Argument(name, Any, optional=True, range=None, default=None, help="")


def read_env_option(env: str, text: str) -> tuple[str, Any]:
    """The name and the value of an option of an environment, from NAME=VALUE.

    Raises:
        InputError: it is not of this form, there is no such option, or the text is no value of its type.
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InputError(f"an option of the environment is NAME=VALUE, such as slate_size=3, not {text!r}")
    argument = env_option(env, name.replace("-", "_"))
    return argument.name, argument.read(value)


def spec(env: str) -> EnvSpec:
    """What Gymnasium knows of an environment.

    Raises:
        InputError: there is no such environment; the message names the nearest.
    """
    import gymnasium as gym

    module, _, name = env.rpartition(":")
    try:
        if module:
            with naming_extras():
                import_module(module)
        return gym.spec(name)
    except ImportError as error:
        raise InputError(f"the module of the environment {env!r} cannot be imported: {error}") from error
    except gym.error.Error as error:
        raise InputError(f"there is no environment {env!r}; {did_you_mean(name, gym.registry)}") from error


def entry_point(env: str) -> Callable[..., Any]:
    """The class or the function that makes an environment.

    Raises:
        InputError: there is none, or it cannot be imported.
    """
    from gymnasium.envs.registration import load_env_creator
    from gymnasium.error import Error

    found: Any = spec(env).entry_point
    try:
        with naming_extras():
            return load_env_creator(found) if isinstance(found, str) else found
    except (ImportError, Error) as error:
        raise InputError(f"{env} cannot be made: {error}") from error
