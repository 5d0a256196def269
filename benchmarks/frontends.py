"""Front ends on one core: log-mel in torch and in ONNX Runtime, and MFCC + chroma + contrast, beside their peers.

    python benchmarks/frontends.py [--peers FOLDER] [--runs 15]

Peers in the same run: librosa, the bare real FFT of the same frames (all of a batch at once, and clip by clip, which stays in
the cache), ONNX Runtime's STFT operator, and nnAudio and kaldi-native-fbank from an environment made in FOLDER the first time.
Clips are 5 s of noise. Times are medians of interleaved runs, in milliseconds a clip; nnAudio and kaldi-native-fbank come after
them. librosa is called as its users call it: it makes its filters in every call; what is left without that stands beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnx
import onnxruntime
import soundfile
import torch
from onnx import helper, numpy_helper
from threadpoolctl import threadpool_limits

from earmark.export.graph import to_onnx
from earmark.frontend.front_end import FrontEnd, FrontEndSettings

SECONDS = 5
SETTINGS = {
    "32 kHz, 1024/320, 128 mels": (32_000, 0.032, 0.01, 128),
    "16 kHz, 512/160, 64 mels": (16_000, 0.032, 0.01, 64),
}
STACKS = {
    "16 kHz, 512/160": (16_000, 512, 160),
    "22.05 kHz, 2048/512 (librosa's defaults)": (22_050, 2048, 512),
    "32 kHz, 1024/320": (32_000, 1024, 320),
}
PEERS = """
import json, sys, time, statistics, numpy as np, torch
torch.set_num_threads(1)
sr, n_fft, hop, mels, batch, runs = (int(a) for a in sys.argv[1:])
x = torch.from_numpy(np.random.default_rng(0).normal(size=(batch, 5 * sr)).astype(np.float32) * 0.1)
import warnings; warnings.simplefilter("ignore")
import io, contextlib
with contextlib.redirect_stdout(io.StringIO()):
    from nnAudio.features.mel import MelSpectrogram
    nn = MelSpectrogram(sr=sr, n_fft=n_fft, hop_length=hop, n_mels=mels, center=False, fmin=50, fmax=sr / 2, verbose=False)
import kaldi_native_fbank as knf
options = knf.FbankOptions()
options.frame_opts.samp_freq, options.frame_opts.dither, options.mel_opts.num_bins = sr, 0, mels
options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = 1000 * n_fft / sr, 1000 * hop / sr
def kaldi():
    for clip in x.numpy():
        fbank = knf.OnlineFbank(options); fbank.accept_waveform(sr, clip); fbank.input_finished()
        np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])
def nnaudio():
    with torch.inference_mode():
        nn(x).clamp(min=1e-6).log()
found = {}
for name, work in (("nnAudio", nnaudio), ("kaldi-native-fbank", kaldi)):
    work(); taken = []
    for _ in range(runs):
        begin = time.perf_counter(); work(); taken.append(time.perf_counter() - begin)
    found[name] = statistics.median(taken) * 1000 / batch
print(json.dumps(found))
"""

HOUR = """
import re, resource, sys, torch
from pathlib import Path
from earmark import audio
from earmark.frontend import FrontEnd, FrontEndSettings
def peak():
    status = Path("/proc/self/status")  # where there is one: the other figure starts at that of the parent
    if status.exists():
        return int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
settings = FrontEndSettings(fft_seconds=0.032, hop_seconds=0.01, n_mels=128, fmin=50, fmax=16_000, floor=1e-6)
front_end, imports, frames = FrontEnd(32_000, settings).eval(), peak(), 0
with torch.inference_mode():
    blocks = (torch.from_numpy(block.samples) for block in audio.blocks(sys.argv[1], sr=32_000))
    for rows in front_end.rows_of(blocks):
        frames += len(rows)
print(imports, peak(), frames)
"""


def medians(works: dict[str, Callable[[], Any]], runs: int, clips: int) -> dict[str, float]:
    """Milliseconds a clip of each, one after the other in every run, so that a slow minute hits all; the second call counts."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for run in range(runs + 2):
        for name, work in works.items():
            work()  # the caches are its own then, as in a process that does nothing else
            begin = time.perf_counter()
            work()
            if run > 1:
                taken[name].append(time.perf_counter() - begin)
    return {name: statistics.median(t) * 1000 / clips for name, t in taken.items()}


def row(title: str, found: dict[str, float], base: str) -> None:
    """Print a table's row: milliseconds and times faster than the base."""
    told = [f"{name} {ms:.2f}" for name, ms in found.items()]
    ratios = [f"{ms / found[base]:.2f} x {name}" for name, ms in found.items() if name != base]
    print(f"| {title} | {', '.join(told)} | {', '.join(ratios)} |", flush=True)


def session(proto: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """One core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def stft_operator(front_end: FrontEnd) -> onnxruntime.InferenceSession:
    """ONNX Runtime's own operator, nothing else."""
    constants = {"axis": np.array([2]), "hop": np.int64(front_end.hop_length), "n": np.int64(front_end.n_fft)}
    constants["window"] = np.hanning(front_end.n_fft).astype(np.float32)
    nodes = [
        helper.make_node("Unsqueeze", ["x", "axis"], ["signal"]),
        helper.make_node("STFT", ["signal", "hop", "window", "n"], ["y"], onesided=1),
    ]
    ends = [
        helper.make_tensor_value_info("x", 1, ["batch", "time"]),
        helper.make_tensor_value_info("y", 1, ["a", "b", "c", 2]),
    ]
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "stft", ends[:1], ends[1:], tensors)
    return session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))


