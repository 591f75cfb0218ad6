import html
import json
import math
import re
import shutil
from email.message import Message
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from contracts.run_folders import (
    GENRES,
    config_of,
    sessions_of,
    step,
    write_comparison,
    write_run,
    write_search,
    write_sweep,
)
from pydeeprecsys.cli import main
from pydeeprecsys.data.movielens_layouts import GENRES as GENRE_NAMES
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.report import write_report
from pydeeprecsys.experiments.report.content import read_source, results
from pydeeprecsys.experiments.report.page import missing
from pydeeprecsys.experiments.report.sessions import pack
from pydeeprecsys.experiments.report.settings import differences, flat
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.looks import looks

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def page_of(*folders: Path) -> str:
    out = folders[0].parent / "page.html"
    write_report(folders, out)
    return out.read_text()


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def rows_of(page: str) -> list[list[str]]:
    """The cells of the summary table, as text."""
    body = page.split('<table class="summary"')[1].split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("</tr>")[:-1]]
    return [[html.unescape(re.sub(r"<[^>]*>", "", cell)).strip().replace("\xa0", " ") for cell in row] for row in rows]


@pytest.mark.slow
def test_folders_from_before_there_were_pools_stand_apart(tmp_path: Path) -> None:
    before = write_comparison(tmp_path / "before")
    now = write_comparison(tmp_path / "now", train_pool="train", evaluation_pool="test")
    worlds = results([read_source(folder) for folder in (before, now)])
    assert [world.settings.get("evaluation_pool") for world in worlds] == [None, "test"]
    assert "evaluation_pool test" in page_of(before, now)


def test_the_command_writes_a_page_that_needs_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_comparison(tmp_path / "compared")
    assert run("report", str(folder)) == 0
    out = folder / "report.html"
    assert capsys.readouterr().out.endswith(f" MB, to be opened in a browser: {out}\n")
    page = out.read_text()
    assert len(page.encode()) < 6_000_000
    own = page.replace(
        page[page.index("/**\n* plotly.js") : page.index("</script>", page.index("/**\n* plotly.js"))], ""
    )
    assert len(own) < 200_000
    assert not re.search(r"https?://", own.replace("http://www.w3.org/2000/svg", ""))
    assert "default-src 'none'" in own
    assert run("report", str(folder), "--out", str(tmp_path / "there" / "r.html")) == 0
    assert (tmp_path / "there" / "r.html").read_text() == page


def test_the_table_says_what_each_agent_reached(tmp_path: Path) -> None:
    # The range of five holds the median in 15 of 16 cases; for 95 % it is extended by 5.7 % of itself at either end.
    five = {
        "random": [30.0, 32.0, 31.0, 29.0, 34.0],
        "dqn": [41.0, 44.0, 42.5, 43.0, 42.0],
        "oracle": [50.0, 52.0, 51.0, 50.0, 53.0],
    }
    for agent, scores in five.items():
        for seed, score in enumerate(scores):
            config = config_of(agent, seed)
            write_run(tmp_path / f"{agent}-{seed}", config, returns=[score - 1, score + 1], violence=0.125)
    rows = rows_of(page_of(*sorted(tmp_path.iterdir())))
    assert [row[0] for row in rows] == ["oracle", "dqn", "random"]
    # Random reaches 31 and the oracle 51: DQN's 42.5 is 11.5 of 20. Two of three items were shown, 4 and 2
    # times: the Gini coefficient is (-2 * 0 + 0 * 2 + 2 * 4) / (3 * 6).
    dqn = rows[1]
    assert dqn[1:3] == ["42.50", "40.83 to 44.17"]
    # By seed dqn is above random by 11, 12, 11.5, 14 and 8; five of five above leave 48 % and more.
    assert dqn[4:7] == ["0.575", "+11.50 (7.66 to 14.34)", "100 % (48 to 100)"]
    assert dqn[7:] == ["0.125", "0.6667", "0.444", "3.0", "5"]
    assert rows[2][5:7] == ["–", "–"]


TEMPLATES = sorted((ROOT / "src" / "pydeeprecsys" / "experiments" / "report").glob("*.html"))


def test_each_chart_names_the_section_of_the_guide_that_explains_it() -> None:
    named = set()
    for template in TEMPLATES:
        text = template.read_text()
        for part in [text] if template.name == "fronts.html" else text.split("<h3>"):  # both fronts have one note
            assert ('class="chart"' not in part) or ("{{ guide(" in part), part
        named |= set(re.findall(r'{{ guide\("(.*?)"\) }}', text))
    assert named == set(re.findall(r"^## (.*)$", (ROOT / "docs" / "report.md").read_text(), re.M))


