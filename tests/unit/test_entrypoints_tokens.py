from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from entrypoints.errors import ModelError
from entrypoints.tokens import Vocabulary

PIECES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "un", "##aff", "##able", "##ab", "##le"),
    *(
        "hello",
        "##s",
        "世",
        "界",
        "!",
        ",",
        "'",
        "-",
        "5",
        "##5",
        "e",
        "##é",
        "é",
        "caf",
        "##e",
        "\u03c3",
        "##\u03c3",
        "§",
    ),
]
TEXTS = [
    "",
    "the cat",
    "The CAT, unaffable!",
    "unaffablezzz hellos",
    "世界the",
    "  the\t\ncat\r\n ",
    "café CAFÉ cafe\u0301 é",
    "don't - 55 5-5",
    "\u200bthe\ufeff\x00\x07cat\ufffd",
    "the\u00a0cat\u2028the",
    "ΣΣ Σ\u03c3ς",
    "[SEP] the [CLS]",
    "x" * 101,
    "un" * 60,
    "§5§ ¿the? …",
    "İstanbul",
    "😀 the 👩\u200d👩\u200d👧",
]


def vocabulary(root: Path, tokens: list[str]) -> Path:
    path = root / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    return path


def library(*, lowercase: bool) -> Tokenizer:
    known = {token: number for number, token in enumerate(PIECES)}
    made = Tokenizer(WordPiece(known, unk_token="[UNK]"))  # noqa: S106 - a mark, no password
    made.normalizer = BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = BertPreTokenizer()
    made.post_processor = BertProcessing(("[SEP]", known["[SEP]"]), ("[CLS]", known["[CLS]"]))
    return made


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("lowercase", "max_tokens"), [(True, 512), (False, 512), (True, 6)])
def test_a_text_has_the_tokens_that_the_tokenizers_library_gives_it(
    tmp_path: Path,
    text: str,
    lowercase: bool,  # noqa: FBT001 - a parameter of the test
    max_tokens: int,
) -> None:
    theirs = library(lowercase=lowercase)
    theirs.enable_truncation(max_tokens)
    ours = Vocabulary.read(vocabulary(tmp_path, PIECES), lowercase=lowercase)
    assert ours.numbered([text], max_tokens) == [theirs.encode(text).ids]


def test_a_vocabulary_of_whole_words_knows_these_and_calls_the_rest_unknown(tmp_path: Path) -> None:
    tokens = Vocabulary.read(vocabulary(tmp_path, ["<pad>", "<unk>", "good", "bad"]))
    assert tokens.numbered(["Good, bad goodness", ""], 512) == [[2, 1, 3, 1], []]
    assert tokens.padding == 0


def test_without_a_mark_for_it_an_unknown_word_is_left_out(tmp_path: Path) -> None:
    assert Vocabulary.read(vocabulary(tmp_path, ["good", "bad"])).numbered(["good x bad"], 512) == [[0, 1]]


def test_texts_are_lower_cased_only_if_no_token_has_a_capital_letter(tmp_path: Path) -> None:
    assert Vocabulary.read(vocabulary(tmp_path, ["[UNK]", "good"])).lowercase
    assert not Vocabulary.read(vocabulary(tmp_path, ["[UNK]", "Good"])).lowercase


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe"])
def test_a_file_without_tokens_is_no_vocabulary(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(ModelError, match=r"v\.txt"):
        Vocabulary.read(tmp_path / "v.txt")


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(b"good\r\nbad")
    assert Vocabulary.read(tmp_path / "v.txt").tokens == {"good": 0, "bad": 1}
