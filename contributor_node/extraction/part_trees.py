"""The trees of `part_score`, written by `bench/part_weights.py`: learnt from labelled pages, not made by hand.

Each line is a tree over the columns that `part_score.features` returns, in its order; leaves are thousandths of a logit.
"""

from __future__ import annotations

# fmt: off


def margin(row: list[int]) -> int:
    """Return by how much a part is likelier no main content, in thousandths of a logit."""
    c0, c1, c2, c3, _c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c20, c21, c22, c23, c24, c25, c26, c27, c28, c29, c30, c31, c32, c33, _c34, c35, _c36, _c37, c38, c39 = row
    total = 0
    total += ((((-481 if c9 <= 923 else -237) if c33 <= 5 else -710) if c14 <= 87 else (-841 if c6 <= 604 else -583)) if c0 <= -15 else ((-141 if c14 <= 125 else -573) if c24 <= 3 else 17))
    total += ((((130 if c0 <= -2210 else (-324 if c0 <= -1762 else (-78 if c0 <= -585 else -294))) if c15 <= 24 else 128) if c2 <= 209 else (298 if c0 <= -585 else -179)) if c0 <= -152 else 335)
    total += ((((-94 if c12 <= 200 else 192) if c14 <= 71 else (182 if c0 <= -2211 else (-238 if c12 <= 975 else 36))) if c3 <= 702 else (93 if c12 <= 457 else 336)) if c0 <= 488 else 295)
    total += (((-208 if c9 <= 923 else -2) if c0 <= 619 else 161) if c11 <= -2268 else ((232 if c0 <= -2209 else -57) if c0 <= -629 else (291 if c1 <= 444 else (17 if c1 <= 481 else 295))))
    total += ((((56 if c31 <= 1 else -140) if c21 <= 3 else -211) if c28 <= 651 else (156 if c32 <= 7 else -136)) if c2 <= 68 else ((24 if c28 <= 621 else 197) if c12 <= 515 else 271))
    total += ((145 if c0 <= -2209 else -221) if c0 <= -991 else (((127 if c16 <= 8 else -70) if c1 <= 358 else 284) if c1 <= 444 else ((20 if c21 <= 1 else -205) if c1 <= 481 else 210)))
    total += ((((158 if c0 <= -2209 else -112) if c0 <= -606 else (287 if c0 <= -586 else (-42 if c0 <= 357 else 158))) if c11 <= 75 else 253) if c14 <= 129 else (-183 if c28 <= 507 else -11))
    total += (((82 if c21 <= 2 else (-117 if c5 <= 0 else 75)) if c28 <= 576 else (155 if c0 <= 2831 else -175)) if c31 <= 3 else (114 if c0 <= -2210 else (-236 if c0 <= -1043 else -50)))
    total += (((-148 if c2 <= 365 else -15) if c24 <= 3 else 98) if c11 <= -3847 else (((-108 if c7 <= -922 else 31) if c2 <= 97 else (155 if c1 <= 444 else 20)) if c11 <= 439 else 214))
    total += ((((-95 if c12 <= 145 else 55) if c14 <= 121 else -142) if c26 <= 88 else 106) if c9 <= 923 else ((-36 if c8 <= -5144 else 120) if c12 <= 121 else (211 if c9 <= 2847 else -108)))
    total += (((7 if c1 <= 286 else 204) if c1 <= 444 else ((-7 if c1 <= 445 else -240) if c1 <= 481 else 157)) if c31 <= 2 else (108 if c0 <= -2210 else (-204 if c1 <= -589 else -30)))
    total += ((((151 if c0 <= -2211 else (-65 if c31 <= 2 else -171)) if c3 <= 745 else 49) if c15 <= 19 else 83) if c12 <= 515 else ((157 if c0 <= 2828 else -148) if c14 <= 233 else -23))
    total += ((((((27 if c1 <= -1694 else -145) if c1 <= 286 else (288 if c1 <= 443 else -34)) if c1 <= 445 else -196) if c15 <= 77 else 106) if c2 <= 758 else 69) if c28 <= 736 else 100)
    total += ((((19 if c1 <= -1693 else (-229 if c1 <= -1552 else -43)) if c1 <= 286 else (249 if c1 <= 443 else -6)) if c1 <= 445 else (-227 if c1 <= 481 else 54)) if c6 <= 720 else 115)
    total += ((-2 if c14 <= 187 else (133 if c0 <= -2212 else -117)) if c8 <= -4645 else ((((116 if c10 <= -1068 else -79) if c10 <= -836 else 228) if c10 <= -826 else -25) if c8 <= 128 else 146))
    total += (((((101 if c0 <= -2208 else -163) if c0 <= -1178 else (141 if c0 <= -586 else -35)) if c17 <= 31 else -95) if c12 <= 923 else 92) if c9 <= 1408 else (164 if c9 <= 2847 else -104))
    total += ((-116 if c5 <= -886 else (-15 if c9 <= 1408 else 111)) if c28 <= 507 else (((111 if c0 <= 2828 else -157) if c32 <= 12 else -27) if c1 <= 445 else (-170 if c1 <= 481 else 86)))
    total += ((((117 if c1 <= -1693 else (-132 if c1 <= -904 else 34)) if c1 <= 442 else (247 if c1 <= 443 else 63)) if c1 <= 444 else (36 if c20 <= 33 else -93)) if c33 <= 2 else -58)
    total += ((-68 if c29 <= 903 else 53) if c26 <= 45 else ((((147 if c0 <= -2209 else (-139 if c0 <= -1112 else 30)) if c35 <= 22 else 118) if c9 <= 898 else 121) if c0 <= 2831 else -211))
    total += (-58 if c12 <= -93 else ((((-58 if c17 <= 0 else (76 if c1 <= 445 else -18)) if c33 <= 9 else -48) if c11 <= 1080 else 171) if c17 <= 73 else (98 if c21 <= 3 else -89)))
    total += (((55 if c0 <= -637 else -124) if c38 <= 11 else ((16 if c0 <= -783 else 177) if c0 <= -585 else (-144 if c0 <= -582 else 56))) if c22 <= 92 else (66 if c0 <= -2208 else -115))
    total += ((-64 if c8 <= -10644 else ((((-32 if c28 <= 397 else 87) if c10 <= -1018 else -90) if c10 <= -836 else 156) if c10 <= -826 else (-112 if c10 <= -804 else 15))) if c3 <= 1443 else 131)
    total += ((((18 if c10 <= -1579 else -208) if c10 <= -1507 else 0) if c12 <= 60 else 67) if c17 <= 58 else (76 if c21 <= 1 else ((-100 if c1 <= 382 else 63) if c1 <= 444 else -146)))
    total += (((((-1 if c10 <= -1579 else -124) if c10 <= -1161 else (11 if c1 <= 444 else -64)) if c3 <= 1443 else 108) if c26 <= 92 else 70) if c9 <= 1733 else (137 if c9 <= 2842 else -74))
    total += (195 if c0 <= -2212 else ((35 if c0 <= -2208 else -195) if c0 <= -2138 else ((-10 if c0 <= -606 else (-15 if c26 <= 5 else 213)) if c0 <= -586 else (7 if c22 <= 0 else -83))))
    total += ((((38 if c0 <= -645 else -107) if c38 <= 17 else 31) if c22 <= 77 else -84) if c9 <= 727 else (212 if c9 <= 771 else ((61 if c20 <= 19 else -126) if c9 <= 898 else 35)))
    total += ((((72 if c0 <= -2208 else (-178 if c0 <= -2138 else 0)) if c0 <= -606 else (265 if c0 <= -588 else 49)) if c0 <= -585 else (-120 if c0 <= -582 else 4)) if c17 <= 387 else -139)
    total += ((((-116 if c27 <= 51 else -14) if c0 <= 1115 else -171) if c10 <= -774 else 43) if c26 <= 39 else (((32 if c0 <= 2672 else -238) if c0 <= 2801 else 171) if c0 <= 2826 else -152))
    total += (((6 if c8 <= -3387 else 124) if c30 <= 0 else (((-46 if c3 <= 1497 else 72) if c25 <= 9 else (-70 if c8 <= -26258 else 23)) if c11 <= 699 else 88)) if c17 <= 387 else -133)
    total += (((-88 if c17 <= 0 else (73 if c14 <= 30 else ((30 if c17 <= 22 else (-98 if c10 <= -920 else 19)) if c26 <= 36 else 39))) if c17 <= 439 else -118) if c31 <= 4 else -52)
    total += (((68 if c0 <= -2209 else (-117 if c0 <= -2138 else -2)) if c0 <= -606 else (229 if c0 <= -588 else 29)) if c0 <= -585 else ((-26 if c0 <= -584 else -200) if c0 <= -582 else -7))
    total += (-51 if c12 <= -234 else ((-104 if c16 <= 3 else (56 if c33 <= 5 else -6)) if c17 <= 23 else ((-84 if c5 <= -1190 else (-66 if c14 <= 84 else 17)) if c15 <= 79 else 107)))
    total += ((((-10 if c9 <= 1198 else -83) if c9 <= 1733 else 83) if c26 <= 90 else (-28 if c38 <= 44 else 95)) if c3 <= 1283 else (178 if c3 <= 1364 else (-84 if c3 <= 1443 else 85)))
    total += (140 if c0 <= -2212 else (((((21 if c0 <= -606 else 144) if c0 <= -587 else -13) if c0 <= 2801 else 130) if c0 <= 2831 else -146) if c33 <= 2 else (-84 if c0 <= -1178 else -9)))
    total += (-59 if c2 <= -864 else (-30 if c38 <= 12 else ((21 if c14 <= 181 else -48) if c5 <= -488 else (((54 if c10 <= -1017 else -52) if c10 <= -836 else 135) if c10 <= -826 else -3))))
    total += (139 if c0 <= -2213 else (44 if c30 <= 0 else ((27 if c17 <= 10 else -95) if c26 <= 3 else ((-25 if c0 <= -783 else (-39 if c38 <= 12 else 109)) if c0 <= -585 else -37))))
    total += (60 if c0 <= -2208 else (-141 if c0 <= -2138 else (180 if c0 <= -1796 else (-81 if c0 <= -1178 else ((-1 if c1 <= 442 else 172) if c1 <= 443 else (-34 if c1 <= 481 else 79))))))
    total += ((-83 if c16 <= 4 else (67 if c20 <= 14 else -15)) if c12 <= 60 else ((((64 if c33 <= 3 else -10) if c19 <= 16 else -33) if c3 <= 775 else -57) if c3 <= 1283 else 95))
    total += ((-10 if c26 <= 45 else ((82 if c0 <= -2208 else (-112 if c0 <= -2206 else (-54 if c39 <= 11 else 70))) if c0 <= -606 else 152)) if c0 <= -586 else (-40 if c29 <= 874 else 31))
    total += ((-109 if c16 <= 3 else (((-4 if c1 <= 445 else (-127 if c1 <= 481 else 39)) if c15 <= 69 else 47) if c9 <= 1930 else (118 if c9 <= 2864 else -61))) if c11 <= 1080 else 82)
    total += ((((75 if c1 <= -1693 else -5) if c1 <= 286 else (-66 if c17 <= 1 else 160)) if c1 <= 443 else (50 if c18 <= 46 else -21)) if c33 <= 2 else (-10 if c17 <= 58 else -91))
    total += (113 if c0 <= -2213 else (((-2 if c0 <= -118 else -125) if c17 <= 1 else (63 if c14 <= 30 else (-42 if c38 <= 17 else 16))) if c20 <= 174 else (-105 if c28 <= 355 else 9)))
    total += ((64 if c7 <= -1579 else (-121 if c7 <= -1388 else (-89 if c16 <= 3 else (56 if c20 <= 14 else (3 if c1 <= 445 else (-114 if c1 <= 481 else 27)))))) if c7 <= 219 else 62)
    total += ((27 if c10 <= -1579 else -170) if c10 <= -1523 else ((8 if c10 <= -1087 else 128) if c10 <= -1068 else (-156 if c10 <= -1065 else ((93 if c13 <= -1242 else 4) if c10 <= -826 else -25))))
    total += ((((52 if c29 <= 118 else (((1 if c0 <= 383 else -112) if c0 <= 1107 else 146) if c0 <= 1114 else -68)) if c0 <= 2672 else -186) if c0 <= 2801 else 115) if c0 <= 2833 else -139)
    total += (-25 if c19 <= 1 else (((44 if c0 <= -635 else -102) if c0 <= -606 else 123) if c0 <= -587 else (29 if c17 <= 30 else (-68 if c9 <= 1099 else (56 if c9 <= 2871 else -99)))))
    total += ((((6 if c17 <= 211 else -65) if c0 <= 1829 else -191) if c0 <= 1888 else (-88 if c16 <= 4 else ((93 if c0 <= 2265 else -170) if c23 <= 2 else 123))) if c0 <= 2833 else -124)
    total += ((-92 if c28 <= 86 else ((-3 if c10 <= -836 else (-21 if c17 <= 4 else 126)) if c10 <= -826 else -36)) if c29 <= 899 else ((93 if c20 <= 204 else -55) if c15 <= 88 else -57))
    total += (((15 if c9 <= 1099 else 121) if c9 <= 1197 else -35) if c22 <= 8 else ((((-87 if c28 <= 382 else -13) if c9 <= 729 else 111) if c9 <= 776 else -165) if c9 <= 888 else 27))
    total += (-68 if c12 <= -613 else (((((36 if c29 <= 170 else -14) if c27 <= 95 else (74 if c0 <= 1114 else -59)) if c0 <= 2672 else -173) if c0 <= 2801 else 120) if c0 <= 2826 else -105))
    total += ((83 if c28 <= 6 else (((51 if c9 <= 2839 else -147) if c27 <= 1 else ((-35 if c39 <= 14 else 4) if c9 <= 1733 else 90)) if c39 <= 53 else -56)) if c17 <= 439 else -88)
    total += (10 if c0 <= -584 else (-157 if c0 <= -582 else (45 if c0 <= 320 else (-146 if c0 <= 357 else (121 if c0 <= 383 else (-68 if c19 <= 2 else (80 if c20 <= 30 else -19)))))))
    total += ((-72 if c1 <= -1715 else 82) if c1 <= -1694 else (-51 if c1 <= -753 else (128 if c1 <= -677 else (-126 if c1 <= -671 else (153 if c1 <= -553 else (-135 if c1 <= -468 else 6))))))
    total += (-90 if c1 <= -1715 else (105 if c1 <= -1696 else ((((-2 if c39 <= 47 else 88) if c39 <= 52 else (-95 if c27 <= 58 else 14)) if c11 <= 1080 else 63) if c0 <= 2833 else -99)))
    total += (12 if c0 <= -584 else (-141 if c0 <= -582 else (-113 if c17 <= 0 else (-48 if c38 <= 17 else ((16 if c0 <= 1829 else -130) if c23 <= 2 else (76 if c0 <= 2827 else -58))))))
    total += (-29 if c12 <= -234 else (((17 if c13 <= -1360 else -107) if c13 <= -1320 else 98) if c13 <= -1241 else (-119 if c13 <= -1233 else ((10 if c13 <= -1071 else 119) if c13 <= -1050 else -10))))
    total += ((15 if c10 <= -1577 else -167) if c10 <= -1507 else ((15 if c10 <= -1087 else 156) if c10 <= -1071 else (-75 if c10 <= -1065 else (95 if c10 <= -1018 else (-138 if c10 <= -993 else 8)))))
    total += ((((8 if c0 <= -582 else 80) if c0 <= 1115 else -45) if c33 <= 1 else ((-76 if c29 <= 953 else 41) if c28 <= 382 else (15 if c10 <= -826 else -48))) if c25 <= 9 else 17)
    total += ((((-43 if c13 <= -1320 else 41) if c22 <= 8 else ((28 if c17 <= 18 else -96) if c28 <= 349 else 1)) if c9 <= 1099 else 84) if c9 <= 1197 else (-77 if c9 <= 1408 else 19))
    total += ((-85 if c14 <= 8 else (10 if c31 <= 1 else -42)) if c19 <= 1 else ((17 if c23 <= 3 else 71) if c21 <= 9 else (13 if c19 <= 9 else (-129 if c28 <= 273 else -15))))
    return total
