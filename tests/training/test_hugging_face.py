"""What is exported is what transformers reads: logits, tokens, tokenizer; and published weights come back in."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.encoders import TokenizersEncoder
from corpus.errors import RecipeError, TokentrailError
from corpus.tokenizer import GPT2_SIZE, Vocabulary, gpt2_spellings, load_vocabulary
from training import hugging_face
from training.config import ModelShape
from training.generate import generate, main
from training.hugging_face import load_model, read_model, read_vocabulary, write_model
from training.initialise import initialise
from training.model import Opt

transformers = pytest.importorskip("transformers")

# As wide a vocabulary as the corpus has: the tokenizer is exported with it.
BEFORE = ModelShape(layers=3, heads=4, width=32, feed_forward=64, vocabulary=50264, positions=48)
AFTER = ModelShape(
    layers=2,
    heads=2,
    width=32,
    feed_forward=48,
    vocabulary=50264,
    positions=48,
    embedding_width=16,
    normalise="after",
)
PROMPT = "The keeper watched the harbour, 7 lamps;\n  naïve  日本"


def model_of(shape: ModelShape, spread: float = 20.0) -> Opt:
    """Initial values, and wider than OPT's: at those every id is as likely as any other."""
    with torch.device("meta"):
        model = Opt(shape)
    model.to_empty(device="cpu")
    initialise(model, shape, seed=5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(spread if parameter.dim() > 1 else 1)
    return model


@pytest.fixture(scope="module", params=[BEFORE, AFTER], ids=["before", "after"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Opt, str]:
    """A model and the folder it was exported to."""
    folder = str(tmp_path_factory.mktemp("exported") / "model")
    model = model_of(request.param)
    write_model(folder, model.state_dict(), model.shape, load_vocabulary("gpt2"))
    return model, folder


def ids(shape: ModelShape, rows: int = 3) -> torch.Tensor:
    return torch.randint(0, GPT2_SIZE, (rows, 40), generator=torch.Generator().manual_seed(1))


def theirs(folder: str) -> Any:
    model, told = transformers.OPTForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(told[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), told
    return model.eval()


def test_logits_go_out_and_come_in_unchanged(exported: tuple[Opt, str], tmp_path: Path) -> None:
    model, folder = exported
    judge = theirs(folder)
    with torch.no_grad():
        expected = judge(ids(model.shape)).logits
        assert expected.std() > 0.1
        assert (model(ids(model.shape)) - expected).abs().max() <= 1e-5 * max(1.0, float(expected.std()))
        judge.save_pretrained(tmp_path / "back")
        back = load_model(str(tmp_path / "back"))
        assert torch.equal(back(ids(model.shape)), model(ids(model.shape)))


def test_greedy_generation_is_transformers_token_for_token(exported: tuple[Opt, str]) -> None:
    model, folder = exported
    judge = theirs(folder)
    for prompt in ids(model.shape, rows=4)[:, :7].tolist():
        asked = torch.tensor([prompt])
        answer = judge.generate(
            asked, attention_mask=torch.ones_like(asked), max_length=48, do_sample=False, pad_token_id=0
        )
        # The last one stands where there is no position left to go on from.
        assert list(generate(model, prompt, end=GPT2_SIZE - 1))[:41] == answer[0, 7:].tolist()


@pytest.mark.parametrize("text", [PROMPT, "", " ", "<|endoftext|>x", "it's  3.14\n\n\t"])
def test_their_tokenizer_gives_our_ids(exported: tuple[Opt, str], text: str) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(exported[1])
    ours = TokenizersEncoder().encode(Texts.from_list([text.encode()])).ids.tolist()
    found = tokenizer(text, split_special_tokens=True)["input_ids"]
    assert found == [GPT2_SIZE - 1, *ours]
    assert tokenizer.decode(ours, clean_up_tokenization_spaces=False) == text
    assert tokenizer.eos_token_id == GPT2_SIZE - 1


def test_published_weights_in_their_older_forms_come_in(tmp_path: Path) -> None:
    """Pickled, in parts, half as wide, without the first level of names, with the head beside."""
    model = model_of(BEFORE)
    state = {name.removeprefix("model."): each.half() for name, each in model.state_dict().items()}
    names = sorted(state)
    state["lm_head.weight"] = state["decoder.embed_tokens.weight"]
    write_model(str(tmp_path / "new"), model.state_dict(), BEFORE, load_vocabulary("gpt2"))
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "config.json").write_bytes((tmp_path / "new" / "config.json").read_bytes())
    where = {}
    for number, part in enumerate([names[:20], [*names[20:], "lm_head.weight"]], start=1):
        file = f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save({name: state[name] for name in part}, folder / file)
        where |= dict.fromkeys(part, file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    shape, found = read_model(str(folder))
    assert shape == BEFORE
    assert found.keys() == model.state_dict().keys()
    assert all(torch.equal(each, model.state_dict()[name].half()) for name, each in found.items())
    assert load_model(str(folder)).model.decoder.embed_tokens.weight.dtype == torch.float32


def test_large_weights_lie_in_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hugging_face, "FILE_BYTES", 20_000)
    model = model_of(BEFORE)
    write_model(str(tmp_path / "m"), model.state_dict(), BEFORE, load_vocabulary("gpt2"))
    assert len(list((tmp_path / "m").glob("model-*-of-*.safetensors"))) > 5
    with torch.no_grad():
        assert torch.equal(load_model(str(tmp_path / "m"))(ids(BEFORE)), model(ids(BEFORE)))
        assert (theirs(str(tmp_path / "m"))(ids(BEFORE)).logits - model(ids(BEFORE))).abs().max() < 1e-4


def test_the_same_model_is_exported_to_the_same_bytes(exported: tuple[Opt, str], tmp_path: Path) -> None:
    model, folder = exported
    write_model(str(tmp_path / "again"), model.state_dict(), model.shape, load_vocabulary("gpt2"))
    names = sorted(path.name for path in Path(folder).iterdir())
    assert names == ["config.json", "merges.txt", "model.safetensors", "tokenizer_config.json", "vocab.json"]
    assert all((tmp_path / "again" / name).read_bytes() == Path(folder, name).read_bytes() for name in names)


def test_the_vocabulary_comes_back(tmp_path: Path, exported: tuple[Opt, str]) -> None:
    assert read_vocabulary(exported[1]).name == "gpt2"
    opt = opt_vocabulary(tmp_path)
    shape = ModelShape(layers=1, heads=2, width=8, feed_forward=8, positions=16)
    write_model(str(tmp_path / "m"), model_of(shape).state_dict(), shape, opt)
    back = read_vocabulary(str(tmp_path / "m"))
    assert (back.name, back.tokens) == ("opt", opt.tokens)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(tmp_path / "m"))
    plain = TokenizersEncoder().encode(Texts.from_list([PROMPT.encode()])).ids
    assert tokenizer(PROMPT)["input_ids"] == [2, *opt.from_gpt2[plain].tolist()]
    assert (tokenizer.pad_token_id, tokenizer.eos_token) == (1, "</s>")


def opt_vocabulary(folder: Path) -> Vocabulary:
    """An order of OPT's form; which number each token of GPT-2's has is not ours to ship."""
    entries = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<|endoftext|>": 50_260, "<mask>": 50_264}
    entries |= {f"madeupword000{number}": 50_261 + number for number in range(3)}
    free = (number for number in range(4, 50_260))
    entries |= {spelling: next(free) for spelling in reversed(gpt2_spellings()[:-1])}
    (folder / "gpt2-vocab.json").write_text(json.dumps(entries))
    return load_vocabulary(str(folder / "gpt2-vocab.json"))


def _config(**changed: object) -> Callable[[Path], object]:
    def harm(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))

    return harm


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with open(folder / "pytorch_model.bin", "wb") as file:
        pickle.dump({"lm_head.weight": print}, file, protocol=2)


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (_config(num_hidden_layers=2), "tensors are not the model's"),
        (_config(num_hidden_layers=4), "tensors are not the model's"),
        (_config(activation_function="gelu"), "activation_function is 'gelu'"),
        (_config(_remove_final_layer_norm=True), "_remove_final_layer_norm is True"),
        (_config(hidden_size="many"), "this is no OPT that is built here"),
        (lambda folder: (folder / "config.json").write_text("["), "this is no JSON object"),
        (lambda folder: (folder / "config.json").unlink(), "there is no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "there are no weights"),
        (_cut, "does not read"),
        (_pickle, "does not read"),
    ],
)
def test_what_does_not_fit_is_not_loaded(
    harm: Callable[[Path], object], what: str, exported: tuple[Opt, str], tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    write_model(str(folder), model_of(BEFORE).state_dict(), BEFORE, load_vocabulary("gpt2"))
    harm(folder)
    with pytest.raises(TokentrailError, match=what) as caught:
        read_model(str(folder))
    assert len(str(caught.value).splitlines()) == 3


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(TokentrailError, match="something already"):
        write_model(str(tmp_path / "m"), model_of(BEFORE).state_dict(), BEFORE, load_vocabulary("gpt2"))
    assert [path.name for path in tmp_path.rglob("*")] == ["m"]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**40), st.sampled_from([0.3, 0.9, 1.0]))
