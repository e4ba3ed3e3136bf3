"""What of an email's text is new, and what is quoted, forwarded or a signature.

Mail programs set a quote apart with `>`, with a line that introduces it, with a divider, or with the
header fields of the quoted email, each in the language of its user. What every program writes is in
the tables below. Where a sign could also be a person's own words, the text counts as new: a quote
that is shown is a nuisance, an answer that is hidden is lost. Which text an email has is left to
`mailcrm.core.mime`.
"""

# ruff: noqa: RUF001 (the letters and signs of other scripts are what is looked for)

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from mailcrm.core.addresses import normalise
from mailcrm.core.app_lines import is_app_line
from mailcrm.core.parsed import Forward, Span, SpanKind
from mailcrm.core.subjects import FORWARD_PREFIXES

#: An introducing line is broken over at most so many lines, and has at most so many characters.
INTRODUCTION_LINES = 4
INTRODUCTION_CHARACTERS = 500
#: A header above a quoted email has at most so many lines: a `To` field of some 100 people.
HEADER_LINES = 100
#: Lines that look like the beginning of a quote and are none; no email comes near.
DOUBTFUL_LINES = 1_000
#: No email has so many quotes; what is below is new text.
SPANS = 1_000
#: The lines of an author's own list behind `>`; of quoted prose that is broken, most are longer.
LIST_LINES = 5
LIST_CHARACTERS = 60
#: A signature whose divider has lost its blank, or which stands alone.
SHORT_SIGNATURE_LINES = 6
SHORT_SIGNATURE_CHARACTERS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Separated:
    """The stretches of a text that are not new, in order, and the header of each forwarded one.

    `forwarded_at` is where the first forwarded email begins behind its header, or, where that is quoted
    like the email, where both begin.
    """

    spans: tuple[Span, ...]
    forwards: tuple[Forward, ...]
    forwarded_at: int | None


_ALL_NEW = Separated(spans=(), forwards=(), forwarded_at=None)


def separate(text: str, subject: str = "") -> Separated:
    """Return what of a text is not new; never raises, and takes time linear in its length.

    There are as many forwards as spans of kind FORWARD. A header block is a FORWARD where the subject says
    so (`FW:`) or there is no new text above it, otherwise a QUOTE.
    """
    if not _has_a_sign(text):
        return _ALL_NEW
    return _Text(text, forwarded=_FORWARDED_SUBJECT.match(subject) is not None).separated()


# --- words -----------------------------------------------------------------------------------


def _plain(words: str) -> str:
    """Return words as they are looked up: without stars, blanks and case."""
    return _NOT_A_WORD.sub("", words).casefold()


_NOT_A_WORD = re.compile(r"[\s*_'’`\u200b-\u200f\ufeff]+")


def _table(rows: Mapping[str, str]) -> dict[str, str]:
    return {_plain(word): value for value, words in rows.items() for word in words.split("|")}


#: Header fields as mail programs name them: en de fr es pt it nl pl ru, sv da no cs tr fi, ko ja zh.
_FIELDS = _table(
    {
        "from": "From|Von|Absender|De|Expéditeur|Remitente|Remetente|Da|Mittente|Van|Afzender|Od|Nadawca"
        "|От|От кого|Отправитель|Från|Fra|Odesílatel|Kimden|Gönderen|Lähettäjä"
        "|보낸사람|보낸이|발신|발신자|발신인|差出人|送信者|送信元|发件人|发信人|發件人|寄件者|寄件人",
        "sent": "Sent|Gesendet|Gesendet am|Envoyé|Envoyé le|Enviado|Enviado el|Enviado em|Enviada em|Enviada"
        "|Inviato|Inviato il|Verzonden|Wysłano|Wysłane|Отправлено|Skickat|Sendt|Odesláno|Gönderildi"
        "|Gönderilen|Gönderme Tarihi|Lähetetty|보낸날짜|보낸시간|보낸시각|보낸일시|발송일|발신일|送信日時"
        "|送信日|发送时间|发送日期|發送時間|發送日期|寄件日期|傳送時間|傳送日期|寄送日期",
        "date": "Date|Datum|Fecha|Data|Dato|Дата|Tarih|Päivämäärä|날짜|일시|받은날짜|日付|日時|日期|时间"
        "|時間",
        "to": "To|An|Empfänger|À|A|Para|Destinatario|Destinatário|Pour|Aan|Do|Adresat|Кому|Получатель"
        "|Till|Til|Komu|Kime|Alıcı|Vastaanottaja|받는사람|받는이|수신|수신자|수신인|宛先|收件人|收件者",
        "cc": "Cc|Copy|Kopie|Kopie (CC)|Copie à|Copia|Cópia|Kopia|DW|Do wiadomości|Копия|Kopi|Bilgi|Kopio"
        "|참조|抄送|抄送人|副本|Bcc|Blind copy|Cci|Cco|Ccn|UDW|Скрытая копия|숨은참조|密送|密件副本",
        "subject": "Subject|Betreff|Objet|Sujet|Asunto|Assunto|Oggetto|Onderwerp|Temat|Тема|Ämne|Emne"
        "|Předmět|Konu|Aihe|제목|件名|主题|主題|主旨|标题|標題",
        "other": "Reply-To|Antwort an|Répondre à|Responder a|Rispondi a|Antwoord aan|Odpowiedź do|Ответить"
        "|Importance|Priority|Wichtigkeit|Priorität|Importancia|Importância|Priorità|Urgentie|Ważność"
        "|Attachments|Attachment|Anlagen|Pièces jointes|Datos adjuntos|Anexos|Allegati|Bijlagen"
        "|Załączniki|Вложения|Bifogade filer|Vedhæftede filer|Přílohy|Ekler|첨부|첨부파일|중요도"
        "|添付ファイル|重要度|附件|重要性|Organization|Message-ID|Sent by|Gesendet von|Kategorien|Categories",
    }
)

