"""Runs a model with torch, OpenVINO or onnxruntime in one of three precisions."""

import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation

from i3_pyserini.encode.gpu import GpuFunction
from i3_pyserini.encode.parallel import batches_at_once
from i3_pyserini.errors import I3Error
from i3_pyserini.model.devices import limit_torch
from i3_pyserini.model.loading import quiet_transformers
from i3_pyserini.model.onnx_session import need

Ids = np.ndarray[Any, np.dtype[np.int64]]
Vectors = np.ndarray[Any, np.dtype[np.float32]]
PassageFunction = Callable[[Ids, Ids], Vectors]
Backend = str | Callable[[nn.Module], PassageFunction]
TELEMETRY = "openvino_telemetry"  # without it, OpenVINO has a stand-in that sends nothing
FARTHEST = {"fp32": 1e-3, "bf16": 0.1}  # of torch's vectors, relative to the largest number
# A linear layer and what follows it, in the layers of BERT and its relatives.
FEED_FORWARD = ("dense", "intermediate_act_fn")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def passage_function(
    module: nn.Module, device: torch.device, dtype: str = "fp32", backend: Backend = "torch"
) -> PassageFunction:
    """Prepares a module that computes vectors from ids. The module itself is consumed.

    Args:
        module: maps `input_ids` and `attention_mask`, int64 [B, T], to float [B, H].
        device: where to run it.
        dtype: "fp32", "bf16" or "fp16".
        backend: "torch", "openvino" or "onnx"; or a function that prepares the module itself.

    Returns:
        A function from ids and mask, int64 [B, T], to float32 [B, H].

    Raises:
        I3Error: the device does not support the precision or backend, or a package is missing.
    """
    if not isinstance(backend, str):
        return backend(module)
    check_possible(device, dtype, backend)
    threads = limit_torch()
    if backend == "onnx":
        from i3_pyserini.encode.onnx_graph import as_onnx  # noqa: PLC0415  (an extra)

        return as_onnx(module, max(1, threads // batches_at_once(device)))
    if backend == "openvino":
        return _openvino(module, dtype)
    return _torch(module, device, dtype)


def check_possible(device: torch.device, dtype: str, backend: str) -> None:
    """Checks that device, precision and backend can be combined, before anything is read.

    Raises:
        I3Error: the device does not support the precision or backend, or a package is missing.
    """
    if device.type == "cpu" and dtype == "fp16":
        raise I3Error("fp16 is for GPUs; on a CPU use --dtype bf16")
    try:
        if device.type == "mps":  # bf16 needs macOS 14
            torch.empty(1, device=device, dtype=DTYPES[dtype])
    except (TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise I3Error(f"--dtype {dtype} is not usable on {device} ({reason}); use fp32") from error
    if backend == "torch":
        return
    if backend == "openvino" and find_spec("openvino") is None:
        raise I3Error("--backend openvino needs OpenVINO: pip install openvino")
    if backend == "onnx":
        need("onnx", "onnxruntime", "onnxscript")
        if dtype != "fp32":
            raise I3Error("--backend onnx computes in fp32; omit --dtype")
    if device.type != "cpu":
        raise I3Error(f"--backend {backend} is for CPUs, not for --device {device}")


def _torch(module: nn.Module, device: torch.device, dtype: str) -> PassageFunction:
    module = module.eval().to(device, DTYPES[dtype])
    if device.type != "cpu":
        return GpuFunction(module, device)
    if torch.backends.mkldnn.is_available():
        with torch.inference_mode():
            _pack(module)

    @torch.inference_mode()
    def run(ids: Ids, mask: Ids) -> Vectors:
        batch = (torch.from_numpy(array) for array in (ids, mask))
        vectors: Vectors = module(*batch).float().numpy()
        return vectors

    return run


class _PackedLinear(nn.Module):
    """A linear layer whose weights are packed for oneDNN once, and not for every batch.

    Uses the operators of torch's compiler for frozen weights. Saves 10 to 20% of the time, and an
    activation that is computed while the product is in the cache some 5% more in fp32.

    Args:
        linear: the layer.
        activation: computed of its output, by torch's name for oneDNN: "none" or "gelu".
    """

    def __init__(self, linear: nn.Linear, activation: str = "none") -> None:
        super().__init__()
        self.activation = activation
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, states: Tensor) -> Tensor:
        output: Tensor = torch.ops.mkldnn._linear_pointwise(
            states, self.weight, self.bias, self.activation, [], "none"
        )
        return output


def _pack(module: nn.Module) -> None:
    linear, activation = (getattr(module, name, None) for name in FEED_FORWARD)
    fused = isinstance(linear, nn.Linear) and isinstance(activation, GELUActivation)
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            after = "gelu" if fused and child is linear else "none"
            with suppress(RuntimeError):  # the processor has no instructions for this precision
                setattr(module, name, _PackedLinear(child, after))
                if after != "none":
                    setattr(module, FEED_FORWARD[1], nn.Identity())
        else:
            _pack(child)


def _import_openvino() -> Any:
    """OpenVINO without its telemetry.

    That sends what is imported and converted to Google Analytics, from a forked process that may
    never end without a network; the command then waits for it, when all is done.
    """
    before = sys.modules.get(TELEMETRY)
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # such an import fails, as documented
    try:
        import openvino  # noqa: PLC0415  (an extra)
    finally:
        del sys.modules[TELEMETRY]
        if before is not None:
            sys.modules[TELEMETRY] = before
    return openvino


def _openvino(module: nn.Module, dtype: str) -> PassageFunction:
    openvino = _import_openvino()
    example = (torch.ones(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.int64))
    try:
        # Tracing warns of values that are the same for all lengths.
        with torch.no_grad(), quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = module.eval().float()(*example).numpy()
            graph = openvino.convert_model(module, example_input=example)
        compiled = openvino.Core().compile_model(
            graph,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[dtype],
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                # Compiled for several streams, OpenVINO 2026.4 gives wrong vectors, not each time.
                "NUM_STREAMS": 1,
            },
        )
    except Exception as error:  # its exceptions have no common class
        reason = str(error).strip().splitlines()[-1]
        raise I3Error(
            f"OpenVINO does not support this model ({reason}); use --backend torch"
        ) from error
    own = threading.local()  # a request cannot be shared by threads

    def run(ids: Ids, mask: Ids) -> Vectors:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        vectors: Vectors = own.request.infer([ids, mask], share_inputs=True)[0]
        return vectors

    off = float(np.abs(run(*(one.numpy() for one in example)) - expected).max())
    if not off <= FARTHEST[dtype] * float(np.abs(expected).max()):
        raise I3Error(f"OpenVINO's vectors of this model are off by {off:.1g}; use --backend torch")
    return run
