"""The synthetic world itself: products, people with tastes, and what they buy when.

One person's tastes govern both domains, and so do the styles that they like, which decide
ratings: a taste says what someone buys, a style what they think of it. A taste has themes, each
a handful of products on either side; a person leans to a few themes of one or two tastes, and
now and then buys something else. So a theme that few shared users know can still be followed
from one domain to the other: through single-domain users, who show what goes together, and
through titles. Reviews tell the styles that their writer likes, descriptions those of products.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.ingest.sample_words import SIZES, STYLES, TASTES, Taste, Theme

DOMAINS = (0, 1)  # food, kitchen
SECONDS_A_DAY = 86_400
_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    seed: int = 0
    food_users: int = 1500  # active in food alone
    kitchen_users: int = 1500
    shared_users: int = 700
    interactions: tuple[int, int] = (5, 8)  # least and most of a user in a domain
    two_tastes: float = 0.8  # share of users with a second taste
    main_taste: float = 0.65  # weight of the first of two tastes
    theme_focus: float = 0.35  # Dirichlet parameter over a taste's themes; less is narrower
    zipf: float = 0.6  # exponent of popularity within a taste
    noise: float = 0.15  # share of purchases that follow no taste
    noise_zipf: float = 0.8  # exponent of popularity among those: everyday products
    start: int = 1_451_606_400  # seconds since 1970: 2016-01-01
    days: int = 730
    exact_duplicates: int = 20  # a domain's review lines that are repeated as they are
    later_duplicates: int = 20  # a domain's reviews that are written again, some days later
    malformed_reviews: int = 1  # a domain's review lines that are cut off
    malformed_items: int = 1
    absent_items: int = 3  # a domain's reviewed items that its metadata does not know
    untitled_items: int = 3  # a domain's items with an empty title
    repeated_items: int = 3  # a domain's items with a second, poorer line before their own


@dataclass(frozen=True, kw_only=True)
class Product:
    asin: str
    taste: Taste
    theme: Theme
    name: str
    brand: str
    title: str
    style: str
    weight: float  # popularity within its taste; a taste's weights sum to 1


@dataclass(frozen=True, kw_only=True)
class Purchase:
    user_id: str
    domain: int  # of DOMAINS
    product: int  # index within the domain
    time: int  # seconds since 1970, the start of a day; a user's purchases have different days


@dataclass(frozen=True, kw_only=True)
class World:
    products: tuple[tuple[Product, ...], ...]  # by domain
    affinities: dict[str, np.ndarray]  # by user: weight of each (taste, theme), summing to 1
    liked: dict[str, tuple[str, ...]]  # by user: two of STYLES, the same in both domains
    purchases: tuple[Purchase, ...]  # by user, in order of time


def make_world(config: WorldConfig) -> World:
    """The world of a seed: 300 products a domain, 4 for each of 5 themes of 15 tastes."""
    for_products, for_users = np.random.default_rng(config.seed).spawn(2)
    # Apart from the other draws: who buys what and when does not hang on styles.
    for_styles = np.random.default_rng([config.seed, 2])
    products = tuple(_products(domain, config, for_products, for_styles) for domain in DOMAINS)
    everyday = tuple(_zipf(len(of), config.noise_zipf, for_products) for of in products)
    groups = (
        [(0,)] * config.food_users + [(1,)] * config.kitchen_users + [(0, 1)] * config.shared_users
    )
    user_ids = _ids("A", 13, len(groups), for_users)
    affinities = {user_id: _affinity(config, for_users) for user_id in user_ids}
    liked = {user_id: _liked_styles(for_styles) for user_id in user_ids}
    purchases: list[Purchase] = []
    for user_id, domains in zip(user_ids, groups, strict=True):
        purchases += _history(
            user_id, domains, products, everyday, affinities[user_id], config, for_users
        )
    return World(products=products, affinities=affinities, liked=liked, purchases=tuple(purchases))


def themes() -> list[tuple[Taste, Theme]]:
    """Every theme with its taste, in the order of an affinity vector."""
    return [(taste, theme) for taste in TASTES for theme in taste.themes]


def product_weights(products: tuple[Product, ...], affinity: np.ndarray) -> np.ndarray:
    """A user's probability of each product of a domain, noise aside; shape (products,)."""
    by_theme = {theme.name: weight for (_, theme), weight in zip(themes(), affinity, strict=True)}
    weights = np.array([by_theme[item.theme.name] * item.weight for item in products])
    return weights / weights.sum()


