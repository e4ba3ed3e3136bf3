# ruff: noqa: E501 (a header field stands on one line, as programs write it)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.parsed import Forward, Span, SpanKind
from mailcrm.core.quotes import separate


def new_text(text: str) -> str:
    """What is left, without the blank lines around and between what was taken out."""
    pieces, position = [], 0
    for span in separate(text).spans:
        pieces.append(text[position : span.start])
        position = span.end
    pieces.append(text[position:])
    return "\n".join(piece.strip() for piece in pieces if piece.strip())


def kinds(text: str) -> list[SpanKind]:
    return [span.kind for span in separate(text).spans]


#: What stands above a quote. All of them say when and who, with an address.
INTRODUCTIONS = {
    "en gmail": "On Mon, Jun 15, 2026 at 9:00 AM Kim Minsu <minsu@example.kr> wrote:",
    "en gmail narrow blank": "On Mon, Jun 15, 2026 at 9:00\u202fAM Kim Minsu <minsu@example.kr> wrote:",
    "en gmail old": "2026/6/15 Kim Minsu <minsu@example.kr> wrote:",
    "en apple": "On Jun 15, 2026, at 09:00, Kim Minsu <minsu@example.kr> wrote:",
    "en apple old": "On 15 Jun 2026, at 09:00, Kim Minsu <minsu@example.kr> wrote:",
    "en outlook mac": 'On 15/06/2026, 09:00, "Kim Minsu" <minsu@example.kr> wrote:',
    "en yahoo": "On Monday, June 15, 2026 at 09:00:12 AM GMT+9, Kim Minsu <minsu@example.kr> wrote:",
    "en proton": "On Monday, June 15th, 2026 at 9:00 AM, Kim Minsu <minsu@example.kr> wrote:",
    "en netease": 'At 2026-06-15 09:00:12, "Kim Minsu" <minsu@example.kr> wrote:',
    "en notes": "Kim Minsu <minsu@example.kr> wrote on 06/15/2026 09:00:12 AM:",
    "en gmail mobile": 'On Jun 15, 2026 9:00 AM, "Kim Minsu" <minsu@example.kr> wrote:',
    "en mailto": "On 15 June 2026 09:00, Kim <minsu@example.kr<mailto:minsu@example.kr>> wrote:",
    "de gmail": "Am Mo., 15. Juni 2026 um 09:00 Uhr schrieb Max Muster <max@example.org>:",
    "de gmail mobile": "Max Muster <max@example.org> schrieb am Mo., 15. Juni 2026, 09:00:",
    "de apple": "Am 15.06.2026 um 09:00 schrieb Max Muster <max@example.org>:",
    "de thunderbird": "Am 15.06.26 um 09:00 schrieb Max Muster <max@example.org>:",
    "fr gmail": "Le lun. 15 juin 2026 à 09:00, Marie Petit <marie@example.org> a écrit :",
    "fr apple": "Le 15 juin 2026 à 09:00, Marie Petit <marie@example.org> a écrit\xa0:",
    "fr yahoo": "Le lundi 15 juin 2026 à 09:00:12 UTC+2, Marie Petit <marie@example.org> a écrit :",
    "es gmail": "El lun, 15 jun 2026 a las 9:00, Ana Ruiz (<ana@example.org>) escribió:",
    "es apple": "El 15 jun 2026, a las 9:00, Ana Ruiz <ana@example.org> escribió:",
    "pt gmail": "Em seg., 15 de jun. de 2026 às 09:00, João Reis <joao@example.org> escreveu:",
    "pt-pt gmail": "João Reis <joao@example.org> escreveu (segunda, 15/06/2026 à(s) 09:00):",
    "pt apple": "No dia 15/06/2026, às 09:00, João Reis <joao@example.org> escreveu:",
    "it gmail": "Il giorno lun 15 giu 2026 alle ore 09:00 Gianni Verdi <gianni@example.org> ha scritto:",
    "it apple": "Il giorno 15 giu 2026, alle ore 09:00, Gianni Verdi <gianni@example.org> ha scritto:",
    "nl gmail": "Op ma 15 jun 2026 om 09:00 schreef Jan de Boer <jan@example.org>:",
    "nl apple": "Op 15 jun. 2026 om 09:00 heeft Jan de Boer <jan@example.org> het volgende geschreven:",
    "pl gmail": "pon., 15 cze 2026 o 09:00 Ewa Nowak <ewa@example.org> napisał(a):",
    "pl old": "W dniu 15 czerwca 2026 09:00 użytkownik Ewa Nowak <ewa@example.org> napisał:",
    "pl apple": "Wiadomość napisana przez Ewa Nowak <ewa@example.org> w dniu 15.06.2026, o godz. 09:00:",
    "pl o2": "Dnia 15 czerwca 2026 09:00 Ewa Nowak <ewa@example.org> napisał(a):",
    "ru gmail": "пн, 15 июн. 2026 г. в 09:00, Иван Петров <ivan@example.org>:",
    "ru apple": "15 июня 2026 г., в 09:00, Иван Петров <ivan@example.org> написал(а):",
    "ru thunderbird": "15.06.2026 09:00, Иван Петров <ivan@example.org> пишет:",
    "ru yandex": '15.06.2026, 09:00, "Иван Петров" <ivan@example.org>:',
    "ru mail.ru": "Понедельник, 15 июня 2026, 9:00 +03:00 от Иван Петров <ivan@example.org>:",
    "ru old gmail": "15 июня 2026 г. 9:00 пользователь Иван Петров <ivan@example.org> написал:",
    "sv gmail": "Den mån 15 juni 2026 kl 09:00 skrev Anna Berg <anna@example.org>:",
    "sv apple": "15 juni 2026 kl. 09:00 skrev Anna Berg <anna@example.org>:",
    "da gmail": "Den man. 15. jun. 2026 kl. 09.00 skrev Hans Holm <hans@example.org>:",
    "no gmail": "man. 15. juni 2026 kl. 09:00 skrev Ola Dahl <ola@example.org>:",
    "no outlook": "Ola Dahl <ola@example.org> skrev følgende den 15.06.2026 09:00:",
    "cs gmail": "po 15. 6. 2026 v 9:00 odesílatel Jan Malý <jan@example.org> napsal:",
    "cs thunderbird": "Dne 15. 06. 2026 v 9:00 Jan Malý <jan@example.org> napsal(a):",
    "cs apple": "15. 6. 2026 v 9:00, Jan Malý <jan@example.org>:",
    "tr gmail": "Ali Kaya <ali@example.org>, 15 Haz 2026 Pzt, 09:00 tarihinde şunu yazdı:",
    "tr apple": "Ali Kaya <ali@example.org> şunları yazdı (15 Haz 2026 09:00):",
    "ko gmail": "2026년 6월 15일 (월) 오전 9:00, 김민수 <minsu@example.kr>님이 작성:",
    "ko apple": "2026. 6. 15. 오전 9:00, 김민수 <minsu@example.kr> 작성:",
    "ko thunderbird": "2026-06-15 오전 9:00에 김민수 <minsu@example.kr> 이(가) 쓴\xa0글:",
    "ko mixed": "On 2026년 06월 15일 09:00, 김민수 <minsu@example.kr> wrote:",
    "ja gmail": "2026年6月15日(月) 9:00 田中太郎 <taro@example.org>:",
    "ja apple": "2026/06/15 9:00、田中太郎 <taro@example.org>のメール：",
    "ja message": "2026年6月15日(月) 9:00 田中太郎 <taro@example.org> のメッセージ:",
    "ja old gmail": "2026年6月15日9:00 田中太郎 <taro@example.org> さんは書きました:",
    "zh gmail": "王伟 <wei@example.org> 于2026年6月15日周一 09:00写道：",
    "zh apple": "2026年6月15日 上午9:00，王伟 <wei@example.org> 写道：",
    "zh netease": '在 2026-06-15 09:00:12，"王伟" <wei@example.org> 写道：',
    "zh-tw gmail": "王大明 <daming@example.org> 於 2026年6月15日 週一 上午9:00寫道：",
    "zh-tw apple": "王大明 <daming@example.org> 於 2026年6月15日 上午9:00 寫道：",
    "zh-hk": "在2026年6月15日 週一 09:00，王大明 <daming@example.org> 寫道：",
}

