from __future__ import annotations

import io
import json
import wave

import numpy as np
import pytest
import torch
import tsugiki
from tsugiki.errors import DataError, OptionError, OutputError
from tsugiki_seq2seq.melody.melody_command import command, write_melody
from tsugiki_seq2seq.melody.melody_data import KEYS, METRES, pitch_number, read_bars
from tsugiki_seq2seq.melody.melody_files import RATE, piano_roll, sound_file
from tsugiki_seq2seq.melody.melody_generation import grow_melody
from tsugiki_seq2seq.melody.midi_files import midi_file, variable_length
from tsugiki_seq2seq.texts.special_tokens import special_token_fields
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

NOTES = [(60, 2), (62, 2), (64, 3), (65, 1), (67, 8)]
LEARNT = {
    "C4": "key=C time=4/4 C4:2 D4:2 E4:2 F4:2 | G4:4 E4:4 | D4:2 B3:2 C4:4 |",
    "D5": "key=G time=3/4 D5:2 B4:2 G4:2 | A4:4 F#4:2 | G4:6 |",
}


@pytest.mark.parametrize(
    ("number", "written"),  # the table of the MIDI 1.0 specification
    [
        (0x00, "00"),
        (0x40, "40"),
        (0x7F, "7F"),
        (0x80, "8100"),
        (0x2000, "C000"),
        (0x3FFF, "FF7F"),
        (0x4000, "818000"),
        (0x100000, "C08000"),
        (0x1FFFFF, "FFFF7F"),
        (0x200000, "81808000"),
        (0xFFFFFFF, "FFFFFF7F"),
    ],
)
def test_lengths_are_written_as_the_specification_shows(number, written):
    assert variable_length(number).hex().upper() == written


@pytest.mark.parametrize("metre", list(METRES))
def test_mido_reads_the_same_notes(metre):
    mido = pytest.importorskip("mido")
    file = mido.MidiFile(file=io.BytesIO(midi_file(NOTES, tempo=90, metre=metre)))
    assert (file.type, len(file.tracks)) == (0, 1)
    tempo = next(message for message in file.tracks[0] if message.type == "set_tempo")
    assert mido.tempo2bpm(tempo.tempo) == pytest.approx(90, rel=1e-5)
    signature = next(message for message in file.tracks[0] if message.type == "time_signature")
    assert f"{signature.numerator}/{signature.denominator}" == metre
    found, pitch = [], None
    for message in file.tracks[0]:
        if message.type == "note_on":
            assert message.time == 0
            pitch = message.note
        elif message.type == "note_off":
            assert message.note == pitch
            found.append((message.note, 2 * message.time / file.ticks_per_beat))
    assert found == NOTES
    assert file.length == pytest.approx(sum(length for _, length in NOTES) * 30 / 90, rel=1e-5)


def test_the_sound_has_the_pitch_and_length_of_its_notes():
    with wave.open(io.BytesIO(sound_file([(69, 4)], tempo=60))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        assert file.getframerate() == RATE
    assert len(samples) == 2 * RATE
    loudest = np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples)
    assert loudest == pytest.approx(440, abs=1)
    assert np.abs(samples).max() < 32767