_ANSWERED = "answered"
_FORWARDED = "forwarded"

#: What stands between the dashes of a divider.
_DIVIDERS = _table(
    {
        _FORWARDED: "Forwarded message|Forwarded mail|Forwarded email|Forwarded e-mail"
        "|Weitergeleitete Nachricht|Weitergeleitete E-Mail|Weitergeleitete Mail"
        "|Message transféré|Message transmis|Message réexpédié|Courriel transféré|Mail transféré"
        "|Mensaje reenviado|Correo reenviado|Mensagem encaminhada|Mensagem reencaminhada"
        "|Messaggio inoltrato|Doorgestuurd bericht|Doorgestuurde bericht"
        "|Przekazana wiadomość|Wiadomość przekazana|Treść przekazanej wiadomości|Przesłana wiadomość"
        "|Пересылаемое сообщение|Пересланное сообщение|Перенаправленное сообщение|Пересылаемое письмо"
        "|Пересланное письмо|Vidarebefordrat meddelande|Vidarebefordrat mejl|Videresendt meddelelse"
        "|Videresendt besked|Videresendt melding|Videresendt e-post|Přeposlaná zpráva"
        "|İletilmiş Mesaj|İletilen İleti|İletilmiş ileti|Yönlendirilen ileti|Yönlendirilmiş ileti"
        "|전달된 메시지|전달된 메세지|전달된 메일|전달된 이메일|전달 메일|전달 메시지|전달메일"
        "|転送メッセージ|転送されたメッセージ|転送メール|転送されたメール"
        "|转发的邮件|转发邮件|转发的消息|转发邮件信息|转发信息|转发的原邮件|轉寄的郵件|轉寄郵件|轉寄訊息"
        "|轉寄的訊息|轉寄信件|轉發的郵件|轉發郵件|轉發訊息|Välitetty viesti",
        _ANSWERED: "Original Message|Original|Original email|Original e-mail|Original mail|Reply message"
        "|Ursprüngliche Nachricht|Originalnachricht|Original-Nachricht|Ursprüngliche Mail|Original-Mail"
        "|Ursprüngliche E-Mail|Message d'origine|Message original|Message initial|Courriel original"
        "|Mail original|E-mail d'origine|Mensaje original|Mensaje de origen|Correo original"
        "|Mensagem original|Mensagem de origem|E-mail original|Messaggio originale|Messaggio di origine"
        "|Oorspronkelijk bericht|Origineel bericht|Oorspronkelijke e-mail"
        "|Wiadomość oryginalna|Oryginalna wiadomość|Treść oryginalnej wiadomości|Pierwotna wiadomość"
        "|Исходное сообщение|Оригинальное сообщение|Исходное письмо|Первоначальное сообщение"
        "|Ursprungligt meddelande|Originalmeddelande|Oprindelig meddelelse|Oprindelig besked"
        "|Original meddelelse|Opprinnelig melding|Original melding|Původní zpráva|Původní e-mail"
        "|Özgün İleti|Orijinal Mesaj|Orijinal ileti|Özgün Mesaj|Alkuperäinen viesti"
        "|원본 메시지|원본 메세지|원본 메일|원본 이메일|원문|元のメッセージ|元のメール|オリジナルメッセージ"
        "|返信元メッセージ|原始邮件|原始郵件|原始信息|原始消息|原始訊息|原邮件|原郵件|原信件|回复的原邮件"
        "|原始信件|邮件原件",
    }
)

