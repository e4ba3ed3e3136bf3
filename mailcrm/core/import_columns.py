"""Which column of a table holds which field of a record, told from the words of its header.

The words are those of Pipedrive, HubSpot, Google Contacts and Outlook, and of tables that people make
themselves in English, Korean, German, French, Spanish, Chinese and Japanese. What stands in the cells is
left to `mailcrm.core.imports`.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from mailcrm.core.errors import UsageError


class Kind(StrEnum):
    """What a table is imported as."""

    CONTACT = "contact"
    ORGANIZATION = "organization"
    DEAL = "deal"
    LEAD = "lead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a table: its header, and the field that it fills, None when it is left out."""

    position: int
    header: str
    field: str | None


#: What a record is without which there is none; one of each group must be there.
_NEEDED = {
    Kind.CONTACT: ("name", "first_name", "last_name", "address"),
    Kind.ORGANIZATION: ("name",),
    Kind.DEAL: ("title",),
    Kind.LEAD: ("title",),
}

#: The fields that several columns may fill; of the others the first column counts.
_SEVERAL = frozenset({"address", "phone", "domain", "contact_address", "labels", "notes"})

_NAME = (
    "name, full name, display name, contact name, person name, file as, 이름, 성명, 성함, 고객명,"
    " 담당자명, vollständiger name, kontakt, nom complet, nombre, nombre completo, 姓名, 名字, 氏名,"
    " 名前, 联系人, 聯絡人"
)
_FIRST_NAME = "first name, given name, firstname, forename, vorname, prénom, nombre de pila, 名"
_LAST_NAME = (
    "last name, family name, lastname, surname, 성, nachname, familienname, nom, nom de famille,"
    " apellido, apellidos, 姓"
)
_ADDRESS = (
    "email, e mail, email address, e mail address, e mail value, email value, email work, email home,"
    " email other, mail, primary email, work email, personal email, secondary email,"
    " additional email addresses, other email, 이메일, 이메일 주소, 전자우편, 전자메일, 메일, 메일주소,"
    " 메일 주소, e mail adresse, email adresse, mailadresse, adresse e mail, adresse email,"
    " adresse électronique, courriel, mail professionnel, correo, correo electrónico,"
    " dirección de correo electrónico, dirección de correo, 邮箱, 电子邮件, 电子邮箱, 邮件, 邮箱地址,"
    " 郵箱, 電子郵件, 電子信箱, 信箱, メール, メールアドレス"
)
_PHONE = (
    "phone, phone number, phone value, phone work, phone home, phone mobile, phone other, telephone, tel,"
    " mobile, mobile phone, mobile phone number, cell, cell phone, business phone, home phone,"
    " other phone, primary phone, company main phone, work phone, 전화, 전화번호, 연락처, 휴대폰,"
    " 휴대전화, 휴대폰번호, 핸드폰, 직장 전화, telefon, telefonnummer, mobil, mobiltelefon, handy,"
    " telefon geschäftlich, telefon privat, téléphone, numéro de téléphone, portable, téléphone portable,"
    " teléfono, teléfono móvil, móvil, celular, 电话, 电话号码, 手机, 手机号, 手机号码, 電話, 手機,"
    " 電話番号, 携帯, 携帯電話"
)
_ORGANIZATION = (
    "organization, organisation, organization name, company, company name, account, account name,"
    " employer, associated company, associated company names, primary associated company,"
    " organization value, 회사, 회사명, 조직, 업체, 업체명, 기업, 기업명, 기관, 소속, 거래처, 거래처명,"
    " 고객사, firma, firmenname, unternehmen, société, entreprise, organización, empresa, compañía, 公司,"
    " 公司名称, 单位, 组织, 企业, 公司名稱, 組織, 会社, 会社名, 企業名"
)
_OWNER = (
    "owner, contact owner, company owner, deal owner, lead owner, account owner, assigned to, 담당자,"
    " 소유자, 영업담당, besitzer, eigentümer, zuständig, propriétaire, responsable, propietario, 负责人,"
    " 所有者, 負責人, 担当者"
)
_NOTES = (
    "notes, note, comments, comment, description, 메모, 비고, 참고, notizen, notiz, bemerkung,"
    " bemerkungen, anmerkungen, remarque, remarques, commentaire, commentaires, notas, nota,"
    " observaciones, 备注, 備註, 備考, メモ"
)
_LABELS = (
    "label, labels, tags, tag, 라벨, 태그, étiquettes, étiquette, etiquetas, etiqueta, 标签, 標籤, ラベル"
)
_VALUE = (
    "value, amount, deal value, lead value, deal amount, 금액, 가격, 거래금액, 거래 금액, 예상금액, wert,"
    " betrag, valeur, montant, valor, importe, monto, 金额, 价值, 金額"
)
_CURRENCY = (
    "currency, currency of value, deal currency, deal currency code, value currency, 통화, 화폐, währung,"
    " devise, moneda, divisa, 货币, 币种, 貨幣, 通貨"
)
_CONTACT = (
    "contact person, contact, contact name, person, person name, associated contact, primary contact,"
    " customer name, 고객, 고객명, 고객 담당자, kontaktperson, ansprechpartner, kontakt,"
    " personne à contacter, personne de contact, interlocuteur, persona de contacto, contacto, 联系人,"
    " 聯絡人, 連絡先"
)
_CLOSE = (
    "expected close date, close date, expected close, closing date, expected closing, 예상 마감일,"
    " 마감일, 예상 종료일, 예상 완료일, 예상 계약일, erwartetes abschlussdatum,"
    " voraussichtlicher abschluss, abschlussdatum, date de clôture prévue, date de clôture,"
    " fecha prevista de cierre, fecha de cierre prevista, fecha de cierre, 预计成交日期, 预计关闭日期,"
    " 預計成交日期, 完了予定日"
)
_STATUS = "status, deal status, 상태, statut, estado, 状态, 狀態, 状況"

