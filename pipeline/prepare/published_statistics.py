"""Statistics that the sources of datasets give, to stand beside ours on the dataset card.

Keys are those of `pipeline.prepare.card_labels`. Only figures that can be trusted to count
what their key says are here; what is left out, rounded or counted otherwise is in `remarks`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from pipeline.prepare.card_labels import ALL, Values


@dataclass(frozen=True, kw_only=True)
class PublishedStatistics:
    name: str
    source: str
    values: Values
    remarks: tuple[str, ...] = ()

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that it names, ALL left out."""
        return tuple(dict.fromkeys(domain for domain, _ in self.values if domain != ALL))


def published_statistics(name: str) -> PublishedStatistics:
    """The named statistics. ValueError for an unknown name."""
    known = {entry.name: entry for entry in _KNOWN}
    if name not in known:
        raise ValueError(f"statistics = {name!r} are not known; known: {', '.join(sorted(known))}")
    return known[name]


def _of(domain: str, **values: float) -> Values:
    return {(domain, statistic): value for statistic, value in values.items()}


def _each(domain: str, statistic: str, values: dict[str, float]) -> Values:
    """Of a statistic that has one value for each part, behaviour or other domain."""
    return {(domain, f"{statistic}:{of}"): value for of, value in values.items()}


def _days(domain: str, first: str, last: str) -> Values:
    """Days of the first and the last interaction, in UTC."""
    epoch = date(1970, 1, 1)
    ends = {"first_day": first, "last_day": last}
    return {(domain, key): (date.fromisoformat(day) - epoch).days for key, day in ends.items()}


def _merged(parts: Iterable[Values]) -> Values:
    return {key: value for part in parts for key, value in part.items()}


_LLMCDSR = PublishedStatistics(
    name="llmcdsr-food-kitchen",
    source=(
        "LLMCDSR (Xin et al.), released files of food-kitchen: num.txt, instance_num.txt and the"
        " lines of the sequence files; mean length: LGCD, arXiv 2604.05365, Table 2"
    ),
    values=_merged(
        [
            _of("food", items=8_661),
            _of("kitchen", items=27_637),
            _each("food", "users_of_part", {"single": 5_472}),
            _each("kitchen", "users_of_part", {"single": 38_191}),
            _each(ALL, "users_of_part", {"overlap": 7_501, "valid": 960, "test": 937}),
            _each("food", "interactions_of_part", {"single": 37_281, "overlap": 45_849}),
            _each("kitchen", "interactions_of_part", {"single": 265_817, "overlap": 53_321}),
            _each(ALL, "interactions_of_part", {"valid": 18_133, "test": 15_726}),
            _of(ALL, sequence_length_mean=8.22),
        ]
    ),
    remarks=(
        "The release names no people: its users are sequences, and one person may own several. The"
        " numbers of people in LGCD's Table 2 (5,041 and 35,889, of whom 5,781 in both) cannot be"
        " compared. What that table calls interactions are these numbers of sequences.",
        "Interactions were counted in the released files.",
    ),
)

_ABXI = PublishedStatistics(
    name="abxi-food-kitchen",
    source="ABXI (WWW 2025), repository, data/afk: afk_50_preprocessed.txt and its maps",
    values=_merged(
        [
            _of(ALL, users=7_144, overlap_users=7_144, interactions=173_548),
            _of(ALL, sequence_length_median=20),
            _of("abxi-food", interactions=83_663, items=11_837),
            _of("abxi-kitchen", interactions=89_885, items=16_258),
            _days(ALL, "2000-05-02", "2014-07-23"),
        ]
    ),
    remarks=("Counted in the released files.",),
)

_DIFFCDR = PublishedStatistics(
    name="amazon2014-books-movies-music",
    source="DiffCDR, Table 1: 5-cores of Amazon 2014 (Books, Movies and TV, CDs and Vinyl)",
    values=_merged(
        [
            _of("books", users=604_000, items=368_000, interactions=8_898_000),
            _of("movies", users=124_000, items=50_000, interactions=1_697_000),
            _of("music", users=75_000, items=64_000, interactions=1_097_000),
            _each("books", "shared_users", {"movies": 37_000, "music": 17_000}),
            _each("movies", "shared_users", {"music": 18_000}),
        ]
    ),
    remarks=("The source gives thousands.",),
)

