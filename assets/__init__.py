"""The Dagster layer: what depends on what, for which partitions, and what the UI shows.

Assets call one pipeline function each. Nothing here imports torch, vllm, faiss or transformers
when definitions are loaded, and nothing below this folder knows Dagster.
"""