#: Apple Mail's line above a forwarded email, which has no dashes.
_OPENINGS = _table(
    {
        _FORWARDED: "Begin forwarded message|Anfang der weitergeleiteten Nachricht"
        "|Anfang der weitergeleiteten E-Mail|Début du message réexpédié|Début du message transféré"
        "|Inicio del mensaje reenviado|Início da mensagem encaminhada|Início da mensagem reencaminhada"
        "|Inizio messaggio inoltrato|Inizio del messaggio inoltrato|Begin doorgestuurd bericht"
        "|Początek przekazywanej wiadomości|Początek przekazanej wiadomości"
        "|Начало переадресованного сообщения|Начало пересылаемого сообщения"
        "|Vidarebefordrat mejl|Vidarebefordrat brev|Start på videresendt besked|Videresendt melding"
        "|Videresendt e-post|Začátek přeposílané zprávy|İleti başlangıcı|Välitetty viesti alkaa"
        "|전달된 메시지 시작|전달된 메시지|전달된 이메일|転送されたメッセージ|以下是转发的邮件|开始转发邮件"
        "|下面是被转发的邮件|以下是轉寄的郵件|開始轉寄郵件|以下是轉寄郵件|開始轉寄訊息",
    }
)

#: Outlook says nothing else of a forward; a mark of the server may stand before it.
_FORWARDED_SUBJECT = re.compile(
    rf"\s*(?:\[[^\]]{{1,40}}\]\s*)?(?:{FORWARD_PREFIXES}|İlt)\s?[:：]", re.IGNORECASE
)

#: Lotus Notes names who forwards: `----- Forwarded by Kim Lee/Sales/Acme on 06/15/2026 09:00 AM -----`.
_NOTES_DIVIDER = re.compile(
    r"[-\s]*+(?:Forwarded by|Weitergeleitet von|Transféré par|Transmis par|Reenviado por|Inoltrato da"
    r"|Encaminhado por|Doorgestuurd door|Przesłane przez|Переслано:?|전달자|転送者)\s",
    re.IGNORECASE,
)

# What only a line with an introduction ends in, perhaps with a name and an address after it.
_WROTE = re.compile(
    r"(?<!\w)(?:wrote|writes|schrieb|schreibt|(?:a\s*)?écrit|escribi[óo]|escreveu|(?:ha\s*)?scritto|schreef"
    r"|geschreven|napisała?|napisana przez|napisał/a|pisze|napsala?|skrev|skriver|kirjoitti"
    r"|написала?|писал[аи]?|пишет)(?!\w)"
    r"|wrote(?=[:：])|yazdı|작성|(?:쓴\s*)?글(?=\s?[:：])|썼습니다|のメール|のメッセージ|書きました|書き込みました"
    r"|[写寫][道到]"
)
# What stands between the address and the colon: nothing, the verb with what its language puts before it,
# and the time that some put last. After the verb a person would say more: `wrote to me and said this:`.
_WHEN = (
    r"(?:følgende\s|följande\s)?(?:am|den|on|op|w dniu|dnia|le|el|em|il)\s(?:[^\W\d_]{2,14}[.,]{0,2}\s)?"
    r"\d[^!?;]{0,60}(?<=[\dMr])"
)
_BEFORE_COLON = re.compile(
    rf"(?:[^.!?;]{{0,20}}[^!?;]{{0,40}}?(?:{_WROTE.pattern})(?:\s?\([aа]\))?)?\s*(?:{_WHEN}|\([^!?;]*\d[^!?;]*\))?\s*[:：]"
)
# An address without brackets stands right behind a time, a comma or the verb, not behind `your colleague`.
_BEFORE_ADDRESS = re.compile(rf"(?:[\d,\"'M]|Uhr|{_WROTE.pattern})\s*\Z")
_NOTES_WROTE = re.compile(r"\b(?:wrote on|schrieb am|a écrit le|schreef op) [\d/. :,-]+(?:[AP]M)?[:：]$")
_DATED = re.compile(r"(?<!\d)(?:\d{1,2}[./-]\d{1,2}[./-](?:\d\d)?\d\d|(?:19|20)\d\d)(?!\d)")
_TIMED = re.compile(r"(?<!\d)\d{1,2}(?:[:.hH]\d\d|\s?[시時时点點])")
_ADDRESS = re.compile(r"[^\s<>()\[\]\"'*,;:：|@]{1,64}@[^\s<>()\[\]\"'*,;:：|@]{1,255}")

