"""The guide to serving: its commands and its Python run, in their order, on a policy that was trained and exported."""

import json
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from pydeeprecsys.cli import main
from pydeeprecsys.rl.agents.agent import RandomAgent
from pydeeprecsys.serving.export import INPUTS, OUTPUTS
from pydeeprecsys.serving.graphs.agents import Known, agent_graph
from pydeeprecsys.serving.graphs.context import Slates, in_time
from pydeeprecsys.serving.policy import Policy

GUIDE = (Path(__file__).parents[1] / "docs" / "serving.md").read_text()
SMALL = ["--dataset", "synthetic", "--episodes", "4", "--n-envs", "4", "--evaluation-episodes", "8"]

pytestmark = pytest.mark.slow


def blocks(language: str) -> list[str]:
    """The blocks of the guide in a language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.S)


def section(heading: str) -> str:
    """The text below a heading."""
    return GUIDE.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def command(line: str) -> None:
    """Run a command of the guide."""
    _, *arguments = shlex.split(line)
    with pytest.raises(SystemExit) as stopped:
        main(arguments + (SMALL if arguments[0] == "train" else []))
    assert stopped.value.code == 0, line


def commands(text: str) -> list[str]:
    """The commands of this package in a text."""
    lines = "".join(re.findall(r"```sh\n(.*?)```", text, re.S)).replace("\\\n", "").splitlines()
    return [line for line in lines if line.startswith("pydeeprecsys")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first commands of the guide were run."""
    folder = tmp_path_factory.mktemp("guide")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in commands(GUIDE.partition("## ")[0]):
            command(line)
    return folder


@pytest.fixture(autouse=True)
def there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def test_python_blocks(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class MyAgent(RandomAgent):
        def __init__(self) -> None:
            self.network = torch.nn.Linear(4, 3)

    mine: Any = ModuleType("my_agents")
    mine.MyAgent = MyAgent
    monkeypatch.setitem(sys.modules, "my_agents", mine)
    own, rank, batch, explore, alone = (compile(block, "docs/serving.md", "exec") for block in blocks("python"))
    names: dict[str, Any] = {}

    exec(own, names)
    context = in_time(
        torch.rand(2, 4), Slates(*(torch.zeros(2, 1, 1, dtype=kind) for kind in (int, bool, float))), False
    )
    world = Known(_Demographics(), n_items=3, slate_size=2, masks=False)
    scored = agent_graph(MyAgent(), world)(context, None)
    assert scored.scores.shape == (2, 3)

    exec(rank, names)
    policy: Policy = names["policy"]
    titles = [policy.items[each.item].title for each in names["slate"]]
    assert [line.rpartition(" ")[0] for line in capsys.readouterr().out.splitlines()] == titles
    assert len(titles) == 5
    greedy = policy.rank({"age": 35, "sex": "F"}, [("1193", 4.0), ("661", None)], k=10)

    exec(batch, names)
    assert [len(slate) for slate in names["slates"]] == [10, 10, 10]
    assert names["slates"][1] == policy.rank()

    exec(explore, names)
    assert 0 < names["probability"] <= 1
    assert len({each.item for each in names["slate"]}) == 5

    exec(alone, names)
    assert names["titles"] == [policy.items[each.item].title for each in greedy]
    np.testing.assert_allclose(np.sort(names["scores"][0])[::-1][:10], [each.score for each in greedy])


class _Demographics(torch.nn.Module):
    def forward(self, context: Any) -> torch.Tensor:
        found: torch.Tensor = context.demographics
        return found


def test_commands(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new, known, many = commands(section("From the command line"))
    (table,) = blocks("csv")
    (place / "users.csv").write_text(table)
    command(new)
    assert len(capsys.readouterr().out.splitlines()) == 2 + 10
    command(known)
    assert len(json.loads(capsys.readouterr().out)["items"]) == 5
    command(many)
    slates = pd.read_csv(place / "slates.csv", dtype={"item": str})
    assert slates.columns.tolist() == re.findall(r"`(\w+)`", GUIDE.partition("a row per user and item:")[2])[:6]
    rows = {user: rows["item"].tolist() for user, rows in slates.groupby("user")}
    policy = Policy.load("policy")
    assert rows == {
        7: [each.item for each in policy.rank({"sex": "F", "age": 35}, [("1193", 4.0), ("661", None)])],
        8: [each.item for each in policy.rank({"sex": "M"})],
    }


def test_the_request_to_the_web_service() -> None:
    (body,) = re.findall(r"-d '(.*)'", section("A web service"))
    assert len(Policy.load("policy").rank(**json.loads(body))) == 5


def test_tables_name_all_that_there_is() -> None:
    text = section("Export")
    named = {name for row in re.findall(r"^\| (`.*?) \|", text, re.M) for name in re.findall(r"`([\w.]+)`", row)}
    contract = json.loads(Path("policy/contract.json").read_text())
    files = {path.name for path in Path("policy").iterdir()}
    assert named == files | set(contract) | set(INPUTS) | set(OUTPUTS)
