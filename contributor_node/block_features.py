"""What is known of each block of a page, as small integers: the input of `block_scores`.

Rules: integers only, so that every machine computes the same. `features_of` and `context_of` return for each block
the numbers of the weights that apply to it; a number's meaning is fixed by `NAMES` and changes with the extractor's
version. Linear in the number of blocks.

Does not: hold weights or decide.

Usage::

    rows = features_of(page, shape)
"""

from __future__ import annotations

from contributor_node.page_blocks import KINDS, Block, PageBlocks, Places
from contributor_node.page_names import MASK_BITS

WORD_BINS = (1, 2, 3, 5, 8, 12, 20, 35, 60, 120)
LINK_BINS = (0, 10, 25, 50, 75, 95)
SHARE_BINS = (2, 5, 10, 20, 35, 50, 70, 90)
_SAYINGS = (
    "cookie consent datenschutz",
    "© (c) copyright all|rights alle|rechte",
    "subscrib newsletter abonn sign|up sign|in log|in login anmelden register",
    "share sharing teilen follow|us facebook twitter whatsapp tweet pinterest",
    "read|more learn|more weiterlesen mehr|lesen view|all see|all show|more lire|la leer|más",
    "related you|may|also recommended popular recent|posts ähnliche das|könnte verwandte",
    "comment kommentar reply replies antwort leave|a",
    "posted published updated veröffentlicht written|by min|read |ago by| von|",
    "add|to cart checkout wishlist in|stock shipping warenkorb $ € £",
    "tags tag: categor schlagw filed|under kategorie",
    "privacy terms impressum agb contact kontakt about|us über|uns sitemap",
)
_SAID = [
    (word.replace("|", " "), place) for place, listed in enumerate(_SAYINGS, 1) for word in listed.split()
]
SAYINGS = 12
SCORE_STEP = 400


def bin_of(value: int, edges: tuple[int, ...]) -> int:
    """Return how many edges a value exceeds."""
    place = 0
    for edge in edges:
        if value <= edge:
            return place
        place += 1
    return place


class Layout:
    """Gives each feature its range of weights; `size` is how many there are."""

    def __init__(self, ranges: dict[str, int]) -> None:
        self.start: dict[str, int] = {}
        self.size = 0
        for name, count in ranges.items():
            self.start[name] = self.size
            self.size += count


FIRST = Layout(
    {
        "bias": 1,
        "mask": MASK_BITS,
        "near": MASK_BITS,
        "size_links": 11 * 7,
        "size_links_shape": 16 * 11 * 7,
        "kind_size": KINDS * 11,
        "stops": 5 * 11,
        "saying": SAYINGS * 6,
        "around": 11 * 11,
        "around_links": 7 * 7,
        "up1": 9 * 7,
        "up2": 9 * 7,
        "up3": 9 * 7,
        "region_shape": 8 * 16,
        "where": 10 * 4,
        "heading": 3 * 4,
        "repeat": 4 * 6,
        "kind_next": KINDS * KINDS,
        "type_near": 6 * MASK_BITS,
    }
)
SECOND = Layout(
    {
        "bias": 1,
        "own": 14,
        "own_size": 14 * 11,
        "around": 14 * 14,
        "window": 14 * 14,
        "up1": 14 * 14,
        "up2": 14 * 14,
        "up3": 14 * 9,
        "span": 4 * 14,
        "page": 14 * 14,
        "section": 14 * 14,
    }
)