# How an introduction begins that was not cut: a preposition, a date, a weekday before a date, or a name
# before an address.
_BEGINS = re.compile(
    r"[\s>*_\"'“„«(\[-]*+(?:(?:On|At|Am|Le|El|Em|Il|Op|W dniu|Dnia|Den|På|Dne|In a message dated|No dia|Às?|A"
    r"|Zitat von|Quoting|Wiadomość napisana przez|Вы писали)\s|在|\d|[^\W\d_]{2,14}[.,]{0,2}\s{0,3}\(?\d"
    r"|(?:[^\s@<]{1,40}\s+){0,6}+[<(\[]*[^\s<>@]{1,64}@)"
)
_INTRODUCTION_END = re.compile(rf"(?:{_WROTE.pattern}).*[:：]$|[>)\]\"'\dM]\s?[:：]$")
_EMPTY = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")

#: The fields without which no header block counts, and the one that the head of Lotus Notes begins with.
_HEADER_SIGN = (
    "From|Von|Absender|De|Expéditeur|Remitente|Remetente|Da|Mittente|Van|Afzender|Od|Nadawca|От|От кого"
    "|Отправитель|Från|Fra|Kimden|Gönderen|Lähettäjä|보낸 ?사람|보낸 ?이|발신자?|발신인|差出人|送信[者元]"
    "|[发發]件人|发信人|寄件[者人]|Sent|Gesendet|To|An|À|A|Para|Aan|Do|宛先|수신"
)
_SIGN = rf"(?:>|\*?--|[ \t\xa0*_|]*+(?:{_HEADER_SIGN})[ \t\xa0*_]*+[:：|])"
_SIGN_AT_START = re.compile(_SIGN)
_SIGN_BELOW = re.compile("\n" + _SIGN)
#: With two blanks, as Yahoo writes it. To look for each is much faster than a pattern.
_INTRODUCTION_LINE_ENDS = (":\n", ": \n", ":  \n", "：\n", "： \n", "：  \n")


def _has_a_sign(text: str) -> bool:
    """Say whether a text could hold anything but new text; most do not, and are done here."""
    return (
        _SIGN_BELOW.search(text) is not None
        or any(end in text for end in _INTRODUCTION_LINE_ENDS)
        or text.endswith((":", "："))
        or _SIGN_AT_START.match(text) is not None
        or is_app_line(text[-400:].rstrip().rpartition("\n")[2])
    )


# --- reading ---------------------------------------------------------------------------------

_FIELD = re.compile(
    r"[ \t\xa0\u3000*_|]*+([^\W\d_][^:：|\n]{0,24}?)[ \t\xa0\u3000*_]*[:：|][ \t\xa0\u3000*|]*(.*)"
)
_DASHES = "-_=*—–―─~ \t\xa0\u3000"
_DASHED = frozenset(("--", "__", "==", "*-", " -", "—-", "――", "──", "- "))
_RULE = re.compile(r"\s*(?:[-_=*─—–]\s?){5,}\s*")
_EDGE = " \t\xa0\u3000*_>"

# Lines behind a `>` that are no quotes where nothing above is one: a comparison in a list (`> 100 pcs`),
# a Python prompt, and the `>` that mbox files put before a line with "From ".
_NOT_QUOTED = re.compile(r"> ?=? ?[€$£¥₩~]? ?\d+(?!\d*[.)](?:\s|$))|>>> |>From ")

# `> Pump 90 EUR`: what is no sentence, and not quoted twice.
_ITEM = re.compile(r"> ?[^>\s].*[^\s.?!。？！,:]\s*")

# `Kim Lee/Sales/Acme on 06/15/2026 09:00 AM`
_NOTES_SENDER = re.compile(rf"(.*) on ({_DATED.pattern}.*)")


class _Lead(NamedTuple):
    """The lines from `start` up to `end` that say that a quote follows, and the header among them."""

    start: int
    end: int
    kind: SpanKind
    header: Forward | None


class _Header(NamedTuple):
    """The header fields of a quoted email by their role, in the order of the text, and where they end."""

    fields: dict[str, str]
    end: int


