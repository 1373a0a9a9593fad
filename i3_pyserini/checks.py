"""Checks of arguments that many functions take."""

from i3_pyserini.errors import I3Error


def at_least_1(**values: int | None) -> None:
    """Raises for a number below 1.

    Args:
        values: by the parameter's name; None is not looked at.

    Raises:
        I3Error: names the parameter.
    """
    for name, value in values.items():
        if value is not None and value < 1:
            raise I3Error(f"{name} is {value}, must be at least 1")


def check_tag(tag: str | None) -> None:
    """Raises for a tag that cannot be a column of a run; None is not looked at.

    Raises:
        I3Error: it is empty or has white space in it.
    """
    if tag is not None and tag.split() != [tag]:
        raise I3Error(f"tag {tag!r} is empty or has white space in it")
