"""Imported records beside those that are there: made, completed or left, and nothing overwritten."""

from datetime import UTC, date, datetime

import pytest

from mailcrm.core.csv_files import BadRow, read_csv
from mailcrm.core.import_columns import Kind, guess_columns
from mailcrm.core.imports import read_records
from mailcrm.core.model import DealStatus, LeadStatus
from mailcrm.store import Database, contacts, deals, labels, leads, organizations, pipelines
from mailcrm.store.imports import ImportPlan, carry_out, plan_import
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import connect


def bring(db: Database, kind: Kind, text: str, *, pipeline: str | None = None) -> ImportPlan:
    file = read_csv(text.encode())
    said = read_records(kind, file, guess_columns(kind, file.header))
    plan = plan_import(db, said.records, pipeline=pipeline)
    carry_out(db, plan, at=NOW)
    plan.bad[:0] = said.bad
    return plan


def counts(plan: ImportPlan) -> tuple[int, int, int]:
    return plan.made, plan.completed, plan.unchanged


PEOPLE = (
    "Name,E-mail,Phone,Company,Job title,Notes\n"
    'Kim Minsu,"minsu@example.kr, kim@example.com",+82 10,Hanbit,Buyer,"two\nlines"\n'
    "Lee,lee@example.kr,,hanbit,,\n"
    "Park,,+82 11,,,\n"
    "Nobody,no address,,,,\n"
)


@pytest.mark.rule("import-good-rows")
def test_good_rows_go_in_and_bad_rows_are_told(db: Database) -> None:
    plan = bring(db, Kind.CONTACT, PEOPLE)
    assert counts(plan) == (3, 0, 0)
    assert plan.also_made == ["organization Hanbit"]
    assert plan.bad == [BadRow(line=6, reason="'no address' is no e-mail address")]
    kim = contacts.contact(db, "minsu@example.kr")
    assert (kim.name, kim.addresses, kim.phones) == (
        "Kim Minsu",
        ("minsu@example.kr", "kim@example.com"),
        ("+82 10",),
    )
    assert (kim.organization, kim.title, kim.notes) == ("Hanbit", "Buyer", "two\nlines")
    assert contacts.contact(db, "Lee").organization_id == kim.organization_id
    assert contacts.contact(db, "Park").addresses == ()


@pytest.mark.rule("import-again")
def test_the_same_import_again_changes_nothing(db: Database) -> None:
    tables = {
        Kind.CONTACT: PEOPLE,
        Kind.ORGANIZATION: "Name,Website\nHanbit,hanbit.example.kr\nSorin,https://sorin.example.com\n",
        Kind.DEAL: "Title,Contact,Company,Stage,Pipeline\nPaper,Kim Minsu,Hanbit,Offer,Export\nInk,,,,\n",
        Kind.LEAD: "Title,Contact person,Labels\nPens,Lee,Hot\n",
    }
    for kind, text in tables.items():
        assert bring(db, kind, text).made > 0

    def state() -> list[object]:
        return [
            contacts.contacts(db, limit=99),
            organizations.organizations(db, limit=99),
            deals.deals(db, status=None, limit=99),
            leads.leads(db, status=None, limit=99),
            pipelines.pipelines(db),
            labels.labels(db),
        ]

    before = state()
    for kind, text in tables.items():
        again = bring(db, kind, text)
        assert (again.made, again.completed, again.also_made) == (0, 0, [])
    assert state() == before


@pytest.mark.rule("import-again")
def test_what_is_there_gains_what_it_lacks_and_keeps_what_it_has(db: Database) -> None:
    contacts.create_contact(db, name="Minsu", addresses=["minsu@example.kr"], title="Boss")
    assert counts(bring(db, Kind.CONTACT, PEOPLE)) == (2, 1, 0)
    kim = contacts.contact(db, "kim@example.com")
    assert (kim.name, kim.title, kim.organization, kim.notes) == ("Minsu", "Boss", "Hanbit", "two\nlines")
    assert kim.addresses == ("minsu@example.kr", "kim@example.com")


def test_a_row_that_contradicts_the_store_is_bad(store: Store) -> None:
    db = store.as_member(FIRST)
    store.add_member("bob@example.com")
    connect(db, "sales@example.com")
    contacts.create_contact(db, name="Kim", addresses=["kim@example.kr"])
    contacts.create_contact(db, name="Lee", addresses=["lee@example.kr"])
    contacts.create_contact(db, name="Lee", addresses=["other@example.kr"])
    plan = bring(
        db,
        Kind.CONTACT,
        "Name,E-mail\n"
        "Both,kim@example.kr;lee@example.kr\n"
        "Bob,bob+x@example.com\n"
        "Sales,sales@example.com\n"
        "Lee,\n",
    )
    assert [row.line for row in plan.bad] == [2, 3, 4, 5]
    assert "several contacts" in plan.bad[0].reason
    assert "one of our own" in plan.bad[1].reason
    assert len(contacts.contacts(db, limit=9)) == 3


def test_organizations_are_found_by_name_and_domain(db: Database) -> None:
    organizations.create_organization(db, name="Hanbit", domains=["hanbit.example.kr"])
    plan = bring(
        db,
        Kind.ORGANIZATION,
        "Name,Website\n"
        "HANBIT,hanbit.example.com\n"
        "Hanbit Trading,https://hanbit.example.kr/\n"
        "Sorin,www.naver.com\n"
        "Daon,hanbit.example.com\n",
    )
    assert counts(plan) == (1, 1, 1)
    assert [row.line for row in plan.bad] == [5]
    assert organizations.organization(db, "Hanbit").domains == ("hanbit.example.com", "hanbit.example.kr")
    assert organizations.organization(db, "Sorin").domains == ()
    bring(db, Kind.CONTACT, "Name,E-mail\nKim,kim@seoul.hanbit.example.kr\n")
    assert contacts.contact(db, "Kim").organization == "Hanbit"


