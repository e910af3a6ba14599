"""Real product images and texts through a tiny MiniCPM-V, from the raw files to the features.

Skips where the research data, which is not part of the project, does not lie beside it.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.catalog import Catalog, Domain, EngineSettings, FeatureModels, Images
from pipeline.extract.extraction import Extraction
from pipeline.extract.feature_prompts import item_request
from pipeline.extract.fitting import with_history
from pipeline.extract.item_multimodal import build_item_multimodal
from pipeline.extract.row_cache import RowCache
from pipeline.extract.vllm_engine import VllmEngine
from pipeline.ingest.item_images import ingest_item_images
from pipeline.ingest.items import ingest_items
from pipeline.ingest.reviews import ingest_reviews
from pipeline.store import Store

RAW = Path(__file__).resolve().parents[4] / "shared" / "data" / "amazon2018-giftcards-images"
DOMAIN = Domain(
    name="gift-cards",
    title="gift cards",
    format="amazon-2018",
    reviews="raw/Gift_Cards_5.json.gz",
    items="raw/meta_Gift_Cards.json.gz",
    images=Images(folder="raw/images"),
    features=FeatureModels(item_model="folder:mllm", precision="float32"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not RAW.is_dir():
        pytest.skip(f"{RAW} is not here")
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vllm is not installed")
    from tests.tiny_models import byte_tokenizer, tiny_minicpmv

    data = tmp_path_factory.mktemp("data")
    (data / "raw").symlink_to(RAW)
    tiny_minicpmv(data / "mllm", byte_tokenizer(), linear_attention=False)
    return data


def test_reviewed_items_are_read_by_image_and_text_as_transformers_reads_them(data: Path) -> None:
    catalog = Catalog(folder=data, domains={DOMAIN.name: DOMAIN}, scenarios={})
    store, cache = Store(data / "store"), data / "cache"
    ingest_reviews(catalog, DOMAIN.name, store)
    ingest_items(catalog, DOMAIN.name, store)
    ingest_item_images(catalog, DOMAIN.name, store, cache)
    settings = EngineSettings(max_model_len=4096, max_num_seqs=16, kv_cache_gib=1)
    with VllmEngine(data, settings) as engine:
        extraction = Extraction(engine=engine, cache=RowCache(cache / "rows"))
        facts = build_item_multimodal(DOMAIN, store, cache, extraction).facts
    assert (facts["rows"], facts["items_with_images"], facts["items_by_text_alone"]) == (
        148,
        115,
        33,
    )
    rows = {
        row["item_id"]: row for row in store.read_table("item_multimodal/gift-cards").to_pylist()
    }
    items = {row["item_id"]: row for row in store.read_table("items/gift-cards").to_pylist()}
    pictured = [item for item, row in rows.items() if row["images"]][:2]
    alone = [item for item, row in rows.items() if not row["images"]][:1]
    for item in [*pictured, *alone]:
        expected = _by_transformers(data, items[item], with_image=item in pictured)
        error = np.linalg.norm(rows[item]["vector"] - expected) / np.linalg.norm(expected)
        assert error < 1e-4, item


def _by_transformers(data: Path, item: dict[str, Any], with_image: bool) -> np.ndarray:
    import torch
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    names = {"Title": "title", "Brand": "brand", "Category": "category"}
    lines = {name: item[column] for name, column in names.items() if item[column]}
    about = item["description"] or ""
    prompt = with_history(item_request(item["item_id"], DOMAIN.title, lines, about, [], chat=True))
    assert not isinstance(prompt, str)
    content = [{"type": "text", "text": prompt[0][1]}]
    pictures = []
    if with_image:
        content.insert(0, {"type": "image"})
        path = data / "raw" / "images" / f"{item['item_id']}.jpg"
        pictures = [Image.open(path).convert("RGB")]
    processor = AutoProcessor.from_pretrained(data / "mllm")
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    shown = {"images": [pictures]} if pictures else {"add_special_tokens": False}
    inputs = processor(text=[text], return_tensors="pt", **shown)
    model = AutoModelForImageTextToText.from_pretrained(data / "mllm", dtype=torch.float32).eval()
    with torch.inference_mode():
        states = model(**inputs, output_hidden_states=True).hidden_states
    both = (states[1] + states[-1]) / 2
    mean: np.ndarray = both[0, 1:].mean(0).numpy()  # without the first token
    return mean
