"""The catalog: which domains and scenarios exist, read from `data/catalog.toml`.

A domain is one catalogue of items and where its raw files lie, or a part of another domain. A
scenario is a question asked of domains: its task, filters, split, seeds and models. Every key is
checked; a typo or an unknown name is a ValueError that says which key and what is allowed.
"""

from pipeline.catalog.automation import Automation
from pipeline.catalog.domains import (
    MOST_PIXELS,
    BehaviourFile,
    Columns,
    Domain,
    Download,
    FeatureModels,
    Format,
    Images,
    ItemColumns,
    Pooling,
    Precision,
)
from pipeline.catalog.engine_settings import EngineSettings, Price, Remote
from pipeline.catalog.load import Catalog, load_catalog, parameters
from pipeline.catalog.scenarios import (
    Behaviours,
    Candidates,
    Clicks,
    FeatureSource,
    Filters,
    Scenario,
    Split,
    Titles,
    Training,
)
from pipeline.catalog.tracking import Tracking

__all__ = [
    "MOST_PIXELS",
    "Automation",
    "BehaviourFile",
    "Behaviours",
    "Candidates",
    "Catalog",
    "Clicks",
    "Columns",
    "Domain",
    "Download",
    "EngineSettings",
    "FeatureModels",
    "FeatureSource",
    "Filters",
    "Format",
    "Images",
    "ItemColumns",
    "Pooling",
    "Precision",
    "Price",
    "Remote",
    "Scenario",
    "Split",
    "Titles",
    "Tracking",
    "Training",
    "load_catalog",
    "parameters",
]
