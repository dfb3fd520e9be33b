"""``layerscope sweep``: options to a request, which is run here, in one part or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerscope.cli.cluster import CLUSTER, CPUS_PER_WORKER, GPUS_PER_WORKER, WORKERS, asked_of_cluster
from layerscope.cli.console import (
    FIGURES,
    languages_of,
    one_of,
    split_names,
)
from layerscope.cli.model_options import (
    BOS,
    DEVICE,
    DEVICE_MAP,
    DTYPE,
    MODEL,
    QUANTIZE,
    REVISION,
    TRUST_REMOTE_CODE,
    load_options,
)
from layerscope.cli.swept import show_part, show_sweep
from layerscope.errors import DataError, ModelError
from layerscope.reading import whole_number

EXPERIMENTS_HELP = (
    "Comma-separated families: removal, exchange, block-removal:w, reversal:a-b, repetition, shuffle:seed, parallel:w, "
    "attention-removal, mlp-removal, head-removal:a-b (each head of layers a to b), depth, tuned-depth "
    "(default without --path: removal,exchange)."
)


def sweep(
    model: Annotated[str, MODEL],
    dataset: Annotated[str, typer.Option(help="Named data set or local file; see 'layerscope datasets'.")],
    experiment: Annotated[str | None, typer.Option(help=EXPERIMENTS_HELP)] = None,
    path: Annotated[
        list[str] | None,
        typer.Option(
            help="A path in written form, such as 0-9,12-29; repeatable. 10.attn: only the attention of layer 10; "
            "10.h3: layer 10 without head 3; @RUN/frontier, @RUN/best-24: paths found by a search."
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Minimal pairs (layerscope's or BLiMP's), a file or folder: which side does each variant prefer?"),
    ] = None,
    pair_protocol: Annotated[
        str, typer.Option(help="plain: sentences as they are; lm-eval: as lm-evaluation-harness presents BLiMP's.")
    ] = "plain",
    tuned_lens: Annotated[
        Path | None,
        typer.Option(help="Folder of a tuned lens (config.json with params.safetensors or params.pt), for tuned-depth."),
    ] = None,
    max_samples: Annotated[
        str, typer.Option(help="Number of texts (windows, for windows:N and strided:N/S) to draw, or 'all'.")
    ] = "1000",
    protocol: Annotated[str, typer.Option(help="lines, documents, windows:N or strided:N/S.")] = "lines",
    split: Annotated[str | None, typer.Option(help="Split of a named data set.")] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="LAYERSCOPE_DATA_DIR", help="Folder with the named data set; the Hub is then not contacted."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for the draw of texts.")] = 42,
    bos: Annotated[str, BOS] = "auto",
    dtype: Annotated[str, DTYPE] = "auto",
    device: Annotated[str, DEVICE] = "auto",
    device_map: Annotated[str | None, DEVICE_MAP] = None,
    quantize: Annotated[str, QUANTIZE] = "none",
    revision: Annotated[str | None, REVISION] = None,
    trust_remote_code: Annotated[bool, TRUST_REMOTE_CODE] = False,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Positions per batch, padding included (default: by device).")
    ] = None,
    until_ci: Annotated[
        float | None,
        typer.Option(
            help="Add texts until every variant's 95% interval of ΔNLL is within ± this many nats; --max-samples is the most."
        ),
    ] = None,
    compile_: Annotated[
        str, typer.Option("--compile", help="Run layers through torch.compile: auto (if the run is long enough), on or off.")
    ] = "auto",
    word_boundaries: Annotated[
        bool,
        typer.Option(
            "--word-boundaries", help="Also record where words may begin, so that 'layerscope pos' corrects word NLLs."
        ),
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Use no optimisation: one text and one variant at a time. Slow; for checking.")
    ] = False,
    reference: Annotated[bool, typer.Option("--reference", hidden=True, help="What --plain was called in 0.1.")] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Read each layer's weights from disk as it runs: for models larger than memory.")
    ] = False,
    stream_memory: Annotated[
        float | None, typer.Option(help="GiB of hidden states to keep while streaming (default: half of free memory).")
    ] = None,
    cluster: Annotated[str | None, CLUSTER] = None,
    workers: Annotated[int | None, WORKERS] = None,
    gpus_per_worker: Annotated[int | None, GPUS_PER_WORKER] = None,
    cpus_per_worker: Annotated[int | None, CPUS_PER_WORKER] = None,
    shard: Annotated[
        str | None,
        typer.Option(help="I/N: do only part I of N, for job schedulers; run 'layerscope gather RUN' when all have ended."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Object store for the batches of --shard, if the machines share no disk: s3://bucket/folder."),
    ] = None,
    output_dir: Annotated[Path, typer.Option(help="Folder for run directories.")] = Path("results"),
    figures: Annotated[str, FIGURES] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan without running.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again and replace what is in the run directory.")] = False,
) -> None:
    """Remove layers, exchange them or take any other path through them, and measure next-word prediction."""
    from layerscope.searches.references import written_paths
    from layerscope.sweeps.prepare import SweepRequest

    families = ("" if path else "removal,exchange") if experiment is None else experiment
    request = SweepRequest(
        model=model,
        dataset=dataset,
        experiments=split_names(families),
        paths=written_paths(path or ()),
        pairs=pairs,
        pair_protocol=pair_protocol,
        tuned_lens=tuned_lens,
        revision=revision,
        options=load_options(
            dtype=dtype, device=device, device_map=device_map, quantize=quantize, bos=bos, trust_remote_code=trust_remote_code
        ),
        split=split,
        data_dir=data_dir,
        protocol=protocol,
        max_samples=parse_samples(max_samples),
        seed=seed,
        batch_tokens=batch_tokens,
        until_ci=until_ci,
        compile=one_of("--compile", compile_, ("auto", "on", "off"), ModelError),
        word_boundaries=word_boundaries,
        plain=plain or reference,
        stream=stream,
        stream_memory=stream_memory,
        output_dir=output_dir,
    )
    demand = asked_of_cluster(cluster, workers=workers, gpus=gpus_per_worker, cpus=cpus_per_worker, shard=shard)
    if store is not None and shard is None:
        raise DataError("--store is only for the parts of a run: add --shard I/N, or leave it out.")
    if shard is not None:
        show_part(request, shard, store=store, dry_run=dry_run, force=force)
        return
    show_sweep(request, demand, dry_run=dry_run, force=force, languages=languages_of("--figures", figures))


def parse_samples(text: str) -> int | None:
    """A number of samples, or None for ``all``.

    Raises:
        DataError: neither.
    """
    if text == "all":
        return None
    number = whole_number(text)
    if number is None:
        raise DataError(f"--max-samples is a number or 'all'; got '{text}'.")
    return number
