"""Finding a patient of the day by what is typed."""

import pytest

from arthomed.frontdesk.matching import matches


@pytest.mark.parametrize(
    "typed",
    [
        "asha",
        "ver",
        "ver as",
        "ASHA VERMA",
        "ashaverma",
        "345",
        "2345",
        "9100012345",
        "+91 91000 12345",
        "12",
        "#12",
        "# 12",
        "token 12",
        "१२",
    ],
)
def test_a_patient_is_found(typed: str) -> None:
    assert matches(typed, names=["Asha Verma"], mobile="9100012345", token=12)


@pytest.mark.parametrize("typed", ["sha", "verma kumar", "1234", "13", "#1", "#345", "344", "<>", "###", "0" * 500])
def test_another_patient_is_not(typed: str) -> None:
    assert not matches(typed, names=["Asha Verma"], mobile="9100012345", token=12)


@pytest.mark.parametrize(("typed", "name"), [("अनि", "अनिल देशपांडे"), ("josé", "Jose"), ("oneil", "Sunita O'Neil")])
def test_names_are_found_in_any_script_and_spelling(typed: str, name: str) -> None:
    assert matches(typed, names=["Ravi Kumar", name], mobile="9100012345", token=None)