class _Text:
    """A text under separation; positions are numbers of lines."""

    def __init__(self, text: str, *, forwarded: bool = False) -> None:
        self._lines = text.split("\n")
        self._forwarded = forwarded
        self._spans: list[tuple[SpanKind, int, int]] = []
        self._forwards: list[Forward] = []
        self._forwarded_at: int | None = None
        self._doubtful = 0
        self._first_line = self._next_line(0)

    def separated(self) -> Separated:
        self._find_quotes()
        spans = sorted([*self._spans, *self._signatures()], key=lambda span: span[1])
        if not spans:
            return _ALL_NEW
        starts = [0, *accumulate(len(line) + 1 for line in self._lines)]
        return Separated(
            spans=tuple(
                Span(kind=kind, start=starts[start], end=starts[end] - 1) for kind, start, end in spans
            ),
            forwards=tuple(self._forwards),
            forwarded_at=None if self._forwarded_at is None else starts[self._forwarded_at],
        )

    def header(self) -> Forward:
        """Return the header fields that the text begins with."""
        header = self._header(self._next_line(0))
        return _forward(header.fields) if header else _NO_HEADER

    # --- quotes ---------------------------------------------------------------------------------

    def _find_quotes(self) -> None:
        lines = self._lines
        position = 0
        while position < len(lines) and len(self._spans) < SPANS:
            line = lines[position]
            if line.startswith(">"):
                position = self._take_run(position)
            elif (":" in line or line[:2] in _DASHED or "：" in line or "|" in line) and (
                lead := self._lead(position)
            ):
                position = self._take_lead(lead)
            else:
                position += 1

    def _take_run(self, start: int) -> int:
        """Take the quoted lines from `start`, unless their sign has another meaning; return their end."""
        end = self._run_end(start)
        run = [line for line in self._lines[start:end] if line.startswith(">")]
        if _divider_of(run[0].lstrip("> ")) == _FORWARDED:
            self._take(SpanKind.FORWARD, start, end, _forward_of_run(run[1:HEADER_LINES]), start)
        elif self._spans or not (all(map(_NOT_QUOTED.match, run)) or self._is_list(run, start)):
            self._take(SpanKind.QUOTE, start, end, None, start)
        return end

    def _is_list(self, run: list[str], start: int) -> bool:
        """Say whether lines that nothing introduces are a list of the author's: few, short, no sentences."""
        return (
            len(run) <= LIST_LINES
            and all(len(line) <= LIST_CHARACTERS and _ITEM.fullmatch(line) for line in run)
            and self._first_line < start
        )

    def _take_lead(self, lead: _Lead) -> int:
        """Take what a lead announces: the quoted lines below it, or all there is; return the end."""
        following = self._next_line(lead.end)
        quoted = self._is_quoted(following)
        end = self._run_end(following) if quoted else self._last_line()
        # An answer may stand below a quote that ends; below one that does not, nothing was answered.
        first = lead.header and not quoted and not self._spans
        forwards = first and (self._forwarded or not self._is_new_above(lead.start))
        self._take(SpanKind.FORWARD if forwards else lead.kind, lead.start, end, lead.header, lead.end)
        return end if quoted else len(self._lines)

    def _take(self, kind: SpanKind, start: int, end: int, header: Forward | None, header_end: int) -> None:
        self._spans.append((kind, start, end))
        if kind is SpanKind.FORWARD:
            self._forwards.append(header or _NO_HEADER)
            if self._forwarded_at is None:
                self._forwarded_at = header_end

    def _run_end(self, start: int) -> int:
        """Return the end of the quoted lines from `start`, blank lines between them included."""
        end = position = start
        while position < len(self._lines):
            line = self._lines[position]
            position += 1
            if line.startswith(">"):
                end = position
            elif line and not line.isspace():
                break
        return end

    def _is_quoted(self, position: int) -> bool:
        return position < len(self._lines) and self._lines[position].startswith(">")

    def _next_line(self, position: int) -> int:
        """Return the first line from `position` on that is not blank."""
        while position < len(self._lines) and not self._lines[position].strip():
            position += 1
        return position

    def _last_line(self) -> int:
        end = len(self._lines)
        while not self._lines[end - 1].strip():
            end -= 1
        return end

    def _begin(self) -> int:
        """Return the first line below the last quote."""
        return self._spans[-1][2] if self._spans else 0

    def _is_new_above(self, end: int) -> bool:
        signatures = self._signatures_of(0, end, below_text=False)
        end = min((start for _, start, _ in signatures), default=end)
        return any(line.strip() for line in self._lines[:end])

    # --- what announces a quote -------------------------------------------------------------------

    def _lead(self, position: int) -> _Lead | None:
        line = self._lines[position]
        if self._doubtful >= DOUBTFUL_LINES or (len(line) < 3 and not self._is_cut(position)):
            return None
        return (
            (self._divider(position) if len(line) > 5 else None)
            or self._header_block(position)
            or self._introduction(position)
        )

    def _is_cut(self, position: int) -> bool:
        """Say whether a line is the colon of a French introduction, before which stands a blank."""
        return position > 0 and self._lines[position - 1].endswith("écrit")

    def _divider(self, position: int) -> _Lead | None:
        found, end = _divider_of(self._lines[position]), position + 1
        if (
            not found
            and self._lines[position].startswith("--")
            and _NOTES_DIVIDER.match(self._lines[position])
        ):
            # The name is long, and so the line is broken.
            found = _FORWARDED
            end = next(
                (
                    number + 1
                    for number in range(position, min(position + 3, len(self._lines)))
                    if self._lines[number].rstrip().endswith("--")
                ),
                position,
            )
        if not found or end == position:
            return None
        header, end = self._header_below(end)
        kind = SpanKind.FORWARD if found == _FORWARDED else SpanKind.QUOTE
        return _Lead(position, end, kind, header)

    def _header_below(self, position: int) -> tuple[Forward, int]:
        """Return the header below a divider, in whichever form, and where it ends."""
        begin = self._next_line(position)
        if self._is_quoted(begin):
            run = self._lines[begin : min(self._run_end(begin), begin + HEADER_LINES)]
            return _forward_of_run(run), position
        if header := self._header(begin):
            return _forward(header.fields), header.end
        for number in range(begin + 1, min(begin + 6, len(self._lines))):
            if _role(self._lines[number]) == "to" and (lead := self._notes_head(number, begin)):
                return lead.header or _NO_HEADER, lead.end
        # `15.06.2026, 09:00, "Ivan" <ivan@example.com>:`
        for end in range(begin + 1, min(begin + INTRODUCTION_LINES, len(self._lines) + 1)):
            joined = _joined(self._lines[begin:end])
            if len(joined) > INTRODUCTION_CHARACTERS:
                break
            if joined.endswith((":", "：")) and _ADDRESS.search(joined):
                return _forward_of_introduction(joined), end
        return _NO_HEADER, position

    def _header_block(self, position: int) -> _Lead | None:
        match _role(self._lines[position]):
            case "from" | "sent":
                header = self._header(position)
                if header and _is_header_of_email(header.fields) and not self._is_form(header.end):
                    start = self._with_rule(position)
                    return _Lead(start, header.end, SpanKind.QUOTE, _forward(header.fields))
            case "to":
                if lead := self._notes_head(position, self._begin()):
                    return lead
            case _:
                return None
        self._doubtful += 1
        return None

    def _header(self, position: int) -> _Header | None:
        """Return the header fields from a line on, with their continued lines."""
        fields: dict[str, str] = {}
        role = ""
        end = position
        spaced = False
        for number in range(position, min(position + HEADER_LINES, len(self._lines))):
            line = self._lines[number]
            if not line.strip():
                # HTML gives each field a paragraph of its own, and Notes sets the subject apart.
                spaced = spaced or len(fields) == 1
                below = _role(self._lines[number + 1]) if number + 1 < len(self._lines) else None
                if not below or below in fields or not (spaced or below == "subject"):
                    break
            elif (found := _FIELD.match(line)) and (new_role := _FIELDS.get(_plain(found[1]))):
                if new_role in fields and new_role not in ("cc", "other"):
                    break
                role = new_role
                fields[role] = found[2].strip()
                end = number + 1
            elif fields and _is_continued(role, fields[role], self._lines[number - 1], line):
                fields[role] = f"{fields[role]} {line.strip()}".strip()
                end = number + 1
            else:
                break
        if "date" not in fields and (found := _NOTES_SENDER.fullmatch(fields.get("from", ""))):
            fields["from"], fields["date"] = found.groups()
        return _Header(fields, end) if fields else None

    def _is_form(self, position: int) -> bool:
        """Say whether the fields above go on, as those of a website's form do: `Message: I need a pump`."""
        if position >= len(self._lines) or _role(self._lines[position]):
            return False
        found = _FIELD.match(self._lines[position])
        return found is not None and found[2] != "" and not found[2].startswith("//")

    def _with_rule(self, position: int) -> int:
        """Return where a header begins, with the line of underscores that Outlook puts above it."""
        for number in range(position - 1, max(self._begin(), position - 3) - 1, -1):
            if _RULE.fullmatch(self._lines[number]):
                return number
            if self._lines[number].strip():
                break
        return position

    def _notes_head(self, position: int, begin: int) -> _Lead | None:
        """Return the head that Lotus Notes writes: a name, a date, then To, cc and Subject."""
        header = self._header(position)
        if not header or "subject" not in header.fields or "from" in header.fields:
            return None
        above = [
            number
            for number in range(position - 1, max(begin, position - 6) - 1, -1)
            # `Sent by: Kim` may stand among them.
            if self._lines[number].strip() and _role(self._lines[number]) != "other"
        ]
        for place, number in enumerate(above[:2]):
            lines = self._lines[number : min(number + 2, position)]
            line = _joined(lines[:1] if _TIMED.search(lines[0]) else lines)
            match _role(line):
                case None:
                    pass
                case "from":
                    line = line.partition(":")[2].strip()
                case _:
                    return None
            found = _DATED.search(line)
            if not found or not _TIMED.search(line, found.end()):
                continue
            name, start = re.sub(r"\s+on$", "", line[: found.start()].strip()), number
            if not name and len(above) > place + 1 and len(self._lines[above[place + 1]]) < 100:
                start = above[place + 1]
                name = self._lines[start]
            if not name:
                return None
            fields = header.fields | {"from": name, "date": line[found.start() :]}
            return _Lead(self._with_rule(start), header.end, SpanKind.QUOTE, _forward(fields))
        return None

    def _introduction(self, position: int) -> _Lead | None:
        """Return the introducing line that ends at `position`, with the lines above that belong to it."""
        last = self._lines[position].rstrip(_EDGE)
        if len(last) < 3 and self._is_cut(position):
            last = f"{self._lines[position - 1]} :"
        if len(last) > INTRODUCTION_CHARACTERS or not _INTRODUCTION_END.search(last):
            return None
        quoted = self._is_quoted(self._next_line(position + 1))
        likely = None
        begin = max(self._begin(), position - INTRODUCTION_LINES + 1)
        for start in range(position, begin - 1, -1):
            if not self._lines[start].strip():
                break
            joined = _joined(self._lines[start : position + 1])
            introduces = _introduces(joined)
            if introduces:
                # Only the end of a name can stand above: `Kim <`.
                name = start > begin and self._lines[start - 1].rstrip().endswith("<")
                return _Lead(start - name, position + 1, SpanKind.QUOTE, None)
            if introduces is None and likely is None:
                likely = start
        if quoted and likely is None and _WROTE.search(last):
            likely = position
        if quoted and likely is not None:
            return _Lead(likely, position + 1, SpanKind.QUOTE, None)
        self._doubtful += 1
        return None

    # --- signatures -------------------------------------------------------------------------------

    def _signatures(self) -> Iterator[tuple[SpanKind, int, int]]:
        begin = 0
        below_text = False
        for _, start, end in [*self._spans, (SpanKind.QUOTE, len(self._lines), 0)]:
            yield from self._signatures_of(begin, start, below_text=below_text)
            below_text = below_text or any(line.strip() for line in self._lines[begin:start])
            begin = end

    def _signatures_of(
        self, begin: int, end: int, *, below_text: bool
    ) -> Iterator[tuple[SpanKind, int, int]]:
        """Yield the signatures between two quotes: from the `-- ` line on, and an app's last line."""
        lines = self._lines
        end = self._end_of_text(begin, end)
        for number in range(begin, end):
            if lines[number].rstrip() == "--" and self._is_signature(
                begin, number, end, below_text=below_text
            ):
                yield SpanKind.SIGNATURE, number, end
                end = self._end_of_text(begin, number)
                break
            below_text = below_text or bool(lines[number].strip())
        start = end
        while start > begin and is_app_line(lines[start - 1]):
            start = self._end_of_text(begin, start - 1)
        start = self._next_line(start)
        if start < end:
            yield SpanKind.SIGNATURE, start, end

    def _end_of_text(self, begin: int, end: int) -> int:
        while end > begin and not self._lines[end - 1].strip():
            end -= 1
        return end

    def _is_signature(self, begin: int, number: int, end: int, *, below_text: bool) -> bool:
        """Say whether two dashes divide off a signature (RFC 3676, 4.3), or the author's own text."""
        if below_text and self._lines[number] == "-- ":
            return True
        # Without its blank, or with no text above, only what could hardly be anything else.
        if not 1 < end - number <= SHORT_SIGNATURE_LINES + 1:
            return False
        signature = [line.strip() for line in self._lines[number + 1 : end]]
        return (
            all(line and len(line) <= SHORT_SIGNATURE_CHARACTERS for line in signature)
            and not any(line.endswith(("?", "？", ".", "。", ":", "!")) for line in signature)
            and (number == begin or not self._lines[number - 1].strip())
        )


