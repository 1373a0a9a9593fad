"""Odd ids, titles and texts for random worlds."""

from random import Random

WORDS = (
    "egg eggs boil boiling water cold photosynthesis the of and in a to is how long what plant "
    "light parcel came broken price returns naïve Äpfel straße café résumé coöperate ÉTÉ İstanbul "
    "ﬁne ½ ²³ e\u0301te\u0301 U.S. don't it's well-known co-op 3,000 1.5 $5 50% #tag @you C++ "
    "Zażółć gęślą jaźń привет мир γειά σου שלום مرحبا नमस्ते 東京 日本語 中文字符 한국어 ไทย"
).split()
# What stands for itself somewhere: special tokens, markup, words that tables take for "missing".
SPECIAL = (
    "[SEP] [CLS] [MASK] [PAD] [UNK] <s> </s> <pad> <mask> <unk> ##ing Ġ ▁ {title} {text} %s \\n "
    "\"quoted\" 'single' NA null nan None <b>bold</b> &amp; 🥚 👩\u200d🔬 \u200b \ufeff x\u0000y"
).split()
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 4
MISSING_TITLES = ("None", "null", "nan", "NA", "N/A", "#N/A")
# Between them they have what a CSV reader, a shell, a URL or a glob pattern would change.
ODD_IDS = (
    *("007", "7", "00", "1e5", "-0", "+1", "0x10", "1.0", "NaN", "null", "None", "True", "inf"),
    *("#1", "a#b", "%41", "100%", "a,b", "a;b", 'say"so"', '"', "'", "it's", "a\\b", "\\", "`id`"),
    *("[1]", "*", "?", "a|b", "$HOME", "~", "../up", "a/b", "-x", "--y", "=1+1", "@x", "<x>", "&"),
    *(
        "übung",
        "u\u0308bung",
        "ÜBUNG",
        "日本",
        "שלום",
        "🥚",
        "👩\u200d🔬",
        "e\u0301",
        "é",
        "ﬁ",
        "İ",
    ),
    *("id", "_id", "docid", "query-id", "corpus-id", "Q0", "text", "{}", "[]", "x" * 300),
)
# What a first line of queries that begins so would be taken for.
HEADERS = ("id", "_id", "docid", "query-id", "corpus-id")
ODD_FOLDERS = (
    "plain",
    "a b",
    "ix[1]",
    "q?*",
    "ünï",
    "x#y",
    "50%",
    "it's",
    "a,b",
    '"q"',
    "-d",
    "{x}",
)


def odd_ids(random: Random, count: int, prefix: str) -> list[str]:
    """Different ids: plain ones, and odd ones among them more or less often."""
    share = random.choice((0.0, 0.3, 0.9))
    # A first line whose id is a column's name would be refused, in whatever file it comes to be.
    known = [one for one in ODD_IDS if one not in HEADERS]
    pool = random.sample(known, len(known))
    ids = [
        pool.pop() if pool and random.random() < share else f"{prefix}{number}"
        for number in range(count)
    ]
    random.shuffle(ids)
    return ids


def some_text(random: Random, words: int, special: bool = True) -> str:
    """A text of about so many words; one line, no blanks around it, never empty."""
    pool = [*WORDS, *SPECIAL] if special and random.random() < 0.3 else WORDS
    chosen = [random.choice(pool) for _ in range(max(1, words))]
    if random.random() < 0.1:
        chosen[random.randrange(len(chosen))] = LONG_WORD
    between = "  " if random.random() < 0.1 else " "
    text = between.join(chosen).strip().replace("\x00", "\ufffd")
    return text if text.strip("\u200b\ufeff") else f"egg {text}"


def some_length(random: Random, limit: int) -> int:
    """Words of a text: mostly few, at times about as many as fit or far more."""
    return random.choice((1, 2, 5, 9, 15, max(1, limit - 2), limit, limit + 1, 4 * limit))
