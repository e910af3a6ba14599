"""Which addresses and URLs a download may ask."""

from ipaddress import ip_address

import pytest

from pipeline.ingest.images.image_address import is_public, parsed_url


@pytest.mark.parametrize("address", ["8.8.8.8", "193.0.6.139", "2600:1f18::1", "64:ff9b::808:808"])
def test_a_host_on_the_internet_may_be_asked(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",  # shared by a provider's customers
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",  # where clouds tell a machine its keys
        "172.16.0.1",
        "192.0.0.10",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",  # 169.254.169.254 through NAT64
        "2002:7f00:1::",  # 127.0.0.1 through 6to4
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_everything_else_may_not(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "//example.com/a.png",
        "/a.png",
        "",
        "http://",
        "http:///a.png",
        "http://[::1/a.png",
        "http://example.com:99999/a.png",
        "http://user@example.com/a.png",
        "http://user:word@example.com/a.png",
        "http://:word@example.com/a.png",
        "javascript:alert(1)",
    ],
)
def test_a_url_without_a_host_or_with_credentials_is_none(url: str) -> None:
    assert parsed_url(url) is None


def test_a_url_stays_as_it_was_written() -> None:
    for url in ("https://example.com/I/41fby%2BUjOJL.jpg", "http://example.com/a+b?c=%20d"):
        assert str(parsed_url(url)) == url
