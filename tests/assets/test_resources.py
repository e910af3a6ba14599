"""Where a workspace keeps its store."""

from pathlib import Path

from assets.resources import Workspace
from pipeline.store import Store


def test_the_store_lies_in_the_data_folder_unless_another_place_is_named(tmp_path: Path) -> None:
    assert Workspace(data=str(tmp_path), store_root="").store == Store(tmp_path / "store")
    elsewhere = Workspace(data=str(tmp_path), store_root=str(tmp_path / "disk"))
    assert elsewhere.store == Store(tmp_path / "disk")


def test_a_url_names_a_remote_store_whose_unfinished_files_stay_here(tmp_path: Path) -> None:
    workspace = Workspace(data=str(tmp_path), store_root="s3://bucket/team")
    assert workspace.store.root == "s3://bucket/team"
    assert workspace.store.temporary == tmp_path / "cache" / "unfinished"
    assert str(workspace.store.path("items/food", ".parquet")) == (
        "s3://bucket/team/items/food.parquet"
    )