#: What a program puts above a quote that goes on to the end.
HEADERS = {
    "en outlook": "From: Kim Minsu <minsu@example.kr>\nSent: Monday, June 15, 2026 9:00 AM\n"
    "To: Ann Lee <ann@example.com>\nCc: Bob Fox <bob@example.com>\nSubject: RE: Offer",
    "en outlook no addresses": "From: Kim Minsu\nSent: Monday, June 15, 2026 9:00 AM\nTo: Ann Lee\nSubject: Offer",
    "en gmail bold": "*From:* Kim Minsu [mailto:minsu@example.kr]\n*Sent:* Monday, June 15, 2026 9:00 AM\n"
    "*To:* ann@example.com\n*Subject:* Offer",
    "en bold outside": "**From:** Kim Minsu <minsu@example.kr>\n**Date:** Monday, 15 June 2026 at 09:00\n"
    "**To:** Ann <ann@example.com>\n**Subject:** Offer",
    "en paragraphs": "From: Kim Minsu <minsu@example.kr>\n\nSent: 15 June 2026 09:00\n\nTo: Ann\n\nSubject: Offer",
    "en many recipients": "From: Kim Minsu <minsu@example.kr>\nSent: 15 June 2026 09:00\nTo: Ann <ann@example.com>;\n"
    "Bob Fox <bob@example.com>; Carl <\ncarl@example.com>\nSubject: Offer",
    "de outlook": "Von: Max Muster <max@example.org>\nGesendet: Montag, 15. Juni 2026 09:00\n"
    "An: Ann Lee <ann@example.com>\nBetreff: AW: Angebot",
    "de gmx": 'Gesendet: Montag, 15. Juni 2026 um 09:00 Uhr\nVon: "Max Muster" <max@example.org>\n'
    "An: ann@example.com\nBetreff: Angebot",
    "de mac": "Von: Max Muster <max@example.org>\nDatum: Montag, 15. Juni 2026 um 09:00\n"
    "An: Ann Lee <ann@example.com>\nBetreff: Angebot",
    "fr outlook": "De : Marie Petit <marie@example.org>\nEnvoyé : lundi 15 juin 2026 09:00\n"
    "À : Ann Lee <ann@example.com>\nObjet : RE: Offre",
    "fr narrow": "De\xa0: Marie Petit <marie@example.org>\nEnvoyé\xa0: lundi 15 juin 2026 09:00\nÀ\xa0: Ann\nObjet\xa0: Offre",
    "es outlook": "De: Ana Ruiz <ana@example.org>\nEnviado: lunes, 15 de junio de 2026 9:00\n"
    "Para: Ann Lee <ann@example.com>\nAsunto: RE: Oferta",
    "es old": "De: Ana Ruiz [mailto:ana@example.org]\nEnviado el: lunes, 15 de junio de 2026 9:00\n"
    "Para: Ann Lee\nCC: Bob\nAsunto: Oferta",
    "pt outlook": "De: João Reis <joao@example.org>\nEnviado: segunda-feira, 15 de junho de 2026 09:00\n"
    "Para: Ann Lee <ann@example.com>\nAssunto: RES: Proposta",
    "pt old": "De: João Reis <joao@example.org>\nEnviada em: segunda-feira, 15 de junho de 2026 09:00\n"
    "Para: Ann Lee\nAssunto: Proposta",
    "it outlook": "Da: Gianni Verdi <gianni@example.org>\nInviato: lunedì 15 giugno 2026 09:00\n"
    "A: Ann Lee <ann@example.com>\nOggetto: R: Offerta",
    "nl outlook": "Van: Jan de Boer <jan@example.org>\nVerzonden: maandag 15 juni 2026 09:00\n"
    "Aan: Ann Lee <ann@example.com>\nOnderwerp: RE: Offerte",
    "pl outlook": "Od: Ewa Nowak <ewa@example.org>\nWysłano: poniedziałek, 15 czerwca 2026 09:00\n"
    "Do: Ann Lee <ann@example.com>\nDW: Bob\nTemat: RE: Oferta",
    "pl new outlook": "Od: Ewa Nowak <ewa@example.org>\nData: poniedziałek, 15 czerwca 2026 09:00\n"
    "Do: Ann Lee <ann@example.com>\nTemat: RE: Oferta",
    "ru outlook": "От: Иван Петров <ivan@example.org>\nОтправлено: 15 июня 2026 г. 9:00\n"
    "Кому: Ann Lee <ann@example.com>\nТема: RE: Предложение",
    "ru outlook bold": "*От:* Иван Петров [mailto:ivan@example.org]\n*Отправлено:* 15 июня 2026 г. 9:00\n"
    "*Кому:* Ann Lee\n*Копия:* Bob\n*Тема:* Предложение",
    "sv outlook": "Från: Anna Berg <anna@example.org>\nSkickat: den 15 juni 2026 09:00\nTill: Ann Lee\nÄmne: SV: Offert",
    "da outlook": "Fra: Hans Holm <hans@example.org>\nSendt: 15. juni 2026 09:00\nTil: Ann Lee\nEmne: SV: Tilbud",
    "no outlook": "Fra: Ola Dahl <ola@example.org>\nDato: mandag 15. juni 2026 kl. 09:00\nTil: Ann Lee\nEmne: SV: Tilbud",
    "cs outlook": "Od: Jan Malý <jan@example.org>\nOdesláno: pondělí 15. června 2026 9:00\nKomu: Ann Lee\nPředmět: RE: Nabídka",
    "tr outlook": "Kimden: Ali Kaya <ali@example.org>\nGönderildi: 15 Haziran 2026 Pazartesi 09:00\nKime: Ann Lee\nKonu: YNT: Teklif",
    "ko outlook": "보낸 사람: 김민수 <minsu@example.kr>\n보낸 날짜: 2026년 6월 15일 월요일 오전 9:00\n"
    "받는 사람: 이영희 <younghee@example.kr>\n제목: RE: 견적서",
    "ko outlook english": "From: 김민수 <minsu@example.kr>\nSent: Monday, June 15, 2026 9:00 AM\n"
    "To: 이영희 <younghee@example.kr>\nSubject: RE: 견적서",
    "ko spaced": "보낸사람 : 김민수 <minsu@example.kr>\n받는사람 : 이영희 <younghee@example.kr>\n"
    "날짜 : 2026년 6월 15일 월요일, 09시 00분 12초 +0900\n제목 : 견적서",
    "ja outlook": "差出人: 田中太郎 <taro@example.org>\n送信日時: 2026年6月15日月曜日 9:00\n"
    "宛先: 鈴木花子 <hanako@example.org>\n件名: RE: 見積書",
    "ja full width": "差出人：田中太郎 <taro@example.org>\n送信日時：2026年6月15日 9:00\n宛先：鈴木花子\n件名：見積書",
    "zh outlook": "发件人: 王伟 <wei@example.org>\n发送时间: 2026年6月15日 9:00\n收件人: 李娜 <na@example.org>\n主题: 答复: 报价",
    "zh full width": "发件人： 王伟 <wei@example.org>\n发送时间： 2026年6月15日 9:00\n收件人： 李娜 <na@example.org>\n"
    "抄送： 张三 <san@example.org>\n主题： 回复: 报价",
    "zh bold": "*发件人：* 王伟 <wei@example.org>\n*日期：* 2026年6月15日 星期一 上午9:00\n*收件人：* 李娜 <na@example.org>\n*主题：* 报价",
    "zh-tw outlook": "寄件者: 王大明 <daming@example.org>\n寄件日期: 2026年6月15日 上午 09:00\n"
    "收件者: 林小姐 <lin@example.org>\n主旨: RE: 報價",
    "zh-tw full width": "寄件人：王大明 <daming@example.org>\n傳送時間：2026年6月15日 上午 09:00\n收件者：林小姐\n主旨：報價",
    "notes": "Kim Lee\n06/15/2026 09:00 AM\nTo: Ann Lee/Sales/Acme@ACME\ncc: \nSubject: Re: Offer",
    "notes indented": "\tKim Lee\n\t06/15/2026 09:00 AM\n\t\t \n\t\t To: Ann Lee/Sales/Acme@ACME\n\t\t cc: \n\t\t Subject: Offer",
    "notes on": '"Kim Lee" <kim@example.com> on 06/15/2026 09:00:12 AM\nTo: <ann@example.com>\ncc: \n\nSubject: Offer',
    "notes de": "Von: Max Muster/Vertrieb/Acme\nAn: Ann Lee/Sales/Acme@ACME\nKopie:\nDatum: 15.06.2026 09:00\nBetreff: Angebot",
}

