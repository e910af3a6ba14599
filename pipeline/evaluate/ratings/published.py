"""A published table of the same task, quoted beside ours.

MuSiC's own cells are not quoted: its tables were not to be had, only "up to 31.34 %" of
improvement, which names no cell.
"""

DIFFCDR_SOURCE = "Xuan, Diffusion Cross-domain Recommendation, arXiv 2402.02182, table 2"

DIFFCDR_METHODS = ("TGT", "CMF", "EMCDR", "SSCDR", "LACDR", "PTUPCDR", "DiffCDR")

DIFFCDR_CELLS: dict[tuple[str, int], str] = {
    ("Movie to Music", 20): "4.4546/5.1338 1.4642/1.9571 1.3596/1.6615 1.1757/1.4911"
    " 1.1295/1.4358 1.1099/1.4543 1.0435/1.3840",
    ("Movie to Music", 50): "4.4884/5.1790 1.6710/2.2076 1.6891/2.0368 1.4320/1.8248"
    " 1.3502/1.7510 1.2842/1.7340 1.2367/1.6859",
    ("Movie to Music", 80): "4.4959/5.1830 2.2327/2.8868 2.1980/2.5713 1.8162/2.3090"
    " 1.6886/2.2238 1.6174/2.2429 1.5606/2.1754",
    ("Book to Movie", 20): "4.1807/4.7496 1.4742/1.9180 1.1305/1.4215 0.9774/1.2356"
    " 0.9681/1.2311 1.0728/1.3745 0.9476/1.2338",
    ("Book to Movie", 50): "4.1951/4.7693 1.5651/2.0341 1.1863/1.4993 1.0193/1.3089"
    " 1.0077/1.3051 1.1116/1.4425 0.9953/1.3155",
    ("Book to Movie", 80): "4.2384/4.8198 2.2379/2.7538 1.3445/1.6946 1.1469/1.4871"
    " 1.1151/1.4660 1.2072/1.5987 1.0846/1.4695",
    ("Book to Music", 20): "4.5190/5.1838 1.7976/2.3545 1.6425/1.9873 1.3073/1.6599"
    " 1.1945/1.5771 1.2556/1.6730 1.1220/1.5390",
    ("Book to Music", 50): "4.4953/5.1685 2.0002/2.6001 1.9364/2.2966 1.5183/1.9467"
    " 1.3925/1.8644 1.4304/1.9475 1.3077/1.8255",
    ("Book to Music", 80): "4.5133/5.1960 2.5014/3.1740 2.3448/2.7035 1.8849/2.3517"
    " 1.7107/2.2468 1.7016/2.3248 1.5871/2.2110",
}
"""MAE/RMSE of each method, by task and cold ratio in percent; means of five runs."""

DIFFCDR_REMARKS = (
    "Another, larger data set: not comparable cell by cell. There, three pairs of Amazon's movies,"
    " music and books of 2014 share some 17,000 to 37,000 users a pair.",
    "The released programs of DiffCDR and PTUPCDR keep the lowest test error over all epochs, of"
    " MAE and RMSE each by itself: published figures of that kind are optimistic. Here the"
    " validation users choose.",
    "TGT, factors of the target domain alone, has MAE 4.2 to 4.5: about what a constant zero has.",
    "The table has no constant predictor, so it does not tell how much of a figure a mean rating"
    " alone would reach. Here item means are always among the systems.",
)
