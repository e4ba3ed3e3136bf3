from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.charsets import decode_charset
from mailcrm.core.guessing import guess
from mailcrm.core.mime import parse

LETTERS = {
    "Добрый день! Направляем вам коммерческое предложение.": ("cp1251", "koi8_r"),
    "Счёт на оплату": ("cp1251", "koi8_r"),
    "ДОГОВОР ПОСТАВКИ": ("cp1251",),
    "Надсилаємо вам комерційну пропозицію": ("cp1251", "koi8_u"),
    "Изпращаме ви търговско предложение": ("cp1251",),
    "Καλημέρα σας, σας στέλνουμε την προσφορά": ("cp1253", "iso8859_7"),
    "お見積書を添付いたしますので、ご確認ください。": ("euc_jp", "cp932", "iso2022_jp"),
    "안녕하세요, 견적서를 보내드립니다.": ("cp949", "iso2022_kr"),
    "견적서": ("cp949",),
    "您好，附件是我们公司的最新报价单。": ("gb18030",),
    "您好，附件是我們公司的最新報價單。": ("cp950",),
    "שלום רב, מצורפת הצעת המחיר שלנו": ("cp1255",),
    "السلام عليكم، نرفق لكم عرض الأسعار": ("cp1256",),
    "สวัสดีครับ เราขอส่งใบเสนอราคาสำหรับอุปกรณ์": ("cp874",),
    "Größe: schön, Übergabe für Österreich": ("cp1252", "utf_8"),
    "Veuillez trouver ci-joint notre devis à jour, reçu l’été dernier": ("cp1252",),
    "Atenção: condições válidas até amanhã": ("cp1252",),
    "Paris à Lyon": ("cp1252",),
    "Vänligen bekräfta, Åsa Öberg": ("cp1252",),
    "plain": ("ascii",),
}
WRITTEN = [(text, codec) for text, codecs in LETTERS.items() for codec in codecs]


@pytest.mark.parametrize(("text", "codec"), WRITTEN)
@pytest.mark.parametrize("label", [None, "unknown-8bit", "us-ascii"])
def test_a_text_without_a_label_is_guessed(text: str, codec: str, label: str | None) -> None:
    assert decode_charset(text.encode(codec), label)[0] == text


@pytest.mark.parametrize(("text", "codec"), WRITTEN)
def test_a_western_label_is_not_believed_of_another_script(text: str, codec: str) -> None:
    data = text.encode(codec)
    decoded, repair = decode_charset(data, "iso-8859-1")
    long_enough = codec in ("cp1252", "ascii", "utf_8") or len(data) > 20
    if long_enough and not codec.startswith("iso2022"):
        assert decoded == text
        assert repair == (None if codec in ("cp1252", "ascii") else "charset:iso-8859-1")


@pytest.mark.parametrize(
    ("text", "label", "codec"),
    [
        ("Ã¼ber", "utf-8", "utf-8"),
        ("Stra\u00dfe \u00ab\u00bb \u2014\u2014", "windows-1252", "cp1252"),
        ("été à Paris, où déjà çà et là", "iso-8859-1", "cp1252"),
        ("Привет", "koi8-r", "koi8_r"),
        ("Привет", "windows-1251", "cp1251"),
        ("한국어", "euc-kr", "cp949"),
    ],
)
def test_a_label_that_fits_is_believed(text: str, label: str, codec: str) -> None:
    assert decode_charset(text.encode(codec), label) == (text, None)


def test_utf_16_without_a_label_is_known_by_its_mark() -> None:
    assert decode_charset("\ufeff견적서".encode("utf-16-le"), None)[0] == "견적서"
    assert decode_charset("\ufeff견적서".encode("utf-16-be"), None)[0] == "견적서"
    assert decode_charset("offer".encode("utf-16-le"), None)[0] == "offer"


def test_a_little_damage_does_not_make_another_charset_of_utf_8() -> None:
    data = "안녕하세요, 견적서를 보내드립니다.".encode() + b"\xff"
    text, repair = decode_charset(data, None)
    assert (text, repair) == ("안녕하세요, 견적서를 보내드립니다.\ufffd", "charset:missing")


def test_a_cut_inside_a_character_does_not_change_the_guess() -> None:
    for text, codec in WRITTEN:
        data = text.encode(codec)
        if codec in ("cp949", "euc_jp", "gb18030", "cp950") and len(data) > 20:
            assert guess(data[:-1]) == guess(data)


def test_raw_bytes_in_a_header_and_a_body_are_guessed() -> None:
    subject, name = "Коммерческое предложение", "Мария Иванова"
    raw = f"From: {name} <maria@example.com>\nSubject: {subject}\n\nДобрый день, {name}!\n".encode("cp1251")
    email = parse(raw)
    assert (email.subject, email.participants[0].name) == (subject, name)
    assert email.text == f"Добрый день, {name}!"
    assert email.repairs == ("charset:missing",)


def test_a_word_under_a_wrong_label_is_guessed() -> None:
    word = b64encode("Коммерческое предложение".encode("koi8_r")).decode()
    email = parse(f"Subject: =?iso-8859-1?B?{word}?=\n\nx".encode())
    assert (email.subject, email.repairs) == ("Коммерческое предложение", ("charset:iso-8859-1",))


@settings(max_examples=200)
@given(st.binary(max_size=60), st.sampled_from([None, "iso-8859-1", "us-ascii", "utf-8", "x"]))
def test_any_bytes_are_text(data: bytes, label: str | None) -> None:
    text, _ = decode_charset(data, label)
    assert "\0" not in text
    text.encode()


def test_a_label_with_any_number_is_read() -> None:
    for prefix in ("cp", "x-cp", "windows-", "ibm", "dos-", "iso-8859-", "koi8-"):
        for number in range(2_000):
            assert decode_charset(b"\xe1", f"{prefix}{number}")[0]
