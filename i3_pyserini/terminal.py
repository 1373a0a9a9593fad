"""Text that comes from files, made safe to print: it may not command the terminal."""

import re

# Control characters but tab and line feed; ends of lines; what changes the direction of text.
CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def visible(text: str) -> str:
    r"""The text with control characters as escapes, such as `\u001b`; tabs and line feeds stay.

    A name or id with a terminal's commands could otherwise change what is on the screen, or write
    a line that looks like ours. The escapes are those of JSON, so that JSON stays what it is.
    """
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """The text on one line, without control characters; white space becomes blanks."""
    return visible(" ".join(text.split()))