_MMREC = PublishedStatistics(
    name="mmrec-baby-sports-electronics",
    source="MMRec, statistics of its sets: 5-cores of Amazon 2014",
    values=_merged(
        [
            _of("baby", users=19_445, items=7_050, interactions=160_792),
            _of("sports", users=35_598, items=18_357, interactions=296_337),
            _of("electronics", users=192_403, items=63_001, interactions=1_689_188),
        ]
    ),
)

_MOVIELENS = PublishedStatistics(
    name="movielens-latest-small-2016",
    source="MovieLens, ml-latest-small of 2016, README.txt and ratings.csv",
    values=_of("movielens", users=671, items=9_066, interactions=100_004)
    | _days("movielens", "1995-01-09", "2016-10-16"),
    remarks=("The README counts 9,125 movies; 9,066 of them are rated.",),
)

_MBCGCN = PublishedStatistics(
    name="tmall-mbcgcn",
    source="MBCGCN, repository, Data: the Tmall files of view, cart and buy",
    values=_merged(
        [
            _of("tmall-mbcgcn", users=15_449, items=11_953),
            _each(
                "tmall-mbcgcn",
                "interactions_of_behaviour",
                {"buy": 107_629, "cart": 195_476, "view": 873_954},
            ),
            _each("tmall-mbcgcn", "interactions_of_part", {"train": 1_130_712, "test": 46_347}),
        ]
    ),
    remarks=(
        "Counted in the released files: buy 92,180 for training, cart 180,027 and view 858,505,"
        " and one of each behaviour and user, 15,449, for testing.",
    ),
)

_MBGCN = PublishedStatistics(
    name="tmall-mbgcn",
    source="MBGCN (SIGIR 2020), repository, Tmall: data_size.txt and the files of pairs",
    values=_merged(
        [
            _of("tmall-mbgcn", users=41_738, items=11_953),
            _each(
                "tmall-mbgcn",
                "interactions_of_behaviour",
                {"buy": 287_158, "cart": 1_996, "collect": 221_514},
            ),
            _each(
                "tmall-mbgcn",
                "interactions_of_part",
                {"train": 404_938, "valid": 31_572, "test": 74_158},
            ),
        ]
    ),
    remarks=(
        "Counted in the released files: buy 181,428 for training, 31,572 for validation and"
        " 74,158 for testing. The file of clicks is not counted; of the users that data_size.txt"
        " gives, 41,484 occur in the other files.",
    ),
)

_IDGENREC = PublishedStatistics(
    name="idgenrec-beauty-sports-toys",
    source="IDGenRec, repository, rec_datasets: user_sequence.txt, 5-cores of Amazon 2014",
    values=_merged(
        [
            _of("beauty", users=22_363, items=12_101, interactions=198_502),
            _of("sports", users=35_598, items=18_357, interactions=296_337),
            _of("toys", users=19_412, items=11_924, interactions=167_597),
            _each("beauty", "shared_users", {"sports": 1_625, "toys": 2_073}),
            _each("sports", "shared_users", {"toys": 1_734}),
        ]
    ),
    remarks=("Counted in the released files.",),
)

_GIFT_CARDS = PublishedStatistics(
    name="amazon2018-gift-cards",
    source="Amazon 2018 (Ni et al.), Gift_Cards_5.json.gz",
    values=_of("gift-cards", users=458, items=148, interactions=2_972)
    | _days("gift-cards", "2012-01-31", "2018-08-22"),
    remarks=("Its interactions are the file's lines, repeated reviews of an item counted again.",),
)

_DIGITAL_MUSIC = PublishedStatistics(
    name="digital-music-rock-rnb",
    source=(
        "Amazon 2014, the first 6,908 lines of reviews_Digital_Music_5.json.gz; items by the"
        " second name of their category paths, those of both left out"
    ),
    values=_merged(
        [
            _of("rock", users=1_474, items=166),
            _of("rnb", users=915, items=118),
            _each("rock", "shared_users", {"rnb": 246}),
        ]
    ),
    remarks=("Counted in the head of the file alone; the whole file holds more.",),
)

_KNOWN = (
    _LLMCDSR,
    _ABXI,
    _DIFFCDR,
    _MMREC,
    _MOVIELENS,
    _MBCGCN,
    _MBGCN,
    _IDGENREC,
    _GIFT_CARDS,
    _DIGITAL_MUSIC,
)