def test_the_guide_is_named_or_linked_where_its_address_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_comparison(tmp_path / "compared")
    monkeypatch.setattr("pydeeprecsys.experiments.report.page.metadata", lambda name: Message())
    assert "Guide: “Reading a report”, “Learning curves”." in page_of(folder)
    addressed = Message()
    addressed["Project-URL"] = "Source, https://example.org/source"
    addressed["Project-URL"] = "Documentation, https://example.org/docs/"
    monkeypatch.setattr("pydeeprecsys.experiments.report.page.metadata", lambda name: addressed)
    link = '<a href="https://example.org/docs/report.html#learning-curves">Guide: Learning curves</a>.'
    assert link in page_of(folder)
    monkeypatch.setattr("pydeeprecsys.experiments.report.page.metadata", Mock(side_effect=PackageNotFoundError))
    assert "Guide: “Reading a report”, “Learning curves”." in page_of(folder)


def test_an_agent_that_never_updated_is_marked(tmp_path: Path) -> None:
    notes = {"ppo": ["ppo waits", "ppo waits"], "dqn": ["", "dqn waits"], "sac": ["", ""]}
    for agent, of_seeds in notes.items():
        for seed, note in enumerate(of_seeds):
            write_run(tmp_path / f"{agent}-{seed}", config_of(agent, seed), returns=[len(agent)], note=note)
    page = page_of(*sorted(tmp_path.iterdir()))
    assert {row[0] for row in rows_of(page)} == {"ppo (never updated)", "dqn (never updated in some seeds)", "sac"}
    assert "ppo waits (seed 0; likewise seed 1)" in page
    assert "dqn waits (seed 1)" in page


def test_a_learning_curve_is_the_median_over_the_seeds_that_came_so_far(tmp_path: Path) -> None:
    curves = [[10.0, 20.0, 30.0], [12.0, 26.0], [14.0, 24.0], [100.0, 30.0]]
    folders = [
        write_run(tmp_path / str(seed), config_of("dqn", seed), curve=curve) for seed, curve in enumerate(curves)
    ]
    curve = data_of(page_of(*folders))["worlds"][0]["entries"][0]["curve"]
    assert curve["x"] == [1, 2, 3]
    assert curve["y"] == [13.0, 25.0, 30.0]  # of 10, 12, 14, 100 the middle two; of 20, 24, 26, 30 likewise; one alone
    assert curve["range"] == [10.0, 100.0]
    low, high = median_interval([10.0, 12.0, 14.0, 100.0])
    assert (curve["low"][0], curve["high"][0]) == pytest.approx((low, high), rel=1e-4)
    assert (curve["low"][2], curve["high"][2]) == (None, None)


