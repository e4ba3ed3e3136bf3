"""Which addresses belong to a role or a program and not to a person, by their local part.

Such an address becomes a contact by hand only. Which emails programs send is left to `core.mime`.
"""

import re

#: RFC 2142, and what servers and programs send from.
_TECHNICAL = (
    "abuse admin administrator alert alerts announce announcement announcements auto autoreply"
    " autoresponder bounce bounces broadcast daemon digest dmarc dns dnsadmin ftp hostmaster it list"
    " listserv mailadmin maildaemon mailerdaemon mailing mailings mailman majordomo mdaemon monitor"
    " monitoring nagios news newsletter newsletters noc noreplies noreply noresponse notification"
    " notifications notifier notify postmaster promo promotion promotions reminder reminders return"
    " returns robot root security smtp soc subscribe subscriptions system systemnotification tls"
    " unsubscribe update updates usenet uucp webadmin webmaster www"
)
#: The roles of companies, as their addresses are written in each language.
_ROLES = {
    "en": "account accounting accounts billing bookings business care career careers compliance"
    " contact contactus contracts cs customer customercare customers customerservice"
    " customersupport delivery dpo enquiries enquiry events feedback finance hello help helpdesk"
    " hr info information inquiries inquiry invoice invoices invoicing jobs legal licensing"
    " logistics marketing media office operations order orders partner partners payable payment"
    " payments payroll pr press privacy procurement purchasing receipts receivable reception"
    " recruiting recruitment reservations sales service services shipping shop store support"
    " talent team techsupport tickets training treasury",
    "de": "anfrage anfragen auftraege auftrag bestellung bestellungen bewerbung bewerbungen"
    " buchhaltung buchung datenschutz einkauf empfang hallo impressum karriere kontakt"
    " kundenbetreuung kundendienst kundenservice mahnwesen personal personalabteilung presse"
    " rechnung rechnungen rechnungswesen redaktion reservierung sekretariat technik termine"
    " verkauf versand vertrieb verwaltung zentrale",
    "fr": "accueil achats administration bonjour boutique candidature candidatures commande commandes"
    " commercial communication compta comptabilite comptabilité emploi facturation factures"
    " infos presse recrutement relationclient relationclients reservation reservations rh sav"
    " secretariat secrétariat serviceclient serviceclients",
    "es": "administracion administración atencion atencionalcliente atencioncliente atencionclientes"
    " cliente clientes comercial compras contabilidad contacto contactos empleo facturacion"
    " facturación facturas hola informacion información pedidos prensa proveedores reservas rrhh"
    " secretaria soporte tienda ventas",
    "ko": "csadmin cscenter insa master recruit webhelp 고객상담 고객센터 고객지원 공지 관리자 구매"
    " 대표 마케팅 문의 상담 안내 알림 영업 영업부 인사 인사팀 지원 채용 총무 홍보 회계",
    "zh": "caigou caiwu fuwu hezuo kefu renshi shangwu shichang shouhou tousu xiaoshou xinwen yewu"
    " zhaopin zixun 人事 信息 售后 商务 客戶服務 客户服务 客服 市场 投诉 招聘 採購 新闻 服务"
    " 服務 管理员 系统 联系 聯絡 财务 通知 采购 銷售 销售",
}

#: ISO 3166-1 alpha-2.
COUNTRY_LETTERS = 2

_BETWEEN = re.compile(r"[-_.]+")
_KNOWN = frozenset(" ".join((_TECHNICAL, *_ROLES.values())).split())

#: That nobody reads an answer, as part of longer names: `no-reply-invoices`, `calendar.noreply`.
_UNANSWERED = re.compile(
    r"no-?repl(?:y|ies)|do-?not-?reply|dont-?reply|never-?reply|unattended|unmonitored|auto-?(?:reply|respon[ds])"
    r"|mailer-?daemon|keine-?antwort|nicht-?antworten|antwort-?nicht|(?:ne-?)?pas-?(?:de-?)?repon(?:d|s)"
    r"|no-?respond(?:er|a)|no-?contest(?:ar|e)|sin-?respuesta|발신전용|회신불가|请勿回复|請勿回覆|勿回"
)
#: What a program puts before the number of an email, or the address that it was sent to.
_RETURN_PATH = re.compile(r"(?:bounces?|returns?|notifications?|notify|msprvs1|prvs|srs[01]?|verp)[-+=._\d]")
#: How programs write to the keeper of a list, or to the list's program (RFC 2142, 6).
_LIST = re.compile(
    r"owner-.+|.+-(?:owner|request|bounces?|admin|subscribe|unsubscribe|confirm|help|leave|join|errors?)"
)


def is_role(address: str) -> bool:
    """Say whether a normalised address is that of a role, a list or a program, such as `info@example.com`.

    A name is never taken for one: `service-kim` is a person's. What stands between words, a number at the
    end and a `+tag` do not matter.
    """
    local = address.rpartition("@")[0].strip('"')
    if _RETURN_PATH.match(local):
        return True
    plain = local.partition("+")[0].partition("=")[0]
    if _UNANSWERED.search(_BETWEEN.sub("-", plain)) or _LIST.fullmatch(plain):
        return True
    words = [word for part in _BETWEEN.split(plain) if (word := part.rstrip("0123456789"))]
    # `sales.kr`, `info-de`: two letters say where.
    meant = [word for word in words if len(word) != COUNTRY_LETTERS or word in _KNOWN]
    return "".join(words) in _KNOWN or (bool(meant) and _KNOWN.issuperset(meant))
