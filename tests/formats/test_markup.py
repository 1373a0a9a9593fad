"""HTML in texts: what is markup goes, what only looks like it stays."""

import pytest

from i3_pyserini.formats.markup import strip_html


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain  text\n here", "plain  text\n here"),
        ("R & D,  a < b", "R & D,  a < b"),
        ("<p>One</p><p>Two</p>", "One Two"),
        ("hot<br>egg<br/>soup", "hot egg soup"),
        ("<b>wa</b>ter <A HREF='x>y'>link</a>", "water link"),
        ("5&nbsp;&euro; &amp; more", "5\xa0€ & more"),
        ("&lt;p&gt;", "<p>"),
        ("a<script>if (a<b) x()</script><style>p{}</style>b<!-- c -->", "a b"),
        ("<!DOCTYPE html><html><head><title>T</title></head><body>b</body></html>", "T b"),
        ("<svg><text>no</text></svg>yes", "yes"),
        ("<![CDATA[x & y]]>", "x & y"),
        ("Dear <Customer>, see <a@b.example> </x>", "Dear <Customer>, see <a@b.example> </x>"),
        ("if x<3 then", "if x<3 then"),
        ("an <b open tail", "an <b open tail"),
        ("<ul><li>1<li>2</ul>", "1 2"),
        ("<p>kept <script>never closed", "<p>kept <script>never closed"),
        ("a <!-- b <br> <![CDATA[c", "a <!-- b <![CDATA[c"),
        ("a <![<! b <?x> </ <", "a <![<! b <?x> </ <"),
        ("", ""),
    ],
)
def test_markup(text: str, expected: str) -> None:
    assert strip_html(text) == expected