def test_a_long_curve_keeps_its_ends_and_a_hundred_points_between(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", config_of("dqn", 0), curve=np.arange(2_000.0).tolist())
    curve = data_of(page_of(folder))["worlds"][0]["entries"][0]["curve"]
    assert len(curve["x"]) == 120
    assert (curve["x"][0], curve["x"][-1]) == (1, 2_000)
    assert curve["y"] == [x - 1 for x in curve["x"]]


def test_profiles_and_points_are_of_single_runs(tmp_path: Path) -> None:
    world = data_of(page_of(write_comparison(tmp_path / "compared")))["worlds"][0]
    assert world["normalized"]
    assert [entry["label"] for entry in world["entries"]] == ["oracle", "dqn", "win-stay", "random"]
    assert len(world["profiles"]) == 4
    for line in world["profiles"]:
        assert line["y"] == pytest.approx([1, 2 / 3, 1 / 3, 0], abs=1e-4)
        assert line["x"] == sorted(line["x"])
        assert line["x"][0] == line["x"][1]
        assert np.all((np.array(line["low"]) <= line["y"]) & (line["y"] <= np.array(line["high"])))
    by_label = {line["label"]: line for line in world["profiles"]}
    assert by_label["random"]["x"][2] == pytest.approx(0, abs=1e-4)  # of three seeds the median is the scale's end
    assert by_label["oracle"]["x"][2] == pytest.approx(1, abs=1e-4)
    seeds, violence, returns = zip(*world["entries"][1]["points"], strict=True)
    assert seeds == (0, 1, 2)
    assert violence == (0.44, 0.44, 0.44)
    assert np.all(np.abs(np.array(returns) - [44, 45, 46]) < 1.5)


def test_without_random_or_oracle_profiles_are_of_returns(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", config_of("dqn", 3), returns=[7.0, 9.0])
    world = data_of(page_of(folder))["worlds"][0]
    assert not world["normalized"]
    assert world["profiles"] == [{"label": "dqn", "x": [8, 8], "y": [1, 0], "low": [0.025, 0], "high": [1, 0.975]}]
    assert rows_of(page_of(folder))[0][2:5] == ["not from 1 seed", "", "–"]


def facts_of(page: str) -> dict[str, str]:
    """The heading, as text."""
    rows = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page.split("</header>")[0])
    return {name: html.unescape(re.sub(r"<[^>]*>", "", text)) for name, text in rows}


def test_the_heading_has_data_seeds_days_and_folders(tmp_path: Path) -> None:
    own = {"dataset": "/a/very/long path/ratings.csv?items=films.csv"}
    own["provenance"] = config_of("dqn", 0)["provenance"] | {"users": 1200, "items": 34, "ratings": 5678}
    folders = [
        write_run(tmp_path / "one", config_of("dqn", 0, **own), returns=[40.0], day="2026-03-14"),
        write_run(tmp_path / "two", config_of("dqn", 1, **own), returns=[40.0], day="2026-02-28"),
    ]
    page = page_of(*folders)
    assert facts_of(page) == {
        "Data": "ratings.csv (1,200 users, 34 items, 5,678 ratings)",
        "Seeds": "0 and 1",
        "Run on": "2026-02-28 to 2026-03-14",
        "From": f"{folders[0]}, {folders[1]}",
    }
    assert ">ratings.csv, MovieLensFairness-v0, slates of 2</h2>" in page
    assert "/a/very/long path/ratings.csv?items=films.csv</dd>" in page  # among the settings
    (folders[0] / "log.txt").unlink()
    assert facts_of(page_of(folders[0]))["Run on"] == "a day that was not logged"
    other = write_run(tmp_path / "other", config_of("dqn", 0, dataset="/b/ratings.csv"), returns=[4.0])
    titles = re.findall(r'<h2 id="world-\d">(.*?)</h2>', page_of(folders[0], other))
    assert [title.endswith(path) for title, path in zip(titles, (own["dataset"], "/b/ratings.csv"), strict=True)]
    poles = write_run(tmp_path / "poles", config_of("dqn", 0, env="CartPole-v1", dataset=None), returns=[4.0])
    assert facts_of(page_of(poles))["Data"] == "none"


def test_an_agent_has_the_colour_of_its_name_in_table_and_charts(tmp_path: Path) -> None:
    colour = looks({"dqn": "dqn"})["dqn"].colour
    alone = page_of(write_run(tmp_path / "one", config_of("dqn", 0), returns=[40.0]))
    page = page_of(write_comparison(tmp_path / "compared"))
    for own in (alone, page):
        entries = {entry["label"]: entry["look"] for entry in data_of(own)["worlds"][0]["entries"]}
        assert entries["dqn"]["color"] == colour
        assert f'style="--own:{colour}"' in own
    assert len({look["marker"] for look in entries.values()}) == 4


def test_the_report_of_a_search_has_its_trials(tmp_path: Path) -> None:
    trials = ["0,complete,30.0,0.001,,False", '1,complete,42.5,0.1,"[32, 32]",True', "2,pruned,,0.01,,False"]
    folder = write_search(tmp_path / "tuned", trials)
    assert missing(read_source(folder)) == [f"dqn in {folder}: 3 of 4 trials"]
    page = page_of(folder)
    text = " ".join(html.unescape(re.sub(r"<[^>]*>", "", page.split("<script")[0])).split())
    assert "Hyperparameters of dqn" in text
    assert "3 trials: 2 complete, 1 pruned, 0 failed. Best is trial 1: a return of 42.50; trial 0, with" in text
    assert "with the defaults: 30.00." in text
    assert "the mean return over 2 trainings of 4 episodes" in text
    assert rows_of(page.replace("summary trials", "summary")) == [
        ["1 (best)", "42.50", "0.1", "[32, 32]", "True"],
        ["0", "30.00", "0.001", "none", "False"],
        ["2", "pruned", "0.01", "none", "False"],
    ]
    assert facts_of(page)["Seeds"] == "10000"
    shutil.rmtree(folder / "runs")  # which a search does not need any more
    assert facts_of(page_of(folder))["Seeds"] == "not known"
    (search,) = data_of(page)["searches"]
    assert search["trials"] == [[0, 30], [1, 42.5]]
    assert [(one["name"], one["type"], one["values"]) for one in search["parameters"]] == [
        ("learning_rate", "log", [0.1, 0.001]),
        ("hidden_layers", "category", ["[32, 32]", "none"]),
        ("double", "category", ["True", "False"]),
    ]


def test_a_search_without_a_complete_trial_has_no_charts(tmp_path: Path) -> None:
    page = page_of(write_search(tmp_path / "tuned", ["0,failed,,0.001,,False"], trials=1, hyperparameters={"gamma": 1}))
    assert "1 trial: 0 complete, 0 pruned, 1 failed." in page
    assert "not there yet" not in page.lower()
    assert 'class="chart"' not in page
    assert "gamma <b>1</b>" in page


def test_of_many_trials_the_best_twenty_are_not_folded(tmp_path: Path) -> None:
    page = page_of(write_search(tmp_path / "tuned", [f"{i},complete,{i},0.001,,False" for i in range(50)], trials=50))
    first, others = page.split("<summary>The other 30 trials</summary>")
    assert [row[0] for row in rows_of(first.replace("summary trials", "summary"))] == [
        "49 (best)",
        *(str(i) for i in range(48, 29, -1)),
    ]
    assert len(rows_of(others.replace("summary trials", "summary"))) == 30


def test_a_search_and_a_run_share_a_page(tmp_path: Path) -> None:
    run_folder = write_run(tmp_path / "run", config_of("dqn", 0), returns=[40.0])
    data = data_of(page_of(write_search(tmp_path / "tuned", ["0,complete,30.0,0.001,,False"]), run_folder))
    assert (len(data["worlds"]), len(data["searches"])) == (1, 1)


def test_text_from_the_data_stays_text(tmp_path: Path) -> None:
    titles = ["</script><script>alert(1)</script>", "a & b <!-- 'c' \u2028"]
    folder = write_comparison(tmp_path / "compared", titles, dataset="<i>mine</i>")
    dqn = folder / "runs" / "dqn-0" / "config.json"
    dqn.write_text(json.dumps(config_of("<b>dqn</b>", 0, dataset="<i>mine</i>")))
    page = page_of(folder)
    for markup in ("<script>alert", "<b>dqn", "<i>mine", "<!-- 'c'"):
        assert markup not in page
    assert "&lt;b&gt;dqn&lt;/b&gt;" in page
    world = data_of(page)["worlds"][0]
    assert [item[0] for item in world["items"]] == titles
    assert "<b>dqn</b>" in [entry["label"] for entry in world["entries"]]


def test_runs_of_one_agent_are_put_together_and_none_counts_twice(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / f"a{seed}", config_of("dqn", seed), returns=[40.0 + seed]) for seed in range(3)]
    again = write_run(tmp_path / "b", config_of("dqn", 1), returns=[41.0])
    rows = rows_of(page_of(*folders, again, folders[0]))
    assert [(row[0], row[1], row[-1]) for row in rows] == [("dqn", "41.00", "3")]


