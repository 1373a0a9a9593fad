"""Cells of CSV files that people open in a spreadsheet, where a text may be a formula.

Source: OWASP, "CSV Injection".
"""

import re

FORMULA = re.compile(r"'*[-+=@\t\r]")


def as_text(cell: str) -> str:
    """The cell with an apostrophe before it, if a spreadsheet would take it for a formula."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def from_text(cell: str) -> str:
    """The cell that `as_text` was given."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def as_text_or_number(cell: str) -> str:
    """Like `as_text`, but numbers such as -0.5 stay as they are."""
    try:
        float(cell)
    except ValueError:
        return as_text(cell)
    return cell