DIVIDERS = {
    "outlook en": "-----Original Message-----",
    "blackberry": "-----Original Message----- ",
    "thunderbird en": "-------- Original Message --------",
    "samsung": "-------- Original message --------",
    "proton": "------- Original Message -------",
    "old": "----- Original Message -----",
    "reply message": "----- Reply message -----",
    "qq en": "------------------ Original ------------------",
    "de": "-----Ursprüngliche Nachricht-----",
    "de telekom": "-----Original-Nachricht-----",
    "de samsung": "-------- Ursprüngliche Nachricht --------",
    "fr": "-----Message d'origine-----",
    "fr curly": "-----Message d’origine-----",
    "fr samsung": "-------- Message d'origine --------",
    "es": "-----Mensaje original-----",
    "pt": "-----Mensagem original-----",
    "it": "-----Messaggio originale-----",
    "nl": "-----Oorspronkelijk bericht-----",
    "pl": "-----Wiadomość oryginalna-----",
    "pl samsung": "-------- Oryginalna wiadomość --------",
    "ru": "-----Исходное сообщение-----",
    "sv": "-----Ursprungligt meddelande-----",
    "da": "-----Oprindelig meddelelse-----",
    "no": "-----Opprinnelig melding-----",
    "cs": "-----Původní zpráva-----",
    "tr": "-----Özgün İleti-----",
    "ko outlook": "-----원본 메시지-----",
    "ko daum": "--------- 원본 메일 ---------",
    "ko samsung": "-------- 원본 이메일 --------",
    "ja": "-----元のメッセージ-----",
    "zh": "-----原始邮件-----",
    "zh qq": "------------------ 原始邮件 ------------------",
    "zh qq nbsp": "------------------\xa0原始邮件\xa0------------------",
    "zh netease": "---- 回复的原邮件 ----",
    "zh-tw": "-----原始郵件-----",
    "bold": "*-----Original Message-----*",
}

