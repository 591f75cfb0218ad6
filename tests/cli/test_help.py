import io
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from command_line import run
from pydeeprecsys.cli import cli
from pydeeprecsys.cli.groups import first_sentence
from pydeeprecsys.experiments.catalogue import agent_names

ROOT = Path(__file__).parents[2]
HELP = ("--help", "train --help", "train dqn -h", "train cma-es --help", "compare --help", "tune --help")
HELP += ("resume --help", "evaluate --help", "audit --help", "report --help", "data --help", "data fetch --help")
HELP += ("data describe -h", "demo --help")
HELP += ("run --help", "env --help", "env", "env MovieLensFairness-v1", "env InterestEvolution-v0")
ERRORS = ("nosuch", "train", "train nosuch", "train dqn --no-such-option", "train dqn --n-steps few", "tune nosuch")
ERRORS += ("train ppo --learning-rate -1", "train dqn --state-encoder none", "train ease --out", "resume nowhere")
ERRORS += ("compare --agents random,nosuch", "compare --set dqn.rate=1", "compare --set dqn.n_steps=few", "report")
ERRORS += ("train dqn --env NoSuch-v0", "tune dqn --env-option nosuch=1", "compare --env-option slate_size=few")
ERRORS += ("run", "run nowhere.yaml", f"run {__file__}", "run src", "env NoSuch-v0")
ERRORS += ("tune oracle", "tune ppo --env CartPole-v1 --world-version 1", "compare --config nowhere.json")
ERRORS += ("train dqn --dataset nosuch.csv", "compare --dataset ml-1n?scale=1,5", "resume .", "evaluate .", "audit .")
ERRORS += ("train dqn --out .", "compare --out src", "tune ppo --out .", "data fetch nosuch", "data fetch synthetic")
ERRORS += ("report .", "report nowhere", "data describe nosuch", "demo --jobs 0", "demo --set nosuch=1")

SLOW = {"torch", "numba", "pandas", "scipy", "matplotlib", "optuna"}
RUN_AND_LOOK = f"""
import contextlib, io, sys
from pydeeprecsys.cli import main
for words in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            main(words.split())
        except SystemExit as stopped:
            print(f"{{words}}: exit code {{stopped.code}}", file=sys.__stdout__)
    assert out.getvalue() or errors.getvalue().count("\\n") == 1, words
    if slow := {SLOW} & sys.modules.keys():
        sys.exit(f"{{words}} imports {{slow}}")
"""


def test_help_and_usage_errors_import_nothing_slow() -> None:
    command = [sys.executable, "-c", RUN_AND_LOOK, *HELP, *ERRORS]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert not shown.stderr
    codes = [line.rsplit(" ", 1)[1] for line in shown.stdout.splitlines()]
    assert codes == ["0"] * len(HELP) + ["2"] * len(ERRORS)


def test_letters_that_the_output_cannot_hold_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="cp1252", write_through=True))
    assert run("train", "dqn", "--help") == 0
    assert b"it is ?-greedy" in shown.getvalue()


