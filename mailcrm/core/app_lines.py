"""The line that telephones and mail apps put below every email: `Sent from my phone`, in many languages.

Other signatures, and where one begins, are left to `mailcrm.core.quotes`.
"""

# ruff: noqa: RUF001 (the letters of other scripts are what is looked for)

import re


def _words(words: str) -> tuple[str, ...]:
    return tuple(words.split("|"))


#: How the line begins that a telephone or a mail app puts below every email: with the sender's own device,
#: whatever it is called, or with a product.
_OWN_DEVICE = _words(
    "sent from my |envoyé de mon |envoyé depuis mon |enviado desde mi |enviado do meu "
    "|enviado a partir do meu |inviato dal mio |verstuurd vanaf mijn |verzonden vanaf mijn "
    "|verzonden met mijn |verstuurd van mijn |wysłane z mojego |wysłano z mojego |wysłane z mojej "
    "|отправлено с моего |skickat från min |skickat från mitt |sendt fra min "
    "|sendt fra mit |odesláno z mého |gesendet von meinem |发自我的|發自我的"
)
_PRODUCT_LINE = _words(
    "sent from |sent via |sent with |gesendet von |gesendet mit |gesendet über |gesendet aus |envoyé depuis "
    "|envoyé à partir d|envoyé avec |envoyé de |provenance |enviado desde |enviado do |enviado da "
    "|enviado con |enviado com |enviado a partir d|inviato da |inviato con |verstuurd vanaf |verzonden vanaf "
    "|verstuurd vanuit |verzonden vanuit |verzonden met |verstuurd met |wysłane z |wysłano z |wysłane przez "
    "|отправлено с |отправлено из |отправлено через |skickat från |skickat med |sendt fra |sendt med "
    "|odesláno z |odesláno ze |发自|發自|来自|來自"
)
_PRODUCT = re.compile(
    r"i(?:phone|pad|pod|os)\b|iphon|android|안드로이드|安卓|galaxy|갤럭시|samsung|삼성|huawei|xiaomi|小米|xperia"
    r"|blackberry|아이폰|스마트폰|휴대폰|핸드폰|スマートフォン|携帯|手机|手機|телефон|смартфон|\bmobil|handy\b"
    r"|outlook|gmail|yahoo|aol|proton|gmx|web\.de|t-online|mail\b|courrier pour|почт|naver|네이버|daum|다음"
    r"|kakao|카카오|邮箱|郵箱|qq|网易|企业微信|メール|메일|posteingang"
)
_APP_LINE = re.compile(
    r"(?:diese nachricht wurde )?von mein(?:em|er) [\w.'’()+/& -]{2,50} gesendet"
    r"|[从從]我的[\w.+/&() -]{2,30}(?:发送|發送|傳送|寄出)|"
    # A device in the middle, and the rest of the sentence after it.
    r"(?:내|나의|제|나)?\s?(?P<ko>[\w.+/&() -]{2,40})에서 보(?:냄|냈습니다|낸 메일입니다)"
    r"|(?:私の)?\s?(?P<ja>[\w.+/&() !！-]{2,40})(?:から|より)送信(?:されました|しました)?"
    r"|(?P<tr>[\w.+/&() -]{2,40})['’]?(?:[uüıi]m)?[dt][ae]n gönderildi"
    # Advertisements of Outlook.
    r"|(?:get|télécharger|téléchargez|obtenir|obtenez|obtener|descargar|obtenga|obter|obtenha|baixar|transferir"
    r"|scarica|ottieni|scaricare|download|haal|pobierz|uzyskaj|скачайте|скачать|получить|загрузить|hämta|skaffa"
    r"|hent|skaff deg|få|last ned|získat|získejte|stáhnout|holen sie sich|获取|取得|下载|下載)\s?"
    r"(?:o |program |aplikację |适用于 ?|適用於 ?|(?:ios|android) ?[的版用] ?)*\[?outlook"
    r"(?: (?:for|pour|para|para o|per|voor|dla|dla systemu|для|för|til|pro|für) \w{3,10})?"
    r"|outlook (?:für|voor) \w{3,10}(?: beziehen| herunterladen| abrufen| downloaden| ophalen)"
    r"|(?:android|ios) için outlook['’]u (?:edinin|indirin)"
    r"|outlook for \w{3,10}(?:['’]?[ıiuü]? ?(?:edinin|indirin)| ?(?:다운로드|받기|を入手|を取得))"
    r"|(?:android|ios)용 \[?outlook ?(?:다운로드|받기|가져오기)"
    r"|(?:android|ios) ?[用版] ?(?:の ?)?outlook ?を(?:入手|取得)"
)
_SENT_AT_THE_END = _words(
    "gesendet|보냄|보냈습니다|메일입니다|送信|されました|しました|发送|發送|傳送|寄出|gönderildi"
)
_APP_EDGE = " \t\xa0*_<>[]().。!—―-"
_APP_LINK = re.compile(r"\s*[(<\[]+https?://[^\s<>]{1,300}$")
_PRODUCT_NAME = re.compile(r"[\w.'’()+/&* -]{1,60}")


def is_app_line(line: str) -> bool:
    """Say whether a line is what a telephone or a mail app puts below every email, and nothing else."""
    if not line or len(line) > 400:
        return False
    line = line.strip(_APP_EDGE).casefold()
    if "http" in line:
        line = _APP_LINK.sub("", line).strip(_APP_EDGE)
    if len(line) > 90:
        return False
    if line.startswith(_OWN_DEVICE) and _PRODUCT_NAME.fullmatch(line):
        return True
    if line.startswith(_PRODUCT_LINE):
        return (
            _PRODUCT_NAME.fullmatch(line.replace(":", "")) is not None and _PRODUCT.search(line) is not None
        )
    if "outlook" not in line and not line.endswith(_SENT_AT_THE_END):
        return False
    found = _APP_LINE.fullmatch(line)
    return found is not None and (not found.lastgroup or _PRODUCT.match(found[found.lastgroup]) is not None)
