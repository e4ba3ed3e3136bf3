"""vCards of telephones, address books and strangers."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.csv_files import BadRow
from mailcrm.core.errors import UsageError
from mailcrm.core.imports import ImportedContact
from mailcrm.core.model import Contact
from mailcrm.vcards import is_vcard, read_vcards, write_vcards


def card(*lines: str) -> str:
    return "\r\n".join(("BEGIN:VCARD", *lines, "END:VCARD", ""))


MINSU = card(
    "VERSION:3.0",
    "N:김;민수;;;",
    "FN:김민수",
    "item1.EMAIL;TYPE=INTERNET:minsu.kim@example.kr",
    "EMAIL;TYPE=INTERNET,PREF:minsu@example.kr",
    "TEL;TYPE=CELL:+82 10 1234 5678",
    "ORG:한빛상사\\, 서울;영업부",
    "TITLE:부장",
    "NOTE:첫째 줄\\n둘째",
    "  줄",
    "PHOTO;ENCODING=b;TYPE=JPEG:!!! no base64",
)
PERSON = ImportedContact(
    lines=(1,),
    name="김민수",
    addresses=("minsu@example.kr", "minsu.kim@example.kr"),
    phones=("+82 10 1234 5678",),
    organization="한빛상사, 서울",
    title="부장",
    notes="첫째 줄\n둘째 줄",
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp949"])
def test_a_card_of_version_3_is_read_in_any_encoding(encoding: str) -> None:
    data = MINSU.encode(encoding)
    assert is_vcard(data)
    assert read_vcards(data).records == (PERSON,)


def test_a_card_of_version_4_is_read() -> None:
    found = read_vcards(
        card(
            "VERSION:4.0",
            "KIND:individual",
            "FN;ALTID=1;LANGUAGE=en:Jane Doe",
            "N;ALTID=1;LANGUAGE=en:Doe;Jane;;;",
            "N;ALTID=1;LANGUAGE=jp:D;J;;;",
            'EMAIL;TYPE="work,home";PREF=2:jane@example.org',
            "EMAIL;PREF=1:jane@example.com",
            'TEL;VALUE=uri;TYPE="voice,home":tel:+1-555-555-5555;ext=55',
            "ORG:Example",
        ).encode()
    )
    assert found.records == (
        ImportedContact(
            lines=(1,),
            name="Jane Doe",
            addresses=("jane@example.com", "jane@example.org"),
            phones=("+1-555-555-5555 ext. 55",),
            organization="Example",
        ),
    )


def test_quoted_printable_of_a_telephone_is_read_over_lines_and_in_its_charset() -> None:
    found = read_vcards(
        card(
            "VERSION:2.1",
            "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=C3=89toile;=52=65=6E=",
            "=C3=A9=65;;;",
            "EMAIL;INTERNET:renee@example.org",
            "NOTE;ENCODING=QUOTED-PRINTABLE:one=0D=0Atwo",
        ).encode()
        + card("VERSION:2.1", "FN;CHARSET=EUC-KR;ENCODING=QUOTED-PRINTABLE:=B1=E8=B9=CE=BC=F6").encode()
    )
    assert [
        (person.name, person.notes) for person in found.records if isinstance(person, ImportedContact)
    ] == [
        ("Renée Étoile", "one\ntwo"),
        ("김민수", None),
    ]


def test_a_broken_card_is_told_with_its_line_and_the_others_are_read() -> None:
    found = read_vcards(
        (
            "BEGIN:VCARD\nFN:Kim\n"
            + card("VERSION:3.0", "FN:Lee", "EMAIL:lee at example")
            + card("VERSION:4.0", "KIND:group", "FN:All")
            + card("VERSION:3.0", "TEL:1")
            + card("VERSION:3.0", "FN", 'N;X="a:b')
            + card("VERSION:3.0", "FN:Park", "what is this?", "EMAIL:park@example.kr")
            + "BEGIN:VCARD\n"
        ).encode()
    )
    assert [record.lines for record in found.records] == [(22,)]
    assert found.bad == (
        BadRow(line=1, reason="its END:VCARD is missing"),
        BadRow(line=3, reason="'lee at example' is no e-mail address"),
        BadRow(line=8, reason="it is no person: group"),
        BadRow(line=13, reason="it has neither a name nor an address"),
        BadRow(line=17, reason="'N;X=\"a:b' is no line of a vCard"),
        BadRow(line=28, reason="its END:VCARD is missing"),
    )


@pytest.mark.parametrize(
    "line",
    ["FN;A=" + "," * 5_000, "FN" + ";A" * 5_000, 'FN;X="' + ",'\"" * 5_000, "FN;" + "A=b," * 5_000 + '"'],
)
def test_a_hostile_line_costs_nothing(line: str) -> None:
    # vobject alone would not come to its end with 60 characters of it.
    assert read_vcards(card(line, "EMAIL:kim@example.kr").encode()).bad[0].line == 1


def test_a_card_with_too_many_lines_is_bad() -> None:
    lines = [f"EMAIL:kim{number}@example.kr" for number in range(2_000)]
    assert read_vcards(card("FN:Kim", *lines).encode()).bad[0].reason == "it has more than 1,000 lines"


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xfe", b"END:VCARD"])
def test_what_holds_no_card_is_refused(data: bytes) -> None:
    assert not is_vcard(data)
    with pytest.raises(UsageError):
        read_vcards(data)


_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=90
)


@pytest.mark.rule("export-contacts")
@settings(max_examples=100)
@given(
    st.sampled_from(["3.0", "4.0"]),
    _TEXT,
    st.none() | _TEXT,
    st.lists(_TEXT, max_size=3).map("\n".join),
)
def test_what_is_written_is_read_again(version: str, name: str, organization: str | None, notes: str) -> None:
    person = Contact(
        id=1,
        name=unicodedata.normalize("NFC", name),
        owner_id=1,
        addresses=("kim@example.kr", "min@example.kr"),
        organization_id=1 if organization else None,
        organization=unicodedata.normalize("NFC", organization) if organization else None,
        title="부장; \\n",
        phones=("+82 10 1",),
        notes=notes,
    )
    (read,) = read_vcards(write_vcards([person], version)).records  # type: ignore[arg-type] # one of the two
    assert read == ImportedContact(
        lines=(1,),
        name=person.name,
        addresses=person.addresses,
        organization=person.organization,
        title=person.title,
        phones=person.phones,
        notes=person.notes or None,
    )


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            [
                "BEGIN:VCARD",
                "END:VCARD",
                "FN:Kim",
                "N:a;b,c;\\",
                "EMAIL;PREF=x:k@example.kr",
                "KIND:x",
                "ORG:",
                "N:",
            ]
        )
        | st.text(max_size=20)
        | st.text(alphabet='FNEMAILORG;:=",\\QUOTED-PRINTABLE \t', max_size=30),
        max_size=12,
    )
)
def test_any_lines_are_people_or_bad_or_an_error_for_a_person(lines: list[str]) -> None:
    try:
        found = read_vcards("\n".join(["BEGIN:VCARD", *lines]).encode("utf-8", "replace"))
    except UsageError:
        return
    begun = [line for record in found.records for line in record.lines] + [row.line for row in found.bad]
    assert len(begun) == len(set(begun))