def completion(words: str) -> dict[str, str]:
    """The environment in which a shell asks for completions of the last of some words."""
    return {"_PYDEEPRECSYS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}


@pytest.mark.slow
def test_help_takes_three_times_as_long_as_gymnasium_at_most_and_completion_half_as_long_again() -> None:
    ours = [sys.executable, "-m", "pydeeprecsys.cli"]
    commands = {words: ([*ours, *words.split()], {}) for words in (*HELP[:5], *ERRORS[:4])}
    commands |= {
        f"complete {words!r}": (ours, completion(words)) for words in ("pydeeprecsys train ", "x train dqn --l")
    }
    times: dict[str, list[float]] = {"gymnasium": [], **{name: [] for name in commands}}
    for _ in range(5):
        for name in times:
            command, variables = commands.get(name, ([sys.executable, "-c", "import gymnasium"], {}))
            before = time.perf_counter()
            subprocess.run(command, env=os.environ | variables, capture_output=True, check=False)
            times[name].append(time.perf_counter() - before)
    ratios = {name: statistics.median(each) / statistics.median(times["gymnasium"]) for name, each in times.items()}
    assert {name: ratio for name, ratio in ratios.items() if ratio > (1.5 if "complete" in name else 3)} == {}


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("DQN (Mnih et al. 2015), with n-step returns. More.", "DQN (Mnih et al. 2015), with n-step returns."),
        ("Of Hessel et al. (2018).\nIn six parts.", "Of Hessel et al. (2018)."),
        ("Few, e.g. DQN, i.e. Q-learning vs. Monte Carlo. No more.", "Few, e.g. DQN, i.e. Q-learning vs. Monte Carlo."),
        ("After R. S. Sutton and A.G. Barto, cf. Eq. (3)! Next.", "After R. S. Sutton and A.G. Barto, cf. Eq. (3)!"),
        ("Steps of 0.5 in v1.2 of Gym. Next.", "Steps of 0.5 in v1.2 of Gym."),
        ("One line without a dot\n\nAnother paragraph.", "One line without a dot"),
        ("Over two\n    lines. Next.", "Over two lines."),
        ("", ""),
    ],
)
def test_a_command_is_listed_with_its_first_sentence(text: str, first: str) -> None:
    assert first_sentence(text) == first


def test_the_list_of_agents_cuts_no_sentence() -> None:
    shown = subprocess.run([sys.executable, "-m", "pydeeprecsys.cli", "train", "-h"], capture_output=True, text=True)
    listed = " ".join(shown.stdout.split("Commands:")[1].split())
    assert "..." not in listed
    assert "dqn DQN (Mnih et al. 2015), optionally with double Q-learning (van Hasselt et al. 2016) and n-s" in listed


COMMANDS = ["demo", "data", "env", "train", "compare", "tune", "run", "evaluate", "export", "recommend"]
COMMANDS += ["audit", "resume", "report"]


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("", COMMANDS),
        ("c", ["compare"]),
        ("train w", ["win-stay"]),
        ("train dqn --learning", ["--learning-rate"]),
        ("train dqn --state-encoder g", ["gru"]),
        ("train dqn --n-steps 3 --no-d", ["--no-double"]),
        ("compare --agents dqn,s", ["dqn,sac", "dqn,slate-q"]),
        ("compare --set dqn.learning", ["dqn.learning_rate="]),
        ("compare --env MovieL", ["MovieLensFairness-v0", "MovieLensFairness-v1"]),
        ("compare --env InterestEvolution-v0 --env-option n", ["n_candidates="]),
        ("compare --env CartPole-v1 --env-option n", []),
        ("tune r", ["reinforce", "rainbow"]),
        ("data fetch ml-1", ["ml-100k", "ml-1m", "ml-10m"]),
        ("data fetch tag", ["tag-genome"]),
        ("compare --train-pool e", ["evaluation"]),
    ],
)
def test_the_shell_completes(words: str, completed: list[str]) -> None:
    *before, last = words.split(" ")
    shell = BashComplete(cli, {}, "pydeeprecsys", "_PYDEEPRECSYS_COMPLETE")
    assert [item.value for item in shell.get_completions(before, last)] == completed


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("x train ", "".join(f"plain,{name}\n" for name in agent_names())),
        ("x train dqn --dataset ml-2", "file,ml-2\nplain,ml-20m\nplain,ml-25m\n"),
        ("x data describe syn", "file,syn\nplain,synthetic\n"),
        ("x resume ru", "dir,ru\n"),
    ],
)
def test_the_command_itself_answers_the_shell(words: str, answer: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pydeeprecsys.cli"]
    variables = os.environ | completion(words)
    shown = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (shown.stdout, shown.stderr) == (answer, "")


@pytest.mark.parametrize(("shell", "line"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --no-f")])
def test_there_is_a_script_for_each_shell(shell: str, line: str) -> None:
    command = [sys.executable, "-m", "pydeeprecsys.cli"]
    variables = os.environ | {"_PYDEEPRECSYS_COMPLETE": f"{shell}_source"}
    shown = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert line in shown.stdout
    assert f"_PYDEEPRECSYS_COMPLETE={shell}_complete" in shown.stdout