def _joined(lines: list[str]) -> str:
    return _EMPTY.sub("", " ".join(" ".join(lines).split())).rstrip(_EDGE)


def _introduces(joined: str) -> bool | None:
    """Return True for a line that introduces a quote whatever is below, None if it does above a `>`.

    The first must say when and name an address, as a program does; a person who tells what was written
    says it in other words.
    """
    if len(joined) > INTRODUCTION_CHARACTERS or not _BEGINS.match(joined):
        return False
    if _NOTES_WROTE.search(joined):
        return True
    wrote = _WROTE.search(joined)
    if _is_of_program(joined):
        return True
    return None if wrote and any(map(str.isdigit, joined)) else False


def _is_of_program(joined: str) -> bool:
    """Say whether an introducing line has date, time, address and verb where mail programs have them.

    Only Gmail once left out the time, and began with the date.
    """
    dated = _DATED.search(joined)
    addresses = list(_ADDRESS.finditer(joined))
    if not dated or not addresses or not (_TIMED.search(joined) or dated.start() == 0):
        return False
    before, after = joined[: addresses[-1].start()], joined[addresses[-1].end() :]
    if after[:1] not in (">", ")", "]", "<") and not _BEFORE_ADDRESS.search(before):
        return False
    # Where no verb is above a name, the rest of the line may be.
    said = _WROTE.search(joined) or joined.rstrip(":： ")[-1:] in (">", ")", "]")
    return bool(said) and _BEFORE_COLON.fullmatch(after.lstrip(">)]\"'*<, ")) is not None


