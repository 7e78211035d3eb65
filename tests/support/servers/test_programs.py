import pytest

from tests.support.servers.programs import ProgramMissing, require


def test_a_missing_program_skips_on_a_laptop_and_fails_on_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> None:
        raise ProgramMissing("no such program")

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such program"):
        require(find)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such program"):
        require(find)
