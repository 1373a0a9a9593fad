"""What other people's tools are compared with us on: texts on which tokenizers and cuts differ."""

import json
from pathlib import Path
from random import Random

PASSAGES = 200
WORDS = (
    "photosynthesis turns light into sugar and the leaf stores it as starch until a cold night "
    "makes plants spend what they kept while rivers carry sediment towards quiet harbours"
).split()
ODD = (
    "",
    " ",
    "植物は光からエネルギーを得る。",
    "量子计算机使用叠加态",
    "광합성은 빛을 이용한다",
    "naïve café — “quoted” text…",
    "emoji 🌱 and a zero\u200bwidth space",
    "UPPER lower MiXeD",
    "line\nbreak\tand tab",
    "[MASK] [SEP] [CLS] written out",
    "a" * 300,
    "<b>bold</b> & &amp;",
)
TITLES = ("", "A title", "葉", "photosynthesis")


def passages() -> list[dict[str, str]]:
    """200 passages with id, title and text: odd, empty, short, and longer than a model reads."""
    random = Random(0)
    found = []
    for row in range(PASSAGES):
        if row < len(ODD) * len(TITLES):
            title, text = TITLES[row % len(TITLES)], ODD[row // len(TITLES)]
        else:
            length = random.choice((1, 3, 8, 20, 40, 400))
            title, text = random.choice(TITLES), " ".join(random.choices(WORDS, k=length))
        found.append({"id": f"d{row}", "title": title, "text": text})
    return found


def queries() -> list[str]:
    """64 queries, odd, and longer than a model reads."""
    random = Random(1)
    some = [" ".join(random.choices(WORDS, k=random.choice((1, 4, 9, 90)))) for _ in range(52)]
    return [*(text or "x" for text in ODD), *some]


def write_corpus(folder: Path) -> Path:
    """The passages as a corpus."""
    path = folder / "corpus.jsonl"
    lines = [json.dumps(passage, ensure_ascii=False) + "\n" for passage in passages()]
    path.write_text("".join(lines), encoding="utf-8")
    return path