def _divider_of(line: str) -> str | None:
    """Return whether a line says that a forwarded or an answered email follows, and nothing else."""
    if len(line) > 120:
        return None
    core = line.strip(_DASHES)
    dashes = line.strip(" \t\xa0*")[:2]
    if (
        len(dashes) == 2
        and not dashes.strip(_DASHES)
        and (found := _DIVIDERS.get(_plain(core.rstrip(":："))))
    ):
        return found
    return _OPENINGS.get(_plain(core[:-1])) if core.endswith((":", "：")) else None


def _forward_of_run(run: list[str]) -> Forward:
    """Return the header of a forwarded email that Apple Mail has quoted together with the email."""
    text = _Text("\n".join(line.lstrip("> ") for line in run))
    return text.header()


def _role(line: str) -> str | None:
    """Return what the header field of a line means, if it is one."""
    found = _FIELD.match(line)
    return _FIELDS.get(_plain(found[1])) if found else None


def _is_continued(role: str, value: str, before: str, line: str) -> bool:
    """Say whether a line goes on with the field above: a list of people, a long subject, a value alone."""
    if not value or line[:1] in " \t":
        return True
    if role in ("subject", "to", "cc") and len(before) > 60:
        return True
    return role in ("from", "to", "cc") and (
        before.rstrip().endswith((",", ";", "<", "、", "，")) or line.startswith("<") or "@" in line
    )