FORWARDED = {
    "gmail en": "---------- Forwarded message ---------",
    "gmail old": "---------- Forwarded message ----------",
    "thunderbird en": "-------- Forwarded Message --------",
    "apple en": "Begin forwarded message:",
    "thunderbird de": "-------- Weitergeleitete Nachricht --------",
    "gmail de": "---------- Weitergeleitete Nachricht ----------",
    "apple de": "Anfang der weitergeleiteten Nachricht:",
    "thunderbird fr": "-------- Message transféré --------",
    "yahoo fr": "----- Message transmis -----",
    "apple fr": "Début du message réexpédié :",
    "gmail es": "---------- Mensaje reenviado ----------",
    "apple es": "Inicio del mensaje reenviado:",
    "pt": "---------- Mensagem encaminhada ----------",
    "pt-pt": "---------- Mensagem reencaminhada ----------",
    "apple pt": "Início da mensagem encaminhada:",
    "it": "---------- Messaggio inoltrato ----------",
    "apple it": "Inizio messaggio inoltrato:",
    "nl": "---------- Doorgestuurd bericht ----------",
    "apple nl": "Begin doorgestuurd bericht:",
    "pl": "---------- Wiadomość przekazana ----------",
    "thunderbird pl": "--- Treść przekazanej wiadomości ---",
    "apple pl": "Początek przekazywanej wiadomości:",
    "ru gmail": "---------- Пересылаемое сообщение ---------",
    "ru thunderbird": "-------- Перенаправленное сообщение --------",
    "apple ru": "Начало переадресованного сообщения:",
    "sv": "---------- Vidarebefordrat meddelande ---------",
    "apple sv": "Vidarebefordrat mejl:",
    "da": "---------- Videresendt meddelelse ---------",
    "no": "---------- Videresendt melding ---------",
    "cs": "---------- Přeposlaná zpráva ---------",
    "tr": "---------- Yönlendirilmiş ileti ---------",
    "thunderbird tr": "-------- İletilen İleti --------",
    "ko gmail": "---------- 전달된 메시지 ----------",
    "ko daum": "---------- 전달된 메일 ----------",
    "apple ko": "전달된 메시지 시작:",
    "ja": "---------- 転送メッセージ ----------",
    "ja thunderbird": "-------- 転送されたメッセージ --------",
    "zh": "---------- 转发的邮件 ----------",
    "zh netease": "-------- 转发邮件信息 --------",
    "zh-tw": "---------- 轉寄的郵件 ----------",
    "apple zh": "以下是转发的邮件：",
}

APP_LINES = [
    "Sent from my iPhone",
    "Sent from my Samsung Galaxy S24",
    "Sent from my Verizon Wireless BlackBerry",
    "Sent from Yahoo Mail on Android",
    "Sent from Outlook for iOS<https://aka.ms/o0ukef>",
    "Sent from Mail for Windows",
    "Sent with Proton Mail secure email.",
    "Get Outlook for iOS",
    "Get Outlook for Android<https://aka.ms/AAb9ysg>",
    "Von meinem iPhone gesendet",
    "Von meinem Samsung Galaxy Smartphone gesendet.",
    "Gesendet von meinem iPad",
    "Gesendet von Outlook für iOS",
    "Gesendet mit der GMX Mail App",
    "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
    "Outlook für Android beziehen",
    "Envoyé de mon iPhone",
    "Envoyé depuis mon appareil Galaxy",
    "Envoyé à partir de Outlook pour iOS",
    "Télécharger Outlook pour iOS",
    "Enviado desde mi iPhone",
    "Enviado desde Outlook para Android",
    "Obtener Outlook para iOS",
    "Enviado do meu iPhone",
    "Enviado do Yahoo Mail para iPhone",
    "Obter o Outlook para iOS",
    "Inviato da iPhone",
    "Inviato dal mio iPad",
    "Scarica Outlook per Android",
    "Verstuurd vanaf mijn iPhone",
    "Verzonden met mijn Samsung",
    "Outlook voor iOS downloaden",
    "Wysłane z iPhone'a",
    "Wysłano z mojego telefonu",
    "Pobierz program Outlook dla systemu iOS",
    "Отправлено с iPhone",
    "Отправлено с моего Samsung",
    "Отправлено из мобильной Почты Mail.ru",
    "Отправлено из мобильной Яндекс Почты",
    "Skaffa Outlook för iOS",
    "Skickat från min iPhone",
    "Sendt fra min iPhone",
    "Hent Outlook til iOS",
    "Odesláno z mého iPhonu",
    "iPhone'umdan gönderildi",
    "나의 iPhone에서 보냄",
    "내 Galaxy에서 보냈습니다.",
    "iPhone에서 보냄",
    "네이버 메일 앱에서 보냈습니다.",
    "Daum 메일앱에서 보냈습니다.",
    "Android용 Outlook 다운로드",
    "iPhoneから送信",
    "私のiPadから送信",
    "iOS 版 Outlook を取得",
    "Androidのスマートフォンから送信",
    "发自我的iPhone",
    "发自我的 小米手机",
    "发自网易邮箱大师",
    "从我的 iPhone 发送",
    "获取 Outlook for iOS",
    "從我的 iPhone 傳送",
    "取得 iOS 版 Outlook",
]

QUOTED = "> Could you send us\n> the price list?\n>\n>> By Friday?\n> > Yes."
REST = "Could you send us\nthe price list?\n\nBy Friday?"


