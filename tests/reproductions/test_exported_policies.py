import pandas as pd
from reproductions.exported_policies import CASES, CLOSE, SESSIONS, TABLE, table
from reproductions.runner import DOCS

from pydeeprecsys.serving.parity import STATES


def test_the_committed_rows_are_of_all_cases_and_the_page_shows_them() -> None:
    rows = pd.read_csv(TABLE, keep_default_na=False)
    assert list(zip(rows["agent"], rows["world"], rows["options"], strict=True)) == [
        (case.agent, case.world, case.options) for case in CASES
    ]
    assert (rows["states"] >= 0.9 * STATES).all()
    assert (rows["slates"] >= 0.98 * rows["states"]).all()
    assert ((rows["agent_return"] - rows["policy_return"]).abs() < CLOSE).all()
    assert (rows.loc[rows["agent"] != "slate-q", "same_sessions"] >= SESSIONS - 1).all()
    assert f"<!-- exported_policies -->\n{table(rows)}<!-- /exported_policies -->" in DOCS.read_text()
