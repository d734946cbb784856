# SPDX-License-Identifier: Apache-2.0
"""What others need for one iteration on this GPU: the peers of bench/gpu.py. Knows nothing of ours.

Needs PyTorch and Triton, and a folder with the peers' own sources, unmodified: flash_gmm.py, flash_gmm_h100.py and
flash_gmm_diag_h100.py (IBM/Flash-GMM), flash_kmeans/ (svg-project/flash-kmeans), flashlib/ (FlashML-org/flashlib). What is
absent, or fails on a shape, is told as such.
"""
import contextlib
import importlib
import math
import os
import statistics
import sys

import torch

NOISE = 0.7  # standard deviation of rows about their component's mean
IBM_MOST_DIMENSIONS = 256  # at 768 the portable kernel finds no room, and the other's tuner compiles for minutes


@contextlib.contextmanager
def silence():
    """Compilers of kernels print whole programs; results come after."""
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in (*kept, nowhere):
            os.close(descriptor)


def milliseconds(work, runs=7, warm=2):
    """Median over runs, each between two events of the device."""
    for _ in range(warm):
        work()
    times = []
    for _ in range(runs):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def find(module, name):
    for _ in range(2):  # flashlib's first import fails where an optional package is missing; its second works
        try:
            return getattr(importlib.import_module(module), name)
        except Exception as error:  # whatever a peer raises, it is not there
            reason = f"{type(error).__name__}: {error}"
    return reason


def normal_rows(n, k, d):
    """Rows near k means of variance 1, and starts a little off."""
    generator = torch.Generator(device="cuda").manual_seed(3)
    means = torch.randn(k, d, device="cuda", generator=generator)
    rows = torch.empty(n, d, device="cuda")
    for first in range(0, n, 1 << 20):
        part = rows[first:first + (1 << 20)]
        label = torch.randint(0, k, (len(part),), device="cuda", generator=generator)
        part.normal_(generator=generator).mul_(NOISE).add_(means[label])
    return rows, means + 0.1 * torch.randn(k, d, device="cuda", generator=generator)


def lloyd_step(function, tol, rows, start):
    """An iteration is the difference of two long runs: what they do once is not counted."""
    rows, start = rows.half()[None], start.half()[None]

    def run(iterations):
        function(rows, n_clusters=start.shape[1], max_iters=iterations, tol=tol, init_centroids=start)

    return (milliseconds(lambda: run(25), 5, 1) - milliseconds(lambda: run(5), 5, 1)) / 20


def steps(rows, start):
    """name, what it does, and a function that times an iteration."""
    (n, d), k = rows.shape, len(start)
    log_variance = torch.full((k,), math.log(NOISE ** 2), device="cuda")
    log_weight = torch.full((k,), -math.log(k), device="cuda")
    spherical = rows, start, log_variance, log_weight
    diagonal = rows, start, log_variance[:, None].expand(k, d).contiguous(), log_weight
    block = max(16, 1 << (d - 1).bit_length())
    deep = f"left out above {IBM_MOST_DIMENSIONS} dimensions" if d > IBM_MOST_DIMENSIONS else None
    portable = deep or find("flash_gmm", "flash_gmm_estep")
    h100 = deep or find("flash_gmm_h100", "flash_gmm_estep")
    h100_diagonal = deep or find("flash_gmm_diag_h100", "flash_gmm_estep_diag")
    flash = find("flash_kmeans.kmeans_triton_impl", "batch_kmeans_Euclid")
    flashlib = find("flashlib.primitives.kmeans.triton.kmeans", "batch_kmeans_Euclid")
    yield "IBM portable", "spherical", portable, lambda: milliseconds(lambda: portable(*spherical, BLOCK_D=block), 5)
    yield "IBM H100", "spherical", h100, lambda: milliseconds(lambda: h100(*spherical))
    yield "IBM H100", "diagonal", h100_diagonal, lambda: milliseconds(lambda: h100_diagonal(*diagonal))
    yield "flash-kmeans", "hard", flash, lambda: lloyd_step(flash, -1.0, rows, start)
    yield "flashlib", "hard", flashlib, lambda: lloyd_step(flashlib, 0.0, rows, start)


def measure(folder, n, k, d, covariances=("hard", "spherical", "diagonal")):
    """One result a peer of such covariances: who, covariance and ms; or why not."""
    sys.path.insert(0, folder)
    with silence():
        rows, start = normal_rows(n, k, d)
        peers = [step for step in steps(rows, start) if step[1] in covariances]
    for who, covariance, function, run in peers:
        result = {"who": who, "covariance": covariance, "n": n, "k": k, "d": d}
        try:
            if isinstance(function, str):
                raise RuntimeError(function)
            with silence():
                result["ms"] = run()
        except Exception as error:  # out of memory, a shape it does not serve
            result["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
            torch.cuda.empty_cache()
        yield result


def link():
    """GB/s of a copy from pinned memory."""
    pinned = torch.empty(1 << 28, pin_memory=True)
    there = torch.empty_like(pinned, device="cuda")
    return {"pinned_to_device_gbs": pinned.nbytes / milliseconds(lambda: there.copy_(pinned, non_blocking=True)) * 1e-6}


def ceilings():
    """What this chip does at most: TFLOP/s of plain products of two 8192 x 8192 matrices, TB/s of a copy."""
    found = {}
    for name, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16)):
        a, b = (torch.randn(8192, 8192, device="cuda").to(dtype) for _ in range(2))
        found[f"{name}_tflops"] = 2 * 8192 ** 3 / milliseconds(lambda: a @ b, 9, 3) * 1e-9
    source = torch.empty(1 << 30, device="cuda").normal_()
    target = torch.empty_like(source)
    found["copy_tbs"] = 2 * 4 * source.numel() / milliseconds(lambda: target.copy_(source), 9, 3) * 1e-9
    return {**found, **link()}


def device():
    return {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "cuda": torch.version.cuda}
