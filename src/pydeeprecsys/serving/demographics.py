"""Demographics of a user, as a policy's graph reads them."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from pydeeprecsys.errors import InputError, did_you_mean

User = Mapping[str, Any]
"""Any of sex, age in years, occupation (code or name) and zip_code; None for unknown."""

# As in `data.dataset`, which needs pandas: only zip codes of the United States are known.
_ZIP_CODE = re.compile(r"\s*(\d{1,5}|\d{5}-?\d{4})\s*")


def encode(user: User | None, codes: Mapping[str, Any]) -> list[float]:
    """Sex, age, occupation and zip code in [0, 1], and the code of "unknown" for what is not known.

    Args:
        user: None if nothing is known.
        codes: the contract's "demographics".

    Raises:
        InputError: something else than these four, or a value that cannot be.
    """
    row: list[float] = [codes["unknown"]] * len(COLUMNS)
    if user is None:
        return row
    if not isinstance(user, Mapping):
        raise InputError(f"a user is a mapping of demographics or None, not {reprlib.repr(user)}")
    for name, value in user.items():
        if name not in COLUMNS:
            raise InputError(f"there is no {name!r} among demographics; {did_you_mean(str(name), COLUMNS)}")
        if value is not None and (code := _READERS[name](value, codes[name])) is not None:
            row[COLUMNS.index(name)] = min(max(code, 0.0), 1.0)
    return row


def _sex(value: Any, codes: Mapping[str, float]) -> float:
    if not isinstance(value, str) or value not in codes:
        raise InputError(f"sex must be one of {', '.join(codes)}, it is {reprlib.repr(value)}")
    return codes[value]


def _age(value: Any, codes: Mapping[str, float]) -> float:
    if not _is_number(value, Real) or not 0 <= value <= 150:
        raise InputError(f"age must be in years, 0 to 150, it is {reprlib.repr(value)}")
    return float(value) / codes["divisor"]


def _occupation(value: Any, codes: Mapping[str, Any]) -> float:
    """That of a code, or of a name."""
    code = codes["codes"].get(value, value) if isinstance(value, str) else value
    code = int(code) if isinstance(code, str) and code.isdecimal() and len(code) < 9 else code
    if not _is_number(code, Integral) or not 0 <= code <= codes["divisor"]:
        names = did_you_mean(str(value), codes["codes"])
        raise InputError(
            f"occupation must be a code, 0 to {codes['divisor']:g}, or a name, it is {reprlib.repr(value)}; {names}"
        )
    return int(code) / float(codes["divisor"])


def _zip_code(value: Any, codes: Mapping[str, float]) -> float | None:
    """None for a zip code of another country."""
    if not isinstance(value, str) and (not _is_number(value, Integral) or value < 0):
        raise InputError(f"zip_code must be a text such as '55117', it is {reprlib.repr(value)}")
    found = _ZIP_CODE.fullmatch(str(value))
    return int(found[1][:5]) / codes["divisor"] if found else None


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


_READERS: dict[str, Callable[[Any, Mapping[str, Any]], float | None]] = {
    "sex": _sex,
    "age": _age,
    "occupation": _occupation,
    "zip_code": _zip_code,
}
COLUMNS = tuple(_READERS)
"""The demographics, in the order of the graph's input."""