def front_end(sr: int, fft: float, hop: float, mels: int, **others: Any) -> FrontEnd:
    settings = FrontEndSettings(
        fft_seconds=fft, hop_seconds=hop, n_mels=mels, fmin=50, fmax=sr / 2, floor=1e-6, **others
    )
    return FrontEnd(sr, settings).eval()


def log_mel(title: str, values: tuple[int, float, float, int], runs: int, peers: Path | None) -> None:
    """Batches of 1, 8 and 64 clips in torch, and the exported one."""
    module = front_end(*values)
    sr, mels = values[0], values[3]
    for batch in (1, 8, 64):
        x = torch.from_numpy(np.random.default_rng(0).normal(size=(batch, SECONDS * sr)).astype(np.float32) * 0.1)
        frames = x.unfold(-1, module.n_fft, module.hop_length).contiguous()

        def by_librosa(x: torch.Tensor = x) -> None:
            for clip in x[:8].numpy():
                power = librosa.feature.melspectrogram(
                    y=clip, sr=sr, n_fft=module.n_fft, hop_length=module.hop_length, center=False, n_mels=mels, fmin=50
                )
                np.log(np.maximum(power, 1e-6))

        works: dict[str, Callable[[], Any]] = {
            "earmark": lambda x=x: module(x),
            "bare FFT at once": lambda f=frames: torch.fft.rfft(f),
            "bare FFT by clip": lambda f=frames: [torch.fft.rfft(clip) for clip in f],
            "librosa": by_librosa,
        }
        with torch.inference_mode():
            found = medians(works, max(3, runs // (1 + batch // 8)), batch)
        found["librosa"] *= batch / min(batch, 8)
        if peers is not None:
            numbers = (sr, module.n_fft, module.hop_length, mels, batch, max(3, runs // (1 + batch // 8)))
            shown = subprocess.run(
                [peers / "bin" / "python", "-c", PEERS, *map(str, numbers)], capture_output=True, text=True, check=True
            )
            found |= json.loads(shown.stdout.splitlines()[-1])
        row(f"log-mel, {title}, batch {batch}", found, "earmark")
    exported = session(to_onnx(module, inputs={"x": ("batch", "time")}, outputs={"y": ("batch", 1, mels, "frame")}))
    operator = stft_operator(module)
    for batch in (1, 8):
        sound = np.random.default_rng(0).normal(size=(batch, SECONDS * sr)).astype(np.float32) * 0.1
        both = {
            "exported front end": lambda s=sound: exported.run(None, {"x": s}),
            "STFT operator alone": lambda s=sound: operator.run(None, {"x": s}),
        }
        found = medians(both, runs, batch)
        speed = SECONDS * 1000 / found["exported front end"]
        row(f"ONNX Runtime, {title}, batch {batch}: {speed:.0f} x real time", found, "exported front end")


def stacked(title: str, sr: int, n_fft: int, hop: int, runs: int) -> None:
    """MFCC, chroma and contrast from one spectrum."""
    module = front_end(sr, n_fft / sr, hop / sr, 64, features="mfcc,chroma,contrast")
    assert (module.n_fft, module.hop_length) == (n_fft, hop)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, SECONDS * sr)).astype(np.float32) * 0.1)

    def by_librosa() -> None:
        magnitude = np.abs(librosa.stft(x[0].numpy(), n_fft=n_fft, hop_length=hop, center=False))
        power = magnitude**2
        mel = librosa.feature.melspectrogram(S=power, sr=sr, n_mels=64, fmin=50)
        librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=20)
        librosa.feature.chroma_stft(S=power, sr=sr, tuning=0)
        librosa.feature.spectral_contrast(S=magnitude, sr=sr)

    mels = librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=64, fmin=50)
    classes = librosa.filters.chroma(sr=sr, n_fft=n_fft, tuning=0)

    def by_librosa_filters_kept() -> None:
        magnitude = np.abs(librosa.stft(x[0].numpy(), n_fft=n_fft, hop_length=hop, center=False))
        power = magnitude**2
        librosa.feature.mfcc(S=librosa.power_to_db(mels @ power), n_mfcc=20)
        librosa.util.normalize(classes @ power, norm=np.inf, axis=0)
        librosa.feature.spectral_contrast(S=magnitude, sr=sr)

    works = {
        "earmark": lambda: module(x), "librosa": by_librosa, "librosa, filters kept": by_librosa_filters_kept,
    }  # fmt: skip
    with torch.inference_mode():
        found = medians(works, runs, 1)
    row(f"MFCC + chroma + contrast, {title}", found, "earmark")


def an_hour() -> None:
    """Peak memory of a process that reads an hour from a file and makes its log-mel frames block by block."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.wav"
        with soundfile.SoundFile(path, "w", 32_000, 1, "PCM_16") as file:
            for minute in range(60):
                file.write(np.random.default_rng(minute).normal(size=60 * 32_000).astype(np.float32) * 0.1)
        shown = subprocess.run([sys.executable, "-c", HOUR, path], capture_output=True, text=True, check=True)
    imports, peak, frames = (float(word) for word in shown.stdout.split())
    print(f"| an hour at 32 kHz in blocks, {frames:.0f} frames | {peak:.0f} MB, of which {imports:.0f} MB imports | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir()) / "earmark-peers")
    parser.add_argument("--runs", type=int, default=15)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if not (chosen.peers / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", chosen.peers], check=True)
        packages = ["torch==" + torch.__version__.split("+")[0], "nnAudio", "kaldi-native-fbank", "librosa"]
        subprocess.run([chosen.peers / "bin" / "python", "-m", "pip", "install", "--quiet", *packages], check=True)
    with threadpool_limits(1):
        for title, values in SETTINGS.items():
            log_mel(title, values, chosen.runs, chosen.peers)
        for title, values in STACKS.items():
            stacked(title, *values, chosen.runs)
    an_hour()


if __name__ == "__main__":
    main()