def bits_of(mask: int) -> list[int]:
    """Return the places of the set bits."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def percent(part: int, whole: int) -> int:
    """Return a share in whole per cent; 0 of nothing."""
    return 100 * part // whole if whole else 0


def page_shape(page: PageBlocks) -> int:
    """Return one of 16 shapes: how much running text, how many links."""
    long_blocks = sum(block.words >= 25 and block.link_words * 4 < block.words for block in page.blocks)
    links = percent(page.places.link_words[0], page.places.words[0])
    return bin_of(long_blocks, (2, 8, 25)) * 4 + bin_of(links, (15, 35, 60))


def region_of(mask: int) -> int:
    """Return one of 8: within main, article, or what surrounds them."""
    return (mask >> 4 & 3) | (4 if mask & 15 else 0)


def grown(places: Places) -> list[int]:
    """Return for each place the nearest one around it that holds more words."""
    up = [0] * len(places.parent)
    for place in range(1, len(up)):
        parent = places.parent[place]
        up[place] = up[parent] if places.words[parent] == places.words[place] else parent
    return up


def features_of(page: PageBlocks, kind_of_page: int) -> list[list[int]]:
    """Return for each block the numbers of the weights of the first scoring."""
    blocks, places = page.blocks, page.places
    shape, up, total = page_shape(page), grown(places), places.words[0]
    sizes = [bin_of(block.words, WORD_BINS) for block in blocks]
    links = [bin_of(percent(block.link_words, block.words), LINK_BINS) for block in blocks]
    start = FIRST.start
    masks: dict[tuple[int, int], list[int]] = {}
    levels: dict[int, list[int]] = {}
    copies: dict[str, int] = {}
    for block in blocks:
        copies[block.text] = copies.get(block.text, 0) + 1
    rows = []
    count, heading, last = len(blocks), 0, len(blocks) - 1
    s_size, s_shape, s_kind, s_stops = (
        start["size_links"], start["size_links_shape"] + shape * 77, start["kind_size"], start["stops"]
    )  # fmt: skip
    s_saying, s_around, s_around_links = start["saying"], start["around"], start["around_links"]
    s_where, s_heading, s_repeat, s_next = (
        start["where"],
        start["heading"],
        start["repeat"],
        start["kind_next"],
    )
    for index, block in enumerate(blocks):
        size, link, text, kind = sizes[index], links[index], block.text, block.kind
        key = (block.mask, block.near)
        row = masks.get(key)
        if row is None:
            row = masks[key] = _mask_row(block, shape, kind_of_page)
        level = levels.get(block.place)
        if level is None:
            level = levels[block.place] = _level_row(places, up, block.place, total)
        if kind == 2:
            heading = 1
        elif heading == 1 and kind != 2:
            heading = 2
        stops = min(4, text.count(".") + text.count(",") + text.count("。") + text.count("?"))
        saying = _saying(text) if block.words <= 20 else 0
        following = index + 1 if index < last else index
        rows.append(
            [
                0,
                *row,
                *level,
                s_size + size * 7 + link,
                s_shape + size * 7 + link,
                s_kind + kind * 11 + size,
                s_stops + stops * 11 + size,
                s_saying + saying * 6 + min(5, size // 2),
                s_around + sizes[index - 1 if index else 0] * 11 + sizes[following],
                s_around_links + links[index - 1 if index else 0] * 7 + links[following],
                s_where + index * 10 // count * 4 + min(3, size // 3),
                s_heading + heading * 4 + min(3, size // 3),
                s_repeat + min(3, copies[text] - 1) * 6 + min(5, size // 2),
                s_next + kind * KINDS + blocks[following].kind,
            ]
        )
    return rows


def _saying(text: str) -> int:
    """Which of the things that frames of pages say a short text says, or 0."""
    folded = text[:120].lower()
    for word, place in _SAID:
        if word in folded:
            return place
    return 0


def _mask_row(block: Block, shape: int, kind_of_page: int) -> list[int]:
    start = FIRST.start
    near = bits_of(block.near)
    return [
        start["region_shape"] + region_of(block.mask) * 16 + shape,
        *(start["mask"] + bit for bit in bits_of(block.mask)),
        *(start["near"] + bit for bit in near),
        *(start["type_near"] + kind_of_page * MASK_BITS + bit for bit in near),
    ]


def _level_row(places: Places, up: list[int], place: int, total: int) -> list[int]:
    row = []
    for name in ("up1", "up2", "up3"):
        place = up[place]
        share = bin_of(percent(places.words[place], total), SHARE_BINS)
        links = bin_of(percent(places.link_words[place], places.words[place]), LINK_BINS)
        row.append(FIRST.start[name] + share * 7 + links)
    return row


def score_bin(score: int) -> int:
    """Return one of 14 steps of a score in thousandths of a logit."""
    return min(13, max(0, score // SCORE_STEP + 7))


def context_of(page: PageBlocks, scores: list[int]) -> list[list[int]]:
    """Return for each block the numbers of the weights of the second scoring, from the scores of the first."""
    blocks, places = page.blocks, page.places
    clipped = [min(4000, max(-4000, score)) for score in scores]
    heavy = [min(block.words, 40) for block in blocks]
    mean, weight = [0] * len(places.parent), [0] * len(places.parent)
    for block, score, words in zip(blocks, clipped, heavy, strict=True):
        mean[block.place] += score * words
        weight[block.place] += words
    for place in range(len(mean) - 1, 0, -1):
        mean[places.parent[place]] += mean[place]
        weight[places.parent[place]] += weight[place]
    for place, words in enumerate(weight):
        mean[place] = score_bin(mean[place] // words) if words else 0
    up, start = grown(places), SECOND.start
    bins = [score_bin(score) for score in clipped]
    sure = [
        index
        for index, (score, words) in enumerate(zip(clipped, heavy, strict=True))
        if score > 0 and words > 7
    ]
    first, final = (sure[0], sure[-1]) if sure else (len(blocks), -1)
    sums, weights = [0], [0]
    for score, words in zip(clipped, heavy, strict=True):
        sums.append(sums[-1] + score * words)
        weights.append(weights[-1] + words)
    headed = _section_means(blocks, sums, weights)
    rows, count = [], len(blocks)
    for index, block in enumerate(blocks):
        own = bins[index]
        before, after = max(0, index - 4), min(count, index + 5)
        window = score_bin((sums[after] - sums[before]) // (weights[after] - weights[before]))
        one = up[block.place]
        two = up[one]
        span = (1 if index >= first else 0) | (2 if index > final else 0)
        rows.append(
            [
                0,
                start["own"] + own,
                start["own_size"] + own * 11 + bin_of(block.words, WORD_BINS),
                start["around"] + bins[index - 1 if index else 0] * 14 + bins[min(count - 1, index + 1)],
                start["window"] + own * 14 + window,
                start["up1"] + own * 14 + mean[one],
                start["up2"] + own * 14 + mean[two],
                start["up3"] + mean[up[two]] * 9
                + bin_of(percent(places.words[up[two]], places.words[0]), SHARE_BINS),
                start["span"] + span * 14 + own,
                start["page"] + own * 14 + mean[0],
                start["section"] + own * 14 + headed[index],
            ]
        )  # fmt: skip
    return rows


def _section_means(blocks: list[Block], sums: list[int], weights: list[int]) -> list[int]:
    """The mean score of what stands between a heading and the next, for each block."""
    found: list[int] = []
    edges = [index for index, block in enumerate(blocks) if 2 <= block.kind <= 5 and index] + [len(blocks)]
    begin = 0
    for edge in edges:
        mean = (sums[edge] - sums[begin]) // (weights[edge] - weights[begin]) if edge > begin else 0
        found += [score_bin(mean)] * (edge - begin)
        begin = edge
    return found
