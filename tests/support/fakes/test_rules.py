from pathlib import Path

from tests.support.fakes.rules import LogReader


def test_a_line_that_is_just_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    reader = LogReader(log)
    assert reader.read() == []

    log.write_text('{"text": "one\u2028line"}\n{"text": "cut o')
    assert reader.read() == [{"text": "one\u2028line"}]
    with log.open("a") as file:
        file.write('ff"}\n')

    assert reader.read() == [{"text": "one\u2028line"}, {"text": "cut off"}]
