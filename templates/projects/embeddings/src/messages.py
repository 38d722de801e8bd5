"""Messages, put together by chance from what customers of a shop might write, and their words' numbers."""

import random
import re
from collections import Counter

import torch

LABELS = ("delivery", "payment", "returns")
TOKENS = 256
PADDING, UNKNOWN = "[PAD]", "[UNK]"
SAID = {
    "delivery": (
        "when will the {thing} be delivered?",
        "the courier left the {thing} at the wrong door",
        "tracking says that the {thing} is still in the depot",
        "please send the {thing} to my new address",
        "the {thing} has not arrived yet",
        "shipping of the {thing} took two weeks",
        "the parcel with the {thing} is late",
    ),
    "payment": (
        "my card was charged twice for the {thing}",
        "the invoice for the {thing} shows the wrong amount",
        "can i pay for the {thing} by bank transfer?",
        "the voucher did not change the price of the {thing}",
        "my bank refused the payment for the {thing}",
        "the discount on the {thing} is missing on the invoice",
        "why do i pay a fee for the {thing}?",
    ),
    "returns": (
        "i want to send the {thing} back",
        "how do i return the {thing}?",
        "the {thing} does not fit and i want a refund",
        "can i exchange the {thing} for another size?",
        "the {thing} broke after one day, is there a warranty?",
        "where is the label for returning the {thing}?",
        "please take the broken {thing} back",
    ),
}
THINGS = ("shoes", "lamp", "jacket", "chair", "phone", "book", "cup", "shirt", "clock", "bag")
BEFORE = ("", "", "hello, ", "hi there, ", "good morning, ", "a question: ")
AFTER = ("", "", " thank you", " it is urgent", " please answer soon", " regards")


def messages(per_label: int, seed: int) -> tuple[list[str], torch.Tensor]:
    """Return messages, all of them different, and the numbers of their topics, of shape (n,)."""
    chance = random.Random(seed)
    found: dict[str, int] = {}
    for number, label in enumerate(LABELS):
        while list(found.values()).count(number) < per_label:
            said = chance.choice(SAID[label]).format(thing=chance.choice(THINGS))
            found[f"{chance.choice(BEFORE)}{said}{chance.choice(AFTER)}"] = number
    texts = chance.sample(list(found), len(found))
    return texts, torch.tensor([found[text] for text in texts])


def words(text: str) -> list[str]:
    """Return the words of ``text`` as the endpoint cuts them: lower case, marks by themselves."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


def vocabulary(texts: list[str]) -> list[str]:
    """Return the commonest words of ``texts``; a word's number is its place."""
    counted = Counter(word for text in texts for word in words(text))
    common = sorted(counted, key=lambda word: (-counted[word], word))
    return [PADDING, UNKNOWN, *common][:TOKENS]


def numbered(texts: list[str], known: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of the texts' words, filled up to the longest, and which of them count."""
    places = {word: number for number, word in enumerate(known)}
    rows = [torch.tensor([places.get(word, 1) for word in words(text)]) for text in texts]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long()