def test_a_sample_is_drawn_from_the_nucleus_and_can_be_drawn_again(sample: int, top_p: float) -> None:
    """The oracle: the whole sequence anew for each token, sorted by Python."""
    model, prompt = model_of(NUCLEUS), [5, 9, 2]
    drawn = list(generate(model, prompt, end=-1, top_p=top_p, sample=sample))
    assert drawn == list(generate(model, prompt, end=-1, top_p=top_p, sample=sample))
    for count, token in enumerate(drawn):
        seen = torch.tensor([[*prompt, *drawn[:count]]])
        with torch.no_grad():
            chances = model(seen)[0, -1].double().softmax(-1).tolist()
        likelier = sum(chance for chance in chances if chance > chances[token])
        assert likelier < top_p + 1e-6
    assert list(generate(model, prompt, end=drawn[2], top_p=top_p, sample=sample))[-1] == drawn[2]


NUCLEUS = ModelShape(layers=1, heads=2, width=16, feed_forward=16, vocabulary=24, positions=12)


def test_draws_follow_the_probabilities() -> None:
    model = model_of(NUCLEUS)
    with torch.no_grad():
        expected = model(torch.tensor([[5, 9, 2]]))[0, -1].softmax(-1)
    draws = [next(generate(model, [5, 9, 2], end=-1, top_p=1.0, sample=number)) for number in range(2000)]
    found = torch.bincount(torch.tensor(draws), minlength=24) / 2000
    assert (found - expected).abs().max() < 5 * (0.25 / 2000) ** 0.5


def test_the_command_goes_on_with_a_prompt(exported: tuple[Opt, str], capsys: pytest.CaptureFixture[str]) -> None:
    line = [exported[1], "--prompt", "The keeper", "--tokens", "5"]
    assert main([*line, "--top-p", "0.9", "--samples", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("The keeper")
    assert main([*line, "--top-p", "0.9", "--samples", "2"]) == 0
    assert capsys.readouterr().out == said
    assert main([*line, "--top-p", "1.5"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    with pytest.raises(RecipeError, match="positions"):
        next(generate(exported[0], [], end=0))
