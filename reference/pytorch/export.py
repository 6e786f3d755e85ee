"""Files of torch.save: tensors in both containers, a sharded model directory, and a malicious file.

    pip install torch safetensors
    python export.py

`malicious.ckpt` would run a harmless command if Python loaded it; nothing here loads it.
"""

import json
import os
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
torch.manual_seed(0)

# Views, strides, offsets and shared storages, in all number formats that are read.
base = torch.randn(4, 6)
tensors = OrderedDict(
    plain=base,
    transposed=base.t(),
    rows=base[1:3],
    columns=base[:, 2:5],
    half=torch.randn(5).half(),
    bfloat=torch.randn(3, 2).bfloat16(),
    scalar=torch.tensor(2.5),
    parameter=torch.nn.Parameter(torch.randn(2, 2)),
)
integers = torch.arange(4)
checkpoint = {
    "state_dict": OrderedDict(tensors, integers=integers),
    "hyper_parameters": {"sizes": [3, 4], "name": "naïve", "rate": 0.5, "none": None, "flag": True},
    "epoch": 3,
}
torch.save(checkpoint, HERE / "zip.ckpt")
torch.save(checkpoint, HERE / "legacy.ckpt", _use_new_zipfile_serialization=False)
save_file({name: tensor.detach().float().contiguous().clone() for name, tensor in tensors.items()}, HERE / "expected.safetensors")


class Command:
    def __reduce__(self):
        return os.system, ("echo executed",)


torch.save({**checkpoint, "callbacks": Command()}, HERE / "malicious.ckpt")
torch.save({**checkpoint, "callbacks": Command()}, HERE / "malicious_legacy.ckpt", _use_new_zipfile_serialization=False)
torch.save({**checkpoint, "callbacks": Command()}, HERE / "malicious_protocol4.ckpt", pickle_protocol=4)

# A Llama of ../llama as older repositories store it.
source = HERE.parent / "llama" / "grouped_tied"
weights = load_file(source / "model.safetensors")
names = sorted(weights)
shards = {
    "pytorch_model-00001-of-00002.bin": names[::2],
    "pytorch_model-00002-of-00002.bin": names[1::2],
}
folder = HERE / "llama_sharded"
folder.mkdir(exist_ok=True)
for file, members in shards.items():
    torch.save(OrderedDict((name, weights[name].half()) for name in members), folder / file)
weight_map = {name: file for file, members in shards.items() for name in members}
(folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}, indent=1))

# The adapter of ../mt_llm as older versions of PEFT stored it.
from safetensors.torch import load_file

torch.save(load_file(HERE.parent / "mt_llm/llama_adapter/adapter_model.safetensors"), HERE / "adapter_model.bin")