def _is_header_of_email(fields: Mapping[str, str]) -> bool:
    """Say whether fields without a divider above are those of an email, not of a form or an order.

    There is a sender, a date, and whom it went to or what about. `Date` with From and To is also in
    an order for transport or a ticket, so there must be an address, too, or a subject and the time of day.
    """
    if "from" not in list(fields)[:2] or not fields["from"]:
        return False
    if any(map(str.isdigit, fields.get("sent", ""))):
        return "to" in fields or "subject" in fields
    if not any(map(str.isdigit, fields.get("date", ""))):
        return False
    if "@" in fields["from"] + fields.get("to", ""):
        return "to" in fields or "subject" in fields
    return "subject" in fields and _TIMED.search(fields["date"]) is not None


# --- forwards --------------------------------------------------------------------------------

_NO_HEADER = Forward(name="", address="", to="", date="", subject="")
_MAILTO = re.compile(r"\[?mailto:|\]\(mailto:[^)]{0,300}\)", re.IGNORECASE)
_OF_INTRODUCTION = re.compile(r"(.*?)[, ]*\"?([^\",<>]*)\"?\s*<[^<>]*>")


def _forward(fields: Mapping[str, str]) -> Forward:
    name, address = _person(fields.get("from", ""))
    return Forward(
        name=name,
        address=address,
        to=_value(_MAILTO.sub("", fields.get("to", ""))),
        date=_value(fields.get("date", "") or fields.get("sent", "")),
        subject=_value(fields.get("subject", "")),
    )


def _forward_of_introduction(line: str) -> Forward:
    found = _OF_INTRODUCTION.match(line)
    date, name = (_value(found[1]), _value(found[2])) if found else ("", "")
    return Forward(name=name, address=_person(line)[1], to="", date=date, subject="")


def _value(value: str) -> str:
    return " ".join(value.split()).strip("*_ ;|,")


def _person(value: str) -> tuple[str, str]:
    """Return the name and the normalised address of a `From` as it is written in a text."""
    value = _MAILTO.sub("", value[:1_000])
    found = _ADDRESS.search(value)
    # Notes writes `Kim Lee@ACME`, which is none.
    address = normalise(found[0].strip(".")) if found and "." in found[0].partition("@")[2] else None
    if not found or not address:
        return _value(value), ""
    name = _value(value[: found.start()].strip(" <([")).strip("\"'“”„«» ")
    # `kim@example.com (Kim)`
    behind = re.match(r"[\s>\])]*\(([^()@]{1,100})\)", value[found.end() :])
    return name or (behind[1].strip() if behind else ""), address
