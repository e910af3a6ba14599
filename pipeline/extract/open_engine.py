"""The engine that the catalog asks for."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.catalog import EngineSettings
from pipeline.extract.engine import Engine
from pipeline.extract.remote_engine import RemoteEngine
from pipeline.extract.replicated_engine import ReplicatedEngine
from pipeline.extract.vllm_engine import VllmEngine


@contextmanager
def open_engine(data: Path, settings: EngineSettings) -> Iterator[Engine]:
    """A server's, or this machine's with one or more copies of a model; closed for certain.

    Models are looked for below `data`. Nothing is started or connected yet.
    """
    engine: Engine
    if settings.remote:
        engine = RemoteEngine(settings, settings.remote)
    elif settings.replicas > 1:
        engine = ReplicatedEngine(data, settings)
    else:
        engine = VllmEngine(data, settings)
    with closing(engine):
        yield engine
