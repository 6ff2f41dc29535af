"""The published network at full size with random weights: times, memory, and what happens when memory is full."""

from __future__ import annotations

import time
import warnings
from statistics import median

import numpy as np
import torch
from published_speed import IMAGE, Phrases, Picture, Plain, random_network


def measure(record, wanted) -> None:
    from FluoroSAMSlicerLib.model import Provenance
    from FluoroSAMSlicerLib.segmentation import Predictor
    from FluoroSAMSlicerLib.segmentation.precision import HalfMatrices

    on_gpu = not wanted.dry_run
    device, name = ("cuda", "swin-l") if on_gpu else ("cpu", "swin-s")
    rounds = 5 if on_gpu else 1
    begin = time.perf_counter()
    network = random_network(name)
    record.add(f"{name}: making it", time.perf_counter() - begin, "s, not counted below")
    begin = time.perf_counter()
    predictor = Predictor(network, Phrases(), Provenance("random", "", ""), device=device)
    predictor.inference.halved = HalfMatrices(network.image)
    wait(on_gpu)
    record.add(f"{name}: onto the device", time.perf_counter() - begin, "s")
    record.note(f"Images are encoded in {predictor.half or torch.float32}.")
    image = np.random.default_rng(0).random(IMAGE if on_gpu else (256, 256), dtype=np.float32)
    turn = iter(range(1, 10**6))

    def encode():
        return predictor.encode(Picture(image + np.float32(next(turn) * 1e-6)))

    begin = time.perf_counter()
    embedding = encode()
    wait(on_gpu)
    record.add(f"{name}: the first image", time.perf_counter() - begin, "s")
    first = predictor.predict(embedding, text="left femur")
    click = {"points": [(image.shape[1] / 2, image.shape[0] / 2)], "labels": [1]}
    names = [f"rib {number}" for number in range(20)]
    plain = Plain(network, Phrases())
    features = plain.encode(image)

    def new_text():
        predictor.inference.codes.clear()
        return predictor.predict(embedding, text="left femur").mask

    def twenty():
        predictor.inference.codes.clear()
        return [predictor.predict(embedding, text=text, allow_unknown=True).mask for text in names]

    pairs = {
        "encode": (encode, lambda: plain.encode(image)),
        "first text": (new_text, lambda: plain.prompt(features, "left femur", None)),
        "further prompt": (
            lambda: predictor.predict(embedding, text="left femur", previous=first, **click).mask,
            lambda: plain.prompt(features, "left femur", first.low_res, **click),
        ),
        "twenty names": (twenty, lambda: [plain.prompt(features, text, None) for text in names]),
    }
    for what, (ours, theirs) in pairs.items():
        taken: list[list[float]] = [[], []]
        memory = [0, 0]
        for number in range(rounds + 1):
            for side, work in enumerate((ours, theirs)):
                if on_gpu:
                    torch.cuda.reset_peak_memory_stats()
                begin = time.perf_counter()
                work()
                wait(on_gpu)
                if number:
                    taken[side].append(time.perf_counter() - begin)
                if on_gpu:
                    memory[side] = torch.cuda.max_memory_allocated()
        ratio = median(a / b for a, b in zip(*taken, strict=True))
        record.add(
            f"{name}, {what}: own", 1000 * median(taken[0]), f"ms, {memory[0] / 2**20:.0f} MiB at most"
        )
        record.add(
            f"{name}, {what}: plain float32", 1000 * median(taken[1]), f"ms, {memory[1] / 2**20:.0f} MiB"
        )
        record.add(f"{name}, {what}: own / plain", ratio, "", "below 1", ratio < 1 if on_gpu else None)
    if on_gpu:
        compiled(record, name, predictor, image)
        full(record, name, predictor, image)


def wait(on_gpu: bool) -> None:
    if on_gpu:
        torch.cuda.synchronize()


def compiled(record, name, predictor, image) -> None:
    """Whether a CUDA graph of the encoder pays within ten images."""
    values = torch.rand(1, 3, predictor.network.config.image_size, predictor.network.config.image_size).cuda()
    try:
        with torch.inference_mode(), predictor.inference.in_half(), predictor.inference.matrices():
            encode = predictor.network.encode_image
            for _ in range(2):
                encode(values)
            torch.cuda.synchronize()
            begin = time.perf_counter()
            for _ in range(5):
                encode(values)
            torch.cuda.synchronize()
            eager = (time.perf_counter() - begin) / 5
            begin = time.perf_counter()
            side = torch.cuda.Stream()
            with torch.cuda.stream(side):
                encode(values)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                encode(values)
            torch.cuda.synchronize()
            made = time.perf_counter() - begin
            begin = time.perf_counter()
            for _ in range(5):
                graph.replay()
            torch.cuda.synchronize()
            replayed = (time.perf_counter() - begin) / 5
    except Exception as error:
        record.note(f"A CUDA graph of the encoder cannot be made: {str(error).splitlines()[0]}")
        return
    record.add(f"{name}, encoder alone: eager", 1000 * eager, "ms")
    record.add(f"{name}, encoder alone: CUDA graph", 1000 * replayed, f"ms, made in {1000 * made:.0f} ms")
    gain = 10 * (eager - replayed) - made
    record.add(
        f"{name}: ten images gain by the graph",
        1000 * gain,
        f"ms: it {'pays' if gain > 0 else 'does not pay'}",
    )


def full(record, name, predictor, image) -> None:
    """The device's memory is taken away; the predictor must go on with the CPU, and say so."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + 2**24) / total)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        begin = time.perf_counter()
        embedding = predictor.encode(Picture(1 - image))
        predictor.predict(embedding, text="left femur")
        taken = time.perf_counter() - begin
    left = predictor.device.type == "cpu" and bool(predictor.notes)
    record.add(f"{name}, memory full: goes on with the CPU", str(left), f"in {taken:.1f} s", "True", left)
    if said:
        record.note(f"It says: {said[-1].message}")