def _products(
    domain: int, config: WorldConfig, random: np.random.Generator, for_styles: np.random.Generator
) -> tuple[Product, ...]:
    asins = iter(_ids("B0", 8, sum(len(theme.products[domain]) for _, theme in themes()), random))
    made: list[Product] = []
    for taste in TASTES:
        names = [(theme, name) for theme in taste.themes for name in theme.products[domain]]
        weights = _zipf(len(names), config.zipf, random)
        for (theme, name), weight in zip(names, weights, strict=True):
            brand, size = str(random.choice(taste.brands)), str(random.choice(SIZES[domain]))
            made.append(
                Product(
                    asin=next(asins),
                    taste=taste,
                    theme=theme,
                    name=name,
                    brand=brand,
                    title=f"{brand} {name}, {size}",
                    style=str(for_styles.choice(STYLES)),
                    weight=float(weight),
                )
            )
    return tuple(made)


def _zipf(count: int, exponent: float, random: np.random.Generator) -> np.ndarray:
    """Probabilities that fall with a power of the rank, ranks dealt at random."""
    weights = (1.0 + np.arange(count)) ** -exponent
    return random.permutation(weights / weights.sum())


def _ids(prefix: str, length: int, count: int, random: np.random.Generator) -> list[str]:
    """Different ids in the manner of the real dumps."""
    ids: dict[str, None] = {}
    while len(ids) < count:
        ids[prefix + "".join(random.choice(_LETTERS, size=length))] = None
    return list(ids)


def _liked_styles(random: np.random.Generator) -> tuple[str, ...]:
    return tuple(map(str, random.choice(STYLES, size=2, replace=False)))


def _affinity(config: WorldConfig, random: np.random.Generator) -> np.ndarray:
    """A user's weight of each theme of `themes()`: one or two tastes, a few themes of each."""
    first, second = random.choice(len(TASTES), size=2, replace=False)
    share = config.main_taste if random.random() < config.two_tastes else 1.0
    parts = [
        random.dirichlet(np.full(len(taste.themes), config.theme_focus))
        * (share if i == first else 1.0 - share if i == second else 0.0)
        for i, taste in enumerate(TASTES)
    ]
    return np.concatenate(parts)


def _history(
    user_id: str,
    domains: tuple[int, ...],
    products: tuple[tuple[Product, ...], ...],
    everyday: tuple[np.ndarray, ...],
    affinity: np.ndarray,
    config: WorldConfig,
    random: np.random.Generator,
) -> list[Purchase]:
    """A user's purchases in order of time, no product twice, the domains interleaved."""
    bought: list[tuple[int, int]] = []
    least, most = config.interactions
    for domain in domains:
        chances = product_weights(products[domain], affinity) * (1.0 - config.noise)
        chances += config.noise * everyday[domain]
        count = int(random.integers(least, most + 1))
        chosen = random.choice(len(chances), size=count, replace=False, p=chances)
        bought += [(domain, int(product)) for product in chosen]
    days = np.sort(random.choice(config.days, size=len(bought), replace=False))
    order = random.permutation(len(bought))
    return [
        Purchase(
            user_id=user_id,
            domain=bought[i][0],
            product=bought[i][1],
            time=config.start + int(day) * SECONDS_A_DAY,
        )
        for i, day in zip(order, days, strict=True)
    ]
