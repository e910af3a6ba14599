"""Which addresses a download may connect to: metadata is written by strangers.

Without a rule, a URL of theirs, or a redirect, or a name that they let point anywhere, could make
this machine ask its own services or its network's. So the rule is asked of every address at the
moment at which a socket is made for it, after names are resolved: there is no way around it.
"""

import ipaddress
import socket
from collections.abc import Callable

from yarl import URL

from pipeline.catalog import Images

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
AddressRule = Callable[[Address], bool]

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all of IPv6 that is handed out
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # the last 32 bits are an IPv4 address
_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")  # partly global to `ipaddress`


class BlockedAddress(OSError):
    """The rule forbids the address. An OSError, so that a host's other addresses are tried."""


def address_rule(settings: Images) -> AddressRule:
    return _anywhere if settings.allow_private else is_public


def is_public(address: Address) -> bool:
    """Whether an address is a host's on the internet, also where an IPv4 one hides in IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        hidden = _hidden_ipv4(address)
        if hidden is not None:
            return is_public(hidden)
        return address in _GLOBAL_UNICAST and address.is_global
    special = address.is_multicast or address.is_reserved or address in _PROTOCOLS
    return address.is_global and not special


def checked_socket(allowed: AddressRule) -> Callable[..., socket.socket]:
    """What makes the sockets of an aiohttp connector; BlockedAddress where the rule forbids."""

    def make(where: tuple[int, int, int, str, tuple[str, int]]) -> socket.socket:
        family, kind, protocol, _, address = where
        if not allowed(ipaddress.ip_address(address[0])):
            raise BlockedAddress("the address is not on the internet")
        return socket.socket(family, kind, protocol)

    return make


def parsed_url(url: str) -> URL | None:
    """A URL that may be asked for: http(s), with a host and without credentials; or None."""
    try:
        parsed = URL(url)
        usable = parsed.scheme in ("http", "https") and parsed.host and not parsed.raw_user
    except ValueError:
        return None
    return parsed if usable and not parsed.raw_password else None


def _anywhere(address: Address) -> bool:
    return True


def _hidden_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
