"""Seeds for the parsers of what web sites send: see `seeds.py`.

Rules: well-formed ones first, then those of known attacks; all are written here, none is anybody's page.

Does not: hold what the fuzzer found (`corpus/`). Usage: `html()`.
"""

from __future__ import annotations

import gzip
import zlib


def html() -> list[bytes]:
    """Pages."""
    page = (
        b"<!doctype html><html><head><title>Rows of grass</title><meta name=robots content='noai, noindex'>"
        b"<meta name=tdm-reservation content=1></head><body><nav><a href=/>Home</a></nav><main><article><h1>Hay</h1>"
        b"<p>Cut grass dries in rows until it is raked together.</p><pre>a\n b</pre></article></main></body></html>"
    )
    return [
        b"\0" + page,
        b"\x01" + page[:200],
        b"\x03" + page.decode().encode("utf-16"),
        b"\x04" + "<p>草を干す".encode("shift_jis"),
        b"\0" + b"<div>" * 1_200,
        b"\0<meta charset=utf-7><p>+ADw-",
        b"\0<script type=application/rsl+xml></script><!--<p>--><svg><title>x</title></svg>",
        b"\0<p>&#0;&#xD800;&#x110000;&notin;\xef\xbb\xbf\r\n\t\x0b",
        b"\x07Plain text\n\n# not a heading",
        b"\x09<!doctype html><p>undeclared",
        b"\0" + b"<table><td><select><math><mi><template>" * 20,
    ]


def urls() -> list[bytes]:
    """Addresses."""
    said = [
        "HTTP://Example.COM:80/a/../b?utm_source=x&b=2&a=1#top",
        "https://user:pass@example.com/",
        "http://[::ffff:127.0.0.1]:8080/%7ea;jsessionid=1?PHPSESSID=2&sid=" + "a" * 32,
        "http://0x7f.1/%2e%2E/%zz%%41?&&=&a",
        "http://münchen.example./ß?q=ü",
        "//host/path",
        "file:///etc/passwd",
        "http://a_b.example:99999/",
        "http://127.1/..;jsessionid=1/",
        "http://xn--a.example/\\\\x?\ud83d",
    ]
    return [b"\x80" + each.encode("utf-8", "surrogatepass") for each in said] + [
        b"\0http://\xff.example/\xff"
    ]


def robots() -> list[bytes]:
    """Files of robots.txt."""
    return [
        b"\0User-agent: *\nDisallow: /a*b$\nAllow: /a/index.html\nCrawl-delay: 2.5\nSitemap: http://s.example/x\n",
        b"\0\xef\xbb\xbfuser agent WindrowBot\nDissallow /%7ea\nContent-Usage: /x train-ai=n\nLicense: http://l.example",
        b"\0User-agent: a\nUser-agent: WindrowBot/2\nContent-Signal: ai-train=no, search=yes\nDisallow:\n",
        b"\0" + b"User-agent: *\nDisallow: " + b"/*a" * 300 + b"$\n",
        b"\0\r\rUser-Agent:*\0hidden\nAllow:/\xff",
        b"\x05",
        b"\x07x",
    ]


def optout() -> list[bytes]:
    """Header fields and tdmrep.json."""
    return [
        b"X-Robots-Tag: googlebot: noindex, noai\nContent-Usage: train-ai=n;x=1, ai=y\ntdm-reservation: 1\n",
        b'Link: <http://l.example/r>; rel="license"; type="application/rsl+xml"\ntdm-policy: http://p.example/\n',
        b"Content-Signal: ai-train=no\nContent-Usage: train-ai=?0, :::\nContent-Usage: bots=n",
        b'\0[{"location":"/a*","tdm-reservation":1,"tdm-policy":"http://p.example/"}]',
        b'\0{"location":5}',
        b"\0" + b"[" * 2_000,
        b'\0[1, null, {"location":"\\ud800/"}, {"location":"*","tdm-reservation":1e400}]',
        b"meta:robots noai=*",
    ]


def codings() -> list[bytes]:
    """Compressed bodies."""
    text = b"grass " * 100
    twice = gzip.compress(gzip.compress(text, mtime=0), mtime=0)
    raw = zlib.compressobj(wbits=-15)
    return [
        b"\0" + gzip.compress(text, mtime=0),
        b"\0" + gzip.compress(text, mtime=0) * 2 + b"\0\0",
        b"\0" + gzip.compress(b"\0" * 3_000_000, mtime=0),
        b"\x01" + zlib.compress(text),
        b"\x01" + raw.compress(text) + raw.flush(),
        b"\x03" + gzip.compress(zlib.compress(text), mtime=0),
        b"\x07" + twice,
        b"\0" + twice[:30],
        b"\x06x",
    ]


def texts() -> list[bytes]:
    """Texts in many scripts."""
    said = [
        "One two three four five six.",
        "é e\u0301 ﬁ \u00a0\u2003 \u1100\u1161\u11a8",
        "草を刈る\r\n\r\n\r\nไทย",
        "a\x85b\x1cc\ufeff",
    ]
    return [each.encode() for each in said] + [
        b"\x01\xed\xa0\x80 lone",
        b"\x00" * 5,
        b"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f",
    ]


def personal() -> list[bytes]:
    """Texts with personal data of nobody."""
    return [
        b"Write to ana@example.org or +49 30 123456, card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00.",
        b"ssh-rsa AAAA key sk_live_1234567890abcdefghij and 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed at 10.0.0.1",
        b"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq aa:bb:cc:dd:ee:ff 2001:db8::1 SSN 078-05-1120",
        "ana＠example．org ４１１１ １１１１ １１１１ １１１１ a\u200bna@example.org".encode(),
        b"1" * 300,
        b"1-" * 200 + b"@" * 100,
    ]


def personal_urls() -> list[bytes]:
    """Addresses of pages that people give."""
    return [*(each[1:] for each in urls()), b"http://a.example/ana%2540b.example?x#y"]
