"""Demographics as the graph reads them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.policies import DEMOGRAPHICS
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.errors import InputError
from pydeeprecsys.serving.demographics import encode

UNKNOWN = [0.5] * 4


@pytest.mark.parametrize(
    ("user", "row"),
    [
        (None, UNKNOWN),
        ({}, UNKNOWN),
        ({"sex": None, "age": None, "occupation": None, "zip_code": None}, UNKNOWN),
        ({"sex": "F"}, [0.0, 0.5, 0.5, 0.5]),
        ({"zip_code": "55117", "age": 28, "occupation": 5, "sex": "M"}, [1.0, 0.5, 0.25, 55117 / 99999]),
        ({"occupation": "writer"}, [0.5, 0.5, 1.0, 0.5]),
        ({"occupation": "10"}, [0.5, 0.5, 0.5, 0.5]),
        ({"occupation": np.int64(0)}, [0.5, 0.5, 0.0, 0.5]),
        ({"age": 80}, [0.5, 1.0, 0.5, 0.5]),  # 56 is the highest bracket in training
        ({"age": np.float32(14)}, [0.5, 0.25, 0.5, 0.5]),
        ({"zip_code": 501}, [0.5, 0.5, 0.5, 501 / 99999]),
        ({"zip_code": "V3N4P"}, UNKNOWN),
    ],
)
def test_what_is_known_is_encoded_and_the_rest_is_unknown(user: Any, row: list[float]) -> None:
    assert encode(user, DEMOGRAPHICS) == pytest.approx(row)


def test_users_are_encoded_as_in_training() -> None:
    users: dict[str, list[Any]] = {
        "sex": ["F", "M", None, "F", "M", "F", "M"],
        "age": [1.0, 18.0, 25.0, None, 56.0, 73.0, 33.0],
        "occupation": [0.0, 20.0, None, 7.0, 12.0, 1.0, 3.0],
        "zip_code": ["00501", "55117-1234", "551171234", "V3N4P", None, " 98107 ", "123456"],
    }
    dataset = synthetic_dataset(n_users=7, n_items=8, n_ratings=20)
    for name, column in users.items():
        dataset.users[name] = pd.Series(column, dtype=object if name in ("sex", "zip_code") else float)
    rows = [dict(zip(users, row, strict=True)) for row in zip(*users.values(), strict=True)]
    rows = [{k: int(v) if k == "occupation" and v is not None else v for k, v in row.items()} for row in rows]
    encoded = np.array([encode(row, DEMOGRAPHICS) for row in rows], dtype=np.float32)
    assert encoded == pytest.approx(np.nan_to_num(dataset.demographics, nan=0.5))


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"gender": "F"}, "there is no 'gender' among demographics; there are: sex, age, occupation, zip_code"),
        ({"sexe": "F"}, "; did you mean 'sex'?"),
        ({"sex": "female"}, "sex must be one of F, M, it is 'female'"),
        ({"sex": 1}, "sex must be one of F, M, it is 1"),
        ({"age": "35"}, "age must be in years, 0 to 150, it is '35'"),
        ({"age": -1}, "age must be in years, 0 to 150, it is -1"),
        ({"age": float("nan")}, "age must be in years, 0 to 150, it is nan"),
        ({"age": True}, "age must be in years, 0 to 150, it is True"),
        ({"occupation": 21}, "occupation must be a code, 0 to 20, or a name, it is 21"),
        ({"occupation": "writter"}, "did you mean 'writer'?"),
        ({"occupation": 1.5}, "occupation must be a code, 0 to 20, or a name, it is 1.5"),
        ({"zip_code": -1}, "zip_code must be a text such as '55117', it is -1"),
        ({"zip_code": 55117.0}, "zip_code must be a text such as '55117', it is 55117.0"),
        (["F", 35], "a user is a mapping of demographics or None, not ['F', 35]"),
    ],
)
def test_other_values_are_one_line(user: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        encode(user, DEMOGRAPHICS)
    assert message in str(caught.value)