def test_deals_come_with_stage_state_and_people(db: Database) -> None:
    bring(db, Kind.CONTACT, PEOPLE + "Lee,second@example.kr,,Sorin,,\n")
    plan = bring(
        db,
        Kind.DEAL,
        "Title,Value,Currency,Stage,Pipeline,Status,Contact person,Email,Company,Close date,Won time\n"
        'Paper,"1,200.50",EUR,Offer,Export,Won,Kim Minsu,,Hanbit,2026-07-01,2026-05-04 10:00:00\n'
        "Ink,5,,Offer,export,Open,,minsu@example.kr,,,\n"
        "Pens,,,proposal,,,Lee,,Hanbit,,\n"
        "Pins,,,,,,New Person,new@example.org,Daon,,\n"
        "Bad stage,,,Nowhere,,,,,,,\n"
        "Bad pipeline,,,,Nowhere,,,,,,\n"
        "Bad person,,,,,,Nobody Known,,,,\n"
        "Two of them,,,,,,Lee,,,,\n",
    )
    assert counts(plan) == (4, 0, 0)
    assert sorted(plan.also_made) == [
        "contact New Person",
        "organization Daon",
        "stage Offer of pipeline Export",
    ]
    assert [row.line for row in plan.bad] == [6, 7, 8, 9]
    paper = deals.deal(db, "Paper")
    assert (paper.value, paper.currency, paper.stage, paper.pipeline) == ("1200.50", "EUR", "Offer", "Export")
    assert (paper.status, paper.contacts, paper.organization) == (DealStatus.WON, ("Kim Minsu",), "Hanbit")
    assert (paper.expected_close, paper.closed_at) == (
        date(2026, 7, 1),
        datetime(2026, 5, 4, tzinfo=UTC),
    )
    ink = deals.deal(db, "Ink")
    assert (ink.stage, ink.contacts, ink.closed_at) == ("Offer", ("Kim Minsu",), None)
    pens = deals.deal(db, "Pens")
    assert (pens.pipeline, pens.stage) == ("Sales", "Proposal")
    assert pens.contact_ids == (contacts.contact(db, "lee@example.kr").id,)
    assert contacts.contact(db, "new@example.org").organization == "Daon"
    assert counts(bring(db, Kind.DEAL, "Title,Stage\nPads,Nowhere\n", pipeline="Sales")) == (1, 0, 0)
    assert deals.deal(db, "Pads").stage == "Nowhere"


def test_leads_come_with_labels_and_state(db: Database) -> None:
    bring(db, Kind.CONTACT, PEOPLE)
    bring(
        db,
        Kind.LEAD,
        "Title,Contact person,Organization,Labels,Value,Archived\n"
        'Paper,Lee,Hanbit,"Hot, New",₩1000,no\n'
        "Ink,,,hot,,yes\n",
    )
    paper = leads.lead(db, "Paper")
    assert (paper.labels, paper.contacts, paper.value, paper.currency) == (
        ("Hot", "New"),
        ("Lee",),
        "1000",
        "KRW",
    )
    ink = leads.lead(db, "Ink")
    assert (ink.status, ink.labels, ink.closed_at) == (LeadStatus.ARCHIVED, ("Hot",), NOW)


def test_the_owner_is_the_member_of_that_name_or_who_imports(store: Store) -> None:
    bob = store.add_member("bob@example.com")
    db = store.as_member(FIRST)
    bring(db, Kind.CONTACT, "Name,E-mail,Owner\nKim,kim@example.kr,bob\nLee,lee@example.kr,Nobody\n")
    assert contacts.contact(db, "Kim").owner_id == bob.viewer.id
    assert contacts.contact(db, "Lee").owner_id == db.viewer.id


def test_a_plan_writes_nothing(db: Database) -> None:
    file = read_csv(PEOPLE.encode())
    said = read_records(Kind.CONTACT, file, guess_columns(Kind.CONTACT, file.header))
    assert plan_import(db, said.records).made == 3
    assert contacts.contacts(db, limit=9) == []


def test_ten_thousand_contacts_go_in(db: Database) -> None:
    rows = "".join(
        f"Person {number},p{number}@c{number % 500}.example.com,+82 {number},Company {number % 500}\n"
        for number in range(10_000)
    )
    assert bring(db, Kind.CONTACT, f"Name,E-mail,Phone,Company\n{rows}").made == 10_000
    assert counts(bring(db, Kind.CONTACT, f"Name,E-mail,Phone,Company\n{rows}")) == (0, 0, 10_000)


def test_a_deal_leaves_out_our_own_among_its_people(db: Database) -> None:
    plan = bring(db, Kind.DEAL, f'Title,Contact\nPaper,"Ann ({FIRST});Kim (kim@example.kr)"\nInk,{FIRST}\n')
    assert plan.bad == []
    assert deals.deal(db, "Paper").contact_ids == (contacts.contact(db, "kim@example.kr").id,)
    assert deals.deal(db, "Ink").contacts == ()


def test_a_contact_called_by_the_address_gains_a_name(db: Database) -> None:
    bring(db, Kind.CONTACT, "Name,E-mail\n,kim@example.kr\n")
    assert counts(bring(db, Kind.CONTACT, "Name,E-mail\nKim,kim@example.kr\n")) == (0, 1, 0)
    assert counts(bring(db, Kind.CONTACT, "Name,E-mail\n,kim@example.kr\n")) == (0, 0, 1)
    assert contacts.contact(db, "kim@example.kr").name == "Kim"
