"""The demo's web site: real pages made from the machine the demo runs on, served as eight hosts.

Rules: every page is rendered once to a file, without this machine's paths, names or environment; the same machine
gives the same bytes each time; nothing is fetched from any network to make it.

Does not: crawl itself, know leases or nodes, or listen on anything but loopback.

Usage::

    manifest = build_site(root, modules_max=None, documents_max=None, progress=lambda done, total: None)
    # python -m windrow.demo_site.serve --root ROOT --ready-file READY
    leases_wanted = frontier_urls(manifest, json.loads(ready.read_text()))
"""

from windrow.demo_site.build import build_site
from windrow.demo_site.manifest import SiteEntry, SiteManifest, frontier_urls, load_manifest

__all__ = ["SiteEntry", "SiteManifest", "build_site", "frontier_urls", "load_manifest"]
