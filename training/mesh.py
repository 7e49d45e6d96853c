"""The mesh of a run: its processes along three axes, replicate x shard x tp, the last one innermost.

Along `replicate` and `shard` processes hold different rows of a batch; along `shard` they share what is kept of
the weights, along `tp` each layer's products. Neighbours in rank are neighbours along `tp`, which talks most.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from training.config import MeshConfig
from training.replica import Replica, TensorPart

AXES = ("replicate", "shard", "tp")


@dataclass(frozen=True, eq=False)
class Mesh:
    """The processes of a run along its axes.

    Attributes:
        config: What the run's file says.
        axes: All processes.
        device: Where this one computes.
    """

    config: MeshConfig
    axes: DeviceMesh
    device: torch.device

    @classmethod
    def of(cls, config: MeshConfig, device: torch.device) -> Mesh:
        """Lays out the processes of the default group; collective.

        Raises:
            RecipeError: They do not fit.
        """
        sizes = config.sizes(dist.get_world_size())
        return cls(config, init_device_mesh(device.type, sizes, mesh_dim_names=AXES), device)

    @property
    def data(self) -> DeviceMesh:
        """What FSDP2 shards over: one axis, or two where models are replicated too."""
        return self.axes["replicate", "shard"] if self.size("replicate") > 1 else self.axes["shard"]

    @property
    def replica(self) -> Replica:
        """Which rows this process computes."""
        replicate, shard = (self.axes.get_local_rank(axis) for axis in ("replicate", "shard"))
        count = self.size("replicate") * self.size("shard")
        return Replica(replicate * self.size("shard") + shard, count, self._add)

    @property
    def tensor(self) -> TensorPart:
        """Which part of every row it computes."""
        positions_too = self.config.backend == "dtensor"
        return TensorPart(self.axes.get_local_rank("tp"), self.size("tp"), positions_too)

    def size(self, axis: str) -> int:
        """Processes along an axis."""
        return int(self.axes.size(AXES.index(axis)))

    def add(self, value: Tensor, *axes: str) -> Tensor:
        """The sum of a tensor along axes, on each process the same."""
        total = value.to(self.device, copy=True)
        for axis in axes:
            if self.size(axis) > 1:
                dist.all_reduce(total, group=self.axes.get_group(axis))
        return total

    def _add(self, value: Tensor) -> Tensor:
        return self.add(value, "replicate", "shard")