def test_the_same_agent_with_other_settings_is_another(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", config_of("dqn", 0), returns=[40.0])
    slow = write_run(tmp_path / "slow", config_of("dqn", 0, hyperparameters={"learning_rate": 0.001}), returns=[30.0])
    names = [row[0] for row in rows_of(page_of(first, slow))]
    assert names == ["dqn, learning_rate 0.01", "dqn, learning_rate 0.001"]
    many = {"learning_rate": 0.001, "batch_size": 8, "double": True}
    other = write_run(tmp_path / "other", config_of("dqn", 0, hyperparameters=many), returns=[20.0])
    assert [row[0] for row in rows_of(page_of(first, other))] == ["dqn, first", "dqn, other"]


def test_other_worlds_are_tables_of_their_own(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", config_of("dqn", 0), returns=[40.0])
    other = write_run(
        tmp_path / "other", config_of("dqn", 0, env="MovieLensFairness-v1", env_options={}), returns=[9.0]
    )
    bored = config_of("dqn", 0, env="MovieLensFairness-v1", env_options={"delta": -0.5})
    third = write_run(tmp_path / "third", bored, returns=[9.0])
    assert "synthetic, MovieLensFairness-v1, one item at a time, delta -0.5" in page_of(other, third)
    page = page_of(first, other)
    assert "synthetic, MovieLensFairness-v0, slates of 2" in page
    assert "synthetic, MovieLensFairness-v1, one item at a time" in page
    assert [[entry["label"] for entry in world["entries"]] for world in data_of(page)["worlds"]] == [["dqn"], ["dqn"]]


def test_what_does_not_learn_is_the_same_however_long_it_was_watched(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / agent, config_of(agent, 0), returns=[4.0]) for agent in ("dqn", "random")]
    folders += [
        write_run(tmp_path / f"{agent} longer", config_of(agent, 1, episodes=9), returns=[6.0])
        for agent in ("dqn", "random")
    ]
    names = {row[0]: row[-1] for row in rows_of(page_of(*folders))}
    assert names == {"dqn, episodes 4": "1", "dqn, episodes 9": "1", "random": "2"}


def test_the_best_that_is_no_oracle_is_named_first(tmp_path: Path) -> None:
    page = " ".join(page_of(write_comparison(tmp_path / "compared")).split())
    assert "Best of the 4, next to the oracle, is <strong>dqn</strong>: a return of" in page


def test_what_is_not_done_is_said_and_the_rest_is_shown(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "compared")
    assert missing(read_source(folder)) == []
    for name in ("evaluation.csv", "exposure.csv", "sessions.json", "result.json"):
        (folder / "runs" / "dqn-1" / name).unlink()
    for name in ("dqn-2", "oracle-0"):
        for file in (folder / "runs" / name).iterdir():
            file.unlink()
    assert missing(read_source(folder)) == [
        f"dqn in {folder}: seed 1 at episode 4 of 4, not evaluated; seed 2 not begun",
        f"oracle in {folder}: seed 0 not begun",
    ]
    page = page_of(folder)
    assert "seed 1 at episode 4 of 4, not evaluated" in page
    assert {row[0]: row[-1] for row in rows_of(page)} == {"oracle": "2", "dqn": "1", "win-stay": "3", "random": "3"}


def test_a_run_that_is_still_learning_has_a_page_with_its_curve(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", config_of("dqn", 0), curve=[1.0, 2.0])
    page = page_of(folder)
    assert "No agent is evaluated yet" in page
    assert data_of(page)["worlds"][0]["entries"][0]["curve"]["y"] == [1.0, 2.0]
    assert missing(read_source(folder)) == [f"dqn in {folder}: seed 0 at episode 2 of 4, not evaluated"]
    # Killed between two files of its evaluation, it is not evaluated either.
    (folder / "evaluation.csv").write_text("episode,return,steps,violence\n0,7.0,3,0.1\n")
    assert read_source(folder).runs[0].measures is None


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", config_of("dqn", 0), curve=[1.0, 2.0])
    with (folder / "metrics.csv").open("a") as file:
        file.write("moving_rewards,31")
    assert read_source(folder).runs[0].curve[1].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (None, "does not exist"),
        ({}, "has no config.json of a run"),
        ({"config.json": '{"agent": "dqn"}'}, "has no config.json of a run"),
        ({"config.json": "[1]"}, "has no config.json of a run"),
        ({"config.json": "{"}, "has no config.json of a run"),
        ({"config.json": json.dumps(config_of("dqn", 0))}, "nothing is done"),
        ({"config.json": json.dumps(config_of("dqn", 0, kind="tune"))}, "no trial is done"),
        ({"config.json": json.dumps(config_of("dqn", 0, kind="tune")), "trials.csv": "trial\n"}, "as trials"),
        ({"config.json": json.dumps(config_of("dqn", 0, kind="tune")), "trials.csv": ""}, "as trials"),
        (
            {"config.json": '{"kind": "tune", "provenance": {}}', "trials.csv": "trial,state,mean_return\n0,failed,\n"},
            "does not hold what was written (KeyError(",
        ),
        ({"config.json": '{"kind": "compare", "agents": ["dqn"], "seeds": 2, "provenance": {}}'}, "nothing is done"),
        (
            {
                "config.json": json.dumps(config_of("dqn", 0)),
                "evaluation.csv": "a\n1\n",
                "exposure.csv": "item,shown\n0,1\n",
                "result.json": "{}",
            },
            "is not as it was written",
        ),
        (
            {
                "config.json": json.dumps(config_of("dqn", 0)),
                "evaluation.csv": "return,steps,violence\n",
                "result.json": "{}",
            },
            "is not as it was written",
        ),
        (
            {
                "config.json": json.dumps(config_of("dqn", 0)),
                "evaluation.csv": "return,steps\n1,1\n",
                "result.json": "{}",
                "sessions.json": "{",
            },
            "not readable as JSON",
        ),
        (
            {"config.json": json.dumps(config_of("dqn", 0)), "metrics.csv": "metric,episode\nmoving_rewards,x\n"},
            "is not as it was written",
        ),
    ],
)
def test_what_is_no_run_is_refused_in_a_line(
    files: dict[str, str] | None, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "some"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    assert run("report", str(folder)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert complaint in said
    assert not (folder / "report.html").exists()


def test_a_report_wants_folders(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("report") == 2
    assert "DIR" in capsys.readouterr().err
    with pytest.raises(InputError, match="nothing to report"):
        write_report([], tmp_path / "page.html")


def test_settings_side_by_side() -> None:
    first = flat({"episodes": 300, "env_options": {"delta": 1.0, "slate_size": 2}, "git": None, "options": {}})
    assert first == {
        "episodes": "300",
        "env_options.delta": "1.0",
        "env_options.slate_size": "2",
        "git": "null",
        "options": "{}",
    }
    second = {"episodes": "300", "env_options.delta": "0.0", "env_options.slate_size": "2", "git": "null"}
    differing, common = differences([first, second])
    assert differing == {"env_options.delta": ["1.0", "0.0"], "options": ["{}", None]}
    assert common == {"episodes": "300", "env_options.slate_size": "2", "git": "null"}


def test_what_differs_between_folders_is_on_the_page(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", config_of("dqn", 0), returns=[40.0])
    record = config_of("dqn", 0)["provenance"] | {"git": "abc-dirty"}
    other = write_run(tmp_path / "other", config_of("dqn", 0, episodes=9, provenance=record), returns=[9.0])
    page = page_of(first, other)
    differing = [part.split("</table>")[0] for part in page.split('<table class="settings">')[1:]]
    assert re.findall(r'<th scope="row">(.*?)</th>\s*<td>(.*?)</td>\s*<td>(.*?)</td>', differing[0]) == [
        ("episodes", "4", "9")
    ]
    assert re.findall(r'<th scope="row">(.*?)</th>\s*<td>(.*?)</td>\s*<td>(.*?)</td>', differing[1]) == [
        ("git", "null", "abc-dirty")
    ]
    assert "<dt>env_options.delta</dt><dd>1.0</dd>" in page


def unpacked(packed: dict[str, Any], session: dict[str, Any]) -> list[tuple[list[str], int, dict[str, float]]]:
    """Titles, position of the chosen one, and affinities of each step, as the page puts them together."""
    now = dict(zip(*session["affinities"], strict=True))
    steps = []
    for items, _, chosen, _, moved in session["steps"]:
        now |= dict(zip(moved[::2], moved[1::2], strict=True))
        affinities = {packed["genres"][genre]: value for genre, value in now.items()}
        steps.append(([packed["items"][item][0] for item in items], chosen, affinities))
    return steps


def test_sessions_are_packed_without_loss(tmp_path: Path) -> None:
    session = {
        "user": "7",
        "steps": [step(["a", "b"], -1, [0.1234567, 0, -2]), step(["b", "c"], 1, [0.1234567, 5e12, -2])],
    }
    recorded = {"genres": GENRES, "sessions": [session]}
    write_run(tmp_path / "run", config_of("dqn", 0), returns=[1.0], sessions=recorded)
    packed = pack([("dqn", read_source(tmp_path / "run").runs[0])])
    assert packed["items"][0] == ["a", [GENRES.index("Action"), GENRES.index("Drama")], 0.25, True]
    assert unpacked(packed, packed["runs"][0]["sessions"][0]) == [
        (["a", "b"], -1, {"Other": 0.123, "Action": 0.0, "Drama": -2.0}),
        (["b", "c"], 1, {"Other": 0.123, "Action": 5e12, "Drama": -2.0}),
    ]
    assert packed["leftOut"] == 0


def test_what_is_not_known_is_not_drawn_or_told_as_a_number(tmp_path: Path) -> None:
    recorded = sessions_of(["7"], ["a"])
    shown = recorded["sessions"][0]["steps"][0]["shown"][0]
    shown |= {"violence": None, "measured": False, "genres": []}
    write_run(tmp_path / "blind", config_of("dqn", 0), returns=[1.0], violence=math.nan, sessions=recorded)
    write_run(tmp_path / "seen", config_of("random", 0), returns=[0.5], violence=0.25)
    text = (tmp_path / "seen" / "evaluation.csv").read_text()
    header, row = text.split()
    (tmp_path / "seen" / "evaluation.csv").write_text(f"{header},unmeasured\n{row},0.12\n")
    page = page_of(tmp_path / "blind", tmp_path / "seen")
    cells = {row[0]: row[7] for row in rows_of(page)}
    assert cells["dqn"] == "not known"
    assert " ".join(cells["random"].split()) == "0.250 (12 % unmeasured)"
    data = data_of(page)["worlds"][0]
    assert data["entries"][0]["points"] == [[0, None, 1.0]]
    assert "the violence of what they showed is not known: dqn." in page
    assert data["items"][0] == ["a", [], None, False]


def test_a_single_run_is_not_compared(tmp_path: Path) -> None:
    page = page_of(write_run(tmp_path / "run", config_of("dqn", 0), returns=[7.0, 9.0], curve=[1.0, 2.0]))
    assert "<h1>dqn</h1>" in page
    assert 'data-chart="curves"' in page
    assert 'data-chart="profiles"' not in page
    assert "Best of" not in page
    two = [write_run(tmp_path / str(seed), config_of("dqn", seed), returns=[7.0]) for seed in range(2)]
    assert 'data-chart="profiles"' in page_of(*two)


def test_without_any_violence_known_there_is_no_panel_for_it(tmp_path: Path) -> None:
    page = page_of(write_run(tmp_path / "blind", config_of("dqn", 0), returns=[1.0], violence=math.nan))
    assert 'data-chart="scatter"' not in page
    assert ">Violence</abbr>" not in page
    assert "The violence of the items shown is not known." in page
    assert not data_of(page)["worlds"][0]["hasViolence"]


def size_of(packed: dict[str, Any]) -> int:
    return sum(len(json.dumps(run["sessions"], separators=(",", ":"))) for run in packed["runs"])


def test_sessions_for_which_there_is_no_room_are_left_out(tmp_path: Path) -> None:
    for agent in ("dqn", "random"):
        for seed in range(2):
            sessions = sessions_of([f"{seed}{place}" for place in range(3)], ["a"], n_steps=20)
            write_run(tmp_path / f"{agent}-{seed}", config_of(agent, seed), returns=[1.0], sessions=sessions)
    runs = [(run.agent, run) for folder in sorted(tmp_path.iterdir()) for run in read_source(folder).runs]
    everything = pack(runs)
    assert [len(run["sessions"]) for run in everything["runs"]] == [3, 3, 3, 3]
    size = size_of(everything)
    packed = pack(runs, budget=(6 * size) // 10)
    assert size_of(packed) <= (6 * size) // 10
    # The first of both seeds stay, and of the second what fits; always the same users for both agents.
    users = {(run["label"], run["seed"]): [one["user"] for one in run["sessions"]] for run in packed["runs"]}
    assert users["dqn", 0] == users["random", 0] == ["00", "01"]
    assert users["dqn", 1] == users["random", 1] == ["10"]
    assert packed["leftOut"] == 6
    assert pack(runs, budget=10)["runs"] == []


@pytest.mark.slow
def test_a_large_comparison_stays_below_six_megabytes(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "compared")
    for number, path in enumerate(sorted(folder.glob("runs/*"))):
        titles = [f"A film of quite some length, part {number * 10 + item} (2001)" for item in range(10)]
        users = [str(user) for user in range(10)]
        (path / "sessions.json").write_text(json.dumps(sessions_of(users, titles, n_steps=75)))
    page = page_of(folder)
    assert 5_000_000 < len(page.encode()) < 6_000_000
    assert data_of(page)["worlds"][0]["leftOut"] > 0
    assert len(results([read_source(folder)])[0].entries) == 4


def test_what_has_no_items_is_reported_without_them(tmp_path: Path) -> None:
    task = Task(env="CartPole-v1")
    compare(Comparison(task=task, agents=["random"], episodes=3, seeds=1, evaluation_episodes=2), tmp_path / "poles")
    page = page_of(tmp_path / "poles")
    assert "CartPole-v1</h2>" in page
    assert [len(row) for row in rows_of(page)] == [8]  # without violence, coverage and Gini coefficient
    assert 'data-chart="scatter"' not in page
    assert missing(read_source(tmp_path / "poles")) == []


@pytest.mark.slow
def test_a_real_comparison_is_reported_as_it_stands_in_its_summary(world: World, tmp_path: Path) -> None:
    comparison = Comparison(
        task=Task(world=world, env_options={"slate_size": 2}),
        agents=["win-stay", "reinforce"],
        episodes=6,
        seeds=2,
        evaluation_episodes=8,
    )
    summary = compare(comparison, tmp_path / "compared")
    page = page_of(tmp_path / "compared")
    assert [row[:2] for row in rows_of(page)] == [[row.agent, f"{row.median:.2f}"] for row in summary.itertuples()]
    assert [float(row[7]) for row in rows_of(page)] == pytest.approx(summary["violence"], abs=6e-4)
    assert missing(read_source(tmp_path / "compared")) == []
    data = data_of(page)["worlds"][0]
    assert data["genres"] == list(GENRE_NAMES)
    assert {(run["label"], run["seed"], len(run["sessions"])) for run in data["runs"]} == {
        (agent, seed, 8) for agent in ("random", "oracle", "win-stay", "reinforce") for seed in range(2)
    }
    assert {item[0] for item in data["items"]} <= set(world.titles)
    curves = {entry["label"]: entry["curve"] for entry in data["entries"]}
    assert curves["oracle"] is None
    assert curves["reinforce"]["x"] == [1, 2, 3, 4, 5, 6]


def test_a_sweep_has_its_front_before_the_worlds_at_its_values(tmp_path: Path) -> None:
    page = page_of(write_sweep(tmp_path / "swept"))
    assert "<h1>Rating against violence</h1>" in page
    front, *worlds = re.findall(r"<h2 [^>]*>(.*?)</h2>", page)[:4]
    assert front == "Rating against violence over lambda_non_violent"
    assert [world.rpartition(", ")[2] for world in worlds] == [
        f"lambda_non_violent {value}" for value in (0.0, 0.5, 1.0)
    ]
    entries = {entry["label"]: entry for entry in data_of(page)["fronts"][0]["entries"]}
    assert entries.keys() == {"dqn", "oracle", "random"}
    dqn = entries["dqn"]["points"]
    # The median seed has 0.1 stars and 0.01 violence more; intervals are those of three seeds, within the ranges.
    assert [point["value"] for point in dqn] == [0.0, 0.5, 1.0]
    assert [point["rating"] for point in dqn] == [4.1, 3.85, 3.1]
    assert [point["violence"] for point in dqn] == [point["cvar"] for point in dqn] == [0.51, 0.31, 0.11]
    low, high = median_interval([4.0, 4.1, 4.2])
    assert (dqn[0]["rating_low"], dqn[0]["rating_high"]) == pytest.approx((low, high), rel=1e-4)
    assert entries["random"]["points"][0]["violence_low"] is None  # of three equal seeds
    rows = rows_of(page)
    assert [row[0] for row in rows] == ["dqn"] * 3 + ["oracle"] * 3 + ["random"] * 3
    assert rows[1][1:3] == ["0.5", "3.850 (3.503 to 4.197)"]
    # Random has 4.1 stars at a violence of 0.4: so has dqn without weight, but at 0.51.
    assert [row[6] for row in rows] == ["yes", "no", "no", "–", "–", "–", "no", "no", "no"]
    assert [row[8] for row in rows] == ["3"] * 9


def test_sweeps_in_the_same_world_share_a_front(tmp_path: Path) -> None:
    first, second = write_sweep(tmp_path / "first"), write_sweep(tmp_path / "second")
    elsewhere = write_sweep(tmp_path / "elsewhere", evaluation_pool="train")
    fronts = data_of(page_of(first, elsewhere, second))["fronts"]
    assert [len(front["entries"]) for front in fronts] == [6, 3]
    labels = {entry["label"] for entry in fronts[0]["entries"]}
    assert labels == {f"{agent}, {folder}" for agent in ("dqn", "oracle", "random") for folder in (first, second)}
    (twice,) = data_of(page := page_of(first, first))["fronts"]
    assert [len(entry["points"]) for entry in twice["entries"]] == [3, 3, 3]
    assert [row[8] for row in rows_of(page)] == ["3"] * 9  # seeds
    config = json.loads((second / "config.json").read_text()) | {"sweep": "dqn.learning_rate=0.01,0.02"}
    (second / "config.json").write_text(json.dumps(config))
    (front,) = data_of(page_of(first, second))["fronts"]
    labels = {entry["label"] for entry in front["entries"]}
    assert {"dqn, lambda_non_violent", "dqn, learning_rate", "random, learning_rate"} <= labels


def test_a_sweep_that_is_not_done_shows_what_there_is(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "swept", seeds=1)
    for run in (folder / "runs").glob("*=1-0"):
        shutil.rmtree(run)
    (folder / "runs" / "dqn@lambda_non_violent=0.5-0" / "result.json").unlink()
    page = page_of(folder)
    for line in (
        f"dqn@lambda_non_violent=1 in {folder}: seed 0 not begun",
        f"dqn@lambda_non_violent=0.5 in {folder}: seed 0 at episode 2 of 4, not evaluated",
        f"random@lambda_non_violent=1 in {folder}: seed 0 not begun",
    ):
        assert line in page
    entries = data_of(page)["fronts"][0]["entries"]
    assert {entry["label"]: len(entry["points"]) for entry in entries} == {"dqn": 1, "oracle": 2, "random": 2}
    for result in (folder / "runs").glob("*/result.json"):
        result.unlink()
    page = page_of(folder)
    assert data_of(page)["fronts"] == []
    assert "<h1>Agents in 2 worlds</h1>" in page


def test_slates_of_swept_sizes_are_not_called_of_one_size(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "swept")
    assert "synthetic, MovieLensFairness-v0, slates of 2: what agents show" in page_of(folder)
    config = json.loads((folder / "config.json").read_text()) | {"sweep": "slate-size=1:2:1"}
    (folder / "config.json").write_text(json.dumps(config))
    assert "synthetic, MovieLensFairness-v0: what agents show" in page_of(folder)
