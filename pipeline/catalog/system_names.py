"""What systems are called where people read of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SystemName:
    shown: str
    about: str  # one line


NAMES: dict[str, SystemName] = {
    "popularity": SystemName("Popularity", "How often an item occurs in training."),
    "overlap_popularity": SystemName(
        "Overlap popularity", "The same, of users of both domains alone."
    ),
    "recent_popularity": SystemName(
        "Recent popularity", "What users of both domains did last, older items discounted."
    ),
    "cooccurrence": SystemName(
        "Co-occurrence", "Item-to-item counts across domains, passed on once within the target."
    ),
    "item_knn": SystemName(
        "Item kNN (text)", "Nearness of an item's text vector to those of the history; no training."
    ),
    "ease": SystemName("EASE", "A linear item-to-item model in closed form."),
    "gru4rec": SystemName("GRU4Rec", "A recurrent network over the mixed history."),
    "sasrec": SystemName(
        "SASRec", "Self-attention over the mixed history; sampled softmax within the domain."
    ),
    "sasrec_bce": SystemName(
        "SASRec (BCE)", "SASRec with its paper's loss: one negative for each label."
    ),
    "fearec": SystemName("FEARec", "Self-attention in the time and the frequency domain."),
    "diffurec": SystemName("DiffuRec", "Diffusion of the next item's representation."),
    "unisrec": SystemName(
        "UniSRec", "Self-attention over text vectors, adapted by a mixture of experts."
    ),
    "sscdr": SystemName("SSCDR", "Metric spaces of both domains and a semi-supervised mapping."),
    "unicdr": SystemName("UniCDR", "Shared and domain-specific aggregates, contrasted."),
    "c2dsr": SystemName(
        "C2DSR", "Sequences of one domain and of both, with a contrast between the two."
    ),
    "tricdr": SystemName(
        "Tri-CDR", "Source, target and mixed sequences, attention among the three."
    ),
    "llmcdsr": SystemName("LLMCDSR", "A sequence model that also learns from generated titles."),
    "lgcd": SystemName("LGCD", "Language-guided conditional diffusion, built from its paper."),
    "lgcd_plus": SystemName(
        "LGCD+", "One encoder on cold views, neighbours' pseudo-items, co-occurrence; no diffusion."
    ),
    "lgcd_blind": SystemName(
        "LGCD (blind)", "LGCD without its condition; it must fall to the prior."
    ),
    "global_mean": SystemName("Global mean", "The mean training rating of the target domain."),
    "user_mean": SystemName("User mean", "What a user gave in the auxiliary domain, in the mean."),
    "item_mean": SystemName("Item mean", "The item's mean training rating, shrunk to that of all."),
    "biases": SystemName("Biases", "Global mean, item bias and the user's auxiliary bias."),
    "biased_mf": SystemName("Biased MF", "Factors and biases, each domain by itself."),
    "cmf": SystemName("CMF", "Factors of both domains' ratings, users shared between them."),
    "emcdr": SystemName("EMCDR", "Factors of each domain, and a mapping from one to the other."),
    "sscdr_ratings": SystemName(
        "SSCDR (ratings)", "A map of users that also puts what they liked near them."
    ),
    "ptupcdr": SystemName("PTUPCDR", "A map of its own for each user, read from what they liked."),
    "diffcdr": SystemName("DiffCDR", "Diffusion of a user's target factors from auxiliary ones."),
    "ridge": SystemName("Ridge", "Linear regression on frozen features of user and item."),
    "music": SystemName("MuSiC", "Diffusion over multimodal features that side users teach too."),
    "music_blind": SystemName("MuSiC (blind)", "MuSiC without its condition on the cold user."),
}


def shown(system: str) -> str:
    """A system's name for people; one without goes by its own."""
    return NAMES[system].shown if system in NAMES else system


def about(system: str) -> str:
    """A system in one line; empty where there is none."""
    return NAMES[system].about if system in NAMES else ""