@pytest.mark.parametrize("introduction", INTRODUCTIONS.values(), ids=INTRODUCTIONS)
def test_an_introducing_line_belongs_to_its_quote(introduction: str) -> None:
    text = f"Yes, here it is.\n\nBest,\nAnn\n\n{introduction}\n\n{QUOTED}\n\nPS: and a word below"
    assert new_text(text) == "Yes, here it is.\n\nBest,\nAnn\nPS: and a word below"
    assert kinds(text) == [SpanKind.QUOTE]
    span = separate(text).spans[0]
    assert text[span.start : span.end] == f"{introduction}\n\n{QUOTED}"


@pytest.mark.parametrize("introduction", INTRODUCTIONS.values(), ids=INTRODUCTIONS)
def test_an_introducing_line_without_signs_below_quotes_to_the_end(introduction: str) -> None:
    assert new_text(f"Yes, here it is.\n\n{introduction}\n\n{REST}") == "Yes, here it is."
    assert new_text(f"Yes, here it is.\n\n    {introduction}  \n \n{REST}") == "Yes, here it is."


@pytest.mark.parametrize("introduction", INTRODUCTIONS.values(), ids=INTRODUCTIONS)
def test_an_introducing_line_may_be_broken_at_every_blank_after_the_first_words(introduction: str) -> None:
    for position in (place for place, letter in enumerate(introduction) if letter == " " and place > 24):
        broken = introduction[:position] + "\n" + introduction[position + 1 :]
        assert new_text(f"Yes.\n\n{broken}\n\n{QUOTED}") == "Yes.", broken
    broken = introduction.replace("<", "<\n", 1)
    assert new_text(f"Yes.\n\n{broken}\n\n{QUOTED}") == "Yes.", broken


def test_an_introducing_line_may_be_broken_twice() -> None:
    text = f"Yes.\n\nOn Mon, Jun 15, 2026 at 9:00 AM\nKim Minsu <minsu@example.kr>\nwrote:\n\n{QUOTED}"
    assert new_text(text) == "Yes."


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_block_quotes_to_the_end(header: str) -> None:
    for rule in ("", "________________________________\n", "-----\n\n"):
        text = f"Yes, here it is.\n\n{rule}{header}\n\n{REST}\n"
        assert new_text(text) == "Yes, here it is."
        assert kinds(text) == [SpanKind.QUOTE]
        assert separate(text).forwards == ()


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_block_below_nothing_is_a_forward(header: str) -> None:
    found = separate(f"\n{header}\n\n{REST}")
    assert [span.kind for span in found.spans] == [SpanKind.FORWARD]
    forward = found.forwards[0]
    assert forward.name in {
        "Kim Minsu", "Kim Lee", "Max Muster", "Max Muster/Vertrieb/Acme", "Marie Petit", "Ana Ruiz", "João Reis",
        "Gianni Verdi", "Jan de Boer", "Ewa Nowak", "Иван Петров", "Anna Berg", "Hans Holm", "Ola Dahl",
        "Jan Malý", "Ali Kaya", "김민수", "田中太郎", "王伟", "王大明",
    }  # fmt: skip
    assert any(part in forward.date for part in ("15", "06"))
    assert forward.to
    assert any(
        word in forward.subject
        for word in ("Off", "Ang", "Ofe", "Prop", "Пред", "Til", "Nab", "Tek", "견적", "見積", "报价", "報價")
    )


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ("FW: Offer", SpanKind.FORWARD),
        ("Fwd: Re: Offer", SpanKind.FORWARD),
        ("[EXTERNAL] WG: Angebot", SpanKind.FORWARD),
        ("TR : Offre", SpanKind.FORWARD),
        ("转发：报价", SpanKind.FORWARD),
        ("전달: 견적", SpanKind.FORWARD),
        ("Re: FW: Offer", SpanKind.QUOTE),
        ("VS: Tarjous", SpanKind.QUOTE),
        ("Trip: when?", SpanKind.QUOTE),
    ],
)
def test_below_new_text_the_subject_says_whether_a_header_block_is_forwarded(
    subject: str, kind: SpanKind
) -> None:
    for divider in ("", "-----Original Message-----\n"):
        found = separate(f"Please handle.\n\n{divider}{HEADERS['en outlook']}\n\n{REST}", subject)
        assert [span.kind for span in found.spans] == [kind]
        assert [forward.name for forward in found.forwards] == ["Kim Minsu"] * (kind is SpanKind.FORWARD)


@pytest.mark.parametrize("divider", DIVIDERS.values(), ids=DIVIDERS)
def test_a_divider_quotes_to_the_end(divider: str) -> None:
    for header in (
        "",
        "From: Kim\n",
        "From: Kim Minsu <minsu@example.kr>\nTo: ann@example.com\nSubject: Offer\n\n",
    ):
        text = f"Yes, here it is.\n\n{divider}\n{header}{REST}"
        assert new_text(text) == "Yes, here it is."
        assert kinds(text) == [SpanKind.QUOTE]


@pytest.mark.parametrize("divider", FORWARDED.values(), ids=FORWARDED)
def test_a_forward_is_recognised_and_its_header_is_read(divider: str) -> None:
    header = (
        "From: Kim Minsu <Minsu@Example.kr>\nDate: Mon, Jun 15, 2026 at 9:00 AM\n"
        "Subject: Offer 17\nTo: Ann Lee <ann@example.com>, Bob <bob@example.com>\n"
    )
    for text in (f"{divider}\n{header}\n\n{REST}", f"Please see below.\n\n{divider}\n\n{header}\n\n{REST}"):
        found = separate(text)
        assert [span.kind for span in found.spans] == [SpanKind.FORWARD]
        assert found.forwards == (
            Forward(
                name="Kim Minsu",
                address="minsu@example.kr",
                to="Ann Lee <ann@example.com>, Bob <bob@example.com>",
                date="Mon, Jun 15, 2026 at 9:00 AM",
                subject="Offer 17",
            ),
        )
    assert new_text(text) == "Please see below."