def test_the_picture_is_a_png():
    assert piano_roll(NOTES, metre="4/4", title="C").startswith(b"\x89PNG\r\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network that knows two melodies by heart."""
    headers = " ".join([*(f"key={key}" for key in KEYS), *(f"time={metre}" for metre in METRES)])
    tokenizer = learn_tokenizer([*LEARNT.values(), headers], kind="word", vocab_size=100)
    torch.manual_seed(0)
    model = tsugiki.create_model(
        "recurrent", "text-generation", hidden_size=32, cell_type="gru", **special_token_fields(tokenizer)
    )
    end = tokenizer.eos_token_id
    rows = [[end, *tokenizer(text)["input_ids"], end] for text in LEARNT.values()]
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    model.train()
    for _ in range(60):
        loss = sum(model(torch.tensor([row]), labels=torch.tensor([row])).loss for row in rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("melodies") / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("start", list(LEARNT))
def test_a_melody_grows_from_its_start_note(folder, tmp_path, start):
    facts = write_melody(str(folder), tmp_path / "tune.mid", start=start, temperature=0.3)
    assert facts["text"] == LEARNT[start]
    assert facts["bars"] == len(read_bars(LEARNT[start]))
    mido = pytest.importorskip("mido")
    pitches = [message.note for message in mido.MidiFile(tmp_path / "tune.mid").tracks[0] if message.type == "note_on"]
    assert pitches == [pitch for bar in read_bars(LEARNT[start]) for pitch, _ in bar]
    assert pitches[0] == pitch_number(start)


def test_the_same_seed_gives_the_same_melody_and_disturbs_nobody(folder):
    model, tokenizer = tsugiki.load(folder), tsugiki.load_processor(folder)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    drawn = {grow_melody(model, tokenizer, "C4", temperature=3.0, seed=seed)[0] for seed in (0, 0, 1, 2)}
    assert torch.rand(1) == expected
    assert len(drawn) == 3


def test_the_order_of_the_vocabulary_does_not_matter(folder, monkeypatch):
    """A tokenizer's `get_vocab` has another order in every process."""
    model, tokenizer = tsugiki.load(folder), tsugiki.load_processor(folder)
    vocabulary = tokenizer.get_vocab()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()  # every word is as likely as any other: which one is drawn depends on their order alone
    drawn = set()
    for words in (sorted(vocabulary), sorted(vocabulary, reverse=True)):
        monkeypatch.setattr(type(tokenizer), "get_vocab", lambda self, words=words: {w: vocabulary[w] for w in words})
        drawn.add(tuple(grow_melody(model, tokenizer, "C4", temperature=3.0, seed=seed)[0] for seed in range(5)))
    assert len(drawn) == 1


def test_key_and_metre_may_be_given(folder):
    model, tokenizer = tsugiki.load(folder), tsugiki.load_processor(folder)
    text, melody = grow_melody(model, tokenizer, "D5", key="Dm", metre="6/8")
    assert text.startswith("key=Dm time=6/8 D5:2")
    assert (melody.key, melody.metre) == ("Dm", "6/8")


@pytest.mark.parametrize("ending", ["mid", "png", "wav"])
def test_the_command_writes_the_file_its_ending_names(folder, tmp_path, capsys, ending):
    path = tmp_path / f"tune.{ending}"
    command(str(folder), start="C4", temperature=0.3, tempo=100, seed=0, output=str(path), json=True)
    assert json.loads(capsys.readouterr().out)["path"] == str(path)
    assert path.read_bytes()[:4] == {"mid": b"MThd", "png": b"\x89PNG", "wav": b"RIFF"}[ending]


def test_bad_input_is_refused(folder, tmp_path):
    model, tokenizer = tsugiki.load(folder), tsugiki.load_processor(folder)
    with pytest.raises(OptionError, match="no pitch"):
        grow_melody(model, tokenizer, "H9")
    with pytest.raises(OptionError, match=r"knows no note C7; its notes go from B3 to D5"):
        grow_melody(model, tokenizer, "C7")
    with pytest.raises(OptionError, match="key must be one of"):
        grow_melody(model, tokenizer, "C4", key="X")
    with pytest.raises(OptionError, match="temperature"):
        grow_melody(model, tokenizer, "C4", temperature=0)
    other = learn_tokenizer(["C4:2 a b"], kind="word")
    with pytest.raises(DataError, match="no model of tsugiki/melodies"):
        grow_melody(model, other, "C4")
    with pytest.raises(OutputError, match=r"a melody is .*: name the output something.mid or something.midi or"):
        command(str(folder), output=str(tmp_path / "tune.mp3"))
    with pytest.raises(OutputError, match="cannot be written"):
        command(str(folder), output=str(tmp_path / "nowhere" / "tune.mid"))
