"""Every command is tried, or it is said why not."""

from i3_pyserini.cli import COMMANDS
from tests.faults.cases import CASES, UNTRIED


def test_every_command_is_a_case_or_has_a_reason() -> None:
    names = [case.name for case in CASES]
    assert len({*names}) == len(names)
    tried = {name.partition(",")[0] for name in names}
    assert not tried & UNTRIED.keys()
    assert tried | UNTRIED.keys() == COMMANDS.keys()
