"""Tables of other programs become records; what is wrong in them is said, line by line."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.csv_files import BadRow, read_csv, write_csv
from mailcrm.core.errors import UsageError
from mailcrm.core.import_columns import Kind, fields, guess_columns
from mailcrm.core.import_values import Money
from mailcrm.core.imports import (
    Imported,
    ImportedContact,
    ImportedDeal,
    ImportedLead,
    ImportedOrganization,
    read_records,
)
from mailcrm.core.model import DealStatus


def read(kind: Kind, text: str, *said: tuple[str, str]) -> Imported:
    file = read_csv(text.encode())
    return read_records(kind, file, guess_columns(kind, file.header, said))


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        pytest.param(
            Kind.CONTACT,
            "Person - Name=name, Person - Email - Work=address, Person - Email - Home=address,"
            "Person - Phone - Work=phone, Person - Organization=organization, Person - Owner=owner,"
            "Person - Label=, Person - ID=",
            id="Pipedrive: persons",
        ),
        pytest.param(
            Kind.ORGANIZATION,
            "Organization - Name=name, Organization - Website=domain, Organization - Owner=owner,"
            "Organization - Address=",
            id="Pipedrive: organizations",
        ),
        pytest.param(
            Kind.DEAL,
            "Deal - Title=title, Deal - Value=value, Deal - Currency of Value=currency, Deal - Stage=stage,"
            "Deal - Pipeline=pipeline, Deal - Status=status, Deal - Contact person=contact,"
            "Deal - Organization=organization, Deal - Expected close date=expected_close, Deal - Owner=owner,"
            "Deal - Won time=won, Deal - Lost time=lost, Person - Email - Work=contact_address,"
            "Deal - Lost reason=, Organization - Name=",
            id="Pipedrive: deals",
        ),
        pytest.param(
            Kind.LEAD,
            "Lead - Title=title, Lead - Contact person=contact, Lead - Organization=organization,"
            "Lead - Labels=labels, Lead - Value=value, Lead - Archived=status",
            id="Pipedrive: leads",
        ),
        pytest.param(
            Kind.CONTACT,
            "First Name=first_name, Middle Name=, Last Name=last_name, Company=organization, Job Title=title,"
            "E-mail Address=address, E-mail 2 Address=address, Business Phone=phone, Notes=notes",
            id="Outlook",
        ),
        pytest.param(
            Kind.CONTACT,
            "Name=name, Given Name=first_name, Family Name=last_name, E-mail 1 - Type=,"
            "E-mail 1 - Value=address, Phone 1 - Value=phone, Organization 1 - Name=organization,"
            "Organization 1 - Title=title",
            id="Google Contacts",
        ),
        pytest.param(
            Kind.CONTACT,
            "Record ID=, First Name=first_name, Last Name=last_name, Email=address, Phone Number=phone,"
            "Contact owner=owner, Associated Company=organization, Lead Status=",
            id="HubSpot: contacts",
        ),
        pytest.param(
            Kind.DEAL,
            "Record ID=, Deal Name=title, Deal Stage=stage, Close Date=expected_close, Deal owner=owner,"
            "Amount=value, Pipeline=pipeline, Associated Contact=contact, Associated Company=organization",
            id="HubSpot: deals",
        ),
        pytest.param(
            Kind.CONTACT,
            "이름=name, 이메일 주소=address, 휴대폰=phone, 회사명=organization, 직책=title, 비고=notes",
            id="Korean",
        ),
        pytest.param(
            Kind.CONTACT,
            "Vorname=first_name, Nachname=last_name, E-Mail-Adresse=address, Firma=organization,"
            "Position=title",
            id="German",
        ),
        pytest.param(
            Kind.CONTACT,
            "Nom=last_name, Prénom=first_name, Courriel=address, Société=organization, Fonction=title",
            id="French",
        ),
        pytest.param(
            Kind.CONTACT,
            "Nombre=name, Apellidos=last_name, Correo electrónico=address, Empresa=organization, Cargo=title",
            id="Spanish",
        ),
        pytest.param(
            Kind.CONTACT, "姓名=name, 邮箱=address, 公司=organization, 职位=title, 手机=phone", id="Chinese"
        ),
        pytest.param(
            Kind.DEAL,
            "거래명=title, 금액=value, 통화=currency, 단계=stage, 상태=status,"
            "고객=contact, 회사=organization, 예상 마감일=expected_close",
            id="Korean deals",
        ),
    ],
)
def test_the_columns_of_other_programs_are_known(kind: Kind, columns: str) -> None:
    pairs = [pair.strip().rpartition("=") for pair in columns.split(",")]
    found = guess_columns(kind, [header for header, _, _ in pairs])
    assert [(column.header, column.field) for column in found] == [
        (header, field or None) for header, _, field in pairs
    ]


def test_a_person_says_otherwise() -> None:
    columns = guess_columns(Kind.CONTACT, ["Who", "E-mail", "Notes"], [("who", "name"), ("Notes", "-")])
    assert [column.field for column in columns] == ["name", "address", None]
    assert "title" in fields(Kind.CONTACT)


@pytest.mark.parametrize(
    ("header", "said"), [(["E-mail"], [("Who", "name")]), (["E-mail"], [("E-mail", "mail")]), (["Foo"], [])]
)
def test_what_cannot_be_a_column_is_refused_with_what_can(
    header: list[str], said: list[tuple[str, str]]
) -> None:
    with pytest.raises(UsageError) as caught:
        guess_columns(Kind.CONTACT, header, said)
    assert caught.value.hint


def test_contacts_are_read_and_bad_rows_are_told() -> None:
    assert read(
        Kind.CONTACT,
        "Name;E-mail;Phone;Company\n"
        "Kim Minsu;minsu@example.kr, kim@example.com;+82 2 123;Hanbit\n"
        "Lee;no address;;\n"
        ";;+82 10;\n"
        ";Park <park@example.kr>;;\n"
        ";choi@example.kr;;\n"
        "Jung;;+82 10 1;Hanbit\n",
    ) == Imported(
        records=(
            ImportedContact(
                lines=(2,),
                name="Kim Minsu",
                addresses=("minsu@example.kr", "kim@example.com"),
                phones=("+82 2 123",),
                organization="Hanbit",
            ),
            ImportedContact(lines=(5,), name="Park", addresses=("park@example.kr",)),
            ImportedContact(lines=(6,), name="choi@example.kr", addresses=("choi@example.kr",)),
            ImportedContact(lines=(7,), name="Jung", phones=("+82 10 1",), organization="Hanbit"),
        ),
        bad=(
            BadRow(line=3, reason="'no address' is no e-mail address"),
            BadRow(line=4, reason="it has neither a name nor an address"),
        ),
    )


def test_two_rows_with_one_address_are_one_person_or_a_contradiction() -> None:
    found = read(
        Kind.CONTACT,
        'Name,E-mail,Phone\nKim,kim@example.kr,1\nkim,"kim@example.kr,min@example.kr",2\nLee,min@example.kr,\n',
    )
    assert found.records == (
        ImportedContact(
            lines=(2, 3), name="Kim", addresses=("kim@example.kr", "min@example.kr"), phones=("1", "2")
        ),
    )
    assert found.bad == (BadRow(line=4, reason="min@example.kr is in line 2 already, under another name"),)


def test_organizations_have_the_domains_of_their_web_sites() -> None:
    found = read(
        Kind.ORGANIZATION,
        "Name,Website\nHanbit,https://www.hanbit.example.kr/\nhanbit,hanbit.example.com\nOther,hanbit.example.kr\n",
    )
    assert found.records == (
        ImportedOrganization(
            lines=(2, 3), name="Hanbit", domains=("hanbit.example.kr", "hanbit.example.com")
        ),
    )
    assert [row.line for row in found.bad] == [4]


def test_deals_are_read_with_the_columns_evidence_of_sums_and_dates() -> None:
    found = read(
        Kind.DEAL,
        "Deal - Title,Deal - Value,Deal - Currency of Value,Deal - Stage,Deal - Pipeline,Deal - Status,"
        "Deal - Contact person,Person - Email,Deal - Organization,Deal - Expected close date\n"
        'Paper,"1,200",EUR,Offer,Sales,Open,Kim,kim@example.kr,Hanbit,3/4/2026\n'
        "Ink,12.50,EUR,Offer,Sales,won,Kim,,Hanbit,3/14/2026\n"
        "Paper,5,EUR,,,,,kim@example.kr,HANBIT,\n"
        "Pens,5,Euro,,,,,,,\n"
        "Pins,5,EUR,,,someday,,,,\n",
    )
    assert found.records == (
        ImportedDeal(
            lines=(2,),
            title="Paper",
            money=Money(value="1200", currency="EUR"),
            stage="Offer",
            pipeline="Sales",
            contact="Kim",
            contact_addresses=("kim@example.kr",),
            organization="Hanbit",
            expected_close=date(2026, 3, 4),
        ),
        ImportedDeal(
            lines=(3,),
            title="Ink",
            money=Money(value="12.50", currency="EUR"),
            stage="Offer",
            pipeline="Sales",
            status=DealStatus.WON,
            contact="Kim",
            organization="Hanbit",
            expected_close=date(2026, 3, 14),
        ),
    )
    assert found.bad == (
        BadRow(line=4, reason="line 2 has the same title, contact and organization"),
        BadRow(line=5, reason="'Euro' is no currency of three letters (ISO 4217)"),
        BadRow(line=6, reason="'someday' is none of open, won and lost"),
    )


def test_a_deal_without_a_status_has_one_by_its_times_or_its_stage() -> None:
    found = read(
        Kind.DEAL,
        "Title,Stage,Won time,Lost time\nA,,2026-01-02,\nB,,,2026-01-02\nC,Offer,,\nD,Closed Lost,,\n",
    )
    assert [deal.status.value for deal in found.records if isinstance(deal, ImportedDeal)] == [
        "won",
        "lost",
        "open",
        "lost",
    ]


def test_leads_are_read() -> None:
    assert read(Kind.LEAD, 'Title,Contact person,Labels,Archived\nPaper,Kim,"Hot, New",yes\n').records == (
        ImportedLead(lines=(2,), title="Paper", contact="Kim", labels=("Hot", "New"), archived=True),
    )


def test_a_written_table_has_no_formulas_and_is_read_as_it_was() -> None:
    rows = [["=1+1", "+82 2 123"], ["@x", "-1"], ["'=x", "+cmd"], ['Kim, "Min"\nsu', "x"]]
    data = write_csv(["Name", "Phone"], rows)
    assert data.startswith(b"\xef\xbb\xbf")
    for line in data.decode("utf-8-sig").splitlines():
        assert not line.startswith(("=", "@", "+"))
    assert [list(row.cells) for row in read_csv(data).rows if not isinstance(row, BadRow)] == rows


_WORDS = st.sampled_from(
    [
        "",
        "Kim",
        "kim@example.kr",
        "a@example.com;b@example.com",
        "1.200",
        "1/2/2026",
        "won",
        '"',
        "example.com",
    ]
)


@settings(max_examples=150)
@given(
    st.sampled_from(list(Kind)),
    st.lists(st.tuples(_WORDS, _WORDS, _WORDS, st.text(max_size=10) | _WORDS), max_size=8),
)
def test_every_row_is_in_a_record_or_is_bad(kind: Kind, rows: list[tuple[str, ...]]) -> None:
    header = {
        Kind.CONTACT: "Name,E-mail,Phone,Company",
        Kind.ORGANIZATION: "Name,Website,Owner,Label",
        Kind.DEAL: "Title,E-mail,Value,Close date",
        Kind.LEAD: "Title,E-mail,Value,Archived",
    }[kind]
    file = read_csv("\n".join([header, *(",".join(row) for row in rows)]).encode("utf-8", "replace"))
    found = read_records(kind, file, guess_columns(kind, file.header))
    lines = [line for record in found.records for line in record.lines] + [row.line for row in found.bad]
    assert sorted(lines) == [row.line for row in file.rows]
