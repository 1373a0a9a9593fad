"""Reads YAML; what is wrong with it is one line, with the place."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3_pyserini.errors import I3Error

if TYPE_CHECKING:
    import yaml

OTHER_TYPES = frozenset({"binary", "set", "omap", "pairs", "timestamp"})  # which JSON has not
SHOWN = 200  # characters of a reason


def read_yaml(path: Path) -> Any:
    """Reads a YAML file.

    Raises:
        I3Error: it cannot be read, or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise I3Error(f"{path}: cannot be read ({error})") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, place: str, *, as_json: bool = False) -> Any:
    """Reads YAML.

    Args:
        text: the YAML.
        place: what it is, for messages.
        as_json: read no more than JSON has: dates are text, and references, bytes and sets are
            refused.

    Raises:
        I3Error: it is no YAML; with the line, where that is known.
    """
    import yaml  # noqa: PLC0415  (slow, and most commands need none)

    try:
        return yaml.load(text, _json_loader() if as_json else yaml.SafeLoader)  # noqa: S506  (safe)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" (in line {mark.line + 1})" if mark else ""
        reason = " ".join(f"{error.problem or error.context}".split())
        raise I3Error(f"{place}: not valid YAML: {reason:.{SHOWN}}{line}") from error
    # others than YAML's own: of `!!bool x`, of dates such as 2020-13-01, of deep nesting
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise I3Error(f"{place}: not valid YAML: {reason:.{SHOWN}}") from error


def _json_loader() -> "type[yaml.SafeLoader]":
    import yaml  # noqa: PLC0415  (see above)

    class Loader(yaml.SafeLoader):
        """YAML without dates and references."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("references (*NAME) are not read")
            return super().compose_node(parent, index)

    Loader.yaml_implicit_resolvers = {
        letter: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.yaml_constructors = {
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if str(tag).rpartition(":")[2] not in OTHER_TYPES
    }
    return Loader