@pytest.mark.parametrize("line", APP_LINES)
def test_the_line_of_an_app_is_a_signature(line: str) -> None:
    text = f"Yes, here it is.\n\n{line}\n"
    assert new_text(text) == "Yes, here it is."
    assert kinds(text) == [SpanKind.SIGNATURE]
    text = f"Yes, here it is.\n{line}\n\nOn 15 Jun 2026, at 09:00, Kim <kim@example.com> wrote:\n\n> Please"
    assert new_text(text) == "Yes, here it is."
    assert kinds(text) == [SpanKind.SIGNATURE, SpanKind.QUOTE]
    assert new_text(f"I read this:\n{line}\nand wondered.") == f"I read this:\n{line}\nand wondered."


def test_the_line_of_an_app_needs_a_product() -> None:
    for line in (
        "Sent from my desk, which is much easier than on my telephone.",
        "Sent via DHL",
        "Sent with DHL Express on Monday",
        "Enviado desde Barcelona",
        "Envoyé depuis Lyon",
        "Gesendet von Herrn Muster",
        "Von meinem Kollegen wurde nichts gesendet, oder?",
        "사진은 어제 회사에서 보냈습니다.",
        "내 생각에는 다음 주가 좋습니다.",
        "本社から送信しました",
        "发自内心的感谢",
        "Outlook for iOS crashes",
    ):
        assert separate(f"See below.\n\n{line}\n").spans == ()


def test_interleaved_answers_stay_new() -> None:
    text = (
        "Hi Kim,\n\nsee below.\n\nOn 15 Jun 2026, at 09:00, Kim <kim@example.com> wrote:\n\n"
        "> Is the price firm?\n\nYes, until July.\n\n> And the date?\n>> 1 August?\n> We need it.\n\nOK.\n\n-- \nAnn"
    )
    assert new_text(text) == "Hi Kim,\n\nsee below.\nYes, until July.\nOK."
    assert kinds(text) == [SpanKind.QUOTE, SpanKind.QUOTE, SpanKind.SIGNATURE]


def test_an_answer_below_the_quote_stays_new() -> None:
    assert new_text("Kim wrote:\n> Is the price firm?\n\nYes, it is.\n") == "Yes, it is."
    assert new_text("> Is the price firm?\nYes, it is.") == "Yes, it is."


def test_a_text_that_is_only_a_quote_is_one_span() -> None:
    text = "\n\nOn 15 Jun 2026, at 09:00, Kim <kim@example.com> wrote:\n\n> Is the price firm?\n>\n> Kim\n\n"
    found = separate(text).spans
    assert found == (Span(kind=SpanKind.QUOTE, start=2, end=len(text) - 2),)
    assert separate("> a\n\n\n> b").spans == (Span(kind=SpanKind.QUOTE, start=0, end=9),)


def test_a_signature_ends_where_a_quote_begins() -> None:
    text = "Yes.\n\n-- \nAnn Lee\nAcme, 1 Main Street\n\nKim wrote:\n> Is the price firm?\n"
    assert kinds(text) == [SpanKind.SIGNATURE, SpanKind.QUOTE]
    assert new_text(text) == "Yes."


def test_a_divider_without_its_blank_is_a_signature_only_above_few_short_lines() -> None:
    assert new_text("Yes.\n\n--\nAnn Lee\nAcme") == "Yes."
    for text in (
        "One.\n--\nTwo.",
        "Part one.\n\n--\n\nPart two.",
        "Hello,\n\n--\nWhat do you think of it?",
        "Yes.\n\n--\n" + "A long line about the second part of what I wanted to say today to you.\n" * 3,
        "Yes -- or no.\n\n-- and then",
        "--\nyour answer above, please:",
    ):
        assert separate(text).spans == ()


def test_a_signature_with_nothing_above_must_look_like_one() -> None:
    assert kinds("-- \nAnn Lee\nAcme") == [SpanKind.SIGNATURE]
    assert separate("-- \nAnn Lee\n\nYes, we take it at the price of last week.").spans == ()


def test_prose_is_never_a_quote() -> None:
    for text in (
        "On Monday he wrote:\nWe accept.\nSo I ordered.",
        "On 12 June 2026 at 9:00 your colleague Kim wrote:\nthe price is 5.\nBut it is not.",
        "As agreed, Kim <kim@example.com> wrote to us:\nthe list is this",
        "Am 15.06.2026 um 9:00 Uhr schrieb mir Ihr Kollege Folgendes:\nDas geht.\nStimmt das?",
        "On 12 June 2026 your colleague kim@example.com wrote:\nthe price is 5.\nBut it is not.",
        "On 12 June 2026 at 9:00 your colleague kim@example.com wrote:\nthe price is 5.",
        "On 12 June 2026 your colleague Kim <kim@example.com> wrote:\nthe price is 5.",
        "On 12 June 2026 at 9:00 Kim <kim@example.com> wrote to me and said this:\nthe price is 5.",
        "Am 12.06.2026 um 9:00 Uhr hat Max <max@example.org> geschrieben, wir sollen so bestellen:\n10 Pumpen",
        "On 12 June 2026 at 9:00 Kim <kim@example.com> wrote about the offers 1 and 2:\nboth are fine.",
        "Unser Angebot:\n> Pumpe 90 EUR\n> Ventil 12 EUR\nje Stück.",
        "Please change:\n\n> Pump P-3\n\nThank you",
        "From: the factory to: you\nDate: soon\nWe ship.",
        "From: Busan\nTo: Rotterdam\nDate: 15 June 2026\n20 pallets, please.",
        "From: Busan\nTo: Rotterdam\nDate: 15 June 2026\nSubject: to prior sale\nPlease confirm.",
        "New inquiry\n\nFrom: Kim <kim@example.kr>\nDate: 2026-06-15 09:00\nSubject: Pump\nMessage: I need 10.",
        "Anfrage\n\nVon: Max <max@example.org>\nGesendet: 15.06.2026\nBetreff: Pumpe\nTelefon: 030 1234\nHallo",
        "홈페이지 문의\n\n보낸사람: 김 <kim@example.kr>\n날짜: 2026-06-15 09:00\n제목: 펌프\n내용: 10대 필요합니다",
        "From: 10\nTo: 20\nof them.",
        "Subject: to change.\nTo: everyone\nFrom: me",
        "Our prices:\n> 100 pcs   5.00 EUR\n> 500 pcs   4.50 EUR\n>= 1.000 pcs 4.20 EUR\nper piece.",
        "Try this:\n>>> print(1)\n1",
        "Hello,\n>From here you see it.\n",
        "Menu > Settings\nand -> then",
        "-----\nA table\n-----\n____________\nx",
        "----- Attention -----\nwe are closed.",
        "Original Message\nwas lost.",
        "The forwarded message:\nit says no.",
        "제목: 회의 안내\n날짜: 6월 15일\n장소: 본사",
        "主题：会议\n时间：6月15日",
        "Dear all,\n\nTo: do\ncc: nobody\nSubject: none",
    ):
        assert separate(text) == separate(""), text


