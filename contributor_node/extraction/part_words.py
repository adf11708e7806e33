"""What stands in the headings and first words of parts that are no main content, in twelve languages.

Rules: a word has one meaning or none. It says nothing by itself: how much a meaning counts is learnt (`part_score`), so
that what labelled pages of one language teach holds for the others.

Usage::

    meaning_of("ähnliche")  # "related"
"""

from __future__ import annotations

from typing import Final

_MEANINGS: Final = {
    "related": (
        "related recommended recommendations similar ähnliche verwandte empfohlene empfehlungen "
        "weiterlesen weitere relacionadas relacionados relacionado recomendados recomendadas similaires "
        "connexes correlati correlate simili powiązane podobne polecane polecamy gerelateerde gerelateerd "
        "aanbevolen relaterade rekommenderade relaterede anbefalede похожие рекомендуем 関連記事 おすすめ 相关阅读 "
        "相关文章 相关新闻 推荐阅读 ilgili benzer"
    ),
    "popular": (
        "popular trending beliebt beliebte beliebteste meistgelesen meistgelesene populares populaires "
        "lus popolari letti najpopularniejsze popularne populair populaire gelezen populära lästa "
        "populære mest популярное ランキング 热门 排行 popüler"
    ),
    "more": ("more mehr más plus mais altro altri więcej meer mer mere ещё еще もっと 更多 daha"),
    "read": ("read lesen lesetipps lire leer leggi czytaj leia lees läs læs читайте читать okuyun oku"),
    "also": ("also auch aussi également también anche także również também ook också også также ayrıca"),
    "latest": (
        "latest recent newest neueste aktuelle letzte últimas últimos recientes derniers dernières "
        "récents ultime ultimi recenti najnowsze ostatnie recentes laatste recente senaste seneste "
        "последние свежие 最新 最近 son"
    ),
    "comments": (
        "comment comments kommentar kommentare kommentieren comentario comentarios comentar commentaire "
        "commentaires commenter commento commenti komentarz komentarze skomentuj comentário comentários "
        "reactie reacties kommentarer комментарии комментарий コメント 评论 留言 yorum yorumlar"
    ),
    "reply": (
        "reply respond leave antwort antworten hinterlasse schreibe responder responde deja répondre "
        "laisser rispondi lascia odpowiedz zostaw deixe reageer reageren svara svar ответить оставить 返信 "
        "回复 cevapla yanıtla"
    ),
    "share": (
        "share teilen compartir comparte partager partagez condividi udostępnij compartilhar compartilhe "
        "delen deel dela del поделиться シェア 分享 paylaş"
    ),
    "newsletter": (
        "newsletter subscribe subscription abonnieren anmelden suscríbete suscribirse boletín abonnez "
        "abonner inscrivez iscriviti subskrybuj zapisz inscreva assine inschrijven prenumerera tilmeld "
        "подписаться подписка メルマガ 购读 订阅 abone bülten"
    ),
    "author": (
        "author autor autorin verfasser auteur autore autora auteure författare forfatter автор 著者 作者 "
        "yazar written geschrieben redaktion redacción rédaction redazione redakcja redação redactie"
    ),
    "tags": (
        "tags tag categories category schlagwörter schlagworte kategorien kategorie themen etiquetas "
        "categorías étiquettes catégories mots categorie tagi categorias categorieën onderwerpen "
        "kategorier taggar ämnen теги рубрики タグ カテゴリ 标签 分类 etiketler"
    ),
    "cookies": (
        "cookie cookies datenschutz datenschutzerklärung privacy consent einwilligung privacidad "
        "confidentialité prywatności privacidade privacybeleid integritet куки конфиденциальности"
    ),
    "account": (
        "login log sign register registrieren einloggen registrarse connexion connectez accedi registrati "
        "zaloguj entrar cadastre inloggen registreren logga войти регистрация ログイン 登录 注册 giriş"
    ),
    "advert": (
        "anzeige werbung advertisement advertising sponsored publicidad anuncio publicité annonce "
        "pubblicità reklama publicidade advertentie annons реклама 広告 广告 reklam"
    ),
    "print": ("print drucken imprimir imprimer stampa drukuj afdrukken skriv печать 印刷 打印 yazdır"),
    "caption": (
        "photo foto fotos bild image imagen imagem immagine zdjęcie fot afbeelding bilder фото 写真 图片 "
        "quelle credit copyright source crédit getty shutterstock dpa afp reuters"
    ),
    "rights": (
        "rights reserved rechte vorbehalten impressum imprint derechos reservados droits réservés diritti "
        "riservati prawa zastrzeżone direitos rechten voorbehouden права защищены"
    ),
    "search": (
        "search suche suchen suchbegriff buscar búsqueda rechercher recherche cerca szukaj pesquisar "
        "busca zoeken sök søg поиск 検索 搜索 ara"
    ),
    "follow": (
        "follow folgen folge síguenos seguir suivez suivre seguici obserwuj siga volg följ følg "
        "подписывайтесь 关注 takip"
    ),
}
_OF_WORD: Final = {word: meaning for meaning, listed in _MEANINGS.items() for word in listed.split()}


def meaning_of(word: str) -> str | None:
    """Return what a folded word means at the head of a part, None where it means nothing there."""
    return _OF_WORD.get(word)
