"""Where runs and leaderboards are recorded for those who compare them in MLflow: `[tracking]`."""

from dataclasses import dataclass

_SCHEMES = ("http://", "https://", "sqlite:///", "postgresql", "mysql")

LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class Tracking:
    mlflow: str  # "local": SQLite in the data folder; or the URI of a tracking server or database
    experiment: str = "coldbridge"  # experiments are called "<experiment>/<scenario>"


def check_tracking(tracking: Tracking, where: str) -> None:
    """ValueError where a value cannot be; `where` names file and table."""
    if tracking.mlflow != LOCAL and not tracking.mlflow.startswith(_SCHEMES):
        raise ValueError(
            f"{where}.mlflow = {tracking.mlflow!r}; name {LOCAL!r} for a database in the data "
            "folder, a server (http://...) or a database (sqlite:///..., postgresql://...). MLflow "
            "3 no longer writes folders of files"
        )
    if not tracking.experiment.strip("/ "):
        raise ValueError(f"{where}.experiment = {tracking.experiment!r}; it must be a name")