def test_a_mark_of_quotation_without_introduction_is_a_quote() -> None:
    assert new_text("Fine.\n\n> 1. Is the price firm?\n> 2. And the date?\n") == "Fine."
    assert new_text("Kim wrote:\n> 100 pcs\n\nToo many.") == "Too many."


def test_what_is_no_list_of_its_author_is_a_quote() -> None:
    assert new_text("> Pump 90 EUR\n\nYes.") == "Yes."
    assert new_text("Yes.\n\n>> Pump 90 EUR\n> Valve") == "Yes."
    assert new_text("Yes.\n\n" + "> Pump 90 EUR\n" * 6) == "Yes."
    assert new_text("Kim wrote:\n> Pump 90 EUR\n\nToo much.") == "Too much."
    assert new_text("Yes.\n\n> Could we have it\n> at the price of May?\n") == "Yes."


@pytest.mark.parametrize(
    "line",
    [
        "On Monday, June 15, 2026 at 09:00:12 AM GMT+9, kim@example.com wrote:",
        "Am 15.06.2026 um 09:00 schrieb max@example.org:",
        "Am 15.06.2026 um 09:00 Uhr schrieb Max <max@example.org>:",
        "Max <max@example.org> schrieb am 15.06.2026 um 9:00 Uhr:",
    ],
)
def test_all_is_quoted_below_a_line_as_programs_write_it(line: str) -> None:
    assert new_text(f"Yes.\n\n{line}\n\nIs the price firm?\nKim") == "Yes."


def test_apple_mail_quotes_what_it_forwards() -> None:
    text = (
        "FYI\n\n> Begin forwarded message:\n> \n> From: Kim <kim@example.com>\n> Subject: Offer\n"
        "> Date: 15 June 2026 at 09:00:00 CEST\n> To: Ann <ann@example.com>\n> \n> Hello Ann\n\nBest, Ann"
    )
    found = separate(text)
    assert [span.kind for span in found.spans] == [SpanKind.FORWARD]
    assert found.forwards[0] == Forward(
        name="Kim",
        address="kim@example.com",
        to="Ann <ann@example.com>",
        date="15 June 2026 at 09:00:00 CEST",
        subject="Offer",
    )
    assert new_text(text) == "FYI\nBest, Ann"
    outside = "FYI\n\nBegin forwarded message:\n\n" + text.partition("message:\n> \n")[2]
    assert separate(outside).forwards == found.forwards
    assert new_text(outside) == "FYI\nBest, Ann"


@pytest.mark.parametrize(
    ("text", "name", "address", "date", "subject"),
    [
        (
            ("---------- Forwarded message ---------\n보낸사람: *김민수* <minsu@example.kr>\n"
            "Date: 2026년 6월 15일 (월) 오전 9:00\nSubject: 견적서\nTo: <ann@example.com>\n\n안녕하세요"),
            "김민수", "minsu@example.kr", "2026년 6월 15일 (월) 오전 9:00", "견적서",
        ),
        (
            ("--------- 전달된 메일 ---------\n보낸사람 : 김민수 <minsu@example.kr>\n받는사람 : 이영희 <a@example.kr>\n"
            "날짜 : 2026년 6월 15일\n제목 : 견적서\n\n안녕하세요"),
            "김민수", "minsu@example.kr", "2026년 6월 15일", "견적서",
        ),
        (
            ("---- 转发的原邮件 ----\n| 发件人 | 王伟<wei@example.org> |\n| 日期 | 2026年06月15日 09:00 |\n"
            "| 收件人 | 李娜<na@example.org> |\n| 主题 | 报价 |\n\n你好"),
            "王伟", "wei@example.org", "2026年06月15日 09:00", "报价",
        ),
        (
            ('------------------ 转发邮件 ------------------\n发件人: "王伟" <wei@example.org>;\n'
            '发送时间: 2026年6月15日(星期一) 上午9:00\n收件人: "李娜"<na@example.org>;\n主题: 报价\n\n你好'),
            "王伟", "wei@example.org", "2026年6月15日(星期一) 上午9:00", "报价",
        ),
        (
            ("-------- Weitergeleitete Nachricht --------\nBetreff: Angebot\nDatum: Mo, 15 Jun 2026 09:00:12 +0200\n"
            "Von: Max Muster <max@example.org>\nAn: ann@example.com\n\nHallo"),
            "Max Muster", "max@example.org", "Mo, 15 Jun 2026 09:00:12 +0200", "Angebot",
        ),
        (
            '-------- Пересылаемое сообщение --------\n15.06.2026, 09:00, "Иван Петров" <ivan@example.org>:\n\nДобрый день',
            "Иван Петров", "ivan@example.org", "15.06.2026, 09:00", "",
        ),
        (
            ("-------- Пересылаемое сообщение --------\nОт кого: Иван Петров <ivan@example.org>\nКому: a@example.org\n"
            "Дата: Понедельник, 15 июня 2026, 9:00 +03:00\nТема: Счёт\n\nДобрый день"),
            "Иван Петров", "ivan@example.org", "Понедельник, 15 июня 2026, 9:00 +03:00", "Счёт",
        ),
        (
            ("---------------------- Forwarded by Ann Lee/Sales/Acme on 06/16/2026 \n10:00 AM ------------------------\n\n\n"
            "Kim Lee@ACME\n06/15/2026 09:00 AM\nTo: Ann Lee/Sales/Acme@ACME\ncc:  \n\nSubject: Offer\n\nHello"),
            "Kim Lee@ACME", "", "06/15/2026 09:00 AM", "Offer",
        ),
        (
            ("----- Forwarded by Ann Lee/Sales/Acme on 06/16/2026 10:00 AM -----\n\n"
            '"Kim Lee" <kim@example.com> on 06/15/2026 09:00:12 AM\nTo: <ann@example.com>\ncc: \nSubject: Offer\n\nHello'),
            "Kim Lee", "kim@example.com", "06/15/2026 09:00:12 AM", "Offer",
        ),
        (
            ("---------- Forwarded message ---------\nFrom: kim@example.com (Kim)\nDate: 15 June 2026\n"
            "Subject: A subject that is so long that the program which forwarded it broke its line\nin two\nTo: Ann\n\nHi"),
            "Kim", "kim@example.com", "15 June 2026",
            "A subject that is so long that the program which forwarded it broke its line in two",
        ),
        (
            "Begin forwarded message:\n\nFrom: Kim <mailto:kim@example.com>\nSubject: Re: Offer: last\n\nHi",
            "Kim", "kim@example.com", "", "Re: Offer: last",
        ),
        ("---------- Forwarded message ---------\nHi", "", "", "", ""),
    ],
    ids=["gmail ko", "daum", "netease", "qq", "thunderbird", "yandex", "mail.ru", "notes", "notes on", "comment", "mailto",
         "no header"],
)  # fmt: skip
def test_the_header_of_a_forward_is_read(text: str, name: str, address: str, date: str, subject: str) -> None:
    for above in ("", "Please see below.\n\n"):
        found = separate(above + text)
        assert [span.kind for span in found.spans] == [SpanKind.FORWARD]
        forward = found.forwards[0]
        assert (forward.name, forward.address, forward.date, forward.subject) == (
            name,
            address,
            date,
            subject,
        )
        assert new_text(above + text) == above.strip()