#: For each kind its fields, and the words of their columns.
_WORDS = {
    Kind.CONTACT: {
        "name": _NAME,
        "first_name": _FIRST_NAME,
        "last_name": _LAST_NAME,
        "address": _ADDRESS,
        "phone": _PHONE,
        "organization": _ORGANIZATION,
        "title": (
            "title, job title, jobtitle, position, role, function, organization title, 직함, 직책, 직위,"
            " 직급, 부서 직책, berufsbezeichnung, stellung, funktion, titel, fonction, poste, cargo,"
            " puesto, 职位, 职务, 職稱, 職位, 役職"
        ),
        "notes": _NOTES,
        "owner": _OWNER,
    },
    Kind.ORGANIZATION: {
        "name": f"name, {_ORGANIZATION}, nom, nombre, 이름, 名称, 名稱",
        "domain": (
            "website, web site, website url, domain, domains, company domain name, url, web, homepage,"
            " 웹사이트, 홈페이지, 도메인, webseite, internetseite, site web, site internet, domaine,"
            " sitio web, página web, dominio, 网站, 网址, 域名, 網站, ウェブサイト, ホームページ"
        ),
        "owner": _OWNER,
    },
    Kind.DEAL: {
        "title": (
            "title, deal, deal title, deal name, name, opportunity, opportunity name, subject, 제목,"
            " 거래, 거래명, 딜, 딜명, 건명, titel, geschäft, dealname, bezeichnung, titre, affaire, nom,"
            " título, negocio, trato, oportunidad, 标题, 交易, 交易名称, 商机, 商机名称, 標題, 件名,"
            " 商談名"
        ),
        "value": _VALUE,
        "currency": _CURRENCY,
        "stage": (
            "stage, deal stage, stage pipeline, 단계, 진행단계, 진행 단계, phase, étape, etapa, fase,"
            " 阶段, 階段, フェーズ"
        ),
        "pipeline": "pipeline, deal pipeline, 파이프라인, embudo, 销售管道, 管道, パイプライン",
        "status": _STATUS,
        "won": "won time, won on, won at, won date, is closed won",
        "lost": "lost time, lost on, lost at, lost date, is closed lost",
        "contact": _CONTACT,
        "contact_address": _ADDRESS,
        "organization": _ORGANIZATION,
        "expected_close": _CLOSE,
        "owner": _OWNER,
    },
    Kind.LEAD: {
        "title": (
            "title, lead, lead title, lead name, subject, 제목, 리드, 리드명, titel, bezeichnung, titre,"
            " piste, prospect, título, prospecto, 标题, 线索, 线索名称, 標題, 件名"
        ),
        "value": _VALUE,
        "currency": _CURRENCY,
        "status": (
            f"{_STATUS}, lead status, archived, is archived, archive status, 보관, archiviert, archivé,"
            " archivado"
        ),
        "contact": _CONTACT,
        "contact_address": _ADDRESS,
        "organization": _ORGANIZATION,
        "labels": _LABELS,
        "owner": _OWNER,
    },
}

