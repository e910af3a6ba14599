"""`python -m assets.stale [NAME]`: list what is missing or stale and why, and materialize nothing.

Without a name, all scenarios and domains. The order is topological: what stands further down may
wait for what stands above. A row stands for all assets that have the same to say; `--all` gives
each asset partition its own. The exit status is 0, and with `--check` 1 where anything is missing
or stale; a name that nobody knows is status 2.
"""

import argparse
import sys

from assets.command import check_names, errors_for_people, open_instance
from assets.definitions import all_assets
from assets.resources import Workspace
from assets.staleness.causes import Staleness
from assets.staleness.listing import listing


@errors_for_people()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", help="a scenario or a domain of data/catalog.toml")
    parser.add_argument("--all", action="store_true", help="a row for each asset partition")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--check", action="store_true", help="exit with 1 unless all is fresh")
    arguments = parser.parse_args()
    workspace = Workspace()
    catalog = workspace.catalog
    check_names(parser, catalog, [arguments.name] if arguments.name else [])
    with open_instance() as instance:
        found = listing(Staleness(all_assets(catalog), workspace, instance), arguments.name)
    print(found.as_json() if arguments.json else found.as_text(grouped=not arguments.all))
    sys.exit(1 if arguments.check and found.stale else 0)


if __name__ == "__main__":
    main()
