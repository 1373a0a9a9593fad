import json
from pathlib import Path
from typing import Any

import pytest
from transformers import BertConfig

from i3_pyserini import I3Config, I3Error, I3Retriever
from i3_pyserini.model.config import load_i3_config


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"interaction": "relesed"}, "interaction is 'relesed', must be one of released, paper"),
        ({"pooling": "median"}, "pooling is 'median'"),
        ({"interactor_init": "zero"}, "interactor_init"),
        ({"pseudo_query_positions": "rotary"}, "pseudo_query_positions"),
        ({"query_length": 0}, "query_length is 0, must be a positive whole number"),
        ({"passage_length": "140"}, "passage_length is '140'"),
        ({"num_head_layers": True}, "num_head_layers"),
        ({"pseudo_query_length": 2}, "pseudo_query_length must be at least 3"),
        ({"normalize": "yes"}, "normalize is 'yes'"),
        ({"passage_template": "{title}"}, "must use {text}"),
        ({"passage_template": "{text} {body}"}, "nothing else"),
        ({"passage_template": "{text"}, "malformed"),
        ({"passage_template": "{text!r}"}, "nothing else"),
        ({"passage_template": "{text:>99}"}, "nothing else"),
        ({"untitled_template": "{title} {text}"}, "nothing else"),
        ({"query_prefix": "q:", "query_prompt": "q: "}, "cannot be combined"),
        ({"lowercase": 1}, "lowercase is 1"),
        ({"missing_value": None}, "missing_value is None, must be text"),
        ({"mask_token_id": 30522}, "mask_token_id is 30522, must be an id below 30522"),
        ({"cls_token_id": None}, "cls_token_id is None"),
        ({"encoder_config": {"model_type": "no-such"}}, "does not know model_type 'no-such'"),
        ({"encoder_config": 7}, "not a int"),
    ],
)
def test_unknown_values_are_refused(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(I3Error, match=said.replace("{", r"\{").replace("}", r"\}")):
        I3Config(**setting)


def test_round_trip(tmp_path: Path) -> None:
    config = I3Config(encoder_config=BertConfig(hidden_size=24), pooling="mean", query_prefix="q:")
    config.save_pretrained(tmp_path)
    again = load_i3_config(str(tmp_path))
    assert again.to_dict() == config.to_dict()
    assert again.hidden_size == 24


def test_wrong_value_in_a_file_names_the_file(tmp_path: Path) -> None:
    I3Config().save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(
        json.dumps({**json.loads(file.read_text(encoding="utf-8")), "pooling": "sum"}),
        encoding="utf-8",
    )
    with pytest.raises(I3Error, match=r"config\.json: config: pooling is 'sum'"):
        load_i3_config(str(tmp_path))


def test_unknown_setting_of_from_backbone(tiny_bert: str) -> None:
    with pytest.raises(I3Error, match=r"unknown setting normalise; known are .*normalize"):
        I3Retriever.from_backbone(tiny_bert, normalise=True)


def test_config_names_no_path_of_this_machine(tiny_bert: str) -> None:
    assert tiny_bert not in I3Retriever.from_backbone(tiny_bert).config.to_json_string()