def test_a_signature_alone_above_a_header_block_makes_it_no_answer() -> None:
    header = HEADERS["en outlook"]
    assert kinds(f"-- \nAnn Lee\nAcme\n\n{header}\n\nHi") == [SpanKind.SIGNATURE, SpanKind.FORWARD]
    assert kinds(f"Sent from my iPhone\n\n{header}\n\nHi") == [SpanKind.SIGNATURE, SpanKind.FORWARD]
    assert kinds(f"Hello\n\n{header}\n\nHi") == [SpanKind.QUOTE]


def test_a_quote_ends_where_its_signs_end_also_below_a_divider() -> None:
    text = (
        "------- Original Message -------\nOn Monday, June 15th, 2026 at 9:00 AM, Kim <kim@example.com> wrote:\n\n"
        "> Is the price firm?\n\nYes, it is."
    )
    assert new_text(text) == "Yes, it is."
    assert kinds(text) == [SpanKind.QUOTE]


LINES = st.sampled_from(
    [
        "", "", " ", "Hello", "Yes, it is.", "> quoted", ">", ">> deep", "> 100 pcs", "--", "-- ", "-----",
        "________________________________", "Ann Lee", "Sent from my iPhone", "From: Kim <kim@example.com>",
        "Sent: 15 June 2026 09:00", "To: Ann", "Cc:", "Subject: Offer", "Date: 15.06.2026", "보낸 사람: 김민수",
        "On 15 Jun 2026, at 09:00, Kim <kim@example.com> wrote:", "Kim wrote:", "a écrit", ":", "wrote:",
        "-----Original Message-----", "---------- Forwarded message ---------", "Begin forwarded message:",
        "> Begin forwarded message:", "> From: Kim <kim@example.com>", "Kim Lee", "06/15/2026 09:00 AM",
        "----- Forwarded by Ann on 06/15/2026", "10:00 AM -----", "발신: ", "发件人：王伟", "| 主题 | 报价 |", "Kim <",
    ]
)  # fmt: skip
TEXTS = st.lists(LINES, max_size=25).map("\n".join) | st.text(alphabet="> -:_*|\nFrom@wte1발：", max_size=80)


@given(TEXTS)
@settings(max_examples=600)
def test_spans_are_whole_lines_in_order_without_blank_lines_around(text: str) -> None:
    found = separate(text)
    position = -1
    for span in found.spans:
        assert position < span.start < span.end <= len(text)
        assert span.start == 0 or text[span.start - 1] == "\n"
        assert span.end == len(text) or text[span.end] == "\n"
        lines = text[span.start : span.end].split("\n")
        assert lines[0].strip()
        assert lines[-1].strip()
        position = span.end
    assert len(found.forwards) == sum(span.kind is SpanKind.FORWARD for span in found.spans)


def test_a_header_that_another_one_follows_is_no_form() -> None:
    header = "From: Kim <kim@example.com>\nSent: 15 June 2026 09:00\nTo: Ann\n"
    (span,) = separate(f"Yes.\n\n{header}{header}\nHello").spans
    assert (span.kind, span.start) == (SpanKind.QUOTE, 6)


@given(TEXTS)
@settings(max_examples=600)
def test_what_is_left_above_the_first_quote_holds_no_more_quotes(text: str) -> None:
    # Between two quotes it could: their lines meet when the quotes are taken out.
    quotes = [span for span in separate(text).spans if span.kind is not SpanKind.SIGNATURE]
    above = text[: quotes[0].start] if quotes else text
    assert all(kind is SpanKind.SIGNATURE for kind in kinds(above))


@given(st.text())
@settings(max_examples=300)
def test_any_text_can_be_separated(text: str) -> None:
    separate(text)


@given(
    st.lists(
        st.sampled_from(["Hello,", "the price is 5.", "", "1. one", "안녕하세요", "- item", "Best, Ann"])
    )
)
def test_a_text_without_signs_is_new(lines: list[str]) -> None:
    assert separate("\n".join(lines)).spans == ()
