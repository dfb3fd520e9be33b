"""Any run on a cluster, in one call from Python; the command line takes the same steps and shows what will be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layerscope.contrasts.on_cluster import CONTRAST
from layerscope.contrasts.prepare import ContrastRequest
from layerscope.progress import Progress, nobody_asks
from layerscope.searches.on_cluster import SEARCH
from layerscope.searches.prepare import SearchRequest
from layerscope.sweeps.on_cluster import SWEEP
from layerscope.sweeps.prepare import SweepRequest
from layerscope.workers.on_cluster import Kind
from layerscope.workers.ray_pool import Demand


def run_on_cluster(
    request: SweepRequest | ContrastRequest | SearchRequest,
    demand: Demand,
    *,
    force: bool = False,
    progress: Progress = nobody_asks,
) -> Path:
    """Run what is asked for by the workers of a Ray cluster; they end with the call.

    Args:
        request: of a sweep, a contrast or a search; its device is left to the cluster.
        demand: which cluster, how many workers and how large.
        force: replace whatever the run directory holds.
        progress: called as work is done, by all workers together.

    Returns:
        The run directory. One that is finished already is left as it is.

    Raises:
        DataError: Ray is not installed, or the request names a device.
        DeviceError: there is no cluster at the address, or it has no room for a worker.
        LayerscopeError: whatever else is wrong, in one sentence. What was written is kept, and the same call goes on.

    Examples:
        >>> request = ls.SweepRequest("smollm2-135m", "texts.txt", experiments=("removal",), output_dir=Path("shared"))
        >>> ls.run_on_cluster(request, ls.Demand("auto", workers=1)).name
        'smollm2_135m_texts_n1000'
    """
    kinds: dict[type, Kind[Any, Any]] = {SweepRequest: SWEEP, ContrastRequest: CONTRAST, SearchRequest: SEARCH}
    kind = kinds[type(request)]
    with kind.settled(request, demand) as shared:
        kind.run(shared, force=force, progress=progress)
        path: Path = shared.prepared.directory.path
        return path
