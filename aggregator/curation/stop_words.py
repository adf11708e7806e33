"""Eight of the most frequent small words of each language: who writes sentences in it can hardly do without them.

Rules: lower case, as letters only (an apostrophe is left out, as `quality` does); of scripts without blanks single
characters. English has Gopher's own eight. A language that is not here has no such signal at all, which is not the same
as a text without stop words.

Does not: hold all stop words of any language, or know which language a text is in.

Usage: `STOP_WORDS.get("de", ())`.

Source: for English Rae et al. 2021, appendix A; for the others the first small words of each grammar.
"""

from __future__ import annotations

from typing import Final

_WORDS: Final = """
en the be to of and that have with
de der die und in den von zu das ist nicht mit
fr de la le et les des en un une que est
es de la que el en y los se del las un
pt de a o que e do da em um para com
it di e il la che in un per è non della
nl de van het een en in is dat op te
sv och i att det som en på är av för
da og i at det er en til på som af
nb og i det er på til som en av for
nn og i det er på til som ei av for
fi ja on ei se että oli hän joka myös ovat
et ja on ei et see oli ka ning mis kui
hu a az és hogy nem is egy van meg ez
pl i w na z do się nie to że jest
cs a v na je se že s z do to
sk a v na je sa že s z do to
sl in je v na za da se ki so ne
hr i u je na se za da su od koji
bs i u je na se za da su od koji
sr и у је на се за да су од који
ro și de în a la cu pe care nu o din
bg и на в за се от да е не с
mk и на во за се од да е не со
ru и в не на что с по как это для
uk і в на не що з та до як для
be і ў на не што з да як гэта для
el και το να του η της με για από είναι ο
tr ve bir bu için de da ile olarak olan çok
az və bir bu üçün də da ilə olan kimi çox
lt ir yra kad į su iš ne tai buvo kaip
lv un ir ar no uz par kas tas bija kā
sq e të në dhe me për një që nga i
ca de la i el que en a les un per
gl de a que e o do da en un para
eu eta da ez du ere bat dira zen dute bere
af die van en in is het wat nie dat te
is og að í á er sem til um við var
ga an na agus ar a go le is i do
cy y yn a i o ar yr mae ei am
id yang dan di dengan untuk dari ini itu pada adalah
ms yang dan di dengan untuk dari ini itu pada adalah
tl ang ng sa na mga at ay para ni si
vi và của là có cho được trong một với các không
sw ya na wa kwa ni katika la za cha kuwa
fa و در به از که این را با است برای
ar في من على إلى أن عن هذا التي الذي ما
ur کے کی میں کا ہے سے اور کو نے کہ
he של את על לא זה הוא עם גם כי או
hi के में की है का और से को पर ने
mr आणि आहे या च हे ते तर व ही की
bn এবং এই করে থেকে না হয় একটি ও তার জন্য
ko 이 그 수 있는 것 및 등 더 한 또
ja の に は を た が で て と し
zh 的 一 是 不 了 在 有 和 这 人 這 為
"""


def _table() -> dict[str, tuple[str, ...]]:
    rows = (line.split() for line in _WORDS.strip().splitlines())
    return {row[0]: tuple(dict.fromkeys(row[1:])) for row in rows}


STOP_WORDS: Final = _table()