#: `Person - Name` of a Pipedrive export, where the record that a column is of stands before it.
_PREFIX = re.compile(r"\s*(person|people|organi[sz]ation|deal|lead)\s*[-:]\s+(?=\S)", re.IGNORECASE)
_KIND_OF_PREFIX = {
    "person": Kind.CONTACT,
    "people": Kind.CONTACT,
    "organization": Kind.ORGANIZATION,
    "organisation": Kind.ORGANIZATION,
    "deal": Kind.DEAL,
    "lead": Kind.LEAD,
}
#: What a column of another record than the imported one says of it.
_OF_OTHERS = {
    (Kind.CONTACT, "name"): "contact",
    (Kind.CONTACT, "address"): "contact_address",
    (Kind.ORGANIZATION, "name"): "organization",
}


def fields(kind: Kind) -> tuple[str, ...]:
    """Return the fields that columns of a table may fill."""
    return tuple(_WORDS[kind])


def guess_columns(
    kind: Kind, header: Sequence[str], said: Iterable[tuple[str, str]] = ()
) -> tuple[Column, ...]:
    """Return what each column is; what is said of a header, a field or `-`, goes before what is guessed.

    Raises UsageError for a header or a field that is not there, and when nothing is the record's name.
    """
    chosen = _chosen(kind, header, said)
    taken = {name for name in chosen.values() if name and name not in _SEVERAL}
    columns: list[Column] = []
    for position, words in enumerate(header):
        name = chosen[position] if position in chosen else _guessed(kind, words)
        if position not in chosen and name in taken:
            name = None
        if name is not None and name not in _SEVERAL:
            taken.add(name)
        columns.append(Column(position=position, header=words, field=name))
    needed = _NEEDED[kind]
    if not any(column.field in needed for column in columns):
        first = header[0] if len(header[0]) <= 40 else f"{header[0][:40]}…"
        raise UsageError(
            f"No column is the {' or '.join(word.replace('_', ' ') for word in needed)} of"
            f" {'an' if kind is Kind.ORGANIZATION else 'a'} {kind}.",
            hint=f"Say which one is, like: --column {first!r}={needed[0]}",
        )
    return tuple(columns)


def _chosen(kind: Kind, header: Sequence[str], said: Iterable[tuple[str, str]]) -> dict[int, str | None]:
    chosen: dict[int, str | None] = {}
    for words, name in said:
        positions = [place for place, each in enumerate(header) if _plain(each) == _plain(words)]
        if not positions:
            raise UsageError(
                f"There is no column {words!r}.", hint=f"The columns are: {', '.join(header[:30])}"
            )
        if name != "-" and name not in _WORDS[kind]:
            raise UsageError(
                f"{name!r} is no field of {'an' if kind is Kind.ORGANIZATION else 'a'} {kind}.",
                hint=f"The fields are: {', '.join(_WORDS[kind])}; and - for a column to be left out.",
            )
        chosen |= dict.fromkeys(positions, None if name == "-" else name)
    return chosen


def _guessed(kind: Kind, header: str) -> str | None:
    known = _fields_by_words(kind)
    prefix = _PREFIX.match(header)
    if prefix is None:
        return known.get(_plain(header))
    of = _KIND_OF_PREFIX[prefix[1].lower()]
    words = _plain(header[prefix.end() :])
    name = _fields_by_words(of).get(words)
    if of is kind:
        return name
    # Google's `Organization 1 - Name` has a number and no record of its own before it.
    other = _OF_OTHERS.get((of, name or ""))
    if other not in _WORDS[kind]:
        return known.get(_plain(header))
    return other


@cache
def _fields_by_words(kind: Kind) -> dict[str, str]:
    return {_plain(word): name for name, words in reversed(_WORDS[kind].items()) for word in words.split(",")}


def _plain(header: str) -> str:
    """Return a header as it is compared: small letters and one blank between words, no numbers."""
    text = unicodedata.normalize("NFKC", header).casefold()
    return " ".join(word for word in re.split(r"[\W_]+", text) if not word.isdecimal()).strip()
