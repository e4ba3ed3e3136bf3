"""The names of folders: lines of LIST, modified UTF-7, and what a folder is for.

Asking the server is left to `mailcrm.mail.imap`.
"""

import base64
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mailcrm.core.model import FolderRole

#: A mailbox-list of RFC 9051, 9, but the name may be anything: some servers send it unquoted with
#: blanks and tabs in it, or in raw UTF-8.
_LIST = re.compile(
    rb'\((?P<attributes>[^()]*)\) (?:"(?P<delimiter>\\?.)"|NIL) '
    rb'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>.+))',
    re.IGNORECASE | re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_LITERAL = re.compile(rb"\{\d+\}")
_SHIFTED = re.compile(r"&([^-]*)-|&")

#: RFC 6154, 2; \Spam and \AllMail are what servers said before it.
_ATTRIBUTES = {
    "\\sent": FolderRole.SENT,
    "\\drafts": FolderRole.DRAFTS,
    "\\junk": FolderRole.JUNK,
    "\\spam": FolderRole.JUNK,
    "\\trash": FolderRole.TRASH,
    "\\archive": FolderRole.ARCHIVE,
    "\\all": FolderRole.ALL,
    "\\allmail": FolderRole.ALL,
}

#: What servers and mail programs call these folders when they do not flag them: English, German,
#: French, Spanish, Portuguese, Italian, Dutch, Swedish, Danish, Polish, Czech, Russian, Turkish,
#: Korean, Japanese, Chinese. Compared after NFKC and case folding.
_NAMES = {
    FolderRole.SENT: """
        sent|sent items|sent mail|sent messages|sent-mail|sentmail|gesendet|gesendete objekte
        gesendete elemente|envoyés|messages envoyés|éléments envoyés|enviados|elementos enviados
        mensajes enviados|itens enviados|posta inviata|inviata|inviati|verzonden|verzonden items
        skickat|skickade objekt|sendt|sendte elementer|sendt post|wysłane|elementy wysłane
        odeslané|odeslaná pošta|отправленные|gönderilmiş öğeler|gönderilenler
        보낸 편지함|보낸편지함|보낸 메일함|보낸메일함|보낸 메일|送信済み|送信済みメール
        送信済みアイテム|送信済みトレイ|已发送|已发送邮件|已发邮件|寄件備份|寄件匣|已傳送的郵件
    """,
    FolderRole.DRAFTS: """
        drafts|draft|entwürfe|brouillons|borradores|rascunhos|bozze|concepten|utkast|kladder
        szkice|wersje robocze|kopie robocze|koncepty|rozepsané|черновики|taslaklar
        임시 보관함|임시보관함|임시 보관 메일함|초안|下書き|草稿|草稿箱|草稿匣
    """,
    FolderRole.JUNK: """
        junk|spam|junk e-mail|junk email|junk mail|bulk mail|bulk|spamverdacht|unerwünscht
        junk-e-mail|courrier indésirable|indésirables|correo no deseado|lixo eletrônico
        posta indesiderata|ongewenste e-mail|skräppost|uønsket e-mail|uønsket post
        wiadomości-śmieci|nevyžádaná pošta|спам|нежелательная почта|önemsiz e-posta|gereksiz
        스팸|스팸 메일함|스팸메일함|스팸함|스팸편지함|정크 메일|정크메일|迷惑メール|垃圾邮件|垃圾郵件
    """,
    FolderRole.TRASH: """
        trash|deleted|deleted items|deleted messages|bin|papierkorb|gelöscht|gelöschte objekte
        gelöschte elemente|corbeille|éléments supprimés|papelera|elementos eliminados|lixeira
        itens excluídos|cestino|posta eliminata|prullenbak|verwijderde items|papperskorgen
        borttagna objekt|papirkurv|slettet post|slettede elementer|kosz|elementy usunięte|koš
        odstraněná pošta|корзина|удаленные|удалённые|çöp kutusu|silinmiş öğeler
        휴지통|지운 편지함|지운편지함|삭제된 항목|ゴミ箱|ごみ箱|削除済みアイテム|已删除|已删除邮件
        垃圾桶|刪除的郵件|已刪除的郵件
    """,
    FolderRole.ARCHIVE: """
        archive|archives|archiv|archivo|arquivo|archivio|archief|arkiv|archiwum|архив|arşiv
        보관함|보관 메일함|보관|アーカイブ|归档|存档|封存
    """,
    FolderRole.ALL: "all mail|alle nachrichten|tous les messages|전체보관함|すべてのメール|所有邮件|所有郵件",
}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


_ROLE_OF = {
    _folded(name): role
    for role, names in _NAMES.items()
    for name in re.split(r"[|\n]", names)
    if name.strip()
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ListLine:
    """One line of LIST: `raw` is the name's bytes as sent, `attributes` are in lower case."""

    raw: bytes
    delimiter: str
    attributes: frozenset[str]

    @property
    def name(self) -> str:
        """The name for people."""
        return decode(self.raw)

    @property
    def selectable(self) -> bool:
        """Whether the folder can hold mail (RFC 9051, 7.3.1)."""
        return not self.attributes & {"\\noselect", "\\nonexistent"}


def parse_line(line: bytes, literal: bytes | None = None) -> ListLine | None:
    """Return what a line of LIST says, None when it is not one.

    `line` starts at the parenthesis of the attributes; `literal` is the name when it came as a
    literal and `line` ends with its size.
    """
    match = _LIST.match(line)
    if match is None:
        return None
    raw: bytes
    if match["quoted"] is not None:
        raw = _ESCAPED.sub(rb"\1", match["quoted"])
    elif literal is not None and _LITERAL.fullmatch(match["plain"]):
        raw = literal
    else:
        raw = match["plain"]
    return ListLine(
        raw=raw,
        delimiter=(match["delimiter"] or b"")[-1:].decode("latin-1"),
        attributes=frozenset(match["attributes"].decode("latin-1").lower().split()),
    )


def decode(raw: bytes) -> str:
    """Return a folder's name as people read it (RFC 3501, 5.1.3).

    A name that is not valid modified UTF-7 stays as the server spells it: a user may have made it
    with a program that does not encode. Raw UTF-8 is RFC 9051's spelling.
    """
    if not raw.isascii():
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
    text = raw.decode("ascii")
    try:
        return _SHIFTED.sub(_unshift, text)
    except ValueError:
        return text


def _unshift(match: re.Match[str]) -> str:
    shifted = match[1]
    if shifted is None:
        raise ValueError("a shift to base64 without an end")
    if not shifted:
        return "&"
    padded = shifted.replace(",", "/") + "=" * (-len(shifted) % 4)
    return base64.b64decode(padded, validate=True).decode("utf-16-be")


def roles(lines: Sequence[ListLine]) -> list[FolderRole | None]:
    r"""Return the role of each folder: what the server flags, and otherwise what its name says.

    A name counts only at the top of the hierarchy, where servers put such folders, and only for a
    role that the server flags nowhere: who flags one \Sent means that one.
    """
    flagged = [_flagged(line) for line in lines]
    said = set(flagged)
    return [
        role or (guess if (guess := _named(line)) not in said else None)
        for line, role in zip(lines, flagged, strict=True)
    ]


def _flagged(line: ListLine) -> FolderRole | None:
    # INBOX is the one name without regard to case (RFC 9051, 5.1).
    if line.raw.upper() == b"INBOX":
        return FolderRole.INBOX
    found = (_ATTRIBUTES[a] for a in sorted(line.attributes) if a in _ATTRIBUTES)
    return next(found, None)


def _named(line: ListLine) -> FolderRole | None:
    path = line.name.split(line.delimiter) if line.delimiter else [line.name]
    # Courier and Cyrus keep all folders under INBOX, Gmail its own ones under [Gmail].
    if len(path) > 1 and path[0].upper() in {"INBOX", "[GMAIL]", "[GOOGLE MAIL]"}:
        path = path[1:]
    return _ROLE_OF.get(_folded(path[0])) if len(path) == 1 else None


def once(lines: Iterable[ListLine]) -> list[ListLine]:
    """Return the lines without repetitions; gateways list a folder twice, or INBOX and Inbox."""
    seen: dict[bytes, ListLine] = {}
    for line in lines:
        # The one name without regard to case (RFC 9051, 5.1); which spelling comes first may change.
        one = replace(line, raw=b"INBOX") if line.raw.upper() == b"INBOX" else line
        seen.setdefault(one.raw, one)
    return list(seen.values())
